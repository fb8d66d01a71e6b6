"""VoiceTransformer: parts of music step by step, causal in time, with a view of the notes that are given ahead.

A step is a column of the grid, one pitch a voice. The decoder attends over earlier steps (rotary positions of Su 2021, and a bias a
distance that each head learns, after Shaw 2018 and Huang 2018); a convolutional reader of finite reach shows it what the user gives at,
before and after each step; one small head a voice then decides the step's pitches in `order`, each seeing those decided before.
Where a key is given, pitches are seen, and scored, as degrees of it as well, so that what is learned in one key holds in all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gesso.ports import Ports

Steps = Int[Tensor, "b v t"]  # pitch numbers, 0 to pitches - 1
Held = Bool[Tensor, "b v t"]
Logits = Float[Tensor, "b v t p"]

MAX_HELD = 16  # steps: a pitch that has lasted longer looks like one that lasted this long
METER = 16  # steps: where in this cycle a step lies is an input
DEGREES = 12
MODES = 2
M = TypeVar("M", bound=nn.Module)


@dataclass
class Memory:
    """What `step` needs of earlier steps: keys and values by layer, at most `window` of them, and how long pitches have lasted."""

    view: Tensor
    key: Tensor
    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    held: Tensor | None = None
    last: Tensor | None = None
    at: int = 0


class VoiceTransformer(nn.Module):
    """`pitches` numbers a voice, of which the first is a rest. `grids` blocks of voices × (pitches + 1) channels come first in the spatial
    port: one-hot pitches that are given and their validity; where blocks overlap the later one is taken. `spatial` and `vector` are the
    whole ports' widths; the vector port begins with the key, one-hot: 12 tonics in major from the class of pitch 1, then in minor.
    `window` is how many steps back a step attends to. The reader reaches `reach` steps to both sides."""

    def __init__(
        self,
        voices: int,
        pitches: int,
        *,
        grids: int,
        spatial: int,
        vector: int,
        width: int,
        depth: int,
        heads: int,
        window: int = 128,
        order: Sequence[int] | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.voices, self.pitches, self.grids, self.window = voices, pitches, grids, window
        self.order = tuple(order or range(voices))
        self.block = voices * (pitches + 1)
        self.pitch = nn.Embedding(voices * (pitches + 1), width)  # one more: before the first step
        self.lasted = nn.Embedding(voices * (MAX_HELD + 1), width)
        self.meter = nn.Embedding(METER, width)
        self.reader = Lookahead(self.block + spatial - grids * self.block, width)
        self.about = nn.Linear(vector, width) if vector else None
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Block(width, heads, window, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.decided = nn.Embedding(voices * pitches, width)
        self.heads = nn.ModuleList(Head(width, pitches, dropout) for _ in range(voices))
        # By voice and degree of a key: what sounded, what was decided in this step, and what is given. They begin as zeros.
        size = voices * MODES * DEGREES + 1
        self.degree = nn.ModuleDict({what: zeroed(nn.Embedding(size, width, padding_idx=0)) for what in ("before", "decided", "given")})

    def migrated(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """A state saved before there were degrees, with zeros for them: it computes what it computed."""
        own = self.state_dict()
        return {name: torch.zeros_like(value) for name, value in own.items() if "degree." in name} | dict(state)

    @property
    def reach(self) -> int:
        return self.reader.reach

    def forward(self, notes: Steps, ports: Ports, start: Tensor | int = 0) -> Logits:
        """Logits of every pitch, with the true earlier steps and the true earlier voices of the step as inputs.

        `start` [b] or a number is the first column's place in the piece, in steps.
        """
        key, view = self.key(ports, len(notes)), self.view(ports)
        before, lasted = self.shifted(notes)
        places = torch.arange(notes.shape[2], device=notes.device) + torch.as_tensor(start, device=notes.device).reshape(-1, 1)
        x = self.drop(self.embed(before, lasted, places, key) + view)
        mask = near(notes.shape[2], self.window).to(x.device)
        for layer in self.layers:
            x = layer(x, mask)
        x = self.norm(x) + view
        logits: list[Tensor] = [x] * self.voices
        for voice in self.order:
            logits[voice] = self.heads[voice](x, before[:, voice], key)
            x = self.told(x, notes[:, voice], voice, key)
        return torch.stack(logits, 1)

    def key(self, ports: Ports, num: int) -> Int[Tensor, b]:
        """The number of each item's key, from 0; -1 where none is given."""
        if ports.vector is None:
            return torch.full((num,), -1)
        keys = ports.vector[:, : MODES * DEGREES]
        return torch.where(keys.amax(1) > 0.5, keys.argmax(1), -1)

    def view(self, ports: Ports) -> Tensor:
        """What is given, as the network sees it [b t d]."""
        spatial = ports.spatial
        assert spatial is not None
        given, valid = self.given(ports)
        onehot = F.one_hot(given, self.pitches).to(spatial) * valid[..., None]
        grid = torch.cat([onehot, valid[..., None].to(spatial)], 3).permute(0, 1, 3, 2).reshape(len(given), self.block, -1)
        rest = spatial[:, self.grids * self.block :, 0]
        degrees = (degree_of(given, self.key(ports, len(given))[:, None, None]) * valid).transpose(1, 2)
        seen = self.reader(torch.cat([grid, rest], 1), self.by_degree("given", degrees, torch.arange(self.voices)).sum(2))
        if self.about is not None and ports.vector is not None:
            seen = seen + self.about(ports.vector)[:, None]
        return seen

    def given(self, ports: Ports) -> tuple[Steps, Held]:
        """The pitches that are given and where they are."""
        assert ports.spatial is not None
        blocks = ports.spatial[:, : self.grids * self.block, 0].unflatten(1, (self.grids, self.voices, self.pitches + 1))
        pitch, valid = blocks[:, 0, :, :-1], blocks[:, 0, :, -1] > 0.5
        for n in range(1, self.grids):
            later = blocks[:, n, :, -1] > 0.5
            pitch, valid = torch.where(later[:, :, None], blocks[:, n, :, :-1], pitch), valid | later
        return pitch.argmax(2), valid

    def shifted(self, notes: Steps) -> tuple[Steps, Steps]:
        """The pitches one step earlier (number `pitches` before the first), and for how many steps they have lasted by then."""
        first = torch.full_like(notes[..., :1], self.pitches)
        before = torch.cat([first, notes[..., :-1]], 2)
        return before, durations(before)

    def by_degree(self, what: str, degrees: Tensor, voices: Tensor | int) -> Tensor:
        """The features [… d] of degrees […] (0: none) of voices […]."""
        return self.degree[what](torch.where(degrees > 0, degrees + torch.as_tensor(voices, device=degrees.device) * MODES * DEGREES, 0))

    def embed(self, before: Steps, lasted: Steps, places: Tensor, key: Tensor) -> Tensor:
        """The decoder's inputs [b t d]: `before` and `lasted` of each voice, the place in the meter [b t], and the key [b]."""
        voice = torch.arange(self.voices, device=before.device)[:, None]
        notes = self.pitch(before + voice * (self.pitches + 1)).sum(1)
        sounding = torch.where(before < self.pitches, before, 0)
        notes = notes + self.by_degree("before", degree_of(sounding, key[:, None, None]), voice).sum(1)
        return notes + self.lasted(lasted + voice * (MAX_HELD + 1)).sum(1) + self.meter(places % METER)

    def begin(self, ports: Ports, num_steps: int) -> Memory:
        """Read what is given; `step` then goes through the steps."""
        empty = torch.zeros(0)
        view = self.view(ports)
        return Memory(view, self.key(ports, len(view)), [empty] * len(self.layers), [empty] * len(self.layers))

    def step(self, memory: Memory, last: Int[Tensor, "b v"] | None) -> Tensor:
        """The state [b d] from which `decide` decides the next step, after the pitches of the last one (None: before the first)."""
        rows = memory.view[:, memory.at]
        before = torch.full((len(rows), self.voices), self.pitches, device=rows.device) if last is None else last
        held = torch.zeros_like(before)
        if memory.last is not None and memory.held is not None:
            held = torch.where(before == memory.last, (memory.held + 1).clamp(max=MAX_HELD), torch.ones_like(before))
        elif last is not None:
            held = torch.ones_like(before)
        memory.last, memory.held = before, held
        places = torch.full((len(rows), 1), memory.at, device=rows.device)
        x = self.embed(before[..., None], held[..., None], places, memory.key) + rows[:, None]
        for n, layer in enumerate(self.layers):
            x, memory.keys[n], memory.values[n] = cast(Block, layer).step(x, memory.keys[n], memory.values[n], memory.at)
        memory.at += 1
        return self.norm(x)[:, 0] + rows

    def decide(self, state: Tensor, memory: Memory, voice: int) -> Tensor:
        """Logits [b p] of a voice at the step that `state` is of."""
        assert memory.last is not None
        return self.heads[voice](state[:, None], memory.last[:, voice, None], memory.key)[:, 0]

    def tell(self, state: Tensor, memory: Memory, voice: int, pitch: Tensor) -> Tensor:
        """The state after a voice's pitch [b] was decided."""
        return self.told(state[:, None], pitch[:, None], voice, memory.key)[:, 0]

    def told(self, x: Tensor, notes: Int[Tensor, "b t"], voice: int, key: Tensor) -> Tensor:
        """States [b t d] after a voice's pitches were decided."""
        return x + self.decided(notes + voice * self.pitches) + self.by_degree("decided", degree_of(notes, key[:, None]), voice)


