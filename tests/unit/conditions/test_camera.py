"""The condition `camera`: orbits and matrices, as people write them."""

import json

import numpy as np
import pytest

from gesso.card import Slot
from gesso.conditions.camera import Camera, orbit
from gesso.errors import GessoError
from gesso.ports import Frame

SLOT = Slot(name="camera", kind=Camera)


def test_an_orbit_is_read_from_words_and_from_json():
    assert (
        SLOT.read("orbit 40 20 4")
        == SLOT.read('{"azimuth": 40, "elevation": 20, "distance": 4}')
        == Camera(azimuth=40, elevation=20, distance=4)
    )
    assert SLOT.read("orbit 1, 2, 3, 4, 50").fov == 50
    assert SLOT.read("orbit 10 5").distance == 0


def test_a_matrix_is_read_from_numbers_and_survives_json():
    matrix = orbit(30, 10, 2)
    for given in (matrix, matrix.tolist(), matrix[:3].tolist(), json.dumps(matrix.tolist()), {"matrix": matrix.tolist(), "fov": 30}):
        value = SLOT.read(given)
        assert np.allclose(value.to_matrix(), matrix)
        assert Camera.model_validate_json(value.model_dump_json()) == value


@pytest.mark.parametrize(
    "given",
    [
        "", "orbit", "orbit 1", "orbit a b", "orbit 1 2 nan", "orbit 1 95", "orbit 1 2 -3", "orbit 1 2 3 4 5 6", "orbit 1 2 3 4 200",
        "orbit 1 2 3 4 0.5", "[[1, 2]]", "{", '{"azimuth": true}', '{"shape": 1}', 5, None, [[0] * 4] * 4, [[1, 2, 3, 4]] * 4,
        [[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], [[1, 0, 0, float("inf")], [0, 1, 0, 0], [0, 0, 1, 0]],
        {"matrix": np.eye(4).tolist(), "azimuth": 3},
    ],
)  # fmt: skip
def test_what_is_no_camera_is_refused(given):
    with pytest.raises(GessoError, match="camera"):
        SLOT.read(given)


@pytest.mark.parametrize("angles", [(0, 0), (40, 20), (-170, 89.9), (12, 90), (5, -90)])
def test_an_orbit_looks_at_the_middle(angles):
    matrix = orbit(*angles, 3.0, roll=17)
    turn, place = matrix[:3, :3], matrix[:3, 3]
    assert np.allclose(turn @ turn.T, np.eye(3)) and np.isclose(np.linalg.det(turn), 1)
    assert np.isclose(np.linalg.norm(place), 3) and np.allclose(-turn[:, 2] * 3, -place)


def test_zoom_divides_the_distance():
    near, far = (Camera(azimuth=40, elevation=20, distance=4, zoom=zoom).to_matrix() for zoom in (2, 1))
    assert np.allclose(near[:3, :3], far[:3, :3]) and np.allclose(2 * near[:3, 3], far[:3, 3])
    for wrong in ({"zoom": 0}, {"zoom": 21}, {"matrix": np.eye(4).tolist(), "zoom": 2}):
        with pytest.raises(GessoError):
            SLOT.read(wrong)


def test_without_roll_the_horizon_is_level():
    assert abs(orbit(33, 20, 1)[2, 0]) < 1e-12 and orbit(33, 20, 1)[2, 1] > 0


def test_ports_tell_the_forms_apart():
    values = [None, Camera(matrix=orbit(1, 2, 3).tolist()), Camera(azimuth=1, distance=2, fov=30), Camera(azimuth=1)]
    geometry = Camera.encode(values, Frame()).geometry
    assert geometry["form"].tolist() == [0, 1, 2, 3]
    assert geometry["camera"].shape == (4, 4, 4) and geometry["fov"].tolist() == [0, 0, 30, 0]


def test_simulated_users_look_from_many_sides():
    rng = np.random.default_rng(0)
    seen = {Camera.simulate({}, rng, 1.0)[0].azimuth // 90 for _ in range(50)}
    assert len(seen) == 4
