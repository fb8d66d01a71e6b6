"""Pieces that newly follow a mark: found by piece and by colour, told small, and only after a commit that brought them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from gesso.card import Card, Out
from gesso.serving.live.followers import MOST_REGIONS, FollowMask, follow_mask, new_followers
from gesso.serving.live.frame import pack, unpack
from gesso.verbs.result import Result

HOST = {"Host": "127.0.0.1:8765"}
LIKES = Path(__file__).parents[3] / "studio" / "likes_recipe.py"
WORDS = {"en": "it", "ko": "그것"}
RED, BLUE = (200, 30, 30), (30, 30, 200)


def result(labels: np.ndarray, colours: dict[int, tuple[int, int, int]], *, pieces: bool = True, role: bool = True) -> Result:
    """A picture of pieces, white where they have no colour, and all that have one follow."""
    outputs: dict[str, Any] = {"image": np.full((*labels.shape, 3), 255, np.uint8), "copied": np.zeros(labels.shape, np.uint8)}
    for piece, rgb in colours.items():
        outputs["image"][labels == piece] = rgb
        outputs["copied"][labels == piece] = 255
    outs = [
        Out(name="image", medium="picture", help=WORDS),
        Out(name="copied", medium="picture", help=WORDS, role="follows" if role else ""),
    ]
    if pieces:
        outputs["areas"] = labels
        outs.append(Out(name="areas", medium="pieces", help=WORDS))
    card = Card(name="likes", title=WORDS, summary=WORDS, conditions=(), outputs=tuple(outs))
    return Result(card, outputs, None, lambda: None)  # type: ignore[arg-type, return-value]


def columns(num: int, height: int = 20, wide: int = 10) -> np.ndarray:
    return np.repeat(np.arange(num, dtype=np.int32), wide)[None].repeat(height, 0)


def told(labels: np.ndarray, before: dict[int, Any], now: dict[int, Any], **more: Any) -> Any:
    old, new = follow_mask(result(labels, before, **more)), follow_mask(result(labels, now, **more))
    assert old is not None and new is not None
    return new_followers(old, new)


def test_a_card_without_the_role_costs_and_says_nothing():
    assert follow_mask(result(columns(3), {1: RED}, role=False)) is None


def test_where_nothing_follows_nothing_is_kept():
    assert follow_mask(result(columns(3), {})) == FollowMask((30, 20))


def test_pieces_that_did_not_follow_before_are_told_with_box_and_colour():
    found = told(columns(5), {0: RED}, {0: RED, 2: RED, 3: BLUE})
    assert found.num == 2 and found.box == (20, 0, 40, 20)
    assert found.pieces == [{"box": [20, 0, 30, 20], "color": "#c81e1e"}, {"box": [30, 0, 40, 20], "color": "#1e1ec8"}]
    pixels = np.asarray(Image.open(io.BytesIO(found.png())))
    assert (pixels[:, :10] == 1).all() and (pixels[:, 10:] == 2).all()


def test_pieces_that_go_over_to_another_colour_are_told_too():
    assert told(columns(3), {0: RED, 2: RED}, {0: RED, 2: BLUE}).pieces == [{"box": [20, 0, 30, 20], "color": "#1e1ec8"}]
    assert told(columns(3), {0: RED}, {0: RED}) is None and told(columns(3), {0: RED}, {}) is None


def test_the_same_piece_under_another_number_is_not_new():
    before, now = columns(3), columns(3) + 4
    old, new = follow_mask(result(before, {1: RED})), follow_mask(result(now, {5: RED}))
    assert old is not None and new is not None and new_followers(old, new) is None


def test_without_pieces_what_hangs_together_is_one():
    found = told(columns(6), {}, {1: RED, 2: RED, 4: RED}, pieces=False)
    assert [one["box"] for one in found.pieces] == [[10, 0, 30, 20], [40, 0, 50, 20]]


def test_it_stays_small_on_a_large_page_and_among_many_pieces():
    labels = np.arange(400, dtype=np.int32)[None].repeat(60, 0).repeat(10, 1)
    found = told(labels, {}, dict.fromkeys(range(400), RED))
    assert found.num == 400 and len(found.pieces) == MOST_REGIONS and max(found.mask.shape) <= 1024
    assert found.box[2] <= 4000 and len(found.png()) + len(json.dumps(found.header())) < 40_000


@pytest.fixture
def likes(make_app: Callable[..., FastAPI]) -> FastAPI:
    return make_app(recipes=[LIKES])


def sheet() -> bytes:
    page = np.full((40, 90), 255, np.uint8)
    for left in (5, 35, 65):
        page[5:30, left : left + 20] = 0
        page[7:28, left + 2 : left + 18] = 255
    held = io.BytesIO()
    Image.fromarray(page).save(held, "PNG")
    return held.getvalue()


def dot(x: int, colour: str, **more: Any) -> dict[str, Any]:
    return {"op": "merge", "slot": "dots", "value": {"marks": [{"x": x, "y": 15, "color": colour, **more}]}}


def test_the_socket_tells_once_after_the_picture(likes: FastAPI, client_of: Callable[..., TestClient]):
    ann = client_of(likes, "ann")
    page = ann.post("/api/uploads", content=sheet()).json()["id"]
    begun = {"recipe": "likes", "edits": [{"op": "set", "slot": "sheet", "value": {"upload": page}}]}
    id = ann.post("/api/sessions", json=begun).json()["session"]["id"]
    with ann.websocket_connect(f"/api/live?session={id}", headers=HOST) as socket:

        def ask(seq: int, message: dict[str, Any], until: str = "error") -> list[tuple[dict[str, Any], bytes]]:
            """All that came up to the answer to a question that comes after it, or up to a message of another type."""
            socket.send_bytes(pack({"seq": seq, **message}))
            got = [unpack(socket.receive_bytes())]
            while not (got[-1][0]["type"] == "frame" and got[-1][0]["seq"] == seq and got[-1][0]["final"]):
                got.append(unpack(socket.receive_bytes()))
            if until == "error":
                socket.send_bytes(pack({"type": "nothing like it"}))
            while got[-1][0]["type"] != until:
                got.append(unpack(socket.receive_bytes()))
            return got

        def follows(got: list[tuple[dict[str, Any], bytes]]) -> list[tuple[dict[str, Any], bytes]]:
            return [one for one in got if one[0]["type"] == "follows"]

        def edit(seq: int, one: dict[str, Any], commit: bool = True, until: str = "error") -> list[tuple[dict[str, Any], bytes]]:
            return ask(seq, {"type": "edit", "edit": one, "commit": commit}, until)

        assert not follows(ask(0, {"type": "show", "node": None}))
        assert not follows(edit(1, dot(12, "#c81e1e"), commit=False)), "what is only tried is not told"
        got = edit(2, dot(12, "#c81e1e"), until="follows")  # worked out beside the loop: it may come after other answers
        ((header, png),) = follows(got)
        kinds = [one["type"] for one, _ in got]
        assert kinds.index("follows") > kinds.index("frame")
        node = next(one["node"]["id"] for one, _ in got if one["type"] == "node")
        assert header["node"] == node and header["num"] == 2 and [one["color"] for one in header["pieces"]] == ["#c81e1e"] * 2
        left, top, right, bottom = header["box"]
        assert np.asarray(Image.open(io.BytesIO(png))).shape == (bottom - top, right - left) and len(png) < 2000
        assert not follows(edit(3, {"op": "setting", "name": "grey", "value": 3})), "nothing new"
        assert not follows(edit(4, dot(42, "#1e1ec8", alone=True))), "nothing follows what is alone"
        assert not follows(ask(5, {"type": "show", "node": node})), "going back tells nothing"
        assert follows(edit(6, dot(42, "#1e1ec8"), until="follows"))[0][0]["num"] == 1
