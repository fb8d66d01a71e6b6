"""What it is to colour well: objectives on a field of colours against a person's truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesso.families.family import Batch, Inputs
from gesso.media.grid import contact_sheet
from gesso.media.tensor import from_tensor

PAPER_WEIGHT, INK_WEIGHT = 0.3, 0.2  # most pixels are paper, and easy; under full ink no colour is seen
UNLIKELY = -1e4
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
    """-log of the share given to any colour that is right: the palette's entry, or a token whose colour the piece truly has.

    Per item [b], pixels weighed so that paper and ink do not drown the drawing; one in four of them, in turn, since
    neighbours say the same. `field` has thin(dy, dx) [b k+n h/2 w/2], num_palette k.
    """
    dy, dx = divmod(int(batch.index.sum()) % 4, 2)
    logits = field.thin(dy, dx).float()
    k, pieces = field.num_palette, batch.clean["pieces"][:, dy::2, dx::2].contiguous()
    classes, answers, _ = wishes(batch, logits.shape[1] - k)
    b, h, w = pieces.shape
    flat = pieces.flatten(1)
    share = torch.log_softmax(logits, 1)
    entry = classes.gather(1, flat).view(b, 1, h, w)
    by_palette = torch.where(entry >= 0, share[:, :k].gather(1, entry.clamp(min=0)), torch.full((), UNLIKELY))
    if answers.shape[1]:
        right = answers.gather(2, flat[:, None].expand(-1, answers.shape[1], -1)).view(b, -1, h, w)
        by_token = torch.where(right, share[:, k:], torch.full((), UNLIKELY))
        likely = torch.logsumexp(torch.cat([by_palette, by_token], 1), 1)
    else:
        likely = by_palette[:, 0]
    known = likely > UNLIKELY / 2  # a recoloured piece whose every hint fell off the page has no right answer
    weight = pixel_weights(batch)[:, dy::2, dx::2] * known
    value = -(likely * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1)
    return value, {"nll": value.mean().detach()}


def pixel_weights(batch: Batch) -> Tensor:
    """How much each pixel matters, [b h w]."""
    pieces, line = batch.clean["pieces"], batch.clean["line"].float()
    flat = pieces.flatten(1)
    white = batch.clean["classes"].gather(1, flat).view_as(pieces) == 0
    border = torch.zeros_like(batch.clean["classes"], dtype=torch.bool)
    for edge in (pieces[:, 0], pieces[:, -1], pieces[:, :, 0], pieces[:, :, -1]):
        border.scatter_(1, edge, True)
    paper = white & border.gather(1, flat).view_as(pieces)
    weight = torch.where(paper, PAPER_WEIGHT, 1.0)
    return torch.where(line < 100, weight * INK_WEIGHT, weight)


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
    """The field as media: `shares` [b k+n h w] that sum to 1, and `colours` uint8 [b k+n 3]; marks outside the window have no share."""
    colours = ((field.colours.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return {"shares": torch.softmax(field.logits.float(), 1), "colours": colours}


def mean_shares(media: dict[str, Any], mirrored: dict[str, Any]) -> dict[str, Any]:
    """Two fields as one, the second of the mirror image: the mean of their shares."""
    return {**media, "shares": (media["shares"] + mirrored["shares"].flip(-1)) / 2}
