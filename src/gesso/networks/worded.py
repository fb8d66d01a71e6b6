"""A network that is told in words: a text encoder before a denoiser that reads tokens."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from gesso.networks.text_encoder import TextEncoder
from gesso.ports import Ports
from gesso.shapes import Samples, Times


class Worded(nn.Module):
    """`network(x, t, ports)` with the text's ids encoded: tokens with values for its attention, in place of ids."""

    def __init__(self, text: TextEncoder, network: nn.Module) -> None:
        super().__init__()
        self.text, self.network = text, network

    def forward(self, x: Samples, t: Times, ports: Ports, *more: Times) -> Samples:
        assert ports.tokens is not None
        made: Samples = self.network(x, t, replace(ports, tokens=self.text(ports.tokens).tokens), *more)
        return made
