"""Captioned pictures, one caption and its language at a time, for models that write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

LANGUAGES = ("en", "ko")


class OneLanguage:
    """`dataset` with one of each item's captions, drawn at random, and as `label` the number of its language in LANGUAGES.

    `language` keeps those of one language alone; a picture without one is left as it is.
    """

    def __init__(self, dataset: Any, language: str | None = None) -> None:
        self.dataset, self.language, self.languages = dataset, language, LANGUAGES
        self.name, self.licence = dataset.name, dataset.licence
        for optional in ("weights", "content", "left_out"):
            if hasattr(dataset, optional):
                setattr(self, optional, getattr(dataset, optional))

    def __len__(self) -> int:
        return len(self.dataset)

    def texts(self) -> Iterator[str]:
        """Every caption, each once, in order."""
        yield from self.dataset.texts()

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        item = dict(self.dataset.item(index, rng))
        told = [one for one in item["captions"] if one[0] and self.language in (None, language_of(one[0]))] or item["captions"]
        caption = told[int(rng.integers(len(told)))]
        return {**item, "captions": (caption,), "label": LANGUAGES.index(language_of(caption[0]))}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        stacked: dict[str, Any] = self.dataset.stack(items)
        return stacked


def language_of(text: str) -> str:
    """ "ko" for a text with Hangul, else "en"."""
    return "ko" if any("\uac00" <= letter <= "\ud7a3" or "\u3131" <= letter <= "\u318e" for letter in text) else "en"
