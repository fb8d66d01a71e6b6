"""The store: sessions of all owners in one file, each a tree of edits that only grows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gesso.card import Card, Slot
from gesso.conditions.condition import Condition
from gesso.errors import GessoError, readable
from gesso.media.budget import in_megabytes
from gesso.request import Request
from gesso.steering import blob, library
from gesso.steering.bundle import Bundle, pack, unpack
from gesso.steering.cache import Cache, weigh
from gesso.steering.draft import Draft, Limits, add, begin, check_quota, new_id, now
from gesso.steering.edit import exactly, parse_edit, to_json, together, valued
from gesso.steering.fold import State, check, fold, missing, read_value, to_request
from gesso.steering.library import NODE, SESSION, node_of, session_of
from gesso.steering.session import Found, Node, NotFound, Session, clean_name
from gesso.steering.table import Table
from gesso.steering.words import differences, said_of

PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
FIRST = State()


def find_card(recipe: str) -> Card:
    """The card of a recipe by its name alone: a path would run a stranger's file."""
    from gesso import recipes

    if not isinstance(recipe, str) or not PLAIN_NAME.fullmatch(recipe):
        raise GessoError("is no recipe's name", where="recipe", fix="one of " + ", ".join(recipes.names()))
    return recipes.find(recipe).card


@dataclass(frozen=True)
class _Source:
    """Where steps to fold come from: the file, or what is just being imported."""

    step: Callable[[str], tuple[str | None, Mapping[str, Any]]]  # node -> (parent, its edit, light)
    text: Callable[[str, str], str]  # node, sha256 -> long text


