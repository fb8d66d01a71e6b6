"""How well a generator of looks changes a picture: nearness to the true variant, a judge of looks, and how much else it changes.

The judge is a small network that learns the looks from the training pictures at 32 × 32, in the same way each time
(`gesso.metrics.learned_classifier`); its accuracy on true held-out pictures stands beside the others. Two baselines: the input itself, and
a table of colours that is told which pictures belong together: to each colour of a look, the mean of what becomes of it in the other look
(Reinhard's idea, made exact).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gesso.datasets.looks import LookPictures
from gesso.datasets.small_pictures import square
from gesso.media.grid import contact_sheet
from gesso.metrics.agreement import class_agreement, classes_of
from gesso.metrics.colour import CAP
from gesso.metrics.learned_classifier import learned_classifier
from gesso.metrics.views import psnr
from gesso.metrics.yardstick import legible
from gesso.number import whole

ACCURACY, NEARNESS = 0.95, 30.0  # aims: share of pictures, dB
JUDGE_STEPS, JUDGE_SIDE = 400, 32
JUDGE_PLAN = ((16, 1), (32, 1), (64, 1), (64, 1))
COARSE = 3  # bits of a colour's channel that the table leaves out
STILL = 2  # levels: a pixel differs between two true variants if a channel differs by more
SHOWN = 12  # rows of the sheet
Pair = tuple[int, int]  # a picture's number, and the number of the look that it shall have


def measure_looks(make: Any, learned: LookPictures, held: LookPictures, told: LookPictures, options: Mapping[str, Any]) -> dict[str, Any]:
    """Figures on held-out pictures, all or `limit` of them evenly over the set, each in all other looks.

    `told` has groups from which the table of colours learns. Makes the sheet "looks", a row for each of SHOWN translations: the input, by
    noise, the exemplar, by exemplar, the table's, the true variant.
    """
    num = min(whole(options.get("limit", len(held)), where="--limit", low=1), len(held))
    chosen = np.linspace(0, len(held) - 1, num).round().astype(int).tolist()
    pairs = [(index, look) for index in chosen for look in range(len(held.classes)) if look != held.labels[index]]
    model, table = make.model, ColourTable(told)
    seen = [square(picture, JUDGE_SIDE) for picture in learned.pixels]
    judge = learned_classifier(make, seen, learned.labels, learned.classes, steps=JUDGE_STEPS, plan=JUDGE_PLAN)
    sets = {
        "by noise": [_made(model, held, pair) for pair in pairs],
        "by exemplar": [_made(model, held, pair, held.pixels[_exemplar(held, pair)]) for pair in pairs],
        "the input itself": [held.pixels[index] for index, _ in pairs],
        "a table of colours, told the pairs": [table(held.pixels[i], int(held.labels[i]), look) for i, look in pairs],
    }
    truths = [_variant(held, pair) for pair in pairs]
    make.show("looks", lambda: _sheet(held, pairs, sets, truths))
    rows = {name: _figures(judge, held, pairs, pictures, truths) for name, pictures in sets.items()}
    known = [truth for truth in truths if truth is not None]
    right = [look for (_, look), truth in zip(pairs, truths, strict=True) if truth is not None] if known else []
    rows["the true variants"] = {"accuracy": _share(judge, known, right)} if known else _own_accuracy(judge, held)
    aims = {"aim: psnr": NEARNESS, "aim: accuracy": ACCURACY}
    return {"looks": rows, "n": len(pairs), "pictures": num, **aims, "data": held.name}


def _sheet(held: LookPictures, pairs: Sequence[Pair], sets: Mapping[str, Sequence[np.ndarray]], truths: Sequence[Any]) -> np.ndarray:
    cells: list[np.ndarray] = []
    for n in np.linspace(0, len(pairs) - 1, min(SHOWN, len(pairs))).round().astype(int).tolist():
        by_noise, by_exemplar, given, by_table = (pictures[n] for pictures in sets.values())
        truth = np.full_like(given, 255) if truths[n] is None else truths[n]
        cells += [given, by_noise, held.pixels[_exemplar(held, pairs[n])], by_exemplar, by_table, truth]
    return contact_sheet([legible(one) for one in cells], 6)


def _made(model: Any, held: LookPictures, pair: Pair, exemplar: np.ndarray | None = None) -> np.ndarray:
    index, look = pair
    given = {} if exemplar is None else {"exemplar": exemplar}
    picture: np.ndarray = model.generate(picture=held.pixels[index], attribute=held.classes[look], seed=index, **given).outputs["image"]
    return picture


def _exemplar(held: LookPictures, pair: Pair) -> int:
    """Another picture of the look, of another group."""
    index, look = pair
    there = np.flatnonzero((held.labels == look) & (held.groups != held.groups[index]))
    return int(there[index % len(there)])


def _variant(held: LookPictures, pair: Pair) -> np.ndarray | None:
    """The same picture in the other look, where it is known."""
    index, look = pair
    found = np.flatnonzero((held.labels == look) & (held.groups == held.groups[index]))
    return held.pixels[found[0]] if len(found) else None


def _figures(
    judge: Any, held: LookPictures, pairs: Sequence[Pair], pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray | None]
) -> dict[str, float]:
    """`psnr` to the true variants in dB, `accuracy` by the judge, and `elsewhere`, mean change in levels where variants are equal."""
    row = {"accuracy": _share(judge, pictures, [look for _, look in pairs])}
    known = [(made, truth, held.pixels[i]) for made, truth, (i, _) in zip(pictures, truths, pairs, strict=True) if truth is not None]
    if known:
        row["psnr"] = float(np.mean([nearness(made, truth) for made, truth, _ in known]))
        row["elsewhere"] = float(np.mean([change_elsewhere(*one) for one in known]))
    return row


def nearness(made: np.ndarray, truth: np.ndarray) -> float:
    """PSNR in dB of pictures uint8 of one size, capped as all translations are."""
    return min(CAP, psnr(made, truth))


def change_elsewhere(made: np.ndarray, truth: np.ndarray, source: np.ndarray) -> float:
    """The mean change from the source, in levels of 255, at pixels that the true variant leaves as they are; all are uint8 [h w 3]."""
    still = np.abs(truth.astype(int) - source).max(2) <= STILL
    return float(np.abs(made.astype(int) - source)[still].mean()) if still.any() else 0.0


def _share(judge: Any, pictures: Sequence[np.ndarray], looks: Sequence[int]) -> float:
    return class_agreement(looks, classes_of(judge, [square(picture, JUDGE_SIDE) for picture in pictures]))


def _own_accuracy(judge: Any, held: LookPictures) -> dict[str, float]:
    return {"accuracy": _share(judge, list(held.pixels), held.labels.tolist())}


class ColourTable:
    """What becomes of each colour from one look to another, learned from groups of pictures that show the same."""

    def __init__(self, told: LookPictures) -> None:
        self.tables: dict[Pair, np.ndarray] = {}
        groups = {group: np.flatnonzero(told.groups == group) for group in np.unique(told.groups)}
        several = [one for one in groups.values() if len(one) > 1]
        for a in range(len(told.classes)):
            for b in range(len(told.classes)):
                found = [(i, j) for one in several for i in one for j in one if told.labels[i] == a and told.labels[j] == b]
                if found and a != b:
                    self.tables[a, b] = _mean_colours(told.pixels[[i for i, _ in found]], told.pixels[[j for _, j in found]])

    def __call__(self, picture: np.ndarray, look: int, wanted: int) -> np.ndarray:
        """A picture uint8 [h w 3] in the wanted look; colours that were never seen stay."""
        if (look, wanted) not in self.tables:
            return picture
        made = self.tables[look, wanted][_keys(picture)]
        return np.where(made < 0, picture, made.round().clip(0)).astype(np.uint8)


def _mean_colours(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The mean colour after, for each coarse colour before, float64 [colours 3]; -1 where there was none."""
    keys, num = _keys(before).ravel(), 2 ** (3 * (8 - COARSE))
    counts = np.bincount(keys, minlength=num)
    sums = np.stack([np.bincount(keys, after[..., c].ravel(), minlength=num) for c in range(3)], 1)
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], -1.0)


def _keys(pixels: np.ndarray) -> np.ndarray:
    coarse = pixels.astype(np.int64) >> COARSE
    bits = 8 - COARSE
    return (coarse[..., 0] << 2 * bits) | (coarse[..., 1] << bits) | coarse[..., 2]
