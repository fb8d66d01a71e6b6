"""The files that hold cameras: transforms.json (Blender, nerfstudio, instant-ngp) and COLMAP's text model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gesso.datasets.balls import balls
from gesso.datasets.cameras import EVERY, MAX_VIEWS, Capture, Lens, View, Views, checked_matrix, divided, inside
from gesso.errors import GessoError
from gesso.media.file import printable, read_bytes, read_json

MAX_TEXT = 2**28
MAX_POINTS = 2_000_000
FISHEYE = ("OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "THIN_PRISM_FISHEYE", "FULL_OPENCV", "FOV")
# COLMAP's models: the names of their parameters in order.
MODELS = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
}


def views(folder: Path | str | None, split: str, longest: int = 0) -> Views:
    """The views of a folder (None: made-up balls) to learn from, "train", whose `held` are those held out; or these, "val" and "dev"."""
    if folder is None:
        made = balls(24) if split == "train" else balls(4, first=100)
        made.held = balls(4, first=100) if split == "train" else None
        return made
    capture = read_capture(folder)
    held = Views.load(capture.held, longest) if capture.held else None
    if split != "train":
        if held is None:
            raise GessoError(f"holds no views to measure on: {capture.rule}", where=printable(folder), fix=f"at least {EVERY} views")
        return held
    train = Views.load(capture.train, longest)
    train.name, train.points, train.held = printable(Path(folder).resolve().name), capture.points, held
    return train


def unseen(folder: Path | str | None, num: int) -> Views:
    """The views that are held out, and those to learn from that are not among `num` of them (`Views.some`)."""
    train, held = views(folder, "train"), views(folder, "val")
    seen = {view.name for view in train.some(num).views}
    left = [number for number, view in enumerate(train.views) if view.name not in seen]
    return Views([*held.views, *(train.views[i] for i in left)], [*held.pixels, *(train.pixels[i] for i in left)], train.name)


def read_capture(folder: Path | str) -> Capture:
    """Read the cameras of a folder: transforms.json (or transforms_train.json), else COLMAP's cameras.txt and images.txt.

    Pictures are not decoded here. GessoError where there are no cameras, a picture is missing or lies outside the folder, or a
    matrix is not a camera's.
    """
    place = Path(folder)
    if not place.is_dir():
        raise GessoError("there is no such folder", where=printable(place), fix="a folder of photographs with their cameras")
    for name in ("transforms.json", "transforms_train.json"):
        if (place / name).is_file():
            return read_transforms(place, name)
    for part in (".", "sparse/0", "sparse", "colmap/sparse/0"):
        if (place / part / "images.txt").is_file():
            return read_colmap(place, place / part)
    if any((place / part / "images.bin").is_file() for part in (".", "sparse/0", "sparse")):
        raise GessoError(
            "holds COLMAP's binary model", where=printable(place), fix="colmap model_converter --output_type TXT, into the same folder"
        )
    raise GessoError(
        "holds no cameras", where=printable(place), fix="transforms.json (Blender, nerfstudio) or cameras.txt and images.txt (COLMAP)"
    )


def read_transforms(folder: Path, name: str) -> Capture:
    """Read `name`; of Blender's layout of several files, transforms_test.json holds the held views."""
    views = _views_of(folder, name)
    others = folder / "transforms_test.json"
    if name != "transforms.json" and others.is_file():
        held = tuple(_views_of(folder, others.name))
        return Capture(tuple(views), held, f"the {len(held)} views of {others.name}", np.zeros((0, 3)), ())
    data = _table(read_json(folder / name), folder / name)
    named = data.get("test_filenames")
    held_names = [str(one) for one in named] if isinstance(named, list) else None
    train, held, rule = divided(views, held_names, printable(folder / name))
    return Capture(train, held, rule, np.zeros((0, 3)), _without_camera(folder, views))