class Lookahead(nn.Module):
    """Given notes, chords and the like [b c t] to features [b t d]; reaches 30 steps to both sides, and no further."""

    dilations = (1, 2, 4, 8)

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.into = nn.Conv1d(channels, width, 1)
        self.deep = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2 * d, dilation=d, groups=8) for d in self.dilations)
        self.wide = nn.ModuleList(nn.Linear(width, width) for _ in self.dilations)

    @property
    def reach(self) -> int:
        return 2 * sum(self.dilations)

    def forward(self, x: Tensor, more: Tensor) -> Tensor:
        """`more` [b t d] is added to the features of the channels before they are read."""
        x = self.into(x) + more.transpose(1, 2)
        for deep, wide in zip(self.deep, self.wide, strict=True):
            x = x + wide(F.gelu(deep(x)).transpose(1, 2)).transpose(1, 2)
        return x.transpose(1, 2)


class Block(nn.Module):
    """NearAttention and a feed-forward part, each after a layer normalisation."""

    def __init__(self, width: int, heads: int, window: int, dropout: float) -> None:
        super().__init__()
        self.before, self.attention = nn.LayerNorm(width), NearAttention(width, heads, window)
        self.feed = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.drop(self.attention(self.before(x), mask))
        return x + self.drop(self.feed(x))

    def step(self, x: Tensor, keys: Tensor, values: Tensor, at: int) -> tuple[Tensor, Tensor, Tensor]:
        mixed, keys, values = self.attention.step(self.before(x), keys, values, at)
        x = x + mixed
        return x + self.feed(x), keys, values


