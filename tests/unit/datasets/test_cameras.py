"""Cameras from files: transforms.json and COLMAP's text, and what is refused."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.conditions.camera import orbit
from gesso.datasets.balls import balls
from gesso.datasets.camera_files import read_capture, views
from gesso.datasets.cameras import Lens, Views, checked_matrix, undistorted
from gesso.errors import GessoError

LEGO = Path(os.environ.get("GESSO_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")) / "nerf_lego"


def picture(path: Path, size: tuple[int, int] = (12, 16)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(path)


def transforms(folder: Path, num: int = 3, **more: object) -> Path:
    for i in range(num):
        picture(folder / "images" / f"{i}.png")
    frames = [{"file_path": f"images/{i}.png", "transform_matrix": orbit(40 * i, 20, 3).tolist()} for i in range(num)]
    (folder / "transforms.json").write_text(json.dumps({"camera_angle_x": 0.8, "frames": frames, **more}))
    return folder


def colmap(folder: Path, num: int = 3, model: str = "1 PINHOLE 16 12 20 21 8 6") -> Path:
    lines = ["# a comment", ""]
    for i in range(num):
        picture(folder / "images" / f"view {i}.png")
        to_camera = np.linalg.inv(orbit(40 * i, 20, 3) @ np.diag([1.0, -1, -1, 1]))
        lines += [f"{i + 1} {' '.join(map(str, quaternion(to_camera[:3, :3])))} {' '.join(map(str, to_camera[:3, 3]))} 1 view {i}.png"]
        lines += ["" if i else "1.0 2.0 -1"]
    (folder / "sparse/0").mkdir(parents=True)
    (folder / "sparse/0/cameras.txt").write_text(f"# cameras\n{model}\n")
    (folder / "sparse/0/images.txt").write_text("\n".join(lines) + "\n")
    (folder / "sparse/0/points3D.txt").write_text("1 0.5 0.25 -1 255 0 0 0.1 1 2\n2 1 1 1 0 0 0 0.1\n")
    return folder


def quaternion(turn: np.ndarray) -> list[float]:
    w = math.sqrt(max(1e-12, 1 + np.trace(turn))) / 2
    return [w, (turn[2, 1] - turn[1, 2]) / (4 * w), (turn[0, 2] - turn[2, 0]) / (4 * w), (turn[1, 0] - turn[0, 1]) / (4 * w)]


def test_blenders_layout(tmp_path: Path):
    made = views(transforms(tmp_path), "train")
    assert len(made) == 3 and made.held is None
    assert made.views[0].lens.size == (12, 16) and made.views[0].lens.fx == pytest.approx(8 / math.tan(0.4))
    assert np.allclose(made.views[1].matrix, orbit(40, 20, 3))


def test_nerfstudios_layout(tmp_path: Path):
    transforms(tmp_path, 4, fl_x=20, fl_y=21, cx=8.5, cy=6, w=16, h=12, k1=0.1, test_filenames=["images/2.png"])
    capture = read_capture(tmp_path)
    assert [view.name for view in capture.held] == ["images/2.png"] and len(capture.train) == 3
    assert capture.train[0].lens == Lens(20, 21, 8.5, 6, (12, 16), (0.1, 0, 0, 0))


def test_colmaps_layout_gives_the_same_cameras(tmp_path: Path):
    capture = read_capture(colmap(tmp_path))
    for i, view in enumerate(capture.train):
        assert view.name == f"view {i}.png" and np.allclose(view.matrix, orbit(40 * i, 20, 3), atol=1e-6)
    assert capture.points.tolist() == [[0.5, 0.25, -1], [1, 1, 1]] and capture.train[0].lens.fy == 21


def test_each_eighth_view_is_held_out_and_the_rule_is_said(tmp_path: Path):
    capture = read_capture(transforms(tmp_path, 17))
    assert [view.name for view in capture.held] == [f"images/{i}.png" for i in (0, 8, 16)]
    assert len(capture.train) == 14 and "8th" in capture.rule


def test_pictures_without_a_camera_are_named(tmp_path: Path):
    transforms(tmp_path)
    picture(tmp_path / "images" / "stray.png")
    assert read_capture(tmp_path).unposed == ("stray.png",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames": []}, "no cameras"),
        ({"frames": 3}, "no cameras"),
        ({"frames": [{}]}, "file_path"),
        ({"frames": [{"file_path": "../../etc/passwd", "transform_matrix": np.eye(4).tolist()}]}, "outside"),
        ({"frames": [{"file_path": "/etc/passwd", "transform_matrix": np.eye(4).tolist()}]}, "outside"),
        ({"frames": [{"file_path": "images/7.png", "transform_matrix": np.eye(4).tolist()}]}, "missing"),
        ({"frames": [{"file_path": "images/0.png", "transform_matrix": [[1, 2], [3, 4]]}]}, "matrix"),
        ({"frames": [{"file_path": "images/0.png", "transform_matrix": [["a"] * 4] * 4}]}, "matrix"),
        ({"frames": [{"file_path": "images/0.png", "transform_matrix": [[1e300] * 4] * 4}]}, "too large"),
        ({"frames": [{"file_path": "images/0.png", "transform_matrix": np.diag([1.0, 1, -1, 1]).tolist()}]}, "mirrors"),
        ({"frames": [{"file_path": "images/0.png", "transform_matrix": [[10**400] * 4] * 4}]}, "matrix"),
        ({"frames": [{"file_path": "a" * 5000, "transform_matrix": np.eye(4).tolist()}]}, "names the picture"),
        ({"frames": [{"file_path": "\ud800", "transform_matrix": np.eye(4).tolist()}]}, "names the picture"),
        ({"camera_angle_x": 4}, "camera_angle_x"),
        ({"camera_angle_x": 1e-300}, "camera_angle_x"),
        ({"k1": 1e9}, "distortion"),
        ({"fl_x": 1e-300, "w": 16, "h": 12}, "focal"),
        ({"camera_angle_x": "wide"}, "not a number"),
        ({"camera_model": "OPENCV_FISHEYE"}, "camera model"),
        ({"fl_x": -5, "w": 16, "h": 12}, "focal"),
        ({"fl_x": 5, "w": 0, "h": 12}, "0"),
    ],
)
def test_wrong_transforms_are_refused(tmp_path: Path, change: dict, said: str):
    with pytest.raises(GessoError, match=said):
        read_capture(transforms(tmp_path, **change))


def test_a_matrix_of_nan_is_refused(tmp_path: Path):
    transforms(tmp_path)
    file = tmp_path / "transforms.json"
    file.write_text(file.read_text().replace("0.0", "NaN", 1))
    with pytest.raises(GessoError, match=r"transforms\.json"):
        read_capture(tmp_path)
    with pytest.raises(GessoError, match="no number"):
        checked_matrix(np.full((4, 4), np.nan), "x")


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path):
    picture(tmp_path / "secret.png")
    folder = transforms(tmp_path / "scene")
    (folder / "images/0.png").unlink()
    (folder / "images/0.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(GessoError, match="outside"):
        read_capture(folder)


def test_a_picture_of_another_shape_is_refused_and_a_smaller_copy_is_not(tmp_path: Path):
    transforms(tmp_path, fl_x=40, w=32, h=24)
    assert views(tmp_path, "train").views[0].lens.fx == 20
    picture(tmp_path / "images/1.png", (16, 12))
    with pytest.raises(GessoError, match=r"12 × 16 pixels"):
        views(tmp_path, "train")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("cameras.txt", "", "no cameras"),
        ("cameras.txt", "1 FULL_OPENCV 1 2 3 4 5 6 7 8", "camera model"),
        ("cameras.txt", "1 PINHOLE 16 12 20", "numbers"),
        ("cameras.txt", "1", "camera model"),
        ("cameras.txt", "1 PINHOLE 16 12 nan 20 8 6", "not a number"),
        ("images.txt", "", "no cameras"),
        ("images.txt", "1 0 0 0 0 0 0 0 1 view 0.png\n\n", "quaternion"),
        ("images.txt", "1 1 0 0 0 0 0 0 7 view 0.png\n\n", "camera 7"),
        ("images.txt", "1 1 0 0 0 0 0 0 1 ../../x.png\n\n", "outside"),
        ("images.txt", "1 1 0 0\n\n", "line 1"),
        ("images.txt", "1 1 0 0 0 x 0 0 1 view 0.png\n\n", "not a number"),
        ("points3D.txt", "1 a b c\n", "not a number"),
    ],
)
def test_wrong_colmap_files_are_refused(tmp_path: Path, file: str, text: str, said: str):
    colmap(tmp_path)
    (tmp_path / "sparse/0" / file).write_text(text)
    with pytest.raises(GessoError, match=said):
        read_capture(tmp_path)


def test_folders_without_cameras_say_what_they_need(tmp_path: Path):
    with pytest.raises(GessoError, match=r"transforms\.json"):
        read_capture(tmp_path)
    with pytest.raises(GessoError, match="no such folder"):
        read_capture(tmp_path / "none")
    (tmp_path / "images.bin").write_bytes(b"x")
    with pytest.raises(GessoError, match="model_converter"):
        read_capture(tmp_path)


def test_distortion_is_undone():
    k1, k2, p1, p2 = distortion = (-0.2, 0.05, 0.01, -0.005)
    u, v = np.meshgrid(np.linspace(-0.6, 0.6, 9), np.linspace(-0.4, 0.4, 7))
    r2 = u * u + v * v
    radial = 1 + k1 * r2 + k2 * r2 * r2
    x, y = u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u * u), v * radial + p1 * (r2 + 2 * v * v) + 2 * p2 * u * v
    back = undistorted(x, y, distortion)
    assert np.allclose(back[0], u, atol=1e-5) and np.allclose(back[1], v, atol=1e-5)


def test_a_lens_looks_along_minus_z_with_y_up():
    rays = Lens(10, 10, 2, 2, (4, 4)).directions()
    assert (rays[..., 2] < 0).all() and rays[0, 0, 1] > 0 > rays[3, 0, 1] and rays[0, 0, 0] < 0
    assert np.allclose(rays.sum((0, 1))[:2], 0)


def test_some_views_are_spread_over_all():
    made = balls(24)
    assert [view.name for view in made.some(3).views] == ["ball_0", "ball_12", "ball_23"] and len(made.some(99)) == 24
    with pytest.raises(GessoError, match="no views"):
        Views([], [])


@pytest.mark.skipif(not LEGO.is_dir(), reason=f"no {LEGO}")
def test_lego():
    capture = read_capture(LEGO)
    assert (len(capture.train), len(capture.held), capture.unposed) == (78, 12, ())
