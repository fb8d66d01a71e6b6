"""A table of composed scenes to learn colouring from: drawings of a table over skies, lands and rooms, with exact colours.

    python tools/make_scenes.py ../shared/data/flats runs/colour/scenes --composer ../shared/tools/flats.py [--num 4000] [--seed 0]

Writes train.parquet with columns line, color, flat (PNG bytes; flat is the colour without the line), cluster, flag, eval. Scenes whose
cluster is held out for choices (`gesso.datasets.drawings.held_out`) hold only drawings that are held out too, the others none of them.
The composer is a script with `scene(rng, rows, size, flats=True)`.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from PIL import Image
from rich.progress import track

from gesso.datasets.drawing_table import held_out


def composer(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("composer", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def png(picture: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("drawings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--composer", type=Path, required=True)
    parser.add_argument("--num", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, nargs=2, default=(288, 216))
    given = parser.parse_args()
    compose = composer(given.composer).scene
    rows = pd.read_parquet(given.drawings / "train.parquet")
    table = pd.DataFrame({"cluster": [f"scene-{given.seed}-{n}" for n in range(given.num)]})
    table["flag"], table["eval"] = False, True
    apart, held = held_out(rows), held_out(table)
    parts = {True: rows[apart].reset_index(drop=True), False: rows[~apart].reset_index(drop=True)}
    made = []
    for n in track(range(given.num), description="composing scenes"):
        line, colour, flat = compose(np.random.default_rng([given.seed, n]), parts[bool(held[n])], tuple(given.size), flats=True)
        made.append({"line": png(line), "color": png(colour), "flat": png(flat)})
    given.out.mkdir(parents=True, exist_ok=True)
    pd.concat([table, pd.DataFrame(made)], axis=1).to_parquet(given.out / "train.parquet")


if __name__ == "__main__":
    main()
