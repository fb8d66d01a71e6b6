"""The recipe `scene` from photographs to pictures: fit, generate, replay, measure, at the preset `tiny` on made-up balls."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gesso
from gesso.errors import GessoError, Stopped
from gesso.media.medium import medium
from gesso.verbs.fit import Fitted

LEGO = Path(os.environ.get("GESSO_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "nerf_lego"
SETTINGS = {"num_steps": 6, "size": 24}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return gesso.fit("scene", preset="tiny", out=tmp_path_factory.mktemp("scene") / "balls", settings=SETTINGS, seed=1)


def test_a_fit_leaves_weights_previews_and_the_picture(fitted: Fitted):
    assert fitted.weights is not None and fitted.weights.stat().st_size < 8_000_000
    assert list((fitted.out / "previews").glob("*.png")) and len(fitted.objective) >= 6
    assert fitted.result.outputs["image"].shape == (24, 24, 3)


def test_its_weights_show_it_from_any_side_and_a_picture_is_replayed(fitted: Fitted, tmp_path: Path):
    model = gesso.load("scene", weights=fitted.weights)
    one, other = (model.generate(camera=f"orbit {azimuth} 20", size=24) for azimuth in (0, 90))
    assert not np.array_equal(one.outputs["image"], other.outputs["image"])
    assert {"image", "depth", "opacity"} == set(one.outputs)
    one.save(tmp_path / "one.png")
    again = gesso.replay(tmp_path / "one.png", weights=fitted.weights)
    assert again.equal, again.differences


def test_the_fits_own_picture_is_what_its_weights_give(fitted: Fitted):
    again = gesso.load("scene", weights=fitted.weights).generate(**SETTINGS)
    assert np.array_equal(again.outputs["image"], fitted.result.outputs["image"])


def test_a_stopped_fit_goes_on_by_the_same_call_and_ends_as_if_it_had_not_stopped(fitted: Fitted, tmp_path: Path):
    seen: list[int] = []

    def run() -> Fitted:
        return gesso.fit(
            "scene", preset="tiny", out=tmp_path / "f", settings=SETTINGS, seed=1, on_output=lambda output: seen.append(output.step),
            stop=lambda: len(seen) == 3,
        )  # fmt: skip

    with pytest.raises(Stopped):
        run()
    assert (tmp_path / "f" / "state.safetensors").is_file() and (tmp_path / "f" / "weights.safetensors").is_file()
    with pytest.raises(GessoError, match="stopped fit of another request"):
        gesso.fit("scene", preset="tiny", out=tmp_path / "f", settings={**SETTINGS, "num_steps": 7}, seed=1)
    seen.append(-1)
    done = run()
    assert done.weights is not None and done.weights.read_bytes() == fitted.weights.read_bytes()  # type: ignore[union-attr]
    assert [row["step"] for row in done.objective] == [row["step"] for row in fitted.objective]
    assert seen[4:] == [4, 5, 6, 0] or seen[4:] == [4, 5, 6]
    assert not (tmp_path / "f" / "state.safetensors").exists()


def test_a_cloud_is_saved_with_its_record(fitted: Fitted, tmp_path: Path):
    model = gesso.load("scene", weights=fitted.weights)
    result = model.generate(size=24, points=200)
    path = result.save(tmp_path / "cloud.ply")
    data = path.read_bytes()
    cloud = medium("points").decode(data, where="cloud.ply")
    assert 0 < len(cloud["position"]) <= 200 and "scene" in (medium("points").record_in(data, where="cloud.ply") or "")


def test_a_film_of_one_turn_goes_on_where_it_stopped(fitted: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("av", reason="the extra video is not installed: no film is written")
    from gesso.media.video import Video, read_record
    from gesso.verbs import shots as module

    asked = {"weights": fitted.weights, "out": tmp_path / "turn.mp4", "threads": 1}
    given = {"camera": "orbit 30 20", "size": 25, "seconds": 0.25}
    seen: list[int] = []

    def stop_once(done: int, total: int, said: str) -> None:
        seen.append(done)
        if len(seen) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("gesso.media.video_writer.SEGMENT", 2)
    with pytest.raises(KeyboardInterrupt):
        module.shots("scene", given, on_frame=stop_once, **asked)
    assert not (tmp_path / "turn.mp4").exists()
    made = module.shots("scene", given, resume=True, on_frame=lambda done, *_: seen.append(done), **{**asked, "threads": 2})
    assert made.record.made.threads == 1, "it goes on with the threads that it was begun with"
    assert seen == [1, 2, 3, 3, 4, 5, 6] and made.frames == 6 and not (tmp_path / "turn.mp4.parts").exists()
    with Video(tmp_path / "turn.mp4") as video:
        pictures = [shot.rgb() for shot in video.frames()]
    assert len(pictures) == 6 and pictures[0].shape == (24, 24, 3) and not np.array_equal(pictures[0], pictures[3])
    assert '"scene"' in (read_record(tmp_path / "turn.mp4") or "")
    with pytest.raises(GessoError, match="turn begins at an orbit"):
        module.shots("scene", {"camera": np.eye(4)}, **asked)


def test_held_views_are_measured(fitted: Fitted):
    figures = gesso.measure("scene", weights=fitted.weights)["figures"]
    assert figures["num_views"] == 4 and figures["aim"] == 28.0 and 3 < figures["lowest"] <= figures["psnr"] < 60


def test_a_folder_without_cameras_is_refused(tmp_path: Path):
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(GessoError, match="no cameras"):
        gesso.fit("scene", preset="tiny", out=tmp_path / "out", data=tmp_path, settings=SETTINGS)


@pytest.mark.slow
@pytest.mark.skipif(not LEGO.is_dir(), reason=f"no {LEGO}")
def test_lego_is_learned_from_photographs(tmp_path: Path):
    done = gesso.fit("scene", preset="tiny", out=tmp_path / "lego", data=LEGO, settings={"num_steps": 60, "size": 32})
    assert np.mean([row["error"] for row in done.objective[-5:]]) < 0.7 * np.mean([row["error"] for row in done.objective[:3]])
