"""The likelihood by its protocol, and figures of movement on music whose faults are known."""

from __future__ import annotations

import math

import numpy as np
import torch

from gesso.metrics.part_writing import movement, nats_a_note
from gesso.networks.voice_transformer import VoiceTransformer
from gesso.ports import Ports


class Uniform:
    voices, reach = 2, 3

    def __call__(self, notes: torch.Tensor, ports: Ports) -> torch.Tensor:
        assert ports.spatial is not None and ports.spatial.shape[-1] == notes.shape[2], "as many steps as are looked at"
        return torch.zeros(*notes.shape, 8)


def test_a_uniform_guess_costs_the_logarithm_of_the_number_of_classes():
    pieces = [np.zeros((2, 5), np.int64), np.ones((2, 9), np.int64)]
    found = nats_a_note(Uniform(), lambda steps: Ports(spatial=torch.zeros(1, 1, 1, steps)), pieces)
    assert np.allclose(found, math.log(8))


def test_nothing_tells_where_a_piece_ends():
    torch.manual_seed(0)
    net = VoiceTransformer(2, 6, grids=1, spatial=14, vector=0, width=16, depth=1, heads=2, dropout=0.0).eval()
    piece = np.random.default_rng(0).integers(0, 6, (2, 60))
    nothing = lambda steps: Ports(spatial=torch.zeros(1, 14, 1, steps))  # noqa: E731
    short, long = nats_a_note(net, nothing, [piece[:, :40]]), nats_a_note(net, nothing, [piece])
    with torch.no_grad():
        logits = net(torch.from_numpy(piece)[None], nothing(60))[0, :, :40]
    cost = torch.nn.functional.cross_entropy(logits.permute(2, 0, 1)[None], torch.from_numpy(piece[:, :40])[None], reduction="none")
    assert np.allclose(short, cost[0].mean(1).numpy(), atol=1e-5) and not np.allclose(short, long)


def test_faults_are_counted():
    clean = np.array([[72] * 16, [65] * 16, [60] * 16, [48] * 16])
    assert movement([clean])["moves a voice and bar"] == 0
    faulty = clean.copy()
    faulty[0, 8:], faulty[3, 8:] = 74, 50  # an octave follows an octave
    faulty[1, 4:8] = 75  # above the soprano, and out of range
    found = movement([faulty])
    assert found["parallel octaves, 100 bars"] == 100 and found["parallel fifths, 100 bars"] == 0
    assert found["steps with crossing, %"] == 25 and found["outside the range, %"] == 100 * 4 / 64
    assert found["moves a voice and bar"] == 1 and found["leaps over a fifth, % of moves"] == 50
