"""The yardstick on real pictures and the shipped feature network: planted faults move it in their directions; what a report holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gesso
from gesso.errors import GessoError
from gesso.metrics.yardstick import PictureNumbers
from gesso.verbs.measure import measure

NUM = 400


@pytest.fixture(scope="module")
def found(data_root: Path) -> dict[str, Any]:
    """The figures of CIFAR-10 pictures that the feature network did not learn from, with planted faults."""
    if not (data_root / "cifar10").is_dir():
        pytest.skip(f"no cifar10 in {data_root}")
    return dict(measure("cifar_classifier", which="faults", data=data_root / "cifar10", num=NUM)["figures"])


@pytest.mark.slow
@pytest.mark.timeout(1800)  # twenty sets of pictures, about a minute and a half on an idle core
def test_distances_grow_with_each_planted_fault(found: dict[str, Any]):
    assert found["distances grow"] == dict.fromkeys(("blur", "noise", "lost classes", "uneven classes", "copies"), True)
    for name in ("blur", "noise", "lost classes"):
        first, *_, last = found[name].values()
        assert last["fd_gesso"] > 3 * first["fd_gesso"] and last["kernel distance"] > 0.1 > first["kernel distance"], name
        assert last["coverage"] < first["coverage"], name
    for name, moved in (("noise", "density"), ("noise", "precision"), ("lost classes", "recall"), ("lost classes", "diversity over real")):
        first, *_, last = found[name].values()
        assert last[moved] < 0.9 * first[moved], (name, moved)


@pytest.mark.slow
def test_copies_are_found_mirrored_too(found: dict[str, Any]):
    shares = [row["memorised"] for row in found["copies"].values()]
    assert shares[0] < 0.12 and shares[-1] == 1.0
    assert [row["memorised"] for row in found["mirrored copies"].values()] == [1.0]


@pytest.mark.slow
def test_two_halves_of_real_pictures_are_near(found: dict[str, Any]):
    row = found["noise"]["0 of 255"]
    low, high = row["kernel distance, 90 %"]
    assert low < 0.0 < high, "chance explains the kernel distance, which has no bias"
    assert row["fd_gesso"] < 0.2 * found["noise"]["60 of 255"]["fd_gesso"]
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
        PictureNumbers.read({"num": 2})
