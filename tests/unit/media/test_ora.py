"""OpenRaster: read back with our own reader, its layers are the flats under the line to the bit."""

import io
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.layers import layered, recompose
from gesso.media.ora import encode_ora, merged_in_ora, read_ora, record_in_ora
from gesso.media.picture import read_png_text
from gesso.rules.fill import over_line
from unit.media.flat import drawing
from unit.media.made import saved

LINE, FLATS = drawing()
NAMES = {(255, 204, 153): '지우의 "피부" <&>'}
DATA = encode_ora(layered(LINE, FLATS, NAMES, dpi=(350, 350)), {"gesso": "{}"})


def changed(**files):
    """The file with other contents under some names; None leaves one out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(DATA)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            key = name.split("/")[-1].split(".")[0]
            contents = files.get(key, old.read(name))
            if contents is not None:
                new.writestr(name, contents)
    return out.getvalue()


def stack():
    with zipfile.ZipFile(io.BytesIO(DATA)) as archive:
        return archive.read("stack.xml").decode()


@pytest.mark.parametrize("height, width", [(60, 90), (1, 40), (700, 9)])
def test_recomposed_it_is_the_flats_under_the_line(height, width):
    line, flats = drawing(height, width)
    want = over_line(flats, line)
    read = read_ora(encode_ora(layered(line, flats)))
    assert (read.width, read.height) == (width, height)
    np.testing.assert_array_equal(recompose(read.iter_layers(), height, width), want)
    np.testing.assert_array_equal(read.merged, want)
    assert max(read.thumbnail.shape[:2]) <= 256


def test_names_order_blend_and_dpi():
    read = read_ora(DATA)
    every = list(read.iter_layers())
    assert [every[0].name, every[-1].name, every[-1].blend] == ["paper", "line", "multiply"]
    assert '지우의 "피부" <&>' in [one.name for one in every] and "#010203" in [one.name for one in every]
    assert read.dpi == (350, 350)
    assert read_ora(encode_ora(layered(LINE, FLATS, dpi=(299.5, 600)))).dpi == pytest.approx((299.5, 600), abs=0.02)
    assert read_ora(encode_ora(layered(LINE, FLATS))).dpi is None


def test_it_is_laid_out_as_the_specification_says():
    assert DATA[30:54] == b"mimetypeimage/openraster"  # plain, at the file's beginning
    with zipfile.ZipFile(io.BytesIO(DATA)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert {"mimetype", "stack.xml", "mergedimage.png", "Thumbnails/thumbnail.png"} <= set(names)
        root = ElementTree.fromstring(archive.read("stack.xml"))
        entries = root.findall("stack/layer")
        assert [entries[0].get("name"), entries[-1].get("name")] == ["line", "paper"]  # the topmost first
        assert entries[0].get("composite-op") == "svg:multiply" and root.get("w") == "90" and root.get("xres") == "350"
        for entry in entries:
            with Image.open(archive.open(entry.get("src"))) as image:
                assert image.mode in ("RGB", "RGBA") and image.info["srgb"] == 1
                assert image.info["dpi"] == pytest.approx((350, 350), abs=0.02)
        assert read_png_text(archive.read("mergedimage.png")) == {"gesso": "{}"}


def test_the_same_layers_are_the_same_bytes():
    assert encode_ora(layered(LINE, FLATS, NAMES, dpi=(350, 350)), {"gesso": "{}"}) == DATA


def test_the_record_is_a_separate_file():
    data = encode_ora(layered(LINE, FLATS, NAMES), {"parameters": "x"}, '{"gesso": "지우"}')
    assert data[30:54] == b"mimetypeimage/openraster"
    assert record_in_ora(data) == '{"gesso": "지우"}' and record_in_ora(DATA) is None
    np.testing.assert_array_equal(recompose(read_ora(data).iter_layers(), *LINE.shape), over_line(FLATS, LINE))
    np.testing.assert_array_equal(merged_in_ora(data), over_line(FLATS, LINE))


def test_a_record_that_is_a_bomb_is_not_unpacked():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("mimetype", "image/openraster")
        new.writestr("gesso/record.json", bytes(200_000_000))
    assert len(out.getvalue()) < 300_000
    with pytest.raises(GessoError, match="record.json in it is too large"):
        record_in_ora(out.getvalue(), where="bomb.ora")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"PK\x03\x04" + bytes(300), DATA[:-30], changed(mimetype=b"application/zip")])
def test_a_record_is_read_only_from_openraster_files(data):
    with pytest.raises(GessoError, match="not an OpenRaster"):
        record_in_ora(data, where="cat.ora")


def test_control_characters_in_a_name_never_spoil_the_list():
    read = read_ora(encode_ora(layered(LINE, FLATS, {(1, 2, 3): "a\x01\x1f\ud800b\ufffe"})))
    assert any(one.name.startswith("a") and one.name.endswith("b") for one in read.iter_layers())


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><image w="9" h="9"><stack>&c;</stack></image>'
BAD = {
    "empty": (b"", "not an OpenRaster"),
    "text": (b"a cat", "not an OpenRaster"),
    "cut": (DATA[: len(DATA) // 2], "not an OpenRaster"),
    "another zip": (changed(mimetype=b"application/zip"), "not an OpenRaster"),
    "no mimetype": (changed(mimetype=None), "mimetype is missing"),
    "no list": (changed(stack=None), "stack.xml is missing"),
    "no merged picture": (changed(mergedimage=None), "mergedimage.png is missing"),
    "no thumbnail": (changed(thumbnail=None), "thumbnail.png is missing"),
    "bad list": (changed(stack=b"<image"), "stack.xml is damaged"),
    "bad text in list": (changed(stack=b"\xff\xfe<image"), "stack.xml"),
    "entities": (changed(stack=BOMB.encode()), "entities"),
    "entities in UTF-16": (changed(stack=BOMB.encode("utf-16")), "entities"),
    "no stack": (changed(stack=b'<image w="9" h="9"/>'), "no stack"),
    "deep list": (changed(stack=b'<image w="9" h="9"><stack>' + b"<layer>" * 90000), "stack.xml"),
    "list of two megabytes": (changed(stack=b" " * 2**21), "too large"),
    "a group": (changed(stack=stack().replace("<layer ", "<stack ", 1)), "among its layers"),
    "a screen": (changed(stack=stack().replace("svg:multiply", "svg:screen")), "blended"),
    "faint": (changed(stack=stack().replace('opacity="1.0"', 'opacity="0.5"', 1)), "blended, faint"),
    "hidden": (changed(stack=stack().replace('"visible"', '"hidden"', 1)), "hidden"),
    "half a pixel": (changed(stack=stack().replace('x="0"', 'x="0.5"', 1)), "not a whole number"),
    "far away": (changed(stack=stack().replace('x="0"', 'x="999999999999"', 1)), "not a whole number"),
    "no size": (changed(stack=stack().replace('w="90"', "")), "w is ''"),
    "huge": (changed(stack=stack().replace('w="90"', 'w="40000"')), "40000"),
    "no picture": (changed(mergedimage=b"text"), "mergedimage.png.*text"),
    "a lost layer": (changed(layer0002=None), "layer0002.png is missing"),
    "a layer that is text": (changed(layer0002=b"text"), "layer0002.png"),
    "a layer outside": (changed(stack=stack().replace("data/layer0001.png", "../../etc/passwd")), "passwd is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused(name):
    data, why = BAD[name]
    with pytest.raises(GessoError, match=why) as caught:
        list(read_ora(data, where="cat.ora").iter_layers())
    assert caught.value.where.startswith("cat.ora") and caught.value.fix


def test_a_layer_over_the_budget_is_refused():
    wide = saved(Image.new("L", (3000, 2)), "PNG")
    with pytest.raises(GessoError, match="3000 x 2"):
        list(read_ora(changed(layer0001=wide), budget=Budget(max_pixels=5400)).iter_layers())
    with pytest.raises(GessoError, match="larger than"):
        read_ora(DATA, budget=Budget(max_bytes=1000))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, len(DATA)))
def test_no_damage_is_more_than_an_error(changes, length):
    data = bytearray(DATA)
    for place, value in changes:
        data[place] = value
    try:
        list(read_ora(bytes(data[: length if length % 3 == 0 else None])).iter_layers())
    except GessoError:
        pass
