"""Ports, the six forms in which networks receive encoded conditions, and Frame, the part of the page that is encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """The part of the page that is encoded, and the size of the tensors.

    `size` is the tensors' (height, width). `box` is the encoded part of the page as (left, top, right, bottom) in page pixels;
    None is the whole page. `page` is the page's (height, width), in which positions (x, y) are given. `options` are the slot's
    options on the card (such as its classes or channels).
    A medium that is no picture has an `extent` instead, of any rank: (samples,) of a sound, (frames, height, width) of a film,
    (voices, steps) of music. `rate` is how many there are per second along the first, and `start` the second at which they begin.
    """

    size: tuple[int, int] = (1, 1)
    box: tuple[int, int, int, int] | None = None
    page: tuple[int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    extent: tuple[int, ...] = ()
    rate: float = 0.0
    start: float = 0.0

    def with_options(self, options: Mapping[str, Any]) -> Frame:
        return replace(self, options=options)

    def to_tensor_xy(self, x: float, y: float) -> tuple[float, float]:
        """Convert a position on the page to a position in the tensor (both in pixels, centres at +0.5)."""
        page_h, page_w = self.page or self.size
        left, top, right, bottom = self.box or (0, 0, page_w, page_h)
        return (x - left) * self.size[1] / (right - left), (y - top) * self.size[0] / (bottom - top)

    @property
    def scale(self) -> float:
        """Tensor pixels per page pixel, along the width."""
        page_w = (self.page or self.size)[1]
        left, _, right, _ = self.box or (0, 0, page_w, 0)
        return self.size[1] / (right - left)


@dataclass(frozen=True)
class Tokens:
    """A set of tokens: `values` [b n d], `mask` [b n] bool (True = present), `places` [b n h w] in [0, 1], the pixels each covers.

    Tokens of a vocabulary, such as words and notes, have `ids` [b n] int64, which a network embeds, and `values` of no width, [b n 0].
    """

    values: Tensor
    mask: Tensor
    places: Tensor | None = None
    ids: Tensor | None = None


@dataclass(frozen=True)
class Ports:
    """One encoded condition, or several joined.

    vector    [b d]; the last entry of each condition is its validity
    spatial   [b c h w]; the last channel of each condition is its validity
    tokens    Tokens
    geometry  mapping of tensors (cameras, warps)
    relation  [b n 4], pairs of positions (x0 y0 x1 y1)
    regions   int64 [b 1 h w], the number of the region that each pixel belongs to, from 0
    by_slot   the ports of each condition by its name, where several are joined
    """

    vector: Tensor | None = None
    spatial: Tensor | None = None
    tokens: Tokens | None = None
    geometry: Mapping[str, Tensor] | None = None
    relation: Tensor | None = None
    regions: Tensor | None = None
    by_slot: Mapping[str, Ports] = field(default_factory=dict)

    def map(self, change: Any) -> Ports:
        """Apply `change` to every tensor once (a device move, a dtype, an index)."""
        changed: dict[int, Any] = {}

        def each(value: Any) -> Any:
            if value is None:
                return None
            if isinstance(value, Mapping):
                return {k: each(v) for k, v in value.items()}
            if isinstance(value, (Tokens, Ports)):
                return type(value)(**{f.name: each(getattr(value, f.name)) for f in fields(value)})
            if id(value) not in changed:
                changed[id(value)] = change(value)
            return changed[id(value)]

        result: Ports = each(self)
        return result


@dataclass(frozen=True)
class PortSizes:
    """The widths of the joined ports, which a network is built for. Zero: the port is absent.

    `vocabulary` is the number of different `Tokens.ids`.
    """

    vector: int = 0
    spatial: int = 0
    token: int = 0
    vocabulary: int = 0

    def __add__(self, other: PortSizes) -> PortSizes:
        if self.token and other.token and self.token != other.token:
            raise ValueError(f"two conditions on one card have tokens of different widths, {self.token} and {other.token}")
        widths = self.vector + other.vector, self.spatial + other.spatial
        return PortSizes(*widths, max(self.token, other.token), max(self.vocabulary, other.vocabulary))


def join(parts: Sequence[Ports], names: Sequence[str] = ()) -> Ports:
    """Join the ports of several conditions in the card's order: concatenate vectors and maps by channel, and tokens by number.

    With the conditions' `names` the result has each one's own ports too. Tokens with ids are joined among themselves, and only where
    no condition has embedded tokens: a network that reads both takes each from `by_slot`.
    """
    import torch

    vectors = [p.vector for p in parts if p.vector is not None]
    spatial = [p.spatial for p in parts if p.spatial is not None]
    tokens = [p.tokens for p in parts if p.tokens is not None]
    embedded = [t for t in tokens if t.ids is None]
    tokens = embedded or tokens
    geometry: dict[str, Any] = {}
    for p in parts:
        geometry.update(p.geometry or {})
    relations = [p.relation for p in parts if p.relation is not None]
    joined = tokens[0] if len(tokens) == 1 else None
    if len(tokens) > 1:
        placed = [t.places for t in tokens]
        places = torch.cat([p for p in placed if p is not None], 1) if all(p is not None for p in placed) else None
        ids = None if embedded else torch.cat([t.ids for t in tokens if t.ids is not None], 1)
        joined = Tokens(torch.cat([t.values for t in tokens], 1), torch.cat([t.mask for t in tokens], 1), places, ids)
    return Ports(
        vector=torch.cat(vectors, 1) if vectors else None,
        spatial=spatial[0] if len(spatial) == 1 else torch.cat(spatial, 1) if spatial else None,
        tokens=joined,
        geometry=geometry or None,
        relation=torch.cat(relations, 1) if relations else None,
        regions=next((p.regions for p in parts if p.regions is not None), None),
        by_slot=dict(zip(names, parts, strict=True)) if names else {},
    )
