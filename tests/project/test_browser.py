"""Tests of the page that are skipped for want of a browser are counted at the end, and CI tries to install one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]


def summary(config: pytest.Config, reasons: list[str]) -> list[str]:
    """What tests/conftest.py prints at the end of a run in which tests were skipped for these reasons."""
    (plugin,) = [one for one in config.pluginmanager.get_plugins() if hasattr(one, "BROWSER") and hasattr(one, "pytest_terminal_summary")]
    printed: list[str] = []
    reports = [SimpleNamespace(longrepr=("test_page.py", 1, f"Skipped: {reason}")) for reason in reasons]
    reporter = SimpleNamespace(stats={"skipped": reports}, write_line=lambda line, **markup: printed.append(line))
    for _ in plugin.pytest_terminal_summary(reporter):
        pass
    return printed


def test_skipped_tests_of_the_page_are_counted(pytestconfig: pytest.Config):
    """The reasons are those of tests/studio/conftest.py."""
    written = (ROOT / "tests" / "studio" / "conftest.py").read_text("utf-8")
    reasons = ["there is no chromium here: the page is not tried", "playwright is not installed: the page is not tried"]
    assert all(reason in written for reason in reasons)
    (line,) = summary(pytestconfig, [*reasons, "no real data"])
    assert line.startswith("2 tests") and "GESSO_CHROMIUM" in line and "apt-get install chromium" in line


def test_nothing_is_printed_where_there_is_a_browser(pytestconfig: pytest.Config):
    assert summary(pytestconfig, ["no real data"]) == []


def ci_browser(folder: Path, **programs: str) -> tuple[int, str]:
    """Run .ci/browser with only these programs on the path, beside the few it needs itself; returns its exit code and output."""
    for name in ("env", "bash", "timeout"):
        (folder / name).symlink_to(next(p for place in ("/bin", "/usr/bin") if (p := Path(place) / name).exists()))
    for name, body in {"id": "echo 0", **programs}.items():
        (folder / name.replace("_", "-")).write_text(f"#!{folder / 'bash'}\n{body}\n")
        (folder / name.replace("_", "-")).chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key != "GESSO_CHROMIUM"} | {"PATH": str(folder)}
    run = subprocess.run([ROOT / ".ci" / "browser"], env=environment, capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("programs", "told"),
    [
        ({}, "no apt-get"),
        ({"apt_get": "exit 100"}, "could not be installed"),
        ({"apt_get": "exit 0", "id": "echo 1000"}, "no right to install"),
        ({"apt_get": "exit 100", "chromium": ""}, ""),
    ],
)
def test_ci_goes_on_without_a_browser(tmp_path: Path, programs: dict[str, str], told: str):
    code, output = ci_browser(tmp_path, **programs)
    assert code == 0 and told in output and "not found" not in output
    assert bool(output) == bool(told)


def test_ci_installs_chromium_where_it_is_missing(tmp_path: Path):
    asked = tmp_path / "asked"
    code, output = ci_browser(tmp_path, apt_get=f'echo "$*" >> {asked}')
    assert code == 0, output
    assert "install" in asked.read_text() and "chromium" in asked.read_text() and "could not" not in output


def test_ci_updates_the_package_lists_first_where_they_are_old(tmp_path: Path):
    asked = tmp_path / "asked"
    apt = f'echo "$*" >> {asked}; case "$(< {asked})" in *update*) exit 0;; *) [ "$1" = update ];; esac'
    code, output = ci_browser(tmp_path, apt_get=apt)
    assert code == 0 and "could not" not in output
    assert [line.split()[0] for line in asked.read_text().splitlines()] == ["install", "update", "install"]
