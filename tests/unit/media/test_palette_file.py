"""Palette files: round trips in three formats, files of other programs, and hostile files."""

import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.errors import GessoError
from gesso.media.layers import layered, plain_name
from gesso.media.palette import MAX_SWATCHES, Palette, Swatch
from gesso.media.palette_file import KINDS_IN_WORDS, MAX_BYTES, WRITERS, encode_palette, read_palette, write_palette
from gesso.media.swatch import from_lab

JIU = Palette(
    (Swatch((255, 204, 153), "지우의 피부"), Swatch((1, 2, 3), "머리 #2"), Swatch((0, 0, 255)), Swatch((1, 2, 3), "3 eyes")), "지우"
)
KINDS = sorted(WRITERS)

COLOURS = st.tuples(*[st.integers(0, 255)] * 3)
NAMES = st.text(max_size=12) | st.sampled_from(
    ["3 3 3", "#x", "Name: y", "눈 👩‍🎨", "a\tb", "a\n255 0 0", " x ", "\x00", "\ufeffa", "\ud83d"]
)


def same(read, palette, kind):
    assert read.swatches == palette.swatches
    assert read.name == ("" if kind == ".aco" else palette.name)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(COLOURS, NAMES), max_size=12), NAMES)
def test_round_trips(kind, swatches, name):
    palette = Palette(tuple(Swatch(rgb, said) for rgb, said in swatches), name)
    assert palette.name == plain_name(name)
    same(read_palette(encode_palette(palette, kind)), palette, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_shade_round_trips(kind):
    palette = Palette(tuple(Swatch((value, 255 - value, value * 7 % 256)) for value in range(256)))
    same(read_palette(encode_palette(palette, kind)), palette, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_palette_is_within_the_budget(kind):
    palette = Palette((Swatch((9, 9, 9), "𝄞" * 100),) * MAX_SWATCHES)
    data = encode_palette(palette, kind)
    assert len(data) <= MAX_BYTES
    same(read_palette(data), palette, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_through_files(kind, tmp_path):
    path = tmp_path / f"지우{kind.upper()}"
    write_palette(path, JIU)
    same(read_palette(path), JIU, kind)
    other = tmp_path / "palette.txt"  # the contents decide
    other.write_bytes(path.read_bytes())
    same(read_palette(str(other)), JIU, kind)


def test_its_names_name_layers():
    flats = np.zeros((8, 8, 3), np.uint8)
    flats[:4], flats[4:] = (1, 2, 3), (0, 0, 255)
    assert JIU.names == {(255, 204, 153): "지우의 피부", (1, 2, 3): "머리 #2"}
    assert set(layered(np.zeros((8, 8), np.uint8), flats, JIU.names).names) == {"머리 #2", "#0000ff"}


def test_a_palette_as_gimp_writes_it():
    text = (
        "GIMP Palette\r\nName: Bears\r\nColumns: 16\r\n# a comment\r\n#\r\n  8   8   8\tgrey3\r\n\r\n255 255 255\t\r\n0 0 0 two words\r\n"
    )
    read = read_palette(b"\xef\xbb\xbf" + text.encode())
    assert read == Palette((Swatch((8, 8, 8), "grey3"), Swatch((255, 255, 255)), Swatch((0, 0, 0), "two words")), "Bears")
    old = read_palette(b"GIMP Palette\n# before there were names\n1 2 3 Untitled")
    assert old == Palette((Swatch((1, 2, 3), "Untitled"),))


def test_a_palette_as_aseprite_writes_it():
    read = read_palette(b"GIMP Palette\nChannels: RGBA\n#\n  1   2   3 128\tclear\n  4   5   6 255\n")
    assert read.swatches == (Swatch((1, 2, 3), "clear"), Swatch((4, 5, 6)))


def aco(version, *colours):
    return struct.pack(">HH", version, len(colours)) + b"".join(struct.pack(">5H", *colour) for colour in colours)


def test_photoshop_colours_of_every_space():
    read = read_palette(
        aco(
            1,
            (0, 65535, 32896, 0, 0),
            (1, 21845, 65535, 65535, 0),
            (2, 0, 65535, 65535, 65535),
            (9, 0, 10000, 0, 0),
            (7, 10000, 0, 0, 0),
            (7, 5324, 8009, 6720, 0),
            (8, 10000, 0, 0, 0),
            (8, 5000, 0, 0, 0),
        )
    )
    rgb = [swatch.rgb for swatch in read.swatches]
    assert rgb[:5] == [(255, 128, 0), (0, 255, 0), (0, 255, 255), (255, 0, 255), (255, 255, 255)]
    assert rgb[6:] == [(255, 255, 255), (128, 128, 128)]
    assert all(value <= 255 for value in rgb[5])


def test_lab_has_the_white_point_d50():
    """sRGB's red, green, blue and grey in Lab under D50, as Photoshop shows them (rounded there)."""
    for lab, rgb in [((54.3, 80.8, 69.9), (255, 0, 0)), ((87.8, -79.3, 81.0), (0, 255, 0)), ((29.6, 68.3, -112.0), (0, 0, 255))]:
        assert np.abs(np.subtract(from_lab(*lab), rgb)).max() <= 4
    assert from_lab(53.59, 0, 0) == (128, 128, 128) and from_lab(0, 0, 0) == (0, 0, 0) and from_lab(100, 0, 0) == (255, 255, 255)


def test_negative_lab_in_photoshops_file():
    green = read_palette(aco(1, (7, 8780, 65536 - 7930, 8100, 0))).swatches[0].rgb
    assert np.abs(np.subtract(green, (0, 255, 0))).max() <= 4


def test_version_two_wins_and_may_be_alone():
    first = aco(1, (0, 65535, 0, 0, 0))
    second = struct.pack(">HH5HHH", 2, 1, 0, 0, 65535, 0, 0, 0, 3) + "눈".encode("utf-16-be") + b"\x00\x00\x00\x00"
    for data in (first + second, second):
        assert read_palette(data) == Palette((Swatch((0, 255, 0), "눈"),))
    assert read_palette(first) == Palette((Swatch((255, 0, 0)),))


def ase(*blocks, claimed=None):
    head = struct.pack(">4sHHI", b"ASEF", 1, 0, len(blocks) if claimed is None else claimed)
    return head + b"".join(struct.pack(">HI", kind, len(data)) + data for kind, data in blocks)


def colour(model, *values, name=b"\x00\x01\x00\x00"):
    return 1, name + model + struct.pack(f">{len(values)}f", *values) + b"\x00\x02"


def test_swatch_exchange_of_every_model_and_several_groups():
    group = (0xC001, b"\x00\x02\xb2\x08\x00\x00")
    read = read_palette(
        ase(
            group,
            colour(b"RGB ", 1, 0.5, -0.01),
            colour(b"CMYK", 0, 1, 1, 0),
            (0xC002, b""),
            (0xC001, b"\x00\x02\x00b\x00\x00"),
            colour(b"LAB ", 1, 0, 0),
            colour(b"Gray", 0.5),
            (0x4242, b"who knows"),
            (0xC002, b""),
        )
    )
    assert [swatch.rgb for swatch in read.swatches] == [(255, 128, 0), (255, 0, 0), (255, 255, 255), (128, 128, 128)]
    assert read.name == "눈"


BAD = {
    "empty": (b"", "bytes: the file is empty"),
    "text": (b"red green blue", "not a readable palette"),
    "a picture": (b"\x89PNG\r\n\x1a\n", f"not a readable palette.*{re.escape(KINDS_IN_WORDS)}"),
    "aseprite": (struct.pack("<IH", 128, 0xA5E0) + bytes(122), "drawing of Aseprite.*save its palette as .gpl"),
    "too large": (b"GIMP Palette\n" + b"#\n" * MAX_BYTES, "larger than 2 MB"),
    "gpl of another kind": (b"GIMP Palette v9\n", "not a palette of GIMP"),
    "gpl not UTF-8": ("GIMP Palette\nName: 지우\n".encode("cp949"), "line 2: the names are not in UTF-8"),
    "gpl colour": (b"GIMP Palette\n1 2 3\n1 256 3", "line 3: 1 256 3 is not a colour"),
    "gpl huge number": (b"GIMP Palette\n1 2 " + b"9" * 5000, "line 2: this is not a colour"),
    "gpl words": (b"GIMP Palette\n1 2 3\nred\n", "line 3: this is not a colour: 'red'"),
    "gpl two numbers": (b"GIMP Palette\n1 2", "line 2"),
    "gpl negative": (b"GIMP Palette\n1 -2 3", "line 2"),
    "gpl too many": (b"GIMP Palette\n" + b"1 2 3\n" * (MAX_SWATCHES + 1), f"line {MAX_SWATCHES + 2}: it holds more than"),
    "ase version": (b"ASEF\x00\x07\x00\x00\x00\x00\x00\x00", "version 1"),
    "ase claims": (ase(claimed=2**32 - 1), "claims 4294967295 parts"),
    "ase cut": (ase(claimed=2), "cut short: it ends at byte 12, inside part 1"),
    "ase block": (ase((1, b""))[:-4] + b"\xff\xff\xff\xff", "inside part 1"),
    "ase name": (ase(colour(b"RGB ", 1, 1, 1, name=b"\xff\xff")), "inside the name of colour 1"),
    "ase model": (ase(colour(b"HSB\x01", 1, 1, 1)), r"colour model that is not known \(HSB\\x01\)"),
    "ase nan": (ase(colour(b"RGB ", 1, float("nan"), 1)), "part 1 holds NaN or infinity"),
    "ase lab infinite": (ase(colour(b"LAB ", float("inf"), 0, 0)), "NaN or infinity"),
    "ase short colour": (ase((1, b"\x00\x01\x00\x00RGB \x00\x00")), "inside part 1"),
    "aco claims": (b"\x00\x01\xff\xff", "more than 4096 colours"),
    "aco cut": (aco(1, (0, 0, 0, 0, 0))[:-1], "ends at byte 13, inside colour 1"),
    "aco pantone": (aco(1, (3, 0, 0, 0, 0)), "colour 1 is a colour of the book Pantone.*save its colours as RGB"),
    "aco unknown": (aco(1, (77, 0, 0, 0, 0)), r"not known \(77\)"),
    "aco name": (aco(2, (0, 0, 0, 0, 0)) + b"\x00\x00\xff\xff", "the name of colour 1"),
    "aco twice": (aco(1, (0, 0, 0, 0, 0)) * 2, "version 1 instead of 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused(name):
    data, why = BAD[name]
    with pytest.raises(GessoError, match=why) as caught:
        read_palette(data)
    assert caught.value.fix and str(caught.value.where).startswith("bytes")


def test_a_missing_or_large_file(tmp_path):
    with pytest.raises(GessoError, match="no such file"):
        read_palette(tmp_path / "none.gpl")
    path = tmp_path / "large.gpl"
    path.write_bytes(bytes(MAX_BYTES + 1))
    with pytest.raises(GessoError, match="larger than"):
        read_palette(path)


@pytest.mark.parametrize("kind", [".ase", ".aco"])
def test_a_file_truncated_anywhere_is_refused(kind):
    data = encode_palette(JIU, kind)
    whole_without_names = 4 + 10 * len(JIU)
    for end in range(len(data)):
        if kind == ".aco" and end == whole_without_names:
            assert [swatch.rgb for swatch in read_palette(data[:end]).swatches] == [swatch.rgb for swatch in JIU.swatches]
            continue
        with pytest.raises(GessoError):
            read_palette(data[:end])


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([encode_palette(JIU, kind) for kind in KINDS]),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=8),
    st.binary(max_size=8),
)
def test_no_damage_is_more_than_an_error(data, changes, tail):
    spoiled = bytearray(data)
    for place, value in changes:
        spoiled[place % len(data)] = value
    try:
        palette = read_palette(bytes(spoiled) + tail)
    except GessoError as error:
        assert error.where
    else:
        assert len(palette) <= MAX_SWATCHES


@pytest.mark.parametrize("swatches", [[((1, 2), "")], [((1, 2, 256), "")], [((1.5, 2, 3), "")], [((1, 2, 3), "")] * (MAX_SWATCHES + 1)])
def test_invalid_palettes_are_refused(swatches):
    with pytest.raises(GessoError, match="palette: "):
        Palette(tuple(Swatch(*one) for one in swatches))


def test_an_unknown_extension_is_not_written(tmp_path):
    with pytest.raises(GessoError, match=r"one of .gpl, .ase, .aco"):
        write_palette(tmp_path / "a.png", JIU)
    assert not list(tmp_path.iterdir())
