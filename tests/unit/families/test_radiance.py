"""A scene: where it lies, what rays see, how it learns, resumes and is rendered."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gesso.conditions.camera import Camera, orbit
from gesso.datasets.balls import balls
from gesso.datasets.cameras import Lens, Views
from gesso.errors import GessoError
from gesso.families.family import Fits, Inputs, Samples
from gesso.families.radiance import Radiance, cloud, depth_picture, look, picture_of, psnr, round_half
from gesso.families.scene import HashScene, PaperScene, Scene, inverse_sample
from gesso.families.scene_draft import weights_of
from gesso.families.scene_learner import Plan, between
from gesso.families.scene_place import looked_at, place_of, project, upright
from gesso.families.volume import Rays, RaySamples, Volume, composite, render, see, visible
from gesso.networks.hash_grid import HashGrid
from gesso.networks.nerf import InstantNGP, NeRF
from gesso.ports import Frame, Ports


def scene(seed: int = 0, paper: bool = False) -> Scene:
    torch.manual_seed(seed)
    volume = Volume(16, 48)
    if paper:
        return PaperScene(NeRF(16, 4, 3, 2), NeRF(16, 4, 3, 2), volume, 8, 8)
    return HashScene(InstantNGP(HashGrid(4, 10, 2, 4, 32), 16), volume)


def settings(num_steps: int, minutes: float = 0.0, points: int = 0, views: int = 0, prior: str = "auto") -> SimpleNamespace:
    return SimpleNamespace(num_steps=num_steps, minutes=minutes, points=points, views=views, prior=prior)


def inputs(*cameras: Camera | None, size: int = 24, data: object = None) -> Inputs:
    ports = Camera.encode(cameras, Frame())
    return Inputs(ports, ports, (len(cameras), 3, size, size), data=data)


PLAN = Plan(samples=2000, rate=2e-2)


def test_the_family_fits_and_samples():
    assert isinstance(Radiance(), Fits) and isinstance(Radiance(), Samples)


def test_compositing_is_the_papers_sum():
    thickness, colour = torch.tensor([0.5, 1.0, 2.0]), torch.eye(3)
    seen = composite(RaySamples(torch.tensor([1, 1, 1]), torch.arange(3), torch.tensor([1.0, 2.0, 3.0])), thickness, colour, 3)
    passed, weights = 1.0, []
    for one in thickness.tolist():
        weights.append(passed * (1 - np.exp(-one)))
        passed *= np.exp(-one)
    assert np.allclose(seen.colour[1], weights) and np.allclose(seen.opacity, [0, sum(weights), 0])
    assert np.isclose(float(seen.depth[1]), np.dot(weights, [1, 2, 3]) / sum(weights)) and float(seen.depth[0]) == 0


def test_no_samples_is_an_empty_picture():
    empty = torch.zeros(0, dtype=torch.int64)
    seen = composite(RaySamples(empty, empty, torch.zeros(0)), torch.zeros(0), torch.zeros(0, 3), 4)
    assert seen.colour.shape == (4, 3) and float(seen.opacity.sum()) == 0


def test_samples_lie_in_occupied_cells_of_the_box_and_go_away_from_the_camera():
    volume = Volume(8, 64)
    volume.cells.zero_()
    volume.cells[2:4, 3:6, 1:7] = 100
    rays = Rays(torch.tensor([[-3.0, 0.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 0.0, 5.0]]), torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]))
    samples = volume.march(rays)
    assert set(samples.ray.tolist()) == {0} and samples.rank.tolist() == list(range(len(samples.t)))
    x = volume.to_unit(rays.origin[samples.ray] + samples.t[:, None] * rays.direction[samples.ray])
    assert bool((volume.cells.view(-1)[volume.cell_of(x)] == 100).all())
    assert torch.allclose(samples.t.diff(), torch.tensor(volume.step), atol=1e-5)


def test_inverse_sampling_follows_the_weights():
    draws = torch.rand(1, 20_000, generator=torch.Generator().manual_seed(0))
    places = inverse_sample(torch.tensor([[1.0, 0.0, 3.0, 0.0]]), draws)
    shares = torch.histc(places, 4, 0, 1) / 20_000
    assert torch.allclose(shares, torch.tensor([0.25, 0.0, 0.75, 0.0]), atol=0.02)
    assert bool(inverse_sample(torch.zeros(1, 4), draws).isfinite().all())


def test_silhouettes_bound_the_box_and_empty_the_cells():
    made = balls(24, 48)
    place = place_of(made.views, made.pixels, made.points, 24)
    assert np.all(place.low < [-0.65, -0.85, -0.55]) and np.all(place.high > [1.0, 0.6, 0.65])  # all three balls
    assert np.prod(place.high - place.low) < 0.6 * (1.1 * 3.5) ** 3
    assert place.hull is not None and 0.02 < float(place.hull.float().mean()) < 0.3
    centres = (np.array([0.0, 0.0, 0.0]) - place.low) / (place.high - place.low) * 24
    assert bool(place.hull[tuple(centres.astype(int))])
    assert place.distance == pytest.approx(3.5) and np.allclose(place.middle, 0, atol=1e-6) and np.allclose(place.turn[:, 2], [0, 0, 1])


def test_opaque_photographs_have_the_points_box_or_a_cube():
    made = balls(6)
    opaque = [picture[..., :3] for picture in made.pixels]
    cube = place_of(made.views, opaque, np.zeros((0, 3)), 8)
    assert cube.hull is None and np.allclose(cube.high - cube.low, 1.1 * 3.5)
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    assert np.all(place_of(made.views, opaque, points, 8).high < 1.4)


def test_parallel_cameras_still_have_a_middle():
    matrices = np.stack([np.eye(4)] * 3)
    matrices[:, 0, 3] = [-1, 0, 1]
    assert np.isfinite(looked_at(matrices)).all() and looked_at(matrices)[2] < 0
    assert np.isclose(np.linalg.det(upright(matrices)), 1)


def test_projection_undoes_the_rays():
    lens, matrix = Lens(30, 32, 10, 8, (16, 20)), orbit(30, 20, 3)
    points = matrix[:3, 3] + 2.5 * (lens.directions() @ matrix[:3, :3].T)
    x, y, depth = project(torch.from_numpy(points[5, 7][None]).float(), matrix, lens)
    assert float(x) == pytest.approx(7.5, abs=1e-3) and float(y) == pytest.approx(5.5, abs=1e-3) and float(depth) > 0


def test_a_fit_gets_sharp_and_its_weights_make_the_same_picture_elsewhere():
    networks, family = {"scene": scene()}, Radiance(PLAN)
    data = balls(16, 24)
    data.held = balls(2, 24, first=50)
    outputs = list(family.fit(networks, inputs(Camera(azimuth=20), data=data), torch.Generator().manual_seed(0), settings(90)))
    errors = [output.taps["objective"]["error"] for output in outputs[:-1]]
    assert np.mean(errors[-5:]) < 0.75 * np.mean(errors[:5])
    last = outputs[-1]
    assert last.final and last.step == last.num_steps == 90 and all(not output.final for output in outputs[:-1])
    other = {"scene": scene(seed=5)}
    other["scene"].load_state_dict({name: value.half().float() for name, value in last.weights["scene"].items()})
    again = list(family.sample(other, inputs(Camera(azimuth=20)), torch.Generator().manual_seed(9), settings(1)))[-1]
    assert torch.equal(again.media["image"], last.media["image"])


@pytest.mark.parametrize("paper", [False, True], ids=["hash", "paper"])
def test_a_resumed_fit_equals_one_that_never_stopped(paper: bool):
    family, data = Radiance(Plan(samples=800, rays=64 if paper else 0, hull=not paper)), balls(8, 16)
    whole = family.learner({"scene": scene(0, paper)}, data, torch.Generator().manual_seed(1), settings(12))
    while whole.step < 12:
        whole.take_step()
    first = family.learner({"scene": scene(0, paper)}, data, torch.Generator().manual_seed(1), settings(12))
    while first.step < 5:
        first.take_step()
    state = first.saved_state()
    first.take_step()  # must not change what was saved
    second = family.learner({"scene": scene(3, paper)}, data, torch.Generator().manual_seed(8), settings(12))
    second.load_state(state)
    while second.step < 12:
        second.take_step()
    theirs = second.scene.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in whole.scene.state_dict().items())


def test_frequencies_join_from_coarse_to_fine():
    learner = Radiance(Plan(samples=500)).learner(
        {"scene": scene()}, balls(8, 16), torch.Generator().manual_seed(0), settings(100, prior="frequencies")
    )
    seen = []
    for learner.step in (0, 24, 48, 60):
        bands = learner.bands()
        seen.append(None if bands is None else bands.tolist())
    assert seen[0] == [1, 0, 0, 0] and seen[3] is None
    assert seen[1][1] == pytest.approx(1) and seen[1][2] == pytest.approx(0.2) and seen[2][3] == pytest.approx(0.4)


def test_few_views_are_compared_by_features():
    class Mean(torch.nn.Module):
        def pooled(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)

    family = Radiance(Plan(samples=500))
    learner = family.learner({"scene": scene(), "features": Mean()}, balls(8, 24), torch.Generator().manual_seed(0), settings(50))
    assert "consistency" in learner.take_step() and "consistency" not in learner.take_step()
    many = family.learner({"scene": scene(), "features": Mean()}, balls(16, 24), torch.Generator().manual_seed(0), settings(50))
    assert "consistency" not in many.take_step()


def test_a_camera_between_two_looks_at_the_middle():
    one, other = (torch.from_numpy(orbit(azimuth, 20, 3)).float() for azimuth in (0, 90))
    made = between(one, other, scene(), 0.5)
    assert float(made[:3, 3].norm()) == pytest.approx(3, abs=1e-4)
    assert torch.allclose(made[:3, 2] * 3, made[:3, 3], atol=1e-4) and torch.allclose(
        made[:3, :3].T @ made[:3, :3], torch.eye(3), atol=1e-5
    )


def test_time_ends_a_fit():
    learner = Radiance(PLAN).learner({"scene": scene()}, balls(8, 16), torch.Generator().manual_seed(0), settings(10**6, minutes=1e-5))
    learner.take_step()
    assert learner.done


def test_a_fit_without_photographs_says_what_it_needs():
    with pytest.raises(GessoError, match="photographs"):
        next(Radiance().fit({"scene": scene()}, inputs(None), torch.Generator(), settings(1)))


def test_a_scene_that_diverged_is_never_kept():
    learner = Radiance(PLAN).learner({"scene": scene()}, balls(8, 16), torch.Generator().manual_seed(0), settings(10))
    with torch.no_grad():
        learner.scene.field.head[-1].bias.fill_(float("nan"))
    with pytest.raises(GessoError, match="diverged"):
        learner.take_step()


@pytest.mark.parametrize("paper", [False, True], ids=["hash", "paper"])
def test_a_picture_depends_on_the_camera_alone(paper: bool):
    networks = {"scene": scene(1, paper)}

    def image(camera: Camera | None, size: int = 20) -> torch.Tensor:
        return list(Radiance().sample(networks, inputs(camera, size=size), torch.Generator().manual_seed(size), settings(1)))[-1].media[
            "image"
        ]

    with torch.no_grad():
        assert torch.equal(image(Camera(azimuth=10)), image(Camera(azimuth=10)))
        assert not torch.equal(image(Camera(azimuth=10)), image(Camera(azimuth=100)))
        turned = Camera(matrix=orbit(10, 0, 4.0).tolist())
        assert torch.allclose(image(turned), image(Camera(azimuth=10, distance=4)), atol=1e-5)
        assert torch.allclose(image(Camera(azimuth=10, distance=4)), image(Camera(azimuth=10)), atol=1e-5)  # 4 is the scene's own


def test_chunks_change_nothing():
    made = scene()
    rays = made.camera_rays(made.camera(torch.eye(4), 0), (20, 20))
    one = made.render_rays(rays)
    made.chunk = 64
    other = made.render_rays(rays)
    assert torch.allclose(one.colour, other.colour, atol=1e-6) and one.num_samples == other.num_samples


def test_a_prior_is_chosen_by_the_number_of_views_or_by_name():
    plans = {name: Radiance().plan_for(8, name) for name in ("none", "silhouettes", "frequencies", "features", "both")}
    assert [plan.hull for plan in plans.values()] == [False, True, True, True, True]
    assert [plan.bands_until > 0 for plan in plans.values()] == [False, False, True, False, True]
    assert [plan.consistency > 0 for plan in plans.values()] == [False, False, False, True, True]
    assert Radiance().plan_for(12, "auto") == plans["both"] and Radiance().plan_for(13, "auto") == plans["silhouettes"]


def test_the_setting_views_bounds_what_is_learned_from():
    learner = Radiance(PLAN).learner({"scene": scene()}, balls(9, 24), torch.Generator(), settings(2, views=3))
    assert len(learner.views) == 3


def test_marching_by_blocks_finds_the_samples_that_looking_everywhere_finds():
    volume = Volume(16, 100)
    volume.set_box(torch.tensor([-0.8, -1.3, -0.7]), torch.tensor([0.7, 1.3, 1.1]))
    volume.cells.copy_(100.0 * (torch.rand(16, 16, 16, generator=torch.Generator().manual_seed(0)) < 0.05))
    made = HashScene(InstantNGP(HashGrid(2, 8, 2, 4, 8), 16), volume)
    rays = made.camera_rays(made.camera(torch.eye(4), 0), (12, 12))
    jitter = torch.rand(len(rays), generator=torch.Generator().manual_seed(1))
    samples = volume.march(rays, jitter)
    near, far = volume.crossing(rays)
    t = near[:, None] + volume.step * jitter[:, None] + volume.step * torch.arange(101)
    inside = volume.to_unit(rays.origin[:, None] + t[..., None] * rays.direction[:, None])
    ray, column = ((t < far[:, None]) & (volume.cells > 0).view(-1)[volume.cell_of(inside)]).nonzero(as_tuple=True)
    assert len(samples.t) > 50 and torch.equal(samples.ray, ray) and torch.equal(samples.t, t[ray, column])
    first = torch.searchsorted(ray, ray)
    assert torch.equal(samples.rank, torch.arange(len(ray)) - first)


def test_rendering_without_gradients_sees_what_learning_sees():
    made = scene(1)
    with torch.no_grad():
        made.field.grid.table.uniform_(-1, 1)
        made.field.trunk[-1].bias[0] = 3.0
    rays = made.camera_rays(made.camera(torch.eye(4), 0), (16, 16))
    samples = made.volume.march(rays)
    one = see(made.field, made.volume, rays, visible(made.field, made.volume, rays, samples))
    other = render(made.field, made.volume, rays, samples)
    assert float(one.opacity.detach().max()) > 0.5 and one.num_samples == other.num_samples
    for name in ("colour", "opacity", "depth"):
        assert torch.allclose(getattr(one, name), getattr(other, name), atol=2e-3)


def test_a_large_picture_comes_as_a_draft_then_row_by_row():
    made = scene()
    made.chunk, made.draft_side = 100, 8
    outputs = list(Radiance().sample({"scene": made}, inputs(Camera(azimuth=10)), torch.Generator(), settings(1)))
    assert [output.draft for output in outputs] == [True] + [False] * 6 and [output.final for output in outputs] == [False] * 6 + [True]
    assert all(output.media["image"].shape == (1, 3, 24, 24) for output in outputs)
    last, draft = outputs[-1].media["image"], outputs[0].media["image"]
    assert torch.equal(outputs[1].media["image"][..., :4, :], last[..., :4, :])
    assert torch.equal(outputs[1].media["image"][..., 5:, :], draft[..., 5:, :]) and not torch.equal(draft, last)


def test_drafts_from_the_second_on_come_from_a_grid_and_look_like_the_scene():
    made = scene(2)
    with torch.no_grad():
        made.field.grid.table.uniform_(-0.3, 0.3)
        made.field.trunk[-1].bias[0] = 2.5
    rays = made.camera_rays(made.camera(torch.eye(4), 0), (24, 24))
    whole, first, second = made.render_rays(rays), made.draft(rays), made.draft(rays)
    assert torch.equal(first.colour, whole.colour) and second.num_samples != whole.num_samples
    for name, most in (("colour", 0.05), ("opacity", 0.05), ("depth", 0.2)):
        assert float((getattr(second, name) - getattr(whole, name)).abs().mean()) < most
    with torch.no_grad():
        made.field.trunk[-1].bias[0] = -20.0  # another scene: its old grid is of no use
    assert float(made.draft(rays).opacity.max()) < 1e-3 and float(made.draft(rays).opacity.max()) < 1e-3


def test_light_is_shared_out_ray_by_ray():
    ray = torch.tensor([0, 0, 2, 2, 2])
    thick = torch.tensor([1.0, 0.5, 2.0, 0.0, 30.0])
    weight = weights_of(thick, ray, 3)
    whole = torch.zeros(3).index_add(0, ray, weight)
    assert torch.allclose(whole, torch.tensor([1 - np.exp(-1.5), 0.0, 1.0]).float(), atol=1e-6) and float(weight[3]) == 0


def test_clouds_and_depth():
    made = scene()
    with torch.no_grad():
        made.field.trunk[-1].bias[0] = 4.0
    points = cloud(made, 500, torch.Generator().manual_seed(0))
    assert points["position"].shape == points["colour"].shape == (500, 3) and points["colour"].dtype == np.uint8
    assert np.abs(points["position"]).max() <= 1.1
    picture = depth_picture(np.array([[1.0, 2.0], [3.0, 9.0]], np.float32), np.array([[1.0, 1.0], [1.0, 0.0]]))
    assert picture[0, 0] > picture[0, 1] > picture[1, 0] > picture[1, 1] == 0
    with torch.no_grad():
        made.field.trunk[-1].bias[0] = -20.0
    with pytest.raises(GessoError, match="surface"):
        cloud(made, 10, torch.Generator())


def test_rounding_keeps_what_half_precision_cannot_hold():
    made = scene()
    made.distance.fill_(1e6)
    round_half(made)
    assert float(made.distance) == 1e6 and torch.equal(made.field.grid.table, made.field.grid.table.half().float())


def test_a_photograph_is_seen_by_its_own_lens():
    made, data = scene(), balls(1, 30)
    seen, size = look(made, data.views[0], 0)
    assert size == (30, 30) and picture_of(made, (seen, size)).shape == (1, 3, 30, 30)
    assert look(made, data.views[0], 10)[1] == (10, 10) and psnr(0.01) == pytest.approx(20)


def test_views_of_several_sizes_and_lenses_are_drawn_alike():
    small, large = balls(3, 16), balls(3, 24, first=3)
    both = Views(small.views + large.views, small.pixels + large.pixels)
    learner = Radiance(PLAN).learner({"scene": scene()}, both, torch.Generator().manual_seed(0), settings(5))
    for number, view in enumerate(both.views):
        rays, pixels = learner.photographs.of_view(number)
        assert torch.allclose(
            rays.direction, torch.from_numpy(view.lens.directions() @ view.matrix[:3, :3].T).float().view(-1, 3), atol=1e-5
        )
        assert torch.equal((pixels * 255).round().byte().view(both.pixels[number].shape), torch.from_numpy(both.pixels[number]))
    assert Ports().geometry is None
