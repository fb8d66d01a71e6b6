"""The live socket: logged in order, never an older picture after a newer one, and errors that do not end it."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from starlette.websockets import WebSocketDisconnect

from gesso.serving.live.frame import pack, unpack
from gesso.serving.live.socket import LiveConnection

HOST = {"Host": "127.0.0.1:8765"}


def dot(x: int, y: int, colour: str = "#00ff00") -> dict[str, Any]:
    return {"op": "merge", "slot": "dots", "value": {"marks": [{"x": x, "y": y, "color": colour}]}}


class Pen:
    """A client of the socket that paints what it is sent, and keeps all of it."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.seq, self.got = socket, 0, list[dict[str, Any]]()
        self.canvas: np.ndarray | None = None

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        self.socket.send_bytes(pack(header, payload))

    def edit(self, edit: Any, commit: bool = True, **more: Any) -> int:
        self.seq += 1
        self.send({"type": "edit", "seq": self.seq, "edit": edit, "commit": commit, **more})
        return self.seq

    def next(self) -> dict[str, Any]:
        header, payload = unpack(self.socket.receive_bytes())
        self.got.append(header)
        if header["type"] == "frame" and header["output"] == "image" and header["view"] is None:
            if header["final"] or (self.canvas is not None and [*self.canvas.shape[1::-1]] == header["size"]):
                self._paint(header, payload)
        return header

    def until(self, type: str, seq: int, most: int = 500) -> dict[str, Any]:
        for _ in range(most):
            header = self.next()
            if header["type"] == type and header["seq"] == seq and header.get("final", True):
                return header
        raise AssertionError(f"no {type} of {seq} in {self.got}")

    def _paint(self, header: dict[str, Any], payload: bytes) -> None:
        (left, top, right, bottom), (width, height) = header["box"], header["size"]
        piece = np.asarray(Image.open(io.BytesIO(payload)))
        assert piece.shape[:2] == (bottom - top, right - left)
        if self.canvas is None or self.canvas.shape[:2] != (height, width):
            assert (left, top, right, bottom) == (0, 0, width, height), "the first picture is whole"
            self.canvas = np.zeros((height, width, 3), np.uint8)
        self.canvas[top:bottom, left:right] = piece

    def of(self, type: str) -> list[dict[str, Any]]:
        return [one for one in self.got if one["type"] == type]


@pytest.fixture
def session(ann: TestClient, picture: Callable[..., bytes]) -> str:
    page = ann.post("/api/uploads", content=picture(40, 30)).json()["id"]
    begun = ann.post("/api/sessions", json={"recipe": "dots", "edits": [{"op": "set", "slot": "page", "value": {"upload": page}}]})
    return begun.json()["session"]["id"]


@pytest.fixture
def pen(ann: TestClient, session: str) -> Iterator[Pen]:
    with ann.websocket_connect(f"/api/live?session={session}", headers=HOST) as socket:
        yield Pen(socket)


def nodes(client: TestClient, session: str) -> list[dict[str, Any]]:
    return client.get(f"/api/sessions/{session}").json()["nodes"]


def test_a_commit_is_logged_and_painted_where_it_changed_something(pen: Pen, ann: TestClient, session: str):
    pen.send({"type": "show", "seq": 0, "node": None})
    first = pen.until("frame", 0)
    assert first["box"] == [0, 0, 40, 30] and first["size"] == [40, 30] and first["final"]
    seq = pen.edit(dot(7, 8))
    node = pen.until("node", seq)["node"]
    frame = pen.until("frame", seq)
    assert frame["box"] == [7, 8, 8, 9] and frame["node"] == node["id"] and frame["output"] == "image" and set(frame["ms"]) >= {"render"}
    assert pen.canvas is not None and pen.canvas[8, 7].tolist() == [0, 255, 0]
    assert nodes(ann, session)[-1]["id"] == node["id"] == ann.get(f"/api/sessions/{session}").json()["session"]["head"]
    whole = Image.open(io.BytesIO(ann.get(f"/api/sessions/{session}/nodes/{node['id']}/image").content))
    assert np.array_equal(np.asarray(whole), pen.canvas), "pieces add up to the picture that is downloaded"


