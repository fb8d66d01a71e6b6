"""Training steps a second: Gesso's loop beside a plain one, a bare one tuned by hand, Lightning's and diffusers'.

    python bench/train.py --recipe digits --preset small --rounds 10
    python bench/train.py --recipe colorize --preset small --rounds 10 --steps 10
    python bench/train.py --peers /path/to/venv/bin/python      # with Lightning's and diffusers' loops

Each side is a process of its own. In a round they take turns in a new order, each over the same steps of the same training (the same
batches in the same order, the same network and loss), while the others wait; the ratio is taken within a round. The first steps of a
turn are not counted (--settle). Peers run in an environment of their own, which needs the package's own dependencies too:

    python -m venv peers
    peers/bin/pip install -c constraints.txt lightning diffusers accelerate .

Sides: gesso; plain (float32, eager, AdamW, batches made when they are needed); bare (bf16, channels last, fused, batches made ahead in a
process); held (bare, with batches made before the clock starts: what the machine could do if data were free); lightning, diffusers
(the loop of diffusers' examples on accelerate), each with float32, which is their default, and with bf16; unet (diffusers' loop and
its own UNet2DModel of about as many parameters, digits only). Aims: 2.5 times plain (1.3 without bf16), 0.95 times bare.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

from sides.turns import SETTLE, Gone, Side, machine, machine_line, play, ratio

from gesso.training.device import choose_cpu


class Kind(NamedTuple):
    script: str
    words: tuple[str, ...] = ()
    peer: bool = False
    only: str = ""  # the recipe that it can train
    aim: float | None = None


def kinds() -> dict[str, Kind]:
    return {
        "gesso": Kind("own.py"),
        "plain": Kind("plain.py", aim=2.5 if choose_cpu().autocast else 1.3),
        "bare": Kind("bare.py", aim=0.95),
        "held": Kind("bare.py", ("--held",)),
        "lightning": Kind("by_lightning.py", peer=True),
        "lightning bf16": Kind("by_lightning.py", ("--bf16",), peer=True),
        "diffusers": Kind("by_diffusers.py", peer=True),
        "diffusers bf16": Kind("by_diffusers.py", ("--bf16",), peer=True),
        "unet": Kind("by_diffusers.py", ("--own-unet",), peer=True, only="digits"),
    }


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--data", help="a folder of examples; by default the recipe's own")
    parser.add_argument("--batch", type=int, help="examples a batch; by default the preset's")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=10, help="counted steps a turn")
    parser.add_argument("--settle", type=int, default=SETTLE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sides", nargs="+", choices=list(kinds()), help="by default all that are here; gesso always")
    parser.add_argument("--peers", help="the python of an environment with lightning, diffusers and accelerate")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    return parser.parse_args()


def started(asked: argparse.Namespace, open_sides: contextlib.ExitStack) -> list[Side]:
    """The sides that could start. Of the others it is said why not."""
    words = ["--recipe", asked.recipe, "--preset", asked.preset]
    words += [word for name in ("data", "batch") if getattr(asked, name) is not None for word in (f"--{name}", str(getattr(asked, name)))]
    found = []
    for name, kind in kinds().items():
        if name != "gesso" and asked.sides and name not in asked.sides:
            continue
        if kind.only not in ("", asked.recipe):
            continue
        if kind.peer and not asked.peers:
            print(f"left out {name}: give --peers", file=sys.stderr)
            continue
        try:
            python = asked.peers if kind.peer else sys.executable
            side = Side(name, kind.script, [*words, *kind.words], python=python, threads=asked.threads)
        except Gone as why:
            if name == "gesso":
                raise SystemExit(f"gesso could not start: {why}") from None
            print(f"left out {name}: {why}", file=sys.stderr)
            continue
        open_sides.callback(side.close)
        found.append(side)
    return found


def main() -> None:
    asked = read_arguments()
    with contextlib.ExitStack() as open_sides:
        sides = started(asked, open_sides)
        seconds = play(sides, asked.rounds, asked.steps, settle=asked.settle)
        facts = {side.name: side.facts for side in sides}
    here = machine(asked.threads)
    print(f"{asked.recipe}, preset {asked.preset}: {asked.rounds} rounds of {asked.steps} steps\n{machine_line(here)}\n")
    print(f"{'side':15} {'steps/s':>8}  {'gesso is … times as fast':26} aim")
    rows: dict[str, Any] = {}
    for name, taken in seconds.items():
        speed, found, aim = 1 / statistics.median(taken), ratio(seconds["gesso"], taken), kinds()[name].aim
        rows[name] = {**facts[name], "steps a second": speed, "seconds a step by round": taken, "aim": aim}
        rows[name] |= {"ratio": found.median, "low": found.low, "high": found.high}
        told = "" if name == "gesso" else str(found)
        mark = "" if aim is None else f"{aim:.2f} {'met' if found.median >= aim else 'MISSED'}"
        about = ", ".join(str(facts[name][key]) for key in ("numbers", "version") if key in facts[name])
        size = f", {facts[name]['parameters']:,} parameters" if "parameters" in facts[name] else ""
        print(f"{name:15} {speed:8.2f}  {told:26} {mark:12} {about}{size}")
    if asked.out:
        asked.out.write_text(json.dumps({"recipe": asked.recipe, "preset": asked.preset, **here, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
