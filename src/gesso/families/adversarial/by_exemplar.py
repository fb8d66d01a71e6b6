"""The game of colouring after an exemplar: a correspondence carries its colours over, and a painter finishes them (Zhang 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gesso.families.adversarial.game import Turn
from gesso.families.adversarial.translation import distance
from gesso.families.family import Batch, Inputs, Networks, Output


@dataclass(frozen=True)
class ByExemplar:
    """`play`, `show` and the terms of the roles `matcher` and `painter`.

    A batch holds `picture`, the drawing, its colours `target`, an `exemplar`, and `places`, where in the exemplar each part is found.
    """

    def play(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Mapping[str, Tensor]:
        drawing, exemplar = batch.clean["picture"], batch.clean["exemplar"]
        match = networks["matcher"](drawing, exemplar, torch.ones_like(exemplar[:, :1]))
        made = networks["painter"](painted_on(drawing, match))
        return {"given": drawing, "real": batch.clean["target"], "fake": made, **match._asdict()}

    def show(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """The painted picture, the colours carried over (`warped`), and `places`: x, y and how sure, in [-1, 1]."""
        given, shown = inputs.ports.by_slot["picture"].spatial, inputs.ports.by_slot["exemplar"].spatial
        assert given is not None and shown is not None
        drawing = given[:, :-1]
        match = networks["matcher"](drawing, shown[:, :-1], shown[:, -1:])
        inside = shown[:, -1]
        part = torch.stack([inside.amax(1).mean(1), inside.amax(2).mean(1)], 1)[:, :, None, None]  # of the frame that it fills
        places = (match.places + 1) / part - 1
        media = {
            "image": networks["painter"](painted_on(drawing, match)).float(),
            "warped": _enlarged(match.colours, drawing),
            "places": _enlarged(torch.cat([places.clamp(-1, 1), 2 * match.sure - 1], 1), drawing),
        }
        yield Output(media, taps={"places": places, "sure": match.sure})

    def found(self, turn: Turn) -> Tensor:
        """Cross-entropy of the choice with the known places, the mean over the parts that the exemplar shows, [b]."""
        logits, places = turn.pictures["logits"], turn.batch.clean["places"]
        num = round(logits.shape[2] ** 0.5)
        truth, shown = spread(places.flatten(1, 2), num)
        entropy = -(truth * logits.log_softmax(2)).sum(2)
        return (entropy * shown).sum(1) / shown.sum(1).clamp_min(1)

    def carried_over(self, turn: Turn) -> Tensor:
        """Distance of the colours carried over from the true ones, [b]."""
        colours = turn.pictures["colours"]
        return distance(colours, F.adaptive_avg_pool2d(turn.pictures["real"].float(), colours.shape[-1]))

    def aligned(self, turn: Turn) -> Tensor:
        """Distance of the drawing's features from those of its own coloured picture, [b] (equation 8)."""
        matcher: Any = turn.networks["matcher"]
        return distance(turn.pictures["features"], matcher.coloured(turn.pictures["real"]))


def painted_on(drawing: Tensor, match: Any) -> Tensor:
    """What a painter is given: the drawing, and at its size what was carried over and how sure, [b 3 + 3 + d + 1 h w]."""
    carried = torch.cat([match.colours, match.values, match.sure], 1)
    return torch.cat([drawing, F.interpolate(carried, drawing.shape[-2:], mode="bilinear", align_corners=False).to(drawing)], 1)


def spread(places: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """Places [b n 2] in [-1, 1] as shares of the four nearest of num × num parts [b n num²], and 1 where a place is inside, else 0."""
    at = (places + 1) * num / 2 - 0.5
    low = at.floor()
    part = at - low
    total = torch.zeros(*places.shape[:2], num * num, device=places.device)
    for dx in (0, 1):
        for dy in (0, 1):
            x, y = ((low[..., k] + d).clamp(0, num - 1).long() for k, d in ((0, dx), (1, dy)))
            share = (part[..., 0] if dx else 1 - part[..., 0]) * (part[..., 1] if dy else 1 - part[..., 1])
            total.scatter_add_(2, (y * num + x)[..., None], share[..., None])
    return total, (places.abs() < 1).all(2).float()


def _enlarged(maps: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(maps.float(), like.shape[-2:], mode="nearest")
