"""The session store: the sessions of all owners in one SQLite file, each a tree of edits that only grows."""

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
from gesso.errors import GessoError, as_gesso_error
from gesso.media.budget import in_megabytes
from gesso.request import Request
from gesso.steering import blob, queries
from gesso.steering.bundle import Bundle, pack, unpack
from gesso.steering.cache import Cache, estimate_bytes
from gesso.steering.edit import combined, parse_edit, to_json, value_steps, with_exact_pixels
from gesso.steering.fold import State, check, fold, missing, read_value, to_request
from gesso.steering.insert import NewNode, StoreLimits, check_quota, insert_node, insert_session, new_id, now
from gesso.steering.queries import NODE, SESSION, node_of, session_of
from gesso.steering.schema import open_database
from gesso.steering.session import Node, NotFound, SearchResult, Session, clean_name
from gesso.steering.words import differences, summary_of

PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
EMPTY = State()
OwnCard = Callable[[str, str, Mapping[str, str]], Card | None]  # (owner, recipe, weights) -> the card of these weights


def find_card(recipe: str) -> Card:
    """The card of a recipe by its name. Paths are refused, because they would run a file that a client chose."""
    from gesso import recipes

    if not isinstance(recipe, str) or not PLAIN_NAME.fullmatch(recipe):
        raise GessoError("is not the name of a recipe", where="recipe", fix="one of " + ", ".join(recipes.names()))
    return recipes.find(recipe).card


@dataclass(frozen=True)
class _Source:
    """Where steps to fold come from: the database, or a session file that is being imported."""

    step: Callable[[str], tuple[str | None, Mapping[str, Any]]]  # node -> (parent, stored edit)
    text: Callable[[str, str], str]  # node, sha256 -> long text


