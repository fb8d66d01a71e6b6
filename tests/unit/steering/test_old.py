"""Sessions and session files of earlier versions open and answer as they did (tests/old)."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gesso.steering import Store

OLD = Path(__file__).resolve().parents[2] / "old" / "steering"
EXPECTED: dict[str, Any] = json.loads((OLD / "expected.json").read_text("utf-8"))
# What is in a database stays as it was written. Sentences that are made when they are asked for have newer words since.
NEWER_WORDS = {": taken away": ": removed", "of its pixels are others": "of its pixels changed", ": in another order": ": reordered"}


def script() -> ModuleType:
    """The script that made these files; it also says how their contents are compared."""
    spec = importlib.util.spec_from_file_location("make_old_sessions", OLD / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_known_settings(requests: list[Any], expected: list[Any]) -> list[Any]:
    """The requests without the settings that were added to a card later: those have their defaults."""
    return [
        one | {"settings": {name: value for name, value in one["settings"].items() if name in old["settings"]}}
        for one, old in zip(requests, expected, strict=True)
    ]


def in_newer_words(told: Any) -> Any:
    text = json.dumps(told)
    for old, new in NEWER_WORDS.items():
        text = text.replace(old, new)
    return json.loads(text)


@pytest.fixture
def old_path(tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD / "sessions.sqlite", tmp_path / "sessions.sqlite"))


def test_sessions_of_schema_version_1_are_the_same(old_path: Path):
    store = Store(old_path)
    for owner, expected in EXPECTED.items():
        told = json.loads(json.dumps(script().told_of(store, owner, expected["session"]["id"])))
        told["requests"] = with_known_settings(told["requests"], expected["requests"])
        assert told == expected | {"differences": in_newer_words(expected["differences"])}
    cat = EXPECTED["ann"]
    again = store.append("ann", cat["session"]["id"], None, {"op": "seed", "value": 9}, "client-1")
    assert again.id == cat["nodes"][1]["id"], "a client's key is still known"
    new = store.append("ann", cat["session"]["id"], None, {"op": "seed", "value": 9}, "client-2")
    assert store.rename("ann", cat["session"]["id"], new.id, "새 이름").name == "새 이름"
    assert [one.node for one in store.search("ann", "새 이름")] == [new.id]
    store.delete("ann", cat["session"]["id"])
    store.close()


def test_a_session_file_of_format_1_is_the_same(tmp_path: Path):
    store, make, expected = Store(tmp_path / "new.sqlite"), script(), EXPECTED["ann"]
    made = store.import_("eve", (OLD / "session.gesso.zip").read_bytes())
    tree = store.tree("eve", made.id)
    for name in ("name", "favourite", "said", "created", "edit"):
        told = [json.loads(json.dumps(node.model_dump(mode="json")[name])) for node in tree]
        assert told == in_newer_words([one[name] for one in expected["nodes"]])
    ids = [node.id for node in tree]
    old_ids = [one["id"] for one in expected["nodes"]]
    assert [None if node.parent is None else ids.index(node.parent) for node in tree] == [
        None if one["parent"] is None else old_ids.index(one["parent"]) for one in expected["nodes"]
    ]
    requests = [json.loads(json.dumps(make.request_told(store.request("eve", made.id, id)))) for id in ids]
    assert with_known_settings(requests, expected["requests"]) == expected["requests"]
    assert ids.index(made.head) == old_ids.index(expected["session"]["head"])
    store.close()
