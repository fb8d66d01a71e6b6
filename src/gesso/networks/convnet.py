"""A plain stack of convolutions that returns the outputs of its layers, for classification, features and Gram matrices."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.errors import GessoError
from gesso.shapes import Images, Maps, Vectors

RELU_GAIN = (2 / (1 - 1 / torch.pi)) ** 0.5  # makes a ReLU's output of unit variance (Brock 2021, equation 2)


class ConvNet(nn.Module):
    """The architecture of VGG (Simonyan and Zisserman 2015): stages of 3×3 convolutions and ReLU, with average pooling between them.

    `plan` holds (channels, convolutions) per stage. Layers are named conv1_1, conv1_2, conv2_1, … as in the papers, and a tap is
    the layer's output after ReLU. `standardise` keeps every filter at zero mean and unit norm times a learned gain (Qiao 2019,
    Brock 2021), which needs no batch statistics and folds into plain weights. The input is [b `channels` h w] in [-1, 1], at least
    2^(stages - 1) pixels a side, and is normalised by `mean` and `deviation` of values in [0, 1]. `num_classes` 0: no classifier.
    """

    def __init__(
        self,
        channels: int,
        plan: Sequence[tuple[int, int]],
        num_classes: int,
        *,
        standardise: bool = True,
        drop: float = 0.0,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        deviation: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        super().__init__()
        self.num_classes, self.least_size = num_classes, 2 ** (len(plan) - 1)
        make = StandardConv2d if standardise else nn.Conv2d
        self.layers = nn.ModuleDict()
        self.opens_stage: set[str] = set()
        width = channels
        for stage, (out, num) in enumerate(plan, 1):
            for i in range(1, num + 1):
                self.layers[f"conv{stage}_{i}"] = make(width, out, 3, padding=1)
                width = out
            if stage > 1:
                self.opens_stage.add(f"conv{stage}_1")
        self.num_features = width
        self.drop = nn.Dropout(drop)
        self.head = nn.Linear(width, num_classes) if num_classes else None
        self.mean = nn.Buffer(torch.tensor(mean[:channels])[:, None, None], persistent=False)
        self.deviation = nn.Buffer(torch.tensor(deviation[:channels])[:, None, None], persistent=False)

    @property
    def taps(self) -> tuple[str, ...]:
        return tuple(self.layers)

    def features(self, x: Images, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """The outputs of the named layers after ReLU (None: all layers). Layers above the highest named one are not computed."""
        wanted = list(self.layers) if names is None else list(names)
        absent = [name for name in wanted if name not in self.layers]
        if absent:
            raise GessoError(f"this network has no layer {absent[0]!r}", where="features", fix="one of " + ", ".join(self.layers))
        if min(x.shape[-2:]) < self.least_size:
            raise GessoError(
                f"a picture of {x.shape[-1]} × {x.shape[-2]} is too small for this network",
                where="features",
                fix=f"at least {self.least_size} a side",
            )
        found: dict[str, Tensor] = {}
        h = ((x + 1) / 2 - self.mean) / self.deviation
        for name, layer in self.layers.items():
            if len(found) == len(set(wanted)):
                break
            h = F.relu(layer(F.avg_pool2d(h, 2) if name in self.opens_stage else h))
            if name in wanted:
                found[name] = h
        return found

    def pooled(self, x: Images) -> Vectors:
        """The last layer's mean over the picture, [b num_features], for Fréchet distances."""
        return self.features(x, [self.taps[-1]])[self.taps[-1]].mean((-2, -1))

    def forward(self, x: Images) -> Vectors:
        """Logits [b num_classes]."""
        if self.head is None:
            raise GessoError("this network has no classifier, only features", where="classify")
        return self.head(self.drop(self.pooled(x)))


class StandardConv2d(nn.Conv2d):
    """A convolution whose filters have zero mean and unit norm times a learned gain (Qiao 2019)."""

    def __init__(self, num_in: int, num_out: int, size: int, padding: int = 0) -> None:
        super().__init__(num_in, num_out, size, padding=padding)
        self.gain = nn.Parameter(torch.full((num_out,), RELU_GAIN))
        self.bias = nn.Parameter(torch.zeros(num_out))

    def folded_weight(self) -> Tensor:
        weight = self.weight.float()
        fan_in = weight[0].numel()
        variance, mean = torch.var_mean(weight, dim=(1, 2, 3), keepdim=True, correction=0)
        return (weight - mean) * (self.gain.float()[:, None, None, None] * torch.rsqrt(variance * fan_in + 1e-4))

    def forward(self, x: Maps) -> Maps:
        return F.conv2d(x, self.folded_weight().to(self.weight.dtype), self.bias, padding=self.padding)


VGG19_PLAN = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))


def vgg19() -> ConvNet:
    """The sixteen convolutions of VGG-19 with average pooling (Gatys 2016, section 2) and ImageNet's mean and deviation."""
    return ConvNet(3, VGG19_PLAN, 0, standardise=False, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))
