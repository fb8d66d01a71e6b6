"""Make the files of this folder with the code of the tree in which this runs: python tests/old/steering/make.py FOLDER.

It was run once, at commit 4751195 (schema version 1). Run again, it makes files of the present version, which is not what they are for.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gesso.conditions.known import Known
from gesso.conditions.sketch import Sketch
from gesso.request import Request
from gesso.steering import Session, Store

WORDS = ("고양이", "hints", "#ff8800", "digits", "봄 #00aa88", "첫 힌트")


def sketch(seed: int) -> dict[str, Any]:
    """Noise, so that its PNG is long enough to be stored apart from the edit."""
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 72), dtype=np.uint8)
    return {"op": "set", "slot": "sketch", "value": Sketch(pixels=pixels).model_dump(mode="json")}


def hint(x: float, y: float, color: str) -> dict[str, Any]:
    return {"op": "merge", "slot": "hints", "value": {"marks": [{"x": x, "y": y, "color": color}]}}


def keep(left: int) -> dict[str, Any]:
    mask = np.zeros((64, 72), bool)
    mask[5:20, left : left + 10] = True
    pixels = np.full((64, 72, 3), (200, 120, 40), np.uint8)
    return {"op": "merge", "slot": "keep", "value": Known(pixels=pixels, mask=mask).model_dump(mode="json")}


def stroke(slot: str, *path: tuple[float, float]) -> dict[str, Any]:
    return {"op": "merge", "slot": slot, "value": {"strokes": [{"path": path, "radius": 2}]}}


def several(*edits: dict[str, Any]) -> dict[str, Any]:
    return {"op": "several", "edits": edits}


def draw(store: Store) -> list[tuple[str, Session]]:
    """Two sessions of two owners: edits, undone ones, a branch, a kept part, names."""
    cat = store.create("ann", "colorize", "봄 고양이", edits=[sketch(0)], weights={"generator": "a" * 64})
    first = store.append("ann", cat.id, None, hint(10, 12, "#ff8800"), "client-1")
    store.append("ann", cat.id, None, several(hint(40, 30, "#00aa88"), {"op": "setting", "name": "guess", "value": 1.0}))
    store.append("ann", cat.id, None, keep(30))
    store.append("ann", cat.id, None, stroke("cuts", (5, 5), (20, 40)))
    store.undo("ann", cat.id)
    store.append("ann", cat.id, None, {"op": "take", "slot": "hints", "index": 0})
    branch = store.append("ann", cat.id, first.id, several({"op": "seed", "value": 7}, stroke("paper", (60, 60))))
    store.append("ann", cat.id, branch.id, {"op": "drop", "slot": "hints"})
    store.rename("ann", cat.id, first.id, "첫 힌트")
    store.favourite("ann", cat.id, branch.id)
    # Redo goes to the child that was left last, which is here not the newest one.
    older = next(node for node in store.tree("ann", cat.id) if node.parent == first.id and node.id != branch.id)
    store.show("ann", cat.id, older.id)
    store.show("ann", cat.id, first.id)
    digit = store.create("bob", "digits", "seven", edits=[{"op": "set", "slot": "label", "value": {"name": "7"}}])
    store.append("bob", digit.id, None, {"op": "seed", "value": 3})
    store.undo("bob", digit.id)
    return [("ann", store.session("ann", cat.id)), ("bob", store.session("bob", digit.id))]


def told_of(store: Store, owner: str, session: str) -> dict[str, Any]:
    """What a store answers about a session, as JSON. Ends with a redo, so that the head has moved."""
    made = store.session(owner, session)
    tree = store.tree(owner, session)
    told = {
        "session": made.model_dump(mode="json"),
        "nodes": [node.model_dump(mode="json") for node in tree],
        "edits": [store.edit(owner, session, node.id) for node in tree],
        "requests": [request_told(store.request(owner, session, node.id)) for node in tree],
        "differences": [store.compare(owner, session, made.root, node.id) for node in tree],
        "found": {text: [one.model_dump(mode="json") for one in store.search(owner, text)] for text in WORDS},
    }
    told["redone"] = store.redo(owner, session).head
    return told


def request_told(request: Request) -> dict[str, Any]:
    """A request as JSON, arrays by their contents: the bytes of a PNG are another zlib's to choose."""
    conditions = {
        slot: {name: array_told(getattr(value, name)) for name in type(value).model_fields} for slot, value in request.conditions.items()
    }
    told: dict[str, Any] = json.loads(request.canonical())
    return told | {"conditions": conditions}


def array_told(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if isinstance(value, tuple):
        return [one.model_dump(mode="json") if hasattr(one, "model_dump") else one for one in value]
    return value


def main(folder: Path) -> None:
    store = Store(folder / "sessions.sqlite")
    made = draw(store)
    (folder / "session.gesso.zip").write_bytes(store.export("ann", made[0][1].id))
    store.close()  # SQLite then copies its log into the one file
    data = (folder / "sessions.sqlite").read_bytes()
    store = Store(folder / "sessions.sqlite")
    told = {owner: told_of(store, owner, session.id) for owner, session in made}
    store.close()
    (folder / "sessions.sqlite").write_bytes(data)  # as it was before the redo
    (folder / "expected.json").write_text(json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
