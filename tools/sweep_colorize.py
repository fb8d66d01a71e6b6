"""Figures of `colorize` under other knobs of its rules, on the part of train that is held out for choosing them.

    python tools/sweep_colorize.py runs/colour/openmoji runs/colour/flats runs/colour/scenes --knobs "" sure=0.6 apart=60,follow=0.7
        [--counts 0,3,half] [--size 72] [--limit 40] [--hands] [--weights FILE] [--out FILE]

A block a setting, "" being the knobs as they are; beside each figure what `exact` has, which knows the truth of what is hinted. The
networks are asked once, however many settings. With --hands only sources that no training sees, without it none of them. The numbers in
docs/LOG.md that speak of dev are of this kind. Never choose on val. --out keeps the figures of one folder and one setting as JSON, for
tools/figures.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import gesso
from gesso.datasets.drawing_table import UNSEEN_SOURCES, held_out
from gesso.metrics.colour import COUNTS, Score, on_white, plain_rule
from gesso.metrics.drawing_pieces import SIDE, Dot, truth_of, truths_of
from gesso.recipes import colorize
from gesso.rules import decision
from gesso.rules.decision import DecisionParameters
from gesso.verbs.generate import Callbacks, native_dtype, sample


def dev(folder: Path, limit: int | None, hands: bool) -> pd.DataFrame:
    """The rows of the table that the protocol would use, of those kept from training."""
    table = pd.read_parquet(folder / "train.parquet")
    table = table[table["eval"] & ~table["flag"].astype(bool) & held_out(table)]
    if "source" in table:
        table = table[table["source"].isin(UNSEEN_SOURCES) == hands]
    return table.iloc[:limit]


class Asked:
    """What the networks said of each drawing and its hints, kept: enough for any knobs."""

    def __init__(self, model: Any) -> None:
        self.model, self.said = model, {}
        self.knobs = DecisionParameters()

    def __call__(self, line: np.ndarray, dots: Sequence[Dot]) -> np.ndarray:
        hints = [gesso.Hint(d.x, d.y, "#{:02x}{:02x}{:02x}".format(*d.rgb), radius=d.radius) for d in dots]
        request = self.model.request(sketch=line, seed=0, **({"hints": hints} if hints else {}))
        key = (line.tobytes(), repr(hints))
        if key not in self.said:
            assembled = self.model.assembled
            with torch.inference_mode():
                self.said[key] = sample(assembled, request, native_dtype(assembled), Callbacks())
        decision.DecisionParameters = lambda: self.knobs  # type: ignore[assignment,misc]
        return on_white(np.asarray(colorize.finish(request, self.said[key])["image"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--knobs", nargs="+", default=[""])
    parser.add_argument("--counts", default=",".join(COUNTS))
    parser.add_argument("--size", type=int, default=SIDE)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--hands", action="store_true")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.out and (len(given.data), len(given.knobs)) != (1, 1):
        parser.error("--out keeps one folder and one setting")
    counts = given.counts.split(",")
    model = gesso.load("colorize", weights=given.weights)
    for folder in given.data:
        rows = dev(folder, given.limit, given.hands)
        if not len(rows):
            continue
        truths = [truth_of(t.line, t.colour, t.cluster) for t in truths_of(rows, given.size)]
        base, asked = Score(plain_rule("exact"), counts), Asked(model)
        for truth in truths:
            base.add(truth)
        exact = base.report()["hints"]
        for text in given.knobs:
            pairs = (pair.split("=") for pair in text.split(",") if pair)
            asked.knobs = dataclasses.replace(DecisionParameters(), **{name: float(value) for name, value in pairs})
            score = Score(asked, counts)
            for truth in truths:
                score.add(truth)
            report = score.report()
            print(f"{folder.name} {len(truths)}: {text or 'as they are'}; unchanged {report['unchanged']}")
            if given.out:
                words = ["python", "tools/sweep_colorize.py", *sys.argv[1 : sys.argv.index("--out")]]
                kept = {"command": shlex.join(words), "weights": model.assembled.hashes, "figures": {**report, "exact": exact}}
                given.out.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
            for count, row in report["hints"].items():
                beside = exact[count]
                gains = " ".join(f"{n} {row[n]} ({row[n] - beside[n]:+.2f})" for n in ("pooled", "capped"))
                others = " ".join(
                    f"{n} {row[n]}" for n in ("paper", "inside", "recall", "right", "chroma", "hinted") if row.get(n) is not None
                )
                wrong = "" if row["wrong"] is None else f" wrong {row['wrong']} ({row['wrong'] - beside['wrong']:+.2f})"
                print(f"  {count:>4} {gains}{wrong} {others}", flush=True)


if __name__ == "__main__":
    main()
