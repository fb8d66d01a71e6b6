"""Finding one's way among sessions: rows as what they are, lists, search, names, leaving."""

from __future__ import annotations

import json
from typing import Any

from gesso.errors import GessoError
from gesso.steering.session import Found, Node, NotFound, Session, clean_name, searchable
from gesso.steering.table import Table

SESSION = (
    "SELECT id, recipe, preset, weights, title, root, head, created, changed,"
    " (SELECT count(*) FROM nodes WHERE nodes.owner = sessions.owner AND nodes.session = sessions.id) FROM sessions"
)
NODE = "SELECT id, parent, edit, name, favourite, said, created FROM nodes"
MOST_WORDS = 20


def session_of(row: tuple[Any, ...]) -> Session:
    """A session from a row of SESSION."""
    names = ("id", "recipe", "preset", "weights", "title", "root", "head", "created", "changed", "num_nodes")
    made = dict(zip(names, row, strict=True))
    return Session(**{**made, "weights": json.loads(made["weights"])})


def node_of(row: tuple[Any, ...]) -> Node:
    """A node from a row of NODE."""
    made = dict(zip(("id", "parent", "edit", "name", "favourite", "said", "created"), row, strict=True))
    return Node(**{**made, "edit": json.loads(made["edit"]), "said": json.loads(made["said"]), "favourite": bool(made["favourite"])})


def sessions(table: Table, owner: str) -> tuple[Session, ...]:
    """An owner's, the latest changed first."""
    return tuple(map(session_of, table.rows(f"{SESSION} WHERE owner = ? ORDER BY changed DESC, id", (owner,))))


def search(table: Table, owner: str, text: str, limit: int) -> tuple[Found, ...]:
    """Sessions by title and recipe first, then nodes by name, then nodes by their edits' texts; the latest first.

    All of the words must be there, as parts of words too, whatever their case or way of composing letters.
    """
    if not isinstance(text, str):
        raise GessoError(f"is a text, not {type(text).__name__}", where="search")
    words = searchable(text).split()
    if not words:
        return ()
    if len(words) > MOST_WORDS or len(text) > 1000:
        raise GessoError("is longer than a search", where="search", fix=f"at most {MOST_WORDS} words")
    limit = max(0, min(limit, 1000))
    titled = " AND ".join(["instr(s.found, ?)"] * len(words))
    edited = " AND ".join(["instr(n.found || ' ' || s.found, ?)"] * len(words))
    itself = " OR ".join(["instr(n.found, ?)"] * len(words))  # not each node of a session whose title has the words
    of_sessions = table.rows(
        "SELECT s.id, s.title, s.recipe, NULL, '', '{}', 0, s.changed FROM sessions s"
        f" WHERE s.owner = ? AND {titled} ORDER BY s.changed DESC, s.id LIMIT ?",
        (owner, *words, limit),
    )
    of_nodes = table.rows(
        "SELECT s.id, s.title, s.recipe, n.id, n.name, n.said, n.favourite, n.created"
        " FROM nodes n JOIN sessions s ON s.owner = n.owner AND s.id = n.session"
        f" WHERE n.owner = ? AND {edited} AND ({itself}) ORDER BY n.name = '', n.number DESC LIMIT ?",
        (owner, *words, *words, limit),
    )
    names = ("session", "title", "recipe", "node", "name", "said", "favourite", "created")
    made = (dict(zip(names, row, strict=True)) for row in (of_sessions + of_nodes)[:limit])
    return tuple(Found(**{**one, "said": json.loads(one["said"]), "favourite": bool(one["favourite"])}) for one in made)


def retitle(table: Table, owner: str, session: str, title: str) -> None:
    title = clean_name(title, "title")
    with table.writing() as db:
        found = db.execute("SELECT recipe FROM sessions WHERE owner = ? AND id = ?", (owner, session)).fetchone()
        if found is None:
            raise NotFound("session", "session")
        row = (title, searchable(title, found[0]), owner, session)
        db.execute("UPDATE sessions SET title = ?, found = ? WHERE owner = ? AND id = ?", row)


def mark(table: Table, owner: str, session: str, node: str, *, name: str | None = None, favourite: bool | None = None) -> None:
    """A node's name (already clean), or whether it is a favourite; None leaves it as it is."""
    with table.writing() as db:
        found = db.execute(
            "SELECT name, favourite, words FROM nodes WHERE owner = ? AND session = ? AND id = ?", (owner, session, node)
        ).fetchone()
        if found is None:
            raise NotFound("node", "node")
        new = found[0] if name is None else name
        row = (new, found[1] if favourite is None else favourite, searchable(new, found[2]), owner, session, node)
        db.execute("UPDATE nodes SET name = ?, favourite = ?, found = ? WHERE owner = ? AND session = ? AND id = ?", row)


def delete(table: Table, owner: str, session: str) -> None:
    """Take a session away with its nodes, and the blobs that nothing names any more."""
    with table.writing() as db:
        mine = (owner, session)
        if not db.execute("SELECT 1 FROM sessions WHERE owner = ? AND id = ?", mine).fetchone():
            raise NotFound("session", "session")
        held = [row[0] for row in db.execute("SELECT DISTINCT sha256 FROM uses WHERE owner = ? AND session = ?", mine)]
        db.execute("DELETE FROM sessions WHERE owner = ? AND id = ?", mine)
        for sha256 in held:
            db.execute(
                "DELETE FROM blobs WHERE owner = ? AND sha256 = ? AND NOT EXISTS"
                " (SELECT 1 FROM uses WHERE uses.owner = blobs.owner AND uses.sha256 = blobs.sha256)",
                (owner, sha256),
            )
