"""The round of trainings on a GPU, as a dry run at `tiny` on whatever is here."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from gesso import recipes
from gesso.weights.store import read_weights

SCRIPT = Path(__file__).parents[2] / "tools" / "device_round.py"


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("device_round", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["device_round"] = module
    spec.loader.exec_module(module)
    return module


def test_the_queue_names_recipes_and_presets_that_exist(tool: Any) -> None:
    for entry in tool.QUEUE:
        recipe = recipes.find(entry.recipe)
        assert entry.preset in recipe.presets and recipe.stages(recipe.preset(entry.preset))
    assert len(tool.QUEUE) <= tool.MOST_FILES and sum(entry.share for entry in tool.QUEUE) == pytest.approx(1.0)


def test_a_round_brings_weights_and_a_report_home_and_resumes(tool: Any, tmp_path: Path) -> None:
    def run(steps: int) -> dict[str, Any]:
        return tool.run_round(tmp_path / "out", 3.0, data=None, only="colorize,upscale", preset="tiny", runs=tmp_path / "runs", steps=steps)

    first = run(2)["trainings"]
    assert list(first) == ["colorize", "upscale"] and all(one["reason"] == "done" and one["steps"] == 2 for one in first.values())
    for name, one in first.items():
        held = read_weights(tmp_path / "out" / one["weights"])
        assert held.card["recipe"] == name and held.sha256 == one["sha256"]
    again = run(4)["trainings"]
    assert all(one["steps"] == 4 for one in again.values()), "it goes on from where it stopped"
    assert json.loads((tmp_path / "out" / "round.json").read_text())["trainings"] == again
    assert tool.run_round(tmp_path / "late", 0.0, data=None, only="upscale", runs=tmp_path / "runs")["trainings"] == {
        "upscale": {"skipped": "no time left"}
    }
