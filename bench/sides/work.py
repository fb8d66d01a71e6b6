"""What every side of `bench/train.py` trains: one stage of a recipe, its batches and its loss; and the gate that lets them take turns."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gesso import recipes
from gesso.families.family import Batch, Phase, due_phases
from gesso.training.batch import BatchMaker, CleanBatch
from gesso.training.optimiser import rate_at
from gesso.verbs.data import find_data
from gesso.verbs.training_outputs import slots_of

FAR = 10**6  # steps of the schedule, which no round reaches


class Gate:
    """A side's end of the conversation: it takes a number of steps when told to, says how long each took, and waits meanwhile.

    A line `N` on stdin asks for N steps, and the end of stdin for the end. Whatever else a library prints goes to stderr.
    """

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self.num, self._seconds, self._last = 0, list[float](), 0.0

    def ready(self, **facts: Any) -> bool:
        """Tell what this side is, and wait; True at the end."""
        self._say(facts)
        return self.wait()

    def wait(self) -> bool:
        """Wait for a round and start its clock; True at the end."""
        line = sys.stdin.readline()
        self.num, self._seconds = int(line or 0), []
        self.start_clock()
        return not self.num

    def start_clock(self) -> None:
        self._last = time.perf_counter()

    def stepped(self) -> bool:
        """Note the end of a step. After a round's last one, tell its times and wait for the next round; True at the end."""
        now = time.perf_counter()
        self._seconds.append(now - self._last)
        self._last = now
        if len(self._seconds) < self.num:
            return False
        self._say({"seconds": self._seconds})
        return self.wait()

    def _say(self, facts: dict[str, Any]) -> None:
        self._out.write(json.dumps(facts) + "\n")
        self._out.flush()


class Work:
    """The networks, examples and losses of a recipe's only stage, as any loop may use them."""

    def __init__(self, recipe: str, preset: str, data: str | None, batch: int | None = None) -> None:
        found = recipes.find(recipe)
        chosen = found.preset(preset)
        (self.stage,) = found.stages(chosen)
        dataset = self.stage.data(find_data(data), "train")
        found = found.with_facts(found.facts(dataset) if found.facts else {})
        torch.manual_seed(0)
        self.networks = found.networks(chosen)
        self.settings = dict(self.stage.trains)
        for role, network in self.networks.items():
            network.requires_grad_(role in self.settings).train(role in self.settings)
        self.keeps = [role for role in self.settings if role in found.keeps]
        self.maker = BatchMaker(dataset, slots_of(found, self.stage), batch or self.stage.batch_size, 0, self.stage.frame)
        self.state = self.stage.family.prepare(self.networks, dataset, torch.Generator().manual_seed(0)) or nn.Module()

    @property
    def role(self) -> str:
        """The only player's role."""
        (role,) = self.settings
        return role

    @property
    def network(self) -> nn.Module:
        return self.networks[self.role]

    @property
    def players(self) -> dict[str, nn.Module]:
        return {role: self.networks[role] for role in self.settings}

    def looks(self, step: int) -> bool:
        """Whether simulated users see the networks' output at this step."""
        return self.stage.look_every > 0 and step % self.stage.look_every == 0

    def made(self, step: int) -> tuple[CleanBatch, Batch]:
        clean = self.maker.clean_batch(step)
        return clean, self.maker.with_conditions(clean)

    def seen(self, clean: CleanBatch, batch: Batch) -> Batch:
        """The batch with input of users who see the output."""
        for network in self.players.values():
            network.eval()
        with torch.no_grad():
            shown = self.stage.family.propose(self.networks, batch, torch.Generator().manual_seed(clean.step))
        for network in self.players.values():
            network.train()
        return self.maker.with_conditions(clean, shown)

    def phases(self, step: int) -> list[Phase]:
        return due_phases(self.stage.family, step)

    def loss(self, phase: Phase, batch: Batch, step: int) -> Tensor:
        rng = torch.Generator().manual_seed(step)
        return self.stage.family.loss(phase, self.networks, batch, self.state, step, rng).value.float().mean()

    def factor(self, role: str, step: int) -> float:
        """A player's rate at a step as a share of its highest."""
        return rate_at(self.settings[role], step, FAR) / self.settings[role].rate

    def decay(self, step: int) -> float:
        return min(self.stage.average, (1 + step) / (10 + step))

    def optimisers(self, **more: Any) -> dict[str, torch.optim.AdamW]:
        return {role: self.optimiser(role, **more) for role in self.settings}

    def optimiser(self, role: str, **more: Any) -> torch.optim.AdamW:
        """AdamW, which decays only matrices and kernels."""
        network, settings = self.networks[role], self.settings[role]
        parts = [p for p in network.parameters() if p.ndim >= 2], [p for p in network.parameters() if p.ndim < 2]
        groups = [{"params": part, "weight_decay": decay} for part, decay in zip(parts, (settings.decay, 0.0), strict=True) if part]
        return torch.optim.AdamW(groups, lr=settings.rate, betas=settings.betas, eps=settings.eps, **more)

    def clip(self, role: str) -> float:
        return self.settings[role].clip or math.inf


class Steps(torch.utils.data.Dataset[tuple[CleanBatch, Batch]]):
    """Whole batches by step, for a DataLoader with batch_size=None."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __len__(self) -> int:
        return FAR

    def __getitem__(self, step: int) -> tuple[CleanBatch, Batch]:
        return self.work.made(step)


class InOrder(torch.utils.data.Sampler[int]):
    """Steps 0, 1, 2, …"""

    def __len__(self) -> int:
        return FAR

    def __iter__(self) -> Any:
        return iter(range(FAR))


def loader(work: Work, num_workers: int = 0) -> Any:
    """A DataLoader of the work's batches."""
    return torch.utils.data.DataLoader(Steps(work), batch_size=None, sampler=InOrder(), num_workers=num_workers)


def asked() -> argparse.Namespace:
    """The command line of a side."""
    parser = argparse.ArgumentParser()
    for name in ("recipe", "preset"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("data", "folder"):
        parser.add_argument(f"--{name}")
    for name in ("batch", "num-steps"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--held", action="store_true")
    found = parser.parse_args()
    torch.set_num_threads(found.threads)
    return found


def num_parameters(*networks: nn.Module) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


def folder_of(asked: argparse.Namespace) -> Path:
    return Path(asked.folder)
