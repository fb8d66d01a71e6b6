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
from gesso.networks.region_painter import RegionField, RegionPainter
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
        "generator": RegionPainter(CARD.port_sizes(), torch.from_numpy(PALETTE), widths=(16, 16, 16), depth=(1, 1, 1), wide=32, layers=1),
        "critic": PatchGAN(3 + CARD.port_sizes().spatial, width=8),
    }


def perfect(batch: Batch) -> RegionField:
    """A field that is sure of what the person wants, its regions the true pieces."""
    tokens = batch.ports.tokens
    classes, answers, _ = wishes(batch, tokens.mask.shape[1])
    k = len(PALETTE)
    suits = torch.full((*classes.shape, k + answers.shape[1]), -20.0)
    suits[..., :k].scatter_(2, classes.clamp(min=0)[..., None], torch.where(classes >= 0, 20.0, -20.0)[..., None])
    suits[..., k:][answers.transpose(1, 2)] = 20.0
    colours = torch.cat([(torch.from_numpy(PALETTE) / 127.5 - 1).expand(len(classes), -1, -1), tokens.values], 1)
    return RegionField(suits, batch.clean["pieces"], colours, k)


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
    remembered = torch.full_like(field.by_region, -20.0).scatter_(2, batch.clean["classes"].clamp(min=0)[..., None], 20.0)
    value, _ = colour_likelihood(RegionField(remembered, field.regions, field.colours, field.num_palette), batch)
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
    assert CARD.port_sizes() == PortSizes(spatial=2, token=3)
