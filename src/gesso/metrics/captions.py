"""How well written captions agree with held-out ones: the words that both have.

F1 is of the sets of words of the written and the true caption (tags do not count), averaged over the pictures; "of another picture" is
the same figure for captions that were written for other pictures, which is what guessing gives. Texts are the likeliest ones (temperature
0). Intervals (90 %) resample pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.subwords import plain_words
from gesso.number import whole

LEVEL, NUM_RESAMPLED = 0.9, 1000
OPTIONS = ("num", "seed", "split")


def measure_captions(make: Any, held: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of a model with the conditions `picture` and `language`; `held` gives the examples by language, each with one caption.

    Options: `num` pictures a language (200), `seed`, `split`.
    """
    if unknown := [name for name in options if name not in OPTIONS]:
        raise GessoError(f"this measure has no option {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
    seed, num = whole(options.get("seed", 0), where="--seed", low=0), whole(options.get("num", 200), where="--num", low=2)
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    name = ""
    for language, dataset in held.items():
        items = [dataset.item(int(i), np.random.default_rng(int(i))) for i in rng.permutation(len(dataset))]
        items = [item for item in items if item["captions"][0][0] and item["label"] == dataset.languages.index(language)][:num]
        if len(items) < 2:
            continue
        name = dataset.name
        found[language] = _figures(make, items, language, seed)
    if not found:
        raise GessoError("holds no captions in any of the languages", where="--data", fix="at least two captioned pictures held out")
    return {"captions": found, "data": name}


def _figures(make: Any, items: Sequence[Mapping[str, Any]], language: str, seed: int) -> dict[str, Any]:
    made = [make(picture=item["picture"], language=language, temperature=0.0, seed=seed).outputs["caption"] for item in items]
    true = [set(plain_words(item["captions"][0][0])) for item in items]
    said = [set(plain_words(text)) for text in made]
    scores = np.array([f1(one, other) for one, other in zip(said, true, strict=True)])
    turned = np.array([f1(one, other) for one, other in zip(said[1:] + said[:1], true, strict=True)])
    rng = np.random.default_rng(seed)
    means = scores[rng.integers(len(scores), size=(NUM_RESAMPLED, len(scores)))].mean(1)
    return {
        "F1 of words": float(scores.mean()),
        "F1, 90 %": [float(q) for q in np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])],
        "of another picture": float(turned.mean()),
        "the same words": float(np.mean([one == other for one, other in zip(said, true, strict=True)])),
        "different captions": len(set(made)),
        "n": len(items),
    }


def f1(said: set[str], true: set[str]) -> float:
    """The harmonic mean of the shares of the words said that are true, and of the true words that are said."""
    both = len(said & true)
    return 2 * both / (len(said) + len(true)) if both else 0.0
