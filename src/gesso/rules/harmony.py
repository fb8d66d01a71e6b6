"""Keys and chords: their names, their pitch classes, and what a piece of music seems to be in."""

from __future__ import annotations

import re

import numpy as np

from gesso.errors import GessoError, short_repr

SHARP = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
KEYS = tuple(f"{name} major" for name in SHARP) + tuple(
    f"{name} minor" for name in ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
)
# How often each degree of a key sounds, from the tonic up (Krumhansl 1990, table 2.1).
MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
CHORDS = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "sus4": (0, 5, 7),
}
SYMBOL = re.compile(r"([A-G])([#b♯♭]?)(maj7|m7b5|m7|dim7|dim|aug|sus4|m|7|)")
KEY = re.compile(r"([A-Ga-g])([#b♯♭]?)\s*(major|maj|minor|min|m|)", re.IGNORECASE)


def parse_key(text: str, *, where: str) -> str:
    """One of KEYS from a text such as "G major", "F# minor", "Em" or "e"; a small letter alone is minor."""
    found = KEY.fullmatch(text.strip())
    if found is None:
        raise GessoError(f"{short_repr(text)} is not a key", where=where, fix='such as "G major", "F# minor", "Eb" or "Em"')
    tonic = (LETTERS[found[1].upper()] + {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[found[2]]) % 12
    word = found[3]
    minor = word == "m" or word.lower() in ("minor", "min") or (not word and found[1].islower())
    return KEYS[tonic + 12 * minor]


def parse_chord(text: str, *, where: str) -> str:
    """A chord's symbol, its root spelled as in SHARP."""
    found = SYMBOL.fullmatch(text.strip())
    if found is None:
        kinds = " ".join(kind for kind in CHORDS if kind)
        raise GessoError(f"{short_repr(text)} is not a chord", where=where, fix=f"a root and nothing or one of {kinds}, such as G, Am, D7")
    root = (LETTERS[found[1]] + {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[found[2]]) % 12
    return SHARP[root] + found[3]


def chord_classes(symbol: str) -> tuple[int, tuple[int, ...]]:
    """Root and pitch classes of a symbol."""
    found = SYMBOL.fullmatch(symbol)
    assert found is not None, symbol
    root = (LETTERS[found[1]] + {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[found[2]]) % 12
    return root, tuple((root + step) % 12 for step in CHORDS[found[3]])


def chord_of(pitches: np.ndarray) -> str | None:
    """The symbol of the chord whose pitch classes are exactly those of `pitches` (rests below 0 left out); None where there is none.

    Where two chords have the same pitch classes (augmented, diminished sevenths) the one on the lowest note is taken.
    """
    sounding = pitches[pitches >= 0]
    if not len(sounding):
        return None
    found = _BY_CLASSES.get(frozenset((sounding % 12).tolist()), ())
    bass = int(sounding.min()) % 12
    return next((symbol for root, symbol in found if root == bass), found[0][1] if found else None)


def key_of(pitches: np.ndarray) -> str:
    """The key whose profile goes best with the pitch classes of a grid [voices steps], by correlation, the last chord counting more.

    The last chord counts without its major third, with which a piece in minor may end as well.
    """
    sounding = pitches[pitches >= 0] % 12
    ending = pitches[:, -8:]
    counts = np.bincount(sounding, minlength=12) / max(1, len(sounding))
    last = np.bincount(ending[ending >= 0] % 12, minlength=12)
    bass = pitches[-1][pitches[-1] >= 0]
    if len(bass):
        last[(int(bass[-1]) + 4) % 12] = 0
    counts = counts + 0.25 * last / max(1, last.sum())
    profiles = np.stack([np.roll(profile, tonic) for profile in (MAJOR, MINOR) for tonic in range(12)])
    centred = profiles - profiles.mean(1, keepdims=True)
    score = centred @ (counts - counts.mean()) / np.linalg.norm(centred, axis=1)
    return KEYS[int(score.argmax())]


def _by_classes() -> dict[frozenset[int], list[tuple[int, str]]]:
    table: dict[frozenset[int], list[tuple[int, str]]] = {}
    for root, name in enumerate(SHARP):
        for kind, steps in CHORDS.items():
            table.setdefault(frozenset((root + step) % 12 for step in steps), []).append((root, name + kind))
    return table


_BY_CLASSES = _by_classes()