class NearAttention(nn.Module):
    """Causal attention over the last `window` steps, with rotary positions and a learned bias a head and distance."""

    rates: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, window))
        self.register_buffer("rates", 1000.0 ** -torch.linspace(0, 1, width // heads // 2), persistent=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        num = x.shape[1]
        places = torch.arange(num, device=x.device)
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.project(x).chunk(3, 2))
        q, k = self.turned(q, places), self.turned(k, places)
        back = (places[:, None] - places).clamp(0, self.window - 1)
        bias = (self.bias[:, back] + mask).to(q.dtype)
        return self.out(F.scaled_dot_product_attention(q, k, v, bias[None]).transpose(1, 2).flatten(2))

    def step(self, x: Tensor, keys: Tensor, values: Tensor, at: int) -> tuple[Tensor, Tensor, Tensor]:
        """One step x [b 1 d] more, at place `at`; keys and values [b h n d] of those before."""
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.project(x).chunk(3, 2))
        place = torch.tensor([at], device=x.device)
        q, k = self.turned(q, place), self.turned(k, place)
        keys = k if at == 0 else torch.cat([keys, k], 2)[:, :, -self.window :]
        values = v if at == 0 else torch.cat([values, v], 2)[:, :, -self.window :]
        bias = self.bias[:, : keys.shape[2]].flip(1)[None, :, None]
        mixed = F.scaled_dot_product_attention(q, keys, values, bias.to(q.dtype))
        return self.out(mixed.transpose(1, 2).flatten(2)), keys, values

    def turned(self, x: Tensor, places: Tensor) -> Tensor:
        """x [b h t d] with its halves turned by the places' angles."""
        angle = places[:, None] * self.rates
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def near(num: int, window: int) -> Tensor:
    """Where a step may look, [t t]: 0, or so little that nothing is left of it."""
    back = torch.arange(num)[:, None] - torch.arange(num)
    return torch.where((back >= 0) & (back < window), 0.0, -1e4)


