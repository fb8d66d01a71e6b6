"""Records contain everything, without loss, and are read from untrusted files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gesso import recipes
from gesso.errors import GessoError
from gesso.media.picture import encode_png
from gesso.media.png import read_text
from gesso.record import KEYWORD, SOURCE_TYPE, Record, condition_hash, digest, encoded, parse_record, read_record, record
from gesso.request import Request


@pytest.fixture
def made(toy: Path, pixels: np.ndarray) -> Callable[..., Record]:
    card = recipes.find(toy).card
    request = Request.build(card, {"photo": pixels, "tags": "warm"}, seed=5, weights={"toy": "a" * 64}, preset="small")
    return lambda **more: record(request, {"image": pixels}, threads=2, **more)


def test_it_says_what_kind_of_thing_it_is_on(made: Callable[..., Record]):
    assert made().to_json()["type"] == SOURCE_TYPE == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def test_it_holds_the_request_and_the_machine(made: Callable[..., Record], toy: Path):
    told = made()
    again = Request.from_json(told.request.model_dump(), recipes.find(toy).card)
    assert again.seed == 5 and again.conditions["tags"].names == ("warm",)
    assert told.made.threads == 2 and told.made.torch and told.made.numpy == np.__version__ and told.made.cpu
    assert told.request.weights == {"toy": "a" * 64}


def test_json_both_ways(made: Callable[..., Record]):
    told = made()
    assert parse_record(json.loads(told.text()), where="x") == told


def test_a_png_carries_it_and_opens_elsewhere(made: Callable[..., Record], tmp_path: Path, pixels: np.ndarray):
    told = made()
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(pixels, {KEYWORD: told.text(), "parameters": told.parameters()}))
    assert read_record(path) == told
    with Image.open(path) as opened:
        assert np.array_equal(np.asarray(opened), pixels)
        assert json.loads(opened.text["gesso"]) == told.to_json()
        assert "Seed: 5" in opened.text["parameters"]


def test_no_folder_and_no_machine_name_is_written(made: Callable[..., Record], tmp_path: Path):
    import platform

    text = made(files={"photo": str(tmp_path / "secret" / "photo.png")}, limit=0).text()
    assert "secret" not in text and str(tmp_path) not in text and '"photo.png"' in text
    assert platform.node() not in text or len(platform.node()) < 4


def test_inputs_beyond_the_limit_are_named_by_hash_largest_first(made: Callable[..., Record]):
    whole = made()
    sizes = {name: len(json.dumps(value, separators=(",", ":"))) for name, value in whole.request.conditions.items()}
    told = made(limit=sizes["photo"], files={"photo": "photo.png"})
    assert list(told.request.conditions) == ["tags"] and list(told.left) == ["photo"]
    left = told.left["photo"]
    assert (left.sha256, left.name, left.size) == (condition_hash(whole.request.conditions["photo"]), "photo.png", sizes["photo"])
    assert made(limit=sum(sizes.values())).left == {}


def test_thirty_megabytes_lie_in_a_png_that_others_can_read(toy: Path, tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (2600, 2600, 3), dtype=np.uint8)  # about 27 MB as base64
    request = Request.build(recipes.find(toy).card, {"photo": noise})
    told = record(request, {"image": noise[:8, :8]}, threads=1)
    assert told.left == {}
    path = tmp_path / "big.png"
    path.write_bytes(encode_png(noise[:8, :8], {KEYWORD: told.text()}))
    assert read_record(path) == told
    with Image.open(path) as opened:
        opened.load()


def test_digests_tell_pictures_apart(pixels: np.ndarray):
    changed = pixels.copy()
    changed[3, 3, 0] ^= 1
    hashes = {digest(v).sha256 for v in (pixels, changed, pixels.transpose(1, 0, 2), pixels.astype(np.float32), pixels.tobytes().hex())}
    assert len(hashes) == 5
    assert digest(pixels[:, ::-1][:, ::-1]) == digest(pixels)


def test_half_a_surrogate_pair_survives():
    assert json.loads(encoded(json.dumps({"name": "a\ud800"}, ensure_ascii=False))) == {"name": "a\ud800"}


# --- strangers' files -----------------------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda r: [r],
    "a text": lambda r: "gesso",
    "empty": lambda r: {},
    "another program's": lambda r: {"workflow": {}},
    "a missing request": lambda r: r | {"request": None},
    "no seed that is a number": lambda r: r | {"request": r["request"] | {"seed": "1"}},
    "a seed too large": lambda r: r | {"request": r["request"] | {"seed": 2**60}},
    "a recipe that is a path": lambda r: r | {"request": r["request"] | {"recipe": "../../evil"}},
    "a recipe that is a file": lambda r: r | {"request": r["request"] | {"recipe": "/tmp/evil.py"}},
    "a recipe that is a module": lambda r: r | {"request": r["request"] | {"recipe": "os.path"}},
    "conditions in a list": lambda r: r | {"request": r["request"] | {"conditions": []}},
    "a condition that is text": lambda r: r | {"request": r["request"] | {"conditions": {"photo": "/etc/passwd"}}},
    "too many conditions": lambda r: r | {"request": r["request"] | {"conditions": {f"c{i}": {} for i in range(2000)}}},
    "no threads": lambda r: r | {"made": r["made"] | {"threads": 0}},
    "a million threads": lambda r: r | {"made": r["made"] | {"threads": 10**6}},
    "an endless version": lambda r: r | {"made": r["made"] | {"torch": "x" * 10**5}},
    "an invalid hash": lambda r: r | {"output": {"image": {"sha256": "../x", "shape": [1]}}},
    "something of its own": lambda r: r | {"run": "rm -rf /"},
    "another source type": lambda r: r | {"type": "photograph"},
    "an input of negative size": lambda r: r | {"left": {"photo": {"sha256": "a" * 64, "name": "x", "size": -1}}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("suffix", [".json", ".png"])
def test_a_strangers_record_is_refused_in_one_sentence(
    made: Callable[..., Record], tmp_path: Path, pixels: np.ndarray, change: Callable[[dict[str, Any]], Any], suffix: str
):
    text = json.dumps(change(made().to_json()))
    path = tmp_path / f"a{suffix}"
    path.write_bytes(text.encode() if suffix == ".json" else encode_png(pixels, {KEYWORD: text}))
    with pytest.raises(GessoError) as error:
        read_record(path)
    assert len(str(error.value)) < 600 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", r"neither a \.png.* file nor a JSON record"),
        (b"hello", r"neither a \.png.* file nor a JSON record"),
        (b"\x89PNG\r\n\x1a\n", "cut short"),
        (b'{"gesso": ', "not JSON"),
        (b'{"gesso": "\xff"}', "UTF-8"),
        (b'{"gesso": NaN}', "number"),
        (b'{"a":' * 200_000, "nested too deep|not JSON"),
        (b"\xff\xd8\xff\xe0" + bytes(100), r"neither a \.png.* file nor a JSON record"),
    ],
)
def test_a_file_that_holds_no_record_says_so(tmp_path: Path, data: bytes, words: str):
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(GessoError, match=words):
        read_record(path)


def test_a_picture_without_a_record_says_so(photo: Path):
    with pytest.raises(GessoError, match="carries no record"):
        read_record(photo)


def test_a_truncated_picture_with_a_record(made: Callable[..., Record], tmp_path: Path, pixels: np.ndarray):
    data = encode_png(pixels, {KEYWORD: made().text()})
    path = tmp_path / "cut.png"
    for num in (10, 50, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:num])
        with pytest.raises(GessoError):
            read_record(path)


def test_a_text_that_inflates_without_end_is_refused(tmp_path: Path, pixels: np.ndarray):
    import struct
    import zlib

    body = b"gesso\0\1\0\0\0" + zlib.compress(b" " * 200_000_000, 9)
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    data = encode_png(pixels)
    path = tmp_path / "bomb.png"
    path.write_bytes(data[:33] + chunk + data[33:])
    with pytest.raises(GessoError, match="more text"):
        read_record(path)


def test_the_record_is_read_without_its_pixels(made: Callable[..., Record], tmp_path: Path, pixels: np.ndarray):
    told = made()
    data = bytearray(encode_png(pixels, {KEYWORD: told.text()}))
    at = data.rindex(b"IDAT") + 10
    data[at : at + 20] = bytes(20)
    path = tmp_path / "spoilt.png"
    path.write_bytes(data)
    assert read_record(path) == told
    assert read_text(bytes(data))[KEYWORD] == told.text()


def test_the_commit_is_the_checkouts_with_a_plus_where_files_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import subprocess

    from gesso import record as module

    place = tmp_path / "src" / "gesso" / "record.py"
    place.parent.mkdir(parents=True)
    place.write_text("one")
    monkeypatch.setattr(module, "__file__", str(place))
    assert module.commit() == "", "no checkout"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True)
    assert re.fullmatch("[0-9a-f]{40}", module.commit())
    clean = module.commit()
    place.write_text("two")
    assert module.commit() == clean + "+"
    monkeypatch.setenv("PATH", "")
    assert module.commit() == "", "no git"
