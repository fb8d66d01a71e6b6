"""The flagship's promises that hold with any weights: hints win, paper is not flooded, files of every make are read."""

import numpy as np
import pytest
from PIL import Image

import gesso
from gesso.rules.fill import over_line
from gesso.verbs.assemble import assemble


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Untrained on purpose: what rules promise may not lean on what a network learned."""
    from gesso.verbs.load import Model

    return Model(assemble("colorize", preset="tiny", untrained=True))


def sketch(size=96, gap=0):
    line = np.full((size, size), 255, np.uint8)
    a, b = size // 4, size * 3 // 4
    line[a : b + 1, a : a + 2] = line[a : b + 1, b - 1 : b + 1] = 0
    line[a : a + 2, a : b + 1] = line[b - 1 : b + 1, a : b + 1] = 0
    line[size // 2 : size // 2 + gap, b - 1 : b + 1] = 255
    return line


def test_the_image_has_the_sketchs_size_and_outputs_their_names(model):
    out = model.generate(sketch=sketch(), seed=1)
    assert out.image.size == (96, 96) and out.pieces.shape == (96, 96) and out.proposal.size == (96, 96)


@pytest.mark.parametrize("colour", ["#ff8800", "#000080", "#ffffff", "#808080"])
def test_a_hint_wins_and_stays_inside(model, colour):
    out = np.asarray(model.generate(sketch=sketch(), hints=[gesso.Hint(48, 48, colour, radius=2)], seed=0).image)
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    assert (out[28:68, 28:68] == wanted).all()
    assert (out[26:70, 24:26] == 0).all(), "ink stays ink"


def test_a_hint_alone_changes_its_piece_and_not_a_bit_elsewhere(model):
    line = sketch()
    line[48, 24:72] = 0
    told, alone = gesso.Hint(48, 35, "#cc2222"), gesso.Hint(48, 60, "#2244cc", alone=True)
    before, after = (model.generate(sketch=line, hints=hints) for hints in ([told], [told, alone]))
    one, other = np.asarray(before.image), np.asarray(after.image)
    changed, piece = (one != other).any(-1), after.pieces == after.pieces[60, 48]
    assert changed.any() and not (changed & ~piece).any() and tuple(other[60, 48]) == (34, 68, 204)
    assert np.array_equal(before.proposal, after.proposal), "the network was not told"
    follows = model.generate(sketch=line, hints=[told, gesso.Hint(48, 60, "#2244cc")])
    assert not np.array_equal(before.proposal, follows.proposal)


def test_a_later_hint_wins_where_they_meet_and_all_obey_in_pieces_of_their_own(model):
    line = sketch()
    line[48, 24:72] = 0
    hints = [gesso.Hint(48, 35, "#ff0000"), gesso.Hint(48, 60, "#0000ff"), gesso.Hint(47, 35, "#00ff00")]
    out = np.asarray(model.generate(sketch=line, hints=hints).image)
    assert tuple(out[35, 60]) == (0, 255, 0) and tuple(out[60, 60]) == (0, 0, 255)


def test_what_is_kept_stays_to_the_bit_and_fits_the_page(model):
    before = np.asarray(model.generate(sketch=sketch(), hints=[gesso.Hint(48, 48, "#00ff00", radius=2)]).image)
    mask = np.zeros((96, 96), np.uint8)
    mask[20:50] = 255
    out = np.asarray(model.generate(sketch=sketch(), hints=[gesso.Hint(48, 48, "#ff0000", radius=2)], keep=(before, mask)).image)
    assert (out[20:50] == before[20:50]).all() and (out[55:60, 40:60] == (255, 0, 0)).all()
    with pytest.raises(gesso.GessoError, match="96 × 96"):
        model.generate(sketch=sketch(), keep=(before[:48], mask[:48]))


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "LA", "P", "I;16"])
def test_one_drawing_in_every_mode_is_one_drawing(model, mode, tmp_path):
    line = np.where(sketch() < 128, 0, 255).astype(np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(line.astype(np.uint16) * 257)
    elif mode in ("RGBA", "LA"):  # ink on nothing
        ink = Image.new("L", (96, 96), 0)
        picture = Image.merge(mode, [ink] * (3 if mode == "RGBA" else 1) + [Image.fromarray(255 - line)])
    else:
        picture = Image.fromarray(line).convert(mode)
    file = tmp_path / "drawing.png"
    picture.save(file)
    hints = [gesso.Hint(48, 48, "#ff8800")]
    one, other = model.generate(sketch=line, hints=hints).image, model.generate(sketch=str(file), hints=hints).image
    assert (np.asarray(one) == np.asarray(other)).all()


def test_a_turned_photograph_is_turned_back(model, tmp_path):
    line = sketch()
    line[:20, 5] = 0
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / "turned.png"
    Image.fromarray(np.rot90(line)).save(file, exif=exif)
    assert model.generate(sketch=str(file)).image.size == (96, 96)
    assert (np.asarray(model.generate(sketch=str(file)).image) == np.asarray(model.generate(sketch=line).image)).all()


def test_four_proposals_on_request_and_the_choice_replays(model):
    four = model.generate(sketch=sketch(), num_proposals=4, seed=5)
    assert len(four.outputs["proposals"]) == 4
    for n in range(4):
        assert (np.asarray(model.generate(sketch=sketch(), choice=n, seed=5).image) == four.outputs["proposals"][n]).all()


def test_a_strip_is_coloured_in_windows(model):
    line = np.concatenate([sketch(96)] * 8)
    out = np.asarray(model.generate(sketch=line, hints=[gesso.Hint(48, 48 + 96 * 7, "#ff8800")], detail=96).image)
    assert out.shape == (768, 96, 3) and tuple(out[48 + 96 * 7, 40]) == (255, 136, 0)


def test_every_window_knows_the_colour_of_a_hint_in_another(model):
    from gesso.verbs.generate import encode

    asked = model.request(sketch=np.concatenate([sketch(96)] * 4), hints=[gesso.Hint(48, 48 + 96 * 3, "#ff8800")], detail=96)
    frames = model.recipe.frames(asked, model.assembled.preset)
    told = [encode(model.assembled, asked, frame).ports.tokens.values[0, 0].tolist() for frame in frames]
    assert len(told) > 2 and all(one == told[-1] for one in told) and told[0][0] == 1


def test_strokes_speak_to_the_rules(model):
    cut = np.asarray(
        model.generate(sketch=sketch(), cuts="24,48 72,48", hints=[gesso.Hint(48, 35, "#ff0000"), gesso.Hint(48, 60, "#0000ff")]).image
    )
    assert tuple(cut[30, 30]) == (255, 0, 0) and tuple(cut[66, 66]) == (0, 0, 255)
    paper = np.asarray(model.generate(sketch=sketch(), paper="48,48").image)
    assert (paper[30:66, 30:66] == 255).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hints": [gesso.Hint(500, 5, "#f00")]}, "outside"),
        ({"hints": "nonsense"}, "hint"),
        ({"spread": 99}, "spread"),
        ({"sketsh": 1}, "sketsh"),
        ({"sketch": np.zeros((0, 5), np.uint8)}, "sketch"),
        ({"sketch": "no-such-file.png"}, "no-such-file"),
    ],
)
def test_bad_input_says_what_and_where(model, given, words):
    with pytest.raises(gesso.GessoError, match=words):
        model.generate(**{"sketch": sketch(), **given})


def test_the_layers_are_the_picture(model):
    hints = [gesso.Hint(48, 48, "#ff8800", radius=2)]
    result = model.generate(sketch=sketch(), hints=hints)
    line, flats = result.layers["line"], result.layers["flats"]
    assert (np.asarray(result.image) == over_line(flats, line)).all() and tuple(flats[48, 48]) == (255, 136, 0)


def test_lines_keep_their_colour_and_how_they_were_read_is_told(model):
    from gesso.media.layers import recompose

    yellow = np.full((96, 96, 3), 255, np.uint8)
    yellow[sketch() == 0] = (255, 255, 0)
    for drawing, kind, line, ground in (
        (yellow, "colour", (255, 255, 0), (255, 255, 255)),
        (255 - sketch(), "light", (255, 255, 255), (0, 0, 0)),
        (np.dstack([np.full((96, 96, 3), 255, np.uint8), 255 - sketch()]), "alpha", (255, 255, 255), (0, 0, 0)),
    ):
        hints = [gesso.Hint(48, 48, "#ff8800")]
        result = model.generate(sketch=drawing, hints=hints, paper="4,4")
        out, layers = np.asarray(result.image), list(result.layered())
        assert result.notes == (kind,) and set(result.note_texts[0]["words"]) == {"en", "ko"}
        assert tuple(out[48, 24]) == line and tuple(out[48, 48]) == (255, 136, 0) and tuple(out[4, 4]) == ground
        assert tuple(layers[-1].pixels[48, 24]) == (*line, 255) and tuple(layers[0].pixels[0, 0]) == ground
        assert (recompose(layers, 96, 96) == out).all()
    assert model.generate(sketch=sketch()).notes == ()
    dark = model.generate(sketch=yellow, lines="dark")
    assert dark.notes == () and "ink" not in dark.layers
    with pytest.raises(gesso.GessoError, match="transparent"):
        model.generate(sketch=sketch(), lines="alpha")


@pytest.mark.parametrize(
    ("page", "note"),
    [(np.zeros((64, 64), np.uint8), "all_ink"), (np.full((64, 64), 255, np.uint8), "no_line"), (sketch(gap=47), "no_piece")],
)
def test_a_page_on_which_there_is_nothing_to_colour_in_is_said_so(model, page, note):
    assert note in model.generate(sketch=page, gap=0).notes


def test_a_request_from_before_there_were_kinds_of_lines_makes_the_same(model, tmp_path):
    import json

    from gesso.request import Request

    asked = model.request(sketch=sketch(), hints=[gesso.Hint(48, 48, "#ff8800")]).to_json()
    assert asked["settings"].pop("lines") == "auto"
    old = Request.from_json(json.loads(json.dumps(asked)), model.card)
    new = model.generate(sketch=sketch(), hints=[gesso.Hint(48, 48, "#ff8800")])
    made = model.make(old)
    assert (np.asarray(made.image) == np.asarray(new.image)).all() and set(made.layers) == {"line", "flats"}
