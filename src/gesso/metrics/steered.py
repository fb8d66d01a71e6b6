"""Measurement of a class-conditional model: class agreement, kept known parts, similarity to real pictures, and diversity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from gesso.errors import GessoError
from gesso.families.family import Inputs
from gesso.media.tensor import from_tensor
from gesso.metrics.agreement import class_agreement, classes_of, diversity, features_of, kept_share
from gesso.metrics.frechet import fd_gesso
from gesso.number import parse_whole, whole
from gesso.ports import Frame, join

RUNS = "euler:2,heun:2,euler:4,heun:4,euler:8,heun:8,euler:16,heun:16,euler:32"
BATCH = 100


def measure_steered(model: Any, judge: Any, real: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Compare `model` (conditions label and known, one channel) with the examples of `real`, by features of the classifier `judge`.

    One picture is generated per real example, of its class, so n is equal on both sides. Options: `num` (their number), `seed`,
    `guidance` (scales; the first is used for the Fréchet distances), `runs` (solver:steps, …).
    """
    network = judge.network
    num = min(whole(options.get("num", len(real)), where="--num", low=1), len(real))
    seed = whole(options.get("seed", 0), where="--seed", low=0)
    scales = [float(v) for v in several(options.get("guidance", "1,1.5,3"))]
    runs = [_run(text) for text in several(options.get("runs", RUNS))]
    items = [real.item(i, np.random.default_rng(0)) for i in range(num)]
    pictures, labels = [item["picture"] for item in items], [item["label"] for item in items]
    truth = features_of(network, pictures)
    names = model.card.slot("label").options["classes"]
    asked = [{"label": model.card.slot("label").kind(name=names[c])} for c in labels]

    def figures(made: Sequence[np.ndarray]) -> dict[str, float]:
        features = features_of(network, made)
        return {
            "class obeyed": class_agreement(labels, classes_of(network, made)),
            "fd_gesso": fd_gesso(features, truth),
            "diversity over real": diversity(features, labels) / spread,
        }

    spread = diversity(truth, labels)
    settings = model.card.settings()
    by_steps = []
    for solver, steps in runs:
        chosen = settings.model_copy(update={"solver": solver, "num_steps": steps, "guidance_scale": scales[0]})
        row = {"solver": solver, "steps": steps, "evaluations": 2 * steps - 1 if solver == "heun" else steps}
        by_steps.append(row | figures(make_many(model, asked, chosen, seed)))
    by_scale = []
    for scale in scales:
        chosen = settings.model_copy(update={"guidance_scale": scale})
        by_scale.append({"guidance": scale} | figures(make_many(model, asked, chosen, seed)))
    half = num // 2
    floor = fd_gesso(truth[:half], truth[half:]) if half > 1 else None
    return {
        f"by steps, guidance {scales[0]:g}": by_steps,
        f"by guidance, {settings.solver} with {settings.num_steps} steps": by_scale,
        "known": measure_known(model, network, items, settings, seed),
        "n": num,
        "fd_gesso of one half of the real against the other": floor,
        "class obeyed by the real": class_agreement(labels, classes_of(network, pictures)),
        "judge": dict(judge.assembled.hashes),
    }


def measure_known(model: Any, network: Any, items: Sequence[Mapping[str, Any]], settings: Any, seed: int) -> dict[str, Any]:
    """Measure with a known region and the class: share of bit-equal known pixels, class agreement, and the error of the raw output
    at the known pixels."""
    slot, label = model.card.slot("known"), model.card.slot("label")
    given = []
    for i, item in enumerate(items):
        value, _ = slot.kind.simulate({**item, "slot": slot}, np.random.default_rng([seed, i]), 0.5)
        given.append({"known": value, "label": label.kind(name=label.options["classes"][item["label"]])})
    raw = list(make_many(model, given, settings, seed))
    made = [g["known"].paste(picture) if g["known"] else picture for g, picture in zip(given, raw, strict=True)]
    with_known = [i for i, g in enumerate(given) if g["known"]]
    agreed = [kept_share(made[i], items[i]["picture"], given[i]["known"].mask) for i in with_known]
    before = [np.abs(raw[i].astype(float) - items[i]["picture"])[given[i]["known"].mask].mean() for i in with_known]
    return {
        "pixels kept to the bit": float(np.mean(agreed)),
        "mean difference there before they are put back, of 255": float(np.mean(before)),
        "class obeyed": class_agreement([item["label"] for item in items], classes_of(network, made)),
        "n": len(with_known),
    }


def make_many(model: Any, given: Sequence[Mapping[str, Any]], settings: Any, seed: int) -> list[np.ndarray]:
    """Generate one picture (uint8) per mapping of conditions, in batches. Noise depends on (seed, index), not on the batch."""
    made: list[np.ndarray] = []
    for start in range(0, len(given), BATCH):
        made += _batch(model, given[start : start + BATCH], settings, seed, start)
    return made


def _batch(model: Any, given: Sequence[Mapping[str, Any]], settings: Any, seed: int, start: int) -> Iterator[np.ndarray]:
    assembled = model.assembled
    request = SimpleNamespace(conditions=given[0], settings=settings, seed=seed)
    frame: Frame = next(iter(assembled.recipe.frames(request, assembled.preset)))
    ports, null = [], []
    slots = [slot for slot in model.card.conditions if slot.network]
    for slot in slots:
        view = frame.with_options(slot.options)
        ports.append(slot.kind.encode([one.get(slot.name) for one in given], view))
        null.append(slot.kind.null(view, len(given)))
    shape = (len(given), *assembled.recipe.shape(request, frame, assembled.preset)[1:])
    names, items = [slot.name for slot in slots], range(start, start + len(given))
    inputs = Inputs(join(ports, names), join(null, names), shape, items, assembled.state, assembled.recipe.known, previews=False)
    with torch.inference_mode():
        family = assembled.recipe.family(assembled.preset)
        *_, last = family.sample(assembled.networks, inputs, torch.Generator().manual_seed(seed), settings)
    for one in next(iter(last.media.values())):
        yield from_tensor(one)


def _run(text: str) -> tuple[str, int]:
    """Parse a text such as heun:8 into the solver and the number of steps."""
    solver, _, steps = text.partition(":")
    try:
        return solver, whole(parse_whole(steps), low=1)
    except ValueError:
        raise GessoError(f"{text[:40]!r} is not a run", where="--runs", fix="solver:steps, as in heun:8") from None


def several(value: Any) -> list[str]:
    """The parts of an option that was given as a list, or as a text with commas."""
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else [part for part in str(value).split(",") if part]
