"""Bits that a model which writes codes needs for held-out pictures: a code, and a dimension (a colour of a pixel)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from gesso.datasets.paired_pictures import to_images
from gesso.errors import GessoError
from gesso.families.family import Batch
from gesso.media.tensor import from_tensor
from gesso.metrics.fidelity import psnr
from gesso.number import whole
from gesso.ports import Frame, join

BATCH = 50
NUM = 500


def measure_bits(model: Any, held: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Bits a code with the captions and without, beside the bits of a code that may be any; and what the codec keeps, in dB.

    Bits a dimension are those of a picture's codes over its numbers: of pictures as the codec gives them back, not of the true ones.
    Option: `num` pictures (500). GessoError for a model that fills in many codes at once, which has no likelihood.
    """
    family, networks = model.assembled.recipe.family(model.assembled.preset), model.networks
    if not networks["writer"].causal:
        raise GessoError("a model that fills in many codes at once has no likelihood", where="bits", fix="a preset that writes in order")
    num = min(whole(options.get("num", NUM), where="--num", low=1), len(held))
    slot = model.card.slot("words")
    frame = Frame().with_options(slot.options)
    told: list[float] = []
    untold: list[float] = []
    kept: list[float] = []
    with torch.inference_mode():
        for start in range(0, num, BATCH):
            items = [held.item(index, np.random.default_rng(index)) for index in range(start, min(num, start + BATCH))]
            pictures = to_images([item["picture"] for item in items])
            texts = [slot.read(item["captions"][0][0]) for item in items]
            for given, found in ((texts, told), ([None] * len(texts), untold)):
                ports = join([slot.kind.encode(given, frame)], [slot.name])
                batch = Batch({"image": pictures}, ports, torch.arange(len(items)))
                phase = family.phases(0)[0]
                loss = family.loss(phase, networks, batch, torch.nn.Module(), 0, torch.Generator().manual_seed(0))
                found += (loss.value / math.log(2)).tolist()
            made, _ = networks["codec"](pictures)
            kept += [psnr(from_tensor(one.float()), np.asarray(item["picture"])) for one, item in zip(made, items, strict=True)]
    places, numbers = math.prod(networks["writer"].grid), pictures[0].numel()
    return {
        "bits a code": float(np.mean(told)),
        "bits a code, without words": float(np.mean(untold)),
        "bits of any code": math.log2(networks["writer"].num),
        "bits a dimension": float(np.mean(told)) * places / numbers,
        "codec, dB": float(np.mean(kept)),
        "n": num,
        "data": held.name,
    }
