"""Media: each file of the folder that defines one keeps the contract, and what the package decides by endings comes from them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gesso.media
from gesso.card import Out
from gesso.errors import GessoError
from gesso.media import medium as module
from gesso.media.medium import VALUE, Carried, Medium, carrier, content_type, endings_of, media, medium, medium_of_file, sidecar_of
from gesso.record import read_record, record_place

SOURCE = Path(gesso.media.__file__).parent
EXAMPLES = {
    "picture": lambda: np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3),
    "pictures": lambda: (np.zeros((8, 8), np.uint8), np.full((8, 8), 9, np.uint8)),
    "layers": lambda: {"line": np.full((8, 9), 255, np.uint8), "flats": np.full((8, 9, 3), 7, np.uint8)},
    "pieces": lambda: np.arange(72, dtype=np.int32).reshape(8, 9),
    "notes": lambda: {"steps": 16, "tempo": 81.3, "voices": (((0, 4, 72), (4, 4, 72)), ())},
}


NAMES = sorted(path.stem for path in SOURCE.glob("*.py") if re.search(r"^MEDIUM = ", path.read_text(), re.M))


def test_every_file_that_defines_a_medium_is_found() -> None:
    assert [one.name for one in media()] == ["picture", *(name for name in NAMES if name != "picture")]
    assert set(EXAMPLES) >= {"picture", "pictures", "layers", "pieces"}


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test defines is forgotten after it."""
    monkeypatch.setattr(module, "_own", {})


def test_a_card_brings_a_medium_of_its_own(own: None) -> None:
    beside = Beside()
    out = Out(name="rows", medium=beside, help={})
    assert out.medium == "rows" and medium("rows") is beside and medium_of_file("x.ROWS") is beside and beside in media()
    assert Out(name="rows", medium=Beside(), help={}).medium == "rows" and medium("rows") is beside
    taken = type("Taken", (Medium,), {"name": "taken", "endings": {".png": "image/png"}})
    same = type("Same", (Medium,), {"name": "rows"})
    for one, what in ((taken, ".png files are of the medium 'picture'"), (same, "another medium 'rows'")):
        with pytest.raises(ValueError, match=what):
            Out(name="rows", medium=one(), help={})


def test_an_installed_package_brings_a_medium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows_medium.py").write_text(
        "from gesso.media.medium import Medium\nclass Rows(Medium):\n"
        "    name, endings = 'installed_rows', {'.irows': 'text/plain'}\nMEDIUM = Rows()\n"
    )
    info = tmp_path / "rows_medium-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rows-medium\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[gesso.media]\ninstalled_rows = rows_medium\nbroken = no_such_module\n")
    code = (
        "from gesso.media.medium import medium, media, medium_of_file\n"
        "assert medium_of_file('a.irows').name == medium('installed_rows').name == 'installed_rows'\n"
        "try:\n    medium('broken')\nexcept Exception as error:\n    print(error)\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(gesso.media.__file__).parents[2])])
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths})
    assert run.returncode == 0 and "the medium 'broken' cannot be read" in run.stdout, run.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_medium_says_what_it_is(name: str) -> None:
    one = medium(name)
    assert one.name == name and all(ending.startswith(".") and "/" in kind for ending, kind in one.endings.items())
    others = [ending for other in media() if other is not one for ending in other.endings]
    assert not set(one.endings) & set(others), "an ending belongs to one medium"
    assert all(medium_of_file(f"x{ending.upper()}") is one for ending in one.endings)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_value_survives_its_files_with_its_record(name: str, tmp_path: Path) -> None:
    one, value = medium(name), EXAMPLES[name]()
    assert one.is_value(value)
    one.check(value, where="image", recipe="toy")
    for ending in one.endings:
        path = tmp_path / f"x{ending}"
        writer = one.writer(path, Carried("{}", "words"))
        writer.append(value)
        writer.close()
        data = path.read_bytes()
        assert carrier(data) is one and one.record_in(data, where="x") == "{}"
        assert np.array_equal(one.decode(data, where="x"), one.content(value))
        assert one.record_in(one.encode(value, ending, Carried()), where="x") is None, "a clean copy has no record"
    thumb = one.thumb(value)
    assert thumb is not None and thumb.dtype == np.uint8
    if (told := one.in_json(value)) is not NotImplemented:
        json.dumps(told)


def test_a_file_that_takes_one_value_refuses_none_and_two(tmp_path: Path) -> None:
    for num in (0, 2):
        writer = medium("picture").writer(tmp_path / "x.png", Carried())
        for _ in range(num):
            writer.append(EXAMPLES["picture"]())
        with pytest.raises(GessoError, match=f"holds one picture, not {num}"):
            writer.close()
    assert list(tmp_path.iterdir()) == []


class Beside(Medium):
    """A medium whose format has no place for a record."""

    name, endings, sidecar = "rows", {".rows": "text/plain"}, True

    def encode(self, value, ending, carried):
        return str(value).encode()


def test_a_record_may_lie_beside_its_file(tmp_path: Path) -> None:
    old = Path(__file__).parents[2] / "old/outputs"
    record = next(path for path in sorted(old.glob("*.json")) if "record" in json.loads(path.read_text()))
    text = json.dumps(json.loads(record.read_text())["record"])
    writer = Beside().writer(tmp_path / "x.rows", Carried(text))
    writer.append([1, 2])
    writer.close()
    assert (tmp_path / "x.rows.gesso.json").read_text() == text
    assert read_record(tmp_path / "x.rows").text() == read_record(record).text()


def test_a_file_beside_does_not_hide_a_record_inside(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(medium("picture").encode(EXAMPLES["picture"](), ".png", Carried("{}")))
    sidecar_of(path).write_text("a file of another program")
    assert record_place(path) == path


def test_a_result_saves_and_reads_a_record_beside(tmp_path: Path, own: None) -> None:
    from gesso import load
    from gesso.verbs.read_request import read_request

    made = load("digits").generate(label=3, seed=5, num_steps=1)
    card = made.card.model_copy(update={"outputs": (Out(name="image", medium=Beside(), help={}),)})
    made.card = card
    path = made.save(tmp_path / "t.rows")
    assert read_record(path).text() == made.record.text() == made.sidecar(".rows").decode()
    assert read_request(path, "digits").asked.seed == 5


def test_plain_values_have_no_files() -> None:
    assert medium("number") is VALUE and VALUE.of(3) == 3 and endings_of(["number"]) == []
    with pytest.raises(GessoError, match="value is not written as .png"):
        VALUE.encode(3, ".png", Carried())
    assert content_type(".json") == "application/json" and content_type(".strange") == "application/octet-stream"


def test_nothing_above_media_decides_by_the_ending_of_an_output() -> None:
    """The chains over .png, .ora and .psd that there were; a file may still be named."""
    root = Path(gesso.media.__file__).parents[1]
    pattern = r"(==|in) *[(\[{]? *['\"]\.(png|ora|psd|mp4|mid|ply)"
    for folder in ("verbs", "serving", "marking", "cli"):
        found = subprocess.run(["grep", "-rnE", "--include=*.py", pattern, str(root / folder)], capture_output=True, text=True).stdout
        assert not found, found
