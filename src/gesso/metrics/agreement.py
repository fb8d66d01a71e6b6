"""How well outputs follow a requested class and given pixels, and how varied they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.picture import to_white
from gesso.media.tensor import to_tensor


def class_agreement(asked: Sequence[int] | np.ndarray, found: Sequence[int] | np.ndarray) -> float:
    """The share of pictures that a classifier assigns to the requested class."""
    asked, found = np.asarray(asked), np.asarray(found)
    if asked.shape != found.shape or not asked.size:
        raise GessoError(f"{asked.size} requested and {found.size} found classes", where="classes", fix="one of each for every picture")
    return float((asked == found).mean())


def kept_share(made: np.ndarray, given: np.ndarray, mask: np.ndarray) -> float:
    """The share of given pixels (mask true) that are bit-equal in the output; 1 if no pixel was given."""
    if made.shape[:2] != mask.shape or given.shape != made.shape:
        raise GessoError(f"made {made.shape}, given {given.shape} and mask {mask.shape} are not of one size", where="known")
    mask = mask.astype(bool)
    return float((made[mask] == given[mask]).mean()) if mask.any() else 1.0


def diversity(features: np.ndarray, classes: Sequence[int] | np.ndarray) -> float:
    """The mean distance between two features [n d] of one class, averaged over the classes with at least two."""
    features, classes = np.asarray(features, np.float64), np.asarray(classes)
    means = []
    for c in np.unique(classes):
        rows = features[classes == c]
        if len(rows) > 1:
            squares = np.square(rows).sum(1)
            distances = np.sqrt((squares[:, None] + squares[None] - 2 * rows @ rows.T).clip(0))
            means.append(distances.sum() / (len(rows) * (len(rows) - 1)))
    if not means:
        raise GessoError("diversity needs a class with two pictures", where="classes")
    return float(np.mean(means))


def measure_classes(network: Any, dataset: Any, classes: Sequence[str], batch_size: int = 250) -> dict[str, Any]:
    """The accuracy of a classifier on all examples of a dataset (items with `picture` and `label`), in total and per class."""
    asked, found = [], []
    for start in range(0, len(dataset), batch_size):
        items = [dataset.item(i, np.random.default_rng(0)) for i in range(start, min(start + batch_size, len(dataset)))]
        asked += [item["label"] for item in items]
        found += classes_of(network, [item["picture"] for item in items]).tolist()
    wanted, seen = np.array(asked), np.array(found)
    rows = {
        name: {"accuracy": class_agreement(wanted[wanted == c], seen[wanted == c]), "n": asked.count(c)}
        for c, name in enumerate(classes)
        if c in asked
    }
    return {"accuracy": class_agreement(asked, found), "n": len(asked), "data": dataset.name, "per class": rows}


def classes_of(network: Any, pictures: Sequence[np.ndarray], batch_size: int = 250) -> np.ndarray:
    """The class [n] that a classifier assigns to each picture (uint8, all of one size)."""
    import torch

    with torch.inference_mode():
        parts = [network(_stacked(pictures[i : i + batch_size])).argmax(1) for i in range(0, len(pictures), batch_size)]
        return torch.cat(parts).numpy()


def features_of(network: Any, pictures: Sequence[np.ndarray], batch_size: int = 250) -> np.ndarray:
    """The features [n d] of pictures (uint8, all of one size), by the network's method `pooled`."""
    import torch

    with torch.inference_mode():
        parts = [network.pooled(_stacked(pictures[i : i + batch_size])) for i in range(0, len(pictures), batch_size)]
        return torch.cat(parts).numpy()


def _stacked(pictures: Sequence[np.ndarray]) -> Any:
    """float [n 3 h w] in [-1, 1], as `to_white` and `to_tensor` make them."""
    import torch

    return torch.stack([to_tensor(to_white(picture)) for picture in pictures])
