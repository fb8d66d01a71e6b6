"""The yardstick on real pictures and the shipped feature network: planted faults move it in their directions; what a report holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy

import gesso
from gesso.datasets.cifar import CLASSES, cifar
from gesso.errors import GessoError
from gesso.metrics.yardstick import Features, Numbers, mirrored
from gesso.verbs.measure import measure

NUM = 400
Pictures = list[np.ndarray]


@pytest.fixture(scope="module")
def pictures(data_root: Path) -> tuple[Pictures, Pictures, np.ndarray]:
    """1,600 CIFAR-10 pictures that the feature network did not learn from, half of them "real" and half to plant faults in."""
    if not (data_root / "cifar10").is_dir():
        pytest.skip(f"no cifar10 in {data_root}")
    held = cifar(data_root / "cifar10", "val")
    items = [held.item(i, np.random.default_rng(0)) for i in range(4 * NUM)]
    shown = [item["picture"] for item in items]
    return shown[:NUM], shown[NUM:], np.array([item["label"] for item in items[NUM:]])


@pytest.fixture(scope="module")
def features(pictures: Any) -> Features:
    real, others, _ = pictures
    return Features(gesso.load("cifar_classifier").network, real, others[2 * NUM :])


def blurred(shown: Pictures, sigma: float) -> Pictures:
    return [scipy.ndimage.gaussian_filter(one, (sigma, sigma, 0)) for one in shown]


def noisy(shown: Pictures, sigma: float) -> Pictures:
    rng = np.random.default_rng(1)
    return [np.clip(one + rng.normal(0, sigma, one.shape), 0, 255).astype(np.uint8) for one in shown]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "amounts"), [(blurred, (0.0, 0.6, 1.0, 2.0)), (noisy, (0.0, 10.0, 25.0, 60.0))])
def test_distances_grow_with_blur_and_with_noise(pictures: Any, features: Features, fault: Callable[..., Pictures], amounts: Any):
    rows = [features.row(fault(pictures[1][:NUM], amount)) for amount in amounts]
    for name in ("fd_gesso", "kernel distance"):
        assert (found := [row[name] for row in rows]) == sorted(found), (name, found)
        assert found[-1] > 5 * max(found[0], 0.01), "the worst is far from what chance leaves"
    assert rows[-1]["coverage"] < rows[0]["coverage"] and rows[-1]["density"] < rows[0]["density"], "though blur moves these little"


@pytest.mark.slow
def test_distances_grow_where_classes_are_lost_or_uneven(pictures: Any, features: Features):
    """Lost: k of ten classes are left. Uneven: the first class is so many times as frequent."""
    _, others, labels = pictures
    rng = np.random.default_rng(0)

    def drawn(weights: np.ndarray) -> Pictures:
        share = weights[labels] / weights[labels].sum()
        return [others[i] for i in rng.choice(len(others), NUM, p=share, replace=True)]

    lost = [features.row(drawn((np.arange(10) < k).astype(float))) for k in (10, 6, 3, 1)]
    uneven = [features.row(drawn(np.array([k] + [1.0] * 9))) for k in (1, 5, 25)]
    for rows in (lost, uneven):
        for name in ("fd_gesso", "kernel distance"):
            assert (found := [row[name] for row in rows]) == sorted(found), (name, found)
    for name in ("recall", "coverage", "diversity over real"):
        assert lost[-1][name] < 0.9 * lost[0][name], (name, [row[name] for row in lost])
    assert len(CLASSES) == 10


@pytest.mark.slow
def test_copies_are_found_mirrored_too(pictures: Any, features: Features):
    learned, fresh = pictures[1][2 * NUM :], pictures[1][NUM : 2 * NUM]
    shares = [features.row(learned[:k] + fresh[k:])["memorised"] for k in (0, NUM // 4, NUM // 2, NUM)]
    assert shares == sorted(shares) and shares[0] < 0.12 and shares[-1] == 1.0
    assert features.row(mirrored(learned))["memorised"] == 1.0


@pytest.mark.slow
def test_two_halves_of_real_pictures_are_near(pictures: Any, features: Features):
    row, worst = features.row(pictures[1][:NUM]), features.row(noisy(pictures[1][:NUM], 60.0))
    low, high = row["kernel distance, 90 %"]
    assert low < 0.0 < high, "chance explains the kernel distance, which has no bias"
    assert row["fd_gesso"] < 0.2 * worst["fd_gesso"]
    assert 0.8 < row["density"] < 1.2 and row["coverage"] > 0.85 and 0.95 < row["diversity over real"] < 1.05


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("run")
    gesso.train("cgan", out=folder, preset="tiny", steps=2, threads=1, quiet=True)
    return folder


def test_a_report_has_a_table_and_two_sheets(run: Path, tmp_path: Path):
    report = measure("cgan", which="pictures", weights=run, out=tmp_path / "new" / "measured", num=20, learned=30)
    assert {one.name for one in (tmp_path / "new" / "measured").iterdir()} == {"figures.json", "table.txt", "made.png", "real.png"}
    rows = report["figures"]["pictures"]
    assert set(rows) == {"generated", "training pictures"} and report["figures"]["n"] == 20
    assert {"fd_gesso", "fd_gesso, 90 %", "kernel distance", "recall", "coverage", "memorised", "diversity over real"} <= set(
        rows["generated"]
    )
    assert list(report["figures"]["features"]) == ["cifar_classifier"]
    assert "fd_gesso" in (tmp_path / "new" / "measured" / "table.txt").read_text("utf-8")
    assert measure("cgan", which="pictures", weights=run, num=20, learned=30)["figures"] == report["figures"]


def test_unknown_options_and_too_few_pictures_are_refused(run: Path):
    with pytest.raises(GessoError, match="no option 'number'"):
        measure("cgan", which="pictures", weights=run, number=20)
    with pytest.raises(GessoError, match="--num"):
        Numbers.read({"num": 2})