def test_what_there_is_to_say_of_a_picture_is_said_once_and_taken_back(pen: Pen):
    seq = pen.edit({"op": "set", "slot": "mood", "value": {"name": "wild"}})
    pen.until("frame", seq)
    pen.until("frame", pen.edit(dot(2, 2)))
    said = pen.of("notes")
    assert [(one["seq"], [note["words"]["en"] for note in one["notes"]]) for one in said] == [(seq, ["It is wild."])]
    seq = pen.edit({"op": "drop", "slot": "mood"})
    pen.until("frame", seq)
    assert pen.of("notes")[-1]["notes"] == [] and pen.of("notes")[-1]["seq"] == seq


def test_a_node_is_on_disk_before_it_is_told(pen: Pen, app: FastAPI, session: str):
    node = pen.until("node", pen.edit(dot(1, 1)))["node"]["id"]
    from gesso.steering import Store

    other = Store(app.state.services.settings.home / "sessions.sqlite", cards=app.state.services.catalogue.card)
    assert other.node("ann", session, node).id == node
    other.close()


def test_an_edit_is_acknowledged_while_another_user_waits_for_a_render(
    pen: Pen, bob: TestClient, app: FastAPI, picture: Callable[..., bytes]
):
    page = bob.post("/api/uploads", content=picture(20, 20)).json()["id"]
    begun = bob.post("/api/sessions", json={"recipe": "dots", "edits": [{"op": "set", "slot": "page", "value": {"upload": page}}]})
    slow = {"op": "several", "edits": [{"op": "setting", "name": name, "value": v} for name, v in (("pause", 0.02), ("num_steps", 900))]}
    seq = pen.edit(slow)
    while pen.next()["type"] != "progress":
        pass
    with bob.websocket_connect(f"/api/live?session={begun.json()['session']['id']}", headers=HOST) as socket:
        other = Pen(socket)
        other.until("node", other.edit(dot(1, 1)))
        assert app.state.services.renderer._running == 1 and not other.of("frame"), "the render thread is still at the first user's"
        pen.send({"type": "stop"})
        other.until("frame", 1)
    assert not [one for one in pen.of("frame") if one["seq"] == seq and one["final"]]


def test_previews_are_shown_and_not_logged(pen: Pen, ann: TestClient, session: str):
    frame = pen.until("frame", pen.edit(dot(3, 3), commit=False))
    assert frame["node"] is None and pen.canvas is not None and pen.canvas[3, 3].tolist() == [0, 255, 0]
    assert len(nodes(ann, session)) == 1 and not pen.of("node")
    frame = pen.until("frame", pen.edit(dot(5, 5), commit=False))
    assert pen.canvas[3, 3].tolist() != [0, 255, 0], "a preview is of the parent, not of the preview before"


def test_a_movement_is_shown_as_its_draft_and_finished_when_the_hand_rests(pen: Pen, app: FastAPI, monkeypatch: pytest.MonkeyPatch):
    made = app.state.services.catalogue.recipes()
    made["dots"] = replace(made["dots"], drafts=True)
    monkeypatch.setattr("gesso.serving.live.socket.REST_SECONDS", 0.05)
    pen.until("frame", pen.edit({"op": "setting", "name": "pause", "value": 0.3}))
    first, last = pen.edit(dot(3, 3), commit=False), pen.edit(dot(4, 3), commit=False)
    pen.until("frame", last)
    shown = [(one["seq"], one["final"]) for one in pen.of("frame")]
    assert (last, False) in shown and shown[-1] == (last, True) and (first, True) not in shown
    assert pen.canvas is not None and pen.canvas[3, 4].tolist() == [0, 255, 0]
    seq = pen.edit(dot(5, 3))
    pen.until("frame", seq)
    assert [one["final"] for one in pen.of("frame") if one["seq"] == seq] == [False, True], "the stroke at once, and finished"


