"""Classifier-free guidance: the network with and without its conditions, and the difference strengthened (Ho and Salimans 2022)."""

from __future__ import annotations

from typing import Any

from torch import nn

from gesso.ports import Ports
from gesso.shapes import Samples, Times


def guided(network: nn.Module, x: Samples, t: Times, ports: Ports, null: Ports, scale: float, *more: Times) -> Samples:
    """What the network says with guidance, null + scale (given - null): 0 ignores the conditions, 1 is no guidance, more strengthens
    them. It needs conditions that training sometimes dropped (a slot's `drop`). `more` are further times that the network takes."""
    if scale == 1:
        return network(x, t, ports, *more).float()
    if scale == 0:
        return network(x, t, null, *more).float()
    given, without = network(x, t, ports, *more).float(), network(x, t, null, *more).float()
    return without + scale * (given - without)


def scale_at(settings: Any, share: float) -> float:
    """The scale when this share of the way is done: 1 outside settings' `guidance_from` … `guidance_to` (Kynkäänniemi 2024)."""
    low, high = getattr(settings, "guidance_from", 0.0), getattr(settings, "guidance_to", 1.0)
    return float(settings.guidance_scale) if low <= share <= high else 1.0
