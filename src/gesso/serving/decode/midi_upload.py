"""Uploaded MIDI files: read in the sandbox, then written anew, so that what is kept holds notes and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.midi import SIGNATURE, encode_midi, quantised, read_midi
from gesso.media.score import MAX_VOICES, NoteScore

TYPES = ("audio/mid", "audio/midi", "audio/x-mid", "audio/x-midi", "audio/sp-midi")
WHERE = "music"
MAX_TEXT = 100


class DecodedMusic(NamedTuple):
    """A score encoded anew as MIDI, and what the response says of it."""

    midi: bytes
    about: dict[str, Any]


def is_midi(data: bytes, content_type: str = "") -> bool:
    """Whether an upload is meant as MIDI, by its first bytes or its declared type."""
    return data.startswith(SIGNATURE) or content_type.partition(";")[0].strip().lower() in TYPES


def read_score_json(data: bytes, budget: Budget) -> tuple[dict[str, Any], bytes]:
    """In the worker: an empty head, and the score of a MIDI file as JSON in place of pixels."""
    found = quantised(read_midi(data, where=WHERE), where=WHERE, voices=MAX_VOICES)
    about = {"score": found.score.to_json(), "names": found.names, "moved": found.moved, "dropped": found.dropped}
    return {}, json.dumps(about).encode()


def decoded_music(answer: bytes) -> DecodedMusic:
    """In the server: a worker's answer, checked, since a compromised worker may answer anything."""
    try:
        found = json.loads(answer)
        if not isinstance(found, Mapping):
            raise ValueError
        score = NoteScore.from_json(found["score"], where=WHERE)
        names = [str(name)[:MAX_TEXT] for name in found["names"]][: len(score.voices)]
        moved, dropped = int(found["moved"]), int(found["dropped"])
    except (ValueError, KeyError, TypeError, RecursionError, GessoError):
        raise GessoError("it could not be read: its decoder failed", where=WHERE, fix="export it again as MIDI") from None
    voices = [{"name": name, **_extent(part)} for name, part in zip(names, score.voices, strict=False)]
    return DecodedMusic(encode_midi(score), {"voices": voices, "moved": moved, "dropped": dropped, "score": score.to_json()})


def _extent(part: Any) -> dict[str, Any]:
    pitches = [pitch for _, _, pitch in part]
    return {"num_notes": len(pitches), "lowest": min(pitches, default=None), "highest": max(pitches, default=None)}
