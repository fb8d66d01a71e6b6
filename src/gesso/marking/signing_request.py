"""The signing request: the facts about one output from which the signer builds its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from gesso.card import Card
from gesso.conditions.condition import Condition
from gesso.record import HASH, NAME, Record, condition_hash
from gesso.request import Request

Format = Literal["image/png", "image/openraster", "image/vnd.adobe.photoshop"]
PNG: Final = "image/png"
ORA: Final = "image/openraster"
PSD: Final = "image/vnd.adobe.photoshop"
FORMATS: Final[dict[str, Format]] = {".png": PNG, ".ora": ORA, ".psd": PSD}  # the files that can be signed
MOST_NODES: Final = 1000  # node ids of a branch in a manifest, to keep it small
ID = r"^[A-Za-z0-9_-]{1,100}$"
Id = Annotated[str, Field(pattern=ID)]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Fact):
    """A picture that the user gave: condition, kind, hash of its JSON as in records, and whether it stays visible in the output."""

    condition: str = Field(pattern=NAME)
    kind: str = Field(pattern=NAME)
    sha256: str = Field(pattern=HASH)
    stays: bool = False


class Branch(_Fact):
    """The output's place in a session: node ids from the root; of a long branch, the root and the last ones."""

    session: Id
    nodes: tuple[Id, ...] = Field(max_length=MOST_NODES)
    num_nodes: int = Field(ge=1)

    @classmethod
    def of(cls, session: str, nodes: Sequence[str]) -> Self:
        """`nodes` are the ids from the root to the node of the output."""
        named = nodes if len(nodes) <= MOST_NODES else [nodes[0], *nodes[1 - MOST_NODES :]]
        return cls(session=session, nodes=tuple(named), num_nodes=len(nodes))


class SigningRequest(_Fact):
    """One file to sign. No field can claim an author or a source other than a model."""

    format: Format
    output: str = Field(pattern=NAME)
    recipe: str = Field(pattern=NAME)
    preset: str = Field(default="", max_length=100)
    weights: dict[Annotated[str, Field(pattern=NAME)], Annotated[str, Field(pattern=HASH)]] = Field(default_factory=dict, max_length=100)
    gesso: str = Field(max_length=60)
    time: str = Field(default="", max_length=60)
    request: str = Field(pattern=HASH)
    record: str = Field(pattern=HASH)
    pixels: str | None = Field(default=None, pattern=HASH)  # the output's digest in the record
    inputs: tuple[Input, ...] = Field(default=(), max_length=100)
    branch: Branch | None = None


def signing_request_of(
    card: Card, request: Request, record: Record, output: str, format: Format, branch: Branch | None = None
) -> SigningRequest:
    """The signing request of a new output. `request` hashes the generation request, with each condition replaced by its own hash;
    `record` hashes the record's text in the file."""
    hashes = {name: condition_hash(value) for name, value in record.request.conditions.items()}
    hashes |= {name: left.sha256 for name, left in record.left.items()}
    digest = record.output.get(output)
    return SigningRequest(
        format=format,
        output=output,
        recipe=card.name,
        preset=record.request.preset,
        weights=record.request.weights,
        gesso=record.gesso,
        time=record.made.time,
        request=condition_hash(record.request.model_dump(mode="json") | {"conditions": hashes}),
        record=hashlib.sha256(record.text().encode()).hexdigest(),
        pixels=None if digest is None else digest.sha256,
        inputs=tuple(
            Input(condition=slot.name, kind=slot.kind.kind, sha256=hashes[slot.name], stays=slot.stays)
            for slot in card.conditions
            if slot.name in hashes and is_picture(request.conditions[slot.name])
        ),
        branch=branch,
    )


def is_picture(value: Condition) -> bool:
    """Whether a value has pixels (uint8 [h w] or [h w c]); dots, strokes, labels and masks alone do not count."""
    return any(_are_pixels(getattr(value, name)) for name in type(value).model_fields)


def _are_pixels(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim in (2, 3)
