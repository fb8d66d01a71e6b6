"""Feed-forward style transfer for any style: a network takes a few steps towards what `StyleTransfer` optimises for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gesso.errors import GessoError
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.families.optimise import PIXELS, StyleTerms, filled_part, layer_outputs
from gesso.media.grid import contact_sheet
from gesso.media.tensor import from_tensor
from gesso.shapes import Images, Maps

BEYOND = 10.0  # weight of the squared distance of pixels from what a picture can hold
MOST_MATCHED = 128  # features: of larger levels only means and deviations are matched
TINY = 1e-5


@dataclass(frozen=True)
class StyleMoments:
    """What a style is to the network: the mean [b c 1] and covariance [b c c] of each level's features, and of PIXELS."""

    means: Mapping[str, Tensor]
    covariances: Mapping[str, Tensor]

    def mixed(self, other: StyleMoments, share: float) -> StyleMoments:
        """This look with a `share` of another's."""
        means, covariances = (
            {name: torch.lerp(value, two[name], share) for name, value in one.items()}
            for one, two in ((self.means, other.means), (self.covariances, other.covariances))
        )
        return StyleMoments(means, covariances)


@dataclass(frozen=True)
class Restyle:
    """Learns to lower the objective of `StyleTransfer` in `passes` steps; samples take the number in the settings.

    Each step sees the picture's own features and those that it should have: features with the mean and covariance of the style's
    (AdaIN, Huang 2017, equation 8, but with the whole covariance where there are at most 128 features). It ends by giving pixels the
    style's mean and covariance. The loss is the mean of the objective's logarithm after each step (Johnson 2016's losses, so that
    each pair counts alike); no step learns through a later one. `clean` has `content` and `style` [b 3 h w].

    Samples read the ports of the slots `content`, `style` and `second`, and settings `passes`, `strength` and `mix`.
    """

    content_layer: str
    style_layers: tuple[str, ...]
    levels: tuple[str, ...]
    passes: int
    content_weight: float = 1.0
    style_weight: float = 30.0
    smoothness: float = 0.1
    role: str = "restyler"
    features: str = "features"

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("restyle", (self.role,)),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        content, style = batch.clean["content"], batch.clean["style"]
        encoder = networks[self.features]
        with torch.no_grad():
            given = self._taps(encoder, torch.cat([content, style]))
            of_content, of_style = ({name: tap[part] for name, tap in given.items()} for part in halves(len(content)))
            look = self.moments_in(of_style)
            x = recoloured(content, look)
            taps = self._taps(encoder, x)
        with full_precision(x):
            targets = self.terms.targets(of_content, of_style)
        weights = self.content_weight, self.style_weight, self.smoothness
        values = []
        for _ in range(self.passes):
            x = self.stepped(networks[self.role], x, taps, look)
            seen = self._taps(encoder, x)
            with full_precision(x):
                terms = self.terms.of(x, seen, targets, weights)
            value = sum(terms.values(), x.new_zeros(len(x)))
            values.append(value.log() + BEYOND * (x - x.clamp(-1, 1)).square().mean((1, 2, 3)))
            x, taps = x.detach().clamp(-1, 1), {name: tap.detach() for name, tap in seen.items()}
        logs = {name: one.detach().mean() for name, one in terms.items()} | {"first": values[0].detach().mean().exp()}
        return Loss(torch.stack(values).mean(0), logs)

    @torch.no_grad()
    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield the picture after each step; all but the last are drafts."""
        encoder = networks[self.features]
        device = next(encoder.parameters()).device
        content, style, second = (filled(inputs, name, device) for name in ("content", "style", "second"))
        if content is None or style is None:
            raise GessoError("a picture is missing", where="style" if content is not None else "content", fix="give a content and a style")
        look = self.look_of(encoder, style)
        if second is not None and settings.mix:
            look = look.mixed(self.look_of(encoder, second), settings.mix)
        yield from self.restyled(networks, content, look, settings.passes, settings.strength)

    def restyled(self, networks: Networks, content: Images, look: StyleMoments, passes: int, strength: float = 1.0) -> Iterator[Output]:
        """Yield a content in a look after each pass; with less `strength` each step goes so far only, and with none nowhere."""
        x = torch.lerp(content, recoloured(content, look), strength)
        for number in range(1, passes + 1):
            made = self.stepped(networks[self.role], x, self._taps(networks[self.features], x), look)
            x = torch.lerp(x, made, strength).clamp(-1, 1)
            yield Output({"image": x}, final=number == passes, draft=number < passes, step=number, num_steps=passes)

    @torch.no_grad()
    def sheet(self, networks: Networks, batch: Batch) -> np.ndarray:
        """A sheet of a batch's contents, its styles, and the contents in those styles, a column each."""
        content, style = batch.clean["content"], batch.clean["style"]
        *_, last = self.restyled(networks, content, self.look_of(networks[self.features], style), self.passes)
        rows = (content, style, last.media["image"])
        return contact_sheet([from_tensor(one.float()) for row in rows for one in row], len(batch))

    def look_of(self, encoder: nn.Module, style: Images) -> StyleMoments:
        """The look of style pictures [b 3 h w]."""
        return self.moments_in(self._taps(encoder, style))

    def moments_in(self, taps: Mapping[str, Maps]) -> StyleMoments:
        """The look of pictures by their features."""
        found = {name: moments(taps[name]) for name in (*self.levels, PIXELS)}
        return StyleMoments(
            {name: mean for name, (mean, _) in found.items()}, {name: covariance for name, (_, covariance) in found.items()}
        )

    def stepped(self, network: nn.Module, x: Images, taps: Mapping[str, Maps], look: StyleMoments) -> Images:
        """The pictures after one step of the network towards a look, with the look's colours."""
        levels, means, deviations = [], [], []
        with torch.no_grad(), full_precision(x):
            for name in self.levels:
                own, wanted = taps[name].float(), look.covariances[name]
                mean, covariance = moments(own)
                scale = (look.means[name].square().mean((1, 2)) + wanted.diagonal(dim1=1, dim2=2).mean(1) + TINY).rsqrt()[
                    :, None, None, None
                ]
                change = matched(own, mean, covariance, look.means[name], wanted) - own
                levels.append(torch.cat([(change * scale).to(taps[name]), taps[name] * scale.to(taps[name])], 1))
                means += [look.means[name][..., 0], mean[..., 0]]
                deviations += [one.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt() for one in (wanted, covariance)]
            code = feature_code(means, deviations)
        return recoloured(x + network(x, levels, code).float(), look)

    @property
    def terms(self) -> StyleTerms:
        """The objective's terms. Products are as exact as the maps, and scaled afterwards."""
        return StyleTerms(self.content_layer, self.style_layers, lambda maps, s: pair_means(maps) * (s[..., 0] * s[..., 0].transpose(1, 2)))

    def _taps(self, encoder: Any, x: Images) -> dict[str, Maps]:
        """The features that the objective and the levels need, and PIXELS, the picture in [0, 1] with a channel of ones."""
        x = x.contiguous(memory_format=torch.channels_last)  # three times as fast as channels first
        return layer_outputs(encoder, x, {self.content_layer, *self.style_layers, *self.levels, PIXELS})


