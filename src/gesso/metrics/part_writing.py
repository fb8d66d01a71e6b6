"""Measures of music in parts: likelihood by a fixed protocol, and how voices move beside the composer's own.

The likelihood's protocol. Nats a note: the mean over every voice of every sixteenth of every piece of a split (rests among them, pieces
weighted by their length) of -log p(pitch | all earlier sixteenths, and the voices of this one that were decided before), teacher forced,
by the rule of chance the same whichever order the voices of a step come in. A held note is its pitch again at each sixteenth, as the
data have it. Nothing is given: no key, no chord, no length; after a piece the network sees unknown steps as far as it can see, so that
it is not told where the piece ends. Only training transposes.

What it compares with. Coconet read in order (0.436) and the Transformers of Huang 2018 (0.417; with relative attention 0.357, 0.335) are
notewise numbers on the validation part of the same data at sixteenths, so those compare, as far as papers say. Coconet in any order
(0.238) does not: held notes tell each other. TonicNet's 0.220 does not: by its code (eval.py, `notes_only`) it is the mean over pieces
of the test part with the true chord of each sixteenth given before its notes, and that chord's own cost left out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from gesso.datasets.chorales import LOWEST, PITCHES, chorales
from gesso.media.score import NoteScore, numbered, part_of
from gesso.number import whole
from gesso.ports import Frame, Ports, join
from gesso.rules.harmony import KEYS, chord_of, key_of
from gesso.rules.voice_leading import RANGES, crossings, parallels

AIM = 0.42
STEPS_PER_BAR = 16
NAMES = ("soprano", "alto", "tenor", "bass")


def nats_a_note(network: Any, ports: Any, pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Mean surprise in nats by voice [v] over pieces int64 [v t] of class numbers; `ports(num)`: num steps, nothing given."""
    total, num = np.zeros(network.voices), 0
    with torch.inference_mode():
        for piece in pieces:
            x = torch.from_numpy(piece)[None]
            padded = F.pad(x, (0, network.reach + 1))
            logits = network(padded, ports(padded.shape[2]))[:, :, : x.shape[2]]
            total += F.cross_entropy(logits.permute(0, 3, 1, 2).float(), x, reduction="none")[0].sum(1).numpy()
            num += x.shape[2]
    return np.asarray(total / num)


def movement(pieces: Sequence[np.ndarray]) -> dict[str, float]:
    """How voices move, over grids int16 [4 t] of MIDI numbers."""
    steps = sum(piece.shape[1] for piece in pieces)
    sounding = outside = moves = leaps = wide = 0
    for piece in pieces:
        low, high = (np.array([bounds[end] for bounds in RANGES])[:, None] for end in (0, 1))
        is_note = piece >= 0
        sounding += int(is_note.sum())
        outside += int((is_note & ((piece < low) | (piece > high))).sum())
        jump = np.abs(np.diff(piece.astype(int), axis=1))[is_note[:, 1:] & is_note[:, :-1]]
        moves += int((jump > 0).sum())
        leaps += int((jump > 7).sum())
        wide += int((jump > 12).sum())
    bars = steps / STEPS_PER_BAR
    return {
        "outside the range, %": 100 * outside / max(1, sounding),
        "steps with crossing, %": 100 * sum(int(crossings(piece).any(0).sum()) for piece in pieces) / steps,
        "parallel fifths, 100 bars": 100 * sum(parallels(piece, 7) for piece in pieces) / bars,
        "parallel octaves, 100 bars": 100 * sum(parallels(piece, 0) for piece in pieces) / bars,
        "moves a voice and bar": moves / bars / len(pieces[0]),
        "leaps over a fifth, % of moves": 100 * leaps / max(1, moves),
        "leaps over an octave, % of moves": 100 * wide / max(1, moves),
        "rests, %": 100 * (1 - sounding / (steps * len(pieces[0]))),
        "beats that make a known chord, %": 100 * np.mean([chord_of(piece[:, t]) is not None for piece in pieces for t in _beats(piece)]),
    }


