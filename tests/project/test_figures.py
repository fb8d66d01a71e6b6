"""Figures in the documentation are those of the reports in docs/figures, and the reports are of the shipped weights."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
REPORTS = sorted((ROOT / "docs" / "figures").glob("*.json"))


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures", ROOT / "tools" / "figures.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def colouring(gain: float) -> dict[str, Any]:
    """A report of `colorize` in which it is better than `exact` by `gain` dB at every count of hints."""
    row = {"capped": 20.0, "pooled": 18.0, "paper": 0.002, "inside": 0.5, "recall": 0.25, "wrong": 0.7, "hinted": 31.0}
    counts = ("0", "1", "3", "5", "10", "half")
    own = {count: {**row, "pooled": 18.0 + gain} for count in counts}
    own["0"]["recall"] = None
    parts = {"hints": own, "exact": {count: {**row, "wrong": 0.4} for count in counts}}
    return {"command": "gesso measure colorize", "figures": {"pictures": 12, "unchanged": 0.92, **parts}}


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    for name in ("openmoji", "flats", "scenes", "styles"):
        (tmp_path / f"colorize-{name}.json").write_text(json.dumps(colouring(1.2)))
    for name in ("openmoji", "flats"):
        (tmp_path / f"reliability-{name}.json").write_text(json.dumps({"command": "gesso measure colorize", "figures": {"error": 0.0331}}))
    return tmp_path


@pytest.mark.parametrize("language", ["en", "ko"])
def test_pages_hold_what_the_reports_say(figures: ModuleType, language: str):
    text = figures.PAGES[language].read_text("utf-8")
    assert figures.updated(text, language) == text, "run python tools/figures.py"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_pages_have_a_place_for_each_block(figures: ModuleType, language: str):
    named = [found[1] for found in figures.BLOCK.findall(figures.PAGES[language].read_text("utf-8"))]
    assert set(figures.BLOCKS) <= set(named) and len(named) == len(set(named))


def test_a_changed_figure_is_noticed(figures: ModuleType):
    text = figures.PAGES["en"].read_text("utf-8")
    assert figures.updated(text.replace("99.3 %", "99.9 %"), "en") == text


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_reports_are_of_the_shipped_weights(report: Path):
    shipped = {}
    for line in (ROOT / "src" / "gesso" / "weights" / "shipped" / "SHA256SUMS").read_text("utf-8").splitlines():
        digest, file = line.split()
        shipped[Path(file).stem] = digest
    weights = json.loads(report.read_text("utf-8"))["weights"]
    assert weights == {name: shipped[name] for name in weights}, f"measure again: python tools/figures.py --measure … --only {report.stem}"


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_reports_are_what_the_tool_prints(figures: ModuleType, report: Path):
    assert report.stem in figures.COMMANDS, "no command of tools/figures.py prints it"


def test_a_table_of_colouring(figures: ModuleType, reports: Path):
    made = figures.rendered("colorize", "en", reports)
    assert "| OpenMoji, 12: **colorize** | 20.0/19.2 |" in made
    assert "- OpenMoji: 0 (+1.2), 1 (+1.2), 3 (+1.2), 5 (+1.2), 10 (+1.2), half (+1.2)" in made
    assert "- scenes: 0 (+1.2)\n" in made, "scenes have aims of their own"
    assert "| paper that comes out coloured | 0.2 % | 0.2 % | 0.2 % | ≤ 1 % |" in made
    assert "| 0.7 (+0.3), 0.7 (+0.3), 0.7 (+0.3) |" in made
    assert "| 0.033 | 0.033 | – |" in made


def test_a_table_of_the_studio(figures: ModuleType, tmp_path: Path):
    """From what the benches print today."""
    for name in figures.BENCHES:
        lines = ["stroke  120: median 79 ms, p95 124 ms, max 200 ms", "finished: median 160 ms, p95 225 ms", "wait: median 1 ms, p95 2 ms"]
        (tmp_path / f"{name}.txt").write_text("\n".join([name, *lines]))
    made = figures.rendered("studio", "en", tmp_path)
    assert "| in Chromium, 256² | 79/124 | 160/225 | 60/150; 200/350 |" in made
    assert "- `python bench/page.py --size 1024 --strokes 40`" in made


def test_benches_print_what_the_table_reads(figures: ModuleType):
    """Both print medians in this form, and take the options that are given here."""
    for words in figures.BENCHES.values():
        text = (ROOT / words[0]).read_text("utf-8")
        assert "median {" in text and " ms, p95 {" in text
        assert all(f'"{option.removeprefix("--")}"' in text for option in words[1:] if option.startswith("--"))


def test_tables_of_both_languages_have_the_same_shape(figures: ModuleType, reports: Path):
    made = [figures.rendered("colorize", language, reports) for language in ("en", "ko")]
    bars = [[line.count("|") for line in text.splitlines()] for text in made]
    assert bars[0] == bars[1]


def test_a_block_without_its_reports_is_kept(figures: ModuleType, reports: Path):
    (reports / "colorize-scenes.json").unlink()
    page = "<!-- figures:colorize -->\nby hand\n<!-- /figures:colorize -->\n<!-- figures:studio -->\nby hand\n<!-- /figures:studio -->\n"
    assert figures.updated(page, "en", reports) == page


@pytest.mark.slow
@pytest.mark.parametrize("data", ["mnist10k"], indirect=True)
def test_the_command_prints_the_same_figures(figures: ModuleType, data: Path, tmp_path: Path):
    """The quickest of them, again."""
    out = tmp_path / "again.json"
    words = [sys.executable, *figures.COMMANDS["digit_classifier"], "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(words, cwd=data.parent, env=environment, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    kept = json.loads((ROOT / "docs" / "figures" / "digit_classifier.json").read_text("utf-8"))
    again = json.loads(out.read_text("utf-8"))
    assert again["figures"]["accuracy"] == pytest.approx(kept["figures"]["accuracy"], abs=0.003)
    assert again["command"] == kept["command"]
