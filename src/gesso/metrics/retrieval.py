"""Retrieval: how often a caption's own picture is among the k nearest of all held-out ones, and naming groups without training for them.

A caption asks for its picture among all pictures of the set; pictures with the same caption are the same answer. "chance" is what
guessing finds. Intervals (90 %) resample the captions. "without people and flags" leaves those groups out of questions and answers;
"…, among all" leaves them out of the questions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.subwords import plain_words
from gesso.number import whole
from gesso.ports import Frame

KS = (1, 5, 10)
LEVEL, NUM_RESAMPLED = 0.9, 1000
PEOPLE_AND_FLAGS = ("people-body", "people body", "people & body", "people", "flags")
OPTIONS = ("split", "seed", "learned")
AIMS = {"all": 0.5, "without people and flags": 0.25}
Embed = Callable[[Sequence[Any]], np.ndarray]  # texts or pictures → unit vectors [n d]


def measure_retrieval(texts: Embed, pictures: Embed, held: Any, seed: int = 0, learned: Any = None) -> dict[str, Any]:
    """Recall at 1, 5 and 10 of captions for pictures and back, by set of questions and by language; and zero-shot naming of groups.

    With the `learned` examples, captions that none of them has are a set of their own: others may be known from another artist's picture.
    `held` has items with `picture`, `captions`, the `languages` of all captions but the first, and `group` ("": none).
    """
    items = [held.item(index, np.random.default_rng(0)) for index in range(len(held))]
    seen = pictures([item["picture"] for item in items])
    names, groups = [item["captions"][0][0] for item in items], [item["group"] for item in items]
    asked = texts(names)
    others = np.array([group not in PEOPLE_AND_FLAGS for group in groups])
    everything = np.ones(len(items), bool)
    keys = [" ".join(plain_words(name)) for name in names]
    found = {
        "all": recall(asked, seen, keys, everything, everything, seed),
        "without people and flags": recall(asked, seen, keys, others, others, seed),
        "without people and flags, among all": recall(asked, seen, keys, others, everything, seed),
        "pictures asking for captions": recall(seen, asked, keys, everything, everything, seed),
    }
    if learned is not None:
        told = {" ".join(plain_words(text)) for text in learned.texts()}
        new = np.array([key not in told for key in keys])
        found["captions never learned"] = recall(asked, seen, keys, new, everything, seed)
        found["captions never learned, without people and flags"] = recall(asked, seen, keys, new & others, others, seed)
    for language in sorted({one for item in items for one in item["languages"]} - {""}):
        own = [dict(zip(item["languages"], item["captions"][1:], strict=True)).get(language, ("", ()))[0] for item in items]
        there = np.array([bool(text) for text in own])
        written = np.zeros_like(asked)
        written[there] = texts([text for text in own if text])
        found[f"all, in {language}"] = recall(written, seen, keys, there, everything, seed)
        found[f"without people and flags, in {language}"] = recall(written, seen, keys, there & others, others, seed)
    for name, aim in AIMS.items():
        if name in found:
            found[name]["aim R@10"] = aim
    report: dict[str, Any] = {"captions": found}
    if len(set(groups) - {""}) > 1:
        report |= zero_shot(texts, seen, groups, seed)
    return report | {"n": len(items), "data": held.name}


def recall(
    asked: np.ndarray, answers: np.ndarray, keys: Sequence[str], asking: np.ndarray, answering: np.ndarray, seed: int
) -> dict[str, Any]:
    """Recall at each k, its interval and chance, of questions [n d] for answers [n d] with the same key; masks say which take part."""
    if not (asking.any() and answering.any()):
        return {"n": 0}
    named = np.array(keys)[answering]
    scores = asked[asking] @ answers[answering].T
    right = np.array(keys)[asking][:, None] == named[None]
    best = np.where(right, scores, -np.inf).max(1)
    ranks = (scores > best[:, None]).sum(1) + ((scores == best[:, None]) & ~right).sum(1) + 1  # a tie counts as lost
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(ranks), size=(NUM_RESAMPLED, len(ranks)))
    row: dict[str, Any] = {}
    for k in KS:
        hits = ranks <= k
        row[f"R@{k}"] = float(hits.mean())
        row[f"R@{k}, 90 %"] = [float(q) for q in np.quantile(hits[draws].mean(1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])]
    row["chance R@10"] = float(np.mean([1 - _none_of(len(named), int(num), KS[-1]) for num in right.sum(1)]))
    return row | {"median rank": float(np.median(ranks)), "n": len(ranks), "among": len(named)}


def _none_of(total: int, right: int, k: int) -> float:
    """The chance that k different answers of `total` hold none of `right`."""
    value = 1.0
    for drawn in range(min(k, total)):
        value *= max(0, total - right - drawn) / (total - drawn)
    return value


def zero_shot(texts: Embed, seen: np.ndarray, groups: Sequence[str], seed: int) -> dict[str, Any]:
    """How often the nearest name of a group, the mean of its words, is the picture's own; beside guessing the most frequent group."""
    names = sorted(set(groups) - {""})
    prompts = [plain_words(name) or [name] for name in names]
    centres = np.stack([texts(several).mean(0) for several in prompts])
    told = np.array([bool(group) for group in groups])
    nearest = (seen[told] @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T).argmax(1)
    wanted = np.array([names.index(group) for group in groups if group])
    hits = nearest == wanted
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(hits), size=(NUM_RESAMPLED, len(hits)))
    counts: Mapping[int, int] = dict(zip(*np.unique(wanted, return_counts=True), strict=True))
    by_group = {name: {"right": float(hits[wanted == i].mean()), "n": int(counts[i])} for i, name in enumerate(names)}
    return {
        "groups named": float(hits.mean()),
        "groups named, 90 %": [float(q) for q in np.quantile(hits[draws].mean(1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])],
        "groups named, mean of groups": float(np.mean([row["right"] for row in by_group.values()])),
        "chance of a group": 1 / len(names),
        "most frequent group": max(counts.values()) / len(wanted),
        "by group": by_group,
    }


