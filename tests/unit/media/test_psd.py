"""Photoshop documents: psd-tools reads the flats under the line from them, to the bit."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from gesso.errors import GessoError
from gesso.media import psd
from gesso.media.layers import Layer, layered, recompose
from gesso.media.profile import srgb_profile
from gesso.rules.fill import over_line
from unit.media.flat import drawing

psd_tools = pytest.importorskip("psd_tools", reason="reads the documents back; it is in the extra [dev]")

LINE, FLATS = drawing()
NAMES = {(255, 204, 153): "지우의 피부", (1, 2, 3): "hair"}
DATA = psd.encode_psd(layered(LINE, FLATS, NAMES, dpi=(350, 299.5)), {"parameters": "colorize <&>\x01 지우"})


def read(data):
    """The layers as psd-tools reads them, from the bottom to the top."""
    opened = psd_tools.PSDImage.open(io.BytesIO(data))
    blends = {"norm": "normal", "mul ": "multiply"}
    return opened, [
        Layer(one.name, one.left, one.top, np.asarray(one.topil(apply_icc=False)), blends[one.blend_mode.value.decode()]) for one in opened
    ]


@pytest.mark.parametrize("height, width", [(60, 90), (1, 300), (300, 1), (130, 257)])
def test_recomposed_it_is_the_flats_under_the_line(height, width):
    line, flats = drawing(height, width)
    want = over_line(flats, line)
    opened, layers = read(psd.encode_psd(layered(line, flats)))
    assert opened.size == (width, height) and opened.channels == 3 and opened.depth == 8
    np.testing.assert_array_equal(recompose(layers, height, width), want)
    np.testing.assert_array_equal(np.asarray(opened.topil(apply_icc=False)), want)


def test_layers_round_trip():
    given = list(layered(LINE, FLATS, NAMES))
    _, layers = read(DATA)
    assert [one.name for one in layers] == [one.name for one in given]
    assert "지우의 피부" in [one.name for one in layers]
    for one, wanted in zip(layers, given, strict=True):
        assert (one.left, one.top, one.blend) == (wanted.left, wanted.top, wanted.blend)
        np.testing.assert_array_equal(one.pixels, wanted.pixels)


def test_psd_tools_reads_all_layers():
    opened, _ = read(DATA)
    assert all(one.visible and one.opacity == 255 and not one.has_mask() for one in opened)


def test_pillow_opens_it_too():
    with Image.open(io.BytesIO(DATA)) as image:
        assert image.format == "PSD" and image.mode == "RGB" and image.n_frames == len(NAMES) + 5
        np.testing.assert_array_equal(np.asarray(image), over_line(FLATS, LINE))
        assert image.info["icc_profile"] == srgb_profile()


def test_resolution_profile_and_texts():
    resources = read(DATA)[0].image_resources
    said = resources.get_data(psd.RESOLUTION)
    assert (said.horizontal / 65536, said.vertical / 65536) == (350, 299.5) and said.horizontal_unit == said.vertical_unit == 1
    assert resources.get_data(psd.PROFILE) == srgb_profile()
    xmp = resources.get_data(psd.XMP)
    root = ElementTree.fromstring(xmp)
    assert [one.text for one in root.iter("{urn:gesso:}words")] == ["colorize <&>  지우"]
    assert "trainedAlgorithmicMedia" in (xmp.decode() if isinstance(xmp, bytes) else xmp)
    plain = read(psd.encode_psd(layered(LINE, FLATS)))[0].image_resources
    assert psd.RESOLUTION not in plain and psd.XMP not in plain


def test_the_same_layers_are_the_same_bytes():
    assert psd.encode_psd(layered(LINE, FLATS, NAMES, dpi=(350, 299.5)), {"parameters": "colorize <&>\x01 지우"}) == DATA


def test_lines_and_flats_are_packed():
    line, flats = np.full((1000, 1500), 255, np.uint8), np.zeros((1000, 1500, 3), np.uint8)
    flats[200:400, 300:900], line[500:503] = (200, 30, 40), 0
    assert len(psd.encode_psd(layered(line, flats))) < line.size * 3 / 10


def test_a_side_beyond_the_format_is_refused():
    line = np.full((psd.MAX_SIDE + 1, 8), 255, np.uint8)
    with pytest.raises(GessoError, match="30000 pixels a side.*save it as .ora"):
        psd.encode_psd(layered(line, np.repeat(line[..., None], 3, -1)))


def test_a_document_over_the_formats_size_is_refused(monkeypatch):
    monkeypatch.setattr(psd, "MAX_BYTES", len(DATA) - 1)
    with pytest.raises(GessoError, match="2 GB"):
        psd.encode_psd(layered(LINE, FLATS, NAMES, dpi=(350, 299.5)), {"parameters": "colorize <&>\x01 지우"})
