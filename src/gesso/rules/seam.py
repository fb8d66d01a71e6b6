"""A seam without a step: what is made in a hole is shifted so that it meets what surrounds it."""

from __future__ import annotations

import numpy as np
import scipy
from PIL import Image

MOST = 6000  # pixels of a hole that are solved one by one; of larger ones every so many


def meeting(made: np.ndarray, real: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """`made` float [h w c] in the hole, bool [h w], plus the smoothest field that is `real - made` just outside (a membrane).

    It is what Poisson blending adds (Pérez 2003, equation 4): gradients inside stay, and the border fits. Outside the result is `real`.
    The field of a large hole is found on fewer pixels, so that time and memory do not grow with the picture.
    """
    skip = max(1, int(np.ceil(np.sqrt(hole.sum() / MOST))))
    exact = np.float64 if skip == 1 else np.float32
    result: np.ndarray = np.where(hole[..., None], made, real).astype(exact)
    if not hole.any() or hole.all():
        return result
    step = (real - made).astype(exact)
    if skip == 1:
        return result + _membrane(step, hole)
    few = slice(skip // 2, None, skip)
    known = _spread(step, hole)[few, few]
    field = np.where(hole[few, few][..., None], _membrane(known, hole[few, few]), known)
    for channel, plane in enumerate(np.moveaxis(field, 2, 0)):
        large = Image.fromarray(plane.astype(np.float32)).resize(hole.shape[::-1], Image.Resampling.BILINEAR)
        result[..., channel] += np.where(hole, np.asarray(large), 0)
    return result


def _spread(step: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The field with what is known next to each pixel of the hole."""
    nearest = scipy.ndimage.distance_transform_edt(hole, return_distances=False, return_indices=True)
    found: np.ndarray = step[tuple(nearest)]
    return found


def _membrane(step: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """In the hole the mean of its four neighbours, outside (where it is 0 in the result) `step`: Laplace's equation, float64 [h w c]."""
    found = np.zeros(step.shape)
    number = np.full(hole.shape, -1)
    ys, xs = np.nonzero(hole)
    if not len(ys):
        return found
    number[ys, xs] = np.arange(len(ys))
    rows, columns, values = [np.arange(len(ys))], [np.arange(len(ys))], []
    degree, right = np.zeros(len(ys)), np.zeros((len(ys), step.shape[2]))
    h, w = hole.shape
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        y, x = ys + dy, xs + dx
        there = (y >= 0) & (y < h) & (x >= 0) & (x < w)
        degree += there
        own, ny, nx = np.flatnonzero(there), y[there], x[there]
        within = hole[ny, nx]
        rows.append(own[within])
        columns.append(number[ny[within], nx[within]])
        values.append(-np.ones(int(within.sum())))
        np.add.at(right, own[~within], step[ny[~within], nx[~within]])
    degree += 1e-9  # so that a part of the hole that touches nothing known has a solution, 0
    matrix = scipy.sparse.coo_array((np.concatenate([degree, *values]), (np.concatenate(rows), np.concatenate(columns)))).tocsr()
    found[ys, xs] = scipy.sparse.linalg.spsolve(matrix, right).reshape(right.shape)
    return found
