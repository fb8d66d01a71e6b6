"""What all kinds share: values are equal where their contents are, whatever these are."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.conditions.condition import fingerprint
from gesso.conditions.hints import Hint, Hints
from gesso.conditions.known import Known
from gesso.conditions.label import Label
from gesso.conditions.picture import Picture
from gesso.conditions.sketch import Sketch

GREY = np.arange(64 * 48, dtype=np.uint8).reshape(64, 48)


def test_pictures_are_equal_by_their_pixels():
    one, two = Sketch(pixels=GREY), Sketch(pixels=GREY.copy())
    assert one == two and hash(one) == hash(two) and len({one, two}) == 1
    other = GREY.copy()
    other[-1, -1] ^= 1
    assert one != Sketch(pixels=other) and one != Sketch(pixels=GREY.reshape(48, 64)) and one != Sketch(pixels=GREY[..., None])
    assert one != Picture(pixels=GREY) and one != "a drawing" and one != None  # noqa: E711


def test_a_view_of_an_array_is_its_values():
    assert Sketch(pixels=GREY[::2, ::3]) == Sketch(pixels=GREY[::2, ::3].copy())
    assert Sketch(pixels=np.asfortranarray(GREY)) == Sketch(pixels=GREY)


def test_what_is_written_into_an_array_counts():
    mask = GREY > 100
    one, two = (Known(pixels=GREY, mask=mask.copy()) for _ in range(2))
    assert one == two
    one.mask[0, 0] ^= True
    assert one != two


def test_a_pictures_pixels_are_its_own():
    given = GREY.copy()
    one = Sketch(pixels=given)
    given[0, 0] ^= 255
    assert one == Sketch(pixels=GREY) and not one.pixels.flags.writeable


def test_a_known_part_is_equal_by_pixels_and_mask():
    mask = GREY > 100
    one = Known(pixels=GREY, mask=mask)
    assert one == Known(pixels=np.where(mask, GREY, 0).astype(np.uint8), mask=mask.copy()), "what lies outside the mask is nothing"
    assert one != Known(pixels=GREY, mask=~mask) and Known.model_validate_json(one.model_dump_json()) == one


def test_marks_are_equal_in_their_order():
    red, blue = Hint(3, 4, "red"), Hint(3, 4, "#00f", radius=2)
    assert Hints(marks=(red, blue)) == Hints(marks=(Hint(3, 4, "#f00"), blue)) != Hints(marks=(blue, red))
    assert Hints(marks=(red,)) != Hints(marks=(red, red)) and Hints() != Hints(marks=(red,))


def test_labels():
    assert Label(name="7") == Label(name="7") != Label(name="77") and hash(Label(name="7")) == hash(Label(name="7"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((("a", "b"), ("c",)), (("a",), ("b", "c"))),
        (("a", ("b",)), (("a", "b"),)),
        ({"a": (1, 2)}, {"a": (1,), "b": 2}),
        (1, "1"),
        ("plain 1", 1),
        (np.array([1, 2], "<i4"), np.array([1, 2], "<f4")),
        (np.zeros((2, 3), np.uint8), np.zeros(6, np.uint8)),
    ],
)
def test_unlike_values_have_unlike_fingerprints(one: object, other: object):
    assert fingerprint(one) != fingerprint(other) and fingerprint(one) == fingerprint(one)


def test_like_values_have_like_fingerprints():
    assert fingerprint({"a": 1, "b": [1.5, "x"]}) == fingerprint({"b": (1.5, "x"), "a": np.int64(1)})
    assert fingerprint(np.zeros((0, 3))) == fingerprint(np.zeros((0, 3)))
