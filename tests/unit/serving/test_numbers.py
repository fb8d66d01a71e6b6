"""Numbers through HTTP: none is rounded, and what is wrong is said once."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

JARGON = ("Value error", "Input should", "Extra inputs", "Field required", "valid integer")
PAYLOAD = {"recipe": "dots", "conditions": {}}
BATCH = {"kind": "batch", "recipe": "dots", "files": [{"upload": "x"}]}
BODIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a seed": ("/api/generate", {**PAYLOAD, "seed": 1.5}, "seed"),
    "a seed that is true": ("/api/generate", {**PAYLOAD, "seed": True}, "seed"),
    "a seed as text": ("/api/generate", {**PAYLOAD, "seed": "1"}, "seed"),
    "a fit's setting": ("/api/jobs", {**BATCH, "settings": {"num_steps": 1.5}}, "num_steps"),
    "a setting that is true": ("/api/jobs", {**BATCH, "settings": {"num_steps": True}}, "num_steps"),
    "a field too many": ("/api/generate", {**PAYLOAD, "number": 3}, "number"),
    "pictures": ("/v1/images/generations", {"model": "dots", "n": 1.5}, "n"),
    "pictures that are true": ("/v1/images/generations", {"model": "dots", "n": True}, "n"),
    "a picture's seed": ("/v1/images/generations", {"model": "dots", "seed": 0.1}, "seed"),
    "a training's steps": ("/api/jobs", {"kind": "train", "recipe": "dots", "steps": 1.5}, "steps"),
    "a training's seed": ("/api/jobs", {"kind": "train", "recipe": "dots", "seed": True}, "seed"),
    "a training's minutes": ("/api/jobs", {"kind": "train", "recipe": "dots", "minutes": True}, "minutes"),
    "a batch's seed": ("/api/jobs", {**BATCH, "seed": 1.5}, "seed"),
    "a fit's seed": ("/api/jobs", {"kind": "fit", "recipe": "dots", "seed": 1.5}, "seed"),
}


@pytest.mark.parametrize(("path", "body", "field"), BODIES.values(), ids=BODIES)
def test_a_number_that_is_none(ann: TestClient, path: str, body: dict[str, Any], field: str):
    answer = ann.post(path, json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["where"].rpartition(".")[2] == field
    assert not [word for word in JARGON if word in answer.text], answer.text


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_json_that_is_no_number(ann: TestClient, text: str):
    body = f'{{"recipe": "dots", "conditions": {{}}, "seed": {text}}}'
    answer = ann.post("/api/generate", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text


EDITS = [{"op": "seed", "value": 1.5}, {"op": "seed", "value": True}, {"op": "setting", "name": "num_steps", "value": 1.5}]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_a_session(ann: TestClient, edit: dict[str, Any]):
    answer = ann.post("/api/sessions", json={"recipe": "dots", "edits": [edit]})
    assert answer.status_code == 400, answer.text
    assert str(edit["value"]) in answer.json()["error"]["what"]


def test_a_whole_number_may_be_written_as_a_float(ann: TestClient):
    made = ann.post(
        "/api/sessions", content='{"recipe": "dots", "edits": [{"op": "seed", "value": 2.0}]}', headers={"Content-Type": "application/json"}
    )
    assert made.status_code == 201, made.text


@pytest.mark.parametrize("query", ["max_side=1.5", "max_side=true", "max_side=nan"])
def test_numbers_in_addresses(ann: TestClient, query: str):
    session = ann.post("/api/sessions", json={"recipe": "dots"}).json()["session"]
    answer = ann.get(f"/api/sessions/{session['id']}/nodes/{session['head']}/image?{query}")
    assert answer.status_code in (400, 404), answer.text
