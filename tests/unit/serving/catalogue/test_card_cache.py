"""The start page's cards are there before the recipes are: kept by one server, told by the next, as long as the code is the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gesso import recipes
from gesso.serving import Settings
from gesso.serving.catalogue import card_cache
from gesso.serving.catalogue.recipe_catalogue import CARDS, Catalogue
from gesso.serving.http_errors import UnknownId

TOKENS = {"ann": "a" * 30}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("home")
    Catalogue(Settings(home=made, tokens=TOKENS)).recipes()
    return made


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, tokens=TOKENS)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    find = recipes.find
    monkeypatch.setattr(recipes, "find", lambda name: read.append(str(name)) or find(name))  # type: ignore[func-returns-value]
    return read


def test_the_next_server_tells_the_same_and_reads_no_recipe(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    first = Catalogue(settings)
    first.recipes()
    read = count_reads(monkeypatch)
    second = Catalogue(settings)
    assert second.summaries() == first.summaries() and [second.describe(one["name"]) for one in first.summaries()] == [
        first.describe(one["name"]) for one in first.summaries()
    ]
    with pytest.raises(UnknownId, match="colorize"):
        second.describe("unknown")
    assert read == []
    second.recipes()
    assert read == recipes.names() and second.summaries() == first.summaries()


def test_whose_weights_are_missing_is_looked_at_each_time(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gesso.weights.store.shipped", lambda name: None)
    told = Catalogue(settings).describe("style")
    assert told["missing"] and not told["ready"] and "needs" not in told
    assert Catalogue(settings).describe("colorize")["missing"] == ["colorize"]


def test_cards_of_other_code_are_read_anew(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(card_cache, "code_fingerprint", lambda: "another")
    read = count_reads(monkeypatch)
    assert len(Catalogue(settings).summaries()) == len(read) > 0
    assert json.loads((settings.home / CARDS).read_bytes())["code"] == "another"


@pytest.mark.parametrize("held", [b"", b"[]", b"{", b'{"code": 1}', b"\xff", b'{"code": "x", "cards": {}}'])
def test_what_is_no_such_file_is_written_anew(tmp_path: Path, held: bytes):
    (tmp_path / CARDS).write_bytes(held)
    settings = Settings(home=tmp_path, tokens=TOKENS)
    told = Catalogue(settings).summaries()
    assert told and Catalogue(settings).summaries() == told
    assert set(json.loads((tmp_path / CARDS).read_bytes())["cards"]) == {one["name"] for one in told}


def test_recipes_that_were_named_are_not_kept(tmp_path: Path):
    likes = Path(__file__).parents[3] / "studio" / "likes_recipe.py"
    assert [one["name"] for one in Catalogue(Settings(home=tmp_path, tokens=TOKENS, recipes=[likes])).summaries()] == ["likes"]
    assert not (tmp_path / CARDS).exists()


def test_a_start_page_is_told_its_cards_without_torch(home: Path):
    code = """
import sys
from pathlib import Path
from fastapi.testclient import TestClient
from gesso.serving import Settings
from gesso.studio import create_app
app = create_app(Settings(home=Path(sys.argv[1]), tokens={"ann": "a" * 30}, sign=False))
ann = TestClient(app, base_url="http://127.0.0.1:8765", headers={"Authorization": "Bearer " + "a" * 30})
for line in ann.get("/api/recipes").json()["recipes"]:
    assert ann.get("/api/recipes/" + line["name"]).json()["outputs"]
for path in ("/api/samples", "/api/sessions", "/api/jobs", "/api/palettes"):
    assert ann.get(path).status_code == 200, path
print(sorted({"torch", "scipy", "skimage"} & set(sys.modules)))
app.state.services.close()
"""
    Catalogue(Settings(home=home, tokens=TOKENS)).recipes()  # another test may have kept others'
    run = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def test_other_weights_have_cards_of_their_own(tmp_path: Path):
    one, two = (tmp_path / name for name in ("one", "two"))
    one.mkdir()
    two.mkdir()
    cache = card_cache.CardCache(tmp_path / CARDS, {"hub": one})
    cache.write({"hub": {"name": "hub"}})
    assert cache.read() == {"hub": {"name": "hub"}}
    assert card_cache.CardCache(tmp_path / CARDS, {"hub": two}).read() is None
    assert card_cache.CardCache(tmp_path / CARDS).read() is None
