"""Small coloured drawings: flats in patches under a line of every value."""

from __future__ import annotations

import numpy as np

COLOURS = np.array([[255, 255, 255], [255, 204, 153], [1, 2, 3], [200, 30, 40], [254, 255, 255], [0, 0, 0]], np.uint8)


def drawing(height: int = 60, width: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Line uint8 [h w] and flats uint8 [h w 3] of six colours, white among them; every line value is there on a page of 256 pixels."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, len(COLOURS), (-(-height // 7), -(-width // 9)))
    flats = COLOURS[np.kron(cells, np.ones((7, 9), int))[:height, :width]]
    line = np.full(height * width, 255, np.uint8)
    line[rng.permutation(line.size)[: line.size // 2]] = np.resize(np.arange(256), line.size // 2)
    return line.reshape(height, width), flats
