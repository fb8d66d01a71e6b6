"""The diffusion recipe beside diffusers on this machine: a training step, sampling, and how both grow with size and batch.

    python bench/diffusion.py --preset small --peers /path/to/venv/bin/python
    python bench/diffusion.py --preset tiny --rounds 2 --parts growth

Three parts, all in one run. Each side of the first two is a process of its own; in a round they take turns in a new order, and a ratio
is taken within the round (its interval is a bootstrap over rounds).

training  gesso (`gesso.train`) beside the loop of diffusers' examples over the same U-Net, loss and batches, in float32 (its default) and
          in bf16, and over its own UNet2DModel of about as many parameters. Aim: 4 times the default loop.
sampling  a batch of pictures in few steps (--few) and in many (--many) beside diffusers' loop over the same U-Net, and over its own, in
          many. Aim: 10 times. Whether few steps are as good as many is measured by `gesso measure diffusion --which steps`, not here.
growth    our network's gradients (in bf16 where training is) and its pass (float32, as in sampling) by side and by batch, in turns: how
          much more time each takes than the one before it.

Peers run in an environment of their own (see bench/README.md); without --peers their rows are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sides.turns import Gone, Side, machine, machine_line, play, ratio
from sides.work import Work

from gesso.training.device import choose_cpu

RECIPE = "diffusion"
PARTS = ("training", "sampling", "growth")
SIDES_OF_PICTURES, BATCHES = (16, 32, 64, 96), (1, 4, 16, 64)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--data", help="a folder of examples; by default the recipe's own")
    parser.add_argument("--batch", type=int, default=32, help="examples of a training step")
    parser.add_argument("--pictures", type=int, default=8, help="pictures of a sample")
    parser.add_argument("--few", type=int, default=4)
    parser.add_argument("--many", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="counted steps a turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--peers", help="the python of an environment with diffusers and accelerate")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    return parser.parse_args()


@dataclasses.dataclass(frozen=True)
class Kind:
    """A side: its script, its words, whether it is a peer, and what we shall be in comparison."""

    script: str
    words: tuple[str, ...] = ()
    peer: bool = False
    aim: float | None = None


def training(asked: argparse.Namespace) -> dict[str, Kind]:
    return {
        "gesso": Kind("own.py"),
        "diffusers": Kind("by_diffusers.py", peer=True, aim=4.0),
        "diffusers bf16": Kind("by_diffusers.py", ("--bf16",), peer=True),
        "diffusers, own U-Net": Kind("by_diffusers.py", ("--own-unet",), peer=True),
    }


def sampling(asked: argparse.Namespace) -> dict[str, Kind]:
    few, many = ("--num-steps", str(asked.few)), ("--num-steps", str(asked.many))
    return {
        f"gesso, {asked.few} steps": Kind("sample_own.py", few),
        f"gesso, {asked.many} steps": Kind("sample_own.py", many),
        f"diffusers, {asked.many} steps": Kind("sample_diffusers.py", many, peer=True, aim=10.0),
        f"diffusers, own U-Net, {asked.many} steps": Kind("sample_diffusers.py", ("--own-unet", *many), peer=True),
    }


def side_by_side(asked: argparse.Namespace, kinds: dict[str, Kind], batch: int, steps: int, settle: int) -> dict[str, Any]:
    """Seconds a step of each side that could start, and the first one's ratio to each, paired by round."""
    words = ["--recipe", RECIPE, "--preset", asked.preset, "--batch", str(batch), *(["--data", asked.data] if asked.data else [])]
    rows: dict[str, Any] = {}
    with contextlib.ExitStack() as open_sides:
        sides = []
        for name, kind in kinds.items():
            if kind.peer and not asked.peers:
                print(f"left out {name}: give --peers", file=sys.stderr)
                continue
            try:
                python = asked.peers if kind.peer else sys.executable
                side = Side(name, kind.script, [*words, *kind.words], python=python, threads=asked.threads)
            except Gone as why:
                print(f"left out {name}: {why}", file=sys.stderr)
                continue
            open_sides.callback(side.close)
            sides.append(side)
        seconds = play(sides, asked.rounds, steps, settle=settle)
        first = next(iter(seconds))
        for side in sides:
            found = ratio(seconds[first], seconds[side.name])
            rows[side.name] = {**side.facts, "seconds": statistics.median(seconds[side.name]), "by round": seconds[side.name]}
            rows[side.name] |= {"ratio": found.median, "low": found.low, "high": found.high, "aim": kinds[side.name].aim}
    return rows


