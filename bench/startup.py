"""How long the command line takes to answer: `gesso --help` and `gesso recipes`, beside an empty Python and `import torch`.

    python bench/startup.py [--runs 10]

Each round starts every command once, in a new order, after one round that is not counted, so files are in the system's memory.
Aims: 0.3 s for the help and 0.5 s for the recipes, medians.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from sides.turns import machine, machine_line

COMMANDS = {
    "gesso --help": (["-m", "gesso", "--help"], 0.3),
    "gesso recipes": (["-m", "gesso", "recipes"], 0.5),
    "python -c pass": (["-c", "pass"], None),
    "import torch": (["-c", "import torch"], None),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(asked.runs + 1):
        for name in random.Random(number).sample(list(COMMANDS), len(COMMANDS)):
            began = time.perf_counter()
            subprocess.run([sys.executable, *COMMANDS[name][0]], stdout=subprocess.DEVNULL, check=True)
            if number:
                seconds[name].append(time.perf_counter() - began)
    here = machine(1)
    print(f"{machine_line(here)}; {asked.runs} runs\n")
    for name, taken in seconds.items():
        median, aim = statistics.median(taken), COMMANDS[name][1]
        mark = "" if aim is None else f"aim {aim:.1f} {'met' if median <= aim else 'MISSED'}"
        print(f"{name:15} {median:6.3f} s ({min(taken):.3f} to {max(taken):.3f})  {mark}")
    if asked.out:
        asked.out.write_text(json.dumps({**here, "seconds": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