def _views_of(folder: Path, name: str) -> list[View]:
    where = printable(folder / name)
    data = _table(read_json(folder / name), where)
    frames = data.get("frames")
    if not isinstance(frames, list) or not frames:
        raise GessoError("holds no cameras: it has no frames", where=where, fix='{"frames": [{"file_path": …, "transform_matrix": …}, …]}')
    if len(frames) > MAX_VIEWS:
        raise GessoError(f"holds {len(frames)} views", where=where, fix=f"at most {MAX_VIEWS}")
    views = []
    for number, frame in enumerate(frames):
        at = f"{where}: frames[{number}]"
        frame = _table(frame, at)
        if "transform_matrix" not in frame or not isinstance(frame.get("file_path"), str):
            raise GessoError("has no file_path or no transform_matrix", where=at, fix="both: a picture and its camera")
        lens = _lens_of({**data, **frame}, at)
        path = inside(folder, frame["file_path"], at)
        views.append(View(frame["file_path"], path, lens, checked_matrix(frame["transform_matrix"], f"{at}.transform_matrix")))
    return views


def _lens_of(data: Mapping[str, Any], where: str) -> Lens:
    model = str(data.get("camera_model", "OPENCV")).upper()
    if model in FISHEYE or data.get("is_fisheye"):
        raise GessoError(f"has the camera model {printable(model)}", where=where, fix="undistorted pictures (colmap image_undistorter)")
    distortion = tuple(_number(data, key, where, 0.0) for key in ("k1", "k2", "p1", "p2"))
    if "fl_x" in data:
        fx = _number(data, "fl_x", where)
        w, h = _number(data, "w", where), _number(data, "h", where)
        fy = _number(data, "fl_y", where, fx)
        cx, cy = _number(data, "cx", where, w / 2), _number(data, "cy", where, h / 2)
        return checked_lens(Lens(fx, fy, cx, cy, (round(h), round(w)), distortion), where)  # type: ignore[arg-type]
    if "camera_angle_x" not in data:
        raise GessoError("does not say how wide the camera sees", where=where, fix="camera_angle_x, or fl_x with w and h")
    angle = _number(data, "camera_angle_x", where)
    if not 0.001 <= angle <= 3.1:
        raise GessoError(f"camera_angle_x is {angle:g}", where=where, fix="an angle in radians between 0.001 and 3.1")
    focal = 0.5 / math.tan(angle / 2)  # for a picture that is one wide; load_views knows the size
    checked_lens(Lens(focal, focal, 0, 0, (1, 1), distortion), where)  # type: ignore[arg-type]
    return Lens(focal, focal, 0, 0, (0, 0), distortion)  # type: ignore[arg-type]


def checked_lens(lens: Lens, where: object) -> Lens:
    """The lens; GessoError where its numbers are impossible."""
    h, w = lens.size
    if min(h, w) < 1 or max(h, w) > 2**16:
        raise GessoError(f"a picture of {w} × {h} pixels", where=where, fix="the width and height of the pictures")
    if not (0.01 < lens.fx / w < 1000 and 0.01 < lens.fy / h < 1000 and abs(lens.cx) < 1e7 and abs(lens.cy) < 1e7):
        raise GessoError("focal lengths or middle are impossible", where=where, fix="focal lengths in pixels, of the size of the picture")
    if max(map(abs, lens.distortion)) > 10:
        raise GessoError("the distortion is impossible", where=where, fix="k1, k2, p1 and p2 of OpenCV's model")
    return lens


def read_colmap(folder: Path, model: Path) -> Capture:
    """Read cameras.txt, images.txt and, where it is there, points3D.txt; pictures lie in the folder or in its `images`."""
    lenses = _colmap_lenses(model / "cameras.txt")
    pictures = next((place for place in (folder / "images", model / "images") if place.is_dir()), folder)
    where = model / "images.txt"
    lines = _lines(where)
    views = []
    for number, line in lines:
        if not line:
            continue
        at = f"{printable(where)}: line {number}"
        cells = line.split(maxsplit=9)
        if len(cells) != 10:
            raise GessoError("is not a picture's line", where=at, fix="IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME")
        turn, place = _floats(cells[1:5], at), _floats(cells[5:8], at)
        if cells[8] not in lenses:
            raise GessoError(
                f"names the camera {printable(cells[8])}, which cameras.txt does not hold", where=at, fix="a camera of cameras.txt"
            )
        views.append(View(cells[9], inside(pictures, cells[9], at), lenses[cells[8]], _camera_to_world(turn, place, at)))
        if len(views) > MAX_VIEWS:
            raise GessoError("holds too many views", where=printable(where), fix=f"at most {MAX_VIEWS}")
        next(lines, None)  # the picture's points, an empty line where it has none
    views.sort(key=lambda view: view.name)  # COLMAP's order is the order in which pictures were registered
    train, held, rule = divided(views, None, printable(where))
    return Capture(train, held, rule + ", by name", _colmap_points(model / "points3D.txt"), _without_camera(pictures, views))


