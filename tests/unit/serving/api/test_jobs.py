"""Jobs over HTTP: handed in, done by a worker in this process, told, taken away; bad askings refused before anything is queued."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from gesso.serving.jobs.worker import run_job

MOON = Path(__file__).resolve().parents[4] / "examples" / "my_recipe.py"
TOY = Path(__file__).resolve().parents[2] / "verbs" / "toy.py"
DOTS = Path(__file__).resolve().parents[1] / "dots.py"
LAYERED = Path(__file__).resolve().parents[1] / "layered.py"


@pytest.fixture
def app(make_app: Callable[..., FastAPI]) -> FastAPI:
    return make_app(jobs="off", recipes=[DOTS, TOY, MOON], limits={"job_files": 6, "jobs_waiting_each": 3})


@pytest.fixture
def work(app: FastAPI) -> Callable[[], str]:
    """work(): the next job is done, here and now; how it came out."""

    def do() -> str:
        desk = app.state.services.jobs
        job = desk.store.claim("here")
        return run_job(desk.config, job.id, job.token)

    return do


@pytest.fixture
def uploads(app: FastAPI, picture: Callable[..., bytes]) -> Callable[..., list[dict[str, str]]]:
    """uploads(num, owner): uploaded pictures, stored directly, because a decoder process for each would be slow."""

    def make(num: int = 3, owner: str = "ann") -> list[dict[str, str]]:
        keep = app.state.services.files
        made = [keep.put(owner, "upload", picture(12, 10, seed=n), size=(12, 10)).id for n in range(num)]
        return [{"upload": id, "name": f"쪽 {n}.png"} for n, id in enumerate(made)]

    return make


def hand_in(client: TestClient, **ask: Any) -> Any:
    answer = client.post("/api/jobs", json=ask)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_batch_from_files_to_zip(
    ann: TestClient, bob: TestClient, picture: Callable[..., bytes], uploads: Callable[..., Any], work: Callable[[], str]
):
    files = uploads()
    job = hand_in(ann, kind="batch", recipe="dots", files=files, title="My page")
    assert job["state"] == "queued" and job["total"] == 3 and job["title"] == "My page"
    ann.delete(f"/api/uploads/{files[0]['upload']}")
    assert work() == "done"
    at = f"/api/jobs/{job['id']}"
    told = ann.get(at).json()
    assert told["state"] == "done" and told["done"] == told["total"] == 3 and told["asked"]["num_files"] == 3
    made = ann.get(f"{at}/outputs").json()
    assert [(one["name"], one["state"]) for one in made["outputs"]] == [(f"쪽 {n}.png", "done") for n in range(3)]
    assert made["sheets"] == ["sheet"]
    for id in ("0", "2", "sheet"):
        answer = ann.get(f"{at}/outputs/{id}")
        assert answer.headers["content-type"] == "image/png" and Image.open(io.BytesIO(answer.content)).size[0] >= 12
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(ann.get(f"{at}/outputs/1").content))),
                          np.asarray(Image.open(io.BytesIO(picture(12, 10, seed=1)))))  # fmt: skip
    assert [one["name"] for one in ann.get(f"{at}/samples").json()["samples"]] == [f"쪽 {n}.png" for n in range(3)]
    assert ann.get(f"{at}/samples/1").content[:4] == b"\x89PNG"
    with zipfile.ZipFile(io.BytesIO(ann.get(f"{at}/zip").content)) as held:
        assert sorted(held.namelist()) == ["contact-sheet.png", "쪽 0.png", "쪽 1.png", "쪽 2.png"] and held.testzip() is None
    assert "done" in ann.get(f"{at}/log").json()["lines"][-1]
    for path in ("", "/outputs", "/outputs/0", "/samples", "/samples/0", "/log", "/curve", "/zip"):
        assert bob.get(at + path).status_code == 404, path
    for path in ("/cancel", "/resume"):
        assert bob.post(at + path).status_code == 404
    assert bob.delete(at).status_code == 404 and bob.get("/api/jobs").json() == {"jobs": []}
    assert ann.delete(at).status_code == 204 and ann.get(at).status_code == 404


def test_a_repeated_asking_is_one_job(ann: TestClient, uploads: Callable[..., Any], app: FastAPI):
    ask = {"kind": "batch", "recipe": "dots", "files": uploads(1), "client": "abc"}
    first, second = ann.post("/api/jobs", json=ask), ann.post("/api/jobs", json=ask)
    assert (first.status_code, second.status_code) == (201, 200) and first.json()["id"] == second.json()["id"]
    assert ann.post("/api/jobs", json=ask | {"seed": 3}).status_code == 409
    assert len(list(app.state.services.jobs.jobs_folder().iterdir())) == 1, "no folder is left of what was not queued"


def test_what_failed_is_told_and_tried_again(ann: TestClient, uploads: Callable[..., Any], work: Callable[[], str], app: FastAPI):
    job = hand_in(ann, kind="batch", recipe="dots", files=uploads())
    broken = app.state.services.jobs.config.folder(job["id"]) / "in" / "00001.png"
    whole = broken.read_bytes()
    broken.unlink()
    broken.write_bytes(b"half of it")
    assert work() == "done"
    at = f"/api/jobs/{job['id']}"
    assert ann.get(at).json()["num_failed"] == 1
    bad = ann.get(f"{at}/outputs").json()["outputs"][1]
    assert bad["state"] == "failed" and bad["why"] and "/" not in bad["why"]
    assert ann.get(f"{at}/outputs/1").status_code == 404
    broken.write_bytes(whole)
    assert ann.post(f"{at}/resume").json()["state"] == "queued"
    assert work() == "done" and ann.get(at).json()["num_failed"] == 0
    assert ann.post(f"{at}/resume").status_code == 400, "it is done"


def test_a_bug_is_a_number_and_no_path(ann: TestClient, uploads: Callable[..., Any], work: Callable[[], str]):
    job = hand_in(ann, kind="batch", recipe="dots", files=uploads(1), settings={"boom": True})
    assert work() == "done"
    why = ann.get(f"/api/jobs/{job['id']}/outputs").json()["outputs"][0]["why"]
    assert "RuntimeError" in why and "/srv/gesso" not in why


def test_a_training_has_a_curve_samples_and_weights_to_draw_with(ann: TestClient, bob: TestClient, work: Callable[[], str]):
    job = hand_in(ann, kind="train", recipe="moon", steps=20, seed=2)
    at = f"/api/jobs/{job['id']}"
    assert work() == "done"
    told = ann.get(at).json()
    assert told["has_weights"] and told["done"] == told["total"] == 20
    curve = ann.get(f"{at}/curve").json()["curve"]
    assert curve[-1]["step"] == 20 and any(name.startswith("loss/") for name in curve[-1])
    assert ann.get(f"{at}/samples").json()["samples"], "sheets were drawn"
    assert ann.get(f"{at}/outputs").json()["outputs"][0]["name"] == "weights.safetensors"
    assert len(ann.get(f"{at}/outputs/weights").content) > 1000
    for wrong in ("nothing", hand_in(ann, kind="train", recipe="moon", steps=5)["id"]):
        refused = ann.post("/api/jobs", json={"kind": "measure", "recipe": "toy", "weights": wrong})
        assert refused.status_code in (400, 404), refused.text


def test_trained_weights_can_be_used_by_their_owner_only(
    ann: TestClient, bob: TestClient, work: Callable[[], str], monkeypatch: pytest.MonkeyPatch
):
    job = hand_in(ann, kind="train", recipe="moon", steps=20, seed=2, title="Mine")
    assert ann.get("/api/recipes/moon").json()["trained"] == [], "it has not begun"
    assert work() == "done"
    mine = ann.get("/api/recipes/moon").json()["trained"]
    assert [(one["id"], one["title"]) for one in mine] == [(job["id"], "Mine")] and bob.get("/api/recipes/moon").json()["trained"] == []
    weights = {"moon": mine[0]["sha256"]}
    phase = {"op": "set", "slot": "phase", "value": {"value": 0.3}}
    begun = ann.post("/api/sessions", json={"recipe": "moon", "weights": weights, "edits": [phase]})
    assert begun.status_code == 201 and begun.json()["session"]["weights"] == weights
    session = begun.json()["session"]
    picture = ann.get(f"/api/sessions/{session['id']}/nodes/{session['head']}/image", params={"clean": True})
    payload = {"recipe": "moon", "weights": weights, "conditions": {"phase": {"value": 0.3}}}
    made = ann.post("/api/generate", json=payload, headers={"Accept": "image/png"})
    assert (picture.status_code, made.status_code) == (200, 200), picture.text + made.text
    assert np.array_equal(*(np.asarray(Image.open(io.BytesIO(one.content))) for one in (picture, made)))
    assert ann.post("/api/generate", json=payload).json()["record"]["request"]["weights"] == weights
    for refused in (bob.post("/api/generate", json=payload), bob.post("/api/sessions", json={"recipe": "moon", "weights": weights})):
        assert refused.status_code == 400 and "weights" in refused.text
    assert ann.delete(f"/api/jobs/{job['id']}").status_code == 204
    again = ann.get(f"/api/sessions/{session['id']}/nodes/{session['head']}/image", params={"clean": True})
    assert again.content == picture.content, "what a session draws with stays"
    monkeypatch.setattr("gesso.serving.storage.user_weights.UNUSED_SECONDS", -1.0)
    hand_in(ann, kind="train", recipe="moon", steps=3, seed=3)
    assert work() == "done"
    others = {"moon": ann.get("/api/recipes/moon").json()["trained"][0]["sha256"]}
    begin = {"recipe": "moon", "weights": others, "edits": [phase]}
    assert ann.post("/api/sessions", json=begin).status_code == 201 and ann.post("/api/generate", json=payload).status_code == 200
    assert ann.delete(f"/api/sessions/{session['id']}").status_code == 204
    assert ann.post("/api/sessions", json=begin).status_code == 201
    assert ann.post("/api/generate", json=payload).status_code == 400, "deleted weights cannot be used"


def test_a_fit_and_a_measure(ann: TestClient, picture: Callable[..., bytes], work: Callable[[], str]):
    photo = {"upload": ann.post("/api/uploads", content=picture(12, 10)).json()["id"]}
    fit = hand_in(ann, kind="fit", recipe="toy", conditions={"photo": photo}, settings={"num_steps": 6}, seed=3)
    assert work() == "done"
    at = f"/api/jobs/{fit['id']}"
    assert ann.get(f"{at}/outputs/result").content[:4] == b"\x89PNG" and ann.get(f"{at}/samples").json()["samples"]
    assert ann.get(f"{at}/curve").json()["curve"][-1]["step"] >= 5
    figures = hand_in(ann, kind="measure", recipe="toy", options={"limit": 1})
    assert work() == "done"
    said = json.loads(ann.get(f"/api/jobs/{figures['id']}/outputs/figures").content)
    assert list(said["figures"]["rows"]) == ["0"]


def test_cancel_while_it_waits_and_go_on(ann: TestClient, uploads: Callable[..., Any], work: Callable[[], str], app: FastAPI):
    job = hand_in(ann, kind="batch", recipe="dots", files=uploads(2))
    at = f"/api/jobs/{job['id']}"
    assert ann.post(f"{at}/cancel").json()["state"] == "cancelled"
    assert app.state.services.jobs.store.claim("here") is None
    assert ann.post(f"{at}/resume").json()["state"] == "queued" and work() == "done"


def test_a_worker_whose_job_is_anothers_tells_nothing(ann: TestClient, uploads: Callable[..., Any], app: FastAPI):
    job = hand_in(ann, kind="batch", recipe="dots", files=uploads(1))
    desk = app.state.services.jobs
    old = desk.store.claim("old")
    now = desk.store.clock()
    desk.store.clock = lambda: now + 3600.0
    new = desk.store.claim("new")
    assert run_job(desk.config, old.id, old.token) == "lost"
    assert desk.store.get("ann", job["id"]).state == "running"
    assert run_job(desk.config, new.id, new.token) == "done"


@pytest.mark.parametrize(
    ("ask", "status", "said"),
    [
        ({}, 400, "kind"),
        ({"kind": "delete", "recipe": "dots"}, 400, "kind"),
        ({"kind": "batch", "recipe": "dots", "files": []}, 400, "files"),
        ({"kind": "batch", "recipe": "nothing", "files": [{"upload": "x"}]}, 404, "no recipe"),
        ({"kind": "batch", "recipe": "../../etc", "files": [{"upload": "x"}]}, 404, "no recipe"),
        ({"kind": "batch", "recipe": "dots", "files": [{"upload": "../../etc/passwd"}]}, 404, "files.0"),
        ({"kind": "batch", "recipe": "dots", "files": [{"upload": "x"}] * 7}, 400, "at most 6"),
        ({"kind": "batch", "recipe": "dots", "files": [{"upload": "x", "path": "/etc"}]}, 400, "path"),
        ({"kind": "batch", "recipe": "dots", "files": [{"upload": "x"}], "each": "mood"}, 400, "no picture"),
        ({"kind": "batch", "recipe": "dots", "files": [{"upload": "x"}], "format": "ora"}, 400, "layers"),
        ({"kind": "batch", "recipe": "dots", "files": [{"upload": "x"}], "settings": {"num_steps": 0}}, 400, "num_steps"),
        ({"kind": "batch", "recipe": "dots", "files": [{"upload": "x"}], "conditions": {"mood": {"label": "no"}}}, 400, "mood"),
        ({"kind": "train", "recipe": "dots"}, 400, "not trained"),
        ({"kind": "train", "recipe": "moon", "steps": 0}, 400, "steps"),
        ({"kind": "train", "recipe": "moon", "data": "/etc"}, 400, "data"),
        ({"kind": "train", "recipe": "moon", "preset": "huge"}, 400, "preset"),
        ({"kind": "fit", "recipe": "dots"}, 400, "nothing to fit"),
        ({"kind": "measure", "recipe": "dots"}, 400, "no measures"),
        ({"kind": "measure", "recipe": "toy", "which": "nothing"}, 400, "one of means"),
        ({"kind": "measure", "recipe": "toy", "options": {"limit": "/etc/passwd"}}, 400, "options"),
        ({"kind": "measure", "recipe": "toy", "options": {"data": 3}}, 400, "no option"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_not_queued(ann: TestClient, app: FastAPI, ask: dict[str, Any], status: int, said: str):
    refused = ann.post("/api/jobs", json=ask)
    assert refused.status_code == status and said in json.dumps(refused.json()), refused.text
    folder = app.state.services.jobs.jobs_folder()
    assert ann.get("/api/jobs").json() == {"jobs": []} and not (folder.exists() and list(folder.iterdir()))


def test_anothers_upload_is_not_there(ann: TestClient, bob: TestClient, uploads: Callable[..., Any]):
    files = uploads(1, "bob")
    assert ann.post("/api/jobs", json={"kind": "batch", "recipe": "dots", "files": files}).status_code == 404


def test_too_many_are_refused(ann: TestClient, bob: TestClient, uploads: Callable[..., Any]):
    for _ in range(3):
        hand_in(ann, kind="train", recipe="moon")
    refused = ann.post("/api/jobs", json={"kind": "train", "recipe": "moon"})
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
    hand_in(bob, kind="train", recipe="moon")


@pytest.mark.parametrize("name", ["../../up.png", "C:\\x\\up.png", "a\x00b.png", "", ".", "‮gnp.exe", "x" * 255, 'con<>:"|?*.png'])
def test_names_are_only_names(ann: TestClient, uploads: Callable[..., Any], work: Callable[[], str], name: str):
    files = [uploads(1)[0] | {"name": name}] * 2
    job = hand_in(ann, kind="batch", recipe="dots", files=files)
    assert work() == "done"
    with zipfile.ZipFile(io.BytesIO(ann.get(f"/api/jobs/{job['id']}/zip").content)) as held:
        names = held.namelist()
    assert len(set(names)) == 3 and not any(set(one) & set('/\\:\x00<>|?*"‮') or one.startswith(".") for one in names), names


def test_what_a_batch_makes_is_signed(
    make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], picture: Callable[..., bytes]
):
    pytest.importorskip("c2pa", reason="the extra gesso[studio] is not installed")
    from gesso.marking.reading import manifest_in

    app = make_app(jobs="off", recipes=[DOTS], sign=True)
    ann, desk = client_of(app, "ann"), app.state.services.jobs
    id = app.state.services.files.put("ann", "upload", picture(12, 10), size=(12, 10)).id
    job = hand_in(ann, kind="batch", recipe="dots", files=[{"upload": id, "name": "a.png"}])
    taken = desk.store.claim("here")
    assert run_job(desk.config, taken.id, taken.token) == "done"
    made = ann.get(f"/api/jobs/{job['id']}/outputs").json()["outputs"][0]
    assert "unsigned" not in made
    assert manifest_in(ann.get(f"/api/jobs/{job['id']}/outputs/0").content).state == "intact"


def test_an_owner_has_so_much_room(
    make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gesso.serving.jobs.lease.RENEW_SECONDS", 0.01)
    monkeypatch.setattr("gesso.serving.jobs.lease.CHECK_SECONDS", 0.0)
    app = make_app(jobs="off", recipes=[DOTS], limits={"job_bytes": 3000})
    ann, bob, desk = client_of(app, "ann"), client_of(app, "bob"), app.state.services.jobs
    ask = {"kind": "batch", "recipe": "dots", "settings": {"num_steps": 20, "pause": 0.01}}

    def files(owner: str, num: int) -> list[dict[str, str]]:
        keep = app.state.services.files
        return [{"upload": keep.put(owner, "upload", picture(12, 10, seed=n), size=(12, 10)).id} for n in range(num)]

    first = hand_in(ann, **ask, files=files("ann", 8))
    taken = desk.store.claim("here")
    assert run_job(desk.config, taken.id, taken.token) == "failed"
    told = ann.get(f"/api/jobs/{first['id']}").json()
    assert "no room" in told["error"]["what"] and "delete some" in told["error"]["fix"]
    refused = ann.post("/api/jobs", json={**ask, "files": files("ann", 1)})
    assert refused.status_code == 429 and "no room" in refused.text and int(refused.headers["retry-after"]) > 0
    hand_in(bob, **ask, files=files("bob", 1))
    assert ann.delete(f"/api/jobs/{first['id']}").status_code == 204
    hand_in(ann, **ask, files=files("ann", 1))


def test_a_curve_that_left_the_numbers_is_told_without_them(
    ann: TestClient, picture: Callable[..., bytes], work: Callable[[], str], app: FastAPI
):
    photo = {"upload": ann.post("/api/uploads", content=picture(12, 10)).json()["id"]}
    job = hand_in(ann, kind="fit", recipe="toy", conditions={"photo": photo}, settings={"num_steps": 2})
    assert work() == "done"
    log = ann.get(f"/api/jobs/{job['id']}/log").json()["lines"]
    assert any("not signed" in line for line in log), "signing is turned off here, and that is said"
    path = app.state.services.jobs.config.folder(job["id"]) / "out" / "objective.jsonl"
    path.write_text('{"step": 1, "objective": 2.0}\n{"step": 2, "objective": NaN}\n{"step": 3, "objective": Infinity}\n')
    assert ann.get(f"/api/jobs/{job['id']}/curve").json()["curve"] == [{"step": 1, "objective": 2.0}, {"step": 2}, {"step": 3}]


def test_samples_are_in_the_order_in_which_they_were_made(ann: TestClient, work: Callable[[], str], app: FastAPI):
    job = hand_in(ann, kind="train", recipe="moon", steps=20)
    assert work() == "done"
    folder = app.state.services.jobs.config.folder(job["id"]) / "out" / "samples"
    for name in ("999999999.png", "1000000000.png"):
        (folder / name).write_bytes(b"x")
    names = [int(one["name"]) for one in ann.get(f"/api/jobs/{job['id']}/samples").json()["samples"]]
    assert names == sorted(names) and names[-1] == 1_000_000_000


def test_a_documents_manifest_lies_beside_it_under_its_name(
    make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], picture: Callable[..., bytes]
):
    app = make_app(jobs="off", recipes=[LAYERED])
    ann, desk = client_of(app, "ann"), app.state.services.jobs
    id = app.state.services.files.put("ann", "upload", picture(12, 10), size=(12, 10)).id
    job = hand_in(ann, kind="batch", recipe="layered", format="psd", files=[{"upload": id, "name": "쪽 1.png"}])
    taken = desk.store.claim("here")
    assert run_job(desk.config, taken.id, taken.token) == "done"
    (desk.config.folder(job["id"]) / "out" / "00000.c2pa").write_bytes(b"manifest")
    with zipfile.ZipFile(io.BytesIO(ann.get(f"/api/jobs/{job['id']}/zip").content)) as held:
        assert set(held.namelist()) == {"쪽 1.psd", "쪽 1.c2pa"}, "where `gesso inspect` looks for it"


def test_it_is_described(ann: TestClient):
    told = ann.get("/api/openapi.json").json()["paths"]
    assert {"/api/jobs", "/api/jobs/{id}", "/api/jobs/{id}/zip", "/api/jobs/{id}/resume"} <= set(told)
    kinds = json.dumps(told["/api/jobs"]["post"]["requestBody"])
    assert all(f'"{kind}"' in kinds for kind in ("batch", "train", "fit", "measure")) and "$ref" not in kinds