class Store:
    """Sessions in an SQLite file, which is created where there is none. For any number of threads and processes.

    What a method returns is already on disk. `owner` is any text that identifies the caller; sessions of other owners raise NotFound.
    `cards` gives a recipe's card by name, `own_card` that of an owner's weights. After an error, a GessoError, nothing is half-written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        cards: Callable[[str], Card] = find_card,
        limits: StoreLimits | None = None,
        own_card: OwnCard | None = None,
    ) -> None:
        self.cards, self.limits, self._own_card = cards, limits or StoreLimits(), own_card
        self._database = open_database(path)
        self._states: Cache[State] = Cache(self.limits.cache_bytes // 2, self.limits.cache_states)
        self._values: Cache[Condition] = Cache(self.limits.cache_bytes // 2, 64)

    def close(self) -> None:
        self._database.close()
        self._states.clear()
        self._values.clear()

    def session_card(self, owner: str, of: Session | Bundle | Request) -> Card:
        """The card of a session's recipe, with what its weights know of their data."""
        own = self._own_card(owner, of.recipe, of.weights) if of.weights and self._own_card is not None else None
        return own or self.cards(of.recipe)

    # Adding nodes

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
        """A new session whose root holds the given edits. `preset` and `weights` go into its requests unchanged."""
        title = clean_name(title, "title")
        try:
            about = Request(recipe=self.cards(recipe).name, preset=preset, weights=dict(weights or {}))
        except ValidationError as error:
            raise as_gesso_error(error) from None
        root, state = self._new_node(self.session_card(owner, about), EMPTY, combined(edits), parent=None)
        id = new_id()
        with self._database.writing() as db:
            insert_session(
                db, self.limits, owner, id, recipe=about.recipe, title=title, preset=about.preset, weights=about.weights, root=root.id
            )
            insert_node(db, self.limits, owner, id, root)
            check_quota(db, self.limits, owner)
        self._remember(owner, id, root.id, state, EMPTY)
        return self.session(owner, id)

    def append(self, owner: str, session: str, parent: str | None, edit: Any, client: str | None = None) -> Node:
        """Add a node under `parent` (None: the head); it becomes the head. Under an older node it starts a branch.

        `client` is an idempotency key: a second call with the same key returns the node of the first.
        """
        if (known := self._node_of_client(owner, session, client)) is not None:
            return known
        before = self.session(owner, session)
        parent = before.head if parent is None else parent
        card = self.session_card(owner, before)
        old = self._state(owner, session, parent, card)
        node, state = self._new_node(card, old, parse_edit(edit), parent=parent, client=client)
        with self._database.writing() as db:
            if (known := self._node_of_client(owner, session, client)) is not None:  # another thread was faster
                return known
            insert_node(db, self.limits, owner, session, node)
            check_quota(db, self.limits, owner)
            db.execute("UPDATE sessions SET head = ?, changed = ? WHERE owner = ? AND id = ?", (node.id, node.created, owner, session))
            db.execute("UPDATE nodes SET redo_child = ? WHERE owner = ? AND session = ? AND id = ?", (node.id, owner, session, parent))
        self._remember(owner, session, node.id, state, old)
        return self.node(owner, session, node.id)

    # Moving the head

    def show(self, owner: str, session: str, node: str) -> Session:
        """Move the head to a node. Where that is an ancestor, redo leads back along the same path."""
        at = self.session(owner, session)
        self.node(owner, session, node)
        if node == (head := at.head):  # opening a session does not change it
            return at
        path = self._path(owner, session, head, until=node)
        with self._database.writing() as db:
            steps = [(child, owner, session, parent) for child, parent in zip(path, path[1:], strict=False)]
            db.executemany("UPDATE nodes SET redo_child = ? WHERE owner = ? AND session = ? AND id = ?", steps)
            moved = db.execute("UPDATE sessions SET head = ?, changed = ? WHERE owner = ? AND id = ?", (node, now(), owner, session))
            if not moved.rowcount:
                raise NotFound("session", "session")
        return self.session(owner, session)

    def undo(self, owner: str, session: str) -> Session:
        """Move the head to its parent; the root stays the head."""
        at = self.session(owner, session)
        parent = self.node(owner, session, at.head).parent
        return at if parent is None else self.show(owner, session, parent)

    def redo(self, owner: str, session: str) -> Session:
        """Move the head to the child it came from last, or to the newest; without children it stays."""
        at = self.session(owner, session)
        found = self._database.read_one(
            "SELECT c.id FROM nodes c JOIN nodes p ON p.session = c.session AND p.id = c.parent"
            " WHERE c.owner = ? AND c.session = ? AND c.parent = ? ORDER BY c.id IS p.redo_child DESC, c.number DESC LIMIT 1",
            (owner, session, at.head),
        )
        return at if found is None else self.show(owner, session, found[0])

    # Reading

    def session(self, owner: str, session: str) -> Session:
        found = self._database.read_one(f"{SESSION} WHERE owner = ? AND id = ?", (owner, session))
        if found is None:
            raise NotFound("session", "session")
        return session_of(found)

    def node(self, owner: str, session: str, node: str) -> Node:
        found = self._database.read_one(f"{NODE} WHERE owner = ? AND session = ? AND id = ?", (owner, session, node))
        if found is None:
            raise NotFound("node", "node")
        return node_of(found)

    def tree(self, owner: str, session: str) -> tuple[Node, ...]:
        """All nodes, the oldest first: the root, then each node after its parent."""
        self.session(owner, session)
        return tuple(map(node_of, self._database.read(f"{NODE} WHERE owner = ? AND session = ? ORDER BY number", (owner, session))))

    def branch(self, owner: str, session: str, node: str) -> tuple[str, ...]:
        """The ids of the nodes from the root to this one."""
        self.node(owner, session, node)
        return tuple(reversed(self._path(owner, session, node, self.session(owner, session).root)))

    def state(self, owner: str, session: str, node: str | None = None) -> State:
        """The result of the edits up to a node (None: the head); a request may still need more, see `missing`."""
        found = self.session(owner, session)
        return self._state(owner, session, node or found.head, self.session_card(owner, found))

    def missing(self, owner: str, session: str, node: str | None = None) -> tuple[str, ...]:
        """The names of the conditions and settings that a node's request still needs."""
        return missing(self.session_card(owner, self.session(owner, session)), self.state(owner, session, node))

    def request(self, owner: str, session: str, node: str | None = None) -> Request:
        """The request of a node (None: the head); Incomplete, with the missing names, where something is still needed.

        Conditions that an edit did not change are the same objects in the requests of parent and child.
        """
        found = self.session(owner, session)
        card = self.session_card(owner, found)
        state = self._state(owner, session, node or found.head, card)
        return to_request(card, state, weights=found.weights, preset=found.preset)

    def tried(self, owner: str, session: str, node: str | None, edit: Any) -> Request:
        """The request that an edit of a node would lead to, without writing it: for previews while a stroke is drawn."""
        found = self.session(owner, session)
        card = self.session_card(owner, found)
        old = self._state(owner, session, node or found.head, card)
        parsed = parse_edit(edit)
        self._to_stored(parsed)
        state = fold(card, old, parsed)
        check(card, state)
        return to_request(card, state, weights=found.weights, preset=found.preset)

    def edit(self, owner: str, session: str, node: str) -> dict[str, Any]:
        """A node's edit as JSON, its long texts included."""
        whole: dict[str, Any] = blob.restore(self.node(owner, session, node).edit, lambda sha256: self._text(owner, sha256))
        return whole

    def compare(self, owner: str, session: str, a: str, b: str) -> list[dict[str, Any]]:
        """The differences between nodes a and b; see `words.differences`."""
        card = self.session_card(owner, self.session(owner, session))
        return differences(card, self._state(owner, session, a, card), self._state(owner, session, b, card))

    def search(self, owner: str, text: str, limit: int = 200) -> tuple[SearchResult, ...]:
        """Sessions and nodes whose title, name or edits contain all words of `text`; see `queries.search`."""
        return queries.search(self._database, owner, text, limit)

    # Names and deletion

    def retitle(self, owner: str, session: str, title: str) -> Session:
        queries.retitle(self._database, owner, session, title)
        return self.session(owner, session)

    def rename(self, owner: str, session: str, node: str, name: str) -> Node:
        """Name a node; an empty name removes its name."""
        queries.mark(self._database, owner, session, node, name=clean_name(name, "name"))
        return self.node(owner, session, node)

    def favourite(self, owner: str, session: str, node: str, favourite: bool = True) -> Node:
        if not isinstance(favourite, bool):
            raise GessoError(f"is true or false, not {str(favourite)[:40]!r}", where="favourite")
        queries.mark(self._database, owner, session, node, favourite=favourite)
        return self.node(owner, session, node)

    def delete(self, owner: str, session: str) -> None:
        """Delete a session, its nodes, and the long texts that no other session of the owner uses."""
        queries.delete(self._database, owner, session)
        self._states.clear()

    # Session files

    def export(self, owner: str, session: str) -> bytes:
        """The session as one zip file that `import_` reads."""
        nodes = self.tree(owner, session)
        needed = sorted(set().union(*(blob.hashes(node.edit) for node in nodes)))
        return pack(Bundle.of(self.session(owner, session), nodes), {sha256: self._text(owner, sha256) for sha256 in needed})

    def import_(self, owner: str, data: bytes, *, clean: Callable[[str], str] | None = None) -> Session:
        """A new session from an exported file, with new ids; each node is checked as `append` would check it.

        `clean` replaces each data URL (pictures are data URLs); a server uses it to decode pictures in its sandbox first. GessoError, and
        nothing is written, where the data is not such a file.
        """
        bundle, texts = unpack(data, self.limits)
        if clean is not None:
            texts = {sha256: blob.replace_data_urls(text, clean) for sha256, text in texts.items()}
        card = self.session_card(owner, bundle)
        id, ids = new_id(), {node.id: new_id() for node in bundle.nodes}
        added: dict[str, NewNode] = {}
        source = _Source(step=lambda node: (added[node].parent, added[node].edit), text=lambda node, sha256: added[node].texts[sha256])
        for node in bundle.nodes:
            parent = None if node.parent is None else ids[node.parent]
            old = EMPTY if parent is None else self._state(owner, id, parent, card, source)
            try:
                edit = node.edit if clean is None else blob.replace_data_urls(node.edit, clean)  # short texts are in the edit itself
                made, state = self._new_node(card, old, parse_edit(blob.restore(edit, texts.__getitem__)), parent=parent)
            except GessoError as error:
                raise GessoError(f"node {node.id} of the file: {error.what}", where=error.where, fix=error.fix) from None
            made = replace(made, id=ids[node.id], name=node.name, favourite=node.favourite, created=node.created or made.created)
            added[made.id] = made
            self._remember(owner, id, made.id, state, old)
        with self._database.writing() as db:
            insert_session(
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
            for made in added.values():
                insert_node(db, self.limits, owner, id, made)
            db.execute("UPDATE sessions SET head = ? WHERE owner = ? AND id = ?", (ids[bundle.head], owner, id))
            check_quota(db, self.limits, owner)
        return self.session(owner, id)

    # Folding

    def _new_node(self, card: Card, old: State, edit: Any, *, parent: str | None, client: str | None = None) -> tuple[NewNode, State]:
        """A step, checked and ready to insert, and the state it leads to."""
        if client is not None and (not isinstance(client, str) or not 0 < len(client) <= 200 or not client.isprintable()):
            raise GessoError("is not a valid key", where="client", fix="a text of 1 to 200 characters, different for each edit")
        self._to_stored(edit)  # checks the size before anything is decoded
        values: list[Condition] = []

        def read(slot: Slot, value: Any) -> Condition:
            values.append(read_value(slot, value))
            return values[-1]

        state = fold(card, old, edit, read)
        check(card, state)
        edit = with_exact_pixels(edit, values)
        stored, texts = self._to_stored(edit)
        for one, value in zip(value_steps(stored), values, strict=True):
            if blob.hashes(one["value"]):
                self._values.put((card.name, one["slot"], blob.to_line(one["value"])), value, estimate_bytes(value))
        summary = summary_of(differences(card, old, state), is_root=parent is None)
        return NewNode(new_id(), parent, stored, texts, summary, now(), client), state

    def _state(self, owner: str, session: str, node: str, card: Card, source: _Source | None = None) -> State:
        """A node's state, folded from the nearest ancestor in the cache."""
        steps = source or _Source(step=lambda at: self._step(owner, session, at), text=lambda at, sha256: self._text(owner, sha256))
        waiting: list[tuple[str, Mapping[str, Any]]] = []
        at: str | None = node
        state: State | None = None
        while at is not None and (state := self._states.get((owner, session, at))) is None:
            parent, stored = steps.step(at)
            waiting.append((at, stored))
            at = parent
        folded = state or EMPTY
        for id, stored in reversed(waiting):
            before = folded
            folded = fold(card, before, parse_edit(stored), partial(self._read, card, id, steps))
            self._remember(owner, session, id, folded, before)
        return folded

    def _read(self, card: Card, node: str, source: _Source, slot: Slot, stored: Any) -> Condition:
        """A value from its stored JSON; recently decoded pictures come from the cache."""
        if not blob.hashes(stored):
            return read_value(slot, stored)
        key = (card.name, slot.name, blob.to_line(stored))
        value = self._values.get(key)
        if value is None:
            value = read_value(slot, blob.restore(stored, lambda sha256: source.text(node, sha256)))
            self._values.put(key, value, estimate_bytes(value))
        return value

    def _remember(self, owner: str, session: str, node: str, state: State, before: State) -> None:
        changed = [value for name, value in state.values.items() if value is not before.values.get(name)]
        self._states.put((owner, session, node), state, 1024 + sum(map(estimate_bytes, changed)))

    def _to_stored(self, edit: Any) -> tuple[dict[str, Any], dict[str, str]]:
        """An edit's JSON as it is stored, and its long texts; GessoError where it is too large."""
        stored, texts = blob.extract_texts(to_json(edit))
        size, most = sum(map(len, texts.values())), self.limits.max_edit_bytes
        if size > most:
            raise GessoError(f"the edit takes {in_megabytes(size)}", where="edit", fix=f"at most {in_megabytes(most)}")
        return stored, texts

    # Rows

    def _step(self, owner: str, session: str, node: str) -> tuple[str | None, Mapping[str, Any]]:
        found = self.node(owner, session, node)
        return found.parent, found.edit

    def _text(self, owner: str, sha256: str) -> str:
        found = self._database.read_one("SELECT text FROM blobs WHERE owner = ? AND sha256 = ?", (owner, sha256))
        if found is None:
            raise NotFound("part of an edit", "edit")
        return bytes(found[0]).decode()

    def _node_of_client(self, owner: str, session: str, client: str | None) -> Node | None:
        if not isinstance(client, str) or not client.isprintable():
            return None
        found = self._database.read_one(f"{NODE} WHERE owner = ? AND session = ? AND client = ?", (owner, session, client))
        return None if found is None else node_of(found)

    def _path(self, owner: str, session: str, start: str, until: str) -> list[str]:
        """The ids from a node up to an ancestor, both included; only the node itself where `until` is not its ancestor."""
        climb = (
            "WITH RECURSIVE up (id, parent, far) AS (SELECT id, parent, 0 FROM nodes WHERE owner = ? AND session = ? AND id = ?"
            " UNION ALL SELECT n.id, n.parent, far + 1 FROM up JOIN nodes n ON n.session = ? AND n.id = up.parent WHERE up.id != ?)"
            " SELECT id FROM up ORDER BY far"
        )
        path = [row[0] for row in self._database.read(climb, (owner, session, start, session, until))]
        return path if path[-1:] == [until] else [start]

    # Last in the class: after it, `list` no longer means the type.
    def list(self, owner: str) -> tuple[Session, ...]:
        """The owner's sessions, the last changed first."""
        return queries.sessions(self._database, owner)
