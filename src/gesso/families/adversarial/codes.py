"""The game of content and style: what the drawing shows and how the exemplar looks, each a code, are decoded together (Huang 2018).

Huang 2018, "Multimodal Unsupervised Image-to-Image Translation" ("MUNIT"): both codes are found again in what was made of them (equations 3
and 4), and a picture is made again of its own (equation 2). Deviations: styles are those of exemplars, and none is drawn at random; of the
two directions, drawings become coloured pictures alone; where pairs are known, an L1 term stands beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gesso.families.adversarial.game import Turn
from gesso.families.adversarial.translation import distance
from gesso.families.family import Batch, Inputs, Networks, Output


@dataclass(frozen=True)
class ContentAndStyle:
    """`play`, `show` and the terms of the roles `matcher`, which reads both codes, and `painter`, which decodes them.

    A batch holds `picture`, the drawing, its colours `target`, and an `exemplar`.
    """

    def play(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Mapping[str, Tensor]:
        reader: Any = networks["matcher"]
        drawing = batch.clean["picture"]
        content, style = reader.drawing(drawing), _style(reader, batch.clean["exemplar"])
        made = networks["painter"](content, style)
        return {"given": drawing, "real": batch.clean["target"], "fake": made, "content": content, "style": style}

    def show(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """The picture that both codes make; there are no places to show."""
        reader: Any = networks["matcher"]
        given, shown = inputs.ports.by_slot["picture"].spatial, inputs.ports.by_slot["exemplar"].spatial
        assert given is not None and shown is not None
        h, w = given.shape[-2:]
        content, style = reader.drawing(given[:, :-1]), reader.style(shown[:, :-1], shown[:, -1:])
        made = networks["painter"](content, style)[..., :h, :w]
        yield Output({"image": made.float()}, taps={"content": content, "style": style})

    def content_found(self, turn: Turn) -> Tensor:
        """Distance of the drawing's content from that read in what was made, [b] (equation 3)."""
        reader: Any = turn.networks["matcher"]
        return distance(reader.coloured(turn.pictures["fake"]), turn.pictures["content"])

    def style_found(self, turn: Turn) -> Tensor:
        """Distance of the exemplar's style from that read in what was made, [b] (equation 4)."""
        return distance(_style(turn.networks["matcher"], turn.pictures["fake"]), turn.pictures["style"])

    def picture_again(self, turn: Turn) -> Tensor:
        """Distance of a coloured picture from what its own content and style make, [b] (equation 2)."""
        reader: Any = turn.networks["matcher"]
        picture = turn.pictures["real"]
        return distance(turn.networks["painter"](reader.coloured(picture), _style(reader, picture)), picture)


def _style(reader: Any, picture: Tensor) -> Tensor:
    style: Tensor = reader.style(picture, torch.ones_like(picture[:, :1]))
    return style
