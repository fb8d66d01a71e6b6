"""What an encoded condition can be to a network: six ports, so that N kinds of condition meet M networks in six ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """The view through which values become tensors.

    `size` is the tensors' (height, width). `box` is the part of the page they show, as (left, top, right, bottom) in the
    page's pixels; None is the whole page. `page` is the page's own (height, width), where places (x, y) are counted.
    `options` are what the card says of a condition (its classes, its channels).
    """

    size: tuple[int, int] = (1, 1)
    box: tuple[int, int, int, int] | None = None
    page: tuple[int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def with_options(self, options: Mapping[str, Any]) -> Frame:
        return replace(self, options=options)

    def to_tensor_xy(self, x: float, y: float) -> tuple[float, float]:
        """A place on the page as a place in the tensor (both in pixels, centres at +0.5)."""
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
    """A set of things: `values` [b n d], `mask` [b n] bool (True = present), `places` [b n h w] in [0, 1] where each lies, if anywhere."""

    values: Tensor
    mask: Tensor
    places: Tensor | None = None


@dataclass(frozen=True)
class Ports:
    """An encoded condition, or several joined.

    vector    [b d], validity included as its last entry per condition
    spatial   [b c h w], validity included as the last channel per condition
    tokens    Tokens
    geometry  mapping of tensors (cameras, warps)
    relation  [b n 4], pairs of places (x0 y0 x1 y1)
    regions   int64 [b 1 h w], which region of the page each place is in, from 0: places that belong together
    """

    vector: Tensor | None = None
    spatial: Tensor | None = None
    tokens: Tokens | None = None
    geometry: Mapping[str, Tensor] | None = None
    relation: Tensor | None = None
    regions: Tensor | None = None

    def map(self, change: Any) -> Ports:
        """Every tensor changed by `change` (a device move, a dtype, an index)."""

        def each(value: Any) -> Any:
            if value is None:
                return None
            if isinstance(value, Tokens):
                return Tokens(change(value.values), change(value.mask), None if value.places is None else change(value.places))
            return {k: change(v) for k, v in value.items()} if isinstance(value, Mapping) else change(value)

        return Ports(**{f.name: each(getattr(self, f.name)) for f in fields(self)})


@dataclass(frozen=True)
class PortSizes:
    """How wide the joined ports are: what a network must be built for. Zero is absent."""

    vector: int = 0
    spatial: int = 0
    token: int = 0

    def __add__(self, other: PortSizes) -> PortSizes:
        if self.token and other.token and self.token != other.token:
            raise ValueError(f"two conditions with tokens of different widths, {self.token} and {other.token}, on one card")
        return PortSizes(self.vector + other.vector, self.spatial + other.spatial, max(self.token, other.token))


def join(parts: Sequence[Ports]) -> Ports:
    """Several conditions' ports as one, in the card's order: vectors and maps side by side, tokens one after another."""
    import torch

    vectors = [p.vector for p in parts if p.vector is not None]
    spatial = [p.spatial for p in parts if p.spatial is not None]
    tokens = [p.tokens for p in parts if p.tokens is not None]
    geometry: dict[str, Any] = {}
    for p in parts:
        geometry.update(p.geometry or {})
    relations = [p.relation for p in parts if p.relation is not None]
    joined = tokens[0] if len(tokens) == 1 else None
    if len(tokens) > 1:
        placed = [t.places for t in tokens]
        places = torch.cat([p for p in placed if p is not None], 1) if all(p is not None for p in placed) else None
        joined = Tokens(torch.cat([t.values for t in tokens], 1), torch.cat([t.mask for t in tokens], 1), places)
    return Ports(
        vector=torch.cat(vectors, 1) if vectors else None,
        spatial=spatial[0] if len(spatial) == 1 else torch.cat(spatial, 1) if spatial else None,
        tokens=joined,
        geometry=geometry or None,
        relation=torch.cat(relations, 1) if relations else None,
        regions=next((p.regions for p in parts if p.regions is not None), None),
    )
