"""One drawing as people hand it in: ink and paper of every kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

SIZE = 240
PLACES = {"head": (120, 80), "left eye": (95, 70), "right eye": (145, 70), "body": (120, 175), "belt": (120, 215), "ground": (12, 12)}
"""A place (x, y) inside each of its pieces."""


def cover(width: float = 3.0, *, soft: float = 0.0) -> np.ndarray:
    """How much of each pixel is ink, float32 [h w] from 0 to 1, of a figure drawn with a pen that is so wide; `soft` blurs it."""
    scale = 8
    page = Image.new("L", (SIZE * scale, SIZE * scale), 0)
    pen = ImageDraw.Draw(page)
    wide = max(1, round(width * scale))
    for x0, y0, x1, y1 in ((50, 20, 190, 140), (85, 58, 105, 82), (135, 58, 155, 82)):
        pen.ellipse([scale * x0, scale * y0, scale * x1, scale * y1], outline=255, width=wide)
    pen.line([scale * v for v in (95, 110, 120, 122, 145, 110)], fill=255, width=wide)
    for x0, y0, x1, y1 in ((75, 138, 165, 230), (75, 200, 165, 230)):
        pen.rectangle([scale * x0, scale * y0, scale * x1, scale * y1], outline=255, width=wide)
    small = np.asarray(page.resize((SIZE, SIZE), Image.Resampling.BOX), np.float32) / 255
    if soft:
        from scipy import ndimage

        small = np.asarray(ndimage.gaussian_filter(small, soft))
    return small


def ink(amount: np.ndarray, colour: object, paper: object = (255, 255, 255)) -> np.ndarray:
    """Ink of a colour, or of an array of colours, on paper: uint8 [h w 3]."""
    amount = amount[..., None]
    return np.rint(np.asarray(paper) * (1 - amount) + np.asarray(colour) * amount).clip(0, 255).astype(np.uint8)


def scanned(picture: np.ndarray, *, noise: float = 4.0, light: float = 18.0, seed: int = 0) -> np.ndarray:
    """As a scanner or a telephone sees it: noise, and light that comes from one side."""
    rng = np.random.default_rng(seed)
    shade = np.linspace(-light, light, picture.shape[1])[None, :, None]
    return np.clip(picture + shade + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray, quality: int = 80) -> np.ndarray:
    import io

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file))


def grain(amount: np.ndarray, seed: int = 0, least: float = 0.45) -> np.ndarray:
    """Ink as rough paper takes it."""
    from scipy import ndimage

    rough = ndimage.gaussian_filter(np.random.default_rng(seed).random(amount.shape), 0.7)
    rough = (rough - rough.min()) / np.ptp(rough)
    return amount * (least + (1 - least) * rough).astype(np.float32)


def clear(amount: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Ink on nothing, uint8 [h w 4]."""
    return np.dstack([np.broadcast_to(np.array(colour, np.uint8), (*amount.shape, 3)), np.rint(255 * amount).astype(np.uint8)])


SEPIA, CREAM, GREY_PAPER, KRAFT, BOARD = (80, 52, 30), (240, 226, 196), (196, 196, 194), (186, 150, 110), (28, 52, 96)

KINDS: dict[str, tuple[Callable[[], np.ndarray], str]] = {
    "black on white": (lambda: ink(cover(), (0, 0, 0)), "dark"),
    "black on white, jpeg": (lambda: jpeg(ink(cover(), (0, 0, 0))), "dark"),
    "one pixel, black": (lambda: ink(cover(1.0), (0, 0, 0)), "dark"),
    "one pixel, hard": (lambda: np.where(ink(cover(1.6), (0, 0, 0)) < 128, 0, 255).astype(np.uint8), "dark"),
    "grey on white": (lambda: ink(cover(), (150, 150, 150)), "dark"),
    "soft": (lambda: ink(cover(3.0, soft=1.2), (0, 0, 0)), "dark"),
    "textured": (lambda: ink(grain(cover(3.0)), (30, 30, 30)), "dark"),
    "white on black": (lambda: ink(cover(), (255, 255, 255), (0, 0, 0)), "light"),
    "white on black, jpeg": (lambda: jpeg(ink(cover(), (255, 255, 255), (0, 0, 0))), "light"),
    "one pixel, white on black": (lambda: ink(cover(1.0), (255, 255, 255), (0, 0, 0)), "light"),
    "chalk": (lambda: scanned(ink(grain(cover(4.0)), (235, 235, 230), (40, 44, 42))), "light"),
    "blueprint": (lambda: ink(cover(), (255, 255, 255), BOARD), "light"),
    "neon": (lambda: ink(cover(), (0, 90, 255), (0, 0, 0)), "light"),
    "white on kraft paper": (lambda: scanned(ink(cover(4.0), (250, 250, 245), KRAFT), light=6), "light"),
    "yellow": (lambda: ink(cover(), (255, 255, 0)), "colour"),
    "yellow, jpeg": (lambda: jpeg(ink(cover(), (255, 255, 0)), 92), "colour"),
    "one pixel, yellow": (lambda: ink(cover(1.0), (255, 255, 0)), "colour"),
    "cyan": (lambda: ink(cover(), (0, 220, 255)), "colour"),
    "pink": (lambda: ink(cover(), (255, 182, 203)), "colour"),
    "brown": (lambda: ink(cover(), (80, 45, 20)), "colour"),
    "navy": (lambda: ink(cover(), (20, 24, 70)), "colour"),
    "blue pencil": (lambda: ink(grain(cover(4.0)), (90, 130, 220)), "colour"),
    "blue pencil, scanned": (lambda: scanned(ink(grain(cover(4.0), least=0.7), (70, 110, 210), (236, 234, 228))), "colour"),
    "sepia scan": (lambda: scanned(ink(cover(), SEPIA, CREAM)), "dark"),
    "pencil on grey paper": (lambda: scanned(ink(grain(cover(4.0), least=0.7), (90, 90, 92), GREY_PAPER)), "dark"),
    "white, clear": (lambda: clear(cover(), (255, 255, 255)), "alpha"),
    "red, clear": (lambda: clear(cover(), (220, 40, 40)), "alpha"),
    "black, clear": (lambda: clear(cover(), (0, 0, 0)), "dark"),
}
"""The drawing by name, and how it is to be read."""
