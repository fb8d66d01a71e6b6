"""Pictures in several looks: what examples hold, which of them belong together, and what a folder must have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.datasets.looks import TONES, look_pictures
from gesso.datasets.lpc_characters import CELL, COLOURS, DYES, characters
from gesso.errors import GessoError

SIDE = 16


def save(file: Path, colour: tuple[int, int, int], number: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((24, 24, 3), colour, np.uint8)
    picture[number % 24] = 0
    Image.fromarray(picture).save(file)


def test_an_example_is_a_picture_a_wanted_look_and_two_pictures_of_it():
    looks = look_pictures(None, "train", SIDE)
    for index in range(12):
        item = looks.item(index, np.random.default_rng(index))
        assert {item[name].shape for name in ("picture", "exemplar", "another")} == {(SIDE, SIDE, 3)}
        assert item["source"] == looks.labels[index] and 0 <= item["target"] < len(looks.classes)
    batch = looks.stack([looks.item(0, np.random.default_rng(0))] * 2)
    assert batch["picture"].shape == (2, 3, SIDE, SIDE) and batch["source"].tolist() == [looks.labels[0]] * 2


def test_an_exemplar_never_shows_the_picture_itself():
    looks = look_pictures(None, "train", SIDE)
    marked = np.broadcast_to(looks.groups[:, None, None, None], looks.pixels.shape).astype(np.uint8)
    shown = type(looks)(**{**vars(looks), "pixels": marked})
    for index in range(30):
        item = shown.item(index, np.random.default_rng(index))
        assert item["picture"][0, 0, 0] not in (item["exemplar"][0, 0, 0], item["another"][0, 0, 0])


def test_variants_differ_where_the_look_is_alone():
    looks = look_pictures(None, "val", SIDE)
    assert looks.knows_variants
    one, two = (looks.pixels[np.flatnonzero((looks.groups == 0) & (looks.labels == label))[0]].astype(int) for label in (0, 1))
    changed = np.abs(one - two).max(2) > 2
    assert changed.any() and not changed.all()


def test_subfolders_are_looks(tmp_path: Path):
    for n in range(20):
        save(tmp_path / "warm" / f"{n}.png", (220, 120, 20), n)
        save(tmp_path / "cold" / f"{n}.png", (20, 120, 220), n)
    looks = look_pictures(tmp_path, "train", SIDE)
    assert looks.classes == ("cold", "warm") and not looks.knows_variants
    item = looks.item(0, np.random.default_rng(3))
    assert item["exemplar"].reshape(-1, 3).mean(0).argmax() == (2 if looks.classes[item["target"]] == "cold" else 0)


def test_one_look_is_refused(tmp_path: Path):
    for n in range(20):
        save(tmp_path / "warm" / f"{n}.png", (220, 120, 20), n)
    with pytest.raises(GessoError, match="1 looks"):
        look_pictures(tmp_path, "train", SIDE)


def test_a_table_without_tones_is_refused(tmp_path: Path):
    pd = pytest.importorskip("pandas", reason="the extra gesso[data] is not installed")
    pd.DataFrame({"line": [b""], "color": [b""]}).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(GessoError, match="no tones"):
        look_pictures(tmp_path, "train", SIDE)


def test_tones_of_a_table_are_looks_of_one_group(tmp_path: Path):
    pd = pytest.importorskip("pandas", reason="the extra gesso[data] is not installed")
    rows = []
    for base in range(20):
        for tone in TONES:
            file = tmp_path / "one.png"
            save(file, (40 * len(tone) + 100, 30, 30), base)
            rows.append({"skintone": tone, "base": f"b{base}", "cluster": base, "color": file.read_bytes()})
    rows.append({**rows[0], "base": "alone"})
    for split in ("train", "val"):
        pd.DataFrame(rows).to_parquet(tmp_path / f"{split}.parquet")
    held = look_pictures(tmp_path, "val", SIDE)
    assert len(held) == 20 * len(TONES) and held.classes == tuple(TONES.values()) and held.knows_variants
    parts = [look_pictures(tmp_path, split, SIDE) for split in ("train", "dev")]
    assert sum(map(len, parts)) == len(held), "a drawing is in train or in dev, with all its tones"


def layers(place: Path) -> None:
    def sheet(name: str, colour: tuple[int, ...]) -> None:
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGBA", (13 * CELL, 12 * CELL), colour).save(file)

    for number, body in enumerate(("female", "male")):
        for kind in ("light", "dark", "dark2", "tanned", "tanned2"):
            sheet(f"body/{body}/{kind}.png", (0, 0, 0, 0))
        for n in range(12):
            sheet(f"legs/pants/{body}/pants{n}.png", (0, 0, 0, 0))
            sheet(f"torso/tunics/{body}/tunic{n}.png", (0, 0, 0, 0))
            for m, dye in enumerate(DYES if n < 4 else ()):
                sheet(f"torso/coats/{body}/{dye}_coat{n}.png", (0, 50 * m, n + 100 * number, 255))
            for m, colour in enumerate(COLOURS):
                sheet(f"hair/{body}/cut{n}/{colour}.png", (40 * m, 0, n + 100 * number, 255))


def test_characters_wear_held_out_hair_in_all_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gesso.datasets.lpc_characters.NUM_CHARACTERS", {"train": 30, "dev": 4, "val": 6})
    layers(tmp_path)
    train, val = characters(tmp_path, "train"), characters(tmp_path, "val")
    assert len(train.pixels) == 30 == len(np.unique(train.groups)) and len(val.pixels) == 6 * len(COLOURS)
    assert all((one[0, 0, 0] == 40 * label) for one, label in zip(val.pixels, val.labels, strict=True))
    styles = [{int(one[0, 0, 2]) for one in part.pixels} for part in (train, val)]
    assert styles[0] and styles[1] and not styles[0] & styles[1]


def test_characters_wear_held_out_garments_in_all_dyes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gesso.datasets.lpc_characters.NUM_CHARACTERS", {"train": 30, "dev": 4, "val": 6})
    monkeypatch.setattr("gesso.datasets.lpc_characters._hair", lambda place, split, bodies: [place / "hair" / "bald"])
    monkeypatch.setattr("gesso.datasets.lpc_characters.COLOURS", ("none",))
    layers(tmp_path)
    (tmp_path / "hair" / "bald").mkdir()
    Image.new("RGBA", (13 * CELL, 12 * CELL)).save(tmp_path / "hair" / "bald" / "none.png")
    train, val = (look_pictures(tmp_path / "torso", split, CELL) for split in ("train", "val"))
    assert val.classes == DYES and val.knows_variants and not train.knows_variants and len(val) == 6 * len(DYES)
    middle = [part.pixels[:, CELL // 2, CELL // 2].astype(int) for part in (train, val)]
    assert all((one[:, 1] == 50 * part.labels).all() for one, part in zip(middle, (train, val), strict=True))
    garments = [set(one[:, 2].tolist()) for one in middle]
    assert garments[0] and garments[1] and not garments[0] & garments[1]
    assert len({one % 100 for one in garments[1]}) <= 2, "a fifth is held out of each body's"


def test_layers_without_dyed_garments_are_refused(tmp_path: Path):
    for name in ("hair", "body", "torso"):
        (tmp_path / name).mkdir()
    with pytest.raises(GessoError, match="no garment in brown"):
        look_pictures(tmp_path / "torso", "train", SIDE)


def test_missing_layers_are_named(tmp_path: Path):
    (tmp_path / "hair").mkdir()
    (tmp_path / "body").mkdir()
    with pytest.raises(GessoError, match="has no hair"):
        look_pictures(tmp_path, "train", SIDE)
