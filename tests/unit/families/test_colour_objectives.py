"""The objectives for colouring."""

import numpy as np
import pytest
import torch

from gesso.conditions.hints import Hints
from gesso.datasets.drawings import PALETTE, synthetic_set
from gesso.families.colour_objectives import (
    colour_likelihood,
    likelihood,
    proposal_picture,
    target_picture,
    targets_of,
)
from gesso.families.family import Batch
from gesso.networks.region_painter import RegionField, RegionPainter
from gesso.ports import PortSizes
from gesso.recipes.colorize import CARD
from gesso.training.batch import BatchMaker


@pytest.fixture(scope="module")
def batch() -> Batch:
    return BatchMaker(synthetic_set(), CARD.conditions, batch_size=6, seed=3).batch(0)


@pytest.fixture
def networks():
    torch.manual_seed(0)
    return {
        "generator": RegionPainter(CARD.port_sizes(), torch.from_numpy(PALETTE), widths=(16, 16, 16), depth=(1, 1, 1), wide=32, layers=1),
    }


def perfect(batch: Batch) -> RegionField:
    """A field that is certain of the colours that the user wants; its regions are the true pieces."""
    tokens = batch.ports.tokens
    classes, answers, _ = targets_of(batch, tokens.mask.shape[1])
    k = len(PALETTE)
    scores = torch.full((*classes.shape, k + answers.shape[1]), -20.0)
    scores[..., :k].scatter_(2, classes.clamp(min=0)[..., None], torch.where(classes >= 0, 20.0, -20.0)[..., None])
    scores[..., k:][answers.transpose(1, 2)] = 20.0
    colours = torch.cat([(torch.from_numpy(PALETTE) / 127.5 - 1).expand(len(classes), -1, -1), tokens.values], 1)
    return RegionField(scores, batch.clean["pieces"], colours, k)


def test_a_perfect_field_has_no_loss_and_looks_like_the_truth(batch):
    field = perfect(batch)
    value, _ = colour_likelihood(field, batch)
    assert value.shape == (6,) and value.max() < 1e-3
    assert (
        proposal_picture(field, batch) - target_picture(batch)
    ).abs().max() < 0.15  # the difference is the inaccuracy of the hints' colours


def test_a_field_that_ignores_changed_colours_has_a_loss(batch):
    """If the user wants another colour, the example's palette colour is wrong."""
    field, (classes, _, _) = perfect(batch), targets_of(batch, batch.ports.tokens.mask.shape[1])
    repainted = ((classes == -1) & (batch.clean["classes"] >= 0)).any(1)
    assert repainted.any() and not repainted.all()
    remembered = torch.full_like(field.scores, -20.0).scatter_(2, batch.clean["classes"].clamp(min=0)[..., None], 20.0)
    value, _ = colour_likelihood(RegionField(remembered, field.regions, field.colours, field.num_palette), batch)
    assert value[repainted].min() > 0.1 and value[~repainted].max() < 1e-3


def test_propose_returns_a_picture_for_simulated_users(networks, batch):
    shown = likelihood().propose(networks, batch, torch.Generator()).numpy()
    assert shown.shape == (6, 72, 72, 3) and 0 <= shown.min() and shown.max() <= 255
    clean = synthetic_set().item(0, np.random.default_rng(0))
    Hints.simulate(clean, np.random.default_rng(1), 1.0, given=shown[0])


def test_networks_are_built_for_any_card():
    assert CARD.port_sizes() == PortSizes(spatial=2, token=3)
