"""Colours as bins: how they are shared among bins, how rare ones weigh, and what is made of likelihoods."""

import numpy as np
import torch

from gesso.datasets.colour_photos import colour_photos
from gesso.families.chroma import ByBins, ByMean, counted, encoded, rarity
from gesso.media.lab import chroma_bins


def test_a_colour_is_shared_among_its_five_nearest_bins():
    chroma = torch.tensor([[24.0, -33.0]])[:, :, None, None]
    bins, shares = (table[0, :, 0, 0] for table in encoded(chroma))
    away = (chroma_bins() - chroma[0, :, 0, 0]).square().sum(1)
    wanted = away.argsort()[:5]
    assert set(bins.tolist()) == set(wanted.tolist()) and bins[0] == wanted[0]
    gauss = (-away[bins] / 50).exp()
    torch.testing.assert_close(shares, gauss / gauss.sum(), atol=1e-5, rtol=0)


def test_colours_out_of_range_have_bins():
    bins, shares = encoded(torch.tensor([[500.0, -500.0]])[:, :, None, None])
    assert bins.min() >= 0 and bins.max() < len(chroma_bins()) and torch.isfinite(shares).all()


def test_rare_colours_weigh_more_and_the_mean_weight_is_one():
    grey = (chroma_bins().norm(dim=1) == 0).double()
    frequency = 0.99 * grey + 0.01 / len(grey)
    weight = rarity(frequency / frequency.sum(), 0.5)
    assert weight[grey.bool()].item() < 0.2 * weight.median()
    flat = rarity(torch.full((len(grey),), 1 / len(grey), dtype=torch.float64), 1.0)
    torch.testing.assert_close(flat, torch.ones(len(grey)))


def test_colours_that_were_never_seen_have_finite_weights():
    seen = (chroma_bins().norm(dim=1) < 25).double()
    weight = rarity(seen / seen.sum(), 0.0)
    assert torch.isfinite(weight).all() and (weight > 0).all()


def test_counted_colours_are_those_of_the_pictures():
    held = colour_photos(None, "val", 32)
    frequency = counted(held)
    assert len(frequency) == len(chroma_bins())
    np.testing.assert_allclose(frequency.sum(), 1)


def test_the_annealed_mean_lies_between_the_mode_and_the_mean():
    made = torch.zeros(1, len(chroma_bins()), 1, 1)
    mode = int((chroma_bins() - torch.tensor([50.0, 50.0])).norm(dim=1).argmin())
    made[0, mode] = 6
    far = [ByBins(temperature=t).chroma(made)[0, :, 0, 0].norm().item() for t in (0.05, 0.38, 1.0)]
    assert far[0] > far[1] > far[2] and abs(far[0] - 50 * 2**0.5) < 0.5


def test_both_objectives_are_least_where_they_are_right():
    chroma = torch.tensor([[20.0, -10.0]])[:, :, None, None]
    state = torch.nn.Module()
    state.register_buffer("weight", torch.ones(len(chroma_bins())))
    bins, shares = encoded(chroma)
    logits = torch.full((1, len(chroma_bins()), 1, 1), -20.0).scatter(1, bins, shares.log())
    right, wrong = (ByBins().cost(one, chroma, state).item() for one in (logits, torch.zeros_like(logits)))
    assert right < wrong
    assert ByMean().cost(chroma / 110, chroma, state).item() < 1e-9
