"""Bad input through the command line and through Python: exit code 2 and one clear line, nothing left behind."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gesso.errors import GessoError
from gesso.verbs.load import Model, load


def encoded(image: Image.Image, kind: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes whose header claims that size, with all its rows in it, packed."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width // 8 + 1)) for _ in range(min(height, 500))) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PAGE = Image.new("RGB", (64, 64), "white")
FRAMES = [Image.new("RGB", (64, 64), colour) for colour in ("red", "green")]
BAD_PICTURES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"this is not a picture\n" * 10,
    "truncated": lambda: encoded(Image.effect_noise((64, 64), 50), "PNG")[:-200],
    "only a header": lambda: encoded(PAGE, "PNG")[:33],
    "a bomb": lambda: claiming(32_000, 32_000),
    "40000 x 40000": lambda: claiming(40_000, 40_000),
    "animated": lambda: encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]),
    "animated png": lambda: encoded(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]),
    "1 x 1": lambda: encoded(Image.new("RGB", (1, 1)), "PNG"),
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "json": lambda: b'{"gesso": 1}',
    "a damaged jpeg": lambda: encoded(PAGE, "JPEG")[:150],
    "zeros": lambda: bytes(5000),
    "cmyk": lambda: encoded(PAGE.convert("CMYK"), "JPEG"),
}


@pytest.fixture(params=BAD_PICTURES.values(), ids=BAD_PICTURES)
def bad_picture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "bad.png"
    path.write_bytes(request.param())
    return path


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.name not in {"bad.png", "in", "photo.png"})


def test_a_bad_picture_at_the_command_line(bad_picture: Path, toy: Path, tmp_path: Path, refused: Callable[..., str]):
    for verb, out in (("generate", "new/a.png"), ("fit", "new")):
        line = refused(verb, toy, "--photo", bad_picture, "--out", tmp_path / out)
        assert "bad.png" in line and len(line) < 500
    assert left_behind(tmp_path) == []


def test_a_bad_picture_in_python(bad_picture: Path, toy: Path):
    model = load(toy)
    for given in (bad_picture, str(bad_picture), bad_picture.read_bytes(), io.BytesIO(bad_picture.read_bytes())):
        with pytest.raises(GessoError):
            model.generate(photo=given)


# A drawing is what the flagship is given, so its own door is tried with the same; refused before any weights are needed.
@pytest.mark.parametrize("kind", BAD_PICTURES)
def test_a_bad_drawing(kind: str):
    from gesso import recipes

    with pytest.raises(GessoError):
        recipes.find("colorize").card.read({"sketch": BAD_PICTURES[kind]()})


@pytest.mark.parametrize(
    "hint", ["-5,3,#f80", "99,3,#f80", "3,99,#f80", "nan,3,#f80", "inf,3,#f80", "3,3", "3,3,blau", "x", "", "3,3,#f80,-1", "3,3,#12345"]
)
def test_a_hint_that_fits_no_page(hint: str):
    from gesso import recipes

    with pytest.raises(GessoError, match="hints"):
        recipes.find("colorize").card.read({"sketch": PAGE, "hints": [hint]})


@pytest.mark.parametrize("hint", ["-5,3,#f80", "99,3,#f80", "3,3,blau"])
def test_a_hint_that_fits_no_page_at_the_command_line(hint: str, tmp_path: Path, refused: Callable[..., str], save_colorize: Path):
    PAGE.save(tmp_path / "photo.png")
    words = ["--weights", save_colorize, "--sketch", tmp_path / "photo.png", "--hints", hint, "--out", tmp_path / "new" / "a.png"]
    assert "hints" in refused("generate", "colorize", *words)
    assert left_behind(tmp_path) == []


@pytest.fixture(scope="session")
def save_colorize(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from gesso import recipes
    from gesso.weights.store import save_weights

    recipe = recipes.find("colorize")
    torch.manual_seed(0)
    networks = recipe.build(recipe.preset("tiny"))
    path = tmp_path_factory.mktemp("colorize") / "tiny.safetensors"
    save_weights(path, {role: networks[role].state_dict() for role in recipe.keeps}, {"recipe": "colorize", "preset": "tiny"})
    return path


# --- the command line -----------------------------------------------------------------------------------------------------

LINES: dict[str, tuple[str, str]] = {
    "no such verb": ("paint x", "paint"),
    "no recipe": ("generate", "RECIPE"),
    "a flag first": ("generate --seed 3 {toy}", "name the recipe first"),
    "an unknown recipe": ("generate unknown --photo {photo}", "no recipe 'unknown'"),
    "a recipe that is a folder": ("generate {tmp} --photo {photo}", "no recipe"),
    "a recipe file that is not there": ("generate {tmp}/no.py", "no such file"),
    "nothing given": ("generate {toy}", "toy needs photo"),
    "an unknown flag": ("generate {toy} --photo {photo} --sketch x", "--sketch"),
    "a flag misspelt": ("generate {toy} --phot {photo}", "--photo"),
    "a flag without a value": ("generate {toy} --photo", "--photo"),
    "a stray word": ("generate {toy} --photo {photo} stray", "stray"),
    "a picture twice": ("generate {toy} --photo {photo} --photo {photo}", "given 2 times"),
    "a picture that is not there": ("generate {toy} --photo {tmp}/none.png", "no such file"),
    "a picture that is a folder": ("generate {toy} --photo {tmp}", "folder"),
    "a picture on the web": ("generate {toy} --photo https://example.org/a.png", "not opened"),
    "a device": ("generate {toy} --photo /dev/zero", "not a file"),
    "an unknown tag": ("generate {toy} --photo {photo} --tags hot", "no tag 'hot'"),
    "a word for a number": ("generate {toy} --photo {photo} --num-steps many", "--num-steps"),
    "a number too large": ("generate {toy} --photo {photo} --num-steps 51", "num_steps"),
    "an unknown value of a setting": ("generate {toy} --photo {photo} --mood grim", "--mood"),
    "nan": ("generate {toy} --photo {photo} --strength nan", "strength"),
    "a seed below zero": ("generate {toy} --photo {photo} --seed -1", "seed"),
    "a seed too large": ("generate {toy} --photo {photo} --seed 99999999999999999999", "seed"),
    "invalid seeds": ("generate {toy} --photo {photo} --seeds 3-1", "--seeds"),
    "an unknown preset": ("generate {toy} --photo {photo} --preset huge", "no preset 'huge'"),
    "invalid weights": ("generate {toy} --photo {photo} --weights {photo}", "photo.png"),
    "weights that are not there": ("generate {kept} --number 1 --weights {tmp}/none", "no such file"),
    "no weights at all": ("generate {kept} --number 1", "no trained weights"),
    "another kind of file": ("generate {toy} --photo {photo} --out {tmp}/new/a.jpg", ".png or .json"),
    "a folder for a file": ("generate {toy} --photo {photo} --out {tmp}/in", ".png or .json"),
    "an output that is not there": ("generate {toy} --photo {photo} --take sketch --out {tmp}/new/a.png", "'sketch'"),
    "the input as output": ("generate {toy} --photo {photo} --out {photo}", "would overwrite an input"),
    "no threads": ("generate {toy} --photo {photo} --threads 0", "threads"),
    "too many threads": ("generate {toy} --photo {photo} --threads 100000", "threads"),
    "a bad output": ("generate {toy} --photo {photo} --mood nan --out {tmp}/new/a.png", "no numbers"),
    "an empty output": ("generate {toy} --photo {photo} --mood empty --out {tmp}/new/a.png", "empty"),
    "a fit without a folder": ("fit {toy} --photo {photo}", "--out"),
    "a fit into a file": ("fit {toy} --photo {photo} --out {photo}", "photo.png"),
    "a fit of what cannot be fitted": ("fit {kept} --number 1 --weights {kept_weights} --out {tmp}/new", "nothing to fit"),
    "a fit named like a picture": ("fit {toy} --photo {photo} --out {tmp}/new.png", "a folder"),
    "a measure of nothing": ("measure {kept} --weights {kept_weights}", "no measures"),
    "an unknown measure": ("measure {toy} --which speed", "no measure 'speed'"),
    "data that are not there": ("measure {toy} --data {tmp}/none", "no such file or folder"),
    "a replay of nothing": ("replay {tmp}/none.png", "no such file"),
    "a replay of a picture": ("replay {photo}", "no record"),
    "a replay into what it replays": ("replay {photo} --out {photo}", "would overwrite"),
    "a request that is a picture": ("generate {toy} --request {photo} --out {tmp}/new/a.png", "no record"),
    "a demo into a file": ("demo --out {photo}", ""),
}  # fmt: skip


@pytest.mark.parametrize(("line", "words"), LINES.values(), ids=LINES)
def test_a_bad_line(
    line: str,
    words: str,
    toy: Path,
    kept: Path,
    kept_weights: Path,
    photo: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    before = photo.read_bytes()
    places = {"toy": toy, "kept": kept, "photo": photo, "tmp": tmp_path, "kept_weights": kept_weights}
    said = refused(*(word.format(**places) for word in line.split(" ")))
    assert words in said and len(said) < 700, said
    assert left_behind(tmp_path) == [] and photo.read_bytes() == before


@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written(toy: Path, photo: Path, tmp_path: Path, refused: Callable[..., str]):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    refused("generate", toy, "--photo", photo, "--out", folder / "a.png")
    assert not list(folder.iterdir())


def test_a_recipe_that_cannot_be_read(tmp_path: Path, refused: Callable[..., str]):
    for name, text, words in (
        ("a.py", "x = ", "SyntaxError"),
        ("b.py", "x = 1", "defines no `recipe`"),
        ("c.py", "1/0", "ZeroDivisionError"),
    ):
        (tmp_path / name).write_text(text)
        assert words in refused("generate", tmp_path / name, "--help")


# --- Python ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(toy: Path) -> Model:
    return load(toy)


@pytest.mark.parametrize(
    "given",
    [
        {"photo": None}, {"photo": 3}, {"photo": []}, {"photo": {}}, {"photo": Path}, {"photo": ""}, {"photo": b""}, {"photo": "zero\0"},
        {"photo": np.zeros((0, 9, 3), np.uint8)}, {"photo": np.zeros((9, 9, 7), np.uint8)}, {"photo": np.full((9, 9), np.nan)},
        {"photo": np.zeros((9, 9), complex)}, {"photo": np.zeros((9, 9), object)}, {"photo": np.full((9, 9, 3), -1.0)},
        {"photo": PAGE, "tags": {"names": ["warm"]}}, {"photo": PAGE, "tags": [["warm"]]}, {"photo": PAGE, "tags": 3},
        {"photo": PAGE, "num_steps": "x"}, {"photo": PAGE, "num_steps": [1]}, {"photo": PAGE, "unknown": 1},
        {"photo": PAGE, "seed": -1}, {"photo": PAGE, "seed": 0.5}, {"photo": PAGE, "seed": "x"}, {"photo": PAGE, "threads": -1},
    ],
    ids=lambda given: str(given)[:50].replace("\n", " "),
)  # fmt: skip
def test_bad_values(model: Model, given: dict[str, Any]):
    with pytest.raises(GessoError):
        model.generate(**given)
