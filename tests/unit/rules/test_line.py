"""Line values: clean drawings pass untouched, scans are stretched."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.rules.line import INK, line_values


def drawing(paper: float, ink: float, size: int = 200) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2
    cover = np.clip(3 - np.abs(np.hypot(x, y) - size / 3), 0, 1)
    return np.rint(paper + (ink - paper) * cover).astype(np.uint8)


def test_clean_line_art_is_unchanged_to_the_bit() -> None:
    line = drawing(255, 0)
    given = line.copy()
    for picture in (line, line[..., None], np.dstack([line] * 3), np.dstack([line, np.full_like(line, 255)])):
        assert (line_values(picture) == line).all()
    assert (line == given).all()
    filled = np.zeros((50, 50), np.uint8)
    filled[20:24, 20:24] = 255
    assert (line_values(filled) == filled).all()
    for value in (0, 255):
        assert (line_values(np.full((8, 8), value, np.uint8)) == value).all()


def test_alpha_is_laid_on_white() -> None:
    line = drawing(255, 0)
    ink = np.zeros((*line.shape, 4), np.uint8)
    ink[..., 3] = 255 - line
    assert (line_values(ink) == line).all()
    assert (line_values(ink[..., [0, 3]]) == line).all()


def test_a_grey_scan_is_stretched() -> None:
    rng = np.random.default_rng(0)
    truth = drawing(255, 0) > INK
    shade = np.linspace(-12, 12, 200)[None]
    scan = np.clip(drawing(205, 110) + shade + rng.normal(0, 3, truth.shape), 0, 255).astype(np.uint8)
    cream = np.dstack([scan, scan - 5, scan - 30])
    for picture in (scan, cream):
        line = line_values(picture)
        assert ((line > INK) == truth).mean() > 0.99
        assert np.median(line[truth]) >= 250 and np.median(line[drawing(255, 0) == 0]) < 60


def test_a_pale_pencil_on_white_is_darkened_and_an_empty_sheet_is_not_inked() -> None:
    pale = line_values(drawing(255, 200))
    assert pale.min() == 0 and (pale[drawing(255, 200) == 255] == 255).all()
    sheet = np.random.default_rng(0).normal(200, 3, (100, 100)).clip(0, 255).astype(np.uint8)
    assert (line_values(sheet) > INK).all()


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4)), np.zeros((4, 4, 5), np.uint8), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8), None]
)
def test_what_is_no_picture_is_refused(picture) -> None:
    with pytest.raises(GessoError):
        line_values(picture)
