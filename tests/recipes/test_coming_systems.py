"""What coming systems need of the seams, each by the smallest recipe that needs it: text out, films, tables, foreign networks, parents."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import gesso
from gesso import recipes
from gesso.card import Card, Out, Slot
from gesso.cli import main
from gesso.conditions.label import Label
from gesso.errors import GessoError
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.media import medium as media
from gesso.media.medium import Carried, Medium, sidecar_of
from gesso.recipes.recipe import Gradient, Optimiser, Recipe, Stage
from gesso.request import Request
from gesso.steering.store import Store

BOTH = {"en": "a word", "ko": "낱말"}
WORDS = ("seven", "six", "one")


class WordMedium(Medium):
    """A text; its record lies beside."""

    name: ClassVar[str] = "word"
    endings: ClassVar[Mapping[str, str]] = {".word": "text/x-word"}
    sidecar: ClassVar[bool] = True

    def encode(self, value: Any, ending: str, carried: Carried) -> bytes:
        return str(value).encode()


class Words:
    """Words, whose letters only the data know."""

    name, licence = "words", "CC0-1.0"

    def __len__(self) -> int:
        return len(WORDS)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        return {"label": index, "word": WORDS[index]}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"picture": torch.zeros(len(items), 3, 4, 4), "label": torch.tensor([item["label"] for item in items])}


@dataclasses.dataclass(frozen=True)
class Speller:
    """Learns which letter of the alphabet comes first; each stage counts its steps in the family's state."""

    stage: str = "first"
    whole: bool = False

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("spell", ("net",), whole=self.whole),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        state = nn.Module()
        state.register_buffer(self.stage, torch.zeros(()))
        return state

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: Any, step: int, rng: torch.Generator) -> Loss:
        getattr(state, self.stage).add_(1)
        letters = torch.tensor([batch.facts["letters"].index(WORDS[k][0]) for k in batch.clean["label"].tolist()])
        return Loss(nn.functional.cross_entropy(networks["net"](batch.ports.vector).float(), letters, reduction="none"))

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        assert self.stage in inputs.state and inputs.facts["letters"]
        logits = networks["net"](inputs.ports.vector)
        pictures = {"picture": torch.zeros(len(logits), 3, 4, 4)} if len(logits) > 1 else {}  # what a training shows
        yield Output({"letters": logits.topk(inputs.shape[1], 1).indices, **pictures})


class Finder(Speller):
    """Finds the word that looks like `aim`, which only a fit reads."""

    def fit(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        assert inputs.ports.by_slot["aim"].vector is not None
        yield Output({"letters": torch.zeros(1, 3, dtype=torch.int64)}, values={"word_is": Label(name="six")})


def stage(name: str, **options: Any) -> Stage:
    return Stage(name, Speller(name), {"net": Optimiser()}, lambda folder, split: Words(), 2, 3, **options)


def finish(request: Request, made: Any, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"word": "".join(facts["letters"][k] for k in made[-1][1].media["letters"][0].tolist())}


def speller(**changes: Any) -> Recipe:
    slot = Slot(name="word_is", kind=Label, title=BOTH, help=BOTH, facts={"classes": "words"})
    card = Card(name="speller", title=BOTH, summary=BOTH, conditions=(slot,), outputs=(Out(name="word", medium=WordMedium(), help=BOTH),))
    made = Recipe(
        card,
        {"tiny": None},
        build=lambda preset, facts: {"net": nn.Linear(len(facts["words"]) + 1, len(facts["letters"]))},
        family=lambda preset: Speller(),
        stages=lambda preset: (stage("first"), stage("second")),
        keeps=("net", "family"),
        facts=lambda dataset: {"words": list(WORDS), "letters": sorted(set("".join(WORDS)))},
        shape=lambda request, frame, preset, facts: (1, len(facts["words"])),
        finish=finish,
        default_preset="tiny",
    )
    return dataclasses.replace(made, **changes)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "_own", {})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("speller") / "run"
    with pytest.MonkeyPatch.context() as patch:  # what it defines is forgotten before other modules' tests
        patch.setattr(media, "_own", {})
        gesso.train(speller(), out=out, threads=1, quiet=True, sample_every=1)
    return out


