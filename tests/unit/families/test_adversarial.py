"""The adversarial family's phases, and what it is to colour well."""

import numpy as np
import pytest
import torch

from gesso.conditions.hints import Hints
from gesso.datasets.drawings import PALETTE, made_up
from gesso.families.adversarial import Adversarial
from gesso.families.colours import colour_likelihood, critic_sees, critic_sees_truth, judged_beside, looked_at, shares, wishes
from gesso.families.family import Batch, Phase
from gesso.networks.patchgan import PatchGAN
from gesso.networks.pointer_unet import ColourField, PointerUNet
from gesso.ports import PortSizes
from gesso.recipes.colorize import CARD
from gesso.training.batch import Maker

FAMILY = Adversarial(colour_likelihood, critic_sees, critic_sees_truth, judged_beside, shares, looked_at, critic_from=10, weight=0.5)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return Maker(made_up(), CARD.conditions, batch_size=6, seed=3).batch(0)


@pytest.fixture
def networks():
    torch.manual_seed(0)
    return {
        "generator": PointerUNet(CARD.port_sizes(), torch.from_numpy(PALETTE), widths=(16, 16, 16), depth=(1, 1, 1)),
        "critic": PatchGAN(3 + CARD.port_sizes().spatial, width=8),
    }


def field_of(logits, colours) -> ColourField:
    quads = torch.nn.functional.pixel_unshuffle(logits, 2).unflatten(1, (-1, 4))
    return ColourField(quads, None, torch.zeros(1), None, colours, len(PALETTE), tuple(logits.shape[2:]))


def perfect(batch: Batch) -> ColourField:
    """A field that is sure of what the person wants."""
    tokens = batch.ports.tokens
    classes, answers, _ = wishes(batch, tokens.mask.shape[1])
    pieces = batch.clean["pieces"]
    flat = pieces.flatten(1)
    k = len(PALETTE)
    logits = torch.full((len(pieces), k + answers.shape[1], *pieces.shape[1:]), -20.0)
    entry = classes.gather(1, flat).view_as(pieces)
    logits[:, :k].scatter_(1, entry.clamp(min=0)[:, None], torch.where(entry >= 0, 20.0, -20.0)[:, None])
    right = answers.gather(2, flat[:, None].expand(-1, answers.shape[1], -1)).view(*answers.shape[:2], *pieces.shape[1:])
    logits[:, k:][right] = 20.0
    colours = torch.cat([(torch.from_numpy(PALETTE) / 127.5 - 1).expand(len(pieces), -1, -1), tokens.values], 1)
    return field_of(logits, colours)


def test_the_critic_joins_when_it_is_told():
    assert FAMILY.phases(9) == (Phase("maker", "generator"),)
    assert [p.player for p in FAMILY.phases(10)] == ["critic", "generator"]


def test_a_perfect_field_has_no_loss_and_looks_like_the_truth(batch):
    field = perfect(batch)
    value, _ = colour_likelihood(field, batch)
    assert value.shape == (6,) and value.max() < 1e-3
    assert (critic_sees(field, batch) - critic_sees_truth(batch)).abs().max() < 0.15  # hints' jitter is all that is left


def test_a_field_that_remembers_instead_of_obeying_pays(batch):
    """Where the person wants another colour, the palette's remembered one is no answer."""
    field, (classes, _, _) = perfect(batch), wishes(batch, batch.ports.tokens.mask.shape[1])
    repainted = ((classes == -1) & (batch.clean["classes"] >= 0)).any(1)
    assert repainted.any() and not repainted.all()
    entry = batch.clean["classes"].clamp(min=0).gather(1, batch.clean["pieces"].flatten(1)).view_as(batch.clean["pieces"])
    stubborn = field_of(torch.full_like(field.logits, -20.0).scatter_(1, entry[:, None], 20.0), field.colours)
    value, _ = colour_likelihood(stubborn, batch)
    assert value[repainted].min() > 0.1 and value[~repainted].max() < 1e-3


def test_each_players_loss_moves_it(networks, batch):
    state = FAMILY.prepare(networks, None, torch.Generator())
    for phase in FAMILY.phases(10):
        networks[phase.player].zero_grad()
        loss = FAMILY.loss(phase, networks, batch, state, 10, torch.Generator())
        loss.value.mean().backward()
        assert sum(p.grad.abs().sum() for p in networks[phase.player].parameters() if p.grad is not None) > 0
    assert state.real != state.made


def test_propose_is_what_a_person_can_look_at(networks, batch):
    shown = FAMILY.propose(networks, batch, torch.Generator()).numpy()
    assert shown.shape == (6, 72, 72, 3) and 0 <= shown.min() and shown.max() <= 255
    clean = made_up().item(0, np.random.default_rng(0))
    Hints.simulate(clean, np.random.default_rng(1), 1.0, given=shown[0])


def test_networks_are_built_for_any_card():
    assert CARD.port_sizes() == PortSizes(spatial=6, token=3)