def test_a_flood_is_logged_whole_in_order_and_painted_seldom(pen: Pen, ann: TestClient, session: str):
    pen.until("node", pen.edit({"op": "setting", "name": "pause", "value": 0.05}))
    for number in range(30):
        pen.edit(dot(number, 1), client=f"stroke {number}")
        pen.edit(dot(number, 2), commit=False)
    last = pen.edit(dot(39, 29))
    pen.until("frame", last)
    logged = [one["edit"]["value"]["marks"][0]["x"] for one in nodes(ann, session)[2:]]
    assert logged == [*range(30), 39]
    parents = [one["parent"] for one in nodes(ann, session)]
    assert parents[1:] == [one["id"] for one in nodes(ann, session)[:-1]], "each on the one before"
    told = [one["seq"] for one in pen.of("node")]
    assert told == sorted(told) and len(told) == 32
    painted = [one["seq"] for one in pen.of("frame")]
    assert painted == sorted(painted) and len(painted) < 45 and painted[-1] == last
    assert pen.canvas is not None and all(pen.canvas[1, x].tolist() == [0, 255, 0] for x in range(30))
    assert sum(pen.canvas[2, x].tolist() == [0, 255, 0] for x in range(30)) == 0


def test_stale_work_is_cancelled_between_steps(pen: Pen, app: FastAPI):
    slow = {
        "op": "several",
        "edits": [{"op": "setting", "name": "num_steps", "value": 200}, {"op": "setting", "name": "pause", "value": 0.05}],
    }
    seq = pen.edit(slow)
    while pen.next()["type"] != "progress":
        pass
    fast = pen.edit({"op": "several", "edits": [{"op": "setting", "name": "num_steps"}, {"op": "setting", "name": "pause"}, dot(1, 1)]})
    pen.until("frame", fast)
    assert [one["seq"] for one in pen.of("frame") if one["final"]] == [fast] != [seq]
    assert "gesso_renders_stopped_total 1" in app.state.services.metrics.exposition()


def test_steps_are_shown_as_they_come(pen: Pen):
    slow = {
        "op": "several",
        "edits": [{"op": "setting", "name": "num_steps", "value": 6}, {"op": "setting", "name": "pause", "value": 0.15}],
    }
    seq = pen.edit(slow)
    pen.until("frame", seq)
    steps = [one["step"] for one in pen.of("progress")]
    assert steps and steps == sorted(steps) and all(one["num_steps"] == 6 for one in pen.of("progress"))
    looks = [one for one in pen.of("frame") if not one["final"]]
    assert looks and pen.got[-1]["final"], "nothing unfinished comes after what is finished"


def test_drawing_without_a_pause_still_shows_something(pen: Pen):
    """Newer edits push older work aside, but not for ever."""
    steps = {
        "op": "several",
        "edits": [{"op": "setting", "name": "num_steps", "value": 4}, {"op": "setting", "name": "pause", "value": 0.05}],
    }
    pen.until("frame", pen.edit(steps))
    shown = len([one for one in pen.of("frame") if one["final"]])
    for number in range(40):
        pen.edit(dot(number, 5), commit=False)
        time.sleep(0.04)
    pen.until("frame", pen.seq)
    assert len([one for one in pen.of("frame") if one["final"]]) - shown >= 2


BAD: dict[str, Any] = {
    "no edit": None,
    "a text": "merge",
    "no op": {},
    "another op": {"op": "format the disk"},
    "another slot": {"op": "merge", "slot": "nothing", "value": {}},
    "another value": {"op": "merge", "slot": "dots", "value": {"marks": [{"x": "a"}]}},
    "outside of the page": dot(1000, 1000),
    "a colour that is none": dot(1, 1, "nope"),
    "a setting out of range": {"op": "setting", "name": "num_steps", "value": -1},
    "a file": {"op": "set", "slot": "page", "value": "/etc/hostname"},
    "somebody else's upload": {"op": "set", "slot": "page", "value": {"upload": "A" * 22}},
    "a bad picture": {"op": "set", "slot": "page", "value": {"pixels": "data:image/png;base64,AAAA"}},
    "too deep": {
        "op": "set",
        "slot": "page",
        "value": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],
    },
}


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("name", BAD)
def test_bad_edits_are_told_and_forgotten(pen: Pen, ann: TestClient, session: str, name: str, commit: bool):
    error = pen.until("error", pen.edit(BAD[name], commit=commit))
    assert error["what"] and "Traceback" not in json.dumps(error)
    pen.until("frame", pen.edit(dot(2, 2)))
    assert len(nodes(ann, session)) == 2, "nothing of it was written, and the line goes on"


