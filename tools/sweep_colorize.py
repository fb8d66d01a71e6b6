"""Figures of `colorize` under other knobs of its rules, on the part of train that is held out for choosing them.

    python tools/sweep_colorize.py openmoji "" stay=0.6 inside=1.5,each=0 --counts 0,3,half [--size 512] [--limit 40] [--weights FILE]

One line a setting, "" being the knobs as they are. The numbers in docs/LOG.md that speak of dev are of this kind. Never choose on val.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pandas as pd

import gesso
from gesso.datasets.drawings import held_out
from gesso.metrics.colour import by_hints, measure_rows
from gesso.metrics.drawing_pieces import truths_of
from gesso.rules import proposal
from gesso.rules.proposal import Knobs


def dev(folder: Path, limit: int | None) -> pd.DataFrame:
    """The rows of the table that the protocol would use, of the clusters kept from training."""
    table = pd.read_parquet(folder / "train.parquet")
    table = table[table["eval"] & ~table["flag"].astype(bool)]
    return table[held_out(table)][:limit]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("knobs", nargs="+")
    parser.add_argument("--counts", default="0,1,3,5,10,half")
    parser.add_argument("--size", type=int, default=72)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--weights", type=Path)
    given = parser.parse_args()
    truths, model = list(truths_of(dev(given.data, given.limit), given.size)), gesso.load("colorize", weights=given.weights)
    for text in given.knobs:
        pairs = (pair.split("=") for pair in text.split(",") if pair)
        knobs = dataclasses.replace(Knobs(), **{name: float(value) for name, value in pairs})
        proposal.Knobs = lambda chosen=knobs: chosen  # type: ignore[assignment,misc]
        report = measure_rows(truths, by_hints(model.generate), given.counts)
        print(text or "as they are", "unchanged", report["unchanged"])
        for count, row in report["hints"].items():
            print(
                "  ", count.rjust(4), " ".join(f"{name} {value}" for name, value in row.items() if name != "interval" and value is not None)
            )


if __name__ == "__main__":
    main()
