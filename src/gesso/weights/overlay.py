"""Overlays: files of a few changed weights (an adapter, a low-rank change) that name the weights they lie over by their hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.errors import GessoError
from gesso.weights.store import Weights, save_weights

if TYPE_CHECKING:
    from torch import Tensor

DOWN, UP = ".down", ".up"  # of a low-rank change: weight + up @ down, each reshaped to two dimensions (Hu 2021, equation 3)
States = Mapping[str, Mapping[str, "Tensor"]]


def save_overlay(path: str | Path, changes: States, base: Weights, card: Mapping[str, Any]) -> str:
    """Write an overlay of `base`; returns its sha256.

    `changes` {role: {parameter's name: its new value, or its name with .down [r i] and with .up [o r]}}.
    """
    return save_weights(path, changes, {"recipe": base.card.get("recipe"), "preset": base.card.get("preset"), **card, "over": base.sha256})


def layered_over(base: Weights, overlays: Sequence[Weights]) -> dict[str, dict[str, Tensor]]:
    """The states of `base` with each overlay's changes applied in turn.

    GessoError for an overlay of other weights, or of a parameter that is not there or has another shape.
    """
    states = {role: dict(state) for role, state in base.states.items()}
    for overlay in overlays:
        if overlay.card.get("over") != base.sha256:
            raise GessoError(
                f"this overlay lies over weights with sha256 {str(overlay.card.get('over'))[:16]}…, not {base.sha256[:16]}…",
                where=overlay.path,
                fix="give those weights before it: --weights BASE --weights OVERLAY",
            )
        for role, changes in overlay.states.items():
            for name, value in changes.items():
                if not name.endswith(UP):
                    _apply(states.get(role, {}), name, value, changes, where=f"{overlay.path}: {role}/{name}")
    return states


def _apply(state: dict[str, Tensor], name: str, value: Tensor, changes: Mapping[str, Tensor], where: str) -> None:
    target = name.removesuffix(DOWN)
    if target not in state:
        raise GessoError("the weights that it lies over have no such parameter", where=where)
    old = state[target]
    if name == target:
        new = value
    else:
        up = changes.get(target + UP)
        if up is None or up.ndim != 2 or value.ndim != 2 or up.shape[1] != value.shape[0]:
            raise GessoError("a low-rank change is .down [r i] with .up [o r]", where=where)
        change = up.float() @ value.float()
        if change.numel() != old.numel():
            raise GessoError(f"a change of shape {list(change.shape)} does not fit the parameter's {list(old.shape)}", where=where)
        new = old.float() + change.view(old.shape)
    if new.shape != old.shape:
        raise GessoError(f"its shape {list(new.shape)} is not the parameter's {list(old.shape)}", where=where)
    state[target] = new