class Head(nn.Module):
    """The logits of one voice: of each pitch, of each interval from the voice's last pitch (so that moving by a tone is one thing to
    learn in every key), the larger part of the evidence being whether it stays, and of each degree of the key where there is one."""

    def __init__(self, width: int, pitches: int, dropout: float) -> None:
        super().__init__()
        self.pitches = pitches
        self.inner = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout))
        self.pitch, self.interval = nn.Linear(width, pitches), nn.Linear(width, 2 * pitches)
        self.degree = zeroed(nn.Linear(width, MODES * DEGREES))

    def forward(self, x: Tensor, before: Tensor, key: Tensor) -> Tensor:
        hidden = self.inner(x)
        interval = F.pad(self.interval(hidden), (0, 1))
        real = torch.arange(self.pitches, device=x.device)
        at = real - before[..., None] + self.pitches
        # from or to a rest, or before the first step, there is no interval
        none = (before[..., None] == 0) & (real > 0) | (before[..., None] > 0) & (real == 0) | (before[..., None] >= self.pitches)
        at = torch.where(none, 2 * self.pitches, at.clamp(0, 2 * self.pitches - 1))
        degrees = F.pad(self.degree(hidden), (1, 0))
        scores = degrees.gather(-1, degree_of(real, key[:, None])[:, None].expand(*x.shape[:2], -1))
        return (self.pitch(hidden) + interval.gather(-1, at) + scores).float()


def degree_of(notes: Tensor, key: Tensor) -> Tensor:
    """The degree and mode of pitch numbers in a key, from 1; 0 for rests and without a key. The shapes broadcast."""
    degree = (notes - 1 - key % DEGREES) % DEGREES + key // DEGREES * DEGREES + 1
    return torch.where((notes > 0) & (key >= 0), degree, 0)


def zeroed(module: M) -> M:
    """The module with parameters of zeros."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def durations(notes: Int[Tensor, "b v t"]) -> Int[Tensor, "b v t"]:
    """For how many steps each pitch has lasted, itself counted: 1 to MAX_HELD; 0 at the first column, which is before the piece."""
    num = notes.shape[2]
    places = torch.arange(num, device=notes.device)
    new = torch.ones_like(notes, dtype=torch.bool)
    new[..., 1:] = notes[..., 1:] != notes[..., :-1]
    began = torch.where(new, places, 0).cummax(2).values
    lasted = (places - began + 1).clamp(max=MAX_HELD)
    lasted[..., 0] = 0
    return lasted
