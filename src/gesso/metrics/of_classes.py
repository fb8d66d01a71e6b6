"""The measures of a recipe that makes pictures of a class, by their names for `gesso measure --which`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gesso.datasets.small_pictures import labelled_pictures

Measure = Callable[[Any, Path | None, dict[str, Any]], dict[str, Any]]


def class_measures(side: int, aims: Mapping[str, float]) -> dict[str, Measure]:
    """`score`, `curve` and `pictures`, on the labelled pictures of a folder at side × side; `aims` are the score's, by preset."""

    def of(folder: Path | None) -> Callable[[str], Any]:
        return lambda split: labelled_pictures(folder, split, side)

    def score(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
        """What a classifier learns from generated pictures. Options: `num`, `steps`, `seed` (`gesso.metrics.class_score`)."""
        from gesso.metrics.class_score import measure_score

        return measure_score(make, of(data), options, aims)

    def curve(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
        """The score over a run's training. Options: `num`, `steps`, `seed` (`gesso.metrics.class_score`)."""
        from gesso.metrics.class_score import measure_curve

        return measure_curve(make, of(data), options, aims)

    def pictures(make: Any, data: Path | None, options: dict[str, Any]) -> dict[str, Any]:
        """Generated against held-out pictures. Options: `num`, `learned`, `seed` (`gesso.metrics.yardstick`)."""
        from gesso.metrics.yardstick import measure_pictures

        return measure_pictures(make, of(data), options)

    return {"score": score, "curve": curve, "pictures": pictures}
