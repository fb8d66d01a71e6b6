"""Whether colours come from the exemplar: the right one against a wrong one, and how many parts are found where they are.

Right exemplars are of two kinds: a warped copy of the true picture (`gesso.datasets.exemplar_pictures.random_warp`, seeded by the
picture's number), and, where a table names its drawings, a drawing of the same subject with another person. The wrong exemplar is made in
the same way from a picture half the set away. A model that shows no places (MUNIT's way, by codes) has the figures of its pictures alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gesso.datasets.exemplar_pictures import GRID, ExemplarPictures, centres, relatives
from gesso.media.grid import contact_sheet
from gesso.metrics.looks import nearness
from gesso.metrics.yardstick import legible
from gesso.number import whole

GAIN, FOUND = 3.0, 0.6  # aims: dB between right and wrong exemplars, share of parts found
NEAR = 0.1  # of the picture's side: a part is found if it is no farther off
PAPER = 250  # a part with no darker pixel shows nothing
SHOWN = 8  # rows of the sheet
Row = tuple[float, ...]  # PSNR by the right and by the wrong exemplar, and of the colours carried over where there are some


def measure_exemplars(make: Any, held: ExemplarPictures, folder: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """PSNR by right and by wrong exemplars in dB and their difference, and the share of parts found. Options: `limit`.

    Makes the sheet "exemplars": drawing, exemplar, what was carried over and from where, the result, the truth, the result by a wrong one.
    """
    num = min(whole(options.get("limit", len(held)), where="--limit", low=2), len(held))
    model, cells = make.model, list[np.ndarray]()
    rows, found, same = list[Row](), [], []
    for index in range(num):
        item, other = _seeded(held, index, index), _seeded(held, (index + num // 2) % num, index)
        made = model.generate(picture=item["picture"], exemplar=item["exemplar"], seed=0).outputs
        wrong = model.generate(picture=item["picture"], exemplar=other["exemplar"], seed=0).outputs["image"]
        carried = [made[name] for name in ("warped", "places") if name in made]
        rows.append(tuple(nearness(one, item["target"]) for one in (made["image"], wrong, *carried[:1])))
        if index < SHOWN:
            cells += [item["picture"], item["exemplar"], *carried, made["image"], item["target"], wrong]
        if "places" not in made:
            continue
        shown = parts_to_find(item["target"], item["places"])
        if shown.any():
            found.append(near(places_of(made["places"]), item["places"])[shown].mean())
            same.append(near(centres(len(item["places"])), item["places"])[shown].mean())
    make.show("exemplars", lambda: contact_sheet([legible(one) for one in cells], len(cells) // min(num, SHOWN)))
    figures = {"warped copies": _means(rows), "another drawing": _means(_related(model, held, folder, num))}
    parts = {"found": float(np.mean(found)), "at the same place": float(np.mean(same)), "aim": FOUND, "n": len(found)} if found else {}
    return {
        "exemplars": {name: row for name, row in figures.items() if row},
        **({f"parts within {NEAR:g} (PCK)": {"of the drawing": parts}} if parts else {}),
        "aim: right - wrong": GAIN,
        "data": held.name,
    }


def _seeded(held: ExemplarPictures, index: int, seed: int) -> Mapping[str, Any]:
    return held.item(index, np.random.default_rng([seed, 77]))


def _related(model: Any, held: ExemplarPictures, folder: Path | None, limit: int) -> list[Row]:
    """The same for drawings whose exemplar is another drawing; the wrong one is that of a drawing half the list away."""
    pairs = [one for one in relatives(folder) if max(one) < len(held)][:limit] if folder is not None else []
    rows = []
    for number, (index, right) in enumerate(pairs):
        item, wrong = _seeded(held, index, 0), pairs[(number + len(pairs) // 2) % len(pairs)][1]
        colours = [_seeded(held, one, 0)["target"] for one in (right, wrong)]
        shown = [model.generate(picture=item["picture"], exemplar=one, seed=0).outputs for one in colours]
        made = (shown[0]["image"], shown[1]["image"], *(one for name, one in shown[0].items() if name == "warped"))
        rows.append(tuple(nearness(one, item["target"]) for one in made))
    return rows


def _means(rows: Iterable[Row]) -> dict[str, float]:
    table = np.array(list(rows))
    if not table.size:
        return {}
    right, wrong, *carried = table.mean(0)
    row = {"right": right, "wrong": wrong, "right - wrong": right - wrong} | dict(zip(("carried over alone",), carried, strict=False))
    return {name: float(value) for name, value in row.items()} | {"n": len(table)}


def places_of(picture: np.ndarray) -> np.ndarray:
    """The places [n n 2] in [-1, 1] that an output `places`, uint8 [h w 3], shows for each part."""
    middle = picture[GRID // 2 :: GRID, GRID // 2 :: GRID, :2]
    return middle.astype(np.float64) / 127.5 - 1


def near(places: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether places [n n 2] lie within NEAR of the true ones, bool [n n]."""
    return np.linalg.norm(places - truth, axis=-1) <= 2 * NEAR


def parts_to_find(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The parts of a picture uint8 [h w 3] that show something, and that the exemplar shows too, bool [n n]."""
    n = len(places)
    dark = picture.min(2)[: n * GRID, : n * GRID].reshape(n, GRID, n, GRID).min((1, 3)) < PAPER
    inside: np.ndarray = dark & (np.abs(places) < 1).all(2)
    return inside