def test_what_goes_wrong_in_making_is_told_without_its_inside(pen: Pen):
    error = pen.until("error", pen.edit({"op": "setting", "name": "boom", "value": True}))
    assert "secret" not in json.dumps(error) and "log says more" in error["what"]
    pen.until("frame", pen.edit({"op": "setting", "name": "boom", "value": False}))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xff\xff\xff",
        b"\x02\0\0\0{",
        b"\x02\0\0\0[]",
        b"\x04\0\0\0null",
        struct.pack("<I", 3) + b"\xff\xfe\xfd",
        struct.pack("<I", 9) + b'{"a":NaN}',
        struct.pack("<I", 20000) + b"[" * 20000,
        pack({"type": "edit", "seq": 5, "edit": dot(1, 1), "commit": True}, b"payload"),
        pack({}),
        pack({"type": "drop tables", "seq": 4}),
        pack({"type": "edit", "seq": "1"}),
        pack({"type": "edit", "seq": True}),
        pack({"type": "edit", "seq": -1}),
        pack({"type": "edit", "seq": 2**60}),
        pack({"type": "show", "seq": 3, "node": "0" * 20}),
        pack({"type": "show", "seq": 3, "node": {"a": 1}}),
        pack({"type": "want", "outputs": ["nothing"]}),
        pack({"type": "want", "outputs": "image"}),
        pack({"type": "want", "max_side": 1e9}),
        pack({"type": "want", "outputs": ["image"], "max_side": True}),
    ],
    ids=lambda one: one[:30].decode("latin-1"),
)
def test_garbage_is_told_and_forgotten(pen: Pen, ann: TestClient, session: str, message: bytes):
    pen.socket.send_bytes(message)
    assert pen.next()["type"] == "error"
    pen.seq = 10
    pen.until("frame", pen.edit(dot(2, 2)))
    assert len(nodes(ann, session)) == 2


def test_large_messages_wait_outside(pen: Pen, app: FastAPI, monkeypatch: pytest.MonkeyPatch, ann: TestClient, session: str):
    monkeypatch.setattr("gesso.serving.live.socket.MOST_INBOX_BYTES", 3000)
    monkeypatch.setattr("gesso.serving.live.socket.LARGE_MESSAGE", 1000)
    held: list[int] = []
    logged = LiveConnection._commit

    async def slowly(self: LiveConnection, *given: Any) -> None:
        await asyncio.sleep(0.02)
        held.append(self.inbox_bytes)
        await logged(self, *given)

    monkeypatch.setattr(LiveConnection, "_commit", slowly)
    for number in range(20):
        pen.edit(dot(number, 1), client="x" * 150 + str(number), note="long " * 300)
    pen.until("node", 20)
    assert len(nodes(ann, session)) == 21 and max(held) <= 3000


def test_seqs_only_grow(pen: Pen):
    pen.until("frame", pen.edit(dot(1, 1)))
    pen.send({"type": "edit", "seq": 1, "edit": dot(2, 2), "commit": True})
    assert pen.next()["type"] == "error"


def test_the_same_key_makes_one_node(pen: Pen, ann: TestClient, session: str):
    one = pen.until("node", pen.edit(dot(1, 1), client="k"))["node"]["id"]
    two = pen.until("node", pen.edit(dot(1, 1), client="k"))["node"]["id"]
    assert one == two and len(nodes(ann, session)) == 2


