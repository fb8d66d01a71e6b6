"""The store: sessions of all owners in one file, each a tree of edits that only grows."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gesso.card import Card, Slot, readable
from gesso.conditions.condition import Condition
from gesso.errors import GessoError
from gesso.media.budget import in_megabytes
from gesso.request import Request
from gesso.steering import blob, library
from gesso.steering.cache import Cache, weigh
from gesso.steering.edit import parse_edit, singles, to_json, together
from gesso.steering.fold import State, check, fold, missing, read_value, to_request
from gesso.steering.library import NODE, SESSION
from gesso.steering.session import Found, Node, NotFound, Session, clean_name, searchable
from gesso.steering.table import Table
from gesso.steering.words import differences, said_of

PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
FIRST = State()


@dataclass(frozen=True)
class Limits:
    """What one owner may keep, and what one store remembers of what it folded."""

    max_sessions: int = 10_000
    max_nodes: int = 100_000  # of a session
    max_edit_bytes: int = 2**28
    max_owner_bytes: int = 2**36
    cache_bytes: int = 2**29
    cache_states: int = 1024


@dataclass(frozen=True)
class Draft:
    """A step that was checked and is about to be written."""

    id: str
    parent: str | None
    light: str  # its edit as JSON, long texts by hash
    texts: Mapping[str, str]
    said: Mapping[str, str]
    name: str = ""
    favourite: bool = False
    client: str | None = None
    created: str = ""


def find_card(recipe: str) -> Card:
    """The card of a recipe by its name alone: a path would run a stranger's file."""
    from gesso import recipes

    if not isinstance(recipe, str) or not PLAIN_NAME.fullmatch(recipe):
        raise GessoError("is no recipe's name", where="recipe", fix="one of " + ", ".join(recipes.names()))
    return recipes.find(recipe).card


