"""Renders every drawing of this folder (SVG to grayscale PNG) and checks its sample hints.

Run: python examples/drawings/render.py (needs resvg_py, pillow, numpy, scipy).
"""

import io
import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image
from scipy.ndimage import distance_transform_edt

CLEARANCE = 12.0  # pixels that every point of a hint keeps from any line


def render(svg: Path) -> Image.Image:
    png = resvg_py.svg_to_bytes(svg_string=svg.read_text(), background="#ffffff", skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("L")


def walk(hint: dict) -> np.ndarray:
    """The points of a hint, shape (n, 2); a stroke is walked in steps of about a pixel."""
    if "path" not in hint:
        return np.array([[hint["x"], hint["y"]]], float)
    corners = np.array(hint["path"], float)
    steps = [np.linspace(a, b, int(np.hypot(*(b - a))) + 2) for a, b in pairwise(corners)]
    return np.concatenate(steps)


def faults(image: Image.Image, hints: list[dict]) -> list[str]:
    found = [] if 4 <= len(hints) <= 9 else [f"{len(hints)} hints, expected 4 to 9"]
    distance = distance_transform_edt(np.asarray(image) > 200)
    for number, hint in enumerate(hints):
        points = walk(hint).round().astype(int)
        if not re.fullmatch(r"#[0-9a-f]{6}", hint["color"]) or not 0 < hint["radius"] <= CLEARANCE:
            found.append(f"hint {number}: colour {hint['color']} or radius {hint['radius']}")
        if (points < 0).any() or (points >= image.size).any():
            found.append(f"hint {number}: outside the page")
        elif (near := distance[points[:, 1], points[:, 0]].min()) < CLEARANCE:
            found.append(f"hint {number}: {near:.1f} px from a line, expected at least {CLEARANCE:.0f}")
    return found


def main(folder: Path) -> int:
    num_faults = 0
    for svg in sorted(folder.glob("*.svg")):
        image = render(svg)
        image.save(svg.with_suffix(".png"), optimize=True)
        found = faults(image, json.loads(svg.with_suffix(".json").read_text())["hints"])
        num_faults += len(found)
        print(f"{svg.stem}: {image.width}x{image.height}, " + ("; ".join(found) or "hints good"))
    return min(num_faults, 1)


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent))