def show(title: str, rows: dict[str, Any], unit: str) -> None:
    first = next(iter(rows))
    print(f"\n{title}\n{'side':34} {unit:>12}  {first + ' is … times as fast':34} aim")
    for name, row in rows.items():
        told = "" if name == first else f"{row['ratio']:5.2f} ({row['low']:.2f} to {row['high']:.2f})"
        mark = "" if row["aim"] is None else f"{row['aim']:.0f} {'met' if row['ratio'] >= row['aim'] else 'MISSED'}"
        about = ", ".join(str(row[key]) for key in ("numbers", "version") if key in row)
        size = f", {row['parameters']:,} parameters" if "parameters" in row else ""
        print(f"{name:34} {row['seconds']:12.3f}  {told:34} {mark:9} {about}{size}")


def growth(asked: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a pass and of the gradients of our U-Net, by side at a batch of 8, and by batch at the recipe's own side."""
    torch.set_num_threads(asked.threads)
    work = Work(RECIPE, asked.preset, asked.data, 8)
    network, rng = work.network.to(memory_format=torch.channels_last), torch.Generator().manual_seed(0)
    _, batch = work.made(0)
    own = batch.clean["image"].shape[3]
    points = [("side", side, 8, side) for side in SIDES_OF_PICTURES] + [("batch", num, num, own) for num in BATCHES]

    def times(num: int, side: int) -> dict[str, Callable[[], Any]]:
        x = torch.randn(num, batch.clean["image"].shape[1], side, side, generator=rng).contiguous(memory_format=torch.channels_last)
        t = torch.rand(num, generator=rng)
        shapes = batch.ports.map(
            lambda one: one[:1].expand(num, *one.shape[1:]) if one.ndim < 4 else one.new_zeros(num, one.shape[1], side, side)
        )

        def step() -> None:
            network.train().zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=choose_cpu().autocast):
                made = network(x, t, shapes)
            made.float().square().mean().backward()

        def look() -> None:
            network.eval()
            with torch.inference_mode():
                network(x, t, shapes)

        return {"gradients": step, "pass": look}

    jobs = [(kind, value, what, run) for kind, value, num, side in points for what, run in times(num, side).items()]
    found: dict[tuple[str, int, str], list[float]] = {(kind, value, what): [] for kind, value, what, _ in jobs}
    for number in range(asked.rounds + 1):
        for kind, value, what, run in random.Random(number).sample(jobs, len(jobs)):
            start = time.perf_counter()
            run()
            if number:  # the first round warms up
                found[kind, value, what].append(time.perf_counter() - start)
    rows: dict[str, Any] = {}
    for kind, values in (("side", SIDES_OF_PICTURES), ("batch", BATCHES)):
        for what in ("gradients", "pass"):
            for before, value in zip((None, *values), values, strict=False):
                seconds = found[kind, value, what]
                row = {"seconds": statistics.median(seconds), "by round": seconds}
                if before is not None:
                    more = ratio(found[kind, before, what], seconds)
                    work_more = (value / before) ** (2 if kind == "side" else 1)
                    row |= {"more work": work_more, "more time": more.median, "low": more.low, "high": more.high}
                rows[f"{what}, {kind} {value}"] = row
    return rows


def show_growth(rows: dict[str, Any]) -> None:
    print(f"\ngrowth (pictures of 3 channels)\n{'what':28} {'seconds':>9}  times as long as the one before, for … times the work")
    for name, row in rows.items():
        more = f"{row['more time']:5.2f} ({row['low']:.2f} to {row['high']:.2f}) for {row['more work']:.2f}" if "more time" in row else ""
        print(f"{name:28} {row['seconds']:9.4f}  {more}")


def main() -> None:
    asked = read_arguments()
    here = machine(asked.threads)
    print(f"{RECIPE}, preset {asked.preset}: {asked.rounds} rounds\n{machine_line(here)}")
    told: dict[str, Any] = {"preset": asked.preset, **here}
    if "training" in asked.parts:
        told["training"] = side_by_side(asked, training(asked), asked.batch, asked.steps, settle=2)
        show(f"a training step of {asked.batch} pictures", told["training"], "s a step")
    if "sampling" in asked.parts:
        told["sampling"] = side_by_side(asked, sampling(asked), asked.pictures, 1, settle=0)
        show(f"a sample of {asked.pictures} pictures", told["sampling"], "s a sample")
    if "growth" in asked.parts:
        told["growth"] = growth(asked)
        show_growth(told["growth"])
    if asked.out:
        asked.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
