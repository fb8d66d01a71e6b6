"""The incremental model gives the bits of a fresh run, and runs networks only where their inputs changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gesso.card import Settings
from gesso.errors import GessoError, Stopped
from gesso.families.family import Inputs, Output
from gesso.request import Request
from gesso.verbs.assemble import Assembled, assemble
from gesso.verbs.generate import make
from gesso.verbs.incremental import ALL, IncrementalModel, bytes_of, copied, watched
from gesso.verbs.result import Result


class Counting:
    """A family that counts how often it is asked to sample."""

    def __init__(self, family: Any) -> None:
        self.family, self.times = family, 0
        self.previews: list[bool] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.family, name)

    def sample(self, *given: Any) -> Iterator[Output]:
        self.times += 1
        self.previews += [one.previews for one in given if isinstance(one, Inputs)]
        return self.family.sample(*given)


class Bench:
    """One memory of a recipe, beside fresh runs of the same."""

    def __init__(self, assembled: Assembled, **limits: int) -> None:
        self.fresh, self.family = assembled, Counting(assembled.recipe.family(assembled.preset))
        self.model = IncrementalModel(replace(assembled, recipe=replace(assembled.recipe, family=lambda preset: self.family)), **limits)

    def ask(self, seed: int = 0, settings: Mapping[str, Any] | None = None, **given: Any) -> int:
        """How often the networks ran for it; the result must be a fresh run's."""
        request = Request.build(self.fresh.recipe.card, given, seed=seed, settings=settings)
        before = self.family.times
        assert_same(self.model.make(request), make(self.fresh, request))
        return self.family.times - before


def assert_same(one: Result, other: Result) -> None:
    assert one.record.output == other.record.output and one.request == other.request
    assert one.record.request == other.record.request and one.record.made.threads == other.record.made.threads


@pytest.fixture
def bench(toy: Path) -> Bench:
    return Bench(assemble(toy))


def test_what_networks_are_not_shown_does_not_run_them(bench: Bench, pixels: np.ndarray):
    assert bench.ask(photo=pixels, tags="warm") == 1
    assert bench.ask(photo=pixels.copy(), tags="warm") == 0, "the same values are the same"
    assert bench.ask(photo=pixels, tags="warm", keep="a") == 0
    assert bench.ask(photo=pixels, tags="warm", keep=["b", "a"]) == 0
    assert bench.ask(photo=pixels, tags="warm", settings={"flip": True}) == 0, "only the finish reads it"


