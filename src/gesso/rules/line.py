"""Line values of a drawing: 255 is paper, 0 is full ink."""

from __future__ import annotations

import numpy as np
import scipy

from gesso.errors import GessoError

INK = 160
"""A pixel is free (not ink) when its line value is greater than this."""

_WHITE_SHARE = 0.2  # with this share of pixels at exactly 255, the paper is white and not scanned
_DARK = 128  # ink darker than this needs no stretching
_CONTRAST = 24  # levels; with less between paper and ink the page is empty, and stretching would turn noise into ink


def check_line(line: np.ndarray) -> np.ndarray:
    """Return `line` if it is uint8 [h w] and not empty; GessoError otherwise."""
    if not isinstance(line, np.ndarray) or line.ndim != 2 or line.dtype != np.uint8 or line.size == 0:
        found = f"{line.dtype} {list(line.shape)}" if isinstance(line, np.ndarray) else type(line).__name__
        raise GessoError(f"line values are {found}", where="line", fix="give uint8 [h w], as line_values returns it")
    return line


def line_values(picture: np.ndarray) -> np.ndarray:
    """The line values, uint8 [h w], of a picture that is uint8 (or bool) [h w] or [h w 1|2|3|4].

    Two channels are grey and alpha, four are colour and alpha; alpha is composited on white. Colour becomes luminance
    (ITU-R BT.601). Scans on grey or cream paper, and pencil lines too pale to count as ink, are stretched so that paper
    becomes 255 and ink 0. A drawing with exactly white paper and dark ink is returned unchanged. GessoError for other arrays.
    """
    grey = _grey_on_white(picture)
    counts = np.bincount(grey.ravel(), minlength=256)
    if counts[255] >= _WHITE_SHARE * grey.size:
        return _darkened(grey, counts)
    if _is_inked_black(counts):
        return grey
    return _stretched(grey, counts)


def _grey_on_white(picture: np.ndarray) -> np.ndarray:
    if not isinstance(picture, np.ndarray) or picture.ndim not in (2, 3) or picture.size == 0:
        raise GessoError("this is not a picture", where="picture", fix="give an array [h w] or [h w 1|2|3|4] with pixels in it")
    if picture.dtype == bool:
        picture = picture.astype(np.uint8) * np.uint8(255)
    if picture.dtype != np.uint8:
        raise GessoError(f"the picture's numbers are {picture.dtype}", where="picture", fix="give uint8, 0 to 255")
    if picture.ndim == 2:
        return picture.copy()
    channels = picture.shape[2]
    if channels not in (1, 2, 3, 4):
        raise GessoError(f"the picture has {channels} channels", where="picture", fix="give 1, 2, 3 or 4")
    if channels < 3:
        grey = picture[..., 0].copy()
    else:
        red, green, blue = (picture[..., i].astype(np.uint32) for i in range(3))
        # whole-number weights that sum to 2**16, so that a grey pixel keeps its value exactly
        grey = ((red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16).astype(np.uint8)
    if channels in (2, 4):
        alpha = picture[..., -1].astype(np.uint32)
        mixed = grey * alpha + 255 * (255 - alpha)
        grey = ((mixed + 127) // 255).astype(np.uint8)
    return grey


def _is_inked_black(counts: np.ndarray) -> bool:
    """Whether a page with little white is a clean drawing with large black areas."""
    total = counts.sum()
    return counts[:16].sum() + counts[255] >= 0.8 * total and counts[255] >= counts[160:255].sum()


def _darkened(grey: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """A drawing on white paper, stretched if even its darkest hundredth is too pale to be ink."""
    drawn = counts[:250]
    if drawn.sum() == 0:
        return grey
    ink = int(np.searchsorted(np.cumsum(drawn), 0.01 * drawn.sum()))
    if ink < _DARK or 255 - ink < _CONTRAST:
        return grey
    return _levels(grey.astype(np.float32), 255.0, float(ink))


def _stretched(grey: np.ndarray, counts: np.ndarray) -> np.ndarray:
    smooth = np.convolve(counts, np.ones(7) / 7, mode="same")
    paper = int(64 + smooth[64:].argmax())
    level = local_paper_level(grey, paper)
    flat = grey.astype(np.float32) * (paper / level)
    noise = max(4.0, 1.5 * float(np.median(np.abs(flat - paper))))
    drawn = flat[flat < paper - max(_CONTRAST, 4 * noise)]
    if drawn.size < 1e-4 * grey.size:
        return _levels(flat, paper - 2 * noise, -255.0 + paper)  # an empty sheet: the paper becomes white, and nothing becomes ink
    ink = float(np.percentile(drawn, 10))
    return _levels(flat, paper - 2 * noise, min(ink, paper - 2 * noise - _CONTRAST))


def _levels(values: np.ndarray, paper: float, ink: float) -> np.ndarray:
    return np.clip(np.rint((values - ink) * (255.0 / (paper - ink))), 0, 255).astype(np.uint8)


def local_paper_level(grey: np.ndarray, paper: int) -> np.ndarray:
    """The paper's level at every pixel, float32 [h w], interpolated from a coarse grid because lighting changes slowly."""
    step = max(8, max(grey.shape) // 48)
    rows, columns = -(-grey.shape[0] // step), -(-grey.shape[1] // step)
    padded = np.pad(grey, ((0, rows * step - grey.shape[0]), (0, columns * step - grey.shape[1])), mode="edge")
    tiles = padded.reshape(rows, step, columns, step).transpose(0, 2, 1, 3).reshape(rows, columns, step * step)
    coarse = np.percentile(tiles, 80, axis=2).astype(np.float32)
    coarse[coarse < 0.75 * paper] = paper  # a tile full of ink does not show the lighting
    coarse = scipy.ndimage.gaussian_filter(scipy.ndimage.median_filter(coarse, 5, mode="nearest"), 1.5, mode="nearest")
    y = np.clip((np.arange(grey.shape[0]) + 0.5) / step - 0.5, 0, rows - 1)
    x = np.clip((np.arange(grey.shape[1]) + 0.5) / step - 0.5, 0, columns - 1)
    across = np.stack([np.interp(x, np.arange(columns), row) for row in coarse])
    low = np.floor(y).astype(int)
    high, part = np.minimum(low + 1, rows - 1), (y - low)[:, None]
    return np.maximum(across[low] * (1 - part) + across[high] * part, 1.0).astype(np.float32)
