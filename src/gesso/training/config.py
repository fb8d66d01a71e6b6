"""The configuration of a training as plain JSON. It is saved with the run and compared before the run resumes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel
from torch import Tensor, nn

from gesso.errors import GessoError


def as_json(value: Any) -> Any:
    """Convert dataclasses, pydantic models and mappings to JSON types, and anything else to text without memory addresses.

    A dataclass's field with the metadata `later` is left out at its default, so that old runs resume; one with `aside`, on which
    training does not depend, always.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, BaseModel):
        return {name: as_json(getattr(value, name)) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value) if not _left_out(value, f)}
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(v) for v in value]
    name = getattr(value, "__qualname__", None)
    return name if isinstance(name, str) else re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _left_out(value: Any, field: dataclasses.Field[Any]) -> bool:
    told = field.metadata
    return bool(told.get("aside") or (told.get("later") and getattr(value, field.name) == field.default))


def check_same(old: Mapping[str, Any], new: Mapping[str, Any], may_change: Collection[str], *, where: object) -> list[str]:
    """The differences between a checkpoint's config and this run's, as sentences; GessoError for one that is not in `may_change`."""
    old, new = dict(old), dict(new)
    if "content" not in old:  # the run began before data were hashed, so there is nothing to compare
        new.pop("content", None)
    changed = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k)]
    wrong = [k for k in changed if k not in may_change]
    if wrong == ["content"]:
        what = f"the data have changed since this run began: as many examples ({new['num_examples']}), with other contents"
        raise GessoError(what, where=where, fix="restore the data; --fresh starts over, or choose another --out")
    changes = {k: f"{k} was {_short(old.get(k))}, is now {_short(new.get(k))}" for k in changed}
    if wrong:
        what = "this folder holds another training: " + "; ".join(changes[k] for k in wrong)
        raise GessoError(what, where=where, fix="--fresh starts over, or choose another --out")
    return list(changes.values())


def content_hash(dataset: Any) -> str:
    """A hash of a dataset's contents, to check that a resumed run gets the same data.

    It hashes the dataset's `content` (a hash of its source files) if it has one, else all arrays, numbers and texts in its fields, and
    the contents of its field `dataset`, if it varies the examples of another one.
    """
    declared = getattr(dataset, "content", "")
    if isinstance(declared, str) and declared:
        return hashlib.sha256(declared.encode()).hexdigest()[:32]
    hashed = hashlib.blake2b(digest_size=16)
    if hasattr(getattr(dataset, "dataset", None), "item"):
        hashed.update(content_hash(dataset.dataset).encode())
    for part in _parts(getattr(dataset, "__dict__", {})):
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.hexdigest()


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """The bytes to hash for a value. Other values than arrays, numbers and texts (such as functions) are skipped."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"{value.dtype.str} {value.shape}".encode()
        yield np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
    elif isinstance(value, Tensor):
        yield from _parts(value.detach().cpu().numpy())
    elif isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            yield repr(key).encode("utf-8", "backslashreplace")
            yield from _parts(value[key])
    elif isinstance(value, (list, tuple)):
        yield f"{len(value)}".encode()
        for one in value:
            yield from _parts(one)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from _parts({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    elif isinstance(value, (str, bytes, bool, int, float, np.generic, type(None))):
        yield repr(value).encode("utf-8", "backslashreplace")


def architecture_hash(network: nn.Module) -> str:
    """A short hash of the names, shapes and types of a network's parameters and buffers."""
    rows = [[name, list(value.shape), str(value.dtype)] for name, value in network.state_dict().items()]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
