"""Which regions follow an input that was given elsewhere: sent after a finished picture, only when new regions follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gesso.card import Card
from gesso.media.png import quick
from gesso.serving.live.viewport import OVERVIEW

if TYPE_CHECKING:
    from gesso.verbs.result import Result

MOST_REGIONS = 255  # that are listed: the number of a region is a byte
COLOUR_CHANGE = 3  # of 255: larger differences count as another colour


@dataclass(frozen=True)
class FollowMask:
    """Where a picture follows an input, every `step` pixels: `mask` bool [h w], `labels` int [h w] of regions, `pixels` of the picture.

    All three are None if nothing follows. `full` is the picture's (width, height).
    """

    full: tuple[int, int]
    step: int = 1
    mask: np.ndarray | None = None
    labels: np.ndarray | None = None
    pixels: np.ndarray | None = None


@dataclass(frozen=True)
class Followers:
    """Regions that newly follow: `num` in all. `pieces` lists the largest, each with "box" [left, top, right, bottom] in pixels of the
    picture and "color".

    `mask` uint8 [h w] covers `box`, downsampled: 0, or the index of the region in `pieces` plus 1.
    """

    num: int
    pieces: list[dict[str, Any]]
    mask: np.ndarray
    box: tuple[int, int, int, int]

    def header(self) -> dict[str, Any]:
        return {"num": self.num, "pieces": self.pieces, "box": list(self.box), "format": "png"}

    def png(self) -> bytes:
        return quick(self.mask)


def follow_mask(result: Result) -> FollowMask | None:
    """The follow mask of a result; None if its card has no such output."""
    card: Card = result.card
    name = next((out.name for out in card.outputs if out.role == "follows"), None)
    marked = result.outputs.get(name) if name else None
    if not isinstance(marked, np.ndarray):
        return None
    height, width = marked.shape[:2]
    step = -(-max(height, width) // OVERVIEW)
    mask = marked[::step, ::step] > 0
    if not mask.any():
        return FollowMask((width, height), step)
    pieces = next((out.name for out in card.outputs if out.medium == "pieces"), None)
    labels = result.outputs.get(pieces) if pieces else None
    pixels = (result.outputs[result.shown] if result.shown else marked)[::step, ::step].copy()
    if isinstance(labels, np.ndarray) and labels.shape == marked.shape[:2]:
        return FollowMask((width, height), step, mask, labels[::step, ::step].copy(), pixels)
    from scipy import ndimage

    return FollowMask((width, height), step, mask, ndimage.label(mask)[0], pixels)


def new_followers(before: FollowMask, now: FollowMask) -> Followers | None:
    """Regions whose majority did not follow before, or had another colour; None if there are none."""
    if now.mask is None or now.labels is None or now.pixels is None:
        return None
    new = now.mask.copy()
    if before.mask is not None and before.pixels is not None and before.pixels.shape == now.pixels.shape:
        away = np.abs(before.pixels.astype(np.int16) - now.pixels)
        new &= ~before.mask | ((away if away.ndim == 2 else away.max(-1)) > COLOUR_CHANGE)
    of = np.maximum(now.labels[now.mask], 0)
    areas = np.bincount(of)
    is_new = 2 * np.bincount(of[new[now.mask]], minlength=len(areas)) > areas
    if not is_new.any():
        return None
    found = np.flatnonzero(is_new)
    listed = found[np.argsort(-areas[found], kind="stable")][:MOST_REGIONS]
    numbers = np.zeros(len(areas), np.uint8)
    numbers[listed] = np.arange(1, len(listed) + 1)
    mask = np.zeros(now.mask.shape, np.uint8)
    mask[now.mask] = numbers[of]
    return _followers(now, len(found), mask, len(listed))


def _followers(now: FollowMask, num: int, mask: np.ndarray, shown: int) -> Followers:
    from scipy import ndimage

    assert now.pixels is not None
    boxes = [(box[1].start, box[0].start, box[1].stop, box[0].stop) for box in ndimage.find_objects(mask, shown)]
    whole = min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)
    pieces = []
    for number, box in enumerate(boxes, 1):
        inside = np.s_[box[1] : box[3], box[0] : box[2]]
        seen = now.pixels[inside][mask[inside] == number]
        middle = np.median(np.broadcast_to(seen.reshape(len(seen), -1)[:, :3], (len(seen), 3)), axis=0).round().astype(int)
        pieces.append({"box": _to_full_size(box, now), "color": "#{:02x}{:02x}{:02x}".format(*middle)})
    left, top, right, bottom = whole
    full = _to_full_size(whole, now)
    return Followers(num, pieces, np.ascontiguousarray(mask[top:bottom, left:right]), (full[0], full[1], full[2], full[3]))


def _to_full_size(box: tuple[int, int, int, int], now: FollowMask) -> list[int]:
    """A box of the sampled mask in pixels of the picture."""
    return [min(one * now.step, most) for one, most in zip(box, (*now.full, *now.full), strict=True)]
