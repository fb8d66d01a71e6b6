import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.media.grid import GAP, LABEL_HEIGHT, contact_sheet
from unit.media.made import noise


def test_pictures_lie_row_by_row_unchanged():
    pictures = [noise(10, 12, 3, seed=seed) for seed in range(5)]
    sheet = contact_sheet(pictures, 3)
    assert sheet.shape == (2 * (10 + GAP) + GAP, 3 * (12 + GAP) + GAP, 3) and sheet.dtype == np.uint8
    for index, picture in enumerate(pictures):
        top, left = GAP + index // 3 * (10 + GAP), GAP + index % 3 * (12 + GAP)
        np.testing.assert_array_equal(sheet[top : top + 10, left : left + 12], picture)
    assert (sheet[-14:, -16:] == 255).all()  # the sixth place is paper


def test_sizes_and_kinds_may_differ():
    sheet = contact_sheet([np.zeros((10, 20), np.uint8), np.zeros((4, 4, 4), np.uint8), noise(9, 9, 3)], 9)
    assert sheet.shape == (10 + 2 * GAP, 3 * (20 + GAP) + GAP, 3)
    assert (sheet[GAP : GAP + 10, GAP : GAP + 20] == 0).all()
    assert (sheet[:, 2 * GAP + 20 : 2 * GAP + 40] == 255).all()  # wholly see-through, on white


def test_labels_lie_under_their_pictures_and_never_outside_their_cell():
    pictures = [np.full((20, 60, 3), 255, np.uint8)] * 2
    sheet = contact_sheet(pictures, 2, ["", "a label that is far too long for its cell, 画"])
    assert sheet.shape[0] == 20 + LABEL_HEIGHT + 2 * GAP
    under = slice(GAP + 20, GAP + 20 + LABEL_HEIGHT)
    assert (sheet[under, : 2 * GAP + 60] == 255).all() and (sheet[:, -GAP:] == 255).all()
    assert (sheet[under, 2 * GAP + 60 :] < 128).any()
    contact_sheet([noise(8, 1, 3)], 1, ["narrow"])


@pytest.mark.parametrize("pictures, columns, labels", [([], 1, None), ([1], 0, None), ([1, 2], 2, ["one"]), ([1], 1, [])])
def test_invalid_sheets_are_refused(pictures, columns, labels):
    with pytest.raises(GessoError):
        contact_sheet([noise(8, 8, 3)] * len(pictures), columns, labels)


def test_a_sheet_has_a_limit():
    with pytest.raises(GessoError, match="contact sheet"):
        contact_sheet([np.broadcast_to(np.uint8(0), (1000, 1000))] * 70, 1)
