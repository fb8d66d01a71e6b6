"""Holes of a page: where they are, the windows in which they are made anew, and the page with the made parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import scipy
from PIL import Image

from gesso.errors import GessoError
from gesso.rules.seam import meeting

if TYPE_CHECKING:
    from torch import Tensor

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels of the picture that was given
MOST = 2**24  # pixels of a page
LONGEST = 8192  # pixels of a side in which a model works
ROOM = 2.0  # a window's side over its hole's


@dataclass(frozen=True)
class Page:
    """The picture uint8 [h w], [h w 3] or [h w 4] that was given, what it grows by (left, top, right, bottom), and what is brushed away."""

    pixels: np.ndarray
    brushed: np.ndarray  # bool [h w] of the grown page
    grows: Box

    @classmethod
    def of(cls, pixels: np.ndarray, brushed: Callable[[Box], np.ndarray] | None, grows: Box) -> Self:
        """`brushed(box)` is what is brushed away of a part of the picture, which it may leave; None is nothing."""
        left, top, right, bottom = grows
        h, w = pixels.shape[:2]
        if (h + top + bottom) * (w + left + right) > MOST:
            what = f"the picture would be {w + left + right} × {h + top + bottom} pixels"
            raise GessoError(what, where="left, right, top, bottom", fix=f"at most {MOST:,} pixels in all")
        box = (-left, -top, w + right, h + bottom)
        empty = np.zeros((h + top + bottom, w + left + right), bool)
        return cls(pixels, empty if brushed is None else brushed(box), grows)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture that was given."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def box(self) -> Box:
        """The grown page, in pixels of the given picture."""
        (h, w), (left, top, right, bottom) = self.size, self.grows
        return -left, -top, w + right, h + bottom

    @cached_property
    def inside(self) -> tuple[slice, slice]:
        """Where the given picture lies on the grown page."""
        (h, w), (left, top, _, _) = self.size, self.grows
        return slice(top, top + h), slice(left, left + w)

    @cached_property
    def hole(self) -> np.ndarray:
        """What is made anew, bool, of the grown page: brushed, not opaque, or beyond the picture."""
        known = np.zeros(self.brushed.shape, bool)
        known[self.inside] = self.pixels[..., 3] == 255 if self.pixels.shape[2:] == (4,) else True
        return self.brushed | ~known


def windows_of(page: Page, side: int) -> list[Box]:
    """A square window about each part of the hole, twice as large as the part and at least `side`; the middle where there is no hole.

    Windows that would share a part of the hole are joined. They lie on the grown page where they can, so that they see what is known.
    """
    h, w = page.hole.shape
    left, top, _, _ = page.grows
    parts, _ = scipy.ndimage.label(page.hole, np.ones((3, 3)))
    boxes = [(x.start, y.start, x.stop, y.stop) for y, x in scipy.ndimage.find_objects(parts)] or [(w // 2, h // 2, w // 2 + 1, h // 2 + 1)]
    boxes = _joined(boxes, side)
    found = []
    for one in boxes:
        x, y, right, bottom = _window(one, side, (h, w))
        found.append((x - left, y - top, right - left, bottom - top))
    return found


def _joined(boxes: list[Box], side: int) -> list[Box]:
    """Boxes so near each other that one window of `side` would hold both, or that overlap, become one."""
    boxes = list(boxes)
    changed = True
    while changed:
        changed = False
        for i in range(len(boxes)):
            for j in range(i + 1, len(boxes)):
                a, b = boxes[i], boxes[j]
                both = min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
                apart = a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]
                if not apart or max(both[2] - both[0], both[3] - both[1]) <= side / ROOM:
                    boxes[i] = both
                    del boxes[j]
                    changed = True
                    break
            if changed:
                break
    return boxes


def _window(box: Box, side: int, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    span = max(side, int(np.ceil(ROOM * max(right - left, bottom - top))))
    found = []
    for low, high, most in ((left, right, size[1]), (top, bottom, size[0])):
        start = (low + high - span) // 2
        found.append(max(0, min(start, most - span)) if span <= most else (most - span) // 2)
    return found[0], found[1], found[0] + span, found[1] + span


def filled(page: Page, parts: Sequence[tuple[Box | None, Tensor]]) -> np.ndarray:
    """The grown page with the made parts, float [c side side] in [-1, 1] by window, in its holes; all else is as it was, to the bit."""
    pixels = page.pixels if page.pixels.ndim == 3 else page.pixels[..., None]
    h, w = page.hole.shape
    whole = np.zeros((h, w, pixels.shape[2]), np.uint8)
    whole[page.inside] = pixels
    colours = whole[..., :3] if pixels.shape[2] > 1 else np.repeat(whole, 3, 2)
    result = colours.copy()
    left, top, _, _ = page.grows
    for box, made in parts:
        assert box is not None
        x, y, right, bottom = box[0] + left, box[1] + top, box[2] + left, box[3] + top
        ys, xs = slice(max(0, y), min(h, bottom)), slice(max(0, x), min(w, right))
        found = scipy.ndimage.find_objects(page.hole[ys, xs].astype(np.uint8))
        if not found:
            continue
        ys, xs = (_about(whole, part) for whole, part in zip((ys, xs), found[0], strict=True))
        hole = page.hole[ys, xs]
        large = _at_size(made, (bottom - y, right - x))[ys.start - y : ys.stop - y, xs.start - x : xs.stop - x]
        met = meeting(large, colours[ys, xs].astype(np.float32), hole)
        result[ys, xs][hole] = met[hole].round().clip(0, 255).astype(np.uint8)
    if pixels.shape[2] == 1:
        grey = result.astype(np.float64).mean(2).round().astype(np.uint8)
        return np.where(page.hole, grey, whole[..., 0])
    if pixels.shape[2] == 4:
        return np.dstack([result, np.where(page.hole, 255, whole[..., 3]).astype(np.uint8)])
    return result


def resized(made: Tensor, size: tuple[int, int]) -> np.ndarray:
    """A made picture, float [3 h w] in [-1, 1], as uint8 at another size."""
    return _at_size(made, size).round().clip(0, 255).astype(np.uint8)


def working_size(shown: tuple[int, int], wanted: tuple[int, int], side: int, multiple: int) -> tuple[int, int]:
    """(height, width) in which a model works that was trained on squares of `side`: about as many pixels in the proportions of what is
    `shown`, in steps of `multiple`. A height or a width that is `wanted` (not 0) decides instead."""
    h, w = shown
    scale = side / np.sqrt(h * w)
    scale = wanted[0] / h if wanted[0] else wanted[1] / w if wanted[1] else scale
    exact = (wanted[0] or h * scale, wanted[1] or w * scale)
    found = [max(multiple, min(LONGEST, round(one / multiple) * multiple)) for one in exact]
    return found[0], found[1]


def _about(whole: slice, part: slice) -> slice:
    """A part of a span with one more at each end, where the span has it."""
    return slice(max(whole.start, whole.start + part.start - 1), min(whole.stop, whole.start + part.stop + 1))


def _at_size(made: Tensor, size: tuple[int, int]) -> np.ndarray:
    """A made part, float [c h w] in [-1, 1], as float32 levels [h w c] at another size."""
    planes = (made.float().cpu().numpy() + 1) * 127.5
    if planes.shape[1:] != size:
        planes = np.stack(
            [np.asarray(Image.fromarray(one.astype(np.float32)).resize((size[1], size[0]), Image.Resampling.BICUBIC)) for one in planes]
        )
    return np.moveaxis(planes, 0, -1).astype(np.float32)
