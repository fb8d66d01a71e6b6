"""Milliseconds of a fitted scene's views: the draft that follows a hand, and the whole picture.

    gesso fit scene --data nerf_lego --out runs/lego
    python bench/views.py --weights runs/lego [--threads 2] [--cameras 8] [--out views.json]

Cameras stand around the scene at two heights; each picture is made as the studio makes it, through `Radiance.sample`. The median over
cameras is printed, with the slowest. Aim: a draft at 100 × 100 within 300 ms.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from gesso.conditions.camera import Camera
from gesso.families.family import Inputs
from gesso.ports import Frame
from gesso.record import cpu_features
from gesso.request import Request
from gesso.verbs.load import load

AIM = 300.0  # ms of a draft at 100 × 100
SIZES = (100, 200)


def seconds_of(model: Any, camera: Camera, size: int) -> tuple[float, float]:
    """Seconds until the draft (or, where there is none, the picture) and until the picture."""
    recipe, assembled = model.recipe, model.assembled
    request = Request.build(recipe.card, {"camera": camera}, seed=0, settings={"size": size})
    ports = Camera.encode([camera], Frame())
    inputs = Inputs(ports, ports, recipe.shape(request, Frame(), assembled.preset))
    began, draft = time.perf_counter(), 0.0
    for output in recipe.family(assembled.preset).sample(model.networks, inputs, torch.Generator(), request.settings):
        if output.draft:
            draft = time.perf_counter() - began
    whole = time.perf_counter() - began
    return draft or whole, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    model = load("scene", weights=asked.weights)
    cameras = [Camera(azimuth=round(360 * n / asked.cameras - 180, 1), elevation=(15, 50)[n % 2]) for n in range(asked.cameras)]
    rows: dict[str, Any] = {}
    with torch.inference_mode():
        for camera in cameras[:2]:  # the second draft makes the grid that later ones are read from
            seconds_of(model, camera, max(SIZES))
        taken = {size: [seconds_of(model, camera, size) for camera in cameras] for size in SIZES}
    for size, each in taken.items():
        for name, column in (("draft", 0), ("whole", 1)):
            ms = [1000 * one[column] for one in each]
            rows[f"{name} {size}"] = {"median ms": statistics.median(ms), "slowest ms": max(ms)}
            print(f"{name:6} {size}² {statistics.median(ms):8.0f} ms, slowest {max(ms):6.0f} ms")
    drafted = rows["draft 200"]["median ms"]
    print(f"a draft: {drafted:.0f} ms, aim {AIM:.0f} ms: {'met' if drafted <= AIM else 'not met'}")
    print(f"{asked.threads} threads, {platform.machine()}: {', '.join(cpu_features())}; torch {torch.__version__}")
    if asked.out:
        asked.out.write_text(json.dumps({"rows": rows, "threads": asked.threads, "cameras": len(cameras)}, indent=1))


if __name__ == "__main__":
    main()
