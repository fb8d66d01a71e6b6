"""The optimiser of each player, with a learning rate that depends only on the step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gesso.errors import GessoError


class OptimiserSettings(Protocol):
    """The part of `gesso.recipes.recipe.Optimiser` that training needs."""

    @property
    def rate(self) -> float: ...
    @property
    def betas(self) -> tuple[float, float]: ...
    @property
    def decay(self) -> float: ...
    @property
    def warmup(self) -> int: ...
    @property
    def floor(self) -> float: ...
    @property
    def clip(self) -> float: ...
    @property
    def kind(self) -> str: ...
    @property
    def eps(self) -> float: ...
    @property
    def schedule(self) -> str: ...


class Player:
    """A role that learns: its parameters by name, its optimiser and its gradient clipping.

    Weight decay applies only to matrices and kernels, not to biases, norms and other vectors.
    """

    def __init__(self, role: str, network: nn.Module, settings: OptimiserSettings) -> None:
        self.role, self.settings = role, settings
        self.parameters = dict(network.named_parameters())
        if not self.parameters:
            raise GessoError(f"the role {role!r} has no parameters to train", where="trains")
        decayed = [p for p in self.parameters.values() if p.ndim >= 2]
        others = [p for p in self.parameters.values() if p.ndim < 2]
        groups = [{"params": g, "weight_decay": d} for g, d in ((decayed, settings.decay), (others, 0.0)) if g]
        self.optimiser = _optimiser(groups, settings)

    def learning(self, on: bool) -> None:
        for parameter in self.parameters.values():
            parameter.requires_grad_(on)

    def gradients(self) -> list[Tensor]:
        return [p.grad for p in self.parameters.values() if p.grad is not None]

    def norm(self) -> Tensor:
        """The Euclidean norm of the gradient; zero if no parameter has a gradient."""
        gradients = self.gradients()
        return torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())

    def step(self, rate: float, norm: float) -> None:
        if self.settings.clip > 0 and norm > self.settings.clip:
            torch._foreach_mul_(self.gradients(), self.settings.clip / norm)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()

    def tensors(self) -> dict[str, Tensor]:
        """The optimiser's state by "parameter/quantity"."""
        state = self.optimiser.state
        return {f"{name}/{key}": value for name, p in self.parameters.items() for key, value in state.get(p, {}).items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self.optimiser.state.clear()
        for full, value in tensors.items():
            name, _, key = full.rpartition("/")
            parameter = self.parameters[name]
            own = torch.empty_like(parameter if value.shape == parameter.shape else value, dtype=value.dtype, device=parameter.device)
            self.optimiser.state[parameter][key] = own.detach().copy_(value)


def _optimiser(groups: list[dict[str, Any]], settings: OptimiserSettings) -> torch.optim.Optimizer:
    if settings.kind == "adamw":
        return torch.optim.AdamW(groups, lr=settings.rate, betas=settings.betas, eps=settings.eps, fused=True)
    if settings.kind == "sgd":
        return torch.optim.SGD(groups, lr=settings.rate, momentum=settings.betas[0], fused=True)
    raise GessoError(f"there is no optimiser {settings.kind!r}", where="trains", fix="adamw or sgd")


def rate_at(settings: OptimiserSettings, step: int, num_steps: int) -> float:
    """The learning rate of step `step` (from 0): a linear warm-up, then from `rate` to `rate * floor` at `num_steps` by the schedule."""
    warm = min(1.0, (step + 1) / settings.warmup) if settings.warmup > 0 else 1.0
    far = min(1.0, max(0, step - settings.warmup) / max(1, num_steps - settings.warmup))
    shapes = {"cosine": 0.5 * (1 + math.cos(math.pi * far)), "linear": 1 - far, "constant": 1.0}
    if settings.schedule not in shapes:
        raise GessoError(f"there is no schedule {settings.schedule!r}", where="trains", fix="one of " + ", ".join(shapes))
    return settings.rate * warm * (settings.floor + (1 - settings.floor) * shapes[settings.schedule])
