"""What share of this machine's convolution speed a training step of a recipe reaches.

    python bench/ceiling.py --recipe colorize --preset base --rounds 5

The ceiling is measured, not looked up: each convolution of the recipe's networks, at the sizes that its batches give it, channels last, in
float32 and in bf16, forward and forward with both gradients; the fastest shape counts, by the best of its runs in a round. A step is one
of `gesso.train`, with everything that belongs to it: batches, loss, gradients, optimiser, average, log. Its operations are counted by
torch.utils.flop_counter on the same batches (products and convolutions only). Both are timed in each round, and the share is taken within
it. Aim: 0.6 of the ceiling of forward and gradients, which is what a step consists of; the forward ceiling is printed too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sides.turns import Side, machine, machine_line
from sides.work import Work
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gesso import recipes
from gesso.training.device import choose_cpu, keep_memory

TYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
MODES = ("forward", "forward and gradients")


class Shape(NamedTuple):
    """A convolution and its input."""

    size_in: tuple[int, ...]
    size_out: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Any
    groups: int

    @property
    def flops(self) -> int:
        """Of one forward pass; each of the two gradients takes as many."""
        b, c, h, w = self.size_out
        return 2 * b * c * h * w * (self.size_in[1] // self.groups) * self.kernel[0] * self.kernel[1]

    def __str__(self) -> str:
        kernel = "x".join(map(str, self.kernel))
        return f"{kernel} convolution, {self.size_in[1]} to {self.size_out[1]} channels at {self.size_out[2]}x{self.size_out[3]}"


class Step:
    """The recipe's training step as far as it consists of products: counted, and its convolutions noted."""

    def __init__(self, recipe: str, preset: str, data: str | None, batch: int | None) -> None:
        self.work, self.device = Work(recipe, preset, data, batch), choose_cpu()
        self.network = self.device.place(self.work.network)
        self.shapes: set[Shape] = set()

    def flops(self, step: int) -> int:
        hooks = [one.register_forward_hook(self._note) for one in self.network.modules() if isinstance(one, nn.Conv2d)]
        counter = FlopCounterMode(display=False)
        with counter, self.device.computing():
            clean, batch = self.work.made(step)
            if self.work.looks(step):
                batch = self.work.seen(clean, batch)
            self.work.loss(self.work.phases(step)[0], batch, step).backward()
        for hook in hooks:
            hook.remove()
        return int(counter.get_total_flops())

    def _note(self, module: nn.Conv2d, given: tuple[Tensor, ...], made: Tensor) -> None:
        self.shapes.add(Shape(tuple(given[0].shape), tuple(made.shape), module.kernel_size, module.stride, module.padding, module.groups))


def speed(shape: Shape, kind: torch.dtype, gradients: bool, runs: int) -> float:
    """Operations a second, the best of `runs`."""
    last = torch.channels_last
    x = torch.randn(shape.size_in, dtype=kind).to(memory_format=last).requires_grad_(gradients)
    weight = torch.randn(shape.size_out[1], shape.size_in[1] // shape.groups, *shape.kernel, dtype=kind).to(memory_format=last)
    weight.requires_grad_(gradients)
    back = torch.randn(shape.size_out, dtype=kind).to(memory_format=last)

    def run() -> None:
        made = nn.functional.conv2d(x, weight, None, shape.stride, shape.padding, groups=shape.groups)
        if gradients:
            torch.autograd.grad(made, (x, weight), back)

    return (3 if gradients else 1) * shape.flops / _best(run, runs)


def _best(run: Callable[[], None], runs: int) -> float:
    run()
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def ceilings(shapes: set[Shape], runs: int) -> dict[tuple[str, str], tuple[float, Shape]]:
    """The fastest convolution for each number type and mode."""
    return {
        (kind, mode): max(((speed(shape, TYPES[kind], mode != MODES[0], runs), shape) for shape in shapes), key=lambda one: one[0])
        for kind in TYPES
        for mode in MODES
    }


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="colorize")
    parser.add_argument("--preset", help="by default base, or the largest that the recipe has")
    parser.add_argument("--data")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5, help="of each convolution in a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    presets = list(recipes.find(asked.recipe).presets)
    asked.preset = asked.preset or ("base" if "base" in presets else presets[-1])
    return asked


def main() -> None:
    asked = read_arguments()
    torch.set_num_threads(asked.threads)
    keep_memory()
    step = Step(asked.recipe, asked.preset, asked.data, asked.batch)
    words = ["--recipe", asked.recipe, "--preset", asked.preset]
    words += [word for name in ("data", "batch") if getattr(asked, name) is not None for word in (f"--{name}", str(getattr(asked, name)))]
    rounds: list[dict[str, Any]] = []
    with contextlib.closing(Side("gesso", "own.py", words, python=sys.executable, threads=asked.threads)) as side:
        side.take(3)
        at = 3
        for number in range(asked.rounds):
            flops = sum(step.flops(at + 1 + n) for n in range(asked.steps))
            side.take(1)  # what was made ahead during the count is used up
            seconds = sum(side.take(asked.steps))
            at += asked.steps + 1
            found = ceilings(step.shapes, asked.runs)
            rounds.append({"flops": flops, "seconds": seconds, "ceilings": found})
            print(f"round {number + 1} of {asked.rounds}", file=sys.stderr)
    report(asked, step, rounds)


def report(asked: argparse.Namespace, step: Step, rounds: list[dict[str, Any]]) -> None:
    here, speeds = machine(asked.threads), [one["flops"] / one["seconds"] for one in rounds]
    used = "bf16" if step.device.autocast else "float32"
    print(
        f"{asked.recipe}, preset {asked.preset}, {step.device.reason}: {asked.rounds} rounds of {asked.steps} steps\n{machine_line(here)}\n"
    )
    print(f"a step: {statistics.median(speeds) / 1e9:.0f} GFLOP/s, {rounds[0]['flops'] / asked.steps / 1e9:.1f} GFLOP")
    rows = {}
    for kind in TYPES:
        for mode in MODES:
            best = [one["ceilings"][kind, mode] for one in rounds]
            ceiling = statistics.median(value for value, _ in best)
            shares = [own / value for own, (value, _) in zip(speeds, best, strict=True)]
            share = statistics.median(shares)
            aim = 0.6 if (kind, mode) == (used, MODES[1]) else None
            mark = "" if aim is None else f"aim {aim:.2f} {'met' if share >= aim else 'MISSED'}"
            print(f"{kind:8} {mode:22} {ceiling / 1e9:7.0f} GFLOP/s ({best[0][1]}); the step reaches {share:.2f}  {mark}")
            rows[f"{kind}, {mode}"] = {"gflops": ceiling / 1e9, "shape": str(best[0][1]), "share": share, "shares": shares, "aim": aim}
    if asked.out:
        figures = {"recipe": asked.recipe, "preset": asked.preset, **here, "step gflops": [one / 1e9 for one in speeds], "rows": rows}
        asked.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
