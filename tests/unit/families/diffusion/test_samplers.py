"""Samplers on distributions whose score is known: where they arrive, how fast errors shrink, and what stochastic ones draw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import pytest
import torch
from torch import Tensor

from gesso.families.diffusion.objectives import FlowMatching
from gesso.families.diffusion.paths import EXPLODING, STRAIGHT, Guess, Path
from gesso.families.diffusion.samplers import ddim, ddpm, dpm, euler, heun, walk
from gesso.families.diffusion.schedules import Cosine, LinearBeta, LogNormal


@dataclass(frozen=True)
class Mixture:
    """A mixture of normal distributions, whose expected data and noise are known at any level: what a perfect network would say.

    Parts with `weights` [k], `means` [k d] and `deviations` [k], in float64.
    """

    weights: Tensor
    means: Tensor
    deviations: Tensor

    def guess(self, path: Path, x: Tensor, t: float) -> Guess:
        """The guess at points x [n d] of level t, without a division by σ, so that it holds at the data too."""
        alpha, sigma = path.alpha(t), path.sigma(t)
        variance = alpha**2 * self.deviations**2 + sigma**2
        apart = x[:, None] - alpha * self.means
        logs = self.weights.log() - apart.square().sum(-1) / variance / 2 - x.shape[1] / 2 * variance.log()
        share = logs.softmax(1)
        clean = (share[..., None] * (self.means + (alpha * self.deviations**2 / variance)[:, None] * apart)).sum(1)
        noise = (share[..., None] * sigma * apart / variance[:, None]).sum(1)
        return Guess(clean, noise, path.b * clean + path.d * noise)

    def look(self, path: Path):
        return lambda x, t, s: self.guess(path, x, float(t[0]))

    def transported(self, path: Path, x: Tensor, levels: list[float]) -> Tensor:
        """The exact end of the probability flow from x: Runge-Kutta's fourth order over many `levels`."""
        for t, s in zip(levels, levels[1:], strict=False):
            h, middle = s - t, (t + s) / 2
            k1 = self.guess(path, x, t).rate
            k2 = self.guess(path, x + h / 2 * k1, middle).rate
            k3 = self.guess(path, x + h / 2 * k2, middle).rate
            k4 = self.guess(path, x + h * k3, s).rate
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean [d] and covariance [d d]."""
        mean = (self.weights[:, None] * self.means).sum(0)
        apart = self.means - mean
        inner = (self.weights * self.deviations**2).sum() * torch.eye(self.means.shape[1], dtype=torch.float64)
        return mean, (self.weights[:, None, None] * apart[:, :, None] * apart[:, None]).sum(0) + inner


def numbers(*values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


LINE = Mixture(numbers(0.3, 0.7), numbers([-0.8], [0.5]), numbers(0.2, 0.3))
PLANE = Mixture(numbers(0.5, 0.2, 0.3), numbers([-0.7, 0.2], [0.6, 0.6], [0.1, -0.8]), numbers(0.25, 0.15, 0.3))
MIXTURES = {"line": LINE, "plane": PLANE}

GRIDS = {
    "flow": (STRAIGHT, FlowMatching().levels),
    "linear": (EXPLODING, LinearBeta().falling),
    "cosine": (EXPLODING, Cosine().falling),
    "edm": (EXPLODING, LogNormal().falling),
}


def points(mixture: Mixture, num: int = 32) -> torch.Tensor:
    return torch.randn(num, mixture.means.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def arrive(sampler, mixture: Mixture, path: Path, levels: list[float], start: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Where the sampler ends that begins at `start` (in units of the first σ) and looks at the true score."""
    rng, draws = torch.Generator().manual_seed(seed), iter([start])

    def draw() -> torch.Tensor:
        first = next(draws, None)
        return torch.randn(start.shape, dtype=torch.float64, generator=rng) if first is None else first

    *_, (x, _) = walk(sampler, mixture.look(path), path, levels, draw)
    return x


@cache
def exact(mixture: str, grid: str, num: int = 400) -> torch.Tensor:
    path, levels = GRIDS[grid]
    times = levels(num)
    return MIXTURES[mixture].transported(path, path.sigma(times[0]) * points(MIXTURES[mixture]), times)


