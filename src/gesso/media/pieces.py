"""A map of whole numbers, such as the piece that each pixel belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from gesso.errors import GessoError
from gesso.media.medium import Carried, Medium
from gesso.media.picture import encode_png

MOST = 2**24


class PiecesMedium(Medium):
    """Integers [h w], shown as 24-bit colours whose red holds the lowest byte."""

    name: ClassVar[str] = "pieces"
    endings: ClassVar[Mapping[str, str]] = {}  # a picture of numbers serves the studio; people save it as JSON
    viewer: ClassVar[str] = "pieces"

    def is_value(self, value: Any) -> bool:
        return isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "iub"

    def encode(self, value: Any, ending: str, carried: Carried) -> bytes:
        return encode_png(as_colours(value))

    def thumb(self, value: Any) -> np.ndarray:
        return as_colours(value)


def as_colours(labels: np.ndarray) -> np.ndarray:
    """uint8 [h w 3] of integers below 2^24; negative ones become 2^24 - 1."""
    if labels.size and int(labels.max()) >= MOST:
        raise GessoError("there are too many pieces to be shown", where="output")
    numbers = np.where(labels < 0, MOST - 1, labels).astype(np.uint32)
    return np.stack([(numbers >> shift & 255).astype(np.uint8) for shift in (0, 8, 16)], -1)


MEDIUM = PiecesMedium()
