"""The kind "latent_place": a place in a generator's latent space, such as the one that a fit found for a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import field_validator

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError, short_repr
from gesso.media.file import read_json
from gesso.ports import Frame, Ports, PortSizes

MOST = 2**16  # numbers


class LatentPlace(Condition):
    """`rows`: a vector for each layer of the generator, or one for all. They mean something to the model that they were found for only.

    A fit finds them. They are encoded as tokens [b layers width]; the family reads these, and networks do not.
    """

    kind: ClassVar[str] = "latent_place"
    notation: ClassVar[str] = "FILE: the request.json that a fit wrote"
    rows: tuple[tuple[float, ...], ...]

    @field_validator("rows")
    @classmethod
    def _even(cls, value: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if not value or not value[0] or len({len(row) for row in value}) > 1 or len(value) * len(value[0]) > MOST:
            raise ValueError(f"rows of one width, at most {MOST} numbers in all")
        if not np.isfinite(np.array(value)).all() or np.abs(value).max() > 1e6:
            raise ValueError("finite numbers, none beyond a million")
        return value

    @classmethod
    def of(cls, rows: np.ndarray) -> Self:
        """From float32 [layers width]; JSON keeps each to the bit."""
        return cls(rows=tuple(tuple(float(x) for x in row) for row in np.asarray(rows, np.float32)))

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse {"rows": …}, rows, or the path of a JSON file with either, or of a request that holds such a value for `where`."""
        if isinstance(given, (str, Path)):
            given = read_json(given)
            if isinstance(given, Mapping) and isinstance(given.get("conditions"), Mapping):
                found = given["conditions"].get(where)
                if found is None:
                    raise GessoError(f"this request has no {where}", where=where, fix="the request.json that a fit wrote")
                given = found
        if isinstance(given, Mapping):
            return cls.model_validate(dict(given))
        if isinstance(given, (list, tuple)):
            return cls(rows=tuple(map(tuple, given)))
        raise GessoError(f"is {short_repr(given)}", where=where, fix=cls.notation)

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes()

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as tokens [b layers width]; nothing where no value is given. GessoError for values of different shapes."""
        import torch

        from gesso.ports import Tokens

        shapes = {np.shape(value.rows) for value in values if value is not None}
        if not shapes:
            return Ports()
        if len(shapes) > 1:
            raise GessoError("these latents are of different models", where=cls.kind, fix="latents of one model")
        (shape,) = shapes
        rows = [np.zeros(shape, np.float32) if value is None else np.array(value.rows, np.float32) for value in values]
        there = torch.tensor([value is not None for value in values])
        return Ports(tokens=Tokens(torch.from_numpy(np.stack(rows)), there[:, None].expand(-1, shape[0]).contiguous()))

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """Nothing: it depends on a trained model, and training takes none."""
        return None, {}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """`finds`, the slot's option: the name of the condition that a fit finds a value for."""
        return {"tool": "latent", "schema": cls.model_json_schema(), "finds": options.get("finds", "")}
