"""StyleCLIP (Patashnik 2021): words move a picture of a style generator, seen by a model of words and pictures; both are frozen.

Two ways. "direction" is the paper's section 6: each channel of the style space S has a relevance, how its change moves pictures in the
space of words and pictures, and words choose channels by it. "search" is section 4: a latent is optimised for words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gesso.errors import GessoError
from gesso.families.adversarial.projection import StyleGame, difference, speed
from gesso.families.adversarial.style_latent import StyleLatent
from gesso.families.contrastive import unit
from gesso.families.family import STATE, Inputs, Networks, Output, item_noise
from gesso.ports import Ports, Tokens
from gesso.shapes import Images

RATE = 0.1  # of Adam, as in the paper's section 4
REACH = 5.0  # deviations by which a channel is moved to see what it does, as in the paper's section 6
MANY = 2000  # latents whose styles give the deviations
BATCH = 64  # pictures at once
PAPER = 0.7  # of [-1, 1]: lighter pixels of a drawing are the page
LUMA = (0.299, 0.587, 0.114)
RELEVANCE, DEVIATION, START = "relevance", "deviation", "start"
SAME = 1e-2  # by which numbers of one generator may differ, as weights are kept in half precision


@dataclass(frozen=True)
class StyleClip:
    """networks: "generator.mapping" and "generator.synthesis" of a style generator, "clip.text" and "clip.picture".

    Conditions: `words`, `instead` (what the picture is before: the direction goes from there to `words`), `place`, and for a fit
    `picture`. `fit` measures the relevance [channels d] (unit vectors) and the deviation [channels] of all channels of S on
    `num_latents` latents, and gives them as the family's weights, which `sample` reads from the state. `sees` is the side at which the
    picture network looks.

    Settings: `way`, `truncation`; for "direction" `strength` (α) and `disentanglement` (β); for "search" `num_steps`, and the weights
    `keep` of the distance from the first latent and `identity` of what is drawn anew (`redrawn`).
    """

    num_latents: int
    sees: int
    words: str = "words"
    instead: str = "instead"
    picture: str = "picture"

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        generator = StyleGenerator(networks)
        seed = rng.initial_seed()
        ws, noise = generator.start(inputs, seed, settings), generator.layer_noise(inputs, seed)
        towards = self.towards(networks, inputs)
        if towards is None or (settings.way == "direction" and settings.strength == 0):
            yield Output({"image": generator.synthesis(ws, noise).float()})
        elif settings.way == "search":
            yield from self._search(networks, ws, noise, towards, settings)
        else:
            step = style_step(*generator.measured(inputs), towards[1], settings.disentanglement)
            styles = joined(generator.synthesis.styles(ws)) + settings.strength * step
            made = generator.synthesis.from_styles(parted(styles, generator.channels), noise)
            yield Output({"image": made.float()}, taps={"step": step})

    def fit(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield a picture of each latent with the tap `objective`, and the relevance of all channels so far as the family's weights; where
        a `picture` is given, find its place instead (`StyleGame.fit`)."""
        generator = StyleGenerator(networks)
        if _spatial(inputs, self.picture):
            latent = generator.latent
            game = StyleGame(latent.play, latent.show, generators=("mapping", "synthesis"), latent=latent, wanted=self.picture)
            yield from game.fit(generator.networks, inputs, rng, settings)
            return
        with torch.no_grad():
            deviation = generator.deviation(settings)
            total = torch.zeros((), device=deviation.device)
            for number in range(self.num_latents):
                inner = Inputs(Ports(), Ports(), (1,), items=(number,))
                styles = joined(generator.synthesis.styles(generator.start(inner, rng.initial_seed(), settings)))
                noise = generator.layer_noise(inner, rng.initial_seed())
                before, total = total, total + self._moves(networks, generator, styles, noise, deviation)
                made = generator.synthesis.from_styles(parted(styles, generator.channels), noise).float()
                turned = 0.0 if not number else float((1 - (unit(before) * unit(total)).sum(1)).mean())
                yield Output(
                    {"image": made}, taps={"objective": {"change of the mean": turned}}, final=number == self.num_latents - 1,
                    step=number + 1, num_steps=self.num_latents,
                    weights={STATE: {RELEVANCE: unit(total), DEVIATION: deviation, START: generator.start_map}},
                )  # fmt: skip

    def towards(self, networks: Networks, inputs: Inputs) -> tuple[Tensor, Tensor] | None:
        """The vector of the words and the direction to them, unit vectors [b d]; None where no words are given."""
        given = _tokens(inputs, self.words)
        if given is None:
            return None
        text: Any = networks["clip.text"]
        told = unit(text(given).vector)
        before = _tokens(inputs, self.instead)
        return told, unit(told - unit(text(before).vector)) if before is not None else told

    def _moves(self, networks: Networks, generator: StyleGenerator, styles: Tensor, noise: Sequence[Tensor], deviation: Tensor) -> Tensor:
        """Where each channel moves one latent's picture in the space of words and pictures, unit vectors [channels d]."""
        found = []
        for chosen in torch.arange(len(deviation), device=deviation.device).split(BATCH // 2):
            push = torch.zeros(len(chosen), len(deviation), device=deviation.device)
            push[torch.arange(len(chosen)), chosen] = REACH * deviation[chosen]
            several = torch.cat([styles + push, styles - push])
            many = [one.expand(len(several), -1, -1, -1) for one in noise]
            up, down = self._seen(networks, generator.synthesis.from_styles(parted(several, generator.channels), many)).chunk(2)
            found.append(unit(up - down))
        return torch.cat(found)

    def _seen(self, networks: Networks, pictures: Images) -> Tensor:
        """Unit vectors [b d] of pictures, as they are shown: nothing lies beyond black and white."""
        size = (self.sees, self.sees)
        shown = F.interpolate(pictures.float(), size, mode="bilinear", antialias=True, align_corners=False).clamp(-1, 1)
        return unit(networks["clip.picture"](shown))

    def _search(
        self, networks: Networks, ws: Tensor, noise: Sequence[Tensor], towards: tuple[Tensor, Tensor], settings: Any
    ) -> Iterator[Output]:
        """Adam on a latent for each layer: 1 - cosine + keep |w - w₀|² + identity · what is drawn anew (section 4, equation 1)."""
        synthesis: Any = networks["generator.synthesis"]
        with gradients(ws):
            first, told, noise = ws.float().clone(), towards[0].float().clone(), [one.float().clone() for one in noise]
            away = torch.zeros_like(first).requires_grad_()
            adam = torch.optim.Adam([away], lr=RATE)
            begun = synthesis(first, noise).detach()
        num = settings.num_steps
        for step in range(1, num + 1):
            with gradients(ws):  # closed before each yield, so that the caller computes without gradients
                for group in adam.param_groups:
                    group["lr"] = RATE * speed(step / num)
                made = synthesis(first + away, noise)
                far = 1 - (self._seen(networks, made) * told).sum(1)
                value = far + settings.keep * away.square().sum((1, 2)) + settings.identity * redrawn(made, begun)
                adam.zero_grad(set_to_none=True)
                value.sum().backward()
                adam.step()
            objective = {"objective": {"distance": float(far.detach().mean())}}
            if step < num:
                yield Output({"image": made.detach()}, taps=objective, final=False, step=step, num_steps=num)
        with gradients(ws), torch.no_grad():
            made = synthesis(first + away, noise)
        yield Output({"image": made}, taps={"w": (first + away).detach(), **objective}, step=num, num_steps=num)


@contextmanager
def gradients(like: Tensor) -> Iterator[None]:
    """Gradients, where the caller computes without; in float32."""
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(like.device.type, enabled=False):
        yield


class StyleGenerator:
    """The frozen generator: its latents, its noise, and the channels of each of its styles."""

    def __init__(self, networks: Networks) -> None:
        self.networks = {role: networks[f"generator.{role}"] for role in ("mapping", "synthesis")}
        self.synthesis: Any = self.networks["synthesis"]
        mapping: Any = self.networks["mapping"]
        self.size = int(mapping.layers[0].weight.shape[1])
        self.latent = StyleLatent(self.size)
        modulated: Any = self.synthesis.modulated
        self.channels: list[int] = [conv.style.weight.shape[0] for conv in modulated]

    @property
    def start_map(self) -> Tensor:
        """Numbers by which the generator is known again."""
        found: Tensor = self.synthesis.start.detach()
        return found

    def measured(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """The relevance and the deviation of its channels; GessoError where the weights have none, or another generator's."""
        fix = "measure this one: gesso fit styleclip, with its weights"
        if not {RELEVANCE, DEVIATION, START} <= set(inputs.state):
            raise GessoError("these weights do not say what the generator's channels do", where="styleclip", fix=fix)
        relevance, deviation, start = (inputs.state[name].float() for name in (RELEVANCE, DEVIATION, START))
        num, same = sum(self.channels), start.shape == self.start_map.shape and torch.allclose(start, self.start_map, atol=SAME, rtol=SAME)
        if not same or len(relevance) != num or len(deviation) != num:
            raise GessoError("these weights are of another generator", where="styleclip", fix=fix)
        return relevance, deviation

    def start(self, inputs: Inputs, seed: int, settings: Any) -> Tensor:
        return self.latent.start(self.networks, inputs, seed, settings)

    def layer_noise(self, inputs: Inputs, seed: int) -> list[Tensor]:
        return self.latent.noise(self.synthesis, inputs, seed)

    def deviation(self, settings: Any) -> Tensor:
        """The standard deviation of each channel's style over latents, [channels]."""
        mapping: Any = self.networks["mapping"]
        z = item_noise((MANY, self.size), 0, range(MANY)).to(mapping.mean.device)
        w = torch.lerp(mapping.mean, mapping(z, Ports()).float(), settings.truncation)
        return joined(self.synthesis.styles(w)).std(0)


def style_step(relevance: Tensor, deviation: Tensor, towards: Tensor, cut: float) -> Tensor:
    """The step in S of strength 1, [b channels]: each channel's relevance to a direction [b d], 0 where it is below `cut` (β), so that the
    most relevant channel moves by one deviation (section 6, and the authors' scaling)."""
    relevant = towards.to(relevance) @ relevance.T
    kept = torch.where(relevant.abs() >= cut, relevant, torch.zeros_like(relevant))
    return deviation * kept / kept.abs().amax(1, keepdim=True).clamp_min(1e-8)


def joined(styles: Sequence[Tensor]) -> Tensor:
    """All channels of S, float32 [b channels]."""
    return torch.cat([style.float() for style in styles], 1)


def parted(styles: Tensor, channels: Sequence[int]) -> list[Tensor]:
    return list(styles.split(list(channels), 1))


def redrawn(made: Images, begun: Images) -> Tensor:
    """How much of a drawing is another one, [b]: the change of lightness at all scales, and of the colours of what was paper."""
    paper = (begun.amin(1, keepdim=True) > PAPER).to(begun.dtype)
    return difference(luma(made), luma(begun)) + ((made - begun).square() * paper).mean((1, 2, 3))


def luma(pictures: Images) -> Any:
    """The lightness of pictures, [b 1 h w]."""
    weights = torch.tensor(LUMA, device=pictures.device)[:, None, None]
    return (pictures * weights).sum(1, keepdim=True)


def _tokens(inputs: Inputs, slot: str) -> Tokens | None:
    """The tokens of a text; None where it is not given."""
    found = inputs.ports.by_slot[slot].tokens if slot in inputs.ports.by_slot else None
    return found if found is not None and bool(found.mask.any()) else None


def _spatial(inputs: Inputs, slot: str) -> bool:
    """Whether a picture is given."""
    found = inputs.ports.by_slot[slot].spatial if slot in inputs.ports.by_slot else None
    return found is not None and bool(found[:, -1].any())
