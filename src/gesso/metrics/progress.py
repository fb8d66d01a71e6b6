"""Figures that a training prints of its own samples: quick, on a few hundred pictures, and the smaller the better.

They tell one moment of a run from another. `gesso measure` prints the figures that are worth comparing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gesso.metrics.sets import kernel_distance

Pictures = Sequence[np.ndarray]  # uint8 [h w 3]
Features = Callable[[Pictures], np.ndarray]  # float [n d]
Figures = Callable[[Pictures, Pictures, Features], dict[str, float]]  # (samples, true pictures, features)


def distance_of_sets(made: Pictures, true: Pictures, features: Features) -> dict[str, float]:
    """The kernel distance of generated from real pictures, which have no order."""
    return {"kernel distance": kernel_distance(features(made), features(true))}


def distance_of_pairs(made: Pictures, true: Pictures, features: Features) -> dict[str, float]:
    """The mean difference (of 255) of each picture from the true one, then the kernel distance of the sets."""
    apart = [float(np.abs(one.astype(np.float64) - two).mean()) for one, two in zip(made, true, strict=True)]
    return {"distance": float(np.mean(apart))} | distance_of_sets(made, true, features)
