"""All kinds of condition: values are equal if their contents are equal."""

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


def test_pictures_with_equal_pixels_are_equal():
    one, two = Sketch(pixels=GREY), Sketch(pixels=GREY.copy())
    assert one == two and hash(one) == hash(two) and len({one, two}) == 1
    other = GREY.copy()
    other[-1, -1] ^= 1
    assert one != Sketch(pixels=other) and one != Sketch(pixels=GREY.reshape(48, 64)) and one != Sketch(pixels=GREY[..., None])
    assert one != Picture(pixels=GREY) and one != "a drawing" and one != None  # noqa: E711


def test_array_views_compare_by_value():
    assert Sketch(pixels=GREY[::2, ::3]) == Sketch(pixels=GREY[::2, ::3].copy())
    assert Sketch(pixels=np.asfortranarray(GREY)) == Sketch(pixels=GREY)


def test_a_changed_array_changes_equality():
    mask = GREY > 100
    one, two = (Known(pixels=GREY, mask=mask.copy()) for _ in range(2))
    assert one == two
    one.mask[0, 0] ^= True
    assert one != two


def test_a_picture_copies_and_freezes_its_pixels():
    given = GREY.copy()
    one = Sketch(pixels=given)
    given[0, 0] ^= 255
    assert one == Sketch(pixels=GREY) and not one.pixels.flags.writeable


def test_known_parts_are_equal_by_pixels_and_mask():
    mask = GREY > 100
    one = Known(pixels=GREY, mask=mask)
    assert one == Known(pixels=np.where(mask, GREY, 0).astype(np.uint8), mask=mask.copy()), "pixels outside the mask do not count"
    assert one != Known(pixels=GREY, mask=~mask) and Known.model_validate_json(one.model_dump_json()) == one


def test_hints_are_equal_only_in_the_same_order():
    red, blue = Hint(3, 4, "red"), Hint(3, 4, "#00f", radius=2)
    assert Hints(marks=(red, blue)) == Hints(marks=(Hint(3, 4, "#f00"), blue)) != Hints(marks=(blue, red))
    assert Hints(marks=(red,)) != Hints(marks=(red, red)) and Hints() != Hints(marks=(red,))


def test_labels_are_equal_by_name():
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
def test_different_values_have_different_fingerprints(one: object, other: object):
    assert fingerprint(one) != fingerprint(other) and fingerprint(one) == fingerprint(one)


def test_equal_values_have_equal_fingerprints():
    assert fingerprint({"a": 1, "b": [1.5, "x"]}) == fingerprint({"b": (1.5, "x"), "a": np.int64(1)})
    assert fingerprint(np.zeros((0, 3))) == fingerprint(np.zeros((0, 3)))
