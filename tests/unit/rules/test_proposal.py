"""Proposals on pieces: votes, necks, colours that look the same, when to hold back, and hints that win."""

import numpy as np
import pytest

from gesso.rules.apply_hints import apply_hints
from gesso.rules.colouring import UserEdits, colour_drawing
from gesso.rules.cutting import cut_pieces
from gesso.rules.decision import DecisionParameters, certainty, certainty_thresholds, choose_colours, confidence, expected_colours
from gesso.rules.pieces import find_pieces
from gesso.rules.prediction import Prediction, merge_similar_colours, regions_at, votes

WHITE, RED, BLUE = (255, 255, 255), (220, 40, 40), (40, 60, 220)
COLOURS = np.array([WHITE, RED, BLUE], np.uint8)


def page(size=72):
    """A closed box in the middle of a page."""
    line = np.full((size, size), 255, np.uint8)
    a, b = size // 4, size * 3 // 4
    line[a : b + 1, [a, b]] = 0
    line[[a, b], a : b + 1] = 0
    return line


def near(pixel, colour_drawing, away=30):
    return np.abs(np.asarray(pixel, int) - colour_drawing).max() <= away


def said(wins, sure=0.96):
    shares = np.full((3, *wins.shape), (1 - sure) / 2, np.float32)
    np.put_along_axis(shares, wins[None], sure, 0)
    return shares


def field(wins, sure=0.96, size=72):
    """A field in which `wins` [h w] says which colour is likeliest."""
    return Prediction.of_pixels(said(wins, sure), (0, 0, size, size))


