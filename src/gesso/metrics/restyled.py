"""How near feed-forward style transfer comes to the optimisation that it stands for, by the optimisation's own objective."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gesso.conditions.picture import Picture
from gesso.families.optimise import PictureOptimiser, StyleTransfer, longest_side, split_pictures
from gesso.metrics.descent import some_pairs
from gesso.number import whole
from gesso.ports import Frame, Ports, join

AIM = 1.3
PASSES = (1, 2, 4)


def measure_restyled(make: Any, data: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The objective of `style` for the pictures of `make`, over what L-BFGS reaches from the same content, per pair and on average.

    `data` holds folders `content` and `style`. Options: `pairs` (their number), `size` (the longest side), `iterations` of L-BFGS,
    `passes` of the network, several with commas. Pictures are judged as they are written, in whole levels; L-BFGS as it computes.
    """
    size = whole(options.get("size", 256), where="--size", low=16)
    iterations = whole(options.get("iterations", 100), where="--iterations", low=1)
    asked = options.get("passes", PASSES)
    several = [whole(one, where="--passes", low=1, high=8) for one in (asked if isinstance(asked, (list, tuple)) else [asked])]
    other = make.other("style")
    network, family = other.networks["features"], other.recipe.family(other.assembled.preset)
    settings = other.card.settings()
    rows: dict[str, dict[str, float]] = {}
    for content, style in some_pairs(data, whole(options.get("pairs", 6), where="--pairs", low=1)):
        given, ports = pair_inputs(content, style, size)
        objective = objective_of(family, network, ports, settings)
        with torch.enable_grad():
            optimised = optimum(objective, ports, iterations)
        row = {"optimised": optimised}
        for num in several:
            made = make(**given, size=size, passes=num).outputs["image"]
            row[f"passes {num}"] = value_of(objective, made)
            row[f"ratio {num}"] = row[f"passes {num}"] / optimised
        rows[f"{content.stem} × {style.stem}"] = row
    ratios = {f"ratio at passes {num}": float(np.mean([row[f"ratio {num}"] for row in rows.values()])) for num in several}
    return {"objective": rows, **ratios, "aim": AIM, "pairs": len(rows), "iterations": iterations, "size": size}


def pair_inputs(content: Path, style: Path, size: int) -> tuple[dict[str, Picture], Ports]:
    """The pictures of a pair, and both as `style` encodes them."""
    given = {name: Picture.read(str(path), where=name, options={}) for name, path in (("content", content), ("style", style))}
    page = given["content"].page
    frame = Frame(longest_side(page, size), page=page)
    ports = [Picture.encode([given["content"]], frame), Picture.encode([given["style"]], frame.with_options({"fit": "inside"}))]
    return given, join(ports, ["content", "style"])


def objective_of(family: StyleTransfer, network: Any, ports: Ports, settings: Any) -> Any:
    """The objective of a pair as a function of a picture [1 3 h w]."""
    content, (style,) = split_pictures(ports, torch.device("cpu"))
    return family.objective(network, content, style, settings)


def optimum(objective: Any, ports: Ports, iterations: int) -> float:
    """What L-BFGS reaches from the content."""
    run = PictureOptimiser(objective, split_pictures(ports, torch.device("cpu"))[0])
    for _ in range(iterations):
        terms = run.step()
    return terms["all"]


def value_of(objective: Any, picture: np.ndarray) -> float:
    """The objective of a picture uint8 [h w 3]."""
    with torch.no_grad():
        return float(objective(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1)["all"])
