"""Made-up pictures for learning without data: dead leaves, shapes of all sizes that cover each other (Lee, Mumford and Huang 2001).

Edges, corners and textures of all sizes are what enlarging needs; no object is recognised (Achddou 2021 restores photographs after
training on such pictures).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

SIDE, FINER = 256, 2  # pixels of a picture; it is drawn this many times larger, so that edges are soft
NUM_LEAVES = 700
KEPT = 256  # pictures, together 50 MB
RADII = (4.0, 160.0)  # in the larger picture; frequent as 1/r, so that the large ones do not hide under the small


@lru_cache(maxsize=KEPT)
def dead_leaves(index: int) -> np.ndarray:
    """The picture of a number, uint8 [256 256 3], read-only; the latest ones are remembered, as drawing one takes some 30 ms."""
    rng = np.random.default_rng([index, 29])
    side = SIDE * FINER
    leaf = np.asarray(_leaves(rng, side)).astype(np.int64)
    ys, xs = np.mgrid[:side, :side].astype(np.float32) / side
    table = rng.normal(size=(NUM_LEAVES + 1, 8)).astype(np.float32)
    angle, phase = (rng.uniform(0, 2 * np.pi, NUM_LEAVES + 1).astype(np.float32) for _ in range(2))
    period = np.exp(rng.uniform(np.log(5), np.log(60), NUM_LEAVES + 1)).astype(np.float32)  # of stripes, in large pixels
    stripes = np.sin(2 * np.pi * side / period[leaf] * (xs * np.cos(angle)[leaf] + ys * np.sin(angle)[leaf]) + phase[leaf])
    ripple = np.abs(table[:, 6]) * 14 * (rng.random(NUM_LEAVES + 1) < 0.4)
    grain = np.asarray(Image.fromarray(rng.normal(size=(side // 2, side // 2)).astype(np.float32)).resize((side, side)))
    shade = 40 * (table[:, 3][leaf] * (xs - 0.5) + table[:, 4][leaf] * (ys - 0.5)) + ripple[leaf] * stripes
    shade += np.abs(table[:, 5])[leaf] * 6 * grain
    tint = rng.uniform(30, 225, 3) + 25 * table[:, :3] + rng.normal(0, 45, NUM_LEAVES + 1)[:, None]
    large = np.clip(tint[leaf] + shade[..., None], 0, 255)
    small = large.reshape(SIDE, FINER, SIDE, FINER, 3).mean((1, 3))
    picture = np.round(small).astype(np.uint8)
    picture.flags.writeable = False
    return picture


def _leaves(rng: np.random.Generator, side: int) -> Image.Image:
    """The number of the topmost leaf at each pixel; leaves are discs, boxes, polygons and strokes."""
    page = Image.new("I", (side, side))
    draw = ImageDraw.Draw(page)
    small, large = RADII
    radii = np.exp(rng.uniform(np.log(small), np.log(large), NUM_LEAVES))
    for number, radius in enumerate(radii, 1):
        x, y = rng.uniform(-radius, side + radius, 2)
        kind = rng.integers(4)
        if kind == 0:
            wide, tall = radius * rng.uniform(0.4, 1, 2)
            draw.ellipse((x - wide, y - tall, x + wide, y + tall), fill=number)
            continue
        if kind == 3:
            turn, long, wide = rng.uniform(0, np.pi), radius * 4, max(1, round(radius / 4))
            draw.line((x, y, x + long * np.cos(turn), y + long * np.sin(turn)), fill=number, width=wide)
            continue
        corners = 4 if kind == 1 else int(rng.integers(3, 8))
        turns = np.sort(rng.uniform(0, 2 * np.pi, corners)) if kind == 2 else rng.uniform(0, np.pi) + np.arange(4) * np.pi / 2
        far = radius * (rng.uniform(0.5, 1.2, corners) if kind == 2 else 1.0)
        points = np.stack([x + far * np.cos(turns), y + far * np.sin(turns)], 1)
        draw.polygon([tuple(one) for one in points.tolist()], fill=number)
    return page
