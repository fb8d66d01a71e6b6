"""Frames a second from 960×540 to 1920×1080: ours beside OpenCV's bicubic and the same network as it is usually written.

    python bench/film.py [--frames 12] [--weights runs/x] [--out film.json]

Each round takes one frame through each way, in another order, and the ratio is taken within a round: other work on the machine slows
both. `usual` is FSRCNN in plain PyTorch, whole frames through a ConvTranspose2d, as its public implementations have it. OpenCV is not
a dependency: pip install opencv-python-headless, or that line is left out. What else a user might install could not be tried where
this was written: opencv-contrib's dnn_superres needs weights that are downloaded, upscale-ncnn-py (SPAN on ncnn) needs libvulkan and
holds no models in its wheel for Linux, realesrgan and super-image need torchvision.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gesso.families.enlarge import LargerFrames
from gesso.media.planes import Planes, chroma_at
from gesso.networks.fsrcnn import FSRCNN
from gesso.networks.span import SPAN
from gesso.record import cpu_features
from gesso.verbs.load import load

SIZE = (540, 960)


def frame(seed: int) -> Planes:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, (SIZE[0] // 10, SIZE[1] // 10)).astype(np.uint8)
    luma = coarse.repeat(10, 0).repeat(10, 1)
    chroma = tuple(rng.integers(90, 160, (SIZE[0] // 2, SIZE[1] // 2)).astype(np.uint8) for _ in range(2))
    return Planes(luma, (chroma[0], chroma[1]))


class Usual(nn.Module):
    """FSRCNN(56, 12, 4) ×2, as usually written."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, 56, 5, padding=2), nn.PReLU(56), nn.Conv2d(56, 12, 1), nn.PReLU(12)]
        for _ in range(4):
            layers += [nn.Conv2d(12, 12, 3, padding=1), nn.PReLU(12)]
        layers += [nn.Conv2d(12, 56, 1), nn.PReLU(56), nn.ConvTranspose2d(56, 1, 9, 2, 4, output_padding=1)]
        self.layers = nn.Sequential(*layers)

    def frame(self, planes: Planes) -> Planes:
        low = torch.from_numpy(planes.luma.astype(np.float32) / 255)[None, None]
        luma = (self.layers(low)[0, 0].clamp(0, 1) * 255).round().byte().numpy()
        return Planes(luma, chroma_at(planes, 2, luma.shape))


def opencv() -> Any:
    try:
        import cv2
    except ImportError:
        return None
    cv2.setNumThreads(torch.get_num_threads())

    def larger(planes: Planes) -> Planes:
        luma, *chroma = (cv2.resize(one, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for one in (planes.luma, *planes.chroma))
        return Planes(luma, (chroma[0], chroma[1]))

    return larger


def ways(weights: Path | None) -> dict[str, Any]:
    own = load("upscale", weights=weights).networks["upscaler"] if weights else FSRCNN().eval()
    found = {
        "ours": LargerFrames(own, 2),
        "usual": Usual().eval().frame,
        "span": LargerFrames(SPAN().eval(), 2),
        "opencv bicubic": opencv(),
    }
    return {name: way for name, way in found.items() if way is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    every = ways(asked.weights)
    seconds: dict[str, list[float]] = {name: [] for name in every}
    with torch.inference_mode():
        for number in range(asked.frames + 1):
            given = frame(number)
            for name in random.Random(number).sample(list(every), len(every)):
                began = time.perf_counter()
                made = every[name](given)
                assert made.luma.shape == (2 * SIZE[0], 2 * SIZE[1])
                if number:  # the first round warms up
                    seconds[name].append(time.perf_counter() - began)
    rows = {}
    for name, taken in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds["ours"], taken, strict=True))
        rows[name] = {"frames a second": 1 / statistics.median(taken), "best": 1 / min(taken), "times as fast as ours": ratio}
        print(f"{name:15}  {rows[name]['frames a second']:7.2f} frames/s (best {rows[name]['best']:7.2f})   {ratio:6.2f} × ours")
    cpu = ", ".join(cpu_features())
    print(f"{asked.threads} threads, {platform.machine()}: {cpu}; torch {torch.__version__}")
    if asked.out:
        asked.out.write_text(json.dumps({"cpu": cpu, "threads": asked.threads, "frames": asked.frames, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
