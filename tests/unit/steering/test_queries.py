"""Lists, names, favourites and search, in Korean and English."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from gesso.errors import GessoError
from gesso.steering import NotFound, Store
from unit.steering.example_card import hint, sketch


def test_names_and_favourites(store: Store):
    made = store.create("ann", "room", edits=[sketch()])
    node = store.append("ann", made.id, None, hint(1, 1))
    assert store.rename("ann", made.id, node.id, " 파란  하늘 ").name == "파란 하늘"
    assert store.favourite("ann", made.id, node.id).favourite
    assert store.rename("ann", made.id, node.id, "둘째").favourite  # one leaves the other alone
    assert not store.favourite("ann", made.id, node.id, False).favourite
    assert store.rename("ann", made.id, node.id, "").name == ""
    assert store.retitle("ann", made.id, "봄").title == "봄" == store.list("ann")[0].title
    for call in (lambda: store.rename("ann", made.id, "none", "x"), lambda: store.favourite("ann", "none", node.id)):
        with pytest.raises(NotFound):
            call()
    assert store.session("ann", made.id).head == node.id and store.session("ann", made.id).num_nodes == 2


@pytest.mark.parametrize("bad", ["a\0b", "x" * 201, "\ud800", 3, None, ["x"], "a\x1b[31m"])
def test_bad_names(store: Store, bad: Any):
    made = store.create("ann", "room", "good")
    for call in (
        lambda: store.create("ann", "room", bad),
        lambda: store.retitle("ann", made.id, bad),
        lambda: store.rename("ann", made.id, made.root, bad),
    ):
        with pytest.raises(GessoError):
            call()
    with pytest.raises(GessoError):
        store.favourite("ann", made.id, made.root, bad)
    assert [one.title for one in store.list("ann")] == ["good"]


def test_names_and_searches_ignore_unicode_composition(store: Store):
    made = store.create("ann", "room", unicodedata.normalize("NFD", "한글 그림"))  # as macOS writes it
    assert made.title == "한글 그림"
    for text in ("한글", unicodedata.normalize("NFD", "글 그"), "ＲＯＯＭ"):
        assert [found.session for found in store.search("ann", text)] == [made.id]


def test_search_finds_titles_names_and_texts_of_edits(store: Store):
    spring = store.create("ann", "room", "봄 Cat", edits=[sketch()])
    winter = store.create("ann", "room", "겨울 cat", edits=[sketch()])
    named = store.append("ann", winter.id, None, hint(1, 1, "#ff8800"))
    store.rename("ann", winter.id, named.id, "하얀 cat")
    label = store.append("ann", spring.id, None, {"op": "set", "slot": "label", "value": {"name": "고양이"}})

    def found(text: str) -> list[tuple[str, str | None]]:
        return [(one.session, one.node) for one in store.search("ann", text)]

    assert set(found("CAT")) == {(winter.id, None), (spring.id, None), (winter.id, named.id)}
    assert found("CAT")[2] == (winter.id, named.id)  # sessions come first
    assert found("고양이") == [(spring.id, label.id)]
    assert found("봄 고양이") == [(spring.id, label.id)]  # one word in the title, one in the edit
    assert found("겨울 고양이") == []
    assert found("#FF8800") == [(winter.id, named.id)]
    assert found("하얀") == [(winter.id, named.id)] and store.search("ann", "하얀")[0].name == "하얀 cat"
    assert store.search("ann", "하얀")[0].said["ko"] == "hints: 1개 그림"
    assert found("") == found("  ") == []
    assert found("iVBOR") == []  # not what pictures are written with
    for hostile in ("%", "_", "' OR 1=1 --", '"', "\\", "\0"):
        assert found(hostile) == []
    for bad in (3, "x " * 30):
        with pytest.raises(GessoError):
            store.search("ann", bad)  # type: ignore[arg-type]
    assert len(store.search("ann", "cat", limit=1)) == 1


def test_the_latest_changed_comes_first(store: Store):
    ids = [store.create("ann", "room", str(n)).id for n in range(3)]
    store.append("ann", ids[0], None, {"op": "seed", "value": 1})
    listed = [one.id for one in store.list("ann")]
    assert set(listed) == set(ids) and listed[0] == ids[0]


def test_a_deleted_session_is_gone(store: Store):
    made = store.create("ann", "room", "사라질 것", edits=[sketch()])
    node = store.append("ann", made.id, None, hint(1, 1))
    store.delete("ann", made.id)
    assert store.list("ann") == () and store.search("ann", "사라질") == ()
    for call in (store.session, store.tree, store.delete, store.export, store.request):
        with pytest.raises(NotFound):
            call("ann", made.id)
    with pytest.raises(NotFound):
        store.append("ann", made.id, node.id, hint(1, 1))
