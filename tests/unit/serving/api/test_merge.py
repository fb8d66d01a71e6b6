"""Branches merged over HTTP: what the API answers, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gesso import studio


@pytest.fixture
def app(make_app: Callable[..., FastAPI]) -> FastAPI:
    return make_app(extend=studio._extend, jobs="off")


def dot(x: int, colour: str) -> dict[str, Any]:
    return {"op": "merge", "slot": "dots", "value": {"marks": [{"x": x, "y": 2, "color": colour}]}}


def test_a_branch_is_merged_and_named(ann: TestClient, picture: Callable[..., bytes]):
    upload = ann.post("/api/uploads", content=picture()).json()["id"]
    begun = {"recipe": "dots", "edits": [{"op": "set", "slot": "page", "value": {"upload": upload}}]}
    session = ann.post("/api/sessions", json=begun).json()["session"]
    at = f"/api/sessions/{session['id']}"
    one, two = (
        ann.post(f"{at}/edits", json={"edit": dot(x, colour), "parent": session["root"]}).json()["node"]["id"]
        for x, colour in ((1, "#112233"), (3, "#445566"))
    )
    made = ann.post(f"{at}/merge", json={"node": one})
    assert made.status_code == 201 and made.json()["both"] == ["dots"] and made.json()["node"]["parent"] == two
    told = ann.get(f"{at}/nodes/{made.json()['node']['id']}").json()
    assert [mark["color"] for mark in told["conditions"]["dots"]["marks"]] == ["#112233", "#445566"]
    assert ann.get(at).json()["session"]["head"] == made.json()["node"]["id"]
    again = ann.post(f"{at}/merge", json={"node": one})
    assert again.status_code == 400 and "has all of the other" in again.text
    other = ann.post(f"{at}/merge", json={"node": two, "into": one, "wins": "this"}).json()
    told = ann.get(f"{at}/nodes/{other['node']['id']}").json()
    assert [mark["color"] for mark in told["conditions"]["dots"]["marks"]] == ["#445566", "#112233"]


@pytest.mark.parametrize("body", [{}, {"node": 3}, {"node": "x", "wins": "best"}, {"node": "x", "more": 1}])
def test_bad_bodies_are_refused(ann: TestClient, picture: Callable[..., bytes], body: dict[str, Any]):
    upload = ann.post("/api/uploads", content=picture()).json()["id"]
    begun = {"recipe": "dots", "edits": [{"op": "set", "slot": "page", "value": {"upload": upload}}]}
    session = ann.post("/api/sessions", json=begun).json()["session"]
    assert ann.post(f"/api/sessions/{session['id']}/merge", json=body).status_code in (400, 422)
