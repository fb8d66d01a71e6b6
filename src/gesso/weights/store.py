"""Weights files with their card: one safetensors file with tensors named "role/parameter" and a JSON card about their origin."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.errors import GessoError
from gesso.media.file import printable, read_bytes, write_atomic
from gesso.weights.safe import MAX_HEADER, check_name, metadata_of, read_header, read_tensors, write_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_FILE = 4 * 2**30
MAX_CARD = 2**20
DTYPES = ("F16", "BF16", "F32", "I64", "U8")  # the last two for buffers
LAYOUT = "1"
SHOWN_NAMES = 5


@dataclass(frozen=True)
class Weights:
    """The contents of a weights file: `states` {role: {parameter's name: tensor}}, its `card`, and the `sha256` of the whole file.

    Of a folder of another library, which a recipe `opens`, there are no states: `networks(preset)` builds {role: network} of it, the
    `preset` may be the folder's own, and the sha256 is of all that is used of it.
    """

    states: dict[str, dict[str, Tensor]]
    card: dict[str, Any]
    sha256: str
    path: Path
    networks: Callable[[Any], Mapping[str, nn.Module]] | None = None
    preset: Any = None


def save_weights(
    path: str | Path, networks_state: Mapping[str, Mapping[str, Tensor]], card: Mapping[str, Any], *, half: bool = True
) -> str:
    """Write {role: state_dict} and the card atomically as one file; returns its sha256.

    `half` stores a tensor as float16 if all its values stay finite. Raises GessoError for a value that is NaN or infinite, a name
    that `read_weights` would refuse, or a disk error.
    """
    text = _card_text(card, path)
    tensors: dict[str, Tensor] = {}
    for role, state in networks_state.items():
        for name, value in state.items():
            full = f"{role}/{name}"
            check_name(full, path)
            tensors[full] = _stored(value, half, where=f"{printable(path)}: {full}")
    if not tensors:
        raise GessoError("there are no weights to save", where=path)
    data = write_tensors(tensors, {"gesso": LAYOUT, "card": text})
    write_atomic(path, data)
    return hashlib.sha256(data).hexdigest()


def read_weights(path: str | Path, *, recipe: str | None = None, max_bytes: int = MAX_FILE) -> Weights:
    """Read weights from an untrusted file.

    Raises GessoError with the reason if it is not a safetensors file (whatever its name), is truncated or larger than `max_bytes`,
    has gaps or overlaps, NaN or infinity, types other than F16, BF16, F32, I64 and U8, unsafe names, no card, or the card of a
    recipe other than `recipe`.
    """
    where = printable(path)
    data = read_bytes(path, max_bytes)
    tensors, metadata = read_tensors(data, where=where, dtypes=DTYPES)
    card = _read_card(metadata, where)
    if recipe is not None and card.get("recipe") != recipe:
        raise GessoError(
            f"these are weights of {printable(str(card.get('recipe')))!r}, not of {recipe!r}", where=where, fix=f"give weights of {recipe}"
        )
    states: dict[str, dict[str, Tensor]] = {}
    for full, value in tensors.items():
        role, slash, name = full.partition("/")
        if not (role and slash and name):
            raise GessoError(f"the tensor name {full!r} is not role/parameter", where=where, fix="give weights that Gesso wrote")
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise GessoError(f"{full} holds NaN or infinity", where=where, fix="these weights are damaged; use others")
        states.setdefault(role, {})[name] = value
    if not states:
        raise GessoError("the file holds no weights", where=where)
    return Weights(states, card, hashlib.sha256(data).hexdigest(), Path(path))


def card_of(path: str | Path) -> dict[str, Any]:
    """The card of a weights file, without reading its tensors. GessoError where there is none."""
    where = printable(path)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, MAX_HEADER))
    return _read_card(metadata_of(header, where=where), where)


def read_network(path: str | Path, role: str, *, max_bytes: int = MAX_FILE) -> Weights:
    """Read the weights of one network: those of `role` in a file of Gesso's, or all tensors of a safetensors file without a card, as
    other programs write it. GessoError as `read_weights`.
    """
    where = printable(path)
    data = read_bytes(path, max_bytes)
    _, metadata = read_header(data, where=where)
    if metadata.get("gesso") == LAYOUT:
        held = read_weights(path, max_bytes=max_bytes)
        if role not in held.states:
            raise GessoError(f"the file holds no network {role!r}", where=where, fix="it holds " + ", ".join(held.states))
        return Weights({role: held.states[role]}, held.card, held.sha256, held.path)
    tensors, _ = read_tensors(data, where=where)
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise GessoError(f"{name} holds NaN or infinity", where=where, fix="these weights are damaged; use others")
    return Weights({role: tensors}, {}, hashlib.sha256(data).hexdigest(), Path(path))


def load_into(network: nn.Module, state: Mapping[str, Tensor], *, where: object) -> None:
    """Copy a state into a network, converted to the network's number types.

    A network may define `migrated(state)`, which completes a state that was saved by an earlier version of its class.
    If anything is missing, unexpected or of another shape, GessoError lists it and nothing is changed.
    """
    import torch

    migrated = getattr(network, "migrated", None)
    state = state if migrated is None else migrated(state)
    own = network.state_dict()
    missing, extra = [n for n in own if n not in state], [n for n in state if n not in own]
    misfits = [f"{n} {list(state[n].shape)} for {list(own[n].shape)}" for n in own if n in state and state[n].shape != own[n].shape]
    parts = [
        f"{what}: {_some(names)}" for what, names in (("missing", missing), ("unexpected", extra), ("of another shape", misfits)) if names
    ]
    if parts:
        raise GessoError(
            "the weights do not fit this network; " + "; ".join(parts), where=where, fix="use the preset they were trained with"
        )
    with torch.no_grad():
        for name, target in own.items():
            target.copy_(state[name])


def shipped(recipe_name: str, preset: str | None = None) -> Path | None:
    """The path of the weights that the package ships for a recipe, or None: those of this preset, where it has some of its own."""
    names = [f"{recipe_name}-{preset}"] * bool(preset) + [recipe_name]
    if not all(re.fullmatch(r"[a-z][a-z0-9_-]*", name) for name in names) or "-" in recipe_name:
        return None
    folder = resources.files("gesso.weights").joinpath("shipped")
    paths = [Path(str(folder.joinpath(f"{name}.safetensors"))) for name in names]
    return next((path for path in paths if path.is_file()), None)


def _stored(value: Tensor, half: bool, where: object) -> Tensor:
    import torch

    plain = value.detach().to("cpu").contiguous()
    if plain.is_floating_point():
        if not bool(plain.isfinite().all()):
            raise GessoError("holds NaN or infinity; nothing was written", where=where)
        small = plain.to(torch.float16 if half else torch.float32)
        plain = small if bool(small.isfinite().all()) else plain.to(torch.float32)
    elif plain.dtype == torch.bool:
        plain = plain.to(torch.uint8)
    elif plain.dtype not in (torch.int64, torch.uint8):
        plain = plain.to(torch.int64)
    return plain.clone()  # tensors that share memory (tied weights) are stored separately


def _card_text(card: Mapping[str, Any], path: object) -> str:
    try:
        text = json.dumps(dict(card), ensure_ascii=False, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise GessoError(f"the card is not plain JSON: {error}", where=path) from error
    if len(text.encode()) > min(MAX_CARD, MAX_HEADER):
        raise GessoError(f"the card is larger than {MAX_CARD} bytes", where=path)
    return text


def _read_card(metadata: Mapping[str, str], where: object) -> dict[str, Any]:
    fix = "give weights that Gesso wrote; convert others with a script first"
    if metadata.get("gesso") != LAYOUT or "card" not in metadata:
        raise GessoError("the file has no Gesso card", where=where, fix=fix)
    if len(metadata["card"].encode("utf-8", "replace")) > MAX_CARD:
        raise GessoError(f"the card is larger than {MAX_CARD} bytes", where=where, fix=fix)
    try:
        card = json.loads(metadata["card"])
    except (ValueError, RecursionError) as error:
        raise GessoError("the card is not JSON", where=where, fix=fix) from error
    try:
        json.dumps(card, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError) as error:  # a lone surrogate cannot be encoded
        raise GessoError("the card holds text that is not Unicode", where=where, fix=fix) from error
    if not isinstance(card, dict) or not isinstance(card.get("recipe", ""), str) or not isinstance(card.get("preset", ""), str):
        raise GessoError("the card is not a table that names its recipe and preset", where=where, fix=fix)
    return card


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more