class Store:
    """Sessions in an SQLite file, which is made where there is none. Safe from any thread and beside other processes.

    What a method has returned is on disk. `owner` is any text that names who asks; what belongs to another owner is
    NotFound. `cards` gives a recipe's card by name. All mistakes are GessoErrors, after which nothing is half-written.
    """

    def __init__(self, path: str | Path, *, cards: Callable[[str], Card] = find_card, limits: Limits = Limits()) -> None:
        self._table, self.cards, self.limits = Table(path), cards, limits
        self._states: Cache[State] = Cache(limits.cache_bytes // 2, limits.cache_states)
        self._values: Cache[Condition] = Cache(limits.cache_bytes // 2, 64)

    def close(self) -> None:
        self._table.close()
        self._states.clear()
        self._values.clear()

    # Growing

    def create(
        self,
        owner: str,
        recipe: str,
        title: str = "",
        edits: Iterable[Any] = (),
        *,
        preset: str = "",
        weights: Mapping[str, str] | None = None,
    ) -> Session:
        """A session whose root is the given edits together. `preset` and `weights` go into its requests as they are."""
        card = self.cards(recipe)
        title = clean_name(title, "title")
        draft, state = self._draft(card, FIRST, together(edits), parent=None)
        with readable_errors():
            Request(recipe=card.name, preset=preset, weights=dict(weights or {}))
        id = _new_id()
        with self._table.writing() as db:
            self._begin(db, owner, id, card.name, title, preset, dict(weights or {}), draft.id)
            self._write(db, owner, id, draft)
        self._keep(owner, id, draft.id, state, FIRST)
        return self.session(owner, id)

    def append(self, owner: str, session: str, parent: str | None, edit: Any, client: str | None = None) -> Node:
        """A new node under `parent` (None: the head), which becomes the head; under an older one it is a branch.

        `client` is a key of the caller's own: the same key again gives the node that the first call made.
        """
        if (known := self._made_by(owner, session, client)) is not None:
            return known
        before = self.session(owner, session)
        parent = before.head if parent is None else parent
        card = self.cards(before.recipe)
        old = self._state(owner, session, parent, card)
        draft, state = self._draft(card, old, parse_edit(edit), parent=parent, client=client)
        with self._table.writing() as db:
            if (known := self._made_by(owner, session, client)) is not None:  # by another thread, meanwhile
                return known
            self._write(db, owner, session, draft)
            db.execute("UPDATE sessions SET head = ?, changed = ? WHERE owner = ? AND id = ?", (draft.id, draft.created, owner, session))
            db.execute("UPDATE nodes SET went = ? WHERE owner = ? AND session = ? AND id = ?", (draft.id, owner, session, parent))
        self._keep(owner, session, draft.id, state, old)
        return self.node(owner, session, draft.id)

    # Moving

    def show(self, owner: str, session: str, node: str) -> Session:
        """The head moved to a node. Nodes that lie between are remembered as the way that redo goes."""
        head = self.session(owner, session).head
        self.node(owner, session, node)
        path = self._path(owner, session, head, until=node)
        with self._table.writing() as db:
            if path is not None:
                steps = [(child, owner, session, parent) for child, parent in zip(path, path[1:], strict=False)]
                db.executemany("UPDATE nodes SET went = ? WHERE owner = ? AND session = ? AND id = ?", steps)
            changed = db.execute("UPDATE sessions SET head = ?, changed = ? WHERE owner = ? AND id = ?", (node, _now(), owner, session))
            if not changed.rowcount:
                raise NotFound("session", "session")
        return self.session(owner, session)

    def undo(self, owner: str, session: str) -> Session:
        """The head moved to its parent; at the root it stays."""
        now = self.session(owner, session)
        parent = self.node(owner, session, now.head).parent
        return now if parent is None else self.show(owner, session, parent)

    def redo(self, owner: str, session: str) -> Session:
        """The head moved to the child that was left last, or the newest; where there is none it stays."""
        now = self.session(owner, session)
        found = self._table.row(
            "SELECT c.id FROM nodes c JOIN nodes p ON p.session = c.session AND p.id = c.parent"
            " WHERE c.owner = ? AND c.session = ? AND c.parent = ? ORDER BY c.id = p.went DESC, c.number DESC LIMIT 1",
            (owner, session, now.head),
        )
        return now if found is None else self.show(owner, session, found[0])

    # Reading

    def session(self, owner: str, session: str) -> Session:
        found = self._table.row(f"{SESSION} WHERE owner = ? AND id = ?", (owner, session))
        if found is None:
            raise NotFound("session", "session")
        return library.session_of(found)

    def node(self, owner: str, session: str, node: str) -> Node:
        found = self._table.row(f"{NODE} WHERE owner = ? AND session = ? AND id = ?", (owner, session, node))
        if found is None:
            raise NotFound("node", "node")
        return library.node_of(found)

    def tree(self, owner: str, session: str) -> tuple[Node, ...]:
        """All nodes, oldest first: the root, and each after its parent."""
        self.session(owner, session)
        return tuple(map(library.node_of, self._table.rows(f"{NODE} WHERE owner = ? AND session = ? ORDER BY number", (owner, session))))

    def state(self, owner: str, session: str, node: str | None = None) -> State:
        """What the edits up to a node (None: the head) have come to; `missing` may still be needed for a request."""
        found = self.session(owner, session)
        return self._state(owner, session, node or found.head, self.cards(found.recipe))

    def missing(self, owner: str, session: str, node: str | None = None) -> tuple[str, ...]:
        """The conditions and settings without which a node is no request yet."""
        found = self.session(owner, session)
        return missing(self.cards(found.recipe), self.state(owner, session, node))

    def request(self, owner: str, session: str, node: str | None = None) -> Request:
        """A node (None: the head) as a request; Incomplete, naming what is missing, where it is none yet.

        Conditions that an edit did not touch are the same objects in the requests of parent and child.
        """
        found = self.session(owner, session)
        card = self.cards(found.recipe)
        state = self._state(owner, session, node or found.head, card)
        return to_request(card, state, weights=found.weights, preset=found.preset)

    def tried(self, owner: str, session: str, node: str | None, edit: Any) -> Request:
        """The request that an edit of a node would make; nothing is written (while the pen is still down)."""
        found = self.session(owner, session)
        card = self.cards(found.recipe)
        old = self._state(owner, session, node or found.head, card)
        draft = parse_edit(edit)
        _bounded(draft, self.limits)
        state = fold(card, old, draft)
        check(card, state)
        return to_request(card, state, weights=found.weights, preset=found.preset)

    def edit(self, owner: str, session: str, node: str) -> dict[str, Any]:
        """A node's edit as it was given, long texts in their places."""
        whole: dict[str, Any] = blob.restore(dict(self.node(owner, session, node).edit), lambda sha256: self._text(owner, sha256))
        return whole

    def compare(self, owner: str, session: str, a: str, b: str) -> list[dict[str, Any]]:
        """What b has otherwise than a; see `words.differences`."""
        card = self.cards(self.session(owner, session).recipe)
        return differences(card, self._state(owner, session, a, card), self._state(owner, session, b, card))

    def list(self, owner: str) -> tuple[Session, ...]:
        """The owner's sessions, the latest changed first."""
        return library.sessions(self._table, owner)

    def search(self, owner: str, text: str, limit: int = 200) -> tuple[Found, ...]:
        """Sessions and nodes in whose title, name, or edits' texts all words of `text` are found; see `library.search`."""
        return library.search(self._table, owner, text, limit)

    # Naming and leaving

    def retitle(self, owner: str, session: str, title: str) -> Session:
        library.retitle(self._table, owner, session, title)
        return self.session(owner, session)

    def rename(self, owner: str, session: str, node: str, name: str) -> Node:
        """A node's name; an empty one takes it away."""
        library.mark(self._table, owner, session, node, name=name)
        return self.node(owner, session, node)

    def favourite(self, owner: str, session: str, node: str, favourite: bool = True) -> Node:
        library.mark(self._table, owner, session, node, favourite=favourite)
        return self.node(owner, session, node)

    def delete(self, owner: str, session: str) -> None:
        """The session, its nodes, and what no other session of the owner holds."""
        library.delete(self._table, owner, session)
        self._states.clear()

    # Folding

    def _draft(self, card: Card, old: State, edit: Any, *, parent: str | None, client: str | None = None) -> tuple[Draft, State]:
        """The step, if everything about it is right, and the state that it leads to."""
        if client is not None and (not isinstance(client, str) or not 0 < len(client) <= 200 or not client.isprintable()):
            raise GessoError("is no key", where="client", fix="a text of 1 to 200 characters, different for each edit")
        light, texts = _bounded(edit, self.limits)
        values: dict[int, Condition] = {}

        def read(slot: Slot, value: Any) -> Condition:
            made = values[id(value)] = read_value(slot, value)
            return made

        state = fold(card, old, edit, read)
        check(card, state)
        for one, lighter in zip(singles(edit), light.get("edits", [light]), strict=True):
            if "slot" in lighter and "value" in lighter and blob.hashes(lighter["value"]):
                self._values.put((card.name, one.slot, blob.written(lighter["value"])), values[id(one.value)], weigh(values[id(one.value)]))
        said = said_of(differences(card, old, state), begun=parent is None)
        return Draft(_new_id(), parent, blob.written(light), texts, said, client=client, created=_now()), state

    def _state(self, owner: str, session: str, node: str, card: Card) -> State:
        """Folded from the nearest ancestor that is remembered."""
        waiting: list[tuple[str, Any]] = []
        at: str | None = node
        state: State | None = FIRST
        while at is not None and (state := self._states.get((owner, session, at))) is None:
            found = self.node(owner, session, at)
            waiting.append((at, found.edit))
            at, state = found.parent, FIRST
        assert state is not None
        for id, light in reversed(waiting):
            new = fold(card, state, parse_edit(light), lambda slot, value: self._read(owner, card, slot, value))
            self._keep(owner, session, id, new, state)
            state = new
        return state

    def _read(self, owner: str, card: Card, slot: Slot, light: Any) -> Condition:
        """A value of stored JSON; a picture that was decoded lately is not decoded again."""
        if not blob.hashes(light):
            return read_value(slot, light)
        key = (card.name, slot.name, blob.written(light))
        value = self._values.get(key)
        if value is None:
            value = read_value(slot, blob.restore(light, lambda sha256: self._text(owner, sha256)))
            self._values.put(key, value, weigh(value))
        return value

    def _keep(self, owner: str, session: str, node: str, state: State, before: State) -> None:
        changed = [value for name, value in state.values.items() if value is not before.values.get(name)]
        self._states.put((owner, session, node), state, 1024 + sum(map(weigh, changed)))

    # Rows

    def _text(self, owner: str, sha256: str) -> str:
        found = self._table.row("SELECT text FROM blobs WHERE owner = ? AND sha256 = ?", (owner, sha256))
        if found is None:
            raise NotFound("part of an edit", "edit")
        return bytes(found[0]).decode()

    def _made_by(self, owner: str, session: str, client: str | None) -> Node | None:
        if client is None:
            return None
        found = self._table.row(f"{NODE} WHERE owner = ? AND session = ? AND client = ?", (owner, session, str(client)))
        return None if found is None else library.node_of(found)

    def _path(self, owner: str, session: str, start: str, until: str) -> list[str] | None:
        """Nodes from one up to its ancestor, both included; None where that is no ancestor."""
        path = [start]
        while path[-1] != until:
            parent = self.node(owner, session, path[-1]).parent
            if parent is None:
                return None
            path.append(parent)
        return path

    def _begin(
        self, db: sqlite3.Connection, owner: str, id: str, recipe: str, title: str, preset: str, weights: Mapping[str, str], root: str
    ) -> None:
        count = db.execute("SELECT count(*) FROM sessions WHERE owner = ?", (owner,)).fetchone()[0]
        if count >= self.limits.max_sessions:
            raise GessoError(f"there are {count} sessions", where="session", fix="delete some")
        now = _now()
        row = (id, owner, recipe, preset, json.dumps(weights), title, searchable(title, recipe), root, root, now, now)
        db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _write(self, db: sqlite3.Connection, owner: str, session: str, draft: Draft) -> None:
        """A node and its blobs, inside a transaction."""
        mine = (owner, session)
        if not db.execute("SELECT 1 FROM sessions WHERE owner = ? AND id = ?", mine).fetchone():
            raise NotFound("session", "session")  # deleted meanwhile
        if db.execute("SELECT count(*) FROM nodes WHERE owner = ? AND session = ?", mine).fetchone()[0] >= self.limits.max_nodes:
            raise GessoError(f"this session has {self.limits.max_nodes} nodes", where="session", fix="begin a new one from here")
        light = json.loads(draft.light)
        words = " ".join(_texts(light))
        db.execute(
            "INSERT INTO nodes (id, owner, session, parent, edit, size, name, favourite, said, words, found, client, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (draft.id, *mine, draft.parent, draft.light, len(draft.light), draft.name, draft.favourite, json.dumps(draft.said), words)
            + (searchable(draft.name, words), draft.client, draft.created),
        )
        for sha256, text in draft.texts.items():
            data = text.encode()
            db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?)", (owner, sha256, len(data), data))
        db.executemany("INSERT INTO uses VALUES (?, ?, ?, ?)", [(owner, sha256, session, draft.id) for sha256 in blob.hashes(light)])
        self._check_quota(db, owner)

    def _check_quota(self, db: sqlite3.Connection, owner: str) -> None:
        used = sum(
            db.execute(f"SELECT coalesce(sum(size), 0) FROM {t} WHERE owner = ?", (owner,)).fetchone()[0] for t in ("blobs", "nodes")
        )
        if used > self.limits.max_owner_bytes:
            most = in_megabytes(self.limits.max_owner_bytes)
            raise GessoError(f"your sessions would take {in_megabytes(used)}", where="session", fix=f"at most {most}: delete some")


@contextmanager
def readable_errors() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise readable(error) from None


def _bounded(edit: Any, limits: Limits) -> tuple[dict[str, Any], dict[str, str]]:
    """An edit's JSON made light, and its long texts; GessoError where it is too large."""
    light, texts = blob.lighten(to_json(edit))
    size = sum(map(len, texts.values()))
    if size > limits.max_edit_bytes:
        raise GessoError(f"the edit takes {in_megabytes(size)}", where="edit", fix=f"at most {in_megabytes(limits.max_edit_bytes)}")
    return light, texts


def _texts(light: Any) -> list[str]:
    """The short texts in an edit's values, and the names of what they are for: what a search may find."""
    if isinstance(light, str):
        return [light]
    if isinstance(light, dict):
        return [text for name, one in light.items() if name not in ("op", blob.KEY) for text in _texts(one)]
    return [text for one in light for text in _texts(one)] if isinstance(light, list) else []


def _new_id() -> str:
    return secrets.token_hex(10)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


__all__ = ["Found", "Limits", "Store", "find_card"]
