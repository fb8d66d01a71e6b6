"""Sheets of a game's pictures, for recipes whose stage encodes no conditions, so that their samples cannot be drawn as a user's are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from gesso.families.adversarial.game import Play
from gesso.families.family import Batch
from gesso.media.grid import contact_sheet
from gesso.media.tensor import from_tensor


def sheet_of(play: Play, names: Sequence[str]) -> Callable[[Mapping[str, nn.Module], Batch], np.ndarray]:
    """A recipe's `preview`: the pictures of `play` by these names, a row a name and a column an example."""

    def preview(networks: Mapping[str, nn.Module], batch: Batch) -> np.ndarray:
        pictures = play(networks, batch, torch.Generator().manual_seed(0))
        return contact_sheet([from_tensor(one.float()) for name in names for one in pictures[name]], len(batch))

    return preview
