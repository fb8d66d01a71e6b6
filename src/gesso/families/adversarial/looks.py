"""The game of many looks: one generator turns a picture into several domains, by a style from noise or from an exemplar (Choi 2020).

Of each batch item a style is taken from noise or from an exemplar at equal odds, where the paper takes a step for each. The critic compares
what was made with real pictures of the domain that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gesso.families.adversarial.game import Round, Turn
from gesso.families.adversarial.translation import distance
from gesso.families.family import Batch, Inputs, Networks, Output, item_noise
from gesso.judgement import Judgement, per_item
from gesso.ports import Ports


@dataclass(frozen=True)
class Looks:
    """`play`, `show` and the terms of the roles `generator`, `mapping` and `encoder`, for latents of `size` numbers.

    A batch holds `picture`, `exemplar` and `another` of the wanted domain, and `source`, the number of the picture's own domain; the
    conditions' names are `picture`, `attribute` and `exemplar`. `fades` is the number of steps after which variety counts no more.
    """

    size: int
    fades: int
    attribute: str = "attribute"

    def play(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Besides the real and the generated picture: `share` of it that was made, `style`, and `second`, another style of the same way."""
        generator: Any = networks["generator"]
        wanted, picture = self.domain(batch.ports), batch.clean["picture"]
        mapped = batch.uniform(rng)[:, None] < 0.5
        drawn = [networks["mapping"](batch.normal(rng, self.size), wanted) for _ in range(2)]
        seen = [networks["encoder"](batch.clean[name], wanted) for name in ("exemplar", "another")]
        first, second = (torch.where(mapped, one, two) for one, two in zip(drawn, seen, strict=True))
        fake, share = generator.changed(picture, first)
        made = {"fake": fake, "share": share, "style": first, "second": second}
        return {"real": batch.clean["exemplar"], "picture": picture, **made}

    def show(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """The style of the exemplar where there is one, else of noise by the seed."""
        wanted, given = self.domain(inputs.ports), inputs.ports.by_slot["picture"].spatial
        assert given is not None
        latent = item_noise((inputs.shape[0], self.size), rng.initial_seed(), inputs.items).to(given.device)
        style = networks["mapping"](latent, wanted)
        shown = inputs.ports.by_slot["exemplar"].spatial if "exemplar" in inputs.ports.by_slot else None
        if shown is not None:
            there = shown[:, -1].flatten(1).amax(1)[:, None] > 0
            style = torch.where(there, networks["encoder"](shown[:, :-1], wanted), style)
        yield Output({"image": networks["generator"](given[:, :-1], style).float()}, taps={"style": style})

    def domain(self, ports: Ports) -> Tensor:
        """The wanted domain [b k], 1 for the one that is meant."""
        vector = ports.by_slot[self.attribute].vector
        assert vector is not None
        return vector[:, :-1]

    def classified(self, round: Round) -> Tensor:
        """For critics: cross-entropy of the domains of real pictures, [b] (Choi 2018, equation 2)."""
        assert round.of_real is not None
        return self._entropy(round.of_real, round.turn)

    def taken_for(self, turn: Turn) -> Tensor:
        """For generators: cross-entropy of the wanted domains of what was made, [b] (Choi 2018, equation 3)."""
        of_fake = turn.rounds["critic"].of_fake if "critic" in turn.rounds else None
        assert of_fake is not None
        return self._entropy(of_fake, turn)

    def _entropy(self, judgement: Judgement, turn: Turn) -> Tensor:
        assert judgement.classes is not None
        return F.cross_entropy(judgement.classes.float(), self.domain(turn.batch.ports), reduction="none")

    def style_again(self, turn: Turn) -> Tensor:
        """Distance of the style from the one that the encoder sees in what was made with it, [b] (equation 2)."""
        seen = turn.networks["encoder"](turn.pictures["fake"], self.domain(turn.batch.ports))
        return distance(seen, turn.pictures["style"])

    def cycle(self, turn: Turn) -> Tensor:
        """Distance of the picture from itself after the way there and back, by its own style, [b] (equation 4)."""
        picture = turn.pictures["picture"]
        own = F.one_hot(turn.batch.clean["source"], self.domain(turn.batch.ports).shape[1]).to(picture)
        style = turn.networks["encoder"](picture, own)
        return distance(turn.networks["generator"](turn.pictures["fake"], style), picture)

    def share_made(self, turn: Turn) -> Tensor:
        """The mean share of what was made in the picture, [b]: little is changed where little must be."""
        return per_item(turn.pictures["share"])

    def sameness(self, turn: Turn) -> Tensor:
        """Minus the distance between pictures of two styles, [b], which counts less and less (equation 3); 0 after `fades` steps."""
        weight = max(0.0, 1 - turn.step / self.fades) if self.fades else 0.0
        if not weight:
            return torch.zeros(len(turn.batch), device=turn.batch.index.device)
        with torch.no_grad():
            other = turn.networks["generator"](turn.pictures["picture"], turn.pictures["second"])
        return -weight * distance(turn.pictures["fake"], other)
