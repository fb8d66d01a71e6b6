"""Ports: positions on a page map to positions in a tensor, and several conditions join in order."""

import pytest
import torch

from gesso.ports import Frame, Ports, PortSizes, Tokens, join


def test_the_whole_page_maps_corner_to_corner():
    frame = Frame(size=(64, 128), page=(640, 1280))
    assert frame.to_tensor_xy(0, 0) == (0, 0)
    assert frame.to_tensor_xy(1280, 640) == (128, 64)
    assert frame.scale == pytest.approx(0.1)


def test_a_box_shifts_and_scales_positions():
    frame = Frame(size=(100, 100), page=(1000, 1000), box=(200, 300, 400, 500))
    assert frame.to_tensor_xy(200, 300) == (0, 0)
    assert frame.to_tensor_xy(300, 400) == (50, 50)
    assert frame.to_tensor_xy(100, 300)[0] == -50, "places outside the box keep their distance from it"
    assert frame.scale == pytest.approx(0.5)


def test_a_frame_without_page_uses_its_own_size():
    frame = Frame(size=(28, 30))
    assert frame.to_tensor_xy(7, 9) == (7, 9)
    assert frame.scale == 1


def test_with_options_keeps_the_rest_of_the_frame():
    frame = Frame(size=(8, 8), box=(0, 0, 4, 4), page=(16, 16))
    new = frame.with_options({"classes": 10})
    assert new.options == {"classes": 10} and (new.size, new.box, new.page) == (frame.size, frame.box, frame.page)
    assert frame.options == {}, "a frame is frozen"


def tokens(num: int, value: float, *, placed: bool = True) -> Tokens:
    places = torch.full((2, num, 4, 4), value) if placed else None
    return Tokens(torch.full((2, num, 3), value), torch.ones(2, num, dtype=torch.bool), places)


def test_join_keeps_the_order_of_conditions():
    first = Ports(vector=torch.zeros(2, 1), spatial=torch.zeros(2, 2, 4, 4), tokens=tokens(1, 0.0))
    second = Ports(vector=torch.ones(2, 3), spatial=torch.ones(2, 1, 4, 4), tokens=tokens(2, 1.0))
    both = join([first, Ports(), second])
    assert both.vector is not None and both.vector[0].tolist() == [0, 1, 1, 1]
    assert both.spatial is not None and both.spatial[0, :, 0, 0].tolist() == [0, 0, 1]
    assert both.tokens is not None and both.tokens.values[0, :, 0].tolist() == [0, 1, 1]
    assert both.tokens.mask.shape == (2, 3)
    assert both.tokens.places is not None and both.tokens.places[0, :, 0, 0].tolist() == [0, 1, 1]
    assert both.geometry is None and both.relation is None


def test_join_drops_places_if_one_part_has_none():
    both = join([Ports(tokens=tokens(1, 0.0)), Ports(tokens=tokens(2, 1.0, placed=False))])
    assert both.tokens is not None and both.tokens.places is None and both.tokens.values.shape == (2, 3, 3)


def test_joining_nothing_gives_empty_ports():
    assert join([]) == Ports()


def test_join_geometry_and_relation():
    both = join([Ports(geometry={"camera": torch.eye(4)}), Ports(relation=torch.zeros(2, 1, 4)), Ports(relation=torch.ones(2, 2, 4))])
    assert both.geometry is not None and set(both.geometry) == {"camera"}
    assert both.relation is not None and both.relation.shape == (2, 3, 4)


def test_map_changes_every_tensor():
    full = Ports(
        vector=torch.zeros(2, 1),
        spatial=torch.zeros(2, 1, 4, 4),
        tokens=tokens(1, 0.0),
        geometry={"camera": torch.zeros(2)},
        relation=torch.zeros(2, 1, 4),
    )
    changed = full.map(lambda t: t[:1])
    assert changed.vector is not None and changed.spatial is not None and changed.tokens is not None
    assert changed.geometry is not None and changed.relation is not None
    for tensor in (
        changed.vector,
        changed.spatial,
        changed.tokens.values,
        changed.tokens.mask,
        changed.geometry["camera"],
        changed.relation,
    ):
        assert len(tensor) == 1
    assert changed.tokens.places is not None and len(changed.tokens.places) == 1


def test_map_leaves_absent_ports_absent():
    changed = Ports(tokens=tokens(1, 0.0, placed=False)).map(lambda t: t + 0)
    assert changed.vector is None and changed.tokens is not None and changed.tokens.places is None


def test_sizes_add_up():
    assert PortSizes(1, 2, 3) + PortSizes(4, 5, 3) == PortSizes(5, 7, 3)
    assert PortSizes(token=3) + PortSizes() == PortSizes(token=3)


def test_sizes_with_different_token_widths_are_refused():
    with pytest.raises(ValueError, match="3 and 4"):
        PortSizes(token=3) + PortSizes(token=4)


def words(num: int, first: int) -> Tokens:
    """Tokens of a vocabulary, which a network embeds itself."""
    return Tokens(torch.zeros(2, num, 0), torch.ones(2, num, dtype=torch.bool), ids=torch.arange(first, first + num).repeat(2, 1))


def test_each_condition_keeps_its_own_ports():
    label, style = Ports(vector=torch.ones(2, 3)), Ports(vector=torch.zeros(2, 2), tokens=tokens(4, 0.5))
    joined = join([label, style], ["label", "style"])
    assert joined.vector.shape == (2, 5)
    assert torch.equal(joined.by_slot["label"].vector, label.vector) and joined.by_slot["style"].tokens.values.shape == (2, 4, 3)
    halved = joined.map(lambda t: t[:1])
    assert halved.by_slot["style"].vector.shape == (1, 2) and halved.tokens.mask.shape == (1, 4)


def test_a_tensor_in_two_places_is_changed_once():
    joined = join([Ports(spatial=torch.ones(1, 2, 4, 4))], ["sketch"])
    seen = []
    moved = joined.map(lambda t: seen.append(t) or t.clone())
    assert len(seen) == 1 and moved.spatial is moved.by_slot["sketch"].spatial


def test_tokens_of_a_vocabulary_join_among_themselves():
    both = join([Ports(tokens=words(3, 0)), Ports(tokens=words(2, 7))], ["title", "tags"]).tokens
    assert both.ids.dtype == torch.int64 and both.ids[0].tolist() == [0, 1, 2, 7, 8] and both.values.shape == (2, 5, 0)
    mixed = join([Ports(tokens=words(3, 0)), Ports(tokens=tokens(4, 0.5))], ["words", "hints"])
    assert mixed.tokens.ids is None and mixed.tokens.values.shape == (2, 4, 3), "only embedded tokens can be joined with embedded ones"
    assert mixed.by_slot["words"].tokens.ids.shape == (2, 3)
    assert (PortSizes(vocabulary=9) + PortSizes(vector=1, vocabulary=4)).vocabulary == 9


def test_a_frame_of_a_medium_that_is_no_picture():
    frame = Frame(extent=(4, 64), rate=16.0, start=2.0)
    assert frame.with_options({"voices": 4}).extent == (4, 64)
