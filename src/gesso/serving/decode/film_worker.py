"""The process that takes the first look at an uploaded film; run as `python -m gesso.serving.decode.film_worker`.

stdin is the film, opened by the server. The process loads its code, enters the sandbox, decodes a few frames, and answers on stdout
as the workers for pictures do: four bytes of length, JSON, raw pixels. A film that crashes its decoder ends this process only.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.video import Video
from gesso.media.video_facts import VideoBudget
from gesso.media.video_probe import glimpse, warm_up
from gesso.serving.decode import sandbox


def answer(source: Any, budget: VideoBudget) -> tuple[bytes, list[bytes]]:
    """The encoded head and the pixels of the frames; the head says why if the film cannot be read."""
    pixels: list[bytes] = []
    try:
        with Video(source, budget, where="film", threads=1) as video:
            seen = glimpse(video)
        shown = [{"seconds": seconds, "shape": list(frame.shape)} for seconds, frame in seen.frames]
        head: dict[str, Any] = {"facts": seen.facts, "frames": shown}
        pixels = [np.ascontiguousarray(frame).tobytes() for _, frame in seen.frames]
    except GessoError as error:
        head = {"what": error.what, "where": error.where, "fix": error.fix}
    except MemoryError:
        head = {"what": "it takes too much memory to read", "where": None, "fix": "give a smaller film"}
    return json.dumps(head).encode(), pixels


def main() -> None:
    config = json.loads(sys.argv[1])
    warm_up()
    sandbox.enter(config["seconds"], config["memory"], config["wall"])
    head, pixels = answer(open(0, "rb", closefd=False), VideoBudget(**config["budget"]))
    for part in (struct.pack("<I", len(head)), head, *pixels):
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