def test_facts_reach_losses_shapes_and_rules_and_a_medium_of_ones_own_its_file(run: Path, tmp_path: Path) -> None:
    made = gesso.load(speller(), weights=run).generate(word_is="six")
    path = made.save(tmp_path / "a.word")
    assert len(path.read_text()) == len(WORDS) and sidecar_of(path).is_file()
    assert gesso.replay(path, recipe=speller(), weights=run).equal


def test_what_only_a_fit_reads_and_what_it_found_is_replayed(run: Path, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    aim = Slot(name="aim", kind=Label, title=BOTH, help=BOTH, facts={"classes": "words"}, fit=True)
    card = speller().card.model_copy(update={"conditions": (*speller().card.conditions, aim)})
    finder = dataclasses.replace(speller(), card=card, family=lambda preset: Finder())
    fitted = gesso.fit(finder, out=tmp_path / "fit", weights=run, given={"aim": "one"})
    assert set(fitted.result.request.conditions) == {"word_is"} and gesso.replay(fitted.file, recipe=finder, weights=run).equal
    again = gesso.load(finder, weights=run).request(base=tmp_path / "fit" / "request.json")
    assert again.conditions == fitted.result.request.conditions
    with pytest.raises(GessoError, match="no condition or setting 'aim'"):
        gesso.load(finder, weights=run).generate(aim="one")
    monkeypatch.setattr(recipes, "find", lambda name: finder)
    shown = []
    for verb in ("fit", "generate"):
        main([verb, "speller", "--help"])
        shown.append("--aim" in capsys.readouterr().out)
    assert shown == [True, False]


def test_previews_see_state_and_facts_and_all_stages_leave_their_state(run: Path) -> None:
    assert list((run / "second" / "samples").glob("*.png")), "Speller.sample needs its state and the facts"
    assert set(gesso.load(speller(), weights=run).assembled.state) == {"first", "second"}


def test_a_batch_whose_examples_are_compared_is_never_divided(tmp_path: Path) -> None:
    whole = dataclasses.replace(stage("first", gradient=Gradient(accumulate=3)), family=Speller(whole=True))
    with pytest.raises(GessoError, match="compares the examples of a batch"):
        gesso.train(speller(stages=lambda preset: (whole,)), out=tmp_path / "run", threads=1, quiet=True)


def test_a_parent_may_be_a_recipe_of_ones_own(run: Path, tmp_path: Path) -> None:
    child = dataclasses.replace(speller(uses={"first": speller()}), card=speller().card.model_copy(update={"name": "child"}))
    assert recipes.used_by(child) == ["speller"]
    gesso.train(child, out=tmp_path / "child", weights=run, threads=1, quiet=True)
    model = gesso.load(child, weights=[tmp_path / "child", run])
    assert set(model.networks) == {"net", "first"} and set(model.assembled.hashes) == {"child", "speller"}


def test_networks_of_other_programs_are_given_by_role(run: Path, tmp_path: Path) -> None:
    foreign = speller(facts=None, build=lambda preset: {"net": nn.Linear(3, 2), "head": nn.Linear(2, 1)}, keeps=("net", "head"))
    for role, network in foreign.build(None).items():
        save_file(network.state_dict(), tmp_path / f"{role}.safetensors")
    with pytest.raises(GessoError, match="keeps head too"):
        gesso.load(foreign, weights=f"net={tmp_path}/net.safetensors")
    places = [f"{role}={tmp_path}/{role}.safetensors" for role in ("net", "head")]
    one, two = (gesso.load(foreign, weights=given).assembled.hashes for given in (places, places[::-1]))
    assert one == two and len(one["speller"]) == 64
    with pytest.raises(GessoError, match="do not fit"):
        gesso.load(foreign, weights=[f"net={run}", places[1]])


def test_help_names_the_files_of_the_card(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "find", lambda name: speller())
    assert main(["generate", "speller", "--help"]) == 0
    assert ".word or .json" in " ".join(capsys.readouterr().out.split())


def test_networks_over_films_and_volumes_train_where_pictures_are_channels_last() -> None:
    from gesso.training.device import Device

    both = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Conv3d(8, 8, 3))
    placed = Device(torch.device("cpu"), None, True, "").place(both)
    assert placed[0].weight.is_contiguous(memory_format=torch.channels_last) and placed[1].weight.is_contiguous()


