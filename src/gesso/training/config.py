"""What a training is, as plain JSON: saved beside it, and compared before a run goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from torch import nn


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


def shape_of(network: nn.Module) -> str:
    """A short name for a network's parameters and buffers: equal where names, shapes and types are."""
    rows = [[name, list(value.shape), str(value.dtype)] for name, value in network.state_dict().items()]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
