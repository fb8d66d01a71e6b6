"""Noise levels: those of the papers, and the time that networks are told is their inverse."""

from __future__ import annotations

import math

import pytest
import torch

from gesso.families.diffusion.schedules import Cosine, LinearBeta, LogNormal
from gesso.families.family import Batch
from gesso.ports import Ports

BATCH = Batch({}, Ports(), torch.arange(20_000))


def test_linear_beta_is_the_limit_of_ddpm():
    """ᾱ of 1,000 steps whose β rise from 1e-4 to 0.02 (Ho 2020, section 4)."""
    kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    sigma = LinearBeta().sigma_of(torch.arange(1, 1001, dtype=torch.float64) / 1000)
    ours = 1 / (1 + sigma**2)
    assert (ours - kept).abs().max() < 2e-3


def test_the_cosine_is_as_published():
    sigma = float(Cosine().sigma_of(torch.tensor(0.5, dtype=torch.float64)))
    s = 0.5 * Cosine()._end
    wanted = math.cos((s + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert 1 / (1 + sigma**2) == pytest.approx(wanted)
    assert Cosine()._end > 0.99


@pytest.mark.parametrize("schedule", [LinearBeta(), Cosine()])
def test_the_time_told_is_one_minus_s(schedule):
    s = torch.linspace(0.01, 1, 50, dtype=torch.float64)
    assert torch.allclose(schedule.clock(schedule.sigma_of(s)), 1 - s, atol=1e-9)


@pytest.mark.parametrize("schedule", [LinearBeta(), Cosine(), LogNormal()])
@pytest.mark.parametrize("num", [1, 2, 18])
def test_levels_fall_to_zero(schedule, num):
    levels = schedule.falling(num)
    assert len(levels) == num + 1 and levels[-1] == 0
    assert all(one > two for one, two in zip(levels, levels[1:], strict=False))
    assert 79 < levels[0] < 153


def test_edm_levels_and_draws_are_as_published():
    levels = LogNormal().falling(18)
    assert levels[0] == pytest.approx(80) and levels[17] == pytest.approx(0.002)
    assert levels[9] == pytest.approx((80 ** (1 / 7) + 9 / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7)
    logs = LogNormal().drawn(BATCH, torch.Generator().manual_seed(0)).log()
    assert float(logs.mean()) == pytest.approx(-1.2, abs=0.03) and float(logs.std()) == pytest.approx(1.2, abs=0.03)
    told = LogNormal().clock(torch.tensor([80.0, 0.002]))
    assert told.tolist() == pytest.approx([-math.log(80) / 4, -math.log(0.002) / 4])
