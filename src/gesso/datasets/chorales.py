"""Chorales in four parts on a grid of sixteenths: Jsb16thSeparated, in its standard split, or exercises that are made here.

229 pieces to learn from, 76 to validate, 77 to test ("test"; nothing is chosen by it). The grid tells no repeated note from a held one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.file import read_json
from gesso.media.score import REST, numbered
from gesso.rules.harmony import chord_classes
from gesso.rules.voice_leading import RANGES

FILE = "Jsb16thSeparated.json"
SPLITS = {"train": "train", "val": "valid", "dev": "valid", "test": "test"}
LOWEST, HIGHEST = 36, 81
PITCHES = HIGHEST - LOWEST + 2  # and a rest
VOICES = 4
MAX_SHIFT = 6
MAX_BYTES = 64 << 20


class Chorales:
    """Pieces int16 [4 steps] in MIDI numbers, REST where a voice is silent.

    With a `crop` (steps), `item` gives a random part of that length that begins on a quarter, in a random transposition within the
    voices' ranges; without, whole pieces as they are. `start` is where the part begins, `steps` how long the piece is, and `whole` the
    piece in that transposition (a part of a piece often is in another key than the piece).
    """

    def __init__(self, pieces: Sequence[np.ndarray], *, name: str, licence: str, crop: int = 0) -> None:
        self.pieces, self.name, self.licence, self.crop = list(pieces), name, licence, crop
        lengths = np.array([piece.shape[1] for piece in pieces], float)
        self.weights = lengths if crop else None

    def __len__(self) -> int:
        return len(self.pieces)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        piece = self.pieces[index]
        if not self.crop:
            return {"notes": piece, "whole": piece, "start": 0, "steps": piece.shape[1]}
        piece = transposed(piece, rng)
        last = max(0, piece.shape[1] - self.crop // 2)
        start = int(rng.integers(last + 1)) // 4 * 4 if rng.random() < 0.8 else 0
        return {"notes": piece[:, start : start + self.crop], "whole": piece, "start": start, "steps": piece.shape[1]}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`notes` int64 [b 4 t], numbers from 0 (a rest) to PITCHES - 1, padded; `length` and `start` int64 [b]."""
        import torch

        length = max([self.crop, *(item["notes"].shape[1] for item in items)])
        notes = np.zeros((len(items), VOICES, length), np.int64)
        for row, item in zip(notes, items, strict=True):
            row[:, : item["notes"].shape[1]] = numbered(item["notes"], LOWEST, PITCHES)
        lengths = [item["notes"].shape[1] for item in items]
        starts = [item["start"] for item in items]
        return {"notes": torch.from_numpy(notes), "length": torch.tensor(lengths), "start": torch.tensor(starts)}


def chorales(folder: Path | None, split: str, *, crop: int = 0) -> Chorales:
    """The chorales of a split: "train", "val" (also "dev") or "test".

    `folder` holds Jsb16thSeparated.json, or a sub-folder `jsb_chorales` with it, or is that file; None: exercises made here.
    """
    if split not in SPLITS:
        raise GessoError(f"there is no split {split!r}", where="--split", fix="one of " + ", ".join(SPLITS))
    if folder is None:
        rng = np.random.default_rng([7, sum(map(ord, SPLITS[split]))])
        made = [exercise(rng) for _ in range(64 if split == "train" else 16)]
        return Chorales(made, name="exercises in four parts, made by the project", licence="Apache-2.0", crop=crop)
    given = Path(folder)
    place = next((p for p in (given, given / FILE, given / "jsb_chorales" / FILE) if p.is_file()), None)
    if place is None:
        raise GessoError(f"holds no {FILE}", where=folder, fix="the folder with the JSON of JSB-Chorales-dataset")
    data = read_json(place, MAX_BYTES)
    wanted = SPLITS[split]
    if not isinstance(data, Mapping) or not isinstance(data.get(wanted), list) or not data[wanted]:
        raise GessoError(f"holds no pieces under {wanted!r}", where=place, fix="the JSON of JSB-Chorales-dataset")
    pieces = [read_piece(piece, where=f"{place}: {wanted} {n}") for n, piece in enumerate(data[wanted])]
    return Chorales(pieces, name="JSB chorales, sixteenths (Boulanger-Lewandowski's split)", licence="public domain scores", crop=crop)


def read_piece(columns: Any, *, where: object) -> np.ndarray:
    """A piece int16 [4 steps] from its columns, four MIDI numbers each, below 0 for a rest."""
    try:
        piece = np.array(columns, np.float64)
    except (TypeError, ValueError):
        piece = np.zeros(0)
    if piece.ndim != 2 or piece.shape[1] != VOICES or not len(piece) or not np.array_equal(piece, piece.round()):
        raise GessoError("is not a list of columns of four pitches", where=where, fix="the JSON of JSB-Chorales-dataset")
    whole = np.where(piece < 0, REST, piece).astype(np.int16).T
    sounding = whole[whole >= 0]
    if sounding.size and (sounding.min() < LOWEST or sounding.max() > HIGHEST):
        raise GessoError(f"has pitches from {sounding.min()} to {sounding.max()}", where=where, fix=f"{LOWEST} to {HIGHEST}")
    return whole


def transposed(piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The piece up or down by at most MAX_SHIFT semitones, each as likely as another, as far as all voices stay within their ranges."""
    low, high = -MAX_SHIFT, MAX_SHIFT
    for part, (lowest, highest) in zip(piece, RANGES, strict=True):
        sounding = part[part >= 0]
        if sounding.size:
            low, high = max(low, lowest - int(sounding.min())), min(high, highest - int(sounding.max()))
    shift = int(rng.integers(low, high + 1)) if low <= high else 0
    return np.where(piece >= 0, piece + shift, piece).astype(np.int16)


def exercise(rng: np.random.Generator) -> np.ndarray:
    """Eight chords a bar long or half, from tonic to tonic in a random key, each voice moving as little as it can."""
    tonic = int(rng.integers(12))
    names = ("C", "Dm", "Em", "F", "G", "Am")
    chosen = ["C", *rng.choice(names, 5).tolist(), "G", "C"]
    last = [67 + tonic % 5, 62, 55, 48]
    columns: list[list[int]] = []
    for chord in chosen:
        root, classes = chord_classes(chord)
        wanted = {(root + tonic) % 12} if not columns else set()
        classes = tuple((one + tonic) % 12 for one in classes)
        bass = _nearest(last[3], ((root + tonic) % 12,), 36, 52)
        soprano = _nearest(last[0], classes, 60, 79)
        alto = _nearest(min(last[1], soprano), tuple(wanted) or classes, 53, soprano)
        tenor = _nearest(min(last[2], alto), classes, max(47, bass), alto)
        last = [soprano, alto, tenor, bass]
        columns += [last] * int(rng.choice([4, 8]))
    return np.array(columns, np.int16).T


def _nearest(pitch: int, classes: Sequence[int], low: int, high: int) -> int:
    options = [p for p in range(low, high + 1) if p % 12 in classes] or [min(max(pitch, low), high)]
    return min(options, key=lambda p: abs(p - pitch))
