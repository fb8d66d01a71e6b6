"""Radiance fields: one scene is fitted to photographs with cameras, and seen from any camera."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.datasets.cameras import Views
from gesso.errors import GessoError
from gesso.families.family import Inputs, Networks, Output
from gesso.families.scene import FORM_NONE, FORM_SCALED, Scene, orbit_matrix
from gesso.families.scene_learner import Plan, SceneLearner
from gesso.families.volume import Rays, Seen
from gesso.media.tensor import from_tensor

PREVIEW_SIDE = 100  # pixels of a fit's preview's longest side
LOOKS = 40  # previews of a fit
BANDS_UNTIL, CONSISTENCY = 0.6, 0.02  # of a Plan for few views
SOLID = 0.9  # opacity from which a pixel is a point of the cloud
CLOUD_VIEWS, CLOUD_SIDE = 12, 240


@dataclass(frozen=True)
class Radiance:
    """Volume rendering of a scene (Mildenhall 2020), which `fit` learns from views.

    The network in `role` is a `Scene`. The role `features`, if it is there, compares unseen views with photographs where the prior
    says so. The geometry port holds the cameras, as the condition `camera` encodes them.
    """

    plan: Plan = field(default_factory=Plan)
    few_views: int = 12  # up to which the prior "auto" is "both"
    role: str = "scene"

    def learner(self, networks: Networks, views: Views, rng: torch.Generator, settings: Any) -> SceneLearner:
        """What learns the scene from `views`; `settings` has `num_steps`, `minutes` (0: no limit of time), `views` (0: all) and `prior`."""
        views = views.some(settings.views) if settings.views else views
        plan = self.plan_for(len(views), settings.prior)
        scene: Any = networks[self.role]
        bounds = {"num_steps": settings.num_steps, "minutes": settings.minutes}
        return SceneLearner(scene, views, plan, rng, features=networks.get("features"), **bounds)

    def plan_for(self, num_views: int, prior: str) -> Plan:
        """The plan with what a prior assumes beside the photographs."""
        if prior == "auto":
            prior = "both" if num_views <= self.few_views else "silhouettes"
        bands_until = BANDS_UNTIL if prior in ("frequencies", "both") else 0.0
        consistency = CONSISTENCY if prior in ("features", "both") else 0.0
        return replace(self.plan, hull=self.plan.hull and prior != "none", bands_until=bands_until, consistency=consistency)

    def fit(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Fit the scene to the views `inputs.data`; the last output is what `sample` gives, with the scene's `weights`."""
        views = inputs.data
        if not isinstance(views, Views):
            raise GessoError("a scene needs photographs with cameras", where="--data", fix="a folder with transforms.json, or COLMAP's")
        learner = self.learner(networks, views, rng, settings)
        if inputs.state:
            learner.load_state(inputs.state)
        yield from self.learn(learner)
        for output in self.sample(networks, inputs, rng, settings):
            if output.final:
                yield replace(output, step=settings.num_steps, num_steps=settings.num_steps, weights=self.weights(networks[self.role]))

    def weights(self, scene: nn.Module) -> dict[str, dict[str, Tensor]]:
        return {self.role: {name: value.detach().clone() for name, value in scene.state_dict().items()}}

    def learn(self, learner: SceneLearner) -> Iterator[Output]:
        """Yield a preview of the first held view (or of the first view) as it gets sharp; the tap `objective` holds the loss's terms.

        The scene changes in place. At the end its numbers are rounded to half precision, as they are stored, so that it looks the
        same before and after.
        """
        shown, every = learner.views.held or learner.views, max(1, learner.num_steps // LOOKS)
        terms: dict[str, float] = {"error": 1.0}
        next_look = 0.0
        while not learner.done:
            terms = learner.take_step()
            if learner.step % every == 0 or learner.progress >= next_look:
                next_look = learner.progress + 1 / LOOKS
                objective = {**terms, "psnr": psnr(terms["error"])}
                image = picture_of(learner.scene, look(learner.scene, shown.views[0]))
                kept: dict[str, Any] = {"weights": self.weights(learner.scene), "state": learner.saved_state()}
                yield Output({"image": image}, {"objective": objective}, False, learner.step, learner.num_steps, **kept)
        round_half(learner.scene)

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Render pictures [b 3 h w] in [-1, 1] as `image`, their `depth` [b 1 h w] and `opacity` [b 1 h w].

        First a small draft, enlarged; then previews in which more and more rows are sharp. Where `settings.points` > 0, also a point
        cloud of the scene: `points`, {"position" [n 3], "colour" uint8 [n 3]}.
        """
        scene: Any = networks[self.role]
        size = inputs.shape[-2], inputs.shape[-1]
        cameras = cameras_of(scene, inputs)
        rays = Rays.of_all([scene.camera_rays(camera, size, fov) for camera, fov in cameras])
        num_parts, draft = -(-len(rays) // scene.chunk), None
        if inputs.previews and max(size) > scene.draft_side:
            draft = Seen.joined([drafted(scene, camera, size, fov) for camera, fov in cameras])
            yield Output(media_of(scene, draft, size), final=False, draft=True, step=0, num_steps=num_parts)
        parts: list[Seen] = []
        for seen in scene.render_parts(rays):
            parts.append(seen)
            if draft is not None and len(parts) < num_parts:
                refined = Seen.joined([*parts, draft[len(parts) * scene.chunk :]])
                yield Output(media_of(scene, refined, size), final=False, step=len(parts), num_steps=num_parts)
        media: dict[str, Any] = media_of(scene, Seen.joined(parts), size)
        if getattr(settings, "points", 0):
            media["points"] = cloud(scene, settings.points, rng)
        yield Output(media, step=num_parts, num_steps=num_parts)


def cameras_of(scene: Scene, inputs: Inputs) -> list[tuple[Tensor, float]]:
    """The cameras of the inputs, as matrices of the world with their angle of view."""
    geometry = inputs.ports.geometry or {}
    if "camera" not in geometry:
        return [(scene.camera(torch.eye(4), FORM_NONE), 0.0)] * inputs.shape[0]
    device = scene.middle.device
    return [
        (scene.camera(matrix.to(device), int(form)), float(fov))
        for matrix, form, fov in zip(geometry["camera"], geometry["form"], geometry["fov"], strict=True)
    ]


def drafted(scene: Scene, camera: Tensor, size: tuple[int, int], fov: float) -> Seen:
    """What a camera sees at (height, width), from fewer rays and enlarged."""
    small = shrunk(size, scene.draft_side)
    seen = scene.draft(scene.camera_rays(camera, small, fov))
    values = torch.cat([seen.colour, seen.opacity[:, None], seen.depth[:, None]], 1).T.reshape(1, 5, *small)
    values = F.interpolate(values, size=size, mode="bilinear").view(5, -1)
    return Seen(values[:3].T, values[3], values[4])


def media_of(scene: Scene, seen: Seen, size: tuple[int, int]) -> dict[str, Tensor]:
    """Picture, depth and opacity of one or several cameras, all of one (height, width)."""
    colours = seen.over(scene.background).clamp(0, 1).view(-1, *size, 3)
    return {
        "image": 2 * colours.permute(0, 3, 1, 2) - 1,
        "depth": seen.depth.view(-1, 1, *size),
        "opacity": seen.opacity.view(-1, 1, *size),
    }


def picture_of(scene: Scene, seen: tuple[Seen, tuple[int, int]]) -> Tensor:
    """The picture [1 3 h w] in [-1, 1] of what rays saw, over the scene's background."""
    colours = seen[0].over(scene.background).clamp(0, 1)
    return 2 * colours.T.reshape(1, 3, *seen[1]) - 1


def look(scene: Scene, view: Any, longest: int = PREVIEW_SIDE) -> tuple[Seen, tuple[int, int]]:
    """What a photograph's camera sees, at a longest side of at most `longest` (0: the photograph's size)."""
    size = shrunk(view.lens.size, longest) if longest else view.lens.size
    directions = torch.from_numpy(view.lens.scaled(size).directions()).float().view(-1, 3)
    matrix = torch.from_numpy(view.matrix).float()
    rays = Rays(matrix[:3, 3].expand(len(directions), 3), directions @ matrix[:3, :3].T)
    return scene.render_rays(rays), size


def shrunk(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """A (height, width) of the same shape with a longest side of at most `longest`."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def cloud(scene: Scene, most: int, rng: torch.Generator) -> dict[str, np.ndarray]:
    """At most `most` points on the scene's surfaces, from the depth of views on a spiral around it; picked at random from all."""
    version = scene.version()
    if scene.surface is None or scene.surface[0] != version:  # it takes seconds, and does not depend on the camera
        scene.surface = version, surface_of(scene)
    position, colour = scene.surface[1]
    kept = torch.randperm(len(position), generator=rng)[:most].sort().values
    return {"position": position[kept].numpy(), "colour": colour[kept].numpy()}


def surface_of(scene: Scene) -> tuple[Tensor, Tensor]:
    """Positions [n 3] and colours [n 3], uint8, of what CLOUD_VIEWS cameras see."""
    positions, colours = [], []
    for number in range(CLOUD_VIEWS):
        height = (2 * number + 1) / CLOUD_VIEWS - 1  # equal areas of the sphere
        azimuth, elevation = number * math.pi * (3 - math.sqrt(5)), math.asin(height)
        camera = scene.camera(orbit_matrix(azimuth, elevation), FORM_SCALED)
        rays = scene.camera_rays(camera, (CLOUD_SIDE, CLOUD_SIDE))
        seen = scene.render_rays(rays)
        solid = seen.opacity > SOLID
        positions.append((rays.origin + rays.direction * seen.depth[:, None])[solid])
        colours.append((seen.colour / seen.opacity.clamp_min(1e-6)[:, None])[solid].clamp(0, 1))
    if not any(map(len, positions)):
        raise GessoError("the scene has no surface to take points from", where="points", fix="fit it for longer")
    return torch.cat(positions).cpu(), (255 * torch.cat(colours)).round().to(torch.uint8).cpu()


def pixels_of(media: Mapping[str, Any]) -> dict[str, Any]:
    """What `sample` made of one camera as pixels: image, depth and opacity, uint8; a point cloud unchanged."""
    solid = media["opacity"][0, 0].numpy()
    pixels = {
        "image": from_tensor(media["image"][0]),
        "depth": depth_picture(media["depth"][0, 0].numpy(), solid),
        "opacity": (255 * solid.clip(0, 1)).round().astype(np.uint8),
    }
    return pixels | ({"points": media["points"]} if "points" in media else {})


def depth_picture(depth: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Distances as grey, uint8 [h w]: white is nearest, dark farthest, black where there is nothing."""
    solid = opacity > 0.5
    if not solid.any():
        return np.zeros(depth.shape, np.uint8)
    near, far = np.percentile(depth[solid], (1, 99))
    grey = 255 - 215 * ((depth - near) / max(far - near, 1e-6)).clip(0, 1)
    return np.where(solid, grey.round(), 0).astype(np.uint8)


def psnr(error: float) -> float:
    """Decibels of a mean squared error of values in [0, 1]."""
    return -10 * math.log10(max(error, 1e-10))


@torch.no_grad()
def round_half(module: nn.Module) -> None:
    """Round every number of a module to half precision, as weights files store it, where it stays finite."""
    for value in [*module.parameters(), *module.buffers()]:
        if value.is_floating_point():
            small = value.half()
            if bool(small.isfinite().all()):
                value.copy_(small)
