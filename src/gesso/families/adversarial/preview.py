"""Sheets of a game's pictures, for recipes whose stage encodes no conditions, so that their samples cannot be drawn as a user's are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from gesso.families.adversarial.game import Adversarial
from gesso.families.family import Batch
from gesso.media.grid import contact_sheet
from gesso.media.tensor import from_tensor


def played(family: Adversarial, networks: Mapping[str, nn.Module], batch: Batch, names: Sequence[str]) -> np.ndarray:
    """The pictures of a game by these names, a row a name and a column an example."""
    pictures = family.play(networks, batch, torch.Generator().manual_seed(0))
    return contact_sheet([from_tensor(one.float()) for name in names for one in pictures[name]], len(batch))