@pytest.mark.parametrize("change", [{"tags": "warmer"}, {"tags": None}, {"seed": 1}, {"settings": {"strength": 0.9}}, {"photo": "darker"}])
def test_what_networks_are_shown_does(bench: Bench, pixels: np.ndarray, change: dict[str, Any]):
    if "photo" in change:
        change = {"photo": pixels // 2}
    base = {"photo": pixels, "tags": "warm"}
    assert bench.ask(**base) == 1
    assert bench.ask(**base | change) == 1
    assert bench.ask(**base) == 0, "what was undone is still known"
    assert bench.ask(**base | change) == 0


def test_pixels_written_over_in_place_are_new_ones(bench: Bench, pixels: np.ndarray):
    bench.ask(photo=pixels)
    pixels[0] ^= 255
    assert bench.ask(photo=pixels) == 1


def test_a_setting_that_was_not_read_then_is_still_a_reason_where_it_is_read(toy: Path, pixels: np.ndarray):
    class Branches:
        def sample(self, networks: Any, inputs: Any, rng: Any, settings: Any) -> Iterator[Output]:
            value = settings.strength if settings.flip else 0.0
            yield Output({"image": torch.full((1, 3, 8, 8), value)})

    assembled = assemble(toy)
    bench = Bench(replace(assembled, recipe=replace(assembled.recipe, family=lambda preset: Branches())))
    assert bench.ask(photo=pixels, settings={"strength": 0.1}) == 1
    assert bench.ask(photo=pixels, settings={"strength": 0.2}) == 0
    assert bench.ask(photo=pixels, settings={"strength": 0.2, "flip": True}) == 1
    assert bench.ask(photo=pixels, settings={"strength": 0.3, "flip": True}) == 1
    assert bench.ask(photo=pixels, settings={"strength": 0.4}) == 0


def test_frames_and_shapes_count(bench: Bench, pixels: np.ndarray):
    recipe = bench.model.assembled.recipe
    whole = recipe.frames

    def frames(request: Any, preset: Any) -> Any:
        return list(whole(request, preset)) * (2 if "keep" in request.conditions else 1)

    for name in ("model", "fresh"):
        held = getattr(bench, name)
        assembled = held.assembled if name == "model" else held
        changed = replace(assembled, recipe=replace(assembled.recipe, frames=frames))
        setattr(bench, name, IncrementalModel(changed) if name == "model" else changed)
    assert bench.ask(photo=pixels) == 1
    assert bench.ask(photo=pixels, keep="a") == 2, "a condition for rules alone has changed the frames"


def test_a_finish_that_writes_into_what_it_is_given_spoils_nothing(toy: Path, pixels: np.ndarray):
    def finish(request: Request, made: Any) -> dict[str, Any]:
        image = made[-1][1].media["image"]
        image += 0.5
        made[-1][1].media["extra"] = 1
        return {"image": ((image[0].permute(1, 2, 0) + 2) * 50).numpy().astype(np.uint8)}

    assembled = assemble(toy)
    bench = Bench(replace(assembled, recipe=replace(assembled.recipe, finish=finish)))
    assert [bench.ask(photo=pixels) for _ in range(3)] == [1, 0, 0]


def test_memory_is_bounded_in_number_and_in_bytes(toy: Path, pixels: np.ndarray):
    bench = Bench(assemble(toy), most_kept=2)
    for seed in range(3):
        bench.ask(photo=pixels, seed=seed)
    assert bench.ask(photo=pixels, seed=2) == bench.ask(photo=pixels, seed=1) == 0
    assert bench.ask(photo=pixels, seed=0) == 1 and bench.ask(photo=pixels, seed=2) == 1, "the longest unused went"
    one = 10 * 14 * 3 * 4
    assert bench.model.num_bytes == 2 * one
    small = Bench(assemble(toy), most_bytes=one)
    assert [small.ask(photo=pixels, seed=seed) for seed in (0, 1, 1, 0)] == [1, 1, 0, 1] and small.model.num_bytes == one
    none = Bench(assemble(toy), most_bytes=one - 1)
    assert [none.ask(photo=pixels) for _ in range(2)] == [1, 1] and none.model.num_bytes == 0


def test_stop_is_asked_between_steps_and_nothing_half_made_is_kept(bench: Bench, pixels: np.ndarray):
    request = Request.build(bench.fresh.recipe.card, {"photo": pixels}, settings={"num_steps": 9})
    seen: list[int] = []
    with pytest.raises(Stopped):
        bench.model.make(request, on_output=lambda output: seen.append(output.step), stop=lambda: len(seen) >= 3)
    assert seen == [1, 2, 3] and bench.model.num_bytes == 0
    with pytest.raises(Stopped):
        bench.model.make(request, stop=lambda: True)
    assert bench.ask(photo=pixels, settings={"num_steps": 9}) == 1
    with pytest.raises(Stopped):
        bench.model.make(request, stop=lambda: True)
    assert bench.ask(photo=pixels, settings={"num_steps": 9}) == 0
    with pytest.raises(Stopped):
        make(bench.fresh, request, stop=lambda: True)


def test_stop_gives_threads_back(bench: Bench, pixels: np.ndarray):
    before = torch.get_num_threads()
    with pytest.raises(Stopped):
        make(bench.fresh, Request.build(bench.fresh.recipe.card, {"photo": pixels}), threads=3, stop=lambda: True)
    assert torch.get_num_threads() == before


def test_a_fault_is_not_kept(bench: Bench, pixels: np.ndarray):
    for _ in range(2):
        with pytest.raises(GessoError, match="no numbers"):
            bench.ask(photo=pixels, settings={"mood": "nan"})
    assert bench.model.num_bytes == 0
    with pytest.raises(GessoError, match="for 'other'"):
        bench.model.make(Request(recipe="other"))


def test_previews_are_shown_while_networks_run(bench: Bench, pixels: np.ndarray):
    request = Request.build(bench.fresh.recipe.card, {"photo": pixels}, settings={"num_steps": 4})
    seen: list[int] = []
    bench.model.make(request, on_output=lambda output: seen.append(output.step))
    bench.model.make(request, on_output=lambda output: seen.append(output.step))
    assert seen == [1, 2, 3]


def test_media_that_cannot_be_copied_are_made_anew(toy: Path, pixels: np.ndarray):
    class Odd:
        def sample(self, *given: Any) -> Iterator[Output]:
            yield Output({"image": torch.zeros(1, 3, 8, 8), "odd": object()})

    assembled = assemble(toy)
    bench = Bench(replace(assembled, recipe=replace(assembled.recipe, family=lambda preset: Odd())))
    assert [bench.ask(photo=pixels) for _ in range(2)] == [1, 1]


def test_the_number_of_threads_counts(bench: Bench, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gesso.verbs.generate.default_threads", lambda: 1)
    assert bench.ask(photo=pixels) == 1
    monkeypatch.setattr("gesso.verbs.generate.default_threads", lambda: 2)
    assert bench.ask(photo=pixels) == 1


# --- recipes of the package -----------------------------------------------------------------------------------------------


@pytest.fixture
def drawing() -> np.ndarray:
    page = np.full((90, 120), 255, np.uint8)
    page[10:80, 10:13] = page[10:80, 60:63] = page[10:13, 10:63] = page[77:80, 10:63] = 0
    page[20:60, 80:82] = page[20:60, 110:112] = page[20:22, 80:112] = page[58:60, 80:112] = 0
    return page


def test_colorize_runs_its_network_for_drawing_and_hints_alone(drawing: np.ndarray):
    torch.manual_seed(0)
    bench = Bench(assemble("colorize", preset="tiny", untrained=True))
    hints = [(30, 40, "#ff8800"), (90, 40, "#0044cc")]
    assert bench.ask(sketch=drawing, hints=hints) >= 1
    for more in ({"paper": "95,30 100,50"}, {"cuts": "12,45 60,45"}, {"joins": "30,40 90,40"}, {"settings": {"gap": 9.0, "choice": 1}}):
        assert bench.ask(sketch=drawing, hints=hints, **more) == 0, more
    keep = np.dstack([np.full((90, 120, 3), 7, np.uint8), np.where(drawing > 9, 255, 0).astype(np.uint8)])
    assert bench.ask(sketch=drawing, hints=hints, keep=keep) == 0
    assert bench.ask(sketch=drawing, hints=hints[:1]) >= 1
    assert bench.ask(sketch=drawing, hints=hints, settings={"detail": 96}) >= 1


def test_digits_and_what_their_flow_reads():
    torch.manual_seed(0)
    bench = Bench(assemble("digits", preset="tiny", untrained=True))
    base = {"label": 7, "settings": {"num_steps": 2}}
    assert bench.ask(**base) == 1 and bench.ask(**base) == 0
    for change in ({"label": 6}, {"settings": {"num_steps": 3}}, {"settings": {"num_steps": 2, "solver": "euler"}}, {"seed": 2}):
        assert bench.ask(**base | change) == 1, change
    assert bench.ask(seed=2, **base) == 0


# --- parts ----------------------------------------------------------------------------------------------------------------


class Knobs(Settings):
    one: int = 1
    two: tuple[int, ...] = (1, 2)

    @property
    def both(self) -> int:
        return self.one + len(self.two)


@pytest.mark.parametrize(
    ("look", "noted"),
    [
        (lambda s: s.one, {"one"}),
        (lambda s: (s.one, s.two), {"one", "two"}),
        (lambda s: getattr(s, "two", None), {"two"}),
        (lambda s: isinstance(s, Knobs), set()),
        (lambda s: s.both, {ALL, "one", "two"}),
        (lambda s: s.model_dump(), {ALL}),
        (lambda s: dict(s), {ALL}),
        (lambda s: vars(s), {ALL}),
        (lambda s: repr(s), {ALL}),
        (lambda s: hash(s), {ALL}),
        (lambda s: s == Knobs(), {ALL}),
        (lambda s: s.model_copy(), {ALL}),
    ],
)
def test_whatever_is_looked_at_is_noted(look: Callable[[Any], Any], noted: set[str]):
    read: set[str] = set()
    settings = Knobs(one=3)
    shown = watched(settings, read)
    assert not read and isinstance(shown, Knobs)
    look(shown)
    assert noted <= read and (ALL in read) == (ALL in noted)
    assert (shown.one, shown.two, shown.both) == (3, (1, 2), 5)


def test_copies_share_nothing():
    held = {"t": torch.ones(3), "a": np.ones(2), "l": [torch.zeros(2)], "n": 1}
    made = copied(held)
    held["t"] += 1
    held["a"] += 1
    held["l"][0] += 1
    assert made["t"].tolist() == [1, 1, 1] and made["a"].tolist() == [1, 1] and made["l"][0].tolist() == [0, 0]
    assert bytes_of(held) == 12 + 16 + 8
    for unsure in ({"x": iter([])}, [object()], np.array([{}], object)):
        with pytest.raises(TypeError):
            copied(unsure)


def test_a_draft_is_finished_from_what_the_networks_gave_before(toy: Path, pixels: np.ndarray):
    assembled = assemble(toy)
    model, drafts = IncrementalModel(replace(assembled, recipe=replace(assembled.recipe, drafts=True))), list[Result]()

    def ask(photo: np.ndarray, **more: Any) -> Result:
        request = Request.build(assembled.recipe.card, {"photo": photo, **more}, seed=0)
        return model.make(request, on_draft=drafts.append)

    first = ask(pixels)
    assert not drafts, "there was nothing to make one of"
    second = ask(pixels, tags="warm")
    assert [one.outputs["image"].tobytes() for one in drafts] == [first.outputs["image"].tobytes()]
    assert second.outputs["image"].tobytes() != first.outputs["image"].tobytes()
    with pytest.raises(GessoError, match="draft"):
        drafts[0].record  # noqa: B018
    ask(pixels, tags="warm")
    assert len(drafts) == 1, "the networks were left alone"
    ask(pixels // 2)
    assert len(drafts) == 1, "another drawing's outputs are no draft of this one"
    assert_same(model.make(second.request), make(assembled, second.request))


def test_a_preview_that_is_a_draft_is_finished_and_ends_the_work_where_nothing_more_is_asked(tmp_path: Path):
    import gesso

    weights = gesso.fit("scene", preset="tiny", out=tmp_path / "w", settings={"num_steps": 1, "size": 8}).weights
    model = IncrementalModel(assemble("scene", weights=weights))
    request = Request.build(model.assembled.recipe.card, {}, seed=0, settings={"size": 120})
    drafts: list[Result] = []
    previews: list[Output] = []
    result = model.make(request, on_output=previews.append, on_draft=drafts.append)
    assert len(drafts) == 1 and drafts[0].outputs["image"].shape == result.outputs["image"].shape == (120, 120, 3)
    assert previews and not any(output.draft for output in previews)

    def enough(_: Result) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        IncrementalModel(model.assembled).make(request, on_draft=enough)


def test_previews_are_made_only_for_those_who_look(bench: Bench, pixels: np.ndarray):
    request = Request.build(bench.fresh.recipe.card, {"photo": pixels})
    bench.model.make(request)
    assert bench.family.previews and not any(bench.family.previews)
    bench.model.make(request.model_copy(update={"seed": 1}), on_output=lambda output: None)
    assert bench.family.previews[-1]
