"""Contrastive learning of texts and pictures: what belongs together is near, everything else in the batch is far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.ports import Ports

FAR = -1e4  # a logit of a pair that does not count


@dataclass(frozen=True)
class Contrastive:
    """`objective` "sigmoid" (Zhai 2023, algorithm 1): each pair is a question of its own. "softmax" (Radford 2021): each text chooses among
    the pictures, and each picture among the texts.

    The conditions `words` and `picture` give the pairs. A text that is true of another picture of the batch makes no negative with it:
    the simulated user's truth has the words "said", and the words that each picture "holds".
    networks: "text" (tokens → Ports with `vector`), "picture" (pictures → vectors) and "match" (cosines → logits).
    """

    words: str = "words"
    picture: str = "picture"
    objective: Literal["sigmoid", "softmax"] = "sigmoid"

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("match", ("text", "picture", "match"), whole=True),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        texts, pictures = self.embedded(networks, batch.ports)
        with torch.autocast(texts.device.type, enabled=False):  # a cosine in half precision is too coarse
            cosine = texts @ pictures.T
            logits = networks["match"](cosine)
        counts = counted(batch.truth[self.words]).to(logits.device)
        value = (sigmoid_loss if self.objective == "sigmoid" else softmax_loss)(logits, counts)
        with torch.no_grad():
            found = logits.masked_fill(~counts, FAR).argmax(1) == torch.arange(len(logits), device=logits.device)
            apart = cosine.diagonal().mean() - cosine.mean()
        return Loss(value, {"found": found.float().mean(), "apart": apart})

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield one output: `words` and `picture`, unit vectors [b d], their `cosine` [b] and its `logit` [b]."""
        texts, pictures = self.embedded(networks, inputs.ports)
        cosine = (texts * pictures).sum(1)
        yield Output({"words": texts, "picture": pictures, "cosine": cosine, "logit": networks["match"](cosine)})

    def embedded(self, networks: Networks, ports: Ports) -> tuple[Tensor, Tensor]:
        """Unit vectors [b d] of the texts and of the pictures."""
        tokens, spatial = ports.by_slot[self.words].tokens, ports.by_slot[self.picture].spatial
        if tokens is None or spatial is None:
            raise ValueError("this family needs tokens of words and a picture")
        text = networks["text"](tokens).vector
        return unit(text), unit(networks["picture"](spatial[:, :-1]))


def unit(vectors: Tensor) -> Tensor:
    """The vectors [… d] at length 1, in float32."""
    return F.normalize(vectors.float(), dim=-1)


def counted(truth: Sequence[Mapping[str, Any]]) -> Tensor:
    """Which pairs [b b] of a text and a picture count: not those where the words said hold of another picture, nor of a missing text."""
    num = len(truth)
    counts = torch.ones(num, num, dtype=torch.bool)
    for i, one in enumerate(truth):
        said = one.get("said")
        counts[i] = (
            False if said is None else torch.tensor([i == j or not said <= other.get("holds", said) for j, other in enumerate(truth)])
        )
    return counts


def sigmoid_loss(logits: Tensor, counts: Tensor) -> Tensor:
    """The sum over a text's pairs of -log σ(±logit), [b] (Zhai 2023, equation 2)."""
    sign = 2 * torch.eye(len(logits), device=logits.device) - 1
    return -(F.logsigmoid(sign * logits) * counts).sum(1)


def softmax_loss(logits: Tensor, counts: Tensor) -> Tensor:
    """Half the cross entropies of choosing the picture of each text and the text of each picture, [b]."""
    own = torch.arange(len(logits), device=logits.device)
    there = counts.diagonal()
    held = logits.masked_fill(~counts, FAR)
    value: Tensor = (F.cross_entropy(held, own, reduction="none") + F.cross_entropy(held.T, own, reduction="none")) / 2 * there
    return value