def test_a_parent_may_be_a_key_an_id_or_where_one_is(pen: Pen, ann: TestClient, session: str):
    root = nodes(ann, session)[0]["id"]
    pen.edit(dot(1, 1), client="a")
    pen.edit(dot(2, 2), client="b", parent="a")
    pen.edit(dot(3, 3), client="c", parent=root)
    pen.until("node", pen.edit(dot(4, 4), client="d"))
    a, b, c, d = nodes(ann, session)[1:]
    assert (a["parent"], b["parent"], c["parent"], d["parent"]) == (root, a["id"], root, c["id"])


def test_showing_moves_the_head(pen: Pen, ann: TestClient, session: str):
    root = nodes(ann, session)[0]["id"]
    pen.until("frame", pen.edit(dot(1, 1)))
    pen.seq += 1
    pen.send({"type": "show", "seq": pen.seq, "node": root})
    pen.until("frame", pen.seq)
    assert pen.canvas is not None and pen.canvas[1, 1].tolist() != [0, 255, 0]
    assert ann.get(f"/api/sessions/{session}").json()["session"]["head"] == root


def test_what_is_wanted_is_sent(pen: Pen):
    pen.send({"type": "want", "outputs": ["pieces", "several"], "max_side": 16})
    pen.edit(dot(1, 1))
    got = {(one["output"], one["index"]): one for one in (pen.next() for _ in range(4)) if one["type"] == "frame"}
    assert set(got) == {("pieces", 0), ("several", 0), ("several", 1)}
    assert all(one["size"] == [16, 12] and one["full"] == [40, 30] for one in got.values())


@pytest.fixture
def tall(ann: TestClient, picture: Callable[..., bytes]) -> Iterator[Pen]:
    page = ann.post("/api/uploads", content=picture(60, 3000)).json()["id"]
    edits = [{"op": "set", "slot": "page", "value": {"upload": page}}]
    made = ann.post("/api/sessions", json={"recipe": "dots", "edits": edits}).json()["session"]["id"]
    with ann.websocket_connect(f"/api/live?session={made}", headers=HOST) as socket:
        yield Pen(socket)


def test_a_part_is_sent_in_full_and_the_whole_small(tall: Pen):
    tall.send({"type": "want", "outputs": ["image"], "max_side": 1500, "view": [0, 2000, 60, 5000]})
    tall.send({"type": "show", "seq": 0, "node": None})
    tall.seq = 0
    part, whole = tall.next(), tall.next()
    while part["type"] != "frame":
        part, whole = whole, tall.next()
    assert part["view"] == [0, 2000, 60, 3000] and part["size"] == [60, 1000] and part["full"] == [60, 3000]
    assert whole["view"] is None and whole["size"] == [20, 1024] and whole["final"]
    seq = tall.edit(dot(5, 2100))
    assert tall.until("frame", seq)["box"] == [5, 100, 6, 101], "of the part, what changed in it"
    assert tall.next()["view"] is None
    tall.until("frame", seq := tall.edit(dot(6, 10)))
    assert tall.got[-1]["box"] == [0, 0, 1, 1], "nothing, where the change is elsewhere"
    assert tall.next()["view"] is None


def test_another_part_is_sent_without_anything_made_anew(tall: Pen, app: FastAPI):
    tall.send({"type": "want", "max_side": 1500, "view": [0, 0, 60, 1000]})
    tall.until("frame", tall.edit(dot(5, 5)))
    assert tall.next()["view"] is None
    app.state.services.renderer.render = None  # whoever would make it anew falls over
    tall.send({"type": "want", "max_side": 1500, "view": [0, 1000, 60, 2000]})
    again = tall.next()
    assert again["view"] == [0, 1000, 60, 2000] and again["box"] == [0, 0, 60, 1000] and again["seq"] == 1
    tall.send({"type": "want", "max_side": 1500, "view": None})
    assert tall.next()["size"] == [30, 1500]


