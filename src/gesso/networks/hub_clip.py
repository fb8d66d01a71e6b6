"""transformers' CLIP in the place of `clip`'s own networks: a text encoder, a picture encoder, and the logits of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.errors import GessoError
from gesso.media.subwords import BYTES, subwords
from gesso.networks.hub_parts import Part, libraries, offline, open_part
from gesso.networks.pair_logits import PairLogits
from gesso.ports import Ports, Tokens

KIND = "CLIPModel"
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of the pictures that CLIP learned


class HubText(nn.Module):
    """A CLIP's text model, called like every text encoder here: ids of the vocabulary "bytes" to `vector` [b out] and tokens.

    A text that is longer than the model reads is cut there, as the model's own programs do.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.text, self.project = model.text_model, model.text_projection
        self.tokenizer = tokenizer
        self.length = int(model.config.text_config.max_position_embeddings)
        self.width, self.out = int(model.config.text_config.hidden_size), int(model.config.projection_dim)

    def forward(self, tokens: Tokens) -> Ports:
        assert tokens.ids is not None
        read = subwords(BYTES)
        texts = [read.decode(row) for row in tokens.ids.tolist()]
        told = self.tokenizer(texts, padding="max_length", max_length=self.length, truncation=True, return_tensors="pt")
        ids, mask = (told[name].to(self.project.weight.device) for name in ("input_ids", "attention_mask"))
        made = self.text(input_ids=ids, attention_mask=mask)
        return Ports(vector=self.project(made.pooler_output), tokens=Tokens(made.last_hidden_state, mask.bool()))


class HubPicture(nn.Module):
    """A CLIP's picture model: pictures [b 3 h w] in [-1, 1], squeezed to the model's square, to vectors [b out]."""

    def __init__(self, model: Any, mean: tuple[float, ...] = MEAN, deviation: tuple[float, ...] = DEVIATION) -> None:
        super().__init__()
        self.vision, self.project = model.vision_model, model.visual_projection
        self.side = int(model.config.vision_config.image_size)
        self.mean = nn.Buffer(torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.deviation = nn.Buffer(torch.tensor(deviation).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        seen = (pictures + 1) / 2
        if seen.shape[-2:] != (self.side, self.side):
            seen = F.interpolate(seen, (self.side, self.side), mode="bicubic", antialias=True).clamp(0, 1)
        seen = (seen - self.mean) / self.deviation
        vectors: Tensor = self.project(self.vision(pixel_values=seen.to(self.project.weight.dtype)).pooler_output)
        return vectors


def open_clip(part: Part) -> dict[str, nn.Module]:
    """The networks by role of a checked folder with a CLIP and its tokenizer. GessoError for another model."""
    where = str(part.folder)
    if part.kind != KIND:
        raise GessoError(
            f"this is a {part.kind or 'model without a name'}, not a {KIND}", where=where, fix="a CLIP of transformers, with its tokenizer"
        )
    _, transformers = libraries()
    model: Any = open_part(part, torch.float32, where)
    with offline():
        try:
            tokenizer = transformers.CLIPTokenizer.from_pretrained(where, local_files_only=True)
        except Exception as error:  # the library's own, of many kinds
            raise GessoError(f"its tokenizer could not be opened: {str(error)[:200]}", where=where, fix="give a whole folder") from error
    scale = float(model.logit_scale.exp())
    return {"text": HubText(model, tokenizer), "picture": HubPicture(model, *_normal(part)), "match": PairLogits(scale=scale, bias=None)}


def sizes(config: Mapping[str, Any]) -> tuple[int, int]:
    """The side of a CLIP's pictures and the length of its vectors, of its configuration."""
    seen = config.get("vision_config") or {}
    return int(seen.get("image_size", 224)), int(config.get("projection_dim", 512))


def _normal(part: Part) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of pictures, of the file beside the weights; CLIP's own where there is none."""
    import json

    file = part.folder / "preprocessor_config.json"
    told = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    found = [tuple(told.get(name) or usual) for name, usual in (("image_mean", MEAN), ("image_std", DEVIATION))]
    if not all(len(one) == 3 and all(isinstance(value, (int, float)) for value in one) for one in found) or not all(found[1]):
        raise GessoError("says no mean and deviation of three colours", where=str(file), fix="give a whole folder")
    return found[0], found[1]
