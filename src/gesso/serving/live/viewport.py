"""What a live socket shows: which outputs, which part of them, at which size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gesso.errors import GessoError
from gesso.number import whole
from gesso.serving.live.frame import Box

OVERVIEW = 1024  # pixels: the longest side of the overview that is sent beside a part


@dataclass(frozen=True)
class Viewport:
    """Outputs by name, their sides at most `max_side` pixels; `view` is the part of the picture on the screen (None: all)."""

    outputs: tuple[str, ...]
    max_side: int = 4096
    view: Box | None = None

    def part(self, page: tuple[int, ...]) -> Box | None:
        """The view clipped to a page of this height and width; None if it covers the whole page."""
        if self.view is None:
            return None
        (left, top, right, bottom), (height, width) = self.view, page[:2]
        box = min(left, width - 1), min(top, height - 1), min(right, width), min(bottom, height)
        return None if box == (0, 0, width, height) else box


FIX = f"[left, top, right, bottom] within 0 to {2**15}, or null"


def parse_view(given: Any) -> Box | None:
    """A view from JSON; GessoError if it is not a box."""
    if given is None:
        return None
    if not isinstance(given, (list, tuple)) or len(given) != 4:
        raise GessoError("is not a box within a picture", where="view", fix=FIX)
    left, top, right, bottom = (whole(one, where="view", low=0, high=2**15) for one in given)
    if left >= right or top >= bottom:
        raise GessoError("is not a box within a picture", where="view", fix=FIX)
    return left, top, right, bottom
