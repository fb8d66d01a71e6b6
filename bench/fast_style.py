"""Frames a second of feed-forward style transfer, beside the recipe that optimises the same objective.

    gesso train fast_style --data photos --out runs/styles
    python bench/fast_style.py --weights runs/styles [--size 256] [--threads 2] [--rounds 10] [--out fast_style.json]

A frame is a new content in a style whose look is already known, as in a film or while a slider moves; `request` is a content and a
style from the start. Both sides take turns in one process: in each round a frame at each number of passes, then some iterations of
L-BFGS on the same pair, from which the seconds of 100 follow. Medians are printed, and the ratio's interval over the rounds. Speed
does not depend on what the weights have learned: without --weights they are random. Aim: 10 frames a second at 256 × 256 on two cores.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gesso.datasets.dead_leaves import dead_leaves
from gesso.datasets.paired_pictures import to_images
from gesso.datasets.styled_pictures import part
from gesso.families.optimise import PictureOptimiser
from gesso.record import cpu_features
from gesso.training.device import multiplies_bfloat16
from gesso.verbs.assemble import assemble

AIM, PASSES, ITERATIONS = 10.0, (1, 2), 100
SOME = 3  # iterations of L-BFGS in a round


def seconds(run: Callable[[Any], Any], given: Any) -> float:
    began = time.perf_counter()
    run(given)
    return time.perf_counter() - began


def iterate(descent: PictureOptimiser) -> None:
    for _ in range(SOME):
        descent.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    made = assemble("fast_style", preset=args.preset, weights=args.weights, untrained=args.weights is None)
    family, networks = made.recipe.family(made.preset), made.networks
    style_recipe = assemble("style", fitting=True)
    contents = [to_images([part(dead_leaves(n), args.size)]) for n in range(3)]
    style = to_images([part(dead_leaves(9), args.size)])
    reduced = multiplies_bfloat16(torch.device("cpu"))

    def frame(number: int, passes: int, look: Any = None) -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            known = look or family.look_of(networks["features"], style)
            list(family.restyled(networks, contents[number % len(contents)], known, passes))

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        look = family.look_of(networks["features"], style)
    optimising = style_recipe.recipe.family(style_recipe.preset)
    objective = optimising.objective(style_recipe.networks["features"], contents[0], style, style_recipe.recipe.card.settings())
    sides: dict[str, Callable[[int], Any]] = {f"frame, passes {n}": lambda i, n=n: frame(i, n, look) for n in PASSES}
    sides["request, passes 1"] = lambda i: frame(i, 1)
    times: dict[str, list[float]] = {name: [] for name in [*sides, "style, 100 iterations"]}
    for number in range(-2, args.rounds):
        found = {name: seconds(run, number) for name, run in sides.items()}
        descent = PictureOptimiser(objective, contents[0])
        descent.step()
        found["style, 100 iterations"] = seconds(iterate, descent) / SOME * ITERATIONS
        if number >= 0:  # the first rounds warm up
            for name, value in found.items():
                times[name].append(value)

    slow = times["style, 100 iterations"]
    rows = {}
    for name, values in times.items():
        ratios = sorted(other / value for other, value in zip(slow, values, strict=True))
        middle = statistics.median(values)
        rows[name] = {"seconds": middle, "a second": 1 / middle, "times style": statistics.median(ratios), "range": [ratios[0], ratios[-1]]}
        print(f"{name:24} {1 / middle:8.2f} a second {rows[name]['times style']:8.0f} × style  ({ratios[0]:.0f} to {ratios[-1]:.0f})")
    print(f"aim: {AIM:g} frames a second at {args.size} × {args.size}; {args.threads} threads, {'bf16' if reduced else 'fp32'}")
    if args.out is not None:
        setting = {"size": args.size, "threads": args.threads, "preset": args.preset, "rounds": args.rounds, "bf16": reduced}
        machine = {"processor": platform.processor(), "features": cpu_features(), "torch": torch.__version__}
        args.out.write_text(json.dumps({"rows": rows, "aim": AIM, **setting, **machine}, indent=1) + "\n")


if __name__ == "__main__":
    main()
