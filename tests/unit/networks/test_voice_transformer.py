"""The transformer over steps looks neither ahead nor at voices to come; a step at a time equals all at once; what is given reaches it."""

from __future__ import annotations

import pytest
import torch

from gesso.networks.voice_transformer import MAX_HELD, VoiceTransformer, durations
from gesso.ports import Ports

P, V, BLOCK = 9, 3, 3 * 10


def network(window: int = 16, depth: int = 2) -> VoiceTransformer:
    torch.manual_seed(0)
    made = VoiceTransformer(
        V, P, grids=2, spatial=2 * BLOCK + 4, vector=5, width=32, depth=depth, heads=2, window=window, order=(0, 2, 1), dropout=0.0
    )
    for parameter in made.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, 0, 0.3)
    return made.eval()


def ports(num: int, steps: int) -> Ports:
    return Ports(spatial=torch.zeros(num, 2 * BLOCK + 4, 1, steps), vector=torch.zeros(num, 5))


@torch.no_grad()
def test_a_later_note_changes_nothing_before_it():
    net, notes = network(), torch.randint(0, P, (1, V, 40))
    before = net(notes, ports(1, 40))
    for voice in range(V):
        moved = notes.clone()
        moved[0, voice, 20] = (moved[0, voice, 20] + 1) % P
        change = (net(moved, ports(1, 40)) - before).abs()[0].amax(-1)
        assert change[:, :20].max() == 0
        heard = net.order[net.order.index(voice) + 1 :]
        assert all(change[other, 20] > 0 for other in heard), "voices decided after it hear it"
        assert change[voice, 20] == 0 and all(change[other, 20] == 0 for other in net.order if other not in heard)
        assert change[:, 21:].max() > 0


@torch.no_grad()
def test_nothing_beyond_the_window_is_heard():
    net, notes = network(window=4, depth=1), torch.randint(0, P, (1, V, 60))
    before = net(notes, ports(1, 60))
    moved = notes.clone()
    moved[0, :, 5] = (moved[0, :, 5] + 1) % P
    change = (net(moved, ports(1, 60)) - before).abs()[0].amax((0, 2))
    last = change.nonzero().max()
    assert 6 <= last <= 5 + 4 + MAX_HELD


@torch.no_grad()
@pytest.mark.parametrize("window", [5, 64])
def test_one_step_at_a_time_equals_all_at_once(window: int):
    net, notes = network(window), torch.randint(0, P, (2, V, 30)).repeat_interleave(2, 2)[..., :48]
    given = ports(2, 48)
    given.spatial[:, :P, 0, 3:9] = torch.nn.functional.one_hot(torch.tensor(4), P)[None, :, None]
    given.spatial[:, P, 0, 3:9] = 1
    given.vector[:, 2] = 1
    whole = net(notes, given)
    memory = net.begin(given, 48)
    for step in range(48):
        state = net.step(memory, None if step == 0 else notes[:, :, step - 1])
        for voice in net.order:
            torch.testing.assert_close(net.decide(state, memory, voice), whole[:, voice, step], rtol=1e-4, atol=1e-4)
            state = net.tell(state, memory, voice, notes[:, voice, step])


@torch.no_grad()
def test_what_is_given_is_seen_as_far_as_the_reach_on_both_sides():
    net, notes = network(), torch.zeros(1, V, 120, dtype=torch.long)
    before = net(notes, ports(1, 120))
    given = ports(1, 120)
    given.spatial[0, 3, 0, 60] = given.spatial[0, P, 0, 60] = 1
    change = (net(notes, given) - before).abs()[0].amax((0, 2))
    assert change[60 - net.reach] > 0 and change[60 + net.reach] > 0 and change[: 60 - net.reach].max() == 0


def test_the_later_grid_wins():
    net, given = network(), ports(1, 4)
    for block, pitch, steps in ((0, 3, slice(0, 3)), (1, 5, slice(2, 4))):
        given.spatial[0, block * BLOCK + pitch, 0, steps] = given.spatial[0, block * BLOCK + P, 0, steps] = 1
    pitches, valid = net.given(given)
    assert pitches[0, 0].tolist() == [3, 3, 5, 5] and valid[0, 0].all() and not valid[0, 1:].any()


def test_how_long_pitches_have_lasted():
    notes = torch.tensor([[[9, 5, 5, 5, 6, 6, 5]]])
    assert durations(notes).tolist() == [[[0, 1, 2, 3, 1, 2, 1]]]
    assert durations(torch.full((1, 1, 50), 3))[0, 0, -1] == MAX_HELD


@torch.no_grad()
def test_the_place_in_the_piece_matters_modulo_a_bar():
    net, notes = network(), torch.randint(0, P, (1, V, 8))
    one, same, other = (net(notes, ports(1, 8), start) for start in (0, 16, torch.tensor([4])))
    assert torch.equal(one, same) and not torch.equal(one, other)