def measure_part_writing(make: Any, data: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The model of `make` beside whole chorales of `data`. Options: `split` ("val"), `num` pieces to make of each kind (16), `seed`."""
    dataset = chorales(data, options.get("split", "val"))
    model = make.model
    num = min(whole(options.get("num", 16), where="--num", low=1), len(dataset))
    seed = whole(options.get("seed", 0), where="--seed", low=0)
    network = model.network
    real = [dataset.item(n, np.random.default_rng(0))["notes"] for n in range(len(dataset))]

    def ports(steps: int, **given: Any) -> Ports:
        slots = [slot for slot in model.card.conditions if slot.network]
        return join([slot.kind.encode([given.get(slot.name)], Frame((1, steps), options=slot.options)) for slot in slots])

    counted = [numbered(piece, LOWEST, PITCHES) for piece in real]
    nats = nats_a_note(network, ports, counted)
    keyed = 0.0
    for piece, numbers in zip(real, counted, strict=True):
        told = partial(ports, key=model.card.slot("key").read(key_of(piece)))
        keyed += float(nats_a_note(network, told, [numbers]).mean()) * piece.shape[1] / sum(one.shape[1] for one in real)
    chosen = real[:num]
    rows = {"the composer's own": movement(chosen)}
    kinds = {"made, free": {}, "made, rules off": {"ranges": False, "crossing": True, "parallels": True}}
    for name, settings in kinds.items():
        rows[name] = movement([grid_of(make(bars=max(1, p.shape[1] // 16), seed=seed + n, **settings)) for n, p in enumerate(chosen)])
    harmonised, seconds, kept, right = [], [], 0, []
    for n, piece in enumerate(chosen):
        began = time.perf_counter()
        result = make(melody={"steps": piece.shape[1], "notes": _notes(piece[0])}, seed=seed + n)
        seconds.append((time.perf_counter() - began, piece.shape[1] / STEPS_PER_BAR))
        made = grid_of(result)
        kept += int(np.array_equal(made[0], piece[0]))
        right.append((made[1:] == piece[1:]).mean())
        harmonised.append(made)
    rows["made for its sopranos"] = movement(harmonised)
    return {
        "nats a note": {"all": float(nats.mean()), **dict(zip(NAMES, map(float, nats), strict=False)), "aim": AIM, "with the key": keyed},
        "sopranos kept to the note": f"{kept} of {num}",
        "other voices as the composer's, %": 100 * float(np.mean(right)),
        "seconds to harmonise, longest": max(seconds)[0],
        "bars of that one": max(seconds)[1],
        "seconds a bar": sum(s for s, _ in seconds) / sum(b for _, b in seconds),
        "movement": _across(rows),
        "obeyed": obeyed(make, chosen, seed),
        "pieces that end on the tonic of the key that is found, %": 100 * float(np.mean([on_tonic(piece) for piece in real])),
        "pieces for the likelihood": len(real),
        "pieces made of each kind": num,
        "data": dataset.name,
    }


def obeyed(make: Any, pieces: Sequence[np.ndarray], seed: int) -> dict[str, dict[str, float]]:
    """How often what is asked for comes: the key and the chords of each piece, asked alone, and for its soprano.

    The key is found by `key_of`, in the pieces as in what is made. Chords are asked where all voices together make one at a beat of the
    piece, and looked for at that beat.
    """
    names = ("key", "key, with the soprano", "key, ends on its tonic", "chords", "chords, with the soprano")
    found: dict[str, list[float]] = {name: [] for name in names}
    for n, piece in enumerate(pieces):
        steps, key = piece.shape[1], key_of(piece)
        made = grid_of(make(key=key, bars={"steps": steps}, seed=seed + n))
        found["key"].append(key_of(made) == key)
        found["key, ends on its tonic"].append(on_tonic(made, key))
        made = grid_of(make(key=key, melody={"steps": steps, "notes": _notes(piece[0])}, seed=seed + n))
        found["key, with the soprano"].append(key_of(made) == key)
        asked = {t: symbol for t in _beats(piece) if (symbol := chord_of(piece[:, t])) is not None}
        marks = [(t, min(4, steps - t), symbol) for t, symbol in asked.items()]
        if not marks:
            continue
        for name, more in {"chords": {}, "chords, with the soprano": {"melody": {"steps": steps, "notes": _notes(piece[0])}}}.items():
            made = grid_of(make(chords={"marks": marks}, bars={"steps": steps}, seed=seed + n, **more))
            found[name].append(float(np.mean([chord_of(made[:, t]) == symbol for t, symbol in asked.items()])))
    return {name: {"%": 100 * float(np.mean(values))} for name, values in found.items() if values}


def on_tonic(piece: np.ndarray, key: str = "") -> bool:
    """Whether the bass ends on the tonic of a key ("": of the one that is found)."""
    sounding = piece[-1][piece[-1] >= 0]
    return bool(len(sounding)) and int(sounding[-1]) % 12 == KEYS.index(key or key_of(piece)) % 12


def grid_of(result: Any) -> np.ndarray:
    """The pitches int16 [4 t] of a result's notes."""
    return NoteScore.from_json(result.outputs["music"]).grid()[0]


def _notes(pitches: np.ndarray) -> list[tuple[int, int, int]]:
    return list(part_of(pitches))


def _beats(piece: np.ndarray) -> range:
    return range(0, piece.shape[1], 4)


def _across(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Rows of figures by kind, turned to rows of kinds by figure."""
    return {figure: {kind: values[figure] for kind, values in rows.items()} for figure in next(iter(rows.values()))}
