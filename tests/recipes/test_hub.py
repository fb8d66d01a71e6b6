"""hub: tiny pipelines of diffusers, saved and opened for real, are steered, recorded and replayed like every recipe."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gesso
import tiny_hub
from gesso.cli import main
from gesso.errors import GessoError, Stopped
from gesso.record import read_record
from gesso.request import Request
from gesso.verbs.generate import make
from gesso.verbs.incremental import IncrementalModel

STEPS = 3
NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tiny_hub.needs_hub()
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def folder(root: Path) -> Path:
    return tiny_hub.stable_diffusion(root / "sd")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return gesso.load("hub", weights=folder, device="cpu")


def pixels(result: Any) -> np.ndarray:
    return np.asarray(result.image).astype(int)


def test_words_seed_and_what_to_avoid_change_the_picture(model: Any) -> None:
    given = {"words": "a red fox", "num_steps": STEPS, "seed": 1}
    one = pixels(model.generate(**given))
    assert one.shape == (32, 32, 3) and np.array_equal(one, pixels(model.generate(**given)))
    for other in ({"words": "snow"}, {"seed": 2}, {"avoid": "blue"}, {"guidance_scale": 12.0}, {"num_steps": STEPS + 1}):
        assert not np.array_equal(one, pixels(model.generate(**{**given, **other}))), other
    assert model.generate(width=48, height=16, **given).image.size == (48, 16)


def test_a_picture_and_strokes_are_where_it_begins(model: Any) -> None:
    given = {"words": "a red fox", "num_steps": STEPS, "seed": 1}
    plain = {seen: pixels(model.generate(picture=NOISE if seen else 255 - NOISE, **given)) for seen in (True, False)}
    assert plain[True].shape == NOISE.shape and not np.array_equal(plain[True], plain[False])
    painted = pixels(model.generate(picture=NOISE, strokes=[(20, 10, "#ff0000", 8)], **given))
    assert not np.array_equal(painted, plain[True])
    assert not np.array_equal(pixels(model.generate(strokes=[(20, 10, "#ff0000", 8)], **given)), pixels(model.generate(**given)))
    assert not np.array_equal(pixels(model.generate(picture=NOISE, strength=0.4, **given)), plain[True])


def test_outside_a_hole_every_pixel_stays(model: Any) -> None:
    given = {"words": "a red fox", "picture": NOISE, "num_steps": STEPS, "seed": 1}
    request = model.request(hole="20,20 40,30", **given)
    filled = pixels(model.make(request))
    hole = request.conditions["hole"].covered((0, 0, 64, 48))
    assert np.array_equal(filled[~hole], NOISE[~hole]) and not np.array_equal(filled[hole], NOISE[hole])
    other = pixels(model.generate(hole="20,20 40,30", **{**given, "words": "snow"}))
    assert not np.array_equal(other, filled) and np.array_equal(other[~hole], NOISE[~hole])
    grown = pixels(model.generate(left=16, bottom=8, **given))
    assert grown.shape == (56, 80, 3) and np.array_equal(grown[:48, 16:], NOISE)
    clear = np.dstack([NOISE, np.full(NOISE.shape[:2], 255, np.uint8)])
    clear[10:30, 10:30, 3] = 0
    made = pixels(model.generate(**{**given, "picture": clear}))
    assert np.array_equal(made[..., :3][clear[..., 3] == 255], NOISE[clear[..., 3] == 255]) and (made[..., 3] == 255).all()
    with pytest.raises(GessoError, match="a hole needs the picture"):
        model.generate(words="a fox", hole="2,2 4,4")


def test_each_step_is_shown_and_any_can_be_the_last(model: Any) -> None:
    request = model.request(words="a red fox", num_steps=4, seed=1)
    seen: list[Any] = []
    result = model.make(request, on_output=seen.append)
    assert [(one.step, one.num_steps, one.final) for one in seen] == [(step, 4, False) for step in (1, 2, 3, 4)]
    assert all(tuple(one.media["image"].shape) == (1, 3, 32, 32) for one in seen)
    assert np.array_equal(pixels(result), pixels(model.make(request)))  # to look changes nothing
    calls: list[int] = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 3

    with pytest.raises(Stopped):
        make(model.assembled, request, stop=stop)
    assert len(calls) == 4 and not [one for one in threading.enumerate() if one.name == "gesso-pipeline"]
    assert np.array_equal(pixels(result), pixels(model.make(request)))


def test_strokes_of_a_session_are_remembered_by_their_contents(model: Any) -> None:
    live = IncrementalModel(model.assembled)
    one, two = (model.request(words=text, num_steps=STEPS) for text in ("a red fox", "snow"))
    first = live.make(one)
    steps: list[Any] = []
    live.make(two, on_output=steps.append)
    assert len(steps) == STEPS
    again = live.make(one, on_output=lambda output: pytest.fail("it was remembered"))
    assert again.record.output == first.record.output == model.make(one).record.output


def test_the_command_line_writes_a_record_that_names_the_folders_content(folder: Path, tmp_path: Path, capsys: Any) -> None:
    Image.fromarray(NOISE).save(tmp_path / "photo.png")
    given = ["--words", "a red fox", "--picture", str(tmp_path / "photo.png"), "--hole", "20,20 40,30", "--num-steps", str(STEPS)]
    out = tmp_path / "made.png"
    assert main(["generate", "hub", "--weights", str(folder), *given, "--seed", "3", "--out", str(out)]) == 0, capsys.readouterr().err
    assert set(read_record(out).made.libraries) == {"diffusers", "transformers"}
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert main(["replay", str(out), "--weights", str(moved)]) == 0, capsys.readouterr().out
    config = moved / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.013"))
    assert main(["replay", str(out), "--weights", str(moved)]) == 3
    assert "weights of hub" in capsys.readouterr().out
    assert main(["replay", str(out)]) == 2
    assert "it was made with weights hub sha256" in capsys.readouterr().err
    again = gesso.load("hub", weights=folder, base=out)
    request = again.request(base=out, words="snow")
    assert request.settings.num_steps == STEPS and set(request.conditions) == {"words", "picture", "hole"}
    assert Request.from_json(request.to_json(), again.card) == request


def test_a_control_picture_steers_and_without_one_it_has_no_say(root: Path) -> None:
    model = gesso.load("hub", weights=tiny_hub.stable_diffusion(root / "control", controlled=True), device="cpu")
    given = {"words": "a red fox", "num_steps": STEPS, "seed": 1}
    light, dark, lines = (
        pixels(model.generate(**given, **more))
        for more in ({"control": NOISE}, {"control": 255 - NOISE}, {"control": 255 - NOISE, "control_lines": True})
    )
    assert light.shape == NOISE.shape and not np.array_equal(light, dark) and abs(light - lines).max() <= 2
    off = pixels(model.generate(control=NOISE, control_scale=0.0, **given))
    assert np.array_equal(off, pixels(model.generate(control=255 - NOISE, control_scale=0.0, **given)))
    assert pixels(model.generate(**given)).shape == (32, 32, 3)
    both = model.request(control=NOISE, picture=NOISE, hole="20,20 40,30", **given)
    hole = both.conditions["hole"].covered((0, 0, 64, 48))
    assert np.array_equal(pixels(model.make(both))[~hole], NOISE[~hole])


def test_the_card_has_what_the_folder_can_take(root: Path, model: Any) -> None:
    everything = ["words", "avoid", "picture", "hole", "strokes"]
    assert [slot.name for slot in model.card.conditions] == everything
    filling = gesso.load("hub", weights=tiny_hub.stable_diffusion(root / "fill", channels=9, kind="StableDiffusionInpaintPipeline"))
    assert [slot.name for slot in filling.card.conditions] == ["words", "avoid", "picture", "hole"]
    with pytest.raises(GessoError, match="a picture and a hole"):
        filling.generate(words="a red fox", num_steps=STEPS)
    with pytest.raises(GessoError, match="no condition or setting 'strokes'"):
        filling.generate(words="a red fox", strokes=[(1, 1, "#f00")])
    made = filling.generate(words="a red fox", picture=NOISE, hole="20,20 40,30", num_steps=STEPS)
    assert made.image.size == (64, 48)


@pytest.mark.parametrize("kind", ["flux", "stable_diffusion_xl"])
def test_other_architectures_take_the_same_request(root: Path, kind: str) -> None:
    model = gesso.load("hub", weights=getattr(tiny_hub, kind)(root / kind), device="cpu")
    given = {"words": "a red fox", "num_steps": 2, "width": 32, "height": 32}
    one, two = (pixels(model.generate(**{**given, "words": text})) for text in ("a red fox", "snow"))
    assert one.shape == (32, 32, 3) and not np.array_equal(one, two)
    request = model.request(picture=NOISE, hole="20,20 40,30", avoid="blue", **given)
    hole = request.conditions["hole"].covered((0, 0, 64, 48))
    seen: list[Any] = []
    assert np.array_equal(pixels(model.make(request, on_output=seen.append))[~hole], NOISE[~hole])
    assert seen and all(one.media["image"].shape[1] == 3 for one in seen)
    assert pixels(model.generate(picture=NOISE, **given)).shape == NOISE.shape


def test_numbers_of_another_type(folder: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    tiny_hub.in_half(folder, half)
    stored = gesso.load("hub", weights=half, device="cpu")
    assert {str(p.dtype) for p in stored.networks["pipeline"].parameters()} == {"torch.float16"}
    single = gesso.load("hub", weights=half, preset="float32", device="cpu").generate(words="a red fox", num_steps=STEPS)
    full = gesso.load("hub", weights=folder, device="cpu").generate(words="a red fox", num_steps=STEPS)
    assert abs(pixels(single) - pixels(full)).mean() < 8 and single.record.request.weights != full.record.request.weights
    model = gesso.load("hub", weights=folder, preset="bfloat16", device="cpu")
    result = model.generate(words="a red fox", num_steps=STEPS)
    assert result.record.made.dtype == "bfloat16" and result.record.request.preset == "bfloat16"
    with pytest.raises(GessoError, match="no preset"):
        gesso.load("hub", weights=folder, preset="int4")


def test_nothing_is_asked_of_a_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("it wanted a network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    gesso.load("hub", weights=folder, device="cpu").generate(words="a red fox", num_steps=1)


def test_without_weights_it_says_what_to_give() -> None:
    with pytest.raises(GessoError, match="--weights FOLDER"):
        gesso.load("hub")


def changed(folder: Path, to: Path, file: str, **more: Any) -> Path:
    """A copy of a folder with other settings in one of its configurations."""
    shutil.copytree(folder, to)
    place = to / file
    place.write_text(json.dumps(json.loads(place.read_text()) | more))
    return to


@pytest.mark.parametrize(
    ("file", "more", "said"),
    [
        ("unet/config.json", {"cross_attention_dim": 2**30}, "does not fit the weights"),
        ("unet/config.json", {"block_out_channels": [2**28, 2**28]}, "could not be opened|does not fit|declares"),
        ("text_encoder/config.json", {"max_position_embeddings": 2**31 - 1}, "does not fit the weights"),
        ("text_encoder/config.json", {"num_hidden_layers": 3}, "lack"),
        ("unet/config.json", {"down_block_types": ["os.system"]}, "could not be opened"),
        ("model_index.json", {"_class_name": "StableVideoDiffusionPipeline"}, "no pipeline that can be steered"),
        ("model_index.json", {"_class_name": "os"}, "no pipeline that can be steered"),
        ("model_index.json", {"unet": ["diffusers", "StableDiffusionPipeline"]}, "no model, tokenizer or schedule"),
        ("model_index.json", {"unet": ["transformers", "AutoModel"]}, "no model, tokenizer or schedule"),
        ("model_index.json", {"unet": ["diffusers", "load_image"]}, "no model, tokenizer or schedule"),
        ("model_index.json", {"text_encoder": [None, None]}, "needs the part 'text_encoder'"),
    ],
)
def test_folders_that_lie_are_refused_before_anything_is_made(
    folder: Path, tmp_path: Path, file: str, more: dict[str, Any], said: str, capsys: Any
) -> None:
    other = changed(folder, tmp_path / "other", file, **more)
    out = tmp_path / "out.png"
    assert main(["generate", "hub", "--weights", str(other), "--words", "a fox", "--num-steps", "1", "--out", str(out)]) == 2
    assert re.search(said, capsys.readouterr().err) and not out.exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"")
    with pytest.raises(GessoError):
        gesso.load("hub", weights=tmp_path / "x.safetensors")


def test_without_the_extra_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    assert main(["generate", "hub", "--weights", str(folder), "--words", "a fox", "--out", str(tmp_path / "out.png")]) == 2
    assert "pip install 'gesso[hub]'" in capsys.readouterr().err
