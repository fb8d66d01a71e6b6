"""Sessions longer than SQLite's recursion limit for triggers and cascades."""

from __future__ import annotations

from gesso.steering import Store
from gesso.steering.insert import NewNode, insert_node, insert_session
from unit.steering.example_card import CARD, hint

NUM = 2500


def test_a_long_session_is_folded_walked_and_deleted(store: Store):
    with store._database.writing() as db:  # as `append` writes them, with one wait for the disk
        insert_session(db, store.limits, "ann", "long", recipe=CARD.name, title="길다", preset="", weights={}, root="0")
        for n in range(NUM):
            light = {"op": "seed", "value": n} if n % 2 else hint(n % 80, 1)
            insert_node(db, store.limits, "ann", "long", NewNode(str(n), str(n - 1) if n else None, light, {}, {}, ""))
    last = str(NUM - 1)
    assert store.state("ann", "long", last).seed == NUM - 1
    assert len(store.state("ann", "long", last).values["hints"].marks) == NUM // 2
    store.show("ann", "long", last)
    store.show("ann", "long", "0")
    for n in range(1, 4):
        assert store.redo("ann", "long").head == str(n)
    assert store.tree("ann", "long")[-1].parent == str(NUM - 2)
    assert store.import_("ann", store.export("ann", "long")).num_nodes == NUM
    store.delete("ann", "long")
    assert store._database.read("SELECT count(*) FROM nodes WHERE session = 'long'") == [(0,)]
