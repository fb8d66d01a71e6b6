"""The gradient of a phase: of a whole batch, in parts that save memory, or clipped per example with noise (DP-SGD)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gesso.errors import GessoError
from gesso.families.family import Batch, Loss
from gesso.training.optimiser import Player
from gesso.training.ranks import Ranks

MeasureLoss = Callable[[Batch], Loss]


class GradientSettings(Protocol):
    """The part of `gesso.recipes.recipe.Gradient` that training needs."""

    @property
    def accumulate(self) -> int: ...
    @property
    def clip_each(self) -> float: ...
    @property
    def noise(self) -> float: ...


def set_gradients(
    measure: MeasureLoss,
    batch: Batch,
    players: Sequence[Player],
    settings: GradientSettings,
    ranks: Ranks,
    rng: torch.Generator,
    expected: int = 0,
    noise: torch.Generator | None = None,
) -> tuple[Tensor, dict[str, Any]]:
    """Set the gradient of the mean loss over the step's whole batch, of which `batch` is this process's part.

    Clipped gradients and their noise are divided by the `expected` size of a batch (0: this one's), as in DP-SGD, because the number
    of examples that Poisson sampling drew is itself private. Where it drew none, the gradient is the noise alone. The noise is drawn
    from `noise` (None: from `rng`), which must be in the same state in all processes. Returns the mean loss (0 of no examples), and the
    logs of the last part. All that `measure` draws from `rng` is the same for each part.
    """
    for player in players:
        player.optimiser.zero_grad(set_to_none=True)
    where = next((p.device for player in players for p in player.parameters.values()), None)
    logs, total, state = dict[str, Any](), torch.zeros((), device=where), rng.get_state()
    size = batch.total or len(batch) or 1
    for start, stop in _parts(len(batch), settings.accumulate):
        rng.set_state(state)
        part = batch if stop - start == len(batch) else batch.sliced(start, stop)
        loss = measure(part)
        logs = loss.logs
        share = len(part) / size
        if settings.clip_each:
            value = _clipped_sum(loss, share, players, settings.clip_each, expected or size)
        else:
            value = _backward(loss, share)
        total = total + value.detach().to(total)
    if ranks.total > 1 or settings.clip_each:  # all processes exchange the same list, and noise is added to all of it
        _fill_missing(players)
    gradients = [g for player in players for g in player.gradients()]
    ranks.sum([*gradients, total])
    if settings.clip_each and settings.noise:
        _add_noise(gradients, settings.noise * settings.clip_each / (expected or size), rng if noise is None else noise)
    return total, logs


def _fill_missing(players: Sequence[Player]) -> None:
    for player in players:
        for parameter in player.parameters.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)


def _parts(num: int, parts: int) -> list[tuple[int, int]]:
    parts = min(max(1, parts), num)
    return [(num * k // parts, num * (k + 1) // parts) for k in range(parts)]


def _backward(loss: Loss, share: float) -> Tensor:
    value = loss.value.float().mean()
    value = value if share == 1 else value * share
    value.backward()
    return value


def _clipped_sum(loss: Loss, share: float, players: Sequence[Player], clip_each: float, expected: int) -> Tensor:
    """Add each example's gradient, shortened to at most `clip_each` (Abadi 2016, algorithm 1), divided by the expected size of a batch."""
    value = loss.value.float()
    if value.ndim != 1:
        raise GessoError("clip_each needs a loss per item, [b]", where="gradient", fix="let the family's loss return one value per item")
    parameters = [p for player in players for p in player.parameters.values()]
    each = _example_gradients(value, parameters)
    norms = torch.stack([g.flatten(1).square().sum(1) for g in each if g is not None]).sum(0).sqrt()
    factor = (clip_each / norms.clamp_min(1e-12)).clamp_max(1.0) / expected
    for parameter, gradient in zip(parameters, each, strict=True):
        if gradient is not None:
            mean = torch.tensordot(factor.to(gradient), gradient, 1)
            parameter.grad = mean if parameter.grad is None else parameter.grad + mean
    return value.mean() * share


def _example_gradients(value: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor | None]:
    """The gradients of each example's loss [b *size] by parameter; None for a parameter that the loss does not use."""
    rows = [torch.autograd.grad(one, parameters, retain_graph=True, allow_unused=True) for one in value]
    return [
        None if any(g is None for g in column) else torch.stack([g for g in column if g is not None]) for column in zip(*rows, strict=True)
    ]


def _add_noise(gradients: Sequence[Tensor], deviation: float, rng: torch.Generator) -> None:
    for gradient in gradients:
        gradient.add_((deviation * torch.randn(gradient.shape, generator=rng)).to(gradient))


def check_private(networks: Sequence[nn.Module]) -> None:
    """GessoError for networks in which examples of a batch influence each other, so that clipping each gradient bounds nothing."""
    for network in networks:
        for name, module in network.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                raise GessoError(f"{name} is a batch norm, which mixes examples", where="gradient.clip_each", fix="use a group norm")
