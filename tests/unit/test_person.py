"""People: what a declaration may say, where people are found, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from gesso import person
from gesso.errors import GessoError
from gesso.person import LIBRARY, Person, people, trainers

ROOT = Path(__file__).resolve().parents[2]


def test_the_library_is_found_by_name():
    assert [one.name for one in people("exact, sloppy")] == ["exact", "sloppy"]
    assert people() == tuple(LIBRARY.values())
    assert all(one.about["en"] and one.about["ko"] for one in people())


def test_the_example_of_the_documentation_is_a_person(tmp_path: Path):
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "conditions.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "tremor.toml").write_text(block)
    (found,) = people(tmp_path / "tremor.toml")
    assert (found.name, found.wobble, found.order, found.patience) == ("tremor", 0.05, "largest", 8)


def test_a_file_may_hold_several(tmp_path: Path):
    (tmp_path / "two.json").write_text(json.dumps({"people": [{"name": "one"}, {"name": "two", "miss": 0.5}]}))
    assert [one.name for one in people(f"{tmp_path / 'two.json'},exact")] == ["one", "two", "exact"]


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ('name = "me"\nwobbel = 0.1', "wobbel"),
        ('name = "me"\nmiss = 2', "miss"),
        ('name = "me"\norder = "best"', "order"),
        ('name = "me"\npatience = 1.5', "patience"),
        ('name = "me"\naim = true', "aim"),
        ("aim = 0.5", "name"),
        ('name = "Me!"', "name"),
        ("name = ", "cannot be read"),
        ("people = []", "people"),
        ('people = [{name = "a"}]\naim = 0.1', "people"),
    ],
)
def test_a_bad_declaration_is_refused_by_the_name_of_its_field(tmp_path: Path, told: str, names: str):
    (tmp_path / "bad.toml").write_text(told)
    with pytest.raises(GessoError, match=names) as error:
        people(tmp_path / "bad.toml")
    assert "bad.toml" in str(error.value)


@pytest.mark.parametrize("given", ["nobody", "exact,exact", "", [], "there-is-none.toml"])
def test_who_is_not_known_is_refused(given: object):
    with pytest.raises(GessoError):
        people(given)


def test_installed_packages_offer_people(monkeypatch: pytest.MonkeyPatch):
    entries = [
        SimpleNamespace(name="lefty", load=lambda: {"name": "lefty", "wobble": 0.1}),
        SimpleNamespace(name="broken", load=lambda: 1 / 0),
    ]
    monkeypatch.setattr(person, "entry_points", lambda group: entries if group == "gesso.people" else [])
    assert people("lefty")[0].wobble == 0.1
    with pytest.raises(GessoError, match="could not be loaded"):
        people("broken")
    assert "lefty" in person.known()


def test_own_users_train_beside_people():
    assert trainers(None) == () and trainers("own") == (None,)
    assert [one and one.name for one in trainers("own,sloppy")] == ["sloppy", None]
    assert trainers([Person(name="me")]) == (Person(name="me"),)
    with pytest.raises(GessoError):
        trainers("")
