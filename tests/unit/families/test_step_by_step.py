"""Step by step: the loss counts what is free, samples keep what is given and obey, and seeds decide."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from gesso.families.family import Batch, Inputs
from gesso.families.step_by_step import StepByStep
from gesso.networks.voice_transformer import VoiceTransformer
from gesso.ports import Ports

P, V, BLOCK = 9, 3, 3 * 10
SETTINGS = SimpleNamespace(temperature=1.0)
FAMILY = StepByStep()


def network() -> VoiceTransformer:
    torch.manual_seed(0)
    return VoiceTransformer(V, P, grids=1, spatial=BLOCK, vector=0, width=32, depth=1, heads=2, order=(0, 2, 1), dropout=0.0).eval()


def ports(num: int, steps: int, known: dict[tuple[int, int], int] | None = None) -> Ports:
    spatial = torch.zeros(num, BLOCK, 1, steps)
    for (voice, step), pitch in (known or {}).items():
        spatial[:, voice * (P + 1) + pitch, 0, step] = spatial[:, voice * (P + 1) + P, 0, step] = 1
    return Ports(spatial=spatial)


def sample(net: VoiceTransformer, given: Ports, seed: int = 0, family: StepByStep = FAMILY, settings=SETTINGS) -> np.ndarray:
    steps = given.spatial.shape[-1]
    outputs = list(family.sample({"composer": net}, Inputs(given, given, (1, V, steps)), torch.Generator().manual_seed(seed), settings))
    assert outputs[-1].final and all(not one.final for one in outputs[:-1])
    return outputs[-1].media["notes"][0].numpy()


def test_samples_keep_what_is_given_and_the_seed_decides():
    known = {(0, step): step % P for step in range(20)} | {(2, 7): 3}
    one, same, other = (sample(network(), ports(1, 20, known), seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert all(one[place] == pitch for place, pitch in known.items())


def test_what_is_given_late_does_not_change_what_came_before_it_within_reach():
    net = network()
    with torch.no_grad():
        for one in net.reader.deep:
            one.weight.zero_()
    before, after = (sample(net, ports(1, 20, known)) for known in ({}, {(1, 15): 4}))
    assert np.array_equal(before[:, :15], after[:, :15]), "the noise of a place is its own"


def test_rules_are_obeyed_and_given_notes_stand_above_them():
    seen = []

    def rules(inputs, given, known, settings):
        assert settings is SETTINGS and known[1, 4] and given[1, 4] == 8 and known.sum() == 1

        def allowed(step: int, voice: int, now, before) -> np.ndarray:
            seen.append((step, voice, tuple(now), tuple(before)))
            return np.arange(P) % 3 == voice

        return allowed

    made = sample(network(), ports(1, 12, {(1, 4): 8}), family=StepByStep(rules=rules))
    assert made[1, 4] == 8
    made[1, 4] = 1
    assert all((made[voice] % 3 == voice).all() for voice in range(V))
    assert seen[0] == (0, 0, (-1, -1, -1), (-1, -1, -1)) and seen[1][2][0] == made[0, 0]


def test_guidance_moves_away_from_what_a_sample_without_the_vector_would_be():
    torch.manual_seed(0)
    net = VoiceTransformer(V, P, grids=1, spatial=BLOCK, vector=25, width=32, depth=1, heads=2, order=(0, 2, 1), dropout=0.0).eval()
    torch.nn.init.normal_(net.heads[0].degree.weight, 0, 0.5)
    null = Ports(spatial=torch.zeros(1, BLOCK, 1, 24), vector=torch.zeros(1, 25))
    given = Ports(spatial=null.spatial, vector=torch.nn.functional.one_hot(torch.tensor([3]), 25).float())

    def made(ports: Ports, scale: float) -> np.ndarray:
        settings = SimpleNamespace(temperature=0.5, guidance_scale=scale)
        return list(FAMILY.sample({"composer": net}, Inputs(ports, null, (1, V, 24)), torch.Generator().manual_seed(0), settings))[
            -1
        ].media["notes"]

    assert torch.equal(made(given, 0), made(null, 1)), "0 ignores it"
    assert torch.equal(made(null, 3), made(null, 1)), "nothing given, nothing to strengthen"
    assert not torch.equal(made(given, 1), made(given, 4))


def test_previews_grow():
    given = ports(1, 40)
    outputs = list(
        StepByStep().sample({"composer": network()}, Inputs(given, given, (1, V, 40)), torch.Generator().manual_seed(0), SETTINGS)
    )
    assert [(one.step, one.media["notes"].shape[2]) for one in outputs] == [(16, 16), (32, 32), (40, 40)]


def test_torchs_threads_are_as_before():
    before = torch.get_num_threads()
    sample(network(), ports(1, 4))
    assert torch.get_num_threads() == before


def test_the_loss_counts_free_places_of_the_real_steps():
    net, notes = network(), torch.randint(0, P, (2, V, 12))

    def loss(given: Ports, x=notes, length=(12, 6)):
        batch = Batch({"notes": x, "length": torch.tensor(length), "start": torch.tensor([0, 0])}, given, torch.arange(2))
        family = StepByStep()
        return family.loss(family.phases(0)[0], {"composer": net}, batch, torch.nn.Module(), 0, torch.Generator())

    whole = loss(ports(2, 12))
    other = notes.clone()
    other[1, :, 6:] = 0
    assert whole.value.shape == (2,) and torch.equal(whole.value, loss(ports(2, 12), other).value), "padding does not count"
    everything = {(voice, step): 0 for voice in range(V) for step in range(12)}
    assert loss(ports(2, 12, everything)).value.abs().max() == 0
    assert abs(float(whole.logs["nats"]) - float(whole.value.detach().sum() * 36 / 54)) < 1e-5


def test_it_learns_to_hold_a_note():
    torch.manual_seed(0)
    net, family = network().train(), StepByStep()
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for step in range(60):
        notes = torch.randint(0, P, (8, V, 1)).expand(-1, -1, 16).contiguous()
        clean = {"notes": notes, "length": torch.full((8,), 16), "start": torch.zeros(8, dtype=torch.long)}
        out = family.loss(
            family.phases(0)[0], {"composer": net}, Batch(clean, ports(8, 16), torch.arange(8)), torch.nn.Module(), step, torch.Generator()
        )
        optimiser.zero_grad()
        out.value.mean().backward()
        optimiser.step()
    assert float(out.logs["nats"]) < 0.4
    made = sample(net.eval(), ports(1, 16), settings=SimpleNamespace(temperature=0.1))
    assert (np.diff(made, axis=1) == 0).mean() > 0.9
