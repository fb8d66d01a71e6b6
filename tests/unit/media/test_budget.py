import pytest

from gesso.errors import GessoError
from gesso.media.budget import DEFAULT, Budget, in_megabytes


def test_the_largest_square_is_allowed_and_one_pixel_more_is_not():
    DEFAULT.check_decoded(4096, 4096, 4)
    with pytest.raises(GessoError, match="4097 x 4096 pixels"):
        DEFAULT.check_size(4097, 4096)


def test_a_side_is_limited_whatever_the_area():
    DEFAULT.check_size(32768, 100)
    with pytest.raises(GessoError, match="32768 a side"):
        DEFAULT.check_size(32769, 1)


@pytest.mark.parametrize("size", [(0, 10), (10, 0), (-5, 10)])
def test_no_pixels(size):
    with pytest.raises(GessoError, match="no pixels"):
        DEFAULT.check_size(*size)


def test_decoded_bytes_count_float_values_of_all_channels_and_frames():
    budget = Budget(max_decoded_bytes=100 * 100 * 3 * 4, max_frames=2)
    budget.check_decoded(100, 100, 3)
    with pytest.raises(GessoError, match="4 channels"):
        budget.check_decoded(100, 100, 4)
    with pytest.raises(GessoError, match="in memory"):
        budget.check_decoded(100, 100, 3, frames=2)
    with pytest.raises(GessoError, match="3 frames"):
        budget.check_decoded(10, 10, 1, frames=3)


def test_sizes_are_formatted_in_megabytes():
    assert in_megabytes(2**27) == "134 MB"
    assert in_megabytes(1_500_000) == "1.5 MB"
