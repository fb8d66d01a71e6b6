"""Point clouds and PLY files."""

import json
import struct

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.media.medium import Carried, medium, medium_of_file

POINTS = medium("points")
VALUE = {
    "position": np.array([[0, 1, 2], [3.5, -4, 5]], np.float32),
    "colour": np.array([[255, 0, 7], [1, 2, 3]], np.uint8),
}


def ply(properties: str, body: bytes, *, kind: str = "binary_little_endian", num: object = 1) -> bytes:
    return f"ply\nformat {kind} 1.0\nelement vertex {num}\n{properties}end_header\n".encode() + body


XYZ = "property float x\nproperty float y\nproperty float z\n"


def test_a_file_holds_the_points_and_the_record():
    record = json.dumps({"name": "해변의 모래 🏖", "long": "ab  c " * 900, "line": "a\nb"}, ensure_ascii=False, indent=1)
    data = POINTS.encode(VALUE, ".ply", Carried(record))
    back = POINTS.decode(data, where="x.ply")
    assert np.array_equal(back["position"], VALUE["position"]) and np.array_equal(back["colour"], VALUE["colour"])
    assert json.loads(POINTS.record_in(data, where="x.ply")) == json.loads(record)
    assert max(map(len, data.split(b"end_header")[0].split(b"\n"))) < 1000
    assert POINTS.carries(data) == "PLY" and POINTS.record_in(POINTS.encode(VALUE, ".ply", Carried()), where="x.ply") is None
    assert medium_of_file("x.PLY") is POINTS


def test_files_of_others_are_read():
    big = ply("property double x\nproperty double y\nproperty double z\n", struct.pack(">3d", 1, 2, 3), kind="binary_big_endian")
    assert POINTS.decode(big, where="x")["position"].tolist() == [[1, 2, 3]]
    text = ply(XYZ + "property uchar red\nproperty uchar green\nproperty uchar blue\n", b"1 2 3 4 5 6\n", kind="ascii")
    assert POINTS.decode(text, where="x")["colour"].tolist() == [[4, 5, 6]]
    with_faces = ply(XYZ, struct.pack("<3f", 1, 2, 3) + b"rest").replace(
        b"end_header", b"element face 1\nproperty list uchar int i\nend_header"
    )
    assert POINTS.decode(with_faces, where="x")["position"].tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"ply\n", b"no" * 50, ply(XYZ, b"short"), ply(XYZ, b"", num=0), ply(XYZ, b"", num=-1), ply(XYZ, b"", num=10**9),
        ply(XYZ, b"", num="9" * 5000), ply("property float x\n", b"aaaa"), ply(XYZ + "property float x\n", b"a" * 16),
        ply("property list uchar int x\n", b"aaaa"), ply(XYZ, b"a b c\n", kind="ascii"), ply(XYZ, b"1 2\n", kind="ascii"),
        ply(XYZ, struct.pack("<3f", 1, float("nan"), 2)), ply(XYZ, b"a" * 12, kind="binary_middle_endian"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused(data: bytes):
    with pytest.raises(GessoError, match="x.ply"):
        POINTS.decode(data, where="x.ply")


@pytest.mark.parametrize("wrong", [{}, {"position": VALUE["position"]}, {**VALUE, "colour": VALUE["colour"][:1]}, [1],
                                   {**VALUE, "position": VALUE["position"] * np.nan}])  # fmt: skip
def test_what_is_no_cloud_is_refused(wrong):
    with pytest.raises(GessoError, match="point cloud"):
        POINTS.check(wrong, where="points", recipe="scene")


def test_a_thumbnail_shows_the_nearer_point():
    value = {
        "position": np.array([[0.9, 0.5, 0], [-0.9, -0.5, 0.0]], np.float32) * [[1], [1]],
        "colour": np.array([[255, 0, 0], [0, 0, 255]], np.uint8),
    }
    picture = POINTS.thumb({**value, "position": value["position"].astype(np.float32)})
    assert picture.shape[2] == 3 and (picture == [255, 0, 0]).all(-1).any()
