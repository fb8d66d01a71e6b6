"""A server's folder that an older Gesso left: the present code opens it and answers what that one answered."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

OLD = Path(__file__).resolve().parents[2] / "old" / "serving"
MOON = Path(__file__).resolve().parents[3] / "examples" / "my_recipe.py"
DOTS = Path(__file__).parent / "dots.py"
EXPECTED = json.loads((OLD / "expected.json").read_text("utf-8"))
OF_THE_MOMENT = ("seconds_left",)


@pytest.fixture
def old(make_app: Callable[..., FastAPI], tmp_path: Path) -> FastAPI:
    with zipfile.ZipFile(OLD / "home.zip") as held:
        held.extractall(tmp_path / "home")
    return make_app(jobs="off", recipes=[DOTS, MOON])


def lasting(answer: Any) -> Any:
    """The answer without what depends on the time of asking."""
    if isinstance(answer, dict):
        return {name: lasting(value) for name, value in answer.items() if name not in OF_THE_MOMENT}
    return [lasting(one) for one in answer] if isinstance(answer, list) else answer


def test_an_old_home_answers_as_it_did(old: FastAPI, client_of: Callable[..., TestClient]):
    clients = {owner: client_of(old, owner) for owner in ("ann", "bob")}
    for one in EXPECTED:
        answer = clients[one["owner"]].get(one["path"])
        assert answer.status_code == 200, (one["path"], answer.text)
        is_json = answer.headers["content-type"] == "application/json"
        got = answer.json() if is_json else hashlib.sha256(answer.content).hexdigest()
        if one["path"].startswith("/api/recipes/"):  # a card's words may change
            got = {"trained": got["trained"]}
        assert lasting(got) == lasting(one["answer"]), one["path"]


def test_an_old_home_holds_jobs_in_each_state():
    (listed,) = (one["answer"]["jobs"] for one in EXPECTED if (one["owner"], one["path"]) == ("ann", "/api/jobs"))
    assert {job["state"] for job in listed} == {"queued", "running", "done", "failed", "cancelled"}


def test_the_jobs_of_an_old_home_go_on(old: FastAPI, client_of: Callable[..., TestClient]):
    """The job left running has lost its worker: it is taken again under a new token, and so is the one that waited."""
    ann, jobs = client_of(old, "ann"), old.state.services.jobs
    titles = []
    for _ in range(3):
        job = jobs.store.claim("here", 10)
        assert job is not None
        titles.append(job.title)
        jobs.store.end(job.id, job.token, "done")
    assert sorted(titles) == ["", "Left running", "Waiting"], "the job of the other owner has no title"
    assert jobs.store.claim("here", 10) is None
    states = {job["title"]: job["state"] for job in ann.get("/api/jobs").json()["jobs"]}
    assert states["My page"] == "done" and states["Killed three times"] == "failed"
