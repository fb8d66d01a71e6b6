"""A piano roll of a score as a picture."""

from __future__ import annotations

import numpy as np

from gesso.media.score import STEPS_PER_BAR, STEPS_PER_BEAT, NoteScore

COLOURS = np.array([(214, 73, 51), (46, 134, 171), (84, 140, 47), (122, 82, 158)], np.uint8)  # by voice, from the highest
PAPER, BLACK_KEY, BEAT, BAR = (250, 249, 246), (240, 238, 233), (226, 223, 216), (190, 186, 178)
BLACK = (1, 3, 6, 8, 10)
WIDEST = 2048


def roll(score: NoteScore, row: int = 6, step: int = 5) -> np.ndarray:
    """The roll, uint8 [h w 3]: `row` pixels a semitone, `step` pixels a step (fewer where it would be wider than 2,048)."""
    sounding = [note[2] for part in score.voices for note in part] or [60]
    low, high = min(sounding) - 2, max(sounding) + 2
    step = max(1, min(step, WIDEST // score.steps))
    picture = np.empty(((high - low + 1) * row, min(score.steps, WIDEST) * step, 3), np.uint8)
    picture[:] = PAPER
    for pitch in range(low, high + 1):
        if pitch % 12 in BLACK:
            picture[(high - pitch) * row : (high - pitch + 1) * row] = BLACK_KEY
    picture[:, :: step * STEPS_PER_BEAT] = BEAT
    picture[:, :: step * STEPS_PER_BAR] = BAR
    for voice, part in reversed(list(enumerate(score.voices))):
        for start, length, pitch in part:
            top, left = (high - pitch) * row, start * step
            end = left + max(1, length * step - 1)
            picture[top : top + row - 1, left:end] = COLOURS[voice % len(COLOURS)]
            picture[top : top + row - 1, left : left + 1] = COLOURS[voice % len(COLOURS)] // 2
    return picture