class Store:
    """Sessions in an SQLite file, which is made where there is none. Safe from any thread and beside other processes.

    What a method has returned is on disk. `owner` is any text that names who asks; what belongs to another owner is
    NotFound. `cards` gives a recipe's card by name. All mistakes are GessoErrors, after which nothing is half-written.
    """

    def __init__(self, path: str | Path, *, cards: Callable[[str], Card] = find_card, limits: Limits | None = None) -> None:
        self.cards, self.limits = cards, limits or Limits()
        self._table = Table(path)
        self._states: Cache[State] = Cache(self.limits.cache_bytes // 2, self.limits.cache_states)
        self._values: Cache[Condition] = Cache(self.limits.cache_bytes // 2, 64)

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
        try:
            about = Request(recipe=card.name, preset=preset, weights=dict(weights or {}))
        except ValidationError as error:
            raise readable(error) from None
        draft, state = self._draft(card, FIRST, together(edits), parent=None)
        id = new_id()
        with self._table.writing() as db:
            begin(db, self.limits, owner, id, recipe=card.name, title=title, preset=about.preset, weights=about.weights, root=draft.id)
            add(db, self.limits, owner, id, draft)
            check_quota(db, self.limits, owner)
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
            add(db, self.limits, owner, session, draft)
            check_quota(db, self.limits, owner)
            db.execute("UPDATE sessions SET head = ?, changed = ? WHERE owner = ? AND id = ?", (draft.id, draft.created, owner, session))
            db.execute("UPDATE nodes SET went = ? WHERE owner = ? AND session = ? AND id = ?", (draft.id, owner, session, parent))
        self._keep(owner, session, draft.id, state, old)
        return self.node(owner, session, draft.id)

    # Moving

    def show(self, owner: str, session: str, node: str) -> Session:
        """The head moved to a node. Nodes that lie between are remembered as the way that redo goes."""
        at = self.session(owner, session)
        self.node(owner, session, node)
        if node == (head := at.head):  # a drawing that is only opened is not changed
            return at
        path = self._path(owner, session, head, until=node)
        with self._table.writing() as db:
            steps = [(child, owner, session, parent) for child, parent in zip(path, path[1:], strict=False)]
            db.executemany("UPDATE nodes SET went = ? WHERE owner = ? AND session = ? AND id = ?", steps)
            moved = db.execute("UPDATE sessions SET head = ?, changed = ? WHERE owner = ? AND id = ?", (node, now(), owner, session))
            if not moved.rowcount:
                raise NotFound("session", "session")
        return self.session(owner, session)

    def undo(self, owner: str, session: str) -> Session:
        """The head moved to its parent; at the root it stays."""
        at = self.session(owner, session)
        parent = self.node(owner, session, at.head).parent
        return at if parent is None else self.show(owner, session, parent)

    def redo(self, owner: str, session: str) -> Session:
        """The head moved to the child that was left last, or the newest; where there is none it stays."""
        at = self.session(owner, session)
        found = self._table.row(
            "SELECT c.id FROM nodes c JOIN nodes p ON p.session = c.session AND p.id = c.parent"
            " WHERE c.owner = ? AND c.session = ? AND c.parent = ? ORDER BY c.id IS p.went DESC, c.number DESC LIMIT 1",
            (owner, session, at.head),
        )
        return at if found is None else self.show(owner, session, found[0])

    # Reading

    def session(self, owner: str, session: str) -> Session:
        found = self._table.row(f"{SESSION} WHERE owner = ? AND id = ?", (owner, session))
        if found is None:
            raise NotFound("session", "session")
        return session_of(found)

    def node(self, owner: str, session: str, node: str) -> Node:
        found = self._table.row(f"{NODE} WHERE owner = ? AND session = ? AND id = ?", (owner, session, node))
        if found is None:
            raise NotFound("node", "node")
        return node_of(found)

    def tree(self, owner: str, session: str) -> tuple[Node, ...]:
        """All nodes, oldest first: the root, and each after its parent."""
        self.session(owner, session)
        return tuple(map(node_of, self._table.rows(f"{NODE} WHERE owner = ? AND session = ? ORDER BY number", (owner, session))))

    def branch(self, owner: str, session: str, node: str) -> tuple[str, ...]:
        """The ids of the nodes from the root to this one."""
        self.node(owner, session, node)
        return tuple(reversed(self._path(owner, session, node, self.session(owner, session).root)))

    def state(self, owner: str, session: str, node: str | None = None) -> State:
        """What the edits up to a node (None: the head) have come to; `missing` may still be needed for a request."""
        found = self.session(owner, session)
        return self._state(owner, session, node or found.head, self.cards(found.recipe))

    def missing(self, owner: str, session: str, node: str | None = None) -> tuple[str, ...]:
        """The conditions and settings without which a node is no request yet."""
        return missing(self.cards(self.session(owner, session).recipe), self.state(owner, session, node))

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
        self._bounded(draft)
        state = fold(card, old, draft)
        check(card, state)
        return to_request(card, state, weights=found.weights, preset=found.preset)

    def edit(self, owner: str, session: str, node: str) -> dict[str, Any]:
        """A node's edit as JSON, long texts in their places."""
        whole: dict[str, Any] = blob.restore(self.node(owner, session, node).edit, lambda sha256: self._text(owner, sha256))
        return whole

    def compare(self, owner: str, session: str, a: str, b: str) -> list[dict[str, Any]]:
        """What b has otherwise than a; see `words.differences`."""
        card = self.cards(self.session(owner, session).recipe)
        return differences(card, self._state(owner, session, a, card), self._state(owner, session, b, card))

    def search(self, owner: str, text: str, limit: int = 200) -> tuple[Found, ...]:
        """Sessions and nodes in whose title, name, or edits' texts all words of `text` are found; see `library.search`."""
        return library.search(self._table, owner, text, limit)

    # Naming and leaving

    def retitle(self, owner: str, session: str, title: str) -> Session:
        library.retitle(self._table, owner, session, title)
        return self.session(owner, session)

    def rename(self, owner: str, session: str, node: str, name: str) -> Node:
        """A node's name; an empty one takes it away."""
        library.mark(self._table, owner, session, node, name=clean_name(name, "name"))
        return self.node(owner, session, node)

    def favourite(self, owner: str, session: str, node: str, favourite: bool = True) -> Node:
        if not isinstance(favourite, bool):
            raise GessoError(f"is true or false, not {str(favourite)[:40]!r}", where="favourite")
        library.mark(self._table, owner, session, node, favourite=favourite)
        return self.node(owner, session, node)

    def delete(self, owner: str, session: str) -> None:
        """The session, its nodes, and the texts that no other session of the owner holds."""
        library.delete(self._table, owner, session)
        self._states.clear()

    # Carrying

    def export(self, owner: str, session: str) -> bytes:
        """The session as one file, a zip, with everything that `import_` needs."""
        nodes = self.tree(owner, session)
        needed = sorted(set().union(*(blob.hashes(node.edit) for node in nodes)))
        return pack(Bundle.of(self.session(owner, session), nodes), {sha256: self._text(owner, sha256) for sha256 in needed})

    def import_(self, owner: str, data: bytes, *, clean: Callable[[str], str] | None = None) -> Session:
        """A session of an exported file, under new ids, each node checked as if it were appended now.

        `clean` is given each data URL, which pictures are, and returns what is kept in its place; a server lets
        them be decoded elsewhere first. GessoError for anything that is not such a file; nothing is then written.
        """
        bundle, texts = unpack(data, self.limits)
        if clean is not None:
            texts = {sha256: blob.cleaned(text, clean) for sha256, text in texts.items()}
        card = self.cards(bundle.recipe)
        id, ids = new_id(), {node.id: new_id() for node in bundle.nodes}
        drafts: dict[str, Draft] = {}
        source = _Source(lambda node: (drafts[node].parent, drafts[node].light), lambda node, sha256: drafts[node].texts[sha256])
        for node in bundle.nodes:
            parent = None if node.parent is None else ids[node.parent]
            old = FIRST if parent is None else self._state(owner, id, parent, card, source)
            try:
                edit = node.edit if clean is None else blob.cleaned(node.edit, clean)  # a short one lies in the edit itself
                draft, state = self._draft(card, old, parse_edit(blob.restore(edit, texts.__getitem__)), parent=parent)
            except GessoError as error:
                raise GessoError(f"node {node.id} of the file: {error.what}", where=error.where, fix=error.fix) from None
            draft = replace(draft, id=ids[node.id], name=node.name, favourite=node.favourite, created=node.created or draft.created)
            drafts[draft.id] = draft
            self._keep(owner, id, draft.id, state, old)
        with self._table.writing() as db:
            begin(
                db,
                self.limits,
                owner,
                id,
                recipe=card.name,
                title=bundle.title,
                preset=bundle.preset,
                weights=bundle.weights,
                root=ids[bundle.nodes[0].id],
            )
            for draft in drafts.values():
                add(db, self.limits, owner, id, draft)
            db.execute("UPDATE sessions SET head = ? WHERE owner = ? AND id = ?", (ids[bundle.head], owner, id))
            check_quota(db, self.limits, owner)
        return self.session(owner, id)

    # Folding

    def _draft(self, card: Card, old: State, edit: Any, *, parent: str | None, client: str | None = None) -> tuple[Draft, State]:
        """The step, if everything about it is right, and the state that it leads to."""
        if client is not None and (not isinstance(client, str) or not 0 < len(client) <= 200 or not client.isprintable()):
            raise GessoError("is no key", where="client", fix="a text of 1 to 200 characters, different for each edit")
        self._bounded(edit)  # before anything is decoded
        values: list[Condition] = []

        def read(slot: Slot, value: Any) -> Condition:
            values.append(read_value(slot, value))
            return values[-1]

        state = fold(card, old, edit, read)
        check(card, state)
        edit = exactly(edit, values)
        light, texts = self._bounded(edit)
        for one, value in zip(valued(light), values, strict=True):
            if blob.hashes(one["value"]):
                self._values.put((card.name, one["slot"], blob.written(one["value"])), value, weigh(value))
        said = said_of(differences(card, old, state), begun=parent is None)
        return Draft(new_id(), parent, light, texts, said, now(), client), state

    def _state(self, owner: str, session: str, node: str, card: Card, source: _Source | None = None) -> State:
        """Folded from the nearest ancestor that is remembered."""
        steps = source or _Source(lambda at: self._step(owner, session, at), lambda at, sha256: self._text(owner, sha256))
        waiting: list[tuple[str, Mapping[str, Any]]] = []
        at: str | None = node
        state: State | None = None
        while at is not None and (state := self._states.get((owner, session, at))) is None:
            parent, light = steps.step(at)
            waiting.append((at, light))
            at = parent
        folded = state or FIRST
        for id, light in reversed(waiting):
            before = folded
            folded = fold(card, before, parse_edit(light), partial(self._read, card, id, steps))
            self._keep(owner, session, id, folded, before)
        return folded

    def _read(self, card: Card, node: str, source: _Source, slot: Slot, light: Any) -> Condition:
        """A value of stored JSON; a picture that was decoded lately is not decoded again."""
        if not blob.hashes(light):
            return read_value(slot, light)
        key = (card.name, slot.name, blob.written(light))
        value = self._values.get(key)
        if value is None:
            value = read_value(slot, blob.restore(light, lambda sha256: source.text(node, sha256)))
            self._values.put(key, value, weigh(value))
        return value

    def _keep(self, owner: str, session: str, node: str, state: State, before: State) -> None:
        changed = [value for name, value in state.values.items() if value is not before.values.get(name)]
        self._states.put((owner, session, node), state, 1024 + sum(map(weigh, changed)))

    def _bounded(self, edit: Any) -> tuple[dict[str, Any], dict[str, str]]:
        """An edit's JSON made light, and its long texts; GessoError where it is too large."""
        light, texts = blob.lighten(to_json(edit))
        size, most = sum(map(len, texts.values())), self.limits.max_edit_bytes
        if size > most:
            raise GessoError(f"the edit takes {in_megabytes(size)}", where="edit", fix=f"at most {in_megabytes(most)}")
        return light, texts

    # Rows

    def _step(self, owner: str, session: str, node: str) -> tuple[str | None, Mapping[str, Any]]:
        found = self.node(owner, session, node)
        return found.parent, found.edit

    def _text(self, owner: str, sha256: str) -> str:
        found = self._table.row("SELECT text FROM blobs WHERE owner = ? AND sha256 = ?", (owner, sha256))
        if found is None:
            raise NotFound("part of an edit", "edit")
        return bytes(found[0]).decode()

    def _made_by(self, owner: str, session: str, client: str | None) -> Node | None:
        if not isinstance(client, str) or not client.isprintable():
            return None
        found = self._table.row(f"{NODE} WHERE owner = ? AND session = ? AND client = ?", (owner, session, client))
        return None if found is None else node_of(found)

    def _path(self, owner: str, session: str, start: str, until: str) -> list[str]:
        """Nodes from one up to its ancestor, both included; the first alone where that is no ancestor."""
        climb = (
            "WITH RECURSIVE up (id, parent, far) AS (SELECT id, parent, 0 FROM nodes WHERE owner = ? AND session = ? AND id = ?"
            " UNION ALL SELECT n.id, n.parent, far + 1 FROM up JOIN nodes n ON n.session = ? AND n.id = up.parent WHERE up.id != ?)"
            " SELECT id FROM up ORDER BY far"
        )
        path = [row[0] for row in self._table.rows(climb, (owner, session, start, session, until))]
        return path if path[-1:] == [until] else [start]

    # Last, because a class in which `list` means this could not use the type's name after it.
    def list(self, owner: str) -> tuple[Session, ...]:
        """The owner's sessions, the latest changed first."""
        return library.sessions(self._table, owner)
