"""A seam without a step: what is made in a hole is shifted so that it meets what surrounds it."""

from __future__ import annotations

import numpy as np
import scipy

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def meeting(made: np.ndarray, real: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """`made` float [h w c] in the hole, bool [h w], plus the smoothest field that is `real - made` just outside (a membrane).

    It is what Poisson blending adds (Pérez 2003, equation 4): gradients inside stay, and the border fits. Outside the result is `real`.
    """
    result = np.where(hole[..., None], made, real).astype(np.float64)
    ring = scipy.ndimage.binary_dilation(hole, CROSS) & ~hole
    if not hole.any() or not ring.any():
        return result
    number = np.full(hole.shape, -1)
    ys, xs = np.nonzero(hole)
    number[ys, xs] = np.arange(len(ys))
    step = (real - made).astype(np.float64)
    rows, columns, values = [np.arange(len(ys))], [np.arange(len(ys))], []
    degree, right = np.zeros(len(ys)), np.zeros((len(ys), made.shape[2]))
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
    field = scipy.sparse.linalg.spsolve(matrix, right).reshape(right.shape)
    result[ys, xs] += field
    return result
