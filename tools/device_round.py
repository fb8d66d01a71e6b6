"""A round of training on a GPU: presets in order of worth, each for its share of the time, their weights and figures brought to one folder.

    python tools/device_round.py --out $OUT --minutes 12 [--data ../shared/data] [--only colorize,upscale] [--preset tiny] [--runs runs]

Each training resumes from --runs where an earlier round stopped, saves before its share ends, and copies weights.safetensors (at most
16 MiB each) with its card and figures into --out, so that a round that is cut off has lost one training at most. Works on a CPU too.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesso.errors import GessoError
from gesso.training.device import choose
from gesso.verbs.measure import measure
from gesso.verbs.train import train
from gesso.weights.store import read_weights

MOST_BYTES, MOST_FILES = 16 * 2**20, 8
SPARE = 0.08  # of the time, for measuring and copying


@dataclass(frozen=True)
class Entry:
    """One training of a round: its share of the time, the folder of its data, and the options of its measure."""

    recipe: str
    preset: str
    share: float
    data: str | None
    measured_on: str | None = None
    options: tuple[tuple[str, Any], ...] = ()


QUEUE = (  # in order of worth
    Entry("colorize", "base", 0.5, "colour", "flats", (("counts", "0,3,half"), ("limit", 60))),
    Entry("upscale", "base", 0.3, "photos", "set5"),
    Entry("chorale", "base", 0.2, "jsb_chorales", "jsb_chorales", (("num", 8),)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--data", type=Path, default=None, help="the folder that holds the data sets; without it recipes make their own")
    parser.add_argument("--only", default="", help="names of recipes, in this order")
    parser.add_argument("--preset", default=None, help="for all of them, instead of their own")
    parser.add_argument("--runs", type=Path, default=Path("runs/round"))
    parser.add_argument("--steps", type=int, default=None)
    given = parser.parse_args()
    report = run_round(given.out, given.minutes, data=given.data, only=given.only, preset=given.preset, runs=given.runs, steps=given.steps)
    print(json.dumps(report, indent=1))


def run_round(
    out: Path, minutes: float, *, data: Path | None, only: str = "", preset: str | None = None, runs: Path, steps: int | None = None
) -> dict[str, Any]:
    """Train, measure and bring home; the report is written after each training, so that it is there when the time is cut."""
    out.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + 60 * minutes
    chosen = [entry for entry in QUEUE if not only or entry.recipe in only.split(",")]
    report: dict[str, Any] = {"device": choose().reason, "minutes": minutes, "trainings": {}}
    left = sum(entry.share for entry in chosen)
    for entry in chosen[:MOST_FILES]:
        remaining = (ends - time.monotonic()) / 60
        if remaining < 0.05:
            report["trainings"][entry.recipe] = {"skipped": "no time left"}
            continue
        # What an earlier training left of its share goes to those after it.
        mine, left = remaining * entry.share / left * (1 - SPARE), left - entry.share
        try:
            report["trainings"][entry.recipe] = one(entry, out, mine, data=data, preset=preset or entry.preset, runs=runs, steps=steps)
        except GessoError as error:
            report["trainings"][entry.recipe] = {"failed": str(error)}
        (out / "round.json").write_text(json.dumps(report, indent=1))
    return report


def one(entry: Entry, out: Path, minutes: float, *, data: Path | None, preset: str, runs: Path, steps: int | None) -> dict[str, Any]:
    """One training, its weights in `out`, and its figures."""
    folder = runs / f"{entry.recipe}-{preset}"
    place = None if data is None or entry.data is None else data / entry.data
    trained = train(entry.recipe, data=place, out=folder, preset=preset, minutes=minutes, steps=steps, quiet=True)
    found: dict[str, Any] = {"steps": trained.steps, "seconds": round(trained.seconds, 1), "reason": trained.reason}
    size = trained.weights.stat().st_size
    if size > MOST_BYTES:
        return found | {"left_behind": f"{size} bytes, more than {MOST_BYTES}"}
    target = out / f"{entry.recipe}-{preset}.safetensors"
    shutil.copy(trained.weights, target)
    found |= {"weights": target.name, "sha256": read_weights(target).sha256}
    if data is not None and entry.measured_on is not None:
        report = measure(entry.recipe, data=data / entry.measured_on, weights=target, **dict(entry.options))
        found["figures"] = report["figures"]
    return found


if __name__ == "__main__":
    main()
