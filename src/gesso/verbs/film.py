"""Film: a recipe that makes pictures of pictures, run on each frame of a film; sound, times and colour tags stay.

Frames pass one by one through decoder, networks and encoder, so memory does not grow with the film's length. Ctrl-C leaves a film of
what was made, and --resume goes on after the last complete segment.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gesso.errors import GessoError
from gesso.media.planes import Planes
from gesso.media.video import FULL_RANGE, Shot, Video, pyav
from gesso.media.video_facts import Facts, VideoBudget
from gesso.media.video_writer import Look, SegmentWriter, check_target, complete, held_look, held_plan, join, sha256_of
from gesso.number import whole
from gesso.recipes.recipe import Recipe
from gesso.record import Digest, LeftOut, Record, record
from gesso.request import Request
from gesso.storage.lock import locked
from gesso.training.device import multiplies_bfloat16
from gesso.training.interrupt import Interrupt
from gesso.verbs.assemble import Assembled, GivenWeights
from gesso.verbs.batch import check_rest, each_of, shared
from gesso.verbs.generate import MAX_THREADS, REDUCED, make, native_dtype, parameter_dtype
from gesso.verbs.load import Model, load
from gesso.verbs.read_request import split
from gesso.verbs.result import make_folder, refuse_overwriting
from gesso.verbs.thread import default_threads, fixed_threads

OnFrame = Callable[[int, int, str], None]  # (frames done, frames of all, as far as the file says; what is told)
BLOCK = 2**20  # bytes read at a time
FILM = "film"  # the output's name in a film's record: all its frames


@dataclass(frozen=True)
class Filmed:
    """The written film, its frames, the reason why it ended ("done" or the signal's name), and what there is to tell of it."""

    out: Path
    frames: int
    reason: str
    record: Record
    notes: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.reason == "done"


def film(
    recipe: Recipe | str | Path,
    given: Mapping[str, Any],
    *,
    video: Path | str,
    out: Path | str,
    each: str | None = None,
    seed: int = 0,
    preset: str | None = None,
    weights: GivenWeights = None,
    threads: int | None = None,
    device: str | None = None,
    resume: bool = False,
    budget: VideoBudget | None = None,
    segment: int | None = None,
    name: str | None = None,
    on_frame: OnFrame | None = None,
    stop: Callable[[], bool] | None = None,
) -> Filmed:
    """Run `recipe` on each frame of the film `video` and write the film `out` (.mp4, .mov or .mkv), with the sound as it is.

    `given` holds the other conditions and the settings by the card's names; all frames have the same seed.
    `each` is the condition that the frames are, where there could be several. Finished segments lie in
    OUT.parts until the film is whole; `resume` keeps those of a run that was stopped. `stop` is called after each frame and ends the
    run as Ctrl-C does. `device` is where networks run (None: what is there); a film that goes on keeps its device and threads.
    `name` is the film's in the record, if not its file's.
    GessoError where the film cannot be read, a frame has
    another size, or the file cannot hold the sound.
    """
    source, target = Path(video), Path(out)
    refuse_overwriting([target], [source])
    parts = target.with_name(f"{target.name}.parts")
    held = held_plan(parts) if resume and complete(parts) else {}
    model = load(recipe, preset=preset, weights=weights, device=held.get("device", device))
    conditions, settings = split(model.card, given)
    each = each_of(model.card, each, conditions)
    check_rest(model.card, each, conditions)
    request = shared(model, conditions, seed, settings)
    threads = held.get("threads", threads)
    number = default_threads() if threads is None else whole(threads, where="threads", low=1, high=MAX_THREADS)
    with Video(source, budget or VideoBudget()) as opened:
        check_target(target, opened.facts.sound)
        make_folder(target.parent)
        hashed = sha256_of_file(source)
        dtype = _dtype(model, held)
        frame_of = frames_of(model, request, each, number, dtype)
        plan = {"film": hashed, "request": request.to_json()} | ({"dtype": dtype} if dtype == REDUCED else {})
        plan |= computed_with(number, model.assembled, held)
        make_folder(parts)
        with locked(parts, "another film"):
            try:
                with Interrupt(stop=stop) as interrupt, fixed_threads(number), torch.inference_mode():
                    reason, writer, shown = _run(opened, frame_of, parts, plan, resume, segment, interrupt, on_frame)
                    told = _record(request, each, source, name or source.name, hashed, writer, shown, number, dtype, model.assembled)
                    join(parts, shown, target, writer.look, source, told.text())
            except GessoError:
                if not complete(parts):  # there is nothing to go on with
                    shutil.rmtree(parts, ignore_errors=True)
                raise
        if reason == "done":
            shutil.rmtree(parts, ignore_errors=True)
        return Filmed(target, sum(one.frames for one in shown), reason, told, _notes(opened, writer.look))


def _run(
    video: Video,
    frame_of: Callable[[Shot], Planes],
    parts: Path,
    plan: Mapping[str, Any],
    resume: bool,
    segment: int | None,
    interrupt: Interrupt,
    on_frame: OnFrame | None,
) -> tuple[str, SegmentWriter, list[Any]]:
    """All frames into segments: the reason why it ended, the writer, and the segments to show, of which the last may be short."""
    begun = complete(parts) if resume else []
    writer = SegmentWriter(parts, held_look(parts), plan, resume=True, size=segment) if begun else None
    done = sum(one.frames for one in begun)
    reason, short = "done", None
    try:
        for shot in video.frames(after=begun[-1].last if begun else None):
            planes = frame_of(shot)
            if writer is None:
                writer = SegmentWriter(parts, _look(video.facts, shot, planes), plan, size=segment)
            writer.append(planes, shot.pts)
            done += 1
            if on_frame is not None:
                on_frame(done, max(done, video.facts.num_frames), f"{shot.seconds:.1f} s")
            if interrupt.requested:
                reason = interrupt.requested
                break
        assert writer is not None  # a film without a frame is an error of the reader
        short = writer.close_segment(whole=reason == "done")
    except BaseException:
        if writer is not None:
            writer.drop_segment()
        raise
    return reason, writer, [*writer.done, *([short] if short is not None and reason != "done" else [])]


def computed_with(threads: int, assembled: Assembled, held: Mapping[str, Any]) -> dict[str, Any]:
    """What a film's plan says of threads and device; a `held` plan of an earlier version has neither, and keeps none."""
    said = {"threads": threads, "device": str(assembled.device)}
    return {key: value for key, value in said.items() if not held or key in held}


def _dtype(model: Model, plan: Mapping[str, Any]) -> str:
    """The number type of the networks: that of a film that goes on, else what this machine computes fastest and the recipe allows."""
    if plan:
        return str(plan.get("dtype", "float32"))
    if model.recipe.film is not None:
        return REDUCED if multiplies_bfloat16(model.assembled.device) else "float32"
    return native_dtype(model.assembled)


def frames_of(model: Model, request: Request, each: str, threads: int, dtype: str) -> Callable[[Shot], Planes]:
    """The function from a frame of the film to the frame that is made of it. Networks of a recipe's `film` take its memory format."""
    if model.recipe.film is not None:
        reduced, device = dtype == REDUCED, model.assembled.device.type
        if reduced:
            for network in model.networks.values():
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        larger = model.recipe.film(model.networks, request.settings)

        def enlarged(shot: Shot) -> Planes:
            with torch.autocast(device, torch.bfloat16, enabled=reduced):
                return larger(shot.planes)

        return enlarged
    slot = model.card.slot(each)

    def made(shot: Shot) -> Planes:
        asked = request.model_copy(update={"conditions": {**request.conditions, each: slot.read(np.ascontiguousarray(shot.upright()))}})
        result = make(model.assembled, asked, threads=threads, dtype=dtype)
        if result.shown is None:
            raise GessoError(f"{model.card.name} makes no picture", where="--video", fix="choose a recipe that makes pictures of pictures")
        return planes_of(np.rot90(np.asarray(result.outputs[result.shown]), -shot.turns), shot.facts)

    return made


def planes_of(picture: np.ndarray, facts: Facts) -> Planes:
    """A picture uint8 [h w] or [h w 3] as 4:2:0 planes of 8 bits, in the film's own matrix and range; an odd last row is left out."""
    rgb = np.repeat(picture[..., None], 3, -1) if picture.ndim == 2 else picture[..., :3]
    even = np.ascontiguousarray(rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2])
    frame = pyav().VideoFrame.from_ndarray(even, format="rgb24")
    matrix = facts.colours.matrix if facts.colours.matrix in (1, 4, 5, 6, 7, 9) else 5
    tags = {"dst_colorspace": matrix, "dst_color_range": FULL_RANGE if facts.colours.range == FULL_RANGE else 1}
    shot = Shot(0, 0, 0.0, frame.reformat(format="yuv420p", **tags), Facts(**{**vars(facts), "bits": 8}))
    return shot.planes