@pytest.mark.parametrize(
    "view", [[0, 0, 0, 5], [1, 2, 3], "all", [0, 0, 10, 40_000], [-1, 0, 5, 5], [0.5, 0, 5, 5], [5, 0, 2, 9], {"left": 0}]
)
def test_a_view_that_is_none_is_refused(pen: Pen, view: Any):
    pen.send({"type": "want", "view": view})
    assert pen.next()["where"] == "view"


def test_what_is_being_made_can_be_stopped(pen: Pen, ann: TestClient, session: str):
    slow = {"op": "several", "edits": [{"op": "setting", "name": name, "value": v} for name, v in (("pause", 0.02), ("num_steps", 900))]}
    seq = pen.edit(slow)
    while pen.next()["type"] != "progress":
        pass
    pen.send({"type": "stop"})
    while pen.next()["type"] != "stopped":
        pass
    quick = pen.edit({"op": "setting", "name": "num_steps", "value": 1})
    assert pen.until("frame", quick)["final"]
    assert not [one for one in pen.of("frame") if one["seq"] == seq and one["final"]], "it never came to its end"


def test_after_a_stop_the_next_edit_is_rendered(pen: Pen):
    pen.until("frame", pen.edit({"op": "setting", "name": "pause", "value": 0.1}))
    for number in range(3):
        pen.edit(dot(number, 1))
        pen.send({"type": "stop"})
    pen.until("frame", pen.edit(dot(5, 5)))
    assert pen.canvas is not None and all(pen.canvas[y, x].tolist() == [0, 255, 0] for x, y in ((0, 1), (1, 1), (2, 1), (5, 5)))


def test_an_unfinished_session_says_what_it_lacks(ann: TestClient):
    empty = ann.post("/api/sessions", json={"recipe": "dots"}).json()["session"]["id"]
    with ann.websocket_connect(f"/api/live?session={empty}", headers=HOST) as socket:
        pen = Pen(socket)
        assert pen.until("node", pen.edit(dot(1, 1)))["missing"] == ["page"]
        assert pen.until("error", pen.edit(dot(2, 1), commit=False))["where"] == "page"


def test_another_owners_drawing_is_not_there(bob: TestClient, session: str):
    for id in (session, "0" * 20, "", "../x"):
        with bob.websocket_connect(f"/api/live?session={id}", headers=HOST) as socket:
            header, _ = unpack(socket.receive_bytes())
            assert header["type"] == "error" and "no such session" in header["what"]
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_bytes()
            assert closed.value.code == 4404


def test_so_many_lines_each(make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient]):
    app = make_app(limits={"sockets_each": 1})
    ann, bob = client_of(app, "ann"), client_of(app, "bob")
    ids = [one.post("/api/sessions", json={"recipe": "dots"}).json()["session"]["id"] for one in (ann, bob)]
    with ann.websocket_connect(f"/api/live?session={ids[0]}", headers=HOST):
        with ann.websocket_connect(f"/api/live?session={ids[0]}", headers=HOST) as second:
            assert "many drawings open" in unpack(second.receive_bytes())[0]["what"]
        with bob.websocket_connect(f"/api/live?session={ids[1]}", headers=HOST) as others:
            others.send_bytes(pack({"type": "nonsense"}))
            assert "no message" in unpack(others.receive_bytes())[0]["what"]
    with ann.websocket_connect(f"/api/live?session={ids[0]}", headers=HOST) as again:
        again.send_bytes(pack({"type": "nonsense"}))
        assert "no message" in unpack(again.receive_bytes())[0]["what"]


def test_a_message_that_is_too_large_ends_the_line(make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient]):
    ann = client_of(make_app(limits={"message_bytes": 1000}), "ann")
    id = ann.post("/api/sessions", json={"recipe": "dots"}).json()["session"]["id"]
    with ann.websocket_connect(f"/api/live?session={id}", headers=HOST) as socket:
        socket.send_bytes(pack({"type": "x" * 2000}))
        assert "too large" in unpack(socket.receive_bytes())[0]["what"]
        with pytest.raises(WebSocketDisconnect):
            socket.receive_bytes()
