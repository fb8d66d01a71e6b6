"""What a training is, as plain JSON: saved beside it, and compared before a run goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel
from torch import Tensor, nn


def plain(value: Any) -> Any:
    """Dataclasses, pydantic models and tables as JSON's own; everything else as text without addresses in memory."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    name = getattr(value, "__qualname__", None)
    return name if isinstance(name, str) else re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def content_of(dataset: Any) -> str:
    """A hash of what a dataset holds, which tells whether a run that goes on learns from what it began with.

    A dataset's own `content`, where it has one that says of what files it was made; else all arrays, numbers and texts in its fields.
    """
    told = getattr(dataset, "content", "")
    if isinstance(told, str) and told:
        return hashlib.sha256(told.encode()).hexdigest()[:32]
    hashed = hashlib.blake2b(digest_size=16)
    for part in _parts(getattr(dataset, "__dict__", {})):
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.hexdigest()


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """Values piece by piece; what is neither array, number nor text (a function, a generator) tells nothing of the data."""
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


def shape_of(network: nn.Module) -> str:
    """A short name for a network's parameters and buffers: equal where names, shapes and types are."""
    rows = [[name, list(value.shape), str(value.dtype)] for name, value in network.state_dict().items()]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
