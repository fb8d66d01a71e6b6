"""Optimisation of a picture: no network is trained; the pixels are optimised for an objective on a frozen network's features."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gesso.errors import GessoError
from gesso.families.family import Inputs, Networks, Output, item_noise
from gesso.ports import Ports
from gesso.shapes import Images, Maps

HISTORY = 20
PIXELS = "pixels"
# Measured on a CPU at 192 to 768 pixels: a step peaks at 2.3 (VGG-19) to 2.9 times the memory that autograd keeps, plus 0.2 GB.
PEAK, FIXED_BYTES = 3.0, 300_000_000
Terms = dict[str, Tensor]


@dataclass(frozen=True)
class StyleTransfer:
    """Neural style transfer (Gatys 2016): L-BFGS on pixels, the content's features (equation 1) against the style's Gram matrices (3-5).

    As in section 2 there, each filter is scaled to a mean of one, here over the two pictures. Deviations: each layer's error is
    divided by the square of its target, so that layers have equal weight in any network, and the weights in the settings mean the
    same for any picture and size; a style layer may be PIXELS, the picture itself, whose Gram matrix holds the mean and covariance
    of its colours, because filters of zero mean do not see brightness. The spatial port holds the content's picture and validity,
    then the style's; the style's validity marks the rectangle that it fills.
    """

    content_layer: str
    style_layers: tuple[str, ...]
    role: str = "features"

    def fit(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield a preview at the start and after every step, with the objective's terms as the tap `objective`; then the picture.

        `settings` has `num_steps`, `style_weight`, `content_weight`, `smoothness` and `start` ("content" or "noise").
        """
        network = networks[self.role]
        device = next(network.parameters()).device
        content, style = split_pictures(inputs.ports, device)
        check_memory(network, {self.content_layer, *self.style_layers}, (content.shape[-2], content.shape[-1]), device)
        noise = 0.25 * item_noise(inputs.shape, rng.initial_seed(), inputs.items).to(device)
        starts = content if settings.start == "content" else noise
        runs = [
            PictureOptimiser(self.objective(network, content[i : i + 1], style[i], settings), starts[i : i + 1])
            for i in range(len(content))
        ]
        num = settings.num_steps
        for step in range(num + 1):
            terms = [run.step() if step else run.evaluate() for run in runs]
            mean_terms = {name: sum(t[name] for t in terms) / len(terms) for name in terms[0]}
            now = torch.cat([run.x.detach() for run in runs]).clamp(-1, 1)
            yield Output({"image": now}, taps={"objective": mean_terms}, final=False, step=step, num_steps=num)
        yield Output({"image": now}, step=num, num_steps=num)

    def objective(self, network: Any, content: Images, style: Tensor, settings: Any) -> Callable[[Images], Terms]:
        """The objective's terms, of a picture [1 3 h w] for a content [1 3 h w] and a style [1 3 h w] of any size; "all" is their sum."""
        names = {self.content_layer, *self.style_layers}
        with torch.no_grad():
            targets = self.terms.targets(layer_outputs(network, content, names), layer_outputs(network, style, names))
        weights = settings.content_weight, settings.style_weight, settings.smoothness

        def objective(x: Images) -> Terms:
            found = self.terms.of(x, layer_outputs(network, x, names), targets, weights)
            terms = {name: value.squeeze(0) for name, value in found.items()}
            return {"all": sum(terms.values(), x.new_zeros(())), **terms}

        return objective

    @property
    def terms(self) -> StyleTerms:
        return StyleTerms(self.content_layer, self.style_layers)


class Targets(NamedTuple):
    """What pictures should have: each layer's `scales` [b c 1 1], the scaled `content` [b c h w], and `grams` [b c c] by layer."""

    scales: Mapping[str, Tensor]
    content: Tensor
    grams: Mapping[str, Tensor]


