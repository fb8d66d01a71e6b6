"""What is about to be written: a step that was checked, and how it becomes rows inside a transaction."""

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
from gesso.steering.session import NotFound, searchable

MOST_WORDS = 10_000  # characters of an edit's texts that a search looks through


@dataclass(frozen=True)
class Limits:
    """What one owner may keep, and what a store remembers of what it folded."""

    max_sessions: int = 10_000
    max_nodes: int = 20_000  # of a session
    max_edit_bytes: int = 2**28
    max_owner_bytes: int = 2**36
    cache_bytes: int = 2**29
    cache_states: int = 1024


@dataclass(frozen=True)
class Draft:
    """A step that was checked."""

    id: str
    parent: str | None
    light: Mapping[str, Any]  # its edit's JSON, long texts by hash
    texts: Mapping[str, str]  # those texts
    said: Mapping[str, str]
    created: str
    client: str | None = None
    name: str = ""
    favourite: bool = False


def begin(
    db: sqlite3.Connection,
    limits: Limits,
    owner: str,
    id: str,
    *,
    recipe: str,
    title: str,
    preset: str,
    weights: Mapping[str, str],
    root: str,
) -> None:
    """A session's row; the node named `root` must follow in the same transaction."""
    count = db.execute("SELECT count(*) FROM sessions WHERE owner = ?", (owner,)).fetchone()[0]
    if count >= limits.max_sessions:
        raise GessoError(f"there are {count} sessions", where="session", fix="delete some")
    time = now()
    row = (id, owner, recipe, preset, json.dumps(dict(weights)), title, searchable(title, recipe), root, root, time, time)
    db.execute(f"INSERT INTO sessions VALUES ({', '.join('?' * len(row))})", row)


def add(db: sqlite3.Connection, limits: Limits, owner: str, session: str, draft: Draft) -> None:
    """A node and its blobs."""
    mine = (owner, session)
    if not db.execute("SELECT 1 FROM sessions WHERE owner = ? AND id = ?", mine).fetchone():
        raise NotFound("session", "session")  # deleted meanwhile
    if db.execute("SELECT count(*) FROM nodes WHERE owner = ? AND session = ?", mine).fetchone()[0] >= limits.max_nodes:
        raise GessoError(f"this session has {limits.max_nodes} nodes", where="session", fix="begin a new one from here")
    edit = blob.written(draft.light)
    words = " ".join(short_texts(draft.light))[:MOST_WORDS].encode("utf-8", "replace").decode()
    columns = {
        "id": draft.id,
        "owner": owner,
        "session": session,
        "parent": draft.parent,
        "edit": edit,
        "size": len(edit),
        "name": draft.name,
        "favourite": draft.favourite,
        "said": json.dumps(dict(draft.said)),
        "words": words,
        "found": searchable(draft.name, words),
        "client": draft.client,
        "created": draft.created,
    }
    db.execute(f"INSERT INTO nodes ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", tuple(columns.values()))
    for sha256, text in draft.texts.items():
        data = text.encode()
        db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?)", (owner, sha256, len(data), data))
    db.executemany("INSERT INTO uses VALUES (?, ?, ?, ?)", [(owner, sha256, session, draft.id) for sha256 in blob.hashes(draft.light)])


def check_quota(db: sqlite3.Connection, limits: Limits, owner: str) -> None:
    """GessoError, which takes the transaction back, where the owner's rows have become more than is allowed."""
    sums = [db.execute(f"SELECT coalesce(sum(size), 0) FROM {table} WHERE owner = ?", (owner,)) for table in ("blobs", "nodes")]
    used = sum(one.fetchone()[0] for one in sums)
    if used > limits.max_owner_bytes:
        most = in_megabytes(limits.max_owner_bytes)
        raise GessoError(f"your sessions would take {in_megabytes(used)}", where="session", fix=f"at most {most}: delete some")


def short_texts(light: Any) -> list[str]:
    """The texts in an edit, and the names of what they are for: what a search may find."""
    if isinstance(light, str):
        return [] if light[:5].lower() == "data:" else [light]
    if isinstance(light, Mapping):
        return [text for name, one in light.items() if name not in ("op", blob.KEY) for text in short_texts(one)]
    return [text for one in light for text in short_texts(one)] if isinstance(light, list) else []


def new_id() -> str:
    return secrets.token_hex(10)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
