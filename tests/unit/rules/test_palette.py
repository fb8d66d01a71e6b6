"""Colours in and out."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.rules.palette import delta_e, format_colour, lab_of, parse_colour


def test_colours_are_read_and_written() -> None:
    assert parse_colour("#ff8800") == parse_colour("FF8800") == parse_colour(" #f80 ") == (255, 136, 0)
    assert parse_colour("Orange") == (255, 165, 0)
    assert format_colour(np.array([255, 136, 0], np.uint8)) == "#ff8800"


@pytest.mark.parametrize("text", ["", "#12", "#12345", "#gggggg", "no such colour", "rgb(1,2,3)", None, 5])
def test_what_is_no_colour_is_refused(text) -> None:
    with pytest.raises(GessoError, match="colour"):
        parse_colour(text)


@pytest.mark.parametrize("rgb", [(1, 2), (1, 2, 256), (-1, 0, 0)])
def test_numbers_that_are_no_colour_are_refused(rgb) -> None:
    with pytest.raises(GessoError):
        format_colour(rgb)


def test_lab_and_how_unlike_colours_look() -> None:
    assert lab_of(np.zeros((5, 7, 3), np.uint8)).shape == (5, 7, 3)
    assert np.allclose(lab_of(np.array([255, 255, 255])), [100, 0, 0], atol=0.02)
    assert delta_e(np.array([0, 0, 0]), np.array([255, 255, 255])) == pytest.approx(100, abs=0.02)