def _look(facts: Facts, shot: Shot, planes: Planes) -> Look:
    height, width = planes.luma.shape
    return Look(width, height, planes.bits, facts.time_base, facts.rate, facts.aspect, facts.colours, shot.rotation)


def _record(
    request: Request,
    each: str,
    source: Path,
    name: str,
    hashed: str,
    writer: SegmentWriter,
    shown: list[Any],
    threads: int,
    dtype: str,
    assembled: Assembled,
) -> Record:
    """The record of the film: its source is named by the hash of its file."""
    frames = sum(one.frames for one in shown)
    made = Digest(sha256=sha256_of(shown), shape=(frames, writer.look.height, writer.look.width))
    left = {each: LeftOut(sha256=hashed, name=name[:255], size=source.stat().st_size)}
    dtype = REDUCED if dtype == REDUCED else parameter_dtype(assembled)
    plain = record(request, {}, threads=threads, dtype=dtype, device=str(assembled.device), time=datetime.now(UTC))
    return plain.model_copy(update={"left": {**plain.left, **left}, "output": {FILM: made}})


def _notes(video: Video, look: Look) -> list[str]:
    """What there is to tell of a film: damage, what was left out, and sizes that were cut."""
    notes = [*video.notes, *map(str, video.damage)]
    if video.num_damaged > len(video.damage):
        notes.append(f"and {video.num_damaged - len(video.damage)} more damaged frames")
    if video.facts.left_out:
        notes.append(f"left out: {', '.join(video.facts.left_out)}")
    for name, old, new in (("columns", video.facts.width, look.width), ("rows", video.facts.height, look.height)):
        if new % old and new // old >= 1 and (new + 1) % old == 0:
            notes.append(f"{new + 1} {name} are odd, which the codec cannot hold: the last is left out")
    return notes


def sha256_of_file(path: Path) -> str:
    """The hash of a file's bytes, read in blocks."""
    hashed = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            hashed.update(block)
    return hashed.hexdigest()
