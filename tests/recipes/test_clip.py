"""clip: it learns made-up shapes in two languages, and its text encoder, or another in its place, is a parent of other recipes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gesso
import gesso.cli
import tiny_hub
from gesso import recipes
from gesso.card import Card, Out, Slot
from gesso.conditions.words import Words
from gesso.datasets.captioned_shapes import CaptionedShapes
from gesso.errors import GessoError
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.metrics.retrieval import picture_vectors, text_vectors
from gesso.networks.text_encoder import Sentences
from gesso.recipes.recipe import Optimiser, Recipe, Stage
from gesso.verbs.measure import Make

BOTH = {"en": "a toy", "ko": "장난감"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clip") / "run"
    gesso.train("clip", preset="tiny", steps=150, out=out, threads=1, quiet=True)
    return out


def test_words_find_their_shapes_in_both_languages(run: Path):
    model = gesso.load("clip", weights=run)
    report = recipes.find("clip").measures["retrieval"](Make(model), None, {})
    found = report["captions"]["all"]
    assert found["R@10"] > 3 * found["chance R@10"], found
    shapes = CaptionedShapes(60, 64, first=5000)
    for language in (0, 1):
        item = next(one for one in (shapes.item(n, np.random.default_rng(0)) for n in range(60)) if "red circle" == one["captions"][0][0])
        right, wrong = item["captions"][language][0], ("blue bar", "파란 막대")[language]
        told = [model.generate(words=text, picture=item["picture"]).outputs["similarity"]["cosine"] for text in (right, wrong)]
        assert told[0] > told[1]


def test_either_input_has_a_vector_and_none_is_an_error(run: Path):
    model = gesso.load("clip", weights=run)
    alone = model.generate(words="a red circle").outputs
    assert alone["similarity"] == {} and set(alone["embedding"]) == {"words"}
    assert sum(value**2 for value in alone["embedding"]["words"]) == pytest.approx(1, abs=1e-3)
    both = model.generate(words="a red circle", picture=np.zeros((8, 9, 3), np.uint8)).outputs
    assert set(both["embedding"]) == {"words", "picture"} and 0 <= both["similarity"]["probability"] <= 1
    assert both["embedding"]["words"] == alone["embedding"]["words"]
    with pytest.raises(GessoError, match="nothing was given"):
        model.generate()
    with pytest.raises(GessoError, match="too long"):
        model.generate(words="xylophone quartz " * 12)


@dataclasses.dataclass(frozen=True)
class Colourist:
    """Learns the mean colour of a picture from its words, over a frozen text encoder."""

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("colour", ("net",)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        made = networks["net"](networks["text"](batch.ports.tokens).vector)
        return Loss((made - batch.clean["image"].mean((-2, -1))).square().mean(1))

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        text = networks["text"](inputs.ports.tokens)
        assert text.tokens.values.shape[:2] == text.tokens.mask.shape
        yield Output({"colour": networks["net"](text.vector)})


def colourist(text: Any, width: int) -> Recipe:
    """A recipe that reads words through a frozen text encoder, whichever it is."""
    slot = Slot(name="words", kind=Words, required=True, options={"length": 48}, facts={"vocabulary": "text.vocabulary"})
    out = Out(name="colour", medium="table", help=BOTH)
    stage = Stage(
        name="colour", family=Colourist(), trains={"net": Optimiser(rate=1e-2)}, data=lambda folder, split: CaptionedShapes(64, 16),
        num_steps=3, batch_size=8, average=0.0,
    )  # fmt: skip
    return Recipe(
        card=Card(name="colourist", title=BOTH, summary=BOTH, conditions=(slot,), outputs=(out,)),
        presets={"tiny": None},
        default_preset="tiny",
        build=lambda preset: {"net": nn.Linear(width, 3)},
        family=lambda preset: Colourist(),
        stages=lambda preset: (stage,),
        keeps=("net",),
        uses={"text": text},
        finish=lambda request, made: {"colour": made[-1][1].media["colour"][0].tolist()},
    )


def own_sentences() -> Recipe:
    """A user's own model of texts as a recipe: the letters' counts."""

    def counts(texts: Sequence[str]) -> np.ndarray:
        return np.array([[text.count(letter) for letter in "abcdefgh"] for text in texts], np.float32)

    slot = Slot(name="words", kind=Words, facts={"vocabulary": "vocabulary"})
    return Recipe(
        card=Card(name="own_sentences", title=BOTH, summary=BOTH, conditions=(slot,), outputs=()),
        presets={"tiny": None},
        default_preset="tiny",
        build=lambda preset, facts: {"text": Sentences(counts, 8)},
        family=lambda preset: Colourist(),
        facts=lambda dataset: {"vocabulary": "bytes"},
        known={"vocabulary": "bytes"},
    )


def test_another_recipe_takes_the_text_encoder_with_its_vocabulary(run: Path, tmp_path: Path):
    recipe = colourist("clip", recipes.find("clip").preset("tiny").out)
    gesso.train(recipe, out=tmp_path / "child", weights=run, threads=1, quiet=True)
    model = gesso.load(recipe, weights=[tmp_path / "child", run])
    assert set(model.networks) == {"net", "text", "text.picture", "text.match"}
    parent = gesso.load("clip", weights=run)
    assert model.card.slot("words").options["vocabulary"] == parent.card.slot("words").options["vocabulary"]
    assert not any(p.requires_grad for p in model.networks["text"].parameters())
    assert all(torch.equal(a, b) for a, b in zip(model.networks["text"].parameters(), parent.networks["text"].parameters(), strict=True))
    one, two = (model.generate(words=text).outputs["colour"] for text in ("red circle", "파란 막대"))
    assert one != two and set(model.assembled.hashes) == {"colourist", "clip"}


def test_ones_own_model_of_texts_takes_its_place(tmp_path: Path):
    recipe = colourist(own_sentences(), 8)
    gesso.train(recipe, out=tmp_path / "child", threads=1, quiet=True)
    model = gesso.load(recipe, weights=tmp_path / "child")
    assert isinstance(model.networks["text"], Sentences) and model.card.slot("words").options["vocabulary"] == "bytes"
    facts: Mapping[str, Any] = model.assembled.cards["colourist"]["facts"]
    assert facts == {"text.vocabulary": "bytes"}
    one, two = (model.generate(words=text).outputs["colour"] for text in ("a bad cab", "xyz"))
    assert one != two


def test_a_hub_clip_takes_the_place_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    tiny_hub.needs_hub()
    folder = tiny_hub.clip(tmp_path / "clip")
    model = gesso.load("clip", weights=folder, device="cpu")
    assert model.assembled.preset.side == 32 and model.card.slot("words").options["vocabulary"] == "bytes"
    picture = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    one, two = (model.generate(words=text, picture=picture).outputs["similarity"]["cosine"] for text in ("a red apple", "파란 여우 " * 30))
    assert one != two and -1 <= one <= 1
    report = recipes.find("clip").measures["retrieval"](Make(model), None, {})
    assert 0 <= report["captions"]["all"]["R@10"] <= 1
    ranking = Make(model).other("clip", weights=str(folder))  # as `gesso measure text_to_image --rank FOLDER` does
    fits = picture_vectors(ranking, [picture], ranking.assembled.preset.side) @ text_vectors(ranking, ["a red apple"]).T
    assert float(fits[0, 0]) == pytest.approx(one, abs=1e-4)
    inner = transformers_clip(folder, ["a red apple"], picture)
    assert one == pytest.approx(inner, abs=2e-3)
    given = ["generate", "clip", "--weights", str(folder), "--words", "a red apple", "--out", str(tmp_path / "fit.json")]
    assert gesso.cli.main(given) == 0 and gesso.cli.main(["replay", str(tmp_path / "fit.json"), "--weights", str(folder)]) == 0
    child = colourist("clip", 16)
    gesso.train(child, out=tmp_path / "child", weights={"text": folder}, threads=1, quiet=True)
    read = gesso.load(child, weights=[tmp_path / "child", folder])
    assert read.assembled.hashes["clip"] == model.assembled.hashes["clip"]
    assert read.generate(words="red").outputs["colour"] != read.generate(words="blue").outputs["colour"]
    with pytest.raises(GessoError, match="size of their own"):
        gesso.load("clip", weights=folder, preset="small")
    with pytest.raises(GessoError, match="pipeline"):
        gesso.load("clip", weights=tiny_hub.stable_diffusion(tmp_path / "sd"))
    capsys.readouterr()


def transformers_clip(folder: Path, texts: list[str], picture: np.ndarray) -> float:
    """The cosine by the library's own model, with the picture squeezed as ours is."""
    import transformers

    from gesso.conditions.picture import Picture
    from gesso.ports import Frame

    model = transformers.CLIPModel.from_pretrained(folder).eval()
    tokens = transformers.CLIPTokenizer.from_pretrained(folder)(texts, padding="max_length", max_length=24, return_tensors="pt")
    seen = (Picture.encode([Picture(pixels=picture)], Frame((32, 32))).spatial[:, :-1] + 1) / 2
    mean, deviation = (torch.tensor(row).view(1, 3, 1, 1) for row in ([0.48, 0.46, 0.41], [0.27, 0.26, 0.28]))
    with torch.inference_mode():
        made = model(**tokens, pixel_values=(seen - mean) / deviation)
    return float(torch.nn.functional.cosine_similarity(made.text_embeds, made.image_embeds))
