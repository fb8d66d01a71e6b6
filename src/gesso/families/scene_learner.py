"""Learning of one scene from its photographs: batches of rays, the loss and its regularisers, schedules, and a state to resume from."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gesso.datasets.cameras import Views, with_opacity
from gesso.errors import GessoError
from gesso.families.scene import Scene
from gesso.families.scene_place import Place, place_of
from gesso.families.volume import Rays

FEATURE_SIZE = 32  # pixels a side of the pictures that the feature network compares
EVERY = 10  # steps between two comparisons
LEAST_RAYS, MOST_RAYS = 256, 2**14


@dataclass(frozen=True)
class Plan:
    """How a scene learns. A rate rises over `warmup` steps, stays, and falls from progress `fall` on to `floor` of itself.

    samples: the number of samples of a step, by which the number of rays is chosen (rays: their number where it is fixed).
    hull: cells outside the silhouettes of transparent photographs stay empty.
    For few views: `bands_until`, the progress at which the finest frequencies join (FreeNeRF, Yang 2023, equation 3; 0: from the
    start); `consistency`, the weight of the difference between features of an unseen view and of a photograph (DietNeRF, Jain 2021,
    equation 3), until progress `consistency_until`. FreeNeRF's other part, a penalty on density near the cameras, has nothing to
    act on here, because the box leaves that space out.
    """

    rate: float = 1e-2
    network_rate: float = 3e-3
    warmup: int = 30
    fall: float = 0.3
    floor: float = 0.03
    samples: int = 60_000
    rays: int = 0
    hull: bool = True
    bands_until: float = 0.0
    consistency: float = 0.0
    consistency_until: float = 0.7


class Photographs:
    """All pixels of the views as tensors. A ray is made when it is drawn, so that memory holds four bytes a pixel."""

    def __init__(self, views: Views) -> None:
        self.matrices = torch.from_numpy(np.stack([view.matrix for view in views.views])).float()
        self.pixels = torch.from_numpy(np.concatenate([with_opacity(picture).reshape(-1, 4) for picture in views.pixels]))
        counts = [view.lens.size[0] * view.lens.size[1] for view in views.views]
        self.ends = torch.tensor(counts).cumsum(0)
        self.transparent = all(picture.ndim == 3 and picture.shape[-1] == 4 for picture in views.pixels)
        lenses = list(dict.fromkeys(view.lens for view in views.views))
        directions = [torch.from_numpy(lens.directions()).float().view(-1, 3) for lens in lenses]
        begins = dict(zip(lenses, np.cumsum([0, *map(len, directions)]).tolist(), strict=False))
        self.directions = torch.cat(directions)
        self.begins = torch.tensor([begins[view.lens] for view in views.views])

    def __len__(self) -> int:
        return len(self.pixels)

    def draw(self, num: int, rng: torch.Generator) -> tuple[Rays, Tensor]:
        """Random rays and their pixels [n 4] in [0, 1]."""
        return self.at(torch.randint(len(self), (num,), generator=rng))

    def at(self, index: Tensor) -> tuple[Rays, Tensor]:
        view = torch.searchsorted(self.ends, index, right=True)
        first = torch.where(view > 0, self.ends[(view - 1).clamp_min(0)], 0)
        direction = self.directions[self.begins[view] + index - first]
        matrix = self.matrices[view]
        turned = (matrix[:, :3, :3] @ direction[:, :, None])[:, :, 0]
        return Rays(matrix[:, :3, 3], turned), self.pixels[index].float() / 255

    def of_view(self, number: int) -> tuple[Rays, Tensor]:
        """All rays of one view, row by row, and their pixels."""
        first = int(self.ends[number - 1]) if number else 0
        return self.at(torch.arange(first, int(self.ends[number])))


class SceneLearner:
    """Learns a scene step by step. `saved_state` and `load_state` continue exactly, but for the time that `minutes` counts."""

    def __init__(
        self, scene: Scene, views: Views, plan: Plan, rng: torch.Generator, *, num_steps: int, minutes: float = 0.0,
        features: Any = None,
    ) -> None:  # fmt: skip
        self.scene, self.plan, self.rng, self.num_steps, self.minutes, self.features = scene, plan, rng, num_steps, minutes, features
        self.step, self.elapsed, self.num_rays = 0, 0.0, plan.rays or 1024
        self.place: Place = place_of(views.views, views.pixels, views.points, scene.volume.side, plan.hull)
        self.place.apply(scene)
        scene.fov.fill_(float(np.mean([math.degrees(2 * math.atan(v.lens.size[1] / 2 / v.lens.fx)) for v in views.views])))
        self.photographs, self.views = Photographs(views), views
        if self.place.hull is not None:
            scene.volume.close(self.place.hull)
        tables = [p for name, p in scene.named_parameters() if name.endswith("table")]
        others = [p for name, p in scene.named_parameters() if not name.endswith("table")]
        groups = [{"params": tables, "rate": plan.rate}, {"params": others, "rate": plan.network_rate}]
        self.optimiser = torch.optim.Adam([group for group in groups if group["params"]], lr=plan.rate, betas=(0.9, 0.99), eps=1e-15)
        self.targets = self._features_of_photographs() if plan.consistency and features is not None else None

    @property
    def progress(self) -> float:
        """From 0 to 1, by the steps or, with `minutes`, by the time, whichever is further."""
        by_time = self.elapsed / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(self.step / self.num_steps, by_time))

    @property
    def done(self) -> bool:
        return self.progress >= 1

    def take_step(self) -> dict[str, float]:
        """One step of the optimiser; returns the loss's terms. GessoError where the loss is no number."""
        began = time.monotonic()
        scene, plan = self.scene, self.plan
        bands = self.bands()
        with torch.enable_grad():
            scene.refresh(self.step, self.rng, bands)
            for group in self.optimiser.param_groups:
                group["lr"] = group["rate"] * self.rate_now()
            rays, pixels = self.photographs.draw(self.num_rays, self.rng)
            background = self._background(len(rays))
            wanted = pixels[:, :3] * pixels[:, 3:] + (1 - pixels[:, 3:]) * background
            seen = scene.trace(rays, self.rng, self.step, bands)
            terms = {"error": torch.stack([(one.over(background) - wanted).square().mean() for one in seen]).sum()}
            terms |= self._regularisers(bands)
            loss = torch.stack(list(terms.values())).sum()
            if not bool(torch.isfinite(loss)):
                raise GessoError(f"the scene diverged at step {self.step}: its loss is no number", where="fit", fix="try another seed")
            self.optimiser.zero_grad(set_to_none=True)
            if loss.requires_grad:  # not where every ray missed what is occupied
                loss.backward()
                self.optimiser.step()
        if not plan.rays:
            self.num_rays = rays_next(self.num_rays, seen[-1].num_samples, plan.samples)
        self.step += 1
        self.elapsed += time.monotonic() - began
        return {name: float(value.detach()) for name, value in terms.items()}

    def rate_now(self) -> float:
        """The rate as a share of its highest."""
        falling = max(0.0, (self.progress - self.plan.fall) / (1 - self.plan.fall))
        return min(1.0, (self.step + 1) / self.plan.warmup) * self.plan.floor**falling

    def bands(self) -> Tensor | None:
        """The weights of the frequencies, from coarse to fine; None: all are in."""
        if not self.plan.bands_until or self.progress >= self.plan.bands_until:
            return None
        num = self.scene.num_bands
        open_ = 1 + (num - 1) * self.progress / self.plan.bands_until
        return (open_ - torch.arange(num)).clamp(0, 1)

    def saved_state(self) -> dict[str, Tensor]:
        """A copy of everything that the next step depends on, as tensors by name."""
        state = {f"scene.{name}": value for name, value in self.scene.state_dict().items()}
        for number, held in self.optimiser.state_dict()["state"].items():
            state |= {f"optimiser.{number}.{name}": torch.as_tensor(value) for name, value in held.items()}
        state |= {"rng": self.rng.get_state(), "numbers": torch.tensor([self.step, self.elapsed, self.num_rays], dtype=torch.float64)}
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from `saved_state` of a learner of the same views and plan."""
        self.scene.load_state_dict({name.removeprefix("scene."): value for name, value in state.items() if name.startswith("scene.")})
        optimiser = self.optimiser.state_dict()
        optimiser["state"] = {}
        for name, value in state.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".", 2)
                optimiser["state"].setdefault(int(number), {})[key] = value
        self.optimiser.load_state_dict(optimiser)
        self.rng.set_state(state["rng"])
        step, self.elapsed, num_rays = state["numbers"].tolist()
        self.step, self.num_rays = int(step), int(num_rays)

    def _background(self, num: int) -> Tensor:
        """Random colours behind transparent photographs, so that what is not there cannot pass for the background's colour."""
        if self.photographs.transparent:
            return torch.rand(num, 3, generator=self.rng)
        return self.scene.background.expand(num, 3)

    def _regularisers(self, bands: Tensor | None) -> dict[str, Tensor]:
        terms = {}
        plan = self.plan
        due = self.step % EVERY == 0 and self.progress < plan.consistency_until
        if plan.consistency and due and self.features is not None and self.targets is not None:
            terms["consistency"] = plan.consistency * self._inconsistency(bands)
        return terms

    def _inconsistency(self, bands: Tensor | None) -> Tensor:
        """1 - the cosine between the features of an unseen view and of a random photograph."""
        assert self.features is not None and self.targets is not None
        a, b = torch.randint(len(self.views), (2,), generator=self.rng)
        camera = between(self.photographs.matrices[a], self.photographs.matrices[b], self.scene, float(torch.rand((), generator=self.rng)))
        rays = self.scene.camera_rays(camera, (FEATURE_SIZE, FEATURE_SIZE))
        seen = self.scene.trace(rays, self.rng, self.step, bands)[-1]
        picture = seen.over(self.scene.background).T.reshape(1, 3, FEATURE_SIZE, FEATURE_SIZE)
        found = self.features.pooled(2 * picture - 1)
        return 1 - torch.cosine_similarity(found, self.targets[a][None]).mean()

    @torch.no_grad()
    def _features_of_photographs(self) -> Tensor:
        assert self.features is not None
        found = []
        for number, view in enumerate(self.views.views):
            _, pixels = self.photographs.of_view(number)
            picture = (pixels[:, :3] * pixels[:, 3:] + (1 - pixels[:, 3:]) * self.scene.background).T.reshape(1, 3, *view.lens.size)
            small = nn.functional.interpolate(picture, size=(FEATURE_SIZE, FEATURE_SIZE), mode="area")
            found.append(self.features.pooled(2 * small - 1))
        return torch.cat(found)


def rays_next(num_rays: int, num_samples: int, wanted: int) -> int:
    """The number of rays for the next step, so that their samples come near the wanted number."""
    factor = min(2.0, max(0.5, wanted / max(1, num_samples)))
    return int(min(MOST_RAYS, max(LEAST_RAYS, num_rays * factor)))


def between(one: Tensor, other: Tensor, scene: Scene, share: float) -> Tensor:
    """A camera between two, as far from the scene's middle and looking at it."""
    place = torch.lerp(one[:3, 3], other[:3, 3], share) - scene.middle
    distance = torch.lerp((one[:3, 3] - scene.middle).norm(), (other[:3, 3] - scene.middle).norm(), share)
    back = place / place.norm().clamp_min(1e-6)
    right = torch.linalg.cross(scene.turn[:, 2], back)
    right = right / right.norm().clamp_min(1e-6)
    camera = torch.eye(4)
    camera[:3, :4] = torch.stack([right, torch.linalg.cross(back, right), back, scene.middle + back * distance], 1)
    return camera
