"""What a result is saved as: its print is kept, and layers where its recipe makes them."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from gesso.card import Card, Out, Slot
from gesso.conditions.sketch import Sketch
from gesso.errors import GessoError
from gesso.media.layers import recompose
from gesso.media.ora import read_ora
from gesso.media.picture import read_png_text, read_sheet
from gesso.record import read_record, record
from gesso.request import Request
from gesso.rules.fill import over_line
from gesso.verbs.result import Result, check_out
from unit.media.flat import drawing
from unit.media.made import saved

LINE, FLATS = drawing()
IMAGE = Out(name="image", medium="picture", help={"en": "flats under the line"})
PARTS = Out(name="parts", medium="layers", help={"en": "the line over its flats"})
SLOT = Slot(name="sketch", kind=Sketch, help={"en": "a drawing"})


def made(*outs, dpi=(350, 350), **more):
    card = Card(name="toy", title={"en": "Toy"}, summary={"en": "A toy."}, conditions=(SLOT,), outputs=outs)
    request = Request.build(card, {"sketch": saved(LINE, "PNG", dpi=dpi) if dpi else LINE})
    outputs = {"image": over_line(FLATS, LINE), "parts": {"line": LINE, "flats": FLATS, **more}}
    outputs = {out.name: outputs[out.name] for out in outs}
    return Result(card, outputs, request, lambda: record(request, outputs, threads=1))


def test_a_png_keeps_the_print_of_the_sketch(tmp_path):
    path = made(IMAGE).save(tmp_path / "cat.png")
    sheet = read_sheet(path)
    assert sheet.dpi == (350, 350) and (sheet.pixels == over_line(FLATS, LINE)).all()
    with Image.open(path) as image:
        assert image.info["srgb"] == 1
    assert read_record(path).request.recipe == "toy"
    assert read_sheet(made(IMAGE, dpi=None).save(path)).dpi is None


def test_a_picture_of_another_size_has_another_print():
    result = made(IMAGE)
    result.outputs["image"] = result.outputs["image"][:-1]
    assert read_sheet(result.png()).dpi is None


def test_layers_are_saved_as_openraster(tmp_path):
    path = made(IMAGE, PARTS, names={"#ffcc99": "지우의 피부"}).save(tmp_path / "cat.ORA")
    read = read_ora(path.read_bytes())
    want = over_line(FLATS, LINE)
    np.testing.assert_array_equal(recompose(read.iter_layers(), *LINE.shape), want)
    np.testing.assert_array_equal(read.merged, want)
    assert "지우의 피부" in [layer.name for layer in read.iter_layers()] and read.dpi == (350, 350)
    with zipfile.ZipFile(path) as archive:
        texts = read_png_text(archive.read("mergedimage.png"))
    assert read_record(path).request.recipe == "toy" and texts["parameters"].startswith("toy")


def test_layers_are_saved_for_photoshop(tmp_path):
    path = made(IMAGE, PARTS).save(tmp_path / "cat.psd")
    with Image.open(path) as image:
        assert image.format == "PSD" and image.n_frames == 7
        np.testing.assert_array_equal(np.asarray(image), over_line(FLATS, LINE))
    assert b"toy (sketch)" in path.read_bytes()


def test_layers_in_json_are_pictures():
    result = made(IMAGE, PARTS, names={"#ffcc99": "skin"})
    assert result.values() == {}
    told = json.loads(result.json())["outputs"]
    assert told["parts"]["names"] == {"#ffcc99": "skin"}
    np.testing.assert_array_equal(read_sheet(told["parts"]["flats"]).pixels, FLATS)
    assert result._repr_html_() and repr(result)


def test_a_recipe_without_layers_says_so_before_any_work(tmp_path):
    result = made(IMAGE)
    for name in ("cat.ora", "cat.psd"):
        with pytest.raises(GessoError, match=r"toy makes no layers \(cat.png\)"):
            check_out(tmp_path / name, result.card)
        with pytest.raises(GessoError, match="toy makes no layers"):
            result.save(tmp_path / name)
    with pytest.raises(GessoError, match=r"results are written as .png or .json"):
        check_out(tmp_path / "cat.gif", result.card)
    with pytest.raises(GessoError, match=r"results are written as .png, .ora, .psd or .json"):
        check_out(tmp_path / "cat.gif", made(IMAGE, PARTS).card)
    with pytest.raises(GessoError, match="--take: toy makes no layers 'image'"):
        made(IMAGE, PARTS).save(tmp_path / "cat.ora", "image")
    assert not list(tmp_path.iterdir())


def test_nothing_is_half_written(tmp_path):
    result = made(IMAGE, PARTS)
    result.outputs["parts"] = {"line": LINE, "flats": np.random.default_rng(0).integers(0, 256, FLATS.shape, dtype=np.uint8)}
    old = tmp_path / "cat.psd"
    old.write_bytes(b"mine")
    with pytest.raises(GessoError, match="more than 1000 colours"):
        result.save(old)
    assert old.read_bytes() == b"mine" and len(list(tmp_path.iterdir())) == 1


def test_what_is_read_from_a_saved_picture_is_open_to_others():
    with Image.open(io.BytesIO(made(IMAGE).png())) as image:
        assert image.text.keys() == {"gesso", "parameters"}
