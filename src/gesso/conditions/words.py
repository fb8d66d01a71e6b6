"""The kind "words": a short text in any language, such as a caption."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError, short_repr
from gesso.media.subwords import BYTES, END, PAD, START, plain_words, subwords
from gesso.ports import Frame, Ports, PortSizes, Tokens

MAX_LETTERS = 400
LENGTH = 48  # numbers of a text for networks, START and END among them, where the slot has no option `length`
BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
FEWER_TAGS = 3  # that a user writes


class Words(Condition):
    """`text`, its white space as single spaces.

    The slot's options: `vocabulary` (`gesso.media.subwords`; as a rule a fact that training learned from captions); `length`, how many
    numbers a text has for networks, where a text that needs more is refused and never cut (with the vocabulary "bytes", which is for models
    that read texts themselves, there is room for every text); `whole`, whose simulated users write the
    text as it is, for a network that learns to write it.
    """

    kind: ClassVar[str] = "words"
    reads: ClassVar[str] = "captions"
    notation: ClassVar[str] = '"two red apples"'
    text: str = Field(min_length=1, max_length=MAX_LETTERS)

    @field_validator("text", mode="before")
    @classmethod
    def _checked(cls, value: Any) -> Any:
        if not isinstance(value, str) or len(value) > 10 * MAX_LETTERS:
            return value  # the field's type and length say what is wrong
        for letter in value:
            if (unicodedata.category(letter) in ("Cc", "Cs") and not letter.isspace()) or letter in BIDIRECTIONAL:
                raise ValueError(f"it has the control character U+{ord(letter):04X}")
        text = " ".join(value.split())
        if not text:
            raise ValueError("it has no words")
        return text

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Take a text, or {"text": …}."""
        value = given.get("text") if isinstance(given, Mapping) and set(given) == {"text"} else given
        if not isinstance(value, str):
            raise GessoError(f"{short_repr(given)} is not a text", where=where, fix="some words, such as " + cls.notation)
        return cls(text=value).fit(options, where=where)

    def fit(self, options: Mapping[str, Any], *, where: str) -> Self:
        """GessoError where the text needs more numbers than the slot has room for."""
        if "vocabulary" in options:
            num, most = len(subwords(options["vocabulary"]).encode(self.text)), length_of(options) - 2
            if num > most:
                what = f"the text is too long: {num} pieces of words, and {most} fit"
                raise GessoError(what, where=where, fix=f"a text of about {max(1, len(self.text) * most // num)} letters")
        return self

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(vocabulary=len(subwords(options.get("vocabulary", ()))))

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as tokens [b length]: START, the ids of the text's pieces, END, then PAD, which the mask leaves out."""
        import torch

        vocabulary, length = subwords(frame.options.get("vocabulary", ())), length_of(frame.options)
        ids = torch.full((len(values), length), PAD)
        for row, value in zip(ids, values, strict=True):
            if value is not None:
                value.fit(frame.options, where=cls.kind)
                numbers = [START, *vocabulary.encode(value.text), END]
                row[: len(numbers)] = torch.tensor(numbers)
        return Ports(tokens=Tokens(torch.zeros(*ids.shape, 0), ids != PAD, ids=ids))

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """Some words about the example, one of `clean["captions"]`: (text, tags) by language.

        A user writes the text, a few tags or both; with little effort (`budget`) some words are left out, or their order changes. The
        truth has "said", the words that were written, and "holds", all words of every caption, which are true of the example.
        """
        captions = [(text, tuple(tags)) for text, tags in clean["captions"] if text or len(tags)]
        if not captions:
            return None, {}
        text, tags = captions[int(rng.integers(len(captions)))]
        if clean["slot"].options.get("whole"):
            return cls.model_construct(text=_that_fit((text or tags[0]).split(), clean["slot"].options)), {}
        few = [tags[i] for i in rng.permutation(len(tags))[: 1 + int(rng.integers(FEWER_TAGS))]] if tags else []
        kind = rng.random()
        parts = [text] if text and (kind < 0.6 or not few) else few if kind < 0.8 or not text else [text, *few]
        words = ", ".join(parts).split()
        if len(words) > 1 and rng.random() < 0.6 * (1 - budget):
            kept = [word for word in words if rng.random() > 0.3]
            words = kept or words[:1]
        if rng.random() < 0.2 * (1 - budget):
            words = [words[i] for i in rng.permutation(len(words))]
        said = _that_fit(words, clean["slot"].options)
        holds = frozenset(word for line, also in captions for word in plain_words(" ".join((line, *also))))
        return cls.model_construct(text=said), {"said": frozenset(plain_words(said)), "holds": holds}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "words", "schema": cls.model_json_schema()}


def length_of(options: Mapping[str, Any]) -> int:
    """The numbers of a text for networks."""
    return 4 * MAX_LETTERS + 2 if options.get("vocabulary") == BYTES else int(options.get("length", LENGTH))


def _that_fit(words: Sequence[str], options: Mapping[str, Any]) -> str:
    """The first words that the slot has room for, at least a part of one."""
    vocabulary, most = subwords(options.get("vocabulary", ())), length_of(options) - 2
    kept = list(words)
    while len(kept) > 1 and len(vocabulary.encode(" ".join(kept))) > most:
        kept.pop()
    text = " ".join(kept)[:MAX_LETTERS]
    while len(text) > 1 and len(vocabulary.encode(text)) > most:
        text = text[: len(text) // 2]
    return text