def _colmap_lenses(path: Path) -> dict[str, Lens]:
    lenses = {}
    for number, line in _lines(path):
        if not line:
            continue
        at = f"{printable(path)}: line {number}"
        name, model, *cells = [*line.split()[:20], "", ""] if len(line.split()) < 2 else line.split()[:20]
        if model not in MODELS:
            raise GessoError(
                f"has the camera model {printable(model)}", where=at, fix="one of " + ", ".join(MODELS) + ", or colmap image_undistorter"
            )
        names = MODELS[model]
        if len(cells) != 2 + len(names):
            raise GessoError(f"has {len(cells)} numbers", where=at, fix=f"width, height, {', '.join(names)}")
        w, h, *values = _floats(cells, at)
        held = dict(zip(names, values, strict=True))
        fx, fy = held.get("fx", held.get("f", 0.0)), held.get("fy", held.get("f", 0.0))
        distortion = held.get("k1", 0.0), held.get("k2", 0.0), held.get("p1", 0.0), held.get("p2", 0.0)
        lenses[name] = checked_lens(Lens(fx, fy, held["cx"], held["cy"], (int(h), int(w)), distortion), at)
    if not lenses:
        raise GessoError("holds no cameras", where=printable(path), fix="COLMAP's cameras.txt")
    return lenses


def _colmap_points(path: Path) -> np.ndarray:
    if not path.is_file():
        return np.zeros((0, 3))
    found: list[list[float]] = []
    for number, line in _lines(path):
        if line and len(found) < MAX_POINTS:
            found.append(_floats(line.split(maxsplit=4)[1:4], f"{printable(path)}: line {number}", 3))
    return np.array(found).reshape(-1, 3)


def _camera_to_world(turn: list[float], place: list[float], where: str) -> np.ndarray:
    """COLMAP's world-to-camera quaternion and shift (x right, y down, z ahead) as a camera-to-world matrix (y up, z back)."""
    length = math.sqrt(sum(one * one for one in turn))
    if not 1e-6 < length < 1e6:
        raise GessoError("its quaternion has no direction", where=where, fix="a unit quaternion QW QX QY QZ")
    w, x, y, z = (one / length for one in turn)
    to_camera = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = to_camera.T * [1, -1, -1]
    matrix[:3, 3] = -to_camera.T @ place
    return checked_matrix(matrix, where)


def _without_camera(folder: Path, views: list[View]) -> tuple[str, ...]:
    """The pictures beside the posed ones that have no camera."""
    posed = {view.path.resolve() for view in views}
    endings = {".png", ".jpg", ".jpeg"}
    folders = sorted({view.path.parent for view in views})
    found = (path for place in folders for path in sorted(place.iterdir()) if path.suffix.lower() in endings)
    return tuple(path.name for path in found if path.resolve() not in posed)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text with their numbers, without comments; empty lines stay."""
    try:
        text = read_bytes(path, MAX_TEXT).decode("utf-8")
    except UnicodeDecodeError as error:
        raise GessoError(f"this is not UTF-8 text (byte {error.start})", where=printable(path), fix="COLMAP's text model") from error
    return ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if not line.lstrip().startswith("#"))


def _floats(cells: list[str], where: object, num: int | None = None) -> list[float]:
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        values = []
    if not values or (num is not None and len(values) != num) or not all(map(math.isfinite, values)) or max(map(abs, values)) > 1e12:
        raise GessoError("holds something that is not a number", where=where, fix="finite numbers")
    return values


def _number(data: Mapping[str, Any], key: str, where: object, default: float | None = None) -> float:
    value = data.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise GessoError(f"{key} is not a number", where=where, fix="a finite number")
    return float(value)


def _table(value: Any, where: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise GessoError("is not a JSON object", where=where, fix='{"frames": […]}')
    return value
