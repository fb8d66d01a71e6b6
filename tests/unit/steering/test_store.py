"""The store: adding, moving, reading and refusing; owners are separate, and a refused edit writes nothing."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gesso.conditions.hints import Hint, Hints
from gesso.conditions.picture import Picture
from gesso.errors import GessoError
from gesso.request import Request
from gesso.steering import Incomplete, NotFound, Store, StoreLimits
from gesso.steering.fold import read_value
from gesso.steering.store import find_card
from unit.steering.example_card import CARD, cards, drawing, hint, keep, sketch


def num_rows(store: Store) -> tuple[int, ...]:
    return tuple(store._database.read(f"SELECT count(*) FROM {name}")[0][0] for name in ("sessions", "nodes", "blobs", "uses"))


def test_from_nothing_to_a_request(store: Store):
    made = store.create("ann", "room", "  고양이  그림 ")
    assert (made.title, made.recipe, made.head, made.num_nodes) == ("고양이 그림", "room", made.root, 1)
    assert store.missing("ann", made.id) == ("sketch",)
    with pytest.raises(Incomplete, match="sketch: room still needs sketch") as refused:
        store.request("ann", made.id)
    assert refused.value.missing == ("sketch",)
    first = store.append("ann", made.id, made.head, sketch())
    node = store.append("ann", made.id, first.id, hint(3, 4))
    assert node.parent == first.id and store.session("ann", made.id).head == node.id
    direct = Request.build(CARD, {"sketch": drawing(), "hints": Hints(marks=(Hint(3, 4, "#ff8800"),))})
    assert store.request("ann", made.id).canonical() == direct.canonical()
    assert store.missing("ann", made.id) == () and store.missing("ann", made.id, made.root) == ("sketch",)


def test_a_hint_may_come_before_its_page_and_must_then_lie_on_it(store: Store):
    made = store.create("ann", "room", edits=[hint(55, 30)])
    store.append("ann", made.id, None, sketch())
    with pytest.raises(GessoError, match="outside the page"):
        store.append("ann", made.id, None, sketch(1, size=(20, 20)))
    both = {"op": "several", "edits": [sketch(1, size=(20, 20)), {"op": "drop", "slot": "hints"}]}
    store.append("ann", made.id, None, both)
    assert store.request("ann", made.id).conditions["sketch"].page == (20, 20)


def test_the_same_key_gives_the_same_node(store: Store):
    made = store.create("ann", "room", edits=[sketch()])
    first = store.append("ann", made.id, None, hint(1, 1), "pen-1")
    assert store.append("ann", made.id, None, hint(1, 1), "pen-1") == first
    assert store.append("ann", made.id, None, hint(1, 1), "pen-2") != first
    other = store.create("ann", "room")
    assert store.append("ann", other.id, None, hint(1, 1), "pen-1").id != first.id
    with pytest.raises(GessoError, match="client"):
        store.append("ann", made.id, None, hint(1, 1), "")


def test_one_key_from_many_threads_is_one_node(store: Store):
    made = store.create("ann", "room", edits=[sketch()])
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(store.append("ann", made.id, made.root, hint(1, 1), "key").id)) for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(answers) == 8 and len(set(answers)) == 1 and store.session("ann", made.id).num_nodes == 2


def test_undo_redo_and_branches(store: Store):
    made = store.create("ann", "room", edits=[sketch()])
    one = store.append("ann", made.id, None, hint(1, 1))
    two = store.append("ann", made.id, None, hint(2, 2))
    assert store.undo("ann", made.id).head == one.id
    assert store.undo("ann", made.id).head == made.root
    assert store.undo("ann", made.id).head == made.root  # and no further
    assert store.redo("ann", made.id).head == one.id
    assert store.redo("ann", made.id).head == two.id
    assert store.redo("ann", made.id).head == two.id
    store.undo("ann", made.id)
    other = store.append("ann", made.id, None, hint(3, 3))  # beside two, which stays
    assert {node.id for node in store.tree("ann", made.id)} == {made.root, one.id, two.id, other.id}
    assert store.redo("ann", made.id).head == other.id
    store.undo("ann", made.id)
    assert store.redo("ann", made.id).head == other.id  # the newest


def test_redo_returns_along_the_path_of_undo(store: Store):
    made = store.create("ann", "room", edits=[sketch()])
    old = store.append("ann", made.id, made.root, hint(1, 1))
    deep = store.append("ann", made.id, old.id, hint(2, 2))
    new = store.append("ann", made.id, made.root, hint(3, 3))
    store.show("ann", made.id, deep.id)
    store.show("ann", made.id, made.root)  # two at once
    assert store.redo("ann", made.id).head == old.id  # although `new` is newer
    assert store.redo("ann", made.id).head == deep.id
    store.show("ann", made.id, new.id)
    store.undo("ann", made.id)
    assert store.redo("ann", made.id).head == new.id


def test_settings_and_seed(store: Store):
    made = store.create(
        "ann", "room", edits=[sketch(), {"op": "setting", "name": "num_steps", "value": 9}, {"op": "seed", "value": 2**53 - 1}]
    )
    request = store.request("ann", made.id)
    assert request.to_json()["settings"] == {"num_steps": 9, "strength": 0.5, "mood": "plain"} and request.seed == 2**53 - 1
    store.append("ann", made.id, None, {"op": "setting", "name": "num_steps"})
    assert store.request("ann", made.id).to_json()["settings"]["num_steps"] == 3


def test_weights_and_preset_go_into_requests(store: Store):
    made = store.create("ann", "room", edits=[sketch()], preset="tiny", weights={"painter": "a" * 64})
    assert store.request("ann", made.id).preset == "tiny" and store.request("ann", made.id).weights == {"painter": "a" * 64}
    with pytest.raises(GessoError):
        store.create("ann", "room", weights={"painter": 3})  # type: ignore[dict-item]


SECRET = "/etc/passwd"
BAD: list[tuple[Any, str]] = [
    (3, "edit"),
    (None, "edit"),
    ([], "edit"),
    ({}, "op"),
    ({"op": "explode"}, "explode"),
    ({"op": "merge", "slot": "sketch"}, "value"),
    ({"op": "merge", "slot": "nothing", "value": {}}, "nothing"),
    ({"op": "merge", "slot": ["sketch"], "value": {}}, "slot"),
    ({"op": "merge", "slot": "hints", "value": {"marks": [{"x": 1}]}}, "hints"),
    ({"op": "merge", "slot": "hints", "value": {"marks": [{"x": float("nan"), "y": 1, "color": "red"}]}}, "NaN|finite|nan"),
    ({"op": "merge", "slot": "sketch", "value": SECRET}, "sketch"),
    ({"op": "merge", "slot": "sketch", "value": {"pixels": SECRET}}, "data URL"),
    ({"op": "merge", "slot": "keep", "value": {"pixels": SECRET, "mask": SECRET}}, "data URL"),
    ({"op": "merge", "slot": "sketch", "value": {"pixels": "data:image/png;base64,AAAA"}}, "sketch"),
    ({"op": "set", "slot": "sketch", "value": {"$blob": "a" * 64}}, "edit"),
    ({"op": "set", "slot": "label", "value": {"name": "cow"}}, "cow"),
    ({"op": "set", "slot": "label", "value": {"name": "\ud800"}}, "class"),
    ({"op": "set", "slot": "weather", "value": {"rain": 3, "wind": "typhoon"}}, "typhoon"),
    ({"op": "set", "slot": "weather", "value": {"rain": 3, "snow": 1}}, "snow"),
    ({"op": "take", "slot": "hints", "index": 0}, "no mark 0"),
    ({"op": "take", "slot": "hints", "index": -1}, "index"),
    ({"op": "take", "slot": "sketch", "index": 0}, "one by one"),
    ({"op": "setting", "name": "num_steps", "value": 99}, "num_steps"),
    ({"op": "setting", "name": "num_steps", "value": "many"}, "num_steps"),
    ({"op": "setting", "name": "colour", "value": 1}, "no setting"),
    ({"op": "seed", "value": -1}, "seed"),
    ({"op": "seed", "value": 2**53}, "seed"),
    ({"op": "seed", "value": True}, "seed"),
    ({"op": "seed", "value": 1, "more": 2}, "more"),
    ({"op": "several", "edits": [{"op": "seed", "value": 1}, {"op": "seed", "value": "x"}]}, "edits.1"),
    ({"op": "several", "edits": [{"op": "several", "edits": []}]}, "several"),
    ({"op": "several", "edits": [{"op": "seed", "value": 1}] * 1001}, "1000"),
    ({"op": "merge", "slot": "hints", "value": {"marks": {1, 2}}}, "set"),
    ({"op": "setting", "name": "mood", "value": {1: 2}}, "edit"),
]


@pytest.mark.parametrize(("edit", "said"), BAD, ids=range(len(BAD)))
def test_a_bad_edit_says_what_is_wrong_and_writes_nothing(store: Store, edit: Any, said: str):
    made = store.create("ann", "room", edits=[sketch()])
    before, head = num_rows(store), store.session("ann", made.id).head
    with pytest.raises(GessoError, match=f"(?s){said}"):
        store.append("ann", made.id, None, edit)
    with pytest.raises(GessoError):
        store.tried("ann", made.id, None, edit)
    with pytest.raises(GessoError):
        store.create("ann", "room", edits=[edit])
    assert num_rows(store) == before and store.session("ann", made.id).head == head
    store.append("ann", made.id, None, hint(1, 1))  # the store goes on


def test_an_edit_nested_too_deep_or_too_long_is_refused(store: Store):
    made = store.create("ann", "room")
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    for value in (deep, [0] * 1_000_001):
        with pytest.raises(GessoError, match="levels deep|1,000,000 values"):
            store.append("ann", made.id, None, {"op": "setting", "name": "mood", "value": value})


def test_an_owner_cannot_reach_another_owners_sessions(store: Store):
    hers = store.create("ann", "room", "비밀", edits=[sketch()])
    node = store.append("ann", hers.id, None, hint(1, 1), "key")
    his = store.create("bob", "room", edits=[sketch()])
    calls = [
        lambda: store.session("bob", hers.id),
        lambda: store.node("bob", hers.id, node.id),
        lambda: store.node("bob", his.id, node.id),
        lambda: store.tree("bob", hers.id),
        lambda: store.state("bob", hers.id),
        lambda: store.state("bob", his.id, node.id),
        lambda: store.request("bob", hers.id, node.id),
        lambda: store.request("bob", his.id, node.id),
        lambda: store.missing("bob", hers.id),
        lambda: store.tried("bob", hers.id, node.id, hint(2, 2)),
        lambda: store.edit("bob", hers.id, node.id),
        lambda: store.compare("bob", hers.id, node.id, node.id),
        lambda: store.compare("bob", his.id, his.root, node.id),
        lambda: store.append("bob", hers.id, None, hint(2, 2)),
        lambda: store.append("bob", hers.id, None, hint(2, 2), "key"),
        lambda: store.append("bob", his.id, node.id, hint(2, 2)),
        lambda: store.show("bob", hers.id, node.id),
        lambda: store.show("bob", his.id, node.id),
        lambda: store.undo("bob", hers.id),
        lambda: store.redo("bob", hers.id),
        lambda: store.rename("bob", hers.id, node.id, "x"),
        lambda: store.rename("bob", his.id, node.id, "x"),
        lambda: store.favourite("bob", hers.id, node.id),
        lambda: store.retitle("bob", hers.id, "x"),
        lambda: store.export("bob", hers.id),
        lambda: store.delete("bob", hers.id),
    ]
    before = store.export("ann", hers.id)
    for call in calls:
        with pytest.raises(NotFound) as refused:
            call()
        assert "ann" not in str(refused.value) and "비밀" not in str(refused.value)
    assert store.search("bob", "비밀") == () and [one.id for one in store.list("bob")] == [his.id]
    assert store.export("ann", hers.id) == before
    store.delete("bob", his.id)  # the same drawing: hers must not go with his
    assert store.export("ann", hers.id) == before


def test_a_long_text_is_stored_once_for_an_owner_and_deleted_with_its_last_session(store: Store):
    one = store.create("ann", "room", edits=[sketch()])
    for number in range(5):
        store.append("ann", one.id, None, hint(number, 1))
    two = store.create("ann", "room", edits=[sketch()])
    assert num_rows(store)[2] == 1 and "$blob" in str(store.node("ann", one.id, one.root).edit)
    assert store.edit("ann", one.id, one.root)["edits"][0] == sketch()
    store.delete("ann", one.id)
    assert store.request("ann", two.id).conditions["sketch"].page == (50, 80)
    store.delete("ann", two.id)
    assert num_rows(store) == (0, 0, 0, 0)
    with pytest.raises(NotFound):
        store.request("ann", two.id)


def test_a_reopened_store_gives_the_same_requests(store: Store, path: Path):
    made = store.create("ann", "room", edits=[sketch(), keep(3)])
    nodes = [store.append("ann", made.id, None, edit) for edit in (hint(1, 1), keep(20, 1), {"op": "take", "slot": "hints", "index": 0})]
    before = [store.request("ann", made.id, node.id).canonical() for node in nodes]
    store.close()
    with pytest.raises(GessoError):
        store.session("ann", made.id)
    again = Store(path, cards=cards)
    assert [again.request("ann", made.id, node.id).canonical() for node in reversed(nodes)] == before[::-1]
    assert again.tree("ann", made.id)[1:] == tuple(nodes)
    again.close()


def test_an_edit_changes_only_its_slot(store: Store, monkeypatch: pytest.MonkeyPatch):
    """The other values are the same objects, and no picture is decoded again, whichever node is asked for."""
    made = store.create("ann", "room", edits=[sketch()])
    first = store.request("ann", made.id).conditions["sketch"]
    num = 0

    def counted(slot: Any, value: Any) -> Any:
        nonlocal num
        num += slot.name == "sketch"
        return read_value(slot, value)

    monkeypatch.setattr("gesso.steering.store.read_value", counted)
    nodes = [store.append("ann", made.id, None, hint(n % 60, 2)) for n in range(30)]
    for node in (nodes[0], nodes[29], nodes[7]):
        assert store.request("ann", made.id, node.id).conditions["sketch"] is first
        assert store.tried("ann", made.id, node.id, hint(5, 5)).conditions["sketch"] is first
    assert num == 0
    store._states.clear()
    assert len(store.request("ann", made.id).conditions["hints"].marks) == 30
    assert num == 0  # read lately, though the fold was forgotten
    store._states.clear()
    store._values.clear()
    store.request("ann", made.id)
    assert num == 1


def test_a_tiny_cache_gives_the_same_requests(path: Path, store: Store):
    poor = Store(path, cards=cards, limits=StoreLimits(cache_bytes=1, cache_states=1))
    made = poor.create("ann", "room", edits=[sketch()])
    nodes = [made.root] + [poor.append("ann", made.id, None, edit).id for edit in (hint(1, 1), keep(2), hint(3, 3), keep(30, 2))]
    for node in (*nodes, *nodes[::-1]):
        assert poor.request("ann", made.id, node).canonical() == store.request("ann", made.id, node).canonical()
    poor.close()


def test_a_jpeg_is_stored_as_its_pixels(store: Store):
    file = io.BytesIO()
    Image.fromarray(drawing(channels=3)).save(file, "JPEG")
    url = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
    made = store.create("ann", "room", edits=[{"op": "set", "slot": "sketch", "value": {"pixels": url}}])
    kept = store.edit("ann", made.id, made.root)["edits"][0]["value"]["pixels"]
    assert kept.startswith("data:image/png")
    assert np.array_equal(Picture.model_validate({"pixels": kept}).pixels, store.request("ann", made.id).conditions["sketch"].pixels)


def test_a_value_is_fitted_to_its_slot(store: Store):
    grey = keep(3)
    grey["value"]["pixels"] = sketch()["value"]["pixels"]  # one channel, where the slot asks for three
    made = store.create("ann", "room", edits=[sketch(), grey])
    assert store.request("ann", made.id).conditions["keep"].pixels.shape == (50, 80, 3)


def test_quotas(path: Path):
    store = Store(path, cards=cards, limits=StoreLimits(max_sessions=2, max_nodes=3, max_owner_bytes=20_000))
    made = store.create("ann", "room", edits=[sketch()])
    store.append("ann", made.id, None, hint(1, 1))
    store.append("ann", made.id, None, hint(1, 1))
    with pytest.raises(GessoError, match="3 nodes"):
        store.append("ann", made.id, None, hint(1, 1))
    other = store.create("ann", "room")
    with pytest.raises(GessoError, match="2 sessions"):
        store.create("ann", "room")
    before = num_rows(store)
    with pytest.raises(GessoError, match="delete some"):
        store.append("ann", other.id, None, sketch(1, size=(150, 150)))
    assert num_rows(store) == before
    store.create("bob", "room", edits=[sketch()])  # another's quota is his own
    small = Store(path, cards=cards, limits=StoreLimits(max_edit_bytes=1000))
    with pytest.raises(GessoError, match="the edit takes"):
        small.append("ann", other.id, None, sketch())


def test_a_path_is_not_a_recipe_name(tmp_path: Path):
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    for name in (str(evil), "../evil", "os", "", 3):
        with pytest.raises(GessoError):
            find_card(name)  # type: ignore[arg-type]
    assert not (tmp_path / "ran").exists()


def test_other_files_are_refused(tmp_path: Path):
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"not a database " * 100)
    for bad in (garbage, tmp_path):
        with pytest.raises(GessoError, match="cannot be saved here"):
            Store(bad)
    assert garbage.read_bytes() == b"not a database " * 100
    import sqlite3

    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(GessoError, match="another program"):
        Store(tmp_path / "other")
    Store(tmp_path / "new").close()
    with sqlite3.connect(tmp_path / "new") as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(GessoError, match="newer"):
        Store(tmp_path / "new")


def test_the_file_is_private_and_durable(store: Store, path: Path):
    assert path.stat().st_mode & 0o077 == 0
    assert store._database.read_one("PRAGMA journal_mode") == ("wal",)
    assert store._database.read_one("PRAGMA synchronous") == (2,)  # FULL
    assert store._database.read_one("PRAGMA foreign_keys") == (1,)


def test_steering_imports_no_torch():
    code = "import sys, gesso.steering; assert 'torch' not in sys.modules, 'torch came along'"
    subprocess.run([sys.executable, "-c", code], check=True)
