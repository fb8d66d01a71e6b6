"""Line values of a sketch: computed once and cached with the pixels they belong to."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.conditions import sketch as module
from gesso.conditions.sketch import Sketch
from gesso.ports import Frame
from gesso.rules.line import line_values
from gesso.rules.reading import Reading, read_lines

PAGE = np.random.default_rng(0).integers(0, 256, (60, 40, 3), dtype=np.uint8)


def test_line_values_are_computed_once_for_all_windows(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []

    def counted(pixels: np.ndarray, lines: str) -> Reading:
        asked.append(1)
        return read_lines(pixels, lines)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "read_lines", counted)
    drawing = Sketch(pixels=PAGE)
    for top in (0, 10, 20):
        Sketch.encode([drawing], Frame((40, 40), (0, top, 40, top + 40), (60, 40)))
    assert np.array_equal(drawing.line(), line_values(PAGE)) and len(asked) == 1
    with pytest.raises(ValueError, match="read-only"):
        drawing.line()[0, 0] = 0


def test_a_copied_sketch_with_other_pixels_has_its_own_reading():
    one = Sketch(pixels=PAGE)
    one.line()
    other = one.model_copy(update={"pixels": 255 - PAGE})
    assert np.array_equal(other.line(), line_values(255 - PAGE)) and not np.array_equal(one.line(), other.line())
    made = Sketch.model_construct(pixels=PAGE)
    assert np.array_equal(made.line(), one.line()) and made == one


def test_the_option_lines_decides_what_networks_see():
    page = np.zeros((30, 30), np.uint8)
    page[10:12, 3:27] = page[20:22, 3:27] = 255
    drawing = Sketch(pixels=page)
    seen = {lines: Sketch.encode([drawing], Frame((30, 30), options={"lines": lines})).spatial for lines in ("auto", "light", "dark")}
    assert (seen["auto"] == seen["light"]).all() and (seen["light"][0, 0] == -seen["dark"][0, 0]).all()
    assert (Sketch.encode([drawing], Frame((30, 30))).spatial == seen["auto"]).all()


def test_a_sketch_round_trips_through_json_before_and_after_reading():
    one = Sketch(pixels=PAGE)
    before = one.model_dump_json()
    one.line()
    assert one.model_dump_json() == before and Sketch.model_validate_json(before) == one