def measure_model(model: Any, held: Any, options: Mapping[str, Any], learned: Any = None) -> dict[str, Any]:
    """`measure_retrieval` of a model with the conditions `words` and `picture` and networks "text" and "picture"."""
    if unknown := [name for name in options if name not in OPTIONS]:
        raise GessoError(f"this measure has no option {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
    side = model.assembled.preset.side
    return measure_retrieval(
        lambda texts: text_vectors(model, texts),
        lambda pictures: picture_vectors(model, pictures, side),
        held,
        whole(options.get("seed", 0), where="--seed", low=0),
        learned,
    )


def text_vectors(model: Any, texts: Sequence[str], batch_size: int = 128) -> np.ndarray:
    """Unit vectors [n d] of texts."""
    import torch

    slot = model.card.slot("words")
    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), batch_size):
            values = [slot.kind.model_construct(text=cut(text, slot)) for text in texts[start : start + batch_size]]
            ports = slot.kind.encode(values, Frame().with_options(dict(slot.options)))
            found.append(torch.nn.functional.normalize(model.networks["text"](ports.tokens).vector.float(), dim=1))
    return torch.cat(found).numpy()


def picture_vectors(model: Any, pictures: Sequence[np.ndarray], side: int, batch_size: int = 128) -> np.ndarray:
    """Unit vectors [n d] of pictures uint8 [h w 3]."""
    import torch

    kind, found = model.card.slot("picture").kind, []
    with torch.inference_mode():
        for start in range(0, len(pictures), batch_size):
            values = [kind.model_construct(pixels=one) for one in pictures[start : start + batch_size]]
            spatial = kind.encode(values, Frame((side, side))).spatial
            found.append(torch.nn.functional.normalize(model.networks["picture"](spatial[:, :-1]).float(), dim=1))
    return torch.cat(found).numpy()


def cut(text: str, slot: Any) -> str:
    """The first words of a caption that the slot has room for."""
    words = text.split()
    while len(words) > 1:
        try:
            slot.kind(text=" ".join(words)).fit(slot.options, where=slot.name)
            break
        except GessoError:
            words.pop()
    return " ".join(words)
