"""The queries of a session store: lists, search, names, deletion."""

from __future__ import annotations

import json
from typing import Any

from gesso.errors import GessoError
from gesso.steering.session import Node, NotFound, SearchResult, Session, clean_name, search_form
from gesso.storage.sqlite import Database

SESSION = (
    "SELECT id, recipe, preset, weights, title, root, head, created, changed,"
    " (SELECT count(*) FROM nodes WHERE nodes.owner = sessions.owner AND nodes.session = sessions.id) FROM sessions"
)
NODE = "SELECT id, parent, edit, name, favourite, summary, created FROM nodes"
MAX_SEARCH_WORDS, MAX_SEARCH_LENGTH, MAX_FOUND = 20, 1000, 1000


def session_of(row: tuple[Any, ...]) -> Session:
    """A session from a row of SESSION."""
    names = ("id", "recipe", "preset", "weights", "title", "root", "head", "created", "changed", "num_nodes")
    made = dict(zip(names, row, strict=True))
    return Session(**{**made, "weights": json.loads(made["weights"])})


def node_of(row: tuple[Any, ...]) -> Node:
    """A node from a row of NODE."""
    made = dict(zip(("id", "parent", "edit", "name", "favourite", "said", "created"), row, strict=True))
    return Node(**{**made, "edit": json.loads(made["edit"]), "said": json.loads(made["said"]), "favourite": bool(made["favourite"])})


def sessions(database: Database, owner: str) -> tuple[Session, ...]:
    """An owner's sessions, the latest changed first."""
    return tuple(map(session_of, database.read(f"{SESSION} WHERE owner = ? ORDER BY changed DESC, id", (owner,))))


def search(database: Database, owner: str, text: str, limit: int) -> tuple[SearchResult, ...]:
    """Sessions by title and recipe first, then nodes by name, then nodes by their edits' texts; the latest first.

    Every word of `text` must occur, also as a part of a word; case and Unicode composition do not matter.
    """
    if not isinstance(text, str):
        raise GessoError(f"is a text, not {type(text).__name__}", where="search")
    words = search_form(text).split()
    if not words:
        return ()
    if len(words) > MAX_SEARCH_WORDS or len(text) > MAX_SEARCH_LENGTH:
        raise GessoError("the search text is too long", where="search", fix=f"at most {MAX_SEARCH_WORDS} words")
    limit = max(0, min(limit, MAX_FOUND))
    in_session = " AND ".join(["instr(s.search_text, ?)"] * len(words))
    in_either = " AND ".join(["instr(n.search_text || ' ' || s.search_text, ?)"] * len(words))
    in_node = " OR ".join(["instr(n.search_text, ?)"] * len(words))  # otherwise a session's title would find each of its nodes
    of_sessions = database.read(
        "SELECT s.id, s.title, s.recipe, NULL, '', '{}', 0, s.changed FROM sessions s"
        f" WHERE s.owner = ? AND {in_session} ORDER BY s.changed DESC, s.id LIMIT ?",
        (owner, *words, limit),
    )
    of_nodes = database.read(
        "SELECT s.id, s.title, s.recipe, n.id, n.name, n.summary, n.favourite, n.created"
        " FROM nodes n JOIN sessions s ON s.owner = n.owner AND s.id = n.session"
        f" WHERE n.owner = ? AND {in_either} AND ({in_node}) ORDER BY n.name = '', n.number DESC LIMIT ?",
        (owner, *words, *words, limit),
    )
    names = ("session", "title", "recipe", "node", "name", "said", "favourite", "created")
    made = (dict(zip(names, row, strict=True)) for row in (of_sessions + of_nodes)[:limit])
    return tuple(SearchResult(**{**one, "said": json.loads(one["said"]), "favourite": bool(one["favourite"])}) for one in made)


def retitle(database: Database, owner: str, session: str, title: str) -> None:
    title = clean_name(title, "title")
    with database.writing() as db:
        found = db.execute("SELECT recipe FROM sessions WHERE owner = ? AND id = ?", (owner, session)).fetchone()
        if found is None:
            raise NotFound("session", "session")
        row = (title, search_form(title, found[0]), owner, session)
        db.execute("UPDATE sessions SET title = ?, search_text = ? WHERE owner = ? AND id = ?", row)


def mark(database: Database, owner: str, session: str, node: str, *, name: str | None = None, favourite: bool | None = None) -> None:
    """Set a node's name (already clean) or whether it is a favourite; None leaves it as it is."""
    with database.writing() as db:
        found = db.execute(
            "SELECT name, favourite, words FROM nodes WHERE owner = ? AND session = ? AND id = ?", (owner, session, node)
        ).fetchone()
        if found is None:
            raise NotFound("node", "node")
        new = found[0] if name is None else name
        row = (new, found[1] if favourite is None else favourite, search_form(new, found[2]), owner, session, node)
        db.execute("UPDATE nodes SET name = ?, favourite = ?, search_text = ? WHERE owner = ? AND session = ? AND id = ?", row)


def delete(database: Database, owner: str, session: str) -> None:
    """Delete a session, its nodes, and the long texts that no other node of the owner uses."""
    with database.writing() as db:
        mine = (owner, session)
        if not db.execute("SELECT 1 FROM sessions WHERE owner = ? AND id = ?", mine).fetchone():
            raise NotFound("session", "session")
        used = [row[0] for row in db.execute("SELECT DISTINCT sha256 FROM uses WHERE owner = ? AND session = ?", mine)]
        db.execute("DELETE FROM sessions WHERE owner = ? AND id = ?", mine)
        for sha256 in used:
            db.execute(
                "DELETE FROM blobs WHERE owner = ? AND sha256 = ? AND NOT EXISTS"
                " (SELECT 1 FROM uses WHERE uses.owner = blobs.owner AND uses.sha256 = blobs.sha256)",
                (owner, sha256),
            )
