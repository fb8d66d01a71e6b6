"""Objectives for colouring: compare a field of colours with the colours that a simulated user wants."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesso.families.family import Batch, Inputs
from gesso.families.likelihood import Likelihood
from gesso.families.mirrored import Mirrored
from gesso.media.grid import contact_sheet
from gesso.media.tensor import from_tensor

PAPER_WEIGHT = 0.5  # most pixels are paper, which is easy
LINE_BELOW = 100  # pixels with a lower line value are ink and have no visible colour
AREA_EXPONENT = 0.4  # the weight of a piece is its area to the power of (1 - this)
MIN_SHARE = 1e-8
MEAN_TEMPERATURE = 0.5  # softmax temperature of the mean colour for simulated users


def targets_of(batch: Batch, num_tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """What the user wants per piece: the palette entry [b p] (-1: a changed colour, not in the palette), the tokens with its colour,
    bool [b n p], and the colour [b p 3] in [-1, 1]."""
    classes, colours = batch.clean["classes"].clone(), batch.clean["colours"].float() / 127.5 - 1
    answers = torch.zeros(len(classes), num_tokens, classes.shape[1], dtype=torch.bool)
    for i, truth in enumerate(batch.truth.get("hints", ())):
        if not truth or not len(truth["answers"]):
            continue
        num, pieces = truth["answers"].shape
        answers[i, :num, :pieces] = torch.from_numpy(truth["answers"])
        classes[i, :pieces][torch.from_numpy(truth["changed"])] = -1
        colours[i, :pieces] = torch.from_numpy(truth["wanted"].astype(np.float32)) / 127.5 - 1
    return classes, answers, colours


def colour_likelihood(field: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The negative log-likelihood of each pixel's correct colours: the palette entry of its piece, or a token with its colour.

    Returns the loss per item [b], with weighted pixels (`pixel_weights`), and logs. `field` has `share` [b n k+m] per region,
    `regions` [b h w] and num_palette k.
    """
    share, k = field.share, field.num_palette
    classes, answers, _ = targets_of(batch, share.shape[2] - k)
    b, num = classes.shape
    right = torch.zeros(b, share.shape[2], num, device=share.device)
    right[:, :k].scatter_(1, classes.clamp(min=0)[:, None], (classes >= 0)[:, None].float())
    right[:, k:] = answers
    known = right.sum(1) > 0  # a recoloured piece without a hint on the page has no correct colour
    likely = torch.bmm(share, right).clamp(min=MIN_SHARE).log()
    weight = pixel_weights(batch) * known.gather(1, batch.clean["pieces"].flatten(1)).view_as(field.regions)
    meet = torch.zeros(b, share.shape[1] * num, device=share.device)
    meet.scatter_add_(1, (field.regions * num + batch.clean["pieces"]).flatten(1), weight.flatten(1))
    value = -(likely * meet.view_as(likely)).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-3)
    return value, {"nll": value.mean().detach()}


def pixel_weights(batch: Batch) -> Tensor:
    """The weight of each pixel in the loss, [b h w]: zero under ink, low on paper, and lower in large pieces than in small ones."""
    pieces, line = batch.clean["pieces"], batch.clean["line"].float()
    flat = pieces.flatten(1)
    white = batch.clean["classes"].gather(1, flat).view_as(pieces) == 0
    border = torch.zeros_like(batch.clean["classes"], dtype=torch.bool)
    for edge in (pieces[:, 0], pieces[:, -1], pieces[:, :, 0], pieces[:, :, -1]):
        border.scatter_(1, edge, True)
    paper = white & border.gather(1, flat).view_as(pieces)
    area = torch.zeros_like(batch.clean["classes"], dtype=torch.float32).scatter_add_(1, flat, torch.ones(flat.shape, device=flat.device))
    weight = (area / flat.shape[1] + 1e-4).pow(-AREA_EXPONENT).gather(1, flat).view_as(line)
    weight = torch.where(paper, weight * PAPER_WEIGHT, weight)
    return torch.where(line < LINE_BELOW, 0.0, weight)


def over_line(colour: Tensor, line: Tensor) -> Tensor:
    """Multiply colours [b 3 h w] in [-1, 1] with line values [b h w] 0-255. The result is in [-1, 1]."""
    return (colour + 1) * (line[:, None].float() / 255) - 1


def target_picture(batch: Batch) -> Tensor:
    """The picture that the user wants, [b 3 h w] in [-1, 1]: each piece in its colour, under the line."""
    _, _, colours = targets_of(batch, max([1, *(len(t["answers"]) for t in batch.truth.get("hints", ()) if t)]))
    pieces = batch.clean["pieces"]
    flat = pieces.flatten(1)[..., None].expand(-1, -1, 3)
    return over_line(colours.gather(1, flat).view(*pieces.shape, 3).permute(0, 3, 1, 2), batch.clean["line"])


def proposal_picture(field: Any, batch: Batch) -> Tensor:
    """The field's mean colours as a picture under the line, [b 3 h w] in [-1, 1]."""
    return over_line(field.mean(MEAN_TEMPERATURE), batch.clean["line"])


def preview_sheet(networks: Any, batch: Batch) -> np.ndarray:
    """A contact sheet of proposals, each beside the picture that its user wants."""
    pairs = zip(proposal_picture(networks["generator"](batch.ports), batch), target_picture(batch), strict=True)
    return contact_sheet([from_tensor(one) for pair in pairs for one in pair], 8)


def looked_at(field: Any, batch: Batch) -> Tensor:
    """The proposal that simulated users see, [b h w 3] in 0-255."""
    return ((field.mean(MEAN_TEMPERATURE) + 1) * 127.5).permute(0, 2, 3, 1)


def shares(field: Any, inputs: Inputs, settings: Any) -> dict[str, Tensor]:
    """The field as media: `shares` [b n k+m] of each region, which sum to 1, `colours` uint8 [b k+m 3] and `regions` [b h w]. Tokens
    outside the window have no share."""
    colours = ((field.colours.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return {"shares": field.share, "colours": colours, "regions": field.regions}


def mean_shares(media: dict[str, Any], mirrored: dict[str, Any]) -> dict[str, Any]:
    """Average the shares of a field and of its mirror image's field, whose regions have the same numbers."""
    return {**media, "shares": (media["shares"] + mirrored["shares"]) / 2}


def likelihood() -> Likelihood:
    """The family that learns and samples colours by region."""
    return Likelihood(colour_likelihood, shares, looked_at)


def mirrored() -> Mirrored:
    """The same family, sampled on the drawing and on its mirror image."""
    return Mirrored(likelihood(), mean_shares)
