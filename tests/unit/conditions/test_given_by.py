"""What people give of each kind of condition: by their own hand, where they look, and never more than they have to say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gesso.card import Slot
from gesso.conditions.hints import Hints
from gesso.conditions.hole import Hole
from gesso.conditions.known import Known
from gesso.conditions.label import Label
from gesso.conditions.sketch import Sketch
from gesso.person import LIBRARY, Person

EXACT, SLOPPY = LIBRARY["exact"], LIBRARY["sloppy"]
PLAIN = Person(name="plain", wants_other=0)
RED, BLUE, WHITE = (220, 30, 30), (20, 60, 200), (255, 255, 255)


def drawing() -> dict[str, Any]:
    """Two boxes on paper, red and blue, with a line of ink around each."""
    pieces = np.zeros((72, 72), np.int16)
    pieces[10:40, 8:34], pieces[20:30, 44:64] = 1, 2
    line = np.full((72, 72), 255, np.uint8)
    for top, bottom, left, right in ((10, 39, 8, 33), (20, 29, 44, 63)):
        line[[top, bottom], left : right + 1] = 0
        line[top : bottom + 1, [left, right]] = 0
    return {"line": line, "pieces": pieces, "colours": np.array([WHITE, RED, BLUE], np.uint8)}


def seen(clean: dict[str, Any], colours: list[tuple[int, int, int]]) -> np.ndarray:
    return np.array(colours, np.uint8)[clean["pieces"]]


def give(person: Person, clean: dict[str, Any], given: Any = None, before: Any = None, seed: int = 0, turns: int = 1) -> Any:
    one = person.model_copy(update={"wants_other": 0.0})
    return Hints.given_by(one, clean, np.random.default_rng(seed), given, before, turns)


def test_the_worst_piece_is_hinted_first_in_its_middle_and_its_colour():
    clean = drawing()
    value, truth = give(EXACT, clean, seen(clean, [WHITE, WHITE, WHITE]))
    (mark,) = value.marks
    assert mark.color == "#dc1e1e" and not mark.path
    assert 20 <= mark.x <= 22 and 22 <= mark.y <= 27
    assert (truth["meant"] == ((clean["pieces"] == 1) & (clean["line"] > 160))).all()
    assert (truth["asked"][truth["meant"]] == RED).all()


def test_who_is_content_gives_nothing():
    clean = drawing()
    assert give(EXACT, clean, seen(clean, [WHITE, RED, BLUE]))[0] is None
    near = [WHITE, (220, 60, 30), BLUE]  # ten levels off on average
    assert give(EXACT, clean, seen(clean, near))[0] is not None
    assert give(LIBRARY["hasty"], clean, seen(clean, near))[0] is None


def test_a_piece_is_left_after_two_tries():
    clean = drawing()
    nothing = seen(clean, [WHITE, WHITE, WHITE])
    before = None
    order = []
    for turn in range(5):
        value, _ = give(EXACT, clean, nothing, before, seed=turn)
        if value is None:
            break
        before = value if before is None else before.merge(value)
        order.append(int(clean["pieces"][round(value.marks[0].y), round(value.marks[0].x)]))
    assert order == [1, 1, 2, 2]


def test_orders_and_looks():
    clean = drawing()
    nothing = seen(clean, [WHITE, RED, WHITE])
    assert len(give(LIBRARY["hasty"], clean, seen(clean, [WHITE, WHITE, WHITE]))[0].marks) == 2  # of three, as two are wrong
    for person in (EXACT, LIBRARY["novice"], LIBRARY["sloppy"]):
        value, truth = give(person, clean, nothing)
        assert len(value.marks) == 1 and (clean["pieces"][truth["meant"]] == 2).all()


def test_hands_differ():
    clean = drawing()
    nothing = seen(clean, [WHITE, WHITE, WHITE])

    def share_inside(person: Person) -> float:
        found = []
        for seed in range(40):
            value, truth = give(person, clean, nothing, seed=seed)
            found += [truth["meant"][round(y), round(x)] for x, y in value.marks[0].points]
        return float(np.mean(found))

    assert share_inside(EXACT) == 1
    assert share_inside(LIBRARY["expert"]) > 0.95
    assert share_inside(SLOPPY) < 0.85
    strokes = [len(give(SLOPPY, clean, nothing, seed=seed)[0].marks[0].points) > 1 for seed in range(40)]
    assert 0.6 < np.mean(strokes) < 0.95


def test_without_a_picture_coloured_pieces_are_hinted_with_the_truth_that_training_needs():
    clean = drawing()
    value, truth = give(PLAIN, clean, turns=9)
    assert len(value.marks) == 2 and truth["answers"].shape == (2, 3)
    assert truth["answers"].sum(1).tolist() == [1, 1] and not truth["changed"].any()
    other, told = Hints.given_by(Person(name="p", wants_other=1), clean, np.random.default_rng(1), None, None, 9)
    assert told["changed"].any() and len(other.marks) == 2
    assert give(PLAIN, clean, turns=0)[0] is None


def test_on_a_picture_without_pieces_points_are_given_where_it_is_wrong():
    picture = np.full((40, 60, 3), (90, 140, 60), np.uint8)
    grey = picture.copy()
    grey[10:20, 30:45] = 128
    value, truth = Hints.given_by(EXACT, {"picture": picture}, np.random.default_rng(0), grey)
    (mark,) = value.marks
    assert 30 <= mark.x < 45 and 10 <= mark.y < 20 and mark.color == "#5a8c3c"
    assert truth["meant"][round(mark.y), round(mark.x)] and (truth["asked"][truth["meant"]] == (90, 140, 60)).all()
    assert Hints.given_by(EXACT, {"picture": picture}, np.random.default_rng(0), picture)[0] is None
    more, _ = Hints.given_by(EXACT, {"picture": picture}, np.random.default_rng(0), grey, value)
    assert np.hypot(more.marks[0].x - mark.x, more.marks[0].y - mark.y) > 2


def test_known_pixels_are_given_where_the_output_is_wrong():
    picture = np.zeros((28, 28), np.uint8)
    given = picture.copy()
    given[4:9, 18:23] = 255
    value, truth = Known.given_by(EXACT, {"picture": picture}, np.random.default_rng(0), given)
    ys, xs = np.nonzero(value.mask)
    assert 4 <= ys.mean() <= 8 and 18 <= xs.mean() <= 22 and (truth["meant"] == value.mask).all()
    assert Known.given_by(EXACT, {"picture": picture}, np.random.default_rng(0), picture)[0] is None
    more, _ = Known.given_by(EXACT, {"picture": picture}, np.random.default_rng(0), given, value)
    assert not (more.mask & value.mask).any()


def test_a_hole_means_a_place_and_asks_for_nothing():
    clean = {"picture": np.zeros((40, 60, 3), np.uint8)}
    value, truth = Hole.given_by(SLOPPY, clean, np.random.default_rng(3))
    assert truth["meant"].shape == (40, 60) and truth["meant"].any() and "asked" not in truth
    value.check((40, 60), where="hole")
    assert Hole.given_by(SLOPPY, clean, np.random.default_rng(3), None, value)[0] is None


def test_a_label_is_given_once_and_sometimes_wrong():
    clean = {"label": 1, "slot": Slot(name="label", kind=Label, options={"classes": ("a", "b", "c")})}
    rng = np.random.default_rng(0)
    assert all(Label.given_by(EXACT, clean, rng)[0].name == "b" for _ in range(20))
    wrong = Person(name="wrong", miss=1)
    assert {Label.given_by(wrong, clean, rng)[0].name for _ in range(20)} == {"a", "c"}
    assert Label.given_by(EXACT, clean, rng, None, Label(name="b"))[0] is None


@pytest.mark.parametrize(("name", "gaps"), [("exact", False), ("hasty", True)])
def test_who_takes_pains_leaves_no_gaps(name: str, gaps: bool):
    clean = drawing()
    found = [Sketch.given_by(LIBRARY[name], clean, np.random.default_rng(seed))[1]["gaps"].any() for seed in range(40)]
    assert any(found) == gaps
