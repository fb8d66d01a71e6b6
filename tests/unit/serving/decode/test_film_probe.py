"""What a taken-over worker answers is not believed: each answer that does not fit is a failure, and never reaches the page."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")
pytest.importorskip("av", reason="PyAV is not installed: films are not tried")
from pathlib import Path

from gesso.errors import GessoError
from gesso.serving.decode.film_probe import FilmProbe
from gesso.serving.settings import Limits

FACTS = {"width": 4, "height": 2, "num_frames": 3, "bits": 8, "seconds": 0.1, "rate": 25.0, "codec": "h264", "suffix": "mp4", "sound": []}
FRAME = {"seconds": 0.0, "shape": [2, 4, 3]}


def answered(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> FilmProbe:
    probe = FilmProbe(Limits())
    monkeypatch.setattr(probe, "_ask", lambda path, where: answer)
    return probe


def packed(head: Any, pixels: bytes = bytes(24)) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<I", len(text)) + text + pixels


def test_a_good_answer_is_taken(monkeypatch: pytest.MonkeyPatch):
    seen = answered(monkeypatch, packed({"facts": FACTS, "frames": [FRAME]})).look(Path("x"))
    assert (seen.width, seen.codec, seen.frames[0][1].shape) == (4, "h264", (2, 4, 3))
    json.dumps(seen.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\xff\xff\xff",
        packed(b"[1, 2]"),
        packed({"facts": FACTS}),
        packed({"facts": FACTS, "frames": []}),
        packed({"facts": FACTS, "frames": [FRAME] * 13}, bytes(24 * 13)),
        packed({"facts": FACTS, "frames": [FRAME]}, bytes(23)),
        packed({"facts": FACTS, "frames": [FRAME | {"shape": [2, 4, 4]}]}),
        packed({"facts": FACTS, "frames": [FRAME | {"shape": [2, -4, 3]}]}),
        packed({"facts": FACTS, "frames": [FRAME | {"shape": [True, 8, 3]}]}),
        packed({"facts": FACTS, "frames": [FRAME | {"seconds": float("nan")}]}),
        packed({"facts": FACTS | {"seconds": float("inf")}, "frames": [FRAME]}),
        packed({"facts": FACTS | {"rate": float("nan")}, "frames": [FRAME]}),
        packed({"facts": FACTS | {"width": "4"}, "frames": [FRAME]}),
        packed({"facts": FACTS | {"num_frames": -1}, "frames": [FRAME]}),
        packed({"facts": FACTS | {"codec": "<script>"}, "frames": [FRAME]}),
        packed({"facts": FACTS | {"suffix": "../x"}, "frames": [FRAME]}),
        packed({"facts": FACTS | {"sound": ["x" * 41]}, "frames": [FRAME]}),
    ],
)
def test_an_answer_that_does_not_fit_is_a_failure(monkeypatch: pytest.MonkeyPatch, answer: bytes):
    with pytest.raises(GessoError, match="its decoder failed"):
        answered(monkeypatch, answer).look(Path("x"))


def test_a_size_beyond_the_budget_is_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(GessoError, match="limit is 16.8 million"):
        answered(monkeypatch, packed({"facts": FACTS | {"width": 65535, "height": 65535}, "frames": [FRAME]})).look(Path("x"))