def test_a_session_may_begin_without_any_of_a_group(tmp_path: Path) -> None:
    a, b = (Slot(name=name, kind=Label, options={"classes": ("x", "y")}, title=BOTH, help=BOTH) for name in "ab")
    card = Card(name="pair", title=BOTH, summary=BOTH, conditions=(a, b), outputs=(), one_of=(("a", "b"),))
    store = Store(tmp_path / "s.sqlite", cards=lambda name: card)
    session = store.create("ann", "pair")
    assert store.missing("ann", session.id) == ("a",)
    store.append("ann", session.id, None, {"op": "set", "slot": "b", "value": {"name": "x"}})
    assert store.missing("ann", session.id) == () and set(store.request("ann", session.id, None).conditions) == {"b"}
    with pytest.raises(GessoError, match="exclude each other"):
        store.append("ann", session.id, None, {"op": "set", "slot": "a", "value": {"name": "x"}})
    store.close()


def test_a_generated_film_is_written_with_its_record(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra gesso[video] is not installed")
    film, video = {"frames": np.zeros((5, 16, 18, 3), np.uint8), "rate": 8.0}, media.medium("video")
    film["frames"][2:] = (250, 20, 20)
    video.check(film, where="film", recipe="toy")
    assert video.in_json(film) == {"num_frames": 5, "height": 16, "width": 18, "rate": 8.0}
    writer = video.writer(tmp_path / "x.mp4", Carried("{}"))
    writer.append(film)
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"] and video.record_in((tmp_path / "x.mp4").read_bytes(), where="x") == "{}"
    with video.decode(video.encode(film, ".mkv", Carried()), where="x") as opened:
        shots = list(opened.frames())
        assert len(shots) == 5 and float(opened.facts.rate) == 8 and [round(shot.seconds, 3) for shot in shots][:2] == [0, 0.125]
        assert np.abs(shots[4].rgb().astype(int) - (250, 20, 20)).max() < 12 and shots[0].rgb().max() < 12
    odd = {"frames": np.zeros((1, 15, 16, 3), np.uint8), "rate": 8.0}
    with pytest.raises(GessoError, match="even height and width"):
        video.check(odd, where="film", recipe="toy")


def test_a_servers_card_knows_what_its_weights_know(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")
    from gesso.serving import Settings
    from gesso.serving.catalogue.recipe_catalogue import Catalogue
    from gesso.serving.storage.user_weights import UserWeights

    def control(weights: Mapping[str, Path]) -> Any:
        (slot,) = Catalogue(Settings(home=tmp_path, tokens={"ann": "a" * 32}, recipes=[speller()], weights=weights)).describe("speller")[
            "conditions"
        ]
        return slot["control"]

    assert control({})["tool"] == "form", "the classes come with the weights; until then the card has a plain form"
    assert control({"speller": run})["classes"] == list(WORDS)

    catalogue = Catalogue(Settings(home=tmp_path, tokens={"ann": "a" * 32}, recipes=[speller()]))
    own = catalogue.own_card("speller", UserWeights("0" * 64, run / "weights.safetensors"))
    assert catalogue.describe("speller", own)["conditions"][0]["control"]["classes"] == list(WORDS)
    store = Store(tmp_path / "s.sqlite", cards=catalogue.card, own_card=lambda owner, recipe, weights: own if owner == "ann" else None)
    edit = {"op": "set", "slot": "word_is", "value": {"name": "six"}}
    session = store.create("ann", "speller", edits=[edit], weights={"speller": "0" * 64})
    assert store.request("ann", session.id).conditions["word_is"] == Label(name="six")
    with pytest.raises(GessoError):
        store.create("bob", "speller", edits=[edit], weights={"speller": "0" * 64})
    store.close()
