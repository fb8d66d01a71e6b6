"""Records and requests that a stranger made: through replay and --request, at the command line and in Python."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gesso import recipes
from gesso.errors import GessoError
from gesso.media.picture import data_url, encode_png
from gesso.record import KEYWORD, parse_record
from gesso.request import Request
from gesso.verbs.load import load

PAGE = np.full((12, 12, 3), 255, np.uint8)


@pytest.fixture
def told(toy: Path) -> dict[str, Any]:
    """A good record, to be spoilt."""
    return load(toy).generate(photo=PAGE, num_steps=1).record.to_json()


def change(told: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The record with the field at a/b/c set to `value`."""
    spoilt = json.loads(json.dumps(told))
    *way, last = path.split("/")
    place = spoilt
    for step in way:
        place = place.setdefault(step, {})
    place[last] = value
    return spoilt


BOMB = (
    "data:image/png;base64,"
    + base64.b64encode(encode_png(PAGE).replace((12).to_bytes(4, "big") * 2, (40_000).to_bytes(4, "big") * 2)).decode()
)
SPOILT: dict[str, tuple[str, Any]] = {
    "a recipe by path": ("request/recipe", "../../../tmp/evil"),
    "a recipe file": ("request/recipe", "/tmp/evil.py"),
    "an unknown recipe": ("request/recipe", "unknown"),
    "a preset by path": ("request/preset", "../../x"),
    "a picture by path": ("request/conditions/photo", {"pixels": "/etc/passwd"}),
    "a picture by address": ("request/conditions/photo", {"pixels": "http://localhost:1/a.png"}),
    "an invalid picture": ("request/conditions/photo", {"pixels": "data:image/png;base64,AAAA"}),
    "a picture with a bomb": ("request/conditions/photo", {"pixels": BOMB}),
    "a picture of text": ("request/conditions/photo", {"pixels": "data:text/html;base64,AAAA"}),
    "a picture with more": ("request/conditions/photo", {"pixels": data_url(PAGE), "run": "x"}),
    "a condition that is a list": ("request/conditions/photo", [1]),
    "an unknown condition": ("request/conditions/unknown", {}),
    "unknown tags": ("request/conditions/tags", {"names": ["hot"]}),
    "too many tags": ("request/conditions/tags", {"names": ["warm"] * 100_000}),
    "tags of numbers": ("request/conditions/tags", {"names": [1, 2]}),
    "steps without end": ("request/settings/num_steps", 10**9),
    "an unknown setting": ("request/settings/run", "rm -rf /"),
    "a seed of text": ("request/seed", "0; import os"),
    "a seed without end": ("request/seed", 10**400),
    "threads without end": ("made/threads", 10**9),
    "an input by path": ("left", {"photo": {"sha256": "a" * 64, "name": "../../../etc/passwd", "size": 3}}),
    "an unknown input": ("left", {"unknown": {"sha256": "a" * 64, "name": "x", "size": 3}}),
    "words in a hash": ("output/image/sha256", "<script>"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "value"), SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("suffix", ["png", "json"])
def test_a_spoilt_record(path: str, value: Any, suffix: str, told: dict, toy: Path, tmp_path: Path, refused: Callable[..., str]):
    file = tmp_path / f"spoilt.{suffix}"
    text = json.dumps(change(told, path, value))
    file.write_bytes(text.encode() if suffix == "json" else encode_png(PAGE, {KEYWORD: text}))
    recipe = [] if path == "request/recipe" else ["--recipe", toy]
    assert len(refused("replay", file, *recipe, "--out", tmp_path / "new" / "a.png")) < 800
    if not path.startswith(("made", "output")) and path != "request/preset":  # of no matter to a new output
        refused("generate", toy, "--request", file, "--out", tmp_path / "new" / "a.png")
    assert [one.name for one in tmp_path.iterdir()] == [file.name]


def test_a_recipes_file_is_never_named_by_a_record(told: dict, toy: Path, tmp_path: Path, refused: Callable[..., str]):
    """A record names recipes that are installed; code runs only from a file that the person names."""
    flag = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(flag)!r}, 'w')")
    for name in (str(tmp_path / "evil.py"), "evil", "evil.py"):
        file = tmp_path / "spoilt.json"
        file.write_text(json.dumps(change(told, "request/recipe", name)))
        refused("replay", file)
    assert not flag.exists()


NO_RECORDS = (
    b"", b"{", b"[]", b"null", b'{"gesso":1}', b'{"gesso":"1","request":' + b"[" * 100_000, b'{"record":{"record":{}}}', b"\xff\xfe{}",
    b'"' + b"x" * 10**6,
)  # fmt: skip


@pytest.mark.parametrize("data", NO_RECORDS, ids=lambda data: repr(data[:20]))
def test_files_that_are_no_records(data: bytes, toy: Path, tmp_path: Path, refused: Callable[..., str]):
    file = tmp_path / "x.json"
    file.write_bytes(data)
    refused("replay", file)
    refused("generate", toy, "--request", file, "--out", tmp_path / "a.png")
    assert [one.name for one in tmp_path.iterdir()] == ["x.json"]


def test_a_file_larger_than_any_record(tmp_path: Path, refused: Callable[..., str]):
    file = tmp_path / "large.json"
    with open(file, "wb") as opened:
        opened.truncate(2**31)
    assert "larger than" in refused("replay", file)


def test_a_pipe_does_not_hold_the_program(tmp_path: Path, refused: Callable[..., str]):
    import os

    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a file" in refused("replay", tmp_path / "pipe.png")


# --- any JSON at all ------------------------------------------------------------------------------------------------------

FIELDS = ["marks", "x", "y", "color", "path", "pixels", "mask", "name", "strokes"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=12,
)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)


@FUZZ
@given(value=anything)
def test_any_json_as_a_record(value: Any):
    with pytest.raises(GessoError):
        parse_record(value, where="x")


def slots() -> list[tuple[str, str]]:
    return [(name, slot.name) for name in recipes.names() for slot in recipes.find(name).card.conditions]


@pytest.mark.parametrize(("recipe", "slot"), slots(), ids="-".join)
@FUZZ
@given(value=anything)
def test_any_json_as_a_condition(recipe: str, slot: str, value: Any):
    """A value, or a GessoError: through the JSON of a request, and as something given."""
    card = recipes.find(recipe).card
    for attempt in (lambda: Request.from_json({"conditions": {slot: value}}, card), lambda: card.read({slot: value})):
        try:
            attempt()
        except GessoError as error:
            assert str(error)
