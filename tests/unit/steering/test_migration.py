"""A store of schema version 1 is migrated once, even by several processes at the same time, or if one is killed at any statement."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from gesso.steering import Store

OLD = Path(__file__).resolve().parents[2] / "old" / "steering" / "sessions.sqlite"
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
READ = """
import json
def read(store):
    found = []
    for owner in ("ann", "bob"):
        for session in store.list(owner):
            found.append(session.model_dump(mode="json"))
            for node in store.tree(owner, session.id):
                found.append(node.model_dump(mode="json") | {"whole": store.edit(owner, session.id, node.id)})
    return json.dumps(found)
"""
OPENS_AT_ONCE = (
    READ
    + """
import sys
from gesso.steering import Store
print("ready", flush=True)
for path in sys.argv[1:]:
    sys.stdin.readline()
    store = Store(path)
    print(read(store), flush=True)
    store.close()
"""
)
KILLED_AT_EACH_STATEMENT = (
    READ
    + """
import os, shutil, signal, sqlite3, sys
from pathlib import Path
from gesso.steering import Store

class Dying(sqlite3.Connection):
    left = 0
    def execute(self, *statement):
        if Dying.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        Dying.left -= 1
        return super().execute(*statement)

old, folder, connect = Path(sys.argv[1]), Path(sys.argv[2]), sqlite3.connect
statements = 0
while True:
    path = Path(shutil.copy(old, folder / f"{statements}.sqlite"))
    child = os.fork()
    if child == 0:
        Dying.left = statements
        sqlite3.connect = lambda *place, **more: connect(*place, factory=Dying, **more)
        Store(path)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    store = Store(path)
    print(statements, status, read(store), flush=True)
    store.close()
    if status == 0:
        break
    statements += 1
"""
)


def expected() -> str:
    """What the old file says, read without the code that is tested."""
    import json

    from gesso.steering import blob

    with closing(sqlite3.connect(f"file:{OLD}?mode=ro&immutable=1", uri=True)) as file:
        texts = {sha256: bytes(text).decode() for sha256, text in file.execute("SELECT sha256, text FROM blobs")}
        found = []
        for owner in ("ann", "bob"):
            session = file.execute(
                "SELECT id, recipe, preset, weights, title, root, head, created, changed FROM sessions WHERE owner = ?", (owner,)
            ).fetchone()
            nodes = file.execute(
                "SELECT id, parent, edit, name, favourite, said, created FROM nodes WHERE owner = ? ORDER BY number", (owner,)
            ).fetchall()
            names = ("id", "recipe", "preset", "weights", "title", "root", "head", "created", "changed")
            one = dict(zip(names, session, strict=True)) | {"weights": json.loads(session[3]), "num_nodes": len(nodes)}
            found.append({name: one[name] for name in (*names[:7], "num_nodes", "created", "changed")})
            for id, parent, edit, name, favourite, said, created in nodes:
                light = json.loads(edit)
                node = {"id": id, "parent": parent, "edit": light, "name": name, "favourite": bool(favourite)}
                found.append(node | {"said": json.loads(said), "created": created, "whole": blob.restore(light, texts.__getitem__)})
    return json.dumps(found)


def test_several_processes_open_an_old_file_at_once(tmp_path: Path):
    paths = [Path(shutil.copy(OLD, tmp_path / f"{n}.sqlite")) for n in range(6)]
    command = [sys.executable, "-c", OPENS_AT_ONCE, *map(str, paths)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(command, env=ENVIRONMENT, text=True, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    wanted = expected()
    for one in processes:
        assert one.stdout.readline() == "ready\n"
    for _ in paths:
        for one in processes:  # both are waiting for this line, so both open the file now
            one.stdin.write("\n")
            one.stdin.flush()
        for one in processes:
            assert one.stdout.readline().rstrip("\n") == wanted
    for one in processes:
        one.stdin.close()
        assert one.wait(60) == 0
        one.stdout.close()
    for path in paths:
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("PRAGMA user_version").fetchone() == (2,)
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert file.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_process_killed_at_any_statement_of_the_migration_loses_nothing(tmp_path: Path):
    command = [sys.executable, "-c", KILLED_AT_EACH_STATEMENT, str(OLD), str(tmp_path)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert [line[1] for line in lines] == ["9"] * (len(lines) - 1) + ["0"] and len(lines) > 12
    wanted = expected()
    assert {line[2] for line in lines} == {wanted}


def test_a_migrated_file_has_the_tables_of_a_new_one(tmp_path: Path):
    shutil.copy(OLD, tmp_path / "old.sqlite")
    told = []
    for name in ("old.sqlite", "new.sqlite"):
        store = Store(tmp_path / name)
        tables = ("sessions", "nodes", "blobs", "uses")
        told.append([store._database.read(f"PRAGMA {what}({table})") for table in tables for what in ("table_info", "foreign_key_list")])
        told[-1].append(store._database.read("SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name"))
        store.close()
    assert told[0] == told[1]
