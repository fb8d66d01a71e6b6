"""The first recipe is loaded after the page is shown and before the first stroke, and never delays a request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gesso import recipes
from gesso.serving import Settings
from gesso.serving.catalogue.recipe_catalogue import Catalogue
from gesso.serving.render.warmup import Warmup
from gesso.weights.store import save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a small network that has learned nothing."""
    found, path = recipes.find("colorize"), tmp_path_factory.mktemp("weights") / "w.safetensors"
    torch.manual_seed(0)
    states = {role: network.state_dict() for role, network in found.build(found.preset("tiny")).items()}
    save_weights(path, states, {"recipe": "colorize", "preset": "tiny"})
    return path


class Held:
    """A renderer that runs its work on request."""

    def __init__(self, waiting: int = 0) -> None:
        self.works: list[Any] = []
        self.waiting = waiting

    def submit(self, owner: str, line: Any, work: Any) -> None:
        self.works.append(work)

    def num_waiting(self) -> int:
        return self.waiting


def warmup(tmp_path: Path, weights: Path, waiting: int = 0) -> tuple[Warmup, Catalogue, Held]:
    catalogue = Catalogue(Settings(home=tmp_path, tokens={"ann": "a" * 30}, recipes=["digits", "colorize"], weights={"colorize": weights}))
    held = Held(waiting)
    return Warmup(catalogue, held), catalogue, held  # type: ignore[arg-type]


@pytest.mark.parametrize(("waiting", "made"), [(0, ["colorize"]), (1, [])])
def test_a_first_picture_is_made_unless_a_user_waits(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, waiting: int, made: list[str]
):
    import gesso.verbs.generate

    seen: list[str] = []
    make = gesso.verbs.generate.make
    monkeypatch.setattr(gesso.verbs.generate, "make", lambda a, request, **more: (seen.append(request.recipe), make(a, request, **more)))
    one, catalogue, _ = warmup(tmp_path, weights, waiting)
    one.work(lambda: False)
    assert seen == made and one.done.is_set()
    (loaded,) = catalogue._loaded.values()
    assert catalogue.assembled("colorize") is loaded, "what a request takes is loaded"


def test_it_begins_once_and_not_before_it_is_told_or_after_the_end(tmp_path: Path, weights: Path):
    one, _, held = warmup(tmp_path, weights)
    one.schedule(0)
    one._queue()
    assert not held.works, "no server runs"
    one.start()
    for _ in range(3):
        one.schedule(0)
    one._timer.join(10)  # type: ignore[union-attr]
    one.schedule(0)
    assert len(held.works) == 1
    other, _, held = warmup(tmp_path, weights)
    other.start()
    other.close()
    other._queue()
    assert not held.works


def test_weights_that_do_not_fit_are_no_mishap(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    one, _, _ = warmup(tmp_path, tmp_path / "bad.safetensors")
    one.work(lambda: False)
    assert one.done.is_set()


def test_a_server_that_runs_is_warm_soon_after_its_cards_are_told(
    make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], weights: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gesso.serving.render.warmup.LATEST", 600.0)
    app = make_app(recipes=["colorize"], weights={"colorize": weights}, jobs="off")
    with client_of(app, "ann") as ann:
        assert not app.state.services.warmup.done.wait(0.1)
        assert ann.get("/api/recipes/colorize").status_code == 200
        assert app.state.services.warmup.done.wait(60)
        assert app.state.services.catalogue._loaded


def test_the_pages_scripts_are_asked_for_at_once(tmp_path: Path, client_of: Callable[..., TestClient]):
    from gesso.studio import PAGE, create_app

    app = create_app(Settings(home=tmp_path, tokens={"ann": "a" * 30}, recipes=["digits"], sign=False))
    stranger = client_of(app)
    links = stranger.get("/").headers["Link"].split(", ")
    scripts = {path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.js")}
    assert {link.partition(">")[0].removeprefix("</") for link in links} == scripts
    assert all(link.endswith("; rel=modulepreload") for link in links) and "Link" not in stranger.get("/main.js").headers
    app.state.services.close()
