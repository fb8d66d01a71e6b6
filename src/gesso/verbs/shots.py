"""Shots: a film whose frames a recipe makes of nothing but its request, such as one turn around a scene.

The recipe's `shots` are the requests of the frames. Frames are made one by one and written as they come, so memory does not grow with
the film's length. Ctrl-C leaves a film of what was made, and --resume goes on after the last complete segment.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gesso.errors import GessoError
from gesso.media.video import BT709
from gesso.media.video_facts import Colours, Facts
from gesso.media.video_writer import Look, SegmentWriter, check_target, complete, held_plan, join, sha256_of
from gesso.number import whole
from gesso.recipes.recipe import Recipe
from gesso.record import Digest, Record, record
from gesso.request import Request
from gesso.storage.lock import locked
from gesso.training.interrupt import Interrupt
from gesso.verbs.assemble import Assembled, GivenWeights
from gesso.verbs.film import Filmed, OnFrame, computed_with, planes_of
from gesso.verbs.generate import MAX_THREADS, make, parameter_dtype
from gesso.verbs.read_request import assemble_for, request_of
from gesso.verbs.result import make_folder
from gesso.verbs.thread import default_threads, fixed_threads

RATE = 24  # frames a second
COLOURS = Colours(1, BT709, BT709, BT709)  # studio range


def shots(
    recipe: Recipe | str | Path,
    given: Mapping[str, Any],
    *,
    out: Path | str,
    seed: int | None = None,
    preset: str | None = None,
    weights: GivenWeights = None,
    threads: int | None = None,
    device: str | None = None,
    resume: bool = False,
    on_frame: OnFrame | None = None,
) -> Filmed:
    """Make the film of a request and write it to `out` (.mp4, .mov or .mkv), with the record inside.

    `given` holds conditions and settings by the card's names. Finished segments lie in OUT.parts until the film is whole; `resume`
    keeps those of a run that was stopped, with its threads and device.
    GessoError where the recipe makes no film, or another film was begun in that place.
    """
    target = Path(out)
    check_target(target, ())
    parts = target.with_name(f"{target.name}.parts")
    held = held_plan(parts) if resume and complete(parts) else {}
    assembled = assemble_for(recipe, preset=preset, weights=weights, base=None, device=held.get("device", device))
    if assembled.recipe.shots is None:
        raise GessoError(f"{assembled.recipe.name} makes no film of its own", where="--out", fix="the name of a picture")
    request = request_of(assembled, given, seed=seed, base=None)
    asked = assembled.recipe.shots(request)
    threads = held.get("threads", threads)
    number = default_threads() if threads is None else whole(threads, where="threads", low=1, high=MAX_THREADS)
    make_folder(target.parent)
    make_folder(parts)
    with locked(parts, "another film"), Interrupt() as interrupt, fixed_threads(number), torch.inference_mode():
        writer, reason, short = _write(assembled, asked, request, parts, number, held, interrupt, on_frame)
        shown = [*writer.done, *([short] if short is not None and reason != "done" else [])]
        told = _record(request, shown, writer.look, number, assembled)
        join(parts, shown, target, writer.look, None, told.text())
    if reason == "done":
        shutil.rmtree(parts, ignore_errors=True)
    return Filmed(target, sum(one.frames for one in shown), reason, told)


def _write(
    assembled: Assembled,
    asked: Sequence[Request],
    request: Request,
    parts: Path,
    threads: int,
    held: Mapping[str, Any],
    interrupt: Interrupt,
    on_frame: OnFrame | None,
) -> tuple[SegmentWriter, str, Any]:
    """All frames into segments: their writer, the reason why it ended, and the last segment."""
    writer: SegmentWriter | None = None
    number, reason = 0, "done"
    plan = {"request": request.to_json(), "frames": len(asked)} | computed_with(threads, assembled, held)
    try:
        while number < len(asked):
            planes = planes_of(_picture(assembled, asked[number], threads), _facts((2, 2)))
            if writer is None:
                height, width = planes.luma.shape
                facts = _facts((height, width))
                look = Look(width, height, 8, facts.time_base, facts.rate, facts.aspect, COLOURS)
                writer = SegmentWriter(parts, look, plan, resume=bool(held))
                if writer.frames:  # the first frame said what the film looks like; those of complete segments are there
                    number = writer.frames
                    continue
            writer.append(planes, number)
            number += 1
            if on_frame is not None:
                on_frame(number, len(asked), f"{number / RATE:.1f} s")
            if interrupt.requested:
                reason = interrupt.requested
                break
        assert writer is not None
        return writer, reason, writer.close_segment(whole=reason == "done")
    except BaseException:
        if writer is not None:
            writer.drop_segment()
        raise


def _picture(assembled: Assembled, request: Request, threads: int) -> np.ndarray:
    result = make(assembled, request, threads=threads)
    if result.shown is None:
        raise GessoError(f"{assembled.recipe.name} makes no picture", where="--out", fix="choose a recipe that makes pictures")
    return np.asarray(result.outputs[result.shown])


def _facts(size: tuple[int, int]) -> Facts:
    height, width = size
    return Facts(width, height, 8, Fraction(1, RATE), Fraction(RATE), 0, 0.0, Fraction(1), COLOURS, "h264")


def _record(request: Request, shown: list[Any], look: Look, threads: int, assembled: Assembled) -> Record:
    made = Digest(sha256=sha256_of(shown), shape=(sum(one.frames for one in shown), look.height, look.width))
    dtype, device = parameter_dtype(assembled), str(assembled.device)
    plain = record(request, {}, threads=threads, dtype=dtype, device=device, time=datetime.now(UTC))
    return plain.model_copy(update={"output": {"film": made}})
