"""Pictures as conditions: the file's resolution is kept, inside the PNG of the JSON."""

import json

import numpy as np
import pytest

from gesso.card import Slot
from gesso.conditions.picture import Picture
from gesso.conditions.sketch import Sketch
from gesso.errors import GessoError
from gesso.media.picture import data_url
from unit.media import icc
from unit.media.made import noise, saved

PIXELS = noise(12, 20, 3)
SLOT = Slot(name="sketch", kind=Sketch, help={"en": "a drawing"})


def test_dpi_is_read_and_round_trips_through_json(tmp_path):
    path = tmp_path / "cat.tif"
    path.write_bytes(saved(PIXELS, "TIFF", dpi=(350, 600)))
    for given in (str(path), path, path.read_bytes(), data_url(PIXELS, (350, 600))):
        value = SLOT.read(given)
        assert value.dpi == (350, 600)
        told = value.model_dump(mode="json")
        assert list(told) == ["pixels"]
        back = SLOT.from_json(json.loads(json.dumps(told)))
        assert back.dpi == (350, 600) and (back.pixels == PIXELS).all() and back.model_dump(mode="json") == told


def test_a_picture_without_dpi_keeps_its_json():
    value = SLOT.read(PIXELS)
    assert value.dpi is None and value.model_dump(mode="json") == {"pixels": data_url(PIXELS)}
    assert list(Picture.model_json_schema()["properties"]) == ["pixels"]
    assert SLOT.read({"pixels": data_url(PIXELS)}).dpi is None
    assert Sketch.model_construct(pixels=PIXELS).dpi is None


@pytest.mark.parametrize(
    "pixels, why", [("/etc/passwd", "not a data URL"), ("data:image/png;base64,AAAA", "whatever its name says"), (7, "7")]
)
def test_invalid_json_is_refused_and_names_the_field(pixels, why):
    with pytest.raises(GessoError, match=why) as caught:
        SLOT.from_json({"pixels": pixels})
    assert caught.value.where == "sketch.pixels"


def test_colours_are_converted_to_srgb():
    path = saved(np.full((12, 20, 3), (40, 200, 90), np.uint8), "PNG", icc_profile=icc.profile(b"RGB ", 2.2, icc.ADOBE))
    want = icc.wanted(np.array([40, 200, 90], np.uint8), 2.2, icc.ADOBE)
    assert np.abs(SLOT.read(path).pixels - want).max() <= 2
    grey = saved(np.full((12, 20), 100, np.uint8), "PNG", icc_profile=icc.profile(b"GRAY", 1.0))
    assert SLOT.read(grey).pixels[0, 0] == 168  # 100 of 255 in light
