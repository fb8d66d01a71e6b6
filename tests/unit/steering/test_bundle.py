"""A session is exported and imported unchanged; a hostile file changes nothing."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gesso.errors import GessoError
from gesso.steering import Session, Store, StoreLimits, blob, bundle
from unit.steering.example_card import cards, hint, keep, sketch


def drawn(store: Store) -> Session:
    made = store.create("ann", "room", "봄날", edits=[sketch()], preset="tiny", weights={"painter": "b" * 64})
    one = store.append("ann", made.id, None, hint(1, 1), "client-key")
    store.rename("ann", made.id, one.id, "첫 힌트")
    store.favourite("ann", made.id, one.id)
    store.append("ann", made.id, None, keep(4))
    store.append("ann", made.id, made.root, {"op": "several", "edits": [hint(2, 2), {"op": "seed", "value": 7}]})
    return store.show("ann", made.id, one.id)


def zipped(files: dict[str, bytes], **more: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **{"compression": zipfile.ZIP_DEFLATED, **more}) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return file.getvalue()


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def rows(store: Store) -> list[Any]:
    return [store._database.read(f"SELECT count(*) FROM {name}") for name in ("sessions", "nodes", "blobs", "uses")]


def test_an_exported_session_is_imported_unchanged(store: Store, tmp_path: Path):
    made = drawn(store)
    data = store.export("ann", made.id)
    assert data == store.export("ann", made.id)
    assert set(files_of(data)) == {"session.json"} | {f"blobs/{r[0]}" for r in store._database.read("SELECT sha256 FROM blobs")}
    assert b"client-key" not in data and b"ann" not in files_of(data)["session.json"]
    other = Store(tmp_path / "other.sqlite", cards=cards)
    back = other.import_("bob", data)
    assert (back.title, back.preset, back.weights, back.num_nodes) == ("봄날", "tiny", {"painter": "b" * 64}, 4)
    assert back.id != made.id
    mine, his = store.tree("ann", made.id), other.tree("bob", back.id)
    assert not {node.id for node in mine} & {node.id for node in his}
    place = [node.id for node in mine].index(made.head)
    assert his[place].id == back.head and (his[place].name, his[place].favourite) == ("첫 힌트", True)
    for one, two in zip(mine, his, strict=True):
        assert other.request("bob", back.id, two.id).canonical() == store.request("ann", made.id, one.id).canonical()
        assert (one.edit, one.said, one.created, one.name) == (two.edit, two.said, two.created, two.name)
    assert other.redo("bob", back.id).head == his[place + 1].id
    other.append("bob", back.id, None, hint(5, 5))
    again = other.import_("bob", data)  # twice is two sessions
    assert again.id != back.id and len(other.list("bob")) == 2
    with pytest.raises(GessoError):
        other.session("ann", back.id)


def test_import_replaces_data_urls_by_clean(store: Store):
    data = store.export("ann", drawn(store).id)
    cleaned: list[str] = []
    other = sketch(1)["value"]["pixels"]

    def clean(text: str) -> str:
        cleaned.append(text)
        return other if text == sketch()["value"]["pixels"] else text

    back = store.import_("bob", data, clean=clean)
    assert all(text.startswith("data:") for text in cleaned) and {len(text) < blob.LONG for text in cleaned} == {True, False}
    assert store.edit("bob", back.id, back.root)["edits"][0]["value"]["pixels"] == other

    def refuse(text: str) -> str:
        raise GessoError("no picture")

    before = rows(store)
    with pytest.raises(GessoError, match="no picture"):
        store.import_("bob", data, clean=refuse)
    assert rows(store) == before


def changed(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """The file with its session.json changed."""

    def of(data: bytes) -> bytes:
        files = files_of(data)
        index = json.loads(files["session.json"])
        new = change(index)
        return zipped(files | {"session.json": json.dumps(index if new is None else new).encode()})

    return of


def also(name: str, content: bytes = b"x") -> Callable[[bytes], bytes]:
    return lambda data: zipped(files_of(data) | {name: content})


def twice(data: bytes) -> bytes:
    file = io.BytesIO(data)
    with pytest.warns(UserWarning), zipfile.ZipFile(file, "a") as packed:
        packed.writestr("session.json", b"{}")
    return file.getvalue()


def one_blob_changed(data: bytes) -> bytes:
    files = files_of(data)
    name = next(name for name in files if name.startswith("blobs/"))
    return zipped(files | {name: files[name] + b" "})


def without_blobs(data: bytes) -> bytes:
    return zipped({"session.json": files_of(data)["session.json"]})


def not_text(data: bytes) -> bytes:
    files = files_of(data)
    raw = b"\xff" * 5000
    files[f"blobs/{hashlib.sha256(raw).hexdigest()}"] = raw
    return zipped(files)


def encrypted(data: bytes) -> bytes:
    return data.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")


def bomb(data: bytes) -> bytes:
    text = b"0" * (bundle.MAX_INDEX + 10)
    return zipped({"session.json": text})


def lying_about_its_size(data: bytes) -> bytes:
    """A list of files which says that a gigabyte is a few bytes."""
    packed = bytearray(zipped({"session.json": b"[" * 10_000_000}))
    place = packed.rfind(b"PK\x01\x02") + 24
    packed[place : place + 4] = (10).to_bytes(4, "little")
    return bytes(packed)


def many_files(data: bytes) -> bytes:
    end = bytearray(data)
    end[-10:-6] = (2**31).to_bytes(4, "little")
    return bytes(end)


def zip64(data: bytes) -> bytes:
    return data[:-22] + b"PK\x06\x07" + bytes(16) + data[-22:]


def deep(index: Any) -> None:
    value: Any = 1
    for _ in range(300):
        value = [value]
    index["nodes"][1]["edit"] = {"op": "setting", "name": "mood", "value": value}


def node(place: int, **values: Any) -> Callable[[bytes], bytes]:
    return changed(lambda index: index["nodes"][place].update(values))


def whole(**values: Any) -> Callable[[bytes], bytes]:
    return changed(lambda index: index.update(values))


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "no zip": lambda data: b"PK\x03\x04" + b"garbage" * 50,
    "a picture": lambda data: b"\x89PNG\r\n\x1a\n" + bytes(100),
    "cut off": lambda data: data[: len(data) // 2],
    "its end missing": lambda data: data[:-1],
    "its beginning missing": lambda data: data[40:],
    "a comment": lambda data: data[:-2] + b"\x05\x00hello",
    "an empty zip": lambda data: zipped({}),
    "no session.json": lambda data: zipped({k: v for k, v in files_of(data).items() if k != "session.json"}),
    "up and out": also("../../evil.txt"),
    "from the root": also("/etc/evil"),
    "by drive": also("C:\\evil"),
    "blobs upward": also("blobs/../../evil"),
    "a folder": also("blobs/"),
    "a script": also("evil.py"),
    "a hash in capitals": also("blobs/" + "A" * 64),
    "an unreferenced blob": also("blobs/" + hashlib.sha256(b"x").hexdigest()),
    "one name twice": twice,
    "another packing": lambda data: zipped(files_of(data), compression=zipfile.ZIP_BZIP2),
    "encrypted": encrypted,
    "a bomb": bomb,
    "a lie about its size": lying_about_its_size,
    "a list that fills the memory": many_files,
    "zip64": zip64,
    "a changed blob": one_blob_changed,
    "missing blobs": without_blobs,
    "a blob that is not text": not_text,
    "no JSON": lambda data: zipped({"session.json": b"{"}),
    "no UTF-8": lambda data: zipped({"session.json": b"\xff\xfe{}"}),
    "deep JSON": lambda data: zipped({"session.json": b"[" * 100_000}),
    "a list": changed(lambda index: [index]),
    "null": changed(lambda index: 0),
    "another version": whole(gesso_session=2),
    "something more": whole(evil=1),
    "no nodes": whole(nodes=[]),
    "nodes that are texts": whole(nodes=["a"]),
    "a head elsewhere": whole(head="elsewhere"),
    "no head": whole(head=None),
    "another recipe": whole(recipe="unknown"),
    "a recipe by its path": whole(recipe="/tmp/evil.py"),
    "a recipe that is a number": whole(recipe=3),
    "weights that are numbers": whole(weights={"a": 3}),
    "a title that cannot be shown": whole(title="a\0b"),
    "a long title": whole(title="x" * 1000),
    "two roots": node(1, parent=None),
    "a parent that is not there": node(1, parent="nowhere"),
    "a circle": changed(lambda index: index["nodes"][1].update(parent=index["nodes"][3]["id"])),
    "its own parent": changed(lambda index: index["nodes"][1].update(parent=index["nodes"][1]["id"])),
    "one id twice": changed(lambda index: index["nodes"][2].update(id=index["nodes"][1]["id"])),
    "an id that is a number": node(1, id=1),
    "a favourite of 1": node(1, favourite=1),
    "a name that cannot be shown": node(1, name="\x1b[31m"),
    "no date": node(1, created="yesterday"),
    "an edit of another kind": node(1, edit={"op": "explode"}),
    "an edit that is a list": node(1, edit=[]),
    "an edit of no slot": node(1, edit={"op": "drop", "slot": "nothing"}),
    "a hint outside": node(1, edit=hint(5000, 1)),
    "a file's name": node(1, edit={"op": "set", "slot": "sketch", "value": {"pixels": "/etc/passwd"}}),
    "a blob of another": node(1, edit={"op": "set", "slot": "sketch", "value": {"pixels": {"$blob": "a" * 64}}}),
    "a blob that is a number": node(1, edit={"op": "set", "slot": "sketch", "value": {"pixels": {"$blob": 3}}}),
    "a blob and more": changed(
        lambda index: index["nodes"][1].update(edit={"op": "set", "slot": "sketch", "value": {"pixels": {"$blob": "a" * 64, "x": 1}}})
    ),
    "brackets": changed(deep),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_file_is_refused_and_leaves_nothing(store: Store, how: str):
    made = drawn(store)
    data = HOSTILE[how](store.export("ann", made.id))
    before = rows(store)
    with pytest.raises(GessoError):
        store.import_("bob", data)
    assert rows(store) == before and store.list("bob") == ()


def test_a_valid_file_packed_again_is_imported(store: Store):
    """So the hostile files above are refused for their contents, not for their packing."""
    data = store.export("ann", drawn(store).id)
    assert store.import_("bob", zipped(files_of(data))).num_nodes == 4
    assert store.import_("bob", whole(title="다른")(data)).title == "다른"


def test_random_damage_is_refused_or_harmless(store: Store):
    data = store.export("ann", drawn(store).id)
    rng = random.Random(0)
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        before = rows(store)
        try:
            taken = store.import_("bob", bytes(broken))
        except GessoError:
            assert rows(store) == before
        else:
            for one in store.tree("bob", taken.id):
                store.state("bob", taken.id, one.id)


def test_import_keeps_the_limits(store: Store, tmp_path: Path):
    data = store.export("ann", drawn(store).id)
    for limits in (
        StoreLimits(max_nodes=3),
        StoreLimits(max_owner_bytes=3000),
        StoreLimits(max_edit_bytes=3000),
        StoreLimits(max_sessions=0),
    ):
        small = Store(tmp_path / "small.sqlite", cards=cards, limits=limits)
        with pytest.raises(GessoError):
            small.import_("bob", data)
        assert rows(small) == [[(0,)]] * 4
        small.close()


def test_a_session_too_large_for_one_file_is_not_exported(store: Store, monkeypatch: pytest.MonkeyPatch):
    made = drawn(store)
    monkeypatch.setattr(bundle, "MAX_TEXTS", 1000)
    with pytest.raises(GessoError, match="too large"):
        store.export("ann", made.id)
