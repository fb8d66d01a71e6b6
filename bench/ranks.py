"""Two processes with one thread each against one process with two threads: examples a second of the same training.

    python bench/ranks.py --recipe digits --preset small --rounds 10

Both sides are `gesso.train`, one of them under torchrun on gloo; the batch of a step is the same in total. They take turns as in
bench/train.py. Aim: 1.0.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
from pathlib import Path

from sides.turns import SETTLE, Side, machine, machine_line, play, ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--data")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    words = ["--recipe", asked.recipe, "--preset", asked.preset]
    words += [word for name in ("data", "batch") if getattr(asked, name) is not None for word in (f"--{name}", str(getattr(asked, name)))]
    many = asked.processes
    launch = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={many}")
    one, several = "one process", f"{many} processes"
    with contextlib.ExitStack() as open_sides:
        alone = Side(one, "own.py", words, python=sys.executable, threads=many)
        open_sides.callback(alone.close)
        shared = Side(several, "own.py", words, python=sys.executable, threads=1, launch=launch)
        open_sides.callback(shared.close)
        seconds = play([alone, shared], asked.rounds, asked.steps, settle=SETTLE)
    here, found = machine(many), ratio(seconds[several], seconds[one])
    print(f"{asked.recipe}, preset {asked.preset}: {asked.rounds} rounds of {asked.steps} steps\n{machine_line(here)}\n")
    for name, taken in seconds.items():
        print(f"{name:15} {1 / statistics.median(taken):8.2f} steps/s")
    print(f"{several} are {found} times as fast; aim 1.00 {'met' if found.median >= 1 else 'MISSED'}")
    if asked.out:
        asked.out.write_text(json.dumps({**here, "ratio": found.median, "low": found.low, "high": found.high, "rows": seconds}) + "\n")


if __name__ == "__main__":
    main()
