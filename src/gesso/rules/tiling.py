"""A large picture in tiles that each see their surroundings, and the larger luma of the tiles put together with the colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from gesso.media.bicubic import resized, rounded
from gesso.media.luma import luma
from gesso.ports import Frame

TILE = 512  # pixels of a tile's side, without its surroundings
RANGE = 255 / 219  # levels of RGB for one level of luma in studio range


def tiles(page: tuple[int, int], reach: int, side: int = TILE) -> list[Frame]:
    """The frames of a page: boxes of at most `side` pixels, each with `reach` pixels more where the page goes on."""
    height, width = page
    made = []
    for top in range(0, height, side):
        for left in range(0, width, side):
            box = (
                max(0, left - reach),
                max(0, top - reach),
                min(width, left + side + reach),
                min(height, top + side + reach),
            )
            made.append(Frame((box[3] - box[1], box[2] - box[0]), box, page))
    return made


def coloured(picture: np.ndarray, parts: Sequence[tuple[Frame, np.ndarray]], scale: int, side: int = TILE) -> np.ndarray:
    """The larger picture uint8: luma from `parts` (frames of `tiles` with float [h w], 16 to 235), colours and alpha by bicubic.

    `picture` is uint8 [h w], [h w 3] or [h w 4]. Chroma is bicubic RGB moved to the luma, which is the same and needs no planes.
    """
    height, width = (n * scale for n in picture.shape[:2])
    out = np.empty((height, width, *picture.shape[2:]), np.uint8)
    colours = under_alpha(picture) if picture.ndim == 3 and picture.shape[2] == 4 else picture
    rows = len(range(0, picture.shape[1], side))
    for number in range(0, len(parts), rows):
        strip = parts[number : number + rows]
        top = number // rows * side
        end = min(picture.shape[0], top + side)
        made = np.concatenate([_inner(frame, part, column * side, top, side, scale) for column, (frame, part) in enumerate(strip)], 1)
        span = (top * scale, end * scale)
        if picture.ndim == 2:
            out[slice(*span)] = rounded((made - 16) * RANGE)
            continue
        soft = resized(colours, height, width, span)
        out[slice(*span), :, :3] = rounded(soft + ((made - luma(soft)) * RANGE)[..., None])
        if picture.shape[2] == 4:
            out[slice(*span), :, 3] = rounded(resized(picture[..., 3], height, width, span))
    return out


def under_alpha(picture: np.ndarray) -> np.ndarray:
    """uint8 [h w 3]: a picture's colours, where it is wholly transparent those of the nearest pixel that is seen."""
    hidden = picture[..., 3] == 0
    if not hidden.any() or hidden.all():
        return picture[..., :3]
    y, x = scipy.ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return picture[y, x, :3]


def _inner(frame: Frame, part: np.ndarray, left: int, top: int, side: int, scale: int) -> np.ndarray:
    """The part of a tile without its surroundings, float32."""
    assert frame.box is not None and frame.page is not None
    x, y = left - frame.box[0], top - frame.box[1]
    h, w = min(side, frame.page[0] - top), min(side, frame.page[1] - left)
    return part[y * scale : (y + h) * scale, x * scale : (x + w) * scale].astype(np.float32)
