"""One picture of a demo's folder for the README: python tools/gallery.py demo docs/gallery.png"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from gesso.media.file import write_atomic
from gesso.media.grid import contact_sheet
from gesso.media.picture import encode_png

SHOWN = ("cat_scarf", "fox_reading", "robot_gardener", "webtoon_student")
SIDE = 300


def cell(path: Path) -> np.ndarray:
    """A picture in a white square."""
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return np.asarray(square)


def main(demo: str, out: str) -> None:
    sheet = contact_sheet([cell(Path(demo) / name / f"{kind}.png") for kind in ("hints", "result") for name in SHOWN], len(SHOWN))
    write_atomic(Path(out), encode_png(np.asarray(Image.fromarray(sheet).quantize(128).convert("RGB"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
