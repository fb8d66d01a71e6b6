"""Contact sheets of many pictures, for training samples and galleries."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.picture import check_picture, to_white

SHEET = Budget(max_pixels=2**26)
GAP = 4
LABEL_HEIGHT = 16
PAPER, INK = 255, (40, 40, 40)
LATIN = 0x024F  # the last of its letters
FACES = (
    "NotoSansCJK-Regular.ttc", "NanumGothic.ttf", "NotoSansKR-Regular.ttf", "NotoSansKR-Regular.otf", "NanumBarunGothic.ttf", "UnDotum.ttf",
    "malgun.ttf", "AppleSDGothicNeo.ttc", "DejaVuSans.ttf",
)  # fmt: skip


def contact_sheet(pictures: Sequence[np.ndarray], columns: int, labels: Sequence[str] | None = None) -> np.ndarray:
    """Lay out pictures (uint8, any sizes, not scaled) row by row on white, in cells of the largest size, each with a label below it.

    Returns uint8 [h w 3]. A label too long for its cell ends in "…". GessoError without pictures, or if their number differs from
    that of the labels.
    """
    shown = [check_picture(picture) for picture in pictures]
    if not shown or columns < 1:
        raise GessoError(f"a sheet of {len(shown)} pictures in {columns} columns", fix="give at least one of each")
    if labels is not None and len(labels) != len(shown):
        raise GessoError(f"{len(labels)} labels for {len(shown)} pictures", fix="give one label for each picture")
    columns = min(columns, len(shown))
    num_rows = -(-len(shown) // columns)
    cell_height = max(len(picture) for picture in shown)
    cell_width = max(picture.shape[1] for picture in shown)
    step_down = cell_height + GAP + (LABEL_HEIGHT if labels is not None else 0)
    height, width = num_rows * step_down + GAP, columns * (cell_width + GAP) + GAP
    SHEET.check_size(width, height, where="contact sheet")
    sheet = np.full((height, width, 3), PAPER, np.uint8)
    for index, picture in enumerate(shown):
        top = GAP + index // columns * step_down
        left = GAP + index % columns * (cell_width + GAP)
        down, right = (cell_height - len(picture)) // 2, (cell_width - picture.shape[1]) // 2
        sheet[top + down : top + down + len(picture), left + right : left + right + picture.shape[1]] = to_white(picture)
        if labels is not None:
            below = top + cell_height
            sheet[below : below + LABEL_HEIGHT, left : left + cell_width] = _label(labels[index], cell_width)
    return sheet


@cache
def _font(*, wide: bool) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own font for Latin letters; for other scripts, the first of some common system fonts that is installed."""
    for name in FACES if wide else ():
        with contextlib.suppress(OSError, ImportError):
            return ImageFont.truetype(name, 11)
    return ImageFont.load_default()


def _label(words: str, width: int) -> np.ndarray:
    strip = Image.new("RGB", (width, LABEL_HEIGHT), (PAPER,) * 3)
    words = " ".join(str(words).split())
    draw, font = ImageDraw.Draw(strip), _font(wide=any(ord(letter) > LATIN for letter in words))
    if isinstance(font, ImageFont.ImageFont):  # the small built-in face, where Pillow has no FreeType, knows Latin-1 alone
        words = words.encode("latin-1", "replace").decode("latin-1")
    fitting = words
    while fitting and draw.textlength(fitting, font=font) > width:
        words = words[:-1]
        fitting = words and words + ("…" if not isinstance(font, ImageFont.ImageFont) else "")
    draw.text((0, 2), fitting, fill=INK, font=font)
    return np.asarray(strip)
