"""A classifier that learns the classes of a set of pictures, the same way each time, to measure other pictures with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gesso.datasets.cifar import shifted
from gesso.datasets.small_pictures import SmallPictures

JUDGE, PRESET = "cifar_classifier", "score"


class Shown(SmallPictures):
    """Pictures with classes as a classifier learns from them: mirrored and shifted."""

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        return {"picture": shifted(self.pixels[index], rng), "label": int(self.labels[index])}


def learned_classifier(
    make: Any,
    pictures: Sequence[np.ndarray],
    labels: Sequence[int] | np.ndarray,
    classes: Sequence[str],
    *,
    steps: int | None = None,
    seed: int = 0,
    plan: Sequence[tuple[int, int]] = (),
) -> Any:
    """A network of `cifar_classifier`'s preset `score` that learned these pictures, uint8 [32 32 3], from nothing.

    `steps` and `plan`, the network's stages, are the preset's unless given. `make` is the measure's (`gesso.verbs.measure.Make`).
    """
    from gesso.networks.convnet import ConvNet

    shown = Shown(np.stack(pictures), np.asarray(labels), tuple(classes), name="pictures to learn from")
    trained = make.learned(
        JUDGE,
        shown,
        preset=PRESET,
        steps=steps,
        seed=seed,
        build=lambda preset: {"classifier": ConvNet(3, plan or preset.plan, len(classes), drop=0.1)},
    )
    return trained["classifier"]