@dataclass(frozen=True)
class StyleTerms:
    """The terms of the objective of pictures [b 3 h w] by their layers' outputs, each [b]: that of `StyleTransfer`, for it and others.

    unscaled_gram(maps, scales): the Gram matrix of scaled maps by a way that does not scale them; None scales them.
    """

    content_layer: str
    style_layers: tuple[str, ...]
    unscaled_gram: Callable[[Maps, Tensor], Tensor] | None = None

    def targets(self, of_content: Mapping[str, Maps], of_style: Mapping[str, Maps]) -> Targets:
        scales = {name: equalising_factors(of_content[name], of_style[name]) for name in {self.content_layer, *self.style_layers}}
        content = of_content[self.content_layer] * scales[self.content_layer]
        return Targets(scales, content, self._seen(of_style, scales)[1])

    def of(self, x: Images, taps: Mapping[str, Maps], targets: Targets, weights: tuple[float, float, float]) -> Terms:
        """`content`, `style` and `smoothness`, multiplied by `weights`."""
        content, grams = self._seen(taps, targets.scales)
        parts = [relative_error(grams[name], wanted) for name, wanted in targets.grams.items()]
        content_weight, style_weight, smoothness = weights
        return {
            "content": content_weight * relative_error(content, targets.content),
            "style": style_weight * torch.stack(parts).mean(0),
            "smoothness": smoothness * roughness(x),
        }

    def _seen(self, taps: Mapping[str, Maps], scales: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The content layer's scaled maps, and the Gram matrices of scaled maps by layer."""
        if self.unscaled_gram is not None:
            grams = {name: self.unscaled_gram(taps[name], scales[name]) for name in self.style_layers}
            return taps[self.content_layer] * scales[self.content_layer], grams
        scaled = {name: tap * scales[name] for name, tap in taps.items()}  # each once, since a layer may be of the content and the style
        return scaled[self.content_layer], {name: gram(scaled[name]) for name in self.style_layers}


class PictureOptimiser:
    """L-BFGS with a strong Wolfe line search on one picture. `step` runs one iteration and returns the objective's terms after it."""

    def __init__(self, objective: Callable[[Images], Terms], start: Images) -> None:
        self.objective = objective
        self.x = start.detach().clone().requires_grad_(True)
        self.optimiser = torch.optim.LBFGS(
            [self.x], max_iter=1, max_eval=12, history_size=HISTORY, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
        )
        self._evaluated: tuple[Tensor, Tensor, Terms] | None = None

    def step(self) -> dict[str, float]:
        self.optimiser.step(self._evaluate)
        return self.evaluate()

    def evaluate(self) -> dict[str, float]:
        """The objective's terms for the current picture."""
        self._evaluate()
        assert self._evaluated is not None
        return {name: float(value) for name, value in self._evaluated[2].items()}

    def _evaluate(self) -> Tensor:
        # A step begins at the point where the previous line search ended, which need not be evaluated twice.
        if self._evaluated is None or not torch.equal(self.x, self._evaluated[0]):
            with torch.enable_grad():
                terms = self.objective(self.x)
                (slope,) = torch.autograd.grad(terms["all"], self.x)
            self._evaluated = (self.x.detach().clone(), slope, {name: value.detach() for name, value in terms.items()})
        self.x.grad = self._evaluated[1].clone()
        return self._evaluated[2]["all"]


def layer_outputs(network: Any, x: Tensor, names: Collection[str]) -> dict[str, Tensor]:
    """The outputs of the network's layers by name; PIXELS is the picture in [0, 1] with a channel of ones."""
    taps: dict[str, Tensor] = network.features(x, [name for name in names if name != PIXELS])
    if PIXELS in names:
        taps[PIXELS] = torch.cat([(x + 1) / 2, torch.ones_like(x[:, :1])], 1)
    return taps


def equalising_factors(one: Maps, other: Maps) -> Tensor:
    """Factors [b c 1 1] that scale each filter's mean over both pictures to one, as Gatys did with VGG; filters near zero stay small."""
    mean = (one.float().mean((2, 3)) + other.float().mean((2, 3))) / 2
    return (1 / (mean + 0.1 * mean.mean(1, keepdim=True) + 1e-6))[:, :, None, None]


def gram(features: Maps) -> Tensor:
    """The Gram matrix of features [b c c], as the mean over positions (Gatys 2016, equation 3, divided by their number)."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[-1]


def relative_error(found: Tensor, wanted: Tensor) -> Tensor:
    """|found - wanted|² / |wanted|² of each item, [b]."""
    return squares(found - wanted) / squares(wanted).clamp_min(1e-12)


def squares(value: Tensor) -> Tensor:
    """The sum of squares of each item, [b]."""
    return value.square().flatten(1).sum(1)


def roughness(x: Images) -> Tensor:
    """The mean squared difference between neighbouring pixels of each item, [b]."""
    down, across = x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]
    return down.square().mean((1, 2, 3)) + across.square().mean((1, 2, 3))


def split_pictures(ports: Ports, device: torch.device) -> tuple[Images, list[Tensor]]:
    """The content pictures [b c h w], and each style picture [1 c h w] cropped to the rectangle it fills."""
    if ports.spatial is None or ports.spatial.shape[1] % 2:
        raise GessoError(
            "this family needs two pictures", where="conditions", fix="a card whose network conditions are a content and a style"
        )
    content, style = ports.spatial.to(device).chunk(2, 1)
    styles = []
    for one in style:
        shown = filled_part(one)
        if shown is None:
            raise GessoError("no style was given", where="style", fix="give a picture with the style")
        styles.append(shown)
    return content[:, :-1].contiguous(), styles


def filled_part(maps: Tensor) -> Images | None:
    """Of maps [4 h w] the rectangle in which the last channel, the validity, is above 0, as a picture [1 3 h w]; None if there is none."""
    valid = maps[-1] > 0
    rows, columns = valid.any(1).nonzero()[:, 0], valid.any(0).nonzero()[:, 0]
    if not len(rows):
        return None
    return maps[None, :-1, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].contiguous()


def longest_side(page: tuple[int, int], length: int) -> tuple[int, int]:
    """The (height, width) of a page scaled to a longest side of `length` with the same proportions; at least 8 a side."""
    h, w = page
    return max(8, round(h * length / max(h, w))), max(8, round(w * length / max(h, w)))


def check_memory(network: Any, names: Collection[str], size: tuple[int, int], device: torch.device) -> None:
    """Raise GessoError, naming a longest side that fits, if optimising a picture of (height, width) would not fit into memory."""
    free = free_memory(device)
    if free is None:
        return
    per_pixel = bytes_per_pixel(network, names, device)
    fixed = FIXED_BYTES + 2 * weight_bytes(network)
    growing, usable = per_pixel * size[0] * size[1], 0.9 * free - fixed
    if growing > usable:
        need, fits = growing + fixed, int(max(size) * (max(0.0, usable) / growing) ** 0.5) // 8 * 8
        raise GessoError(
            f"{size[1]} × {size[0]} pixels would take about {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free",
            where="size",
            fix=f"a longest side of at most {fits}" if fits >= 16 else "close other programs",
        )


def bytes_per_pixel(network: Any, names: Collection[str], device: torch.device) -> float:
    """Bytes per pixel of a forward and backward pass and L-BFGS's history, measured on small pictures."""
    small, large = 48, 96
    kept = (autograd_bytes(network, names, device, large) - autograd_bytes(network, names, device, small)) / (large**2 - small**2)
    history = (2 * HISTORY + 8) * 3 * 4
    return PEAK * kept + history


def autograd_bytes(network: Any, names: Collection[str], device: torch.device, side: int) -> int:
    """Bytes that autograd keeps of one forward pass over a picture of side × side pixels."""
    kept: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        kept[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        x = torch.zeros(1, 3, side, side, device=device, requires_grad=True)
        taps = layer_outputs(network, x, names)
    assert taps
    return sum(kept.values())


def weight_bytes(network: Any) -> int:
    """The size of a network's weights in bytes."""
    return sum(p.numel() * p.element_size() for p in network.parameters())


def free_memory(device: torch.device) -> int | None:
    """Free bytes on the device; on a CPU within the limits of its container. None if the system does not report it."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
        limit, used = (Path("/sys/fs/cgroup", name).read_text().strip() for name in ("memory.max", "memory.current"))
        if limit != "max":
            found.append(int(limit) - int(used))
    except (OSError, ValueError):
        pass
    if not found and hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found) if found else None
