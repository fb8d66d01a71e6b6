"""A model in Python: conditions and settings by name, in any form; results as attributes, files and in a notebook."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

import gesso as package
from gesso.errors import GessoError
from gesso.media.picture import data_url
from gesso.record import read_record
from gesso.verbs.load import Model, load
from gesso.verbs.result import refuse_overwriting


@pytest.fixture
def model(toy: Path) -> Model:
    return load(toy)


def test_the_packages_own_name(toy: Path, kept: Path, kept_weights: Path):
    assert package.load(toy).card.name == "toy"
    assert isinstance(package.load(str(kept), weights=str(kept_weights)).network, nn.Sequential)


def test_any_form_of_a_picture_is_the_same(model: Model, photo: Path, pixels: np.ndarray):
    with open(photo, "rb") as opened:
        forms = [photo, str(photo), photo.read_bytes(), Image.fromarray(pixels), pixels, opened, pixels / 255]
        made = [model.generate(photo=form, seed=1).outputs["image"] for form in forms]
    assert all(np.array_equal(made[0], one) for one in made[1:])


def test_conditions_and_settings_by_name(model: Model, photo: Path):
    result = model.generate(photo=photo, tags=["warm", "none"], num_steps=2, flip=True, seed=9)
    assert result.request.conditions["tags"].names == ("warm", "none")
    assert (result.request.settings.num_steps, result.request.settings.flip, result.request.seed) == (2, True, 9)


def test_an_unknown_name_lists_both(model: Model, photo: Path):
    with pytest.raises(GessoError, match=r"'sketch'.*conditions: photo, tags, keep; settings: num_steps, strength, mood, flip"):
        model.generate(photo=photo, sketch=photo)


def test_variations_are_one_a_seed(model: Model, photo: Path):
    several = list(model.variations(3, seed=4, photo=photo, tags="warm"))
    assert [result.request.seed for result in several] == [4, 5, 6]
    assert np.array_equal(several[1].outputs["image"], model.generate(photo=photo, tags="warm", seed=5).outputs["image"])
    with pytest.raises(GessoError, match="num: 0 is not a whole number"):
        model.variations(0, photo=photo)


def test_networks_and_the_one(kept: Path, kept_weights: Path, model: Model):
    loaded = load(kept, weights=kept_weights)
    assert loaded.network is loaded.networks["painter"] and not loaded.network.training
    with pytest.raises(GessoError, match="has 0 networks"):
        _ = model.network
    assert "0.00 M" in repr(loaded) and "small" in repr(loaded)


def test_two_models_share_no_network(kept: Path, kept_weights: Path):
    one, two = (load(kept, weights=kept_weights) for _ in range(2))
    nn.init.zeros_(one.network[0].weight)
    assert two.network[0].weight.any()


# --- requests from files --------------------------------------------------------------------------------------------------


def test_a_request_begins_from_a_file_and_is_changed(model: Model, photo: Path, tmp_path: Path):
    first = model.generate(photo=photo, tags="warm", seed=7, num_steps=2)
    (tmp_path / "request.json").write_text(json.dumps(first.request.to_json()))
    first.save(tmp_path / "out.png")
    first.save(tmp_path / "out.json")
    photo.unlink()
    for base in ("request.json", "out.png", "out.json"):
        same = model.request(base=tmp_path / base)
        assert same.canonical() == first.request.canonical()
        changed = model.request(base=tmp_path / base, tags="warmer", num_steps=4, seed=8)
        assert changed.conditions["tags"].names == ("warmer",) and changed.settings.num_steps == 4 and changed.seed == 8
        assert np.array_equal(changed.conditions["photo"].pixels, first.request.conditions["photo"].pixels)


def test_a_request_for_another_recipe_is_refused(model: Model, kept: Path, kept_weights: Path, tmp_path: Path):
    load(kept, weights=kept_weights).generate(number=1).save(tmp_path / "k.png")
    with pytest.raises(GessoError, match="for 'kept', not for 'toy'"):
        model.request(base=tmp_path / "k.png")


def test_a_requests_preset_and_weights_are_taken(
    toy: Path, kept: Path, kept_weights: Path, other_weights: Path, photo: Path, tmp_path: Path
):
    other = load(toy, preset="other").generate(photo=photo).save(tmp_path / "other.png")
    assert load(toy, base=other).preset == "other" and load(toy, preset="small", base=other).preset == "small"
    made = load(kept, weights=kept_weights).generate(number=1).save(tmp_path / "k.json")
    with pytest.raises(GessoError, match=r"(?s)no trained weights"):
        load(kept, base=made)
    assert load(kept, weights=other_weights, base=made).request(base=made).weights != read_record(made).request.weights, (
        "what is given wins"
    )


def test_weights_that_are_not_at_hand_are_named(
    kept: Path, kept_weights: Path, other_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = load(kept, weights=kept_weights).generate(number=1).save(tmp_path / "k.png")
    asked = read_record(made).request.weights["kept"]
    monkeypatch.setattr("gesso.verbs.assemble.shipped", lambda name, preset="": other_weights)
    monkeypatch.setattr("gesso.verbs.read_request.shipped", lambda name, preset="": other_weights)
    with pytest.raises(GessoError) as caught:
        load(kept, base=made)
    assert asked[:16] in caught.value.what and str(made) in str(caught.value) and str(other_weights) in str(caught.value)
    monkeypatch.setattr("gesso.verbs.assemble.shipped", lambda name, preset="": kept_weights)
    assert load(kept, base=made).request(base=made).weights == {"kept": asked}


def test_the_preset_of_given_weights_goes_before_the_files(kept: Path, kept_weights: Path, tmp_path: Path, save: Callable[..., Path]):
    made = load(kept, weights=kept_weights).generate(number=1).save(tmp_path / "k.png")
    wide = save(kept, tmp_path / "wide.safetensors", preset="wide")
    assert load(kept, weights=wide, base=made).preset == "wide"
    unnamed = save(kept, tmp_path / "unnamed.safetensors", preset="wide", card={})
    made = load(kept, weights=unnamed, preset="wide").generate(number=1).save(tmp_path / "w.png")
    assert load(kept, weights=unnamed, base=made).preset == "wide"


def test_a_preset_that_is_not_there(toy: Path, photo: Path, tmp_path: Path):
    told = load(toy).generate(photo=photo).request.to_json() | {"preset": "huge"}
    (tmp_path / "r.json").write_text(json.dumps(told))
    with pytest.raises(GessoError, match=r"r\.json: preset: toy has no preset 'huge'.*small, other"):
        load(toy, base=tmp_path / "r.json")


def test_a_condition_left_out_of_the_record_is_given_again(
    toy: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray
):
    monkeypatch.setattr("gesso.record.MAX_EMBEDDED", 50)
    model = load(toy)
    made = model.generate(photo=photo, tags="warm").save(tmp_path / "a.png")
    with pytest.raises(GessoError, match="photo was too large"):
        model.request(base=made)
    again = load(toy, base=made).request(base=made, photo=photo)
    assert np.array_equal(again.conditions["photo"].pixels, pixels) and again.conditions["tags"].names == ("warm",)


# --- results --------------------------------------------------------------------------------------------------------------


def test_a_result_is_its_outputs(model: Model, photo: Path):
    result = model.generate(photo=photo)
    assert isinstance(result.image, Image.Image) and result.image.size == (14, 10)
    assert result.mean == pytest.approx(np.asarray(result.image).mean())
    assert {"image", "mean", "save"} <= set(dir(result))
    with pytest.raises(AttributeError, match="image, mean"):
        _ = result.proposal
    with pytest.raises(ValueError, match="read-only"):
        result.outputs["image"][0] = 0


def test_it_shows_itself_in_a_notebook(model: Model, photo: Path):
    result = model.generate(photo=photo)
    with Image.open(io.BytesIO(result._repr_png_())) as shown:
        assert np.array_equal(np.asarray(shown), result.outputs["image"])
    page = result._repr_html_()
    assert "data:image/png;base64," in page and "mean" in page and "http" not in page
    assert "uint8 [10, 14, 3]" in repr(result) and "seed=0" in repr(result)


def test_a_saved_picture_holds_pixels_and_record(model: Model, photo: Path, tmp_path: Path):
    result = model.generate(photo=photo, seed=3)
    path = result.save(tmp_path / "new" / "folder" / "a.png")
    with Image.open(path) as opened:
        assert np.array_equal(np.asarray(opened), result.outputs["image"])
    assert read_record(path) == result.record
    told = json.loads(result.save(tmp_path / "a.json").read_text("utf-8"))
    assert told["outputs"] == {"mean": result.mean, "image": data_url(result.outputs["image"])}
    assert read_record(tmp_path / "a.json") == result.record


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.png.exe", ".png"])
def test_other_kinds_of_file_are_refused_before_anything_is_written(model: Model, photo: Path, tmp_path: Path, name: str):
    with pytest.raises(GessoError, match=r"as \.png or \.json"):
        model.generate(photo=photo).save(tmp_path / "new" / name)
    assert not (tmp_path / "new").exists()


def test_a_picture_that_is_not_there_cannot_be_taken(model: Model, photo: Path, tmp_path: Path):
    for name in ("mean", "nobody"):
        with pytest.raises(GessoError, match="makes no picture"):
            model.generate(photo=photo).save(tmp_path / "new" / "a.png", name)
    assert not (tmp_path / "new").exists()


def test_a_full_disk_leaves_the_old_file(model: Model, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(GessoError, match="disk is full"):
        model.generate(photo=photo).save(path)
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir() if p.is_file()] == ["a.png"]


def test_an_input_is_not_overwritten(tmp_path: Path):
    file, link = tmp_path / "a.png", tmp_path / "b.png"
    file.write_bytes(b"x")
    link.symlink_to(file)
    for out in (file, link, tmp_path / "." / "a.png"):
        with pytest.raises(GessoError, match="would overwrite an input"):
            refuse_overwriting([out], ["no file", None, "x" * 10_000, "zero\0", str(file)])
    refuse_overwriting([tmp_path / "c.png", None], [str(file)])


def test_files_are_named_without_folders(model: Model, photo: Path, gesso: Callable):
    assert model.files_of({"photo": photo, "tags": "warm", "num_steps": 3}) == {"photo": "photo.png"}


def test_several_pictures_and_large_maps(model: Model, photo: Path, pixels: np.ndarray, tmp_path: Path):
    from gesso.card import Out
    from gesso.verbs.result import Result

    first = model.generate(photo=photo)
    extra = tuple(
        Out(name=name, medium=medium, help={"en": "", "ko": ""}) for name, medium in (("several", "pictures"), ("pieces", "pieces"))
    )
    card = model.card.model_copy(update={"outputs": (*model.card.outputs, *extra)})
    outputs = first.outputs | {"several": (pixels, 255 - pixels), "pieces": np.arange(90_000, dtype=np.int32).reshape(300, 300)}
    result = Result(card, outputs, first.request, lambda: first.record)
    assert [image.size for image in result.several] == [(14, 10), (14, 10)] and result._repr_html_().count("<img") == 3
    told = json.loads(result.save(tmp_path / "a.json").read_text("utf-8"))["outputs"]
    assert len(told["several"]) == 2 and told["pieces"]["shape"] == [300, 300]
    packed = zlib.decompress(base64.b64decode(told["pieces"]["zlib"]))
    assert np.array_equal(np.frombuffer(packed, told["pieces"]["dtype"]).reshape(300, 300), outputs["pieces"])
