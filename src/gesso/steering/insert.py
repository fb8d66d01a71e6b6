"""A checked step on its way into the database, and the limits it must keep."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gesso.errors import GessoError
from gesso.media.budget import in_megabytes
from gesso.steering import blob
from gesso.steering.session import NotFound, search_form

MAX_SEARCHED = 10_000  # characters of an edit's texts that a search reads


@dataclass(frozen=True)
class StoreLimits:
    """What one owner may store, and how much a store keeps in memory."""

    max_sessions: int = 10_000
    max_nodes: int = 20_000  # of a session
    max_edit_bytes: int = 2**28
    max_owner_bytes: int = 2**36
    cache_bytes: int = 2**29
    cache_states: int = 1024


@dataclass(frozen=True)
class NewNode:
    """A checked step that is not in the database yet."""

    id: str
    parent: str | None
    edit: Mapping[str, Any]  # JSON, with {"$blob": sha256} in place of each long text
    texts: Mapping[str, str]  # those texts by sha256
    summary: Mapping[str, str]  # by language
    created: str
    client: str | None = None
    name: str = ""
    favourite: bool = False


def insert_session(
    db: sqlite3.Connection,
    limits: StoreLimits,
    owner: str,
    id: str,
    *,
    recipe: str,
    title: str,
    preset: str,
    weights: Mapping[str, str],
    root: str,
) -> None:
    """Insert a session's row; the node with the id `root` must be inserted in the same transaction."""
    count = db.execute("SELECT count(*) FROM sessions WHERE owner = ?", (owner,)).fetchone()[0]
    if count >= limits.max_sessions:
        raise GessoError(f"there are {count} sessions", where="session", fix="delete some")
    time = now()
    columns = {
        "id": id,
        "owner": owner,
        "recipe": recipe,
        "preset": preset,
        "weights": json.dumps(dict(weights)),
        "title": title,
        "search_text": search_form(title, recipe),
        "root": root,
        "head": root,
        "created": time,
        "changed": time,
    }
    _insert(db, "sessions", columns)


def insert_node(db: sqlite3.Connection, limits: StoreLimits, owner: str, session: str, node: NewNode) -> None:
    """Insert a node and its long texts; NotFound where another thread has deleted the session."""
    mine = (owner, session)
    if not db.execute("SELECT 1 FROM sessions WHERE owner = ? AND id = ?", mine).fetchone():
        raise NotFound("session", "session")
    if db.execute("SELECT count(*) FROM nodes WHERE owner = ? AND session = ?", mine).fetchone()[0] >= limits.max_nodes:
        raise GessoError(f"this session has {limits.max_nodes} nodes", where="session", fix="begin a new one from here")
    edit = blob.to_line(node.edit)
    words = " ".join(short_texts(node.edit))[:MAX_SEARCHED].encode("utf-8", "replace").decode()
    columns = {
        "id": node.id,
        "owner": owner,
        "session": session,
        "parent": node.parent,
        "edit": edit,
        "size": len(edit),
        "name": node.name,
        "favourite": node.favourite,
        "summary": json.dumps(dict(node.summary)),
        "words": words,
        "search_text": search_form(node.name, words),
        "client": node.client,
        "created": node.created,
    }
    _insert(db, "nodes", columns)
    for sha256, text in node.texts.items():
        data = text.encode()
        db.execute("INSERT OR IGNORE INTO blobs (owner, sha256, size, text) VALUES (?, ?, ?, ?)", (owner, sha256, len(data), data))
    uses = [(owner, sha256, session, node.id) for sha256 in blob.hashes(node.edit)]
    db.executemany("INSERT INTO uses (owner, sha256, session, node) VALUES (?, ?, ?, ?)", uses)


def check_quota(db: sqlite3.Connection, limits: StoreLimits, owner: str) -> None:
    """GessoError, which rolls the transaction back, where the owner's rows take more bytes than allowed."""
    sums = [db.execute(f"SELECT coalesce(sum(size), 0) FROM {table} WHERE owner = ?", (owner,)) for table in ("blobs", "nodes")]
    used = sum(one.fetchone()[0] for one in sums)
    if used > limits.max_owner_bytes:
        most = in_megabytes(limits.max_owner_bytes)
        raise GessoError(f"your sessions would take {in_megabytes(used)}", where="session", fix=f"at most {most}: delete some")


def short_texts(edit: Any) -> list[str]:
    """The texts in an edit's JSON and the names of their fields; pictures and operation names are left out."""
    if isinstance(edit, str):
        return [] if edit[:5].lower() == "data:" else [edit]
    if isinstance(edit, Mapping):
        return [text for name, one in edit.items() if name not in ("op", blob.KEY) for text in short_texts(one)]
    return [text for one in edit for text in short_texts(one)] if isinstance(edit, list) else []


def new_id() -> str:
    return secrets.token_hex(10)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _insert(db: sqlite3.Connection, table: str, columns: Mapping[str, Any]) -> None:
    db.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", tuple(columns.values()))