def moments(maps: Maps) -> tuple[Tensor, Tensor]:
    """Mean [b c 1] and covariance [b c c] over positions, in float32."""
    with full_precision(maps):
        flat = places(maps).float()
        mean = flat.mean(1, keepdim=True)
        flat = flat - mean
        return mean.transpose(1, 2), flat.transpose(1, 2) @ flat / flat.shape[1]


def matched(maps: Maps, mean: Tensor, covariance: Tensor, wanted_mean: Tensor, wanted: Tensor) -> Maps:
    """Maps changed as little as possible to the wanted mean and covariance (Monge's map of Gaussians); large ones to its diagonal."""
    b, c, h, w = maps.shape
    flat = places(maps) - mean.transpose(1, 2)
    if len(covariance[0]) > MOST_MATCHED:
        now, then = (one.diagonal(dim1=1, dim2=2).clamp_min(0) for one in (covariance, wanted))
        made = (then / (now + TINY)).sqrt()[:, None] * flat
        return (made + wanted_mean.transpose(1, 2)).view(b, h, w, c).permute(0, 3, 1, 2)
    values, vectors = spectrum(covariance)
    root, inverse = ((vectors * values[:, None] ** power) @ vectors.transpose(1, 2) for power in (0.5, -0.5))
    inner, turned = spectrum(root @ wanted @ root)
    middle = (turned * inner[:, None].sqrt()) @ turned.transpose(1, 2)
    made = flat @ (inverse @ middle @ inverse)  # which is symmetric
    return (made + wanted_mean.transpose(1, 2)).view(b, h, w, c).permute(0, 3, 1, 2)


def spectrum(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, none much smaller than the largest, and eigenvectors of covariances."""
    values, vectors = torch.linalg.eigh(matrix)
    return values.clamp_min(TINY * values[:, -1:] + 1e-8), vectors


def recoloured(x: Images, look: StyleMoments) -> Images:
    """Pictures whose pixels have the mean and covariance of a look's; gradients pass."""
    with full_precision(x):
        wanted_mean, wanted = look.means[PIXELS][:, :3], look.covariances[PIXELS][:, :3, :3]
        mean, covariance = moments((x.float() + 1) / 2)
        noise = 1e-4 * torch.eye(3, device=x.device)
        now, then = (torch.linalg.cholesky(one + noise) for one in (covariance, wanted))
        turned = then @ torch.linalg.solve_triangular(now, (x.float().flatten(2) + 1) / 2 - mean, upper=False)
        return ((turned + wanted_mean) * 2 - 1).view_as(x)


def places(maps: Maps) -> Tensor:
    """Maps as [b n c], the features of each place: a view where the channels lie last in memory."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


def pair_means(maps: Maps) -> Tensor:
    """The Gram matrix [b c c] as the mean over positions, in float32; its products are as exact as the maps."""
    flat = places(maps)
    return (flat.transpose(1, 2) @ flat).float() / flat.shape[1]


def halves(num: int) -> tuple[slice, slice]:
    return slice(0, num), slice(num, None)


def full_precision(x: Tensor) -> Any:
    """Computes in float32: moments and their roots do not bear bfloat16."""
    return torch.autocast(x.device.type, enabled=False)


def filled(inputs: Inputs, name: str, device: torch.device) -> Images | None:
    """The picture of a slot [1 3 h w], cropped to the rectangle that it fills; None if the slot is empty."""
    ports = inputs.ports.by_slot.get(name)
    shown = None if ports is None or ports.spatial is None else filled_part(ports.spatial[0])
    return None if shown is None else shown.to(device)


def feature_code(means: Sequence[Tensor], deviations: Sequence[Tensor]) -> Tensor:
    """Logarithms of features' means and deviations, each [b c], as one code [b d]."""
    return torch.cat([(one.float() + 0.01).log() for one in (*means, *deviations)], 1)
