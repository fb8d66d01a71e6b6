"""What it is to colour well: objectives on a field of colours against a person's truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesso.families.family import Batch, Inputs
from gesso.media.grid import contact_sheet
from gesso.media.tensor import from_tensor

PAPER_WEIGHT = 0.5  # most pixels are paper, and easy
INK = 100  # line values below which no colour is seen
LARGE = 0.4  # a piece counts as its area to the power of one less this
LEAST = 1e-8  # share
SEEN = 0.5  # temperature of the mean colour that people and critics are shown


def wishes(batch: Batch, num_tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """What the person wants per piece: palette entry [b p] (-1 if none of it), tokens that answer [b n p], colours [b p 3] in [-1, 1]."""
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
    """-log of the share that a region gives to any colour that is right for a pixel in it: the palette's entry, or a token whose colour
    its piece truly has.

    Per item [b], pixels weighed (`pixel_weights`). `field` has `share` [b n k+m] by region, `regions` [b h w] and num_palette k.
    """
    share, k = field.share, field.num_palette
    classes, answers, _ = wishes(batch, share.shape[2] - k)
    b, num = classes.shape
    right = torch.zeros(b, share.shape[2], num, device=share.device)
    right[:, :k].scatter_(1, classes.clamp(min=0)[:, None], (classes >= 0)[:, None].float())
    right[:, k:] = answers
    known = right.sum(1) > 0  # a recoloured piece whose every hint fell off the page has no right answer
    likely = torch.bmm(share, right).clamp(min=LEAST).log()
    weight = pixel_weights(batch) * known.gather(1, batch.clean["pieces"].flatten(1)).view_as(field.regions)
    meet = torch.zeros(b, share.shape[1] * num, device=share.device)
    meet.scatter_add_(1, (field.regions * num + batch.clean["pieces"]).flatten(1), weight.flatten(1))
    value = -(likely * meet.view_as(likely)).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-3)
    return value, {"nll": value.mean().detach()}


def pixel_weights(batch: Batch) -> Tensor:
    """How much each pixel matters, [b h w]: nothing under ink, less on paper, and less in a large piece than in a small one."""
    pieces, line = batch.clean["pieces"], batch.clean["line"].float()
    flat = pieces.flatten(1)
    white = batch.clean["classes"].gather(1, flat).view_as(pieces) == 0
    border = torch.zeros_like(batch.clean["classes"], dtype=torch.bool)
    for edge in (pieces[:, 0], pieces[:, -1], pieces[:, :, 0], pieces[:, :, -1]):
        border.scatter_(1, edge, True)
    paper = white & border.gather(1, flat).view_as(pieces)
    area = torch.zeros_like(batch.clean["classes"], dtype=torch.float32).scatter_add_(1, flat, torch.ones(flat.shape, device=flat.device))
    weight = (area / flat.shape[1] + 1e-4).pow(-LARGE).gather(1, flat).view_as(line)
    weight = torch.where(paper, weight * PAPER_WEIGHT, weight)
    return torch.where(line < INK, 0.0, weight)


def over_line(colour: Tensor, line: Tensor) -> Tensor:
    """Colour [b 3 h w] in [-1, 1] multiplied with line values [b h w] 0-255, in [-1, 1]."""
    return (colour + 1) * (line[:, None].float() / 255) - 1


def wanted_picture(batch: Batch) -> Tensor:
    """The truth as a picture [b 3 h w] in [-1, 1]: each piece in the colour the person wants, under the line."""
    _, _, colours = wishes(batch, max([1, *(len(t["answers"]) for t in batch.truth.get("hints", ()) if t)]))
    pieces = batch.clean["pieces"]
    flat = pieces.flatten(1)[..., None].expand(-1, -1, 3)
    return over_line(colours.gather(1, flat).view(*pieces.shape, 3).permute(0, 3, 1, 2), batch.clean["line"])


def critic_sees(field: Any, batch: Batch) -> Tensor:
    """The proposal as a picture under the line, [b 3 h w] in [-1, 1]."""
    return over_line(field.mean(SEEN), batch.clean["line"])


def critic_sees_truth(batch: Batch) -> Tensor:
    return wanted_picture(batch)


def wished_beside(networks: Any, batch: Batch) -> np.ndarray:
    """A sheet of proposals, each beside what its person wanted."""
    pairs = zip(critic_sees(networks["generator"](batch.ports), batch), critic_sees_truth(batch), strict=True)
    return contact_sheet([from_tensor(one) for pair in pairs for one in pair], 8)


def judged_beside(batch: Batch) -> Tensor:
    """What a critic knows of the wish: all maps that the maker was given."""
    assert batch.ports.spatial is not None
    return batch.ports.spatial


def looked_at(field: Any, batch: Batch) -> Tensor:
    """The proposal as people see it, [b h w 3] in 0-255."""
    return ((field.mean(SEEN) + 1) * 127.5).permute(0, 2, 3, 1)


def shares(field: Any, inputs: Inputs, settings: Any) -> dict[str, Tensor]:
    """The field as media: `shares` [b n k+m] of each region, which sum to 1, `colours` uint8 [b k+m 3] and `regions` [b h w]; marks outside
    the window have no share."""
    colours = ((field.colours.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return {"shares": field.share, "colours": colours, "regions": field.regions}


def mean_shares(media: dict[str, Any], mirrored: dict[str, Any]) -> dict[str, Any]:
    """Two fields as one, the second of the mirror image, whose regions have the same numbers: the mean of their shares."""
    return {**media, "shares": (media["shares"] + mirrored["shares"]) / 2}
