"""Captioning: a picture's words, each piece of text from those before it, learned by likelihood and drawn one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.families.autoregressive.choosing import narrowed
from gesso.families.family import Batch, Inputs, Loss, Networks, Output, Phase
from gesso.media.subwords import END, MASK, PAD, START
from gesso.ports import Ports


class Writes(Protocol):
    """What the network "writer" is asked: all pieces at once in training, one after another in sampling."""

    def __call__(self, ids: Tensor, seen: Tensor, about: Tensor) -> Tensor: ...

    def begin(self, seen: Tensor, about: Tensor) -> Any: ...

    def step(self, memory: Any, ids: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Captioning:
    """The condition `words` is the text to learn in training and its beginning in sampling; `picture` is seen by the last layer of "eye".

    networks: "eye" (`features(pictures)` by layer) and "writer" (`Writes`).
    """

    words: str = "words"
    picture: str = "picture"

    def phases(self, step: int) -> Sequence[Phase]:
        return (Phase("write", ("eye", "writer")),)

    def prepare(self, networks: Networks, dataset: Any, rng: torch.Generator) -> nn.Module:
        return nn.Module()

    def loss(self, phase: Phase, networks: Networks, batch: Batch, state: nn.Module, step: int, rng: torch.Generator) -> Loss:
        nats, num = self.nats(networks, batch.ports)
        return Loss(nats / num.clamp(min=1), {"nats": nats.sum().detach() / num.sum().clamp(min=1)})

    def nats(self, networks: Networks, ports: Ports) -> tuple[Tensor, Tensor]:
        """The negative log-likelihood [b] of each text, END among it, and of how many pieces [b] it is the sum."""
        ids = self._ids(ports)
        ids = ids[:, : max(2, int((ids != PAD).sum(1).max()))]
        writer = cast(Writes, networks["writer"])
        logits = writer(ids[:, :-1], *self._view(networks, ports)).float()
        wanted = ids[:, 1:]
        each = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none", ignore_index=PAD)
        return each.unflatten(0, tuple(wanted.shape)).sum(1), (wanted != PAD).sum(1)

    def propose(self, networks: Networks, batch: Batch, rng: torch.Generator) -> None:
        return None

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield one output: `ids` [b n], which begin with the given words, `nats` [b n] of each drawn piece, `logits` of the first.

        settings: `temperature` (0: always the likeliest piece) and `top_p` (Holtzman 2020: of the likeliest pieces that together have it).
        """
        given = self._ids(inputs.ports)
        draws = [torch.Generator().manual_seed((rng.initial_seed() * 1_000_003 + item * 7919) % (2**63 - 1)) for item in inputs.items]
        writer = cast(Writes, networks["writer"])
        memory = writer.begin(*self._view(networks, inputs.ports))
        ids = torch.full_like(given, PAD)
        ids[:, 0] = START
        nats = torch.zeros(ids.shape, device=ids.device)
        first = torch.zeros(0)
        begun = torch.where(given == END, PAD, given)  # the text may go on
        for at in range(ids.shape[1] - 1):
            logits = writer.step(memory, ids[:, at]).float()
            first = logits if at == 0 else first
            logits = logits.index_fill(1, torch.tensor([PAD, START, MASK], device=logits.device), -torch.inf)
            drawn = torch.stack([draw(row, generator, settings) for row, generator in zip(logits, draws, strict=True)])
            ended = (ids[:, at] == END) | (ids[:, at] == PAD)
            told = begun[:, at + 1] != PAD
            ids[:, at + 1] = torch.where(told, begun[:, at + 1], torch.where(ended, PAD, drawn.to(ids)))
            chosen = logits.log_softmax(1).gather(1, ids[:, at + 1 : at + 2]).squeeze(1)
            nats[:, at + 1] = torch.where(told | ended, 0.0, -chosen)
            if ((ids[:, at + 1] == END) | (ids[:, at + 1] == PAD)).all():
                break
        yield Output({"ids": ids, "nats": nats, "logits": first})

    def _ids(self, ports: Ports) -> Tensor:
        tokens = ports.by_slot[self.words].tokens
        if tokens is None or tokens.ids is None:
            raise ValueError("this family needs the ids of words")
        return tokens.ids

    def _view(self, networks: Networks, ports: Ports) -> tuple[Tensor, Tensor]:
        """What the writer sees: features [b m c] of the picture, and the vector port."""
        spatial = ports.by_slot[self.picture].spatial
        if spatial is None or ports.vector is None:
            raise ValueError("this family needs a picture and a vector")
        eye: Any = networks["eye"]
        last = eye.taps[-1]
        return eye.features(spatial[:, :-1], [last])[last].flatten(2).transpose(1, 2), ports.vector


def draw(logits: Tensor, rng: torch.Generator, settings: Any) -> Tensor:
    """A number drawn by logits [v] at the settings' temperature, among the likeliest that together have `top_p`."""
    if settings is None or settings.temperature == 0:
        return logits.argmax()
    probability = narrowed(logits.cpu(), settings.temperature, settings.top_p).exp()
    return torch.multinomial(probability, 1, generator=rng)[0]