@pytest.mark.parametrize(("mixture", "grid"), [("line", "flow"), *(("plane", grid) for grid in ("flow", "cosine", "edm"))])
@pytest.mark.parametrize("sampler", [euler, heun, dpm], ids=lambda one: one.__name__)
def test_deterministic_samplers_arrive_where_the_flow_does(sampler, grid, mixture):
    """To 1e-4, by the limit to which two numbers of steps point (Richardson 1911).

    On grids of equal times s the last σ² falls as 1 / steps, and with it the error of the last step, which is Euler's for all.
    """
    path, levels = GRIDS[grid]
    order = 2 if sampler is not euler and grid in ("flow", "edm") else 1
    num = 1200 if order == 1 else 400
    one, half = (arrive(sampler, MIXTURES[mixture], path, levels(n), points(MIXTURES[mixture])) for n in (num, num // 2))
    limit = (2**order * one - half) / (2**order - 1)
    assert (limit - exact(mixture, grid)).abs().max() < 1e-4


@pytest.mark.parametrize("grid", ["flow", "edm"])
def test_orders_of_convergence(grid):
    """Twice the steps: half the error with Euler and DDIM, a quarter with Heun."""
    path, levels = GRIDS[grid]
    start = points(PLANE)
    truth = exact("plane", grid)

    def error(sampler, num: int) -> float:
        return float((arrive(sampler, PLANE, path, levels(num), start) - truth).square().mean().sqrt())

    assert 1.8 < error(euler, 100) / error(euler, 200) < 2.2
    assert 1.8 < error(ddim, 100) / error(ddim, 200) < 2.2
    assert 3.5 < error(heun, 100) / error(heun, 200) < 4.6
    assert error(dpm, 32) < error(euler, 32) / 2, "at equal evaluations"


@pytest.mark.parametrize("grid", ["flow", "linear", "edm"])
def test_euler_is_ddim_without_noise(grid):
    path, levels = GRIDS[grid]
    start = points(PLANE)
    one, other = (arrive(sampler, PLANE, path, levels(7), start) for sampler in (euler, ddim))
    assert torch.allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("grid", ["flow", "linear", "edm"])
def test_ddpm_is_ddim_with_all_its_noise(grid):
    path, levels = GRIDS[grid]
    start = points(PLANE)
    one, other = (arrive(sampler, PLANE, path, levels(7), start, seed=3) for sampler in (ddpm, partial(ddim, eta=1.0)))
    assert torch.allclose(one, other, atol=1e-9)
    assert not torch.allclose(one, arrive(ddpm, PLANE, path, levels(7), start, seed=4), atol=1e-3)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("sampler", [ddpm, partial(ddim, eta=0.5)], ids=["ddpm", "ddim 0.5"])
def test_stochastic_samplers_draw_from_the_distribution(sampler, grid):
    path, levels = GRIDS[grid]
    made = arrive(sampler, PLANE, path, levels(200), points(PLANE, 10_000))
    mean, covariance = PLANE.moments()
    assert (made.mean(0) - mean).abs().max() < 0.03
    assert (made.T.cov() - covariance).abs().max() < 0.03


def test_a_step_of_each_by_hand():
    """One point, from σ = 2 to σ = 1, where the data are guessed to be 1 and so the noise is (5 - 1) / 2."""

    def look(x, t, s):
        noise = (x - 1) / t[:, None]
        return Guess(torch.ones_like(x), noise, noise)

    draws = [torch.full((1, 1), 2.5), torch.full((1, 1), 10.0)]
    wanted = {euler: 3, heun: 3, ddim: 3, dpm: 3, ddpm: 2 + 10 * 0.75**0.5}  # ddpm's mean is (5 + 3) / 4, its variance 3 / 4
    for sampler, value in wanted.items():
        (x, guess), *_ = walk(sampler, look, EXPLODING, [2.0, 1.0], iter(draws).__next__)
        assert float(x) == pytest.approx(value), sampler.__name__
        assert float(guess.clean) == 1 and float(guess.noise) == 2
