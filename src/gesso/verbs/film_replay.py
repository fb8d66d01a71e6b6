"""Replay of a film: its frames are made again from the film that the record names, and compared by their hash; nothing is encoded."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gesso.card import Card
from gesso.errors import GessoError
from gesso.media.planes import Planes
from gesso.media.video import Video
from gesso.media.video_writer import SEGMENT, Segment, hash_planes, sha256_of
from gesso.record import LeftOut, Record, record
from gesso.verbs.assemble import Assembled
from gesso.verbs.batch import is_page, shared
from gesso.verbs.film import FILM, frames_of, sha256_of_file
from gesso.verbs.load import Model
from gesso.verbs.thread import fixed_threads

LEAST_DB = 26.0  # PSNR of luma, below which a film does not show the frames that it was made with: encoding costs far less

WithFiles = Mapping[str, Path | str] | Path | str | None


@dataclass(frozen=True)
class FilmReplay:
    """The frames made again: whether they are the record's, the record of this run, and the PSNR in dB of the file's luma beside them."""

    equal: bool
    again: Record
    psnr: float | None
    differences: list[str]
    changed: bool


def is_film(record: Record, card: Card) -> bool:
    """Whether a record is that of a film whose frames `film` or `shots` made one by one, and not an output of the recipe's own."""
    return FILM in record.output and all(out.name != FILM for out in card.outputs)


def filmed(record: Record, card: Card) -> str | None:
    """The condition that the frames were: the last picture in `left`, as `film` writes it after conditions too large to embed.

    None for a film that a recipe's `shots` made of its request alone.
    """
    pages = [name for name in record.left if is_page(card.slot(name).kind)]
    return pages[-1] if pages else None


def replay_film(
    source: Path, record_: Record, each: str, assembled: Assembled, others: Mapping[str, Any], with_files: WithFiles, threads: int
) -> FilmReplay:
    """Make the frames of the film `source` again.

    `each` is the condition that the frames were, `others` are the JSON of the other conditions that the record lacks.
    GessoError where the film that it was made of is not found.
    """
    model = Model(assembled)
    asked = record_.request
    given = {name: model.card.slot(name).from_json(value) for name, value in {**asked.conditions, **others}.items()}
    found = source_film(source, each, record_.left[each], with_files)
    request = shared(model, given, asked.seed, asked.settings)
    shape = record_.output[FILM].shape or (0,)
    hashed, psnr, differences = _again(source, found, frames_of(model, request, each, threads, record_.made.dtype), shape[0], threads)
    again = record(request, {}, threads=threads, dtype=record_.made.dtype, device=str(assembled.device))
    equal = hashed == record_.output[FILM].sha256
    return FilmReplay(equal, again, psnr, differences, psnr is None or psnr < LEAST_DB)


def _again(source: Path, film: Path, frame_of: Any, num: int, threads: int) -> tuple[str, float | None, list[str]]:
    """The hash of the first `num` frames of `film`, made again; the PSNR of the luma in `source`; and what is missing."""
    segments: list[Segment] = []
    hashed, errors, words = hashlib.sha256(), list[float](), list[str]()
    count = 0
    with Video(film) as given, Video(source) as held, fixed_threads(threads), torch.inference_mode():
        old = held.frames()
        for shot in given.frames():
            planes: Planes = frame_of(shot)
            hash_planes(hashed, planes)
            count += 1
            errors.append(_error(planes, next(old, None)))
            if count % SEGMENT == 0 or count == num:
                segments.append(Segment(len(segments), 0, 0, 0, hashed.hexdigest()))
                hashed = hashlib.sha256()
            if count == num:
                break
        extra = next(old, None) is not None
    if count < num:
        words.append(f"the film that was given holds {count} frames, not {num}")
    lost = sum(error is None for error in errors)
    if lost or extra:
        words.append(f"the file holds {'more frames than' if extra else f'{num - lost} of'} the {num} that were made")
    kept = [error for error in errors if error is not None]
    psnr = None if lost or extra or not kept else -10 * math.log10(max(1e-10, sum(kept) / len(kept)))
    return sha256_of(segments), psnr, words


def _error(planes: Planes, shot: Any) -> Any:
    """The mean squared error of luma in [0, 1]; None where the file has no such frame."""
    if shot is None or shot.planes.luma.shape != planes.luma.shape:
        return None
    made, held = (one.luma.astype(np.float32) / one.peak for one in (planes, shot.planes))
    return float(((made - held) ** 2).mean())


def source_film(source: Path, each: str, left: LeftOut, with_files: WithFiles) -> Path:
    """The film that a record names, found by its hash: as given, in a folder that is given, or beside the film by its name."""
    tried = [path for path in _candidates(source, each, left, with_files) if path.is_file()]
    for path in tried:
        if path.stat().st_size == left.size and sha256_of_file(path) == left.sha256:
            return path
    needs = f"it was made of the film {left.name!r} ({left.size / 1e6:.1f} MB, sha256 {left.sha256[:16]}…)"
    fix = f"--with {each}=FILM or --with FOLDER"
    if tried and isinstance(with_files, Mapping):
        raise GessoError(f"this is another film; {needs}", where=tried[0], fix=fix)
    raise GessoError(f"{needs}, which is not {'among those given' if with_files is not None else 'beside it'}", where=source, fix=fix)


def _candidates(source: Path, each: str, left: LeftOut, with_files: WithFiles) -> list[Path]:
    if isinstance(with_files, Mapping):
        return [Path(with_files[each])] if each in with_files else []
    if with_files is not None:
        folder = Path(with_files)
        if not folder.is_dir():
            raise GessoError("there is no such folder", where=folder, fix=f"--with {each}=FILM or --with FOLDER")
        return sorted(folder.iterdir(), key=lambda path: path.name != left.name)
    return [source.parent / Path(left.name).name]  # the name in a record is not trusted: only its last part, in this folder