def inside(value, size=72, other=0):
    wins = np.full((size, size), other)
    wins[size // 4 : size * 3 // 4, size // 4 : size * 3 // 4] = value
    return wins


def test_a_piece_takes_its_vote_and_the_rest_stays_paper():
    out = colour_drawing(page(), [field(inside(1))], COLOURS, UserEdits(), DecisionParameters())
    assert near(out.images[0][36, 36], RED) and tuple(out.images[0][2, 2]) == WHITE
    assert (out.images[0][20:53, 20:53] == out.images[0][36, 36]).all()
    assert tuple(out.images[0][36, 18]) == (0, 0, 0), "ink stays"


def test_no_fringe_beside_the_line():
    line = page()
    line[18:55, 17] = line[18:55, 19] = 140  # a soft edge
    out = colour_drawing(line, [field(inside(1))], COLOURS, UserEdits(), DecisionParameters()).images[0]
    assert np.abs(out[36, 19].astype(int) - out[36, 36].astype(int) * 140 // 255).max() <= 2


def test_a_hint_wins_whatever_is_proposed():
    out = colour_drawing(page(), [field(inside(1))], COLOURS, UserEdits(marks=[([(36, 36)], (1, 200, 3), 2.0)]), DecisionParameters())
    assert (out.images[0][20:53, 20:53] == (1, 200, 3)).all() and tuple(out.images[0][2, 2]) == WHITE


def test_the_later_hint_wins_where_they_meet():
    marks = [([(36, 36)], (1, 200, 3), 2.0), ([(35, 36)], (9, 9, 200), 2.0)]
    assert tuple(colour_drawing(page(), [field(inside(1))], COLOURS, UserEdits(marks=marks), DecisionParameters()).images[0][36, 36]) == (
        9,
        9,
        200,
    )


def test_a_hint_on_open_paper_never_spreads():
    out = colour_drawing(page(), [field(inside(1))], COLOURS, UserEdits(marks=[([(8, 8)], (1, 200, 3), 2.0)]), DecisionParameters()).images[
        0
    ]
    green = (out == (1, 200, 3)).all(-1)
    assert green[8, 8] and green.sum() < 40


def test_the_later_hint_wins_on_open_paper_too():
    marks = [([(8, 8)], (1, 200, 3), 2.0), ([(8, 8)], WHITE, 4.0)]
    out = colour_drawing(page(), [field(inside(1))], COLOURS, UserEdits(marks=marks), DecisionParameters()).images[0]
    assert (out[:16] == 255).all()


def test_paper_that_a_hint_made_is_not_flooded_by_the_next():
    blue_page = field(np.full((72, 72), 2))
    marks = [([(60, 60)], WHITE, 2.0), ([(8, 8)], (1, 200, 3), 2.0)]
    out = colour_drawing(page(), [blue_page], COLOURS, UserEdits(marks=marks), DecisionParameters()).images[0]
    green = (out == (1, 200, 3)).all(-1)
    assert green[8, 8] and green.sum() < 40 and tuple(out[66, 8]) == WHITE


def test_a_hint_of_cream_takes_no_paper_along():
    cream = (248, 248, 242)  # as near to white as colours that are made one
    shares = np.concatenate([said(inside(0)), np.zeros((1, 72, 72), np.float32)])
    marks = [([(36, 36)], cream, 2.0), ([(8, 8)], (1, 200, 3), 2.0)]
    out = colour_drawing(
        page(),
        [Prediction.of_pixels(shares, (0, 0, 72, 72))],
        np.array([*COLOURS, cream], np.uint8),
        UserEdits(marks=marks),
        DecisionParameters(),
    ).images[0]
    assert tuple(out[36, 36]) == cream and tuple(out[66, 8]) == WHITE
    assert (out == (1, 200, 3)).all(-1).sum() < 40


def test_a_white_hint_makes_paper():
    out = colour_drawing(page(), [field(inside(1))], COLOURS, UserEdits(marks=[([(36, 36)], WHITE, 2.0)]), DecisionParameters()).images[0]
    assert (out[20:53, 20:53] == 255).all()


def test_an_open_shape_is_cut_where_the_proposal_has_an_edge():
    line = page()
    line[30:40, 54] = 255  # a wide opening
    params, closed = DecisionParameters(), find_pieces(line, gap=0)
    assert closed.num == 1
    assert cut_pieces(closed, [field(inside(1))], COLOURS, params).num == 2
    out = colour_drawing(line, [field(inside(1))], COLOURS, UserEdits(gap=0), params).images[0]
    assert near(out[36, 36], RED) and tuple(out[36, 66]) == WHITE


def test_sides_of_nearly_one_colour_are_one():
    line = np.full((72, 72), 255, np.uint8)
    nearly = Prediction(np.array([[0.95, 0.05, 0.0], [0.85, 0.15, 0.0]]), inside(1), (0, 0, 72, 72))
    assert cut_pieces(find_pieces(line), [nearly], COLOURS, DecisionParameters()).num == 1


def test_borders_are_the_regions_own_and_not_the_proposals():
    wins = np.zeros((72, 72), int)
    wins[30:60, 20:44] = 1
    whole = Prediction(np.array([[0.6, 0.4, 0.0]]), np.zeros((72, 72), int), (0, 0, 72, 72))
    assert cut_pieces(find_pieces(np.full((72, 72), 255, np.uint8)), [whole], COLOURS, DecisionParameters()).num == 1, (
        "no edge across open ground"
    )


def test_crumbs_are_not_cut_off():
    wins = np.zeros((72, 72), int)
    wins[30:32, 30:32] = 1
    assert cut_pieces(find_pieces(np.full((72, 72), 255, np.uint8)), [field(wins)], COLOURS, DecisionParameters(least=10)).num == 1


def test_votes_are_mean_shares_whatever_the_fields_size():
    pieces = find_pieces(page(), gap=0)
    fine = votes(pieces, [field(inside(1))])
    coarse = votes(pieces, [Prediction.of_pixels(said(inside(1)).reshape(3, 36, 2, 36, 2).mean((2, 4)), (0, 0, 72, 72))])
    at = pieces.labels[36, 36]
    assert fine[at].argmax() == coarse[at].argmax() == 1
    assert fine.sum(1) == pytest.approx(1, abs=1e-4)


def test_two_windows_speak_where_they_lie_deepest():
    left, right = np.zeros((72, 40), int), np.ones((72, 40), int)
    predictions = [Prediction.of_pixels(said(left), (0, 0, 40, 72)), Prediction.of_pixels(said(right), (32, 0, 72, 72))]
    spoken = regions_at(predictions, (72, 72))
    assert len(np.unique(spoken[36, :34])) == 1 == len(np.unique(spoken[36, 39:])) and spoken[36, 0] != spoken[36, 71]


def test_similar_colours_are_merged_and_the_hints_colour_is_kept():
    shares = np.zeros((4, 2, 2), np.float32)
    shares[1], shares[3], shares[2] = 0.3, 0.3, 0.4
    predictions, colours = merge_similar_colours(
        [Prediction.of_pixels(shares, (0, 0, 2, 2))], np.array([WHITE, RED, BLUE, (221, 41, 40)], np.uint8)
    )
    best = predictions[0].shares[0].argmax()
    assert tuple(colours[best]) == (221, 41, 40) and predictions[0].shares[0, best] == pytest.approx(0.6)


def test_what_is_expected_makes_the_smallest_error_and_certainty_says_how_much_smaller():
    share = np.array([[0.3, 0.6, 0.1], [1.0, 0, 0], [0, 1.0, 0]])
    mean, colours = expected_colours(share, COLOURS, DecisionParameters(temperature=1.0)), COLOURS.astype(float)

    def error(colour_drawing):
        return (share[0] * ((colours - colour_drawing) ** 2).sum(1)).sum()

    assert error(mean[0]) < min(error(mean[0] + d) for d in (-9, 9)) and certainty(share, COLOURS)[1:] == pytest.approx([0, 1])
    assert certainty(share, COLOURS)[0] == pytest.approx(1 - error(mean[0]) / error(np.array(WHITE)))


def test_sureness_is_the_chance_that_a_guess_is_nearer_than_white():
    assert confidence(np.array([[0.3, 0.6, 0.1], [1.0, 0, 0]]), COLOURS, DecisionParameters())[0] == pytest.approx(0.7)


def test_what_is_not_certain_stays_paper_as_far_as_the_dial_says():
    share, bare = np.array([[0.6, 0.3, 0.1]]), np.array([False])
    looks = [tuple(choose_colours(share, COLOURS, bare, DecisionParameters(), guess=g)[0]) for g in (0.0, 0.5, 1.0)]
    assert looks[0] == looks[1] == WHITE != looks[2]
    sure = np.array([[0.02, 0.96, 0.02]])
    assert all(near(choose_colours(sure, COLOURS, bare, DecisionParameters(), guess=g)[0], RED) for g in (0.0, 0.5, 1.0))
    lows = [certainty_thresholds(DecisionParameters(), g) for g in np.linspace(0, 1, 11)]
    assert lows == sorted(lows, reverse=True), "more is coloured the further the dial is turned"


def test_pale_stays_pale():
    """The less certain a colour, the less chroma it has."""
    chroma = [
        np.ptp(choose_colours(np.array([[1 - p, p, 0]]), COLOURS, np.array([False]), DecisionParameters(), guess=1.0)[0].astype(int))
        for p in (0.5, 0.7, 0.9)
    ]
    assert chroma == sorted(chroma) and chroma[0] < chroma[2]


def test_a_piece_follows_a_hint_only_where_that_is_likely_and_then_to_the_bit():
    bare = np.array([False])
    assert tuple(choose_colours(np.array([[0.1, 0.2, 0.7]]), COLOURS, bare, DecisionParameters(follow=0.6), hints=[2])[0]) == BLUE
    assert tuple(choose_colours(np.array([[0.1, 0.4, 0.5]]), COLOURS, bare, DecisionParameters(follow=0.6), hints=[2])[0]) != BLUE


def test_proposals_differ_and_like_pieces_stay_alike():
    line = page()
    line[30, 18:55] = 0  # two boxes now
    shares = np.stack([inside(0.1, other=0.9), inside(0.5, other=0.05), inside(0.4, other=0.05)]).astype(np.float32)
    out = colour_drawing(
        line, [Prediction.of_pixels(shares, (0, 0, 72, 72))], COLOURS, UserEdits(), DecisionParameters(sure=0.1), num=4, spread=1.5, seed=3
    )
    pairs = {(tuple(i[24, 36]), tuple(i[45, 36])) for i in out.images}
    assert len(pairs) >= 2 and all(a == b for a, b in pairs)
    again = colour_drawing(
        line, [Prediction.of_pixels(shares, (0, 0, 72, 72))], COLOURS, UserEdits(), DecisionParameters(sure=0.1), num=4, spread=1.5, seed=3
    )
    assert all((a == b).all() for a, b in zip(out.images, again.images, strict=True))


def test_strokes_say_paper_cut_and_join():
    predictions = [field(inside(1))]
    paper = colour_drawing(page(), predictions, COLOURS, UserEdits(paper=[([(36, 36)], 2.0)]), DecisionParameters())
    assert tuple(paper.images[0][36, 36]) == WHITE
    halves = colour_drawing(
        page(), predictions, COLOURS, UserEdits(cuts=[([(18, 36), (54, 36)], 1.0)], marks=[([(36, 25)], BLUE, 2.0)]), DecisionParameters()
    ).images[0]
    assert tuple(halves[25, 36]) == BLUE and near(halves[45, 36], RED)
    line = page()
    line[36, 18:55] = 0
    one = colour_drawing(
        line, predictions, COLOURS, UserEdits(joins=[[(36, 25), (36, 45)]], marks=[([(36, 25)], BLUE, 2.0)]), DecisionParameters()
    ).images[0]
    assert tuple(one[25, 36]) == tuple(one[45, 36]) == BLUE


def test_a_stroke_joins_all_that_it_is_over_and_may_leave_the_page():
    line = page()
    line[18:55, [30, 42]] = 0  # three rooms
    marks = [([(24, 36)], BLUE, 2.0)]
    edits = UserEdits(joins=[[(24, 36), (50, 36)]], marks=marks, gap=0)
    out = colour_drawing(line, [field(inside(1))], COLOURS, edits, DecisionParameters()).images[0]
    assert tuple(out[36, 24]) == tuple(out[36, 36]) == tuple(out[36, 50]) == BLUE and tuple(out[36, 66]) == WHITE
    beyond = colour_drawing(
        line, [field(inside(1))], COLOURS, UserEdits(joins=[[(24, 36), (36, 36), (36, -40)]], marks=marks, gap=0), DecisionParameters()
    )
    assert tuple(beyond.images[0][36, 36]) == BLUE


def test_obey_keeps_each_pieces_colour_when_a_dab_is_cut_off():
    pieces = find_pieces(page(), gap=0)
    colours = np.array([WHITE, RED], np.uint8)
    parts, ink = apply_hints(pieces, colours, [([(8, 8)], BLUE, 2.0)], np.array([True, False]), [field(inside(1))], COLOURS)
    assert tuple(ink[parts.labels[36, 36]]) == RED and tuple(ink[parts.labels[8, 8]]) == BLUE and tuple(ink[parts.labels[60, 60]]) == WHITE


def test_a_hint_in_a_sky_that_leaves_the_page_fills_it():
    line = np.full((72, 72), 255, np.uint8)
    line[30] = 0
    out = colour_drawing(
        line, [field(np.zeros((72, 72), int))], COLOURS, UserEdits(marks=[([(36, 12)], BLUE, 2.0)]), DecisionParameters()
    ).images[0]
    assert (out[:29] == BLUE).all() and (out[32:] == 255).all()


def test_nothing_is_cut_from_a_filled_background():
    line = np.full((72, 72), 255, np.uint8)
    line[20:50, 20:22] = line[20:50, 48:50] = line[20:22, 20:50] = line[48:50, 20:50] = 0
    classes = np.zeros((72, 72), int)
    classes[:, 54:] = 1  # the network is sure of red there, and of white elsewhere
    mark = [([(8, 8)], BLUE, 2.0)]
    filled = colour_drawing(line, [field(classes)], COLOURS, UserEdits(marks=mark, fills={0}), DecisionParameters()).images[0]
    assert (filled[:18] == BLUE).all() and (filled[52:] == BLUE).all() and (filled[:, 52:] == BLUE).all()
    only = colour_drawing(line, [field(classes)], COLOURS, UserEdits(marks=mark), DecisionParameters(bare=1.0)).images[0]
    assert (only == BLUE).all(-1).sum() < 40 and tuple(only[36, 66]) == WHITE, "the ground is one, whatever is proposed for a side of it"


def test_a_scans_dark_rim_makes_the_page_no_closed_piece():
    line = page()
    line[[0, -1]] = line[:, [0, -1]] = 0
    out = colour_drawing(line, [field(inside(1))], COLOURS, UserEdits(marks=[([(8, 8)], BLUE, 2.0)]), DecisionParameters()).images[0]
    assert (out == BLUE).all(-1).sum() < 40


def open_shapes():
    """A bust that the page's lower border cuts off, and a post that is open below and ends above it."""
    line = np.full((72, 72), 255, np.uint8)
    line[44:, [10, 36]] = line[44, 10:37] = 0
    line[20:64, [48, 58]] = line[20, 48:59] = 0
    regions = np.zeros((72, 72), int)
    regions[45:, 11:36], regions[21:64, 49:58] = 1, 2
    return line, Prediction(np.tile(np.float32([[0.96, 0.02, 0.02]]), (3, 1)), regions, (0, 0, 72, 72))


def test_a_hint_colours_the_shape_it_lies_in_though_that_is_open_to_the_page_and_the_network_expects_paper():
    line, said = open_shapes()
    marks = [([(20, 60)], BLUE, 1.0), ([(53, 40)], RED, 1.0)]
    out = colour_drawing(line, [said], COLOURS, UserEdits(marks=marks, gap=0), DecisionParameters()).images[0]
    assert (out[46:, 12:35] == BLUE).all() and (out[22:62, 50:57] == RED).all()
    assert (out[:18] == 255).all() and (out[:, 60:] == 255).all() and (out[:, :9] == 255).all(), "the ground around them stays"
    dot = colour_drawing(line, [said], COLOURS, UserEdits(marks=[([(5, 5)], BLUE, 1.0)], gap=0), DecisionParameters()).images[0]
    assert (dot == BLUE).all(-1).sum() < 12, "and a dot on the ground colours only itself"


def test_a_part_of_the_ground_that_little_ink_holds_is_no_shape():
    line, regions = np.full((72, 72), 255, np.uint8), np.zeros((72, 72), int)
    line[20:, 40] = 0
    regions[20:, 41:] = 1
    said = Prediction(np.tile(np.float32([[0.96, 0.02, 0.02]]), (2, 1)), regions, (0, 0, 72, 72))
    out = colour_drawing(line, [said], COLOURS, UserEdits(marks=[([(56, 50)], BLUE, 1.0)], gap=0), DecisionParameters()).images[0]
    assert (out == BLUE).all(-1).sum() < 12


def test_a_dot_wider_than_its_room_stays_in_it():
    line = page()
    line[18:55, 22] = 0  # a strip three pixels wide beside the room
    out = colour_drawing(line, [field(inside(1))], COLOURS, UserEdits(marks=[([(20, 36)], BLUE, 6.0)]), DecisionParameters()).images[0]
    assert tuple(out[36, 20]) == BLUE and near(out[36, 40], RED) and tuple(out[36, 5]) == WHITE


def test_a_hint_takes_its_closed_piece_whole():
    wins = inside(1)
    wins[40:52, 22:50] = 2
    marks = [([(36, 26)], RED, 1.5)]
    for sure in (0.6, 0.8):
        patchy = colour_drawing(page(), [field(wins, sure=sure)], COLOURS, UserEdits(marks=marks), DecisionParameters()).images[0]
        assert (patchy[22:50, 22:50] == RED).all()


def test_nothing_is_parted_across_open_ground_however_sure_the_network_is():
    wins = np.zeros((72, 72), int)
    wins[:, 40:] = 1
    out = colour_drawing(
        np.full((72, 72), 255, np.uint8), [field(wins, sure=0.99)], COLOURS, UserEdits(gap=0), DecisionParameters()
    ).images[0]
    assert len(np.unique(out.reshape(-1, 3), axis=0)) == 1


def test_a_hint_does_not_leak_through_a_gap_into_what_the_network_knows_is_another_thing():
    line = page()
    line[30:33, 54] = 255  # a gap of three pixels, bridged by nothing
    wins = inside(2)
    fill = colour_drawing(line, [field(wins)], COLOURS, UserEdits(marks=[([(36, 36)], BLUE, 2.0)], gap=0), DecisionParameters()).images[0]
    assert tuple(fill[36, 36]) == BLUE and tuple(fill[36, 66]) == WHITE


def test_what_is_parted_from_the_page_must_be_surer_to_be_coloured():
    line = page()
    line[32:38, 54] = 255  # an opening: the box is of the page
    for sure, coloured in ((0.55, False), (0.98, True)):
        out = colour_drawing(line, [field(inside(1), sure=sure)], COLOURS, UserEdits(gap=0), DecisionParameters(ground=0.6)).images[0]
        assert (tuple(out[36, 36]) != WHITE) == coloured and tuple(out[36, 66]) == WHITE
