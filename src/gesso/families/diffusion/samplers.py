"""One step from level t to level s, nearer to the data. With x̂ and ε̂ the guesses of data and noise at (x, t):

    euler   x + (s - t) dx/dt; on both paths here the same as DDIM with η = 0
    heun    the mean of dx/dt at both ends: Karras 2022, algorithm 1
    ddpm    a draw from q(x_s | x_t, x̂): Ho 2020, equations 6 and 7
    ddim    the same with η times that noise: Song 2020, equations 12 and 16
    dpm     DPM-Solver++(2M): Lu 2022, algorithm 2 ("++", arXiv:2211.01095)

All are written for x = α x₁ + σ ε, so they hold on every path. `walk` is the one loop that takes the steps; `repeated` levels let it
go back and forth, for resampling (Lugmayr 2022, "RePaint").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from gesso.families.diffusion.paths import Guess, Path, beside
from gesso.shapes import Samples, Times

Look = Callable[[Samples, Times, Times], Guess]  # (x, t, s) -> the guess at (x, t); its rate may be the mean one up to s


@dataclass(frozen=True)
class Stride:
    """All that a sampler knows of a step: x at t with the guess there, the next level s, and the step before it (None in the first).

    `level` and `goal` are t and s as numbers; `draw` gives normal noise like x.
    """

    x: Samples
    now: Guess
    t: Times
    s: Times
    level: float
    goal: float
    path: Path
    look: Look
    draw: Callable[[], Samples]
    before: Stride | None

    @property
    def span(self) -> Samples:
        return beside(self.s - self.t, self.x)

    @property
    def last(self) -> bool:
        return self.path.sigma(self.goal) == 0

    @property
    def scales(self) -> tuple[float, float, float, float]:
        """α_t, σ_t, α_s, σ_s."""
        path = self.path
        return path.alpha(self.level), path.sigma(self.level), path.alpha(self.goal), path.sigma(self.goal)


Sampler = Callable[[Stride], Samples]


def walk(
    sampler: Sampler,
    look: Look,
    path: Path,
    levels: Sequence[float],
    draw: Callable[[], Samples],
    settle: Callable[[Samples, float], Samples] = lambda x, level: x,
) -> Iterator[tuple[Samples, Guess]]:
    """Go from noise, the first that is drawn, through all levels. Yields after each step x and the guess from which it was made.

    A level noisier than the one before is reached by adding noise. `settle(x, level)` may change what a step has reached.
    """
    x, before = path.sigma(levels[0]) * draw(), None
    for level, goal in pairwise(levels):
        if path.progress(goal) < path.progress(level):
            x, before = noisier(x, level, goal, path, draw()), None
            continue
        t, s = (torch.full((len(x),), one, device=x.device, dtype=x.dtype) for one in (level, goal))
        before = Stride(x, look(x, t, s), t, s, level, goal, path, look, draw, None if before is None else _alone(before))
        x = settle(sampler(before), goal)
        yield x, before.now


def noisier(x: Samples, level: float, goal: float, path: Path, noise: Samples) -> Samples:
    """x carried from its level to a noisier one: with α = α_goal / α_level, α x + √(σ_goal² - α² σ_level²) z."""
    alpha = path.alpha(goal) / path.alpha(level)
    return alpha * x + math.sqrt(path.sigma(goal) ** 2 - (alpha * path.sigma(level)) ** 2) * noise


def repeated(levels: Sequence[float], times: int) -> list[float]:
    """Levels in which each step but the first and the last is taken `times` times, with a step back in between.

    From pure noise there is nothing to go back to, and after the last step there is no noise.
    """
    steps = list(pairwise(levels))
    found = [levels[0]]
    for number, (level, goal) in enumerate(steps):
        again = times if 0 < number < len(steps) - 1 else 1
        found += [goal] + [level, goal] * (again - 1)
    return found


def _alone(stride: Stride) -> Stride:
    return Stride(**{**vars(stride), "before": None})


def euler(stride: Stride) -> Samples:
    return stride.x + stride.span * stride.now.rate


def heun(stride: Stride) -> Samples:
    """The last step is Euler's, because no noise is left at its end."""
    there = euler(stride)
    if stride.last:
        return there
    return stride.x + stride.span * (stride.now.rate + stride.look(there, stride.s, stride.s).rate) / 2


def ddpm(stride: Stride) -> Samples:
    """With α_ts = α_t / α_s and σ²_ts = σ_t² - α_ts² σ_s², the posterior has the mean (α_ts σ_s² x + α_s σ²_ts x̂) / σ_t² and the
    variance σ²_ts σ_s² / σ_t² (β̃ of Ho 2020)."""
    alpha_t, sigma_t, alpha_s, sigma_s = stride.scales
    alpha_ts = alpha_t / alpha_s
    variance_ts = sigma_t**2 - alpha_ts**2 * sigma_s**2
    mean = (alpha_ts * sigma_s**2 * stride.x + alpha_s * variance_ts * stride.now.clean) / sigma_t**2
    return mean if stride.last else mean + math.sqrt(variance_ts) * sigma_s / sigma_t * stride.draw()


def ddim(stride: Stride, eta: float = 0.0) -> Samples:
    """α_s x̂ + √(σ_s² - τ²) ε̂ + τ z with τ = η σ_s / σ_t √(σ_t² - (α_t / α_s)² σ_s²); η = 1 is DDPM."""
    alpha_t, sigma_t, alpha_s, sigma_s = stride.scales
    tau = eta * sigma_s / sigma_t * math.sqrt(sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2)
    x = alpha_s * stride.now.clean + math.sqrt(sigma_s**2 - tau**2) * stride.now.noise
    return x + tau * stride.draw() if tau else x


def dpm(stride: Stride) -> Samples:
    """x_s = σ_s/σ_t x + (α_s - α_t σ_s/σ_t) D, where D carries x̂ on by half a step: D = x̂ + (x̂ - x̂_before) / (2r).

    r = h_before / h, with h the growth of λ = ln α/σ in a step. First and last steps, whose h is not finite, take D = x̂.
    """
    alpha_t, sigma_t, alpha_s, sigma_s = stride.scales
    found = stride.now.clean
    if stride.before is not None and not stride.last:
        h_before = _growth(stride.before)
        found = found + _growth(stride) / h_before / 2 * (found - stride.before.now.clean)
    return sigma_s / sigma_t * stride.x + (alpha_s - alpha_t * sigma_s / sigma_t) * found


def _growth(stride: Stride) -> float:
    """h = λ_s - λ_t; infinite from pure noise on."""
    alpha_t, sigma_t, alpha_s, sigma_s = stride.scales
    return math.log(alpha_s / sigma_s * sigma_t / alpha_t) if alpha_t else math.inf
