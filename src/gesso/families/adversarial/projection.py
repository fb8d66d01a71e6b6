"""Projection: the place in a style generator's latent space whose picture is nearest to a given one, found by gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gesso.conditions.latent_place import LatentPlace
from gesso.families.adversarial.game import Adversarial
from gesso.families.adversarial.style_latent import StyleLatent
from gesso.families.family import Inputs, Networks, Output
from gesso.shapes import Images

RATE = 0.1  # of Adam, as in Karras 2020, appendix D
WARMUP, ONE_FOR_ALL = 0.05, 0.4  # parts of the steps


@dataclass(frozen=True)
class StyleGame(Adversarial):
    """The game of a style generator, which can also find the latent of a given picture.

    As in Karras 2020, appendix D, w begins at the mean of all and is moved by Adam; for the first steps it is one for all layers, which
    keeps it where the generator is good, then each layer has its own (W+, Abdal 2019). Noise stays as the seed gives it, so that the
    result is what the same seed generates. The distance is the mean of squared differences at several scales.
    """

    latent: StyleLatent = field(default=StyleLatent(1), metadata={"aside": True})  # training knows it by `play`
    wanted: str = field(default="picture", metadata={"aside": True})

    def fit(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield a preview at every step with the tap `objective`, then the picture with its latent. `settings` has `num_steps`."""
        synthesis: Any = networks["synthesis"]
        mapping: Any = networks["mapping"]
        target = _given(inputs, self.wanted).to(mapping.mean)
        noise = self.latent.noise(synthesis, inputs, rng.initial_seed())
        w = mapping.mean.expand(len(target), 1, -1).clone().requires_grad_()
        apart = torch.zeros(len(target), synthesis.num_layers, w.shape[2], device=w.device, requires_grad=True)
        adam = torch.optim.Adam([w, apart], lr=RATE)
        num = settings.num_steps
        for step in range(1, num + 1):
            for group in adam.param_groups:
                group["lr"] = RATE * speed(step / num)
            made = synthesis(w + apart, noise).float()
            distance = difference(made, target)
            adam.zero_grad(set_to_none=True)
            distance.sum().backward()
            if step / num <= ONE_FOR_ALL:
                apart.grad = None
            found = (w + apart).detach()
            adam.step()
            yield self._output(found, made.detach(), float(distance.detach().mean()), step, num, final=False)
        with torch.no_grad():
            found = w + apart
            made = synthesis(found, noise).float()
        yield self._output(found, made, float(difference(made, target).mean()), num, num, final=True)

    def _output(self, ws: Tensor, made: Images, distance: float, step: int, num: int, *, final: bool) -> Output:
        values = {self.latent.place: LatentPlace.of(ws[0].detach().cpu().numpy())}
        taps = {"objective": {"distance": distance}}
        return Output({self.latent.clean: made}, taps=taps, values=values, final=final, step=step, num_steps=num)


def difference(one: Images, other: Images) -> Tensor:
    """The mean over scales of the mean squared difference, [b]: at full size, half, a quarter … down to 4 pixels."""
    terms = []
    while True:
        terms.append((one - other).square().mean((1, 2, 3)))
        if min(one.shape[-2:]) < 8:
            return torch.stack(terms).mean(0)
        one, other = F.avg_pool2d(one, 2), F.avg_pool2d(other, 2)


def _given(inputs: Inputs, slot: str) -> Images:
    spatial = inputs.ports.by_slot[slot].spatial
    assert spatial is not None
    return spatial[:, :-1]  # the last channel is validity


def speed(t: float) -> float:
    """The rate over time in (0, 1]: up quickly, down slowly by a cosine over the last half."""
    return min(1.0, t / WARMUP) * min(1.0, 0.5 - 0.5 * math.cos(math.pi * min(1.0, 2 * (1 - t))))
