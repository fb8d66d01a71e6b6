"""Edits by words: how often a drawing takes the colour that is asked for, and how much of its form changes with it.

Nothing that was trained judges: a pixel is paper, ink (dark and grey), or of the colour whose hue is nearest. An edit asks for a colour
that is not the drawing's most frequent one; it succeeds where that is the most frequent one afterwards. What was not named is the form:
the share of pixels that are paper, ink or coloured and were something else before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from gesso.errors import GessoError, as_gesso_error
from gesso.metrics.retrieval import NUM_RESAMPLED
from gesso.metrics.steered import make_many
from gesso.number import whole

NUM = 48  # pictures, each with an edit to every colour
HUES = {"red": 0, "orange": 30, "yellow": 52, "green": 125, "blue": 220, "purple": 285}  # degrees
KOREAN = {"red": "빨간색", "orange": "주황색", "yellow": "노란색", "green": "초록색", "blue": "파란색", "purple": "보라색"}
PAPER, INK, COLOURED = 0, 1, 2
PAPER_FROM, CHROMA = 26, 40  # levels: how far paper may be from white, and the spread of channels from which a pixel has a colour
LEAST = 0.04  # share of the page that is coloured, without which a drawing has no colour
AIMS = {"succeeded": 0.8, "form changed": 0.1}
OPTIONS = ("num", "seed", "language", "way", "strength", "disentanglement", "truncation", "num_steps", "keep", "identity")


def forms(picture: np.ndarray) -> np.ndarray:
    """What each pixel of uint8 [h w 3] is: PAPER, INK or COLOURED."""
    values = picture.astype(int)
    spread = values.max(-1) - values.min(-1)
    white = 255 - values.min(-1) <= PAPER_FROM
    return np.where(white, PAPER, np.where(spread >= CHROMA, COLOURED, np.where(values.max(-1) < 128, INK, PAPER)))


def main_colour(picture: np.ndarray) -> str:
    """The name of the most frequent colour of a drawing uint8 [h w 3]; "" where hardly any of it is coloured."""
    coloured = picture[forms(picture) == COLOURED].astype(float)
    if len(coloured) < LEAST * picture.shape[0] * picture.shape[1]:
        return ""
    names = list(HUES)
    away = np.abs(hue(coloured)[:, None] - np.array(list(HUES.values()))) % 360
    nearest = np.minimum(away, 360 - away).argmin(1)
    return names[int(np.bincount(nearest, minlength=len(names)).argmax())]


def hue(colours: np.ndarray) -> np.ndarray:
    """The angle of colours [n 3] on the circle of hues, in degrees from 0 to 360."""
    red, green, blue = colours.T
    return np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)) % 360


def judged(before: np.ndarray, after: np.ndarray, colour: str) -> dict[str, float]:
    """Whether an edit succeeded, the share of pixels whose form changed, and that of the drawing's outline (of what either covers)."""
    one, other = forms(before), forms(after)
    either = (one != PAPER) | (other != PAPER)
    outline = (one != PAPER) != (other != PAPER)
    return {
        "succeeded": float(main_colour(after) == colour),
        "form changed": float((one != other).mean()),
        "outline changed": float(outline.sum() / max(1, either.sum())),
    }


def measure_edits(model: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Edits of generated pictures to each colour that is not theirs, by colour and in all; "chance" is how often an edit to another
    colour gives it. Intervals (90 %) resample pictures.

    Options: `num` pictures (48), `seed`, `language` ("en", "ko") and the settings.
    """
    if unknown := [name for name in options if name not in OPTIONS]:
        raise GessoError(f"this measure has no option {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
    num, seed = whole(options.get("num", NUM), where="--num", low=2), whole(options.get("seed", 0), where="--seed", low=0)
    try:
        settings = model.card.settings(**{name: value for name, value in options.items() if name in model.card.settings.model_fields})
    except ValidationError as error:
        raise as_gesso_error(error) from None
    said = {"en": {name: name for name in HUES}, "ko": KOREAN}
    chosen = str(options.get("language", "en"))
    if chosen not in said:
        raise GessoError(f"there are no words in {chosen!r}", where="--language", fix="one of " + ", ".join(said))
    before = make_many(model, [{}] * num, settings, seed)
    colours = [main_colour(one) for one in before]
    rows: dict[str, list[dict[str, float]]] = {}
    owners: list[int] = []
    found: list[str] = []
    for name in HUES:
        given = [{"words": model.card.slot("words").read(said[chosen][name])}] * num
        after = make_many(model, given, settings, seed)
        asked = [number for number in range(num) if colours[number] not in ("", name)]
        rows[name] = [judged(before[number], after[number], name) for number in asked]
        owners += asked
        found += [main_colour(after[number]) for number in asked]
    every = [row for name in HUES for row in rows[name]]
    asked_for = [name for name in HUES for _ in rows[name]]
    if not every:
        raise GessoError(
            "none of the generated pictures is coloured", where="--weights", fix="weights of a longer training, or another --seed"
        )
    table = {"all": _means(every) | {"succeeded, 90 %": _interval(every, owners, seed, "succeeded")}}
    table |= {name: _means(part) for name, part in rows.items() if part}
    strays = [one not in ("", asked) for one, asked in zip(found, asked_for, strict=True)]
    chance = float(np.mean(strays)) / (len(HUES) - 1)
    return {
        "edits": table, "aims": AIMS, "chance": chance, "n pictures": num, "n without a colour": colours.count(""),
        "settings": settings.model_dump(), "language": chosen,
    }  # fmt: skip


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]} | {"n": len(rows)}


def _interval(rows: Sequence[Mapping[str, float]], owners: Sequence[int], seed: int, name: str) -> list[float]:
    """The middle 90 % of the mean over pictures drawn again and again, each with all of its edits."""
    own, values = np.array(owners), np.array([row[name] for row in rows])
    numbers = np.unique(own)
    sums, counts = (np.array([part[own == one].sum() for one in numbers]) for part in (values, np.ones(len(values))))
    draws = np.random.default_rng(seed).integers(len(numbers), size=(NUM_RESAMPLED, len(numbers)))
    return [float(q) for q in np.quantile(sums[draws].sum(1) / counts[draws].sum(1), [0.05, 0.95])]
