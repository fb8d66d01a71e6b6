"""PackBits against plain decoders: our own of five lines, and Pillow's through a TIFF."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from gesso.media.packbits import LONGEST, packed, packed_solid
from unit.media.made import noise, tiff


def unpacked(data):
    out, place = bytearray(), 0
    while place < len(data):
        head = data[place]
        assert head != 128  # nothing is ever a no-op
        if head < 128:
            out += data[place + 1 : place + 2 + head]
            place += 2 + head
        else:
            out += data[place + 1 : place + 2] * (257 - head)
            place += 2
    return bytes(out)


def check(plane):
    data, sizes = packed(plane)
    assert len(sizes) == len(plane) and sizes.sum() == len(data)
    ends = np.cumsum(sizes)
    for row, start, end in zip(plane, ends - sizes, ends, strict=True):
        assert unpacked(data[start:end]) == row.tobytes()
    assert (sizes <= plane.shape[1] + -(-plane.shape[1] // LONGEST)).all()  # never longer than by its heads


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 300)), elements=st.sampled_from([0, 1, 255])))
def test_rows_round_trip(plane):
    check(plane)


@pytest.mark.parametrize("width", [1, 2, 3, 127, 128, 129, 130, 256, 257, 385])
def test_lengths_about_the_longest_stretch(width):
    check(np.zeros((3, width), np.uint8))
    check(noise(3, width))
    check(np.tile(np.arange(width) // 2 % 2, (2, 1)).astype(np.uint8))
    check(np.repeat(noise(3, 1), width, 1))


def test_many_strips():
    plane = (noise(3000, 700) > 250).astype(np.uint8)
    data, sizes = packed(plane)
    assert unpacked(data) == plane.tobytes() and len(data) < plane.size / 5
    assert sizes.sum() == len(data)


def test_a_solid_plane_is_the_same_sooner():
    for width in (1, 128, 129, 1000):
        data, sizes = packed(np.full((4, width), 9, np.uint8))
        solid, solid_sizes = packed_solid(9, 4, width)
        assert data == solid and (sizes == solid_sizes).all()


def test_pillow_reads_it():
    plane = np.where(noise(40, 64) > 128, np.uint8(255), noise(40, 64, seed=1) // 64)
    data, _ = packed(plane)
    tags = {
        256: (3, 64),
        257: (3, 40),
        258: (3, 8),
        259: (3, 32773),
        262: (3, 1),
        273: (4, 8),
        277: (3, 1),
        278: (3, 40),
        279: (4, len(data)),
    }
    with Image.open(io.BytesIO(tiff(tags, data))) as image:
        np.testing.assert_array_equal(np.asarray(image), plane)


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.zeros(3, np.uint8), np.zeros((0, 3), np.uint8)])
def test_invalid_planes_are_refused(bad):
    with pytest.raises(ValueError, match="rows are uint8"):
        packed(bad)
