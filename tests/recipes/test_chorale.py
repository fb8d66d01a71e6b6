"""The chorale's promises that hold with any weights: given notes stay, rules hold, lengths agree, seeds and conditions matter."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import gesso
from gesso.media.midi import quantised, read_midi
from gesso.media.score import NoteScore
from gesso.metrics.part_writing import grid_of, movement
from gesso.record import read_record
from gesso.verbs.assemble import assemble

MELODY = "C5:4 C5:4 D5:4 E5:2 F5:2 G5:8 R:4 E5:4"


@pytest.fixture(scope="module")
def model():
    """Untrained on purpose: what rules promise may not lean on what a network learned."""
    from gesso.verbs.load import Model

    torch.manual_seed(0)
    return Model(assemble("chorale", preset="tiny", untrained=True))


def test_the_melody_stays_to_the_note(model):
    result = model.generate(melody=MELODY, seed=1)
    score = NoteScore.from_json(result.outputs["music"])
    assert score.voices[0] == model.request(melody=MELODY).conditions["melody"].notes and score.steps == 32
    assert result.roll.size[0] > 0 and len(score.voices) == 4


def test_rules_hold_exactly_and_can_be_switched_off(model):
    strict = [grid_of(model.generate(bars=4, temperature=2, seed=seed)) for seed in range(3)]
    found = movement(strict)
    assert found["outside the range, %"] == found["steps with crossing, %"] == 0
    assert found["parallel fifths, 100 bars"] == found["parallel octaves, 100 bars"] == 0
    loose = movement([grid_of(model.generate(bars=4, temperature=2, seed=0, ranges=False, crossing=True, parallels=True))])
    assert loose["outside the range, %"] > 0 and loose["steps with crossing, %"] > 0


def test_a_bar_is_drawn_again_and_the_others_stay(model):
    first = model.generate(bars=4, seed=1)
    pitches, onsets = NoteScore.from_json(first.outputs["music"]).grid()
    mask = np.ones(pitches.shape, bool)
    mask[1:, 16:32] = False
    kind = model.card.slot("known").kind
    known = kind.of(pitches, onsets, mask)
    again = model.generate(known=known, seed=2)
    made, begins = NoteScore.from_json(again.outputs["music"]).grid()
    assert np.array_equal(made[mask], pitches[mask]) and begins[mask & onsets].all()
    assert not np.array_equal(made, pitches)
    assert json.loads(json.dumps(model.request(known=known).to_json())) == model.request(known=known).to_json()


def test_the_length_is_what_is_said_or_given(model):
    assert grid_of(model.generate(seed=1)).shape == (4, 128)
    assert grid_of(model.generate(chords="C:8 G:8", seed=1)).shape == (4, 16)
    assert grid_of(model.generate(melody=MELODY, chords="C:8", bars=2, seed=1)).shape == (4, 32)
    longer = grid_of(model.generate(melody=MELODY, bars=4, seed=1))
    assert longer.shape == (4, 64) and np.array_equal(longer[0, :32], model.request(melody=MELODY).conditions["melody"].melody_grid()[0][0])
    with pytest.raises(gesso.GessoError, match="melody: lasts 2 bars, and bars says 1"):
        model.generate(melody=MELODY, bars=1)


def test_notes_that_nobody_can_sing_stay_and_are_told_of(model):
    high = model.generate(melody="C7:8 G7:8", seed=1)
    assert "high" in high.notes and grid_of(high)[0].tolist() == [96] * 8 + [103] * 8
    low = model.generate(melody="C3:8 G2:8", seed=1)
    assert "crossed" in low.notes and grid_of(low)[0].tolist() == [48] * 8 + [43] * 8
    assert model.generate(melody=MELODY, seed=1).notes == ()


@pytest.mark.parametrize("given", [{"key": "F minor"}, {"chords": "F:32"}, {"melody": MELODY}])
def test_conditions_change_what_is_made(model, given):
    plain = grid_of(model.generate(bars=2, temperature=0.05, seed=1))
    assert not np.array_equal(plain[1:], grid_of(model.generate(bars=2, temperature=0.05, seed=1, **given))[1:])


def test_the_music_survives_midi_and_the_record_replays(model, tmp_path):
    result = model.generate(melody=MELODY, seed=1)
    score = NoteScore.from_json(result.outputs["music"])
    result.save(tmp_path / "a.mid")
    data = (tmp_path / "a.mid").read_bytes()
    assert quantised(read_midi(data)).score == score
    assert read_record(tmp_path / "a.mid").request.seed == 1
    result.save(tmp_path / "a.json")
    held = json.loads((tmp_path / "a.json").read_text())
    assert NoteScore.from_json(held["outputs"]["music"]) == score
    assert model.generate(melody=str(tmp_path / "a.json"), seed=1).record.output == result.record.output
