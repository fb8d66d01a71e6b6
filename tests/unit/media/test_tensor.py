import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from gesso.errors import GessoError
from gesso.media.tensor import from_tensor, to_tensor
from unit.media.made import noise


@pytest.mark.parametrize("shape, planes", [((5, 7), (1, 5, 7)), ((5, 7, 1), (1, 5, 7)), ((5, 7, 3), (3, 5, 7)), ((5, 7, 4), (4, 5, 7))])
def test_pictures_round_trip_through_tensors(shape, planes):
    picture = noise(*shape)
    x = to_tensor(picture)
    assert x.shape == planes and x.dtype == torch.float32
    np.testing.assert_array_equal(from_tensor(x), picture[..., 0] if shape[-1] == 1 else picture)


def test_every_value_and_its_range():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    x = to_tensor(ramp)
    assert x.min() == -1 and x.max() == 1
    assert_close(x.flatten(), torch.linspace(-1, 1, 256))
    np.testing.assert_array_equal(from_tensor(x), ramp)
    np.testing.assert_array_equal(from_tensor(x.double()), ramp)


def test_channels_are_not_mixed():
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[1, 2] = [255, 0, 128]
    assert to_tensor(picture)[:, 1, 2].round(decimals=2).tolist() == pytest.approx([1, -1, 0], abs=0.01)


def test_a_read_only_picture_is_not_changed(recwarn):
    picture = noise(4, 6)
    picture.flags.writeable = False
    x = to_tensor(picture)
    x.zero_()
    assert picture.max() > 0 and not recwarn


def test_values_are_clamped_and_gradients_dropped():
    x = torch.tensor([[[-7.0, -1.0, 0.0, 1.0, 7.0]]], requires_grad=True)
    assert from_tensor(x).tolist() == [[0, 0, 128, 255, 255]]
    assert from_tensor(x.to(torch.bfloat16)).dtype == np.uint8


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_refused(value):
    x = torch.zeros(3, 4, 4)
    x[1, 2, 3] = value
    with pytest.raises(GessoError, match="1 values"):
        from_tensor(x)


@pytest.mark.parametrize(
    "x", [torch.zeros(2, 3, 4, 4), torch.zeros(4, 4), torch.zeros(5, 4, 4), torch.zeros(3, 0, 4), torch.zeros(3, 4, 4).int(), "x"]
)
def test_invalid_pictures_are_refused(x):
    with pytest.raises(GessoError, match=r"float \[c h w\]"):
        from_tensor(x)


@pytest.mark.parametrize("picture", [np.zeros((4, 4)), np.zeros((1, 4, 4, 3), np.uint8), np.zeros((0, 4), np.uint8), None])
def test_invalid_tensors_are_refused(picture):
    with pytest.raises(GessoError, match="uint8"):
        to_tensor(picture)


def test_torch_is_imported_only_where_tensors_are_made():
    names = "budget, decode, file, grid, picture, png, tensor"
    code = f"from gesso.media import {names}; import sys; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
