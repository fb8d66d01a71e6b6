"""Replay: equal to the bit from the record alone, and otherwise told why not."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gesso.errors import GessoError
from gesso.media.picture import encode_png, read_picture
from gesso.media.png import read_text
from gesso.record import KEYWORD, read_record
from gesso.verbs.load import load
from gesso.verbs.replay import replay


@pytest.fixture
def made(toy: Path, photo: Path, tmp_path: Path) -> Path:
    return load(toy).generate(photo=photo, tags=["warm", "warmer"], seed=5, num_steps=4).save(tmp_path / "made.png")


def change_record(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    told = change(json.loads(read_text(path.read_bytes())[KEYWORD]))
    path.write_bytes(encode_png(read_picture(path, least_side=1), {KEYWORD: json.dumps(told)}))


def test_equal_from_the_record_alone(made: Path, toy: Path, photo: Path, tmp_path: Path):
    photo.unlink()
    again = replay(made, tmp_path / "out" / "again.png", recipe=toy)
    assert again.equal and again.psnr == math.inf and again.differences == [] and not again.changed
    assert np.array_equal(read_picture(made), read_picture(tmp_path / "out" / "again.png"))
    assert read_record(tmp_path / "out" / "again.png").request == read_record(made).request


def test_in_a_new_process_and_another_folder_with_inputs_gone_and_pixels_changed(made: Path, toy: Path, photo: Path, tmp_path: Path):
    original = read_picture(made)
    record = read_text(made.read_bytes())[KEYWORD]
    made.write_bytes(encode_png(255 - original, {KEYWORD: record}))
    photo.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    words = [sys.executable, "-m", "gesso", "replay", str(made), "--recipe", str(toy), "--out", "again.png"]
    paths = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(words, cwd=elsewhere, env={**os.environ, **paths}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "equal to the bit" in done.stdout and "pixels were changed after it was made" in done.stdout
    assert np.array_equal(read_picture(elsewhere / "again.png"), original)


def test_pixels_that_cannot_be_read_any_more(made: Path, toy: Path):
    data = bytearray(made.read_bytes())
    at = data.rindex(b"IDAT") + 8
    data[at : at + 30] = bytes(30)
    made.write_bytes(data)
    again = replay(made, recipe=toy)
    assert again.equal and again.changed and "cannot be read any more" in again.differences[-1]


def test_json_replays_too(toy: Path, photo: Path, tmp_path: Path):
    path = load(toy).generate(photo=photo).save(tmp_path / "a.json")
    again = replay(path, recipe=toy)
    assert again.equal and not again.changed


def test_the_threads_are_the_records(made: Path, toy: Path):
    change_record(made, lambda r: r | {"made": r["made"] | {"threads": 3}})
    assert replay(made, recipe=toy).result.record.made.threads == 3


def test_what_differs_is_said_with_the_psnr(kept: Path, kept_weights: Path, other_weights: Path, tmp_path: Path):
    path = load(kept, weights=kept_weights).generate(number=1).save(tmp_path / "k.png")
    change_record(path, lambda r: r | {"made": r["made"] | {"torch": "1.0", "cpu": ["avx2", "abacus"]}, "gesso": "0.0.1"})
    assert replay(path, recipe=kept, weights=kept_weights).equal, "other versions are told of only where the output differs"
    again = replay(path, recipe=kept, weights=other_weights, threads=1)
    told = "; ".join(again.differences)
    assert not again.equal and again.psnr is not None and 0 < again.psnr < 60 and not again.changed
    assert "weights of kept: sha256" in told and "torch: 1.0 then" in told and "abacus then only" in told and "gesso: 0.0.1" in told
    assert told.endswith("image came out differently")


def test_missing_weights_are_named(kept: Path, kept_weights: Path, tmp_path: Path):
    path = load(kept, weights=kept_weights).generate(number=1).save(tmp_path / "k.png")
    hashed = read_record(path).request.weights["kept"]
    with pytest.raises(GessoError, match=f"(?s){hashed[:16]}"):
        replay(path, recipe=kept)


def test_an_output_without_a_record_is_not_equal(made: Path, toy: Path):
    change_record(made, lambda r: r | {"output": {}})
    again = replay(made, recipe=toy)
    assert not again.equal and "names no output" in again.differences[-1]


def test_a_changed_seed_is_not_equal(made: Path, toy: Path):
    change_record(made, lambda r: r | {"request": r["request"] | {"seed": 6}})
    again = replay(made, recipe=toy)
    assert not again.equal and again.psnr is not None and not again.changed


def test_the_replayed_file_is_not_overwritten(made: Path, toy: Path):
    before = made.read_bytes()
    with pytest.raises(GessoError, match="would overwrite"):
        replay(made, made, recipe=toy)
    assert made.read_bytes() == before


def test_an_unknown_recipe_is_told(made: Path):
    with pytest.raises(GessoError, match=r"recipe 'toy', which is not here.*--recipe"):
        replay(made)


# --- inputs too large to embed --------------------------------------------------------------------------------------------


@pytest.fixture
def large(toy: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("gesso.record.MAX_EMBEDDED", 100)
    return load(toy).generate(photo=photo, tags="warm", seed=2).save(tmp_path / "large.png")


def test_the_file_needed_is_named(large: Path, toy: Path):
    assert list(read_record(large).left) == ["photo"]
    with pytest.raises(GessoError, match=r"'photo\.png'.*too large to be kept.*--with photo=FILE"):
        replay(large, recipe=toy)


def test_it_is_taken_by_name_or_found_in_a_folder(large: Path, toy: Path, photo: Path, tmp_path: Path):
    assert replay(large, None, {"photo": photo}, recipe=toy).equal
    heap = tmp_path / "heap"
    heap.mkdir()
    (heap / "a.txt").write_text("no picture")
    Image.new("RGB", (14, 10)).save(heap / "photo.png")  # of that name, but not it
    with pytest.raises(GessoError, match="not among 2 files"):
        replay(large, None, heap, recipe=toy)
    photo.rename(heap / "renamed.png")
    assert replay(large, None, heap, recipe=toy).equal


def test_the_same_pixels_in_another_file_will_do(large: Path, toy: Path, photo: Path, tmp_path: Path):
    Image.open(photo).save(tmp_path / "same.bmp")
    assert replay(large, None, {"photo": tmp_path / "same.bmp"}, recipe=toy).equal


def test_another_picture_is_refused(large: Path, toy: Path, tmp_path: Path):
    Image.new("RGB", (14, 10)).save(tmp_path / "other.png")
    with pytest.raises(GessoError, match="not what was given as photo"):
        replay(large, None, {"photo": tmp_path / "other.png"}, recipe=toy)


@pytest.mark.parametrize("place", ["nowhere", "photo.txt"])
def test_a_folder_that_is_none_is_refused(large: Path, toy: Path, tmp_path: Path, place: str):
    (tmp_path / "photo.txt").write_text("x")
    with pytest.raises(GessoError):
        replay(large, None, tmp_path / place, recipe=toy)


def test_a_request_that_begins_from_it_asks_for_the_file(large: Path, toy: Path, photo: Path):
    model = load(toy)
    with pytest.raises(GessoError, match="photo was too large"):
        model.request(base=large)
