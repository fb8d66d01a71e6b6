"""SIGKILL while a process appends: every acknowledged node is there, and the file is intact."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gesso.steering import Store
from unit.steering.example_card import cards, hint

CHILD = """
import sys
sys.path.insert(0, {tests!r})
from unit.steering.example_card import cards, hint, keep, sketch
from gesso.steering import Store

store = Store({path!r}, cards=cards)
made = store.create("ann", "room", "그림", edits=[sketch()])
print("session", made.id, flush=True)
number = 0
while True:
    number += 1
    edit = keep(number % 60, number) if number % 5 == 0 else hint(number % 80, number % 50)
    print("node", store.append("ann", made.id, None, edit, f"key-{{number}}").id, number, flush=True)
"""
TESTS = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("after", [1, 5, 17])
def test_acknowledged_nodes_survive_a_kill(tmp_path: Path, after: int):
    path = tmp_path / "s.sqlite"
    code = CHILD.format(tests=str(TESTS), path=str(path))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert child.stdout is not None
    said = [child.stdout.readline().split() for _ in range(after + 1)]
    time.sleep(0.003 * (after % 4))  # not always at the same point of its work
    os.kill(child.pid, signal.SIGKILL)
    said += [line.split() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    assert child.wait() == -signal.SIGKILL
    session = said[0][1]
    acknowledged = {line[1]: int(line[2]) for line in said[1:]}
    assert len(acknowledged) >= after

    store = Store(path, cards=cards)
    tree = store.tree("ann", session)
    ids = {node.id for node in tree}
    assert set(acknowledged) <= ids and len(tree) - 1 - len(acknowledged) in (0, 1)  # at most the one that it could not tell of
    assert store.session("ann", session).head in ids
    number = max(acknowledged.values())
    last = next(id for id, at in acknowledged.items() if at == number)
    assert store.append("ann", session, None, hint(1, 1), f"key-{number}").id == last  # told again, it is not done again
    for node in tree:
        store.request("ann", session, node.id)
    store.append("ann", session, None, hint(1, 1), "after")
    store.close()
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert file.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_full_disk_leaves_no_partial_write(tmp_path: Path):
    from gesso.errors import GessoError

    store = Store(tmp_path / "s.sqlite", cards=cards)
    made = store.create("ann", "room")
    pages = store._database.read_one("PRAGMA page_count")
    assert pages is not None
    store._database.read_one(f"PRAGMA max_page_count = {pages[0]}")  # SQLite's own word for a disk that is full
    long = {"op": "several", "edits": [hint(n % 80, 1) for n in range(900)]}
    with pytest.raises(GessoError, match="full"):
        store.append("ann", made.id, None, long)
    assert store.session("ann", made.id).num_nodes == 1 and store.session("ann", made.id).head == made.root
    store._database.read_one("PRAGMA max_page_count = 1000000")
    store.append("ann", made.id, None, long)
    assert len(store.state("ann", made.id).values["hints"].marks) == 900


def test_two_processes_append_to_one_session(tmp_path: Path):
    store = Store(tmp_path / "s.sqlite", cards=cards)
    made = store.create("ann", "room")
    code = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from unit.steering.example_card import cards, hint
from gesso.steering import Store
store = Store({str(tmp_path / "s.sqlite")!r}, cards=cards)
for number in range(10):
    store.append("ann", {made.id!r}, None, hint(1, 1), f"{{sys.argv[1]}}-{{number}}")
"""
    children = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(2)]
    assert [child.wait(timeout=500) for child in children] == [0, 0]
    tree = store.tree("ann", made.id)
    assert len(tree) == 21 and len({node.id for node in tree}) == 21
    seen: set[str | None] = {None}
    for node in tree:
        assert node.parent in seen
        seen.add(node.id)
