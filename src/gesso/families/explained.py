"""Classification that is explained: which parts of a picture speak for a class, and where the network looked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.families.family import Inputs, Networks, Output
from gesso.families.supervised import Supervised, classification, picture_of
from gesso.media.heat import heat_over
from gesso.media.picture import to_white
from gesso.ports import Ports
from gesso.shapes import Images, Maps, Vectors

NUM_BEGUN = 1000  # training pictures that a network's `begin` reads


@dataclass(frozen=True)
class Explained(Supervised):
    """Supervised learning of a network that can be asked for its reasons.

    `network(pictures)` is `network.logits_of(network.maps(pictures))`, with maps [b c h w]. It may have `begin(pictures)`, which sets
    fixed values from training pictures, and `attention(pictures)` [b 1 h w], where it looked. `views`: logits are the means of those
    of the picture, of two moved by a pixel, which count half (Jordan 2024), and of their mirror images; reasons, of the
    picture's and its mirror image's.
    """

    views: bool = True

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        begin = getattr(networks[self.role], "begin", None)
        if begin is not None:
            chosen = torch.randperm(len(dataset), generator=rng)[:NUM_BEGUN].tolist()
            pictures = dataset.stack([dataset.item(index, np.random.default_rng(index)) for index in chosen])["image"]
            begin(pictures.to(next(networks[self.role].parameters()).device))
        return nn.Module()

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield one output: `logits` and `probability` [b classes], and [b 1 h w] in [0, 1] `evidence` for the class that the ports
        name, else for the likeliest, and `attention` where the network has it."""
        network: Any = networks[self.role]
        pictures = picture_of(inputs.ports).to(next(network.parameters()).device)
        views = self._views(pictures)
        maps = [network.maps(view) for view in views]
        logits = _weighted(network.logits_of(one).float() for one in maps)
        wanted = _named(inputs.ports, logits)
        heats = {"evidence": _mean(class_evidence(network, one, wanted) for one in maps[:2])}
        if hasattr(network, "attention"):
            heats["attention"] = _mean(network.attention(view) for view in views[:2])
        shown = {name: _heat(heat, pictures.shape[-2:]) for name, heat in heats.items()}
        yield Output({"logits": logits, "probability": logits.softmax(1), **shown})

    def read(self, network: Any, pictures: Images) -> Vectors:
        """The logits of pictures as `sample` has them, without reasons."""
        return _weighted(network(view).float() for view in self._views(pictures))

    def _views(self, pictures: Images) -> list[Images]:
        """The pictures, and behind them, if several views are looked at, their mirror images and both moved."""
        if not self.views:
            return [pictures]
        pairs = [pictures, pictures.flip(-1)]
        h, w = pictures.shape[-2:]
        wider = [F.pad(one, (1, 1, 1, 1), mode="reflect") for one in pairs]
        return pairs + [one[..., by : by + h, by : by + w] for one in wider for by in (0, 2)]


def class_evidence(network: Any, maps: Maps, wanted: Tensor) -> Maps:
    """Which places of a network's maps raise the logit of the class `wanted` [b], [b 1 h w], not negative.

    Grad-CAM (Selvaraju 2017) with a gradient for each place in place of their mean (HiResCAM, Draelos 2020): the mean moved
    evidence to where the class is not. Gradients are taken here although sampling has none; tensors of inference mode are copied for that.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(maps.device.type, enabled=False):
        own = maps.detach().float().clone().requires_grad_()
        (slope,) = torch.autograd.grad(network.logits_of(own).gather(1, wanted.clone()[:, None]).sum(), own)
        return (slope * own.detach()).sum(1, keepdim=True).relu()


def explanation(picture: np.ndarray, output: Output, classes: Sequence[str]) -> dict[str, Any]:
    """The first item of a sample as `classification` gives it, and each of its heats over the picture (uint8, any size)."""
    heats = {name: value[0, 0].numpy() for name, value in output.media.items() if value.ndim == 4}
    return {**classification(output, classes), **{name: heat_over(to_white(picture), heat) for name, heat in heats.items()}}


def _named(ports: Ports, logits: Tensor) -> Tensor:
    """The class [b] of each item: the one that the vector port names, else the likeliest."""
    if ports.vector is None:
        return logits.argmax(1)
    named = ports.vector.to(logits.device)
    return torch.where(named[:, -1] > 0, named[:, :-1].argmax(1), logits.argmax(1))


def _weighted(logits: Iterator[Vectors]) -> Vectors:
    """The mean of the logits of views, of which those behind the first two count half."""
    first, *others = logits
    return (first + sum(one if n == 0 else one / 2 for n, one in enumerate(others))) / (4 if others else 1)


def _mean(heats: Iterator[Tensor]) -> Tensor:
    """The mean of the heats of pictures and, where there is a second one, of their mirror images."""
    first, *mirrored = heats
    return (first + mirrored[0].flip(-1)) / 2 if mirrored else first


def _heat(values: Maps, size: tuple[int, ...]) -> Maps:
    """Maps that are not negative, at `size`, with the maximum of each 1 (0 where all are 0)."""
    large = F.interpolate(values.float(), size=tuple(size), mode="bicubic", align_corners=False).clamp_min(0)
    return large / large.amax((-2, -1), keepdim=True).clamp_min(1e-12)
