"""The doctor names what is missing, with the line that mends it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gesso.verbs import doctor as module
from gesso.verbs.doctor import Finding, doctor


def found(name: str) -> Finding:
    return next(finding for finding in doctor() if finding.name == name)


def test_it_looks_at_what_matters():
    names = {finding.name for finding in doctor()}
    assert {"gesso", "python", "torch", "processor", "threads", "disk", "gpu", "extra [data]", "extra [log]"} <= names
    assert found("torch").good and found("python").good
    assert not [f for f in doctor() if f.good is False and not f.fix], "whatever is to be mended has a line that mends it"


def test_a_missing_extra_has_its_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None if name == "pyarrow" else object())
    finding = found("extra [data]")
    assert "pyarrow" in finding.value and "pandas" not in finding.value
    assert finding.fix == "pip install 'gesso[data]'" and finding.good is None


def test_a_missing_package_is_to_be_mended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "NEEDED", ("torch", "surely-not-installed"))
    finding = found("surely-not-installed")
    assert finding.good is False and finding.fix == "pip install surely-not-installed"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module.resources, "files", lambda name: tmp_path)
    (tmp_path / "shipped").mkdir()
    return tmp_path / "shipped"


def test_shipped_weights_are_verified(package: Path, kept_weights: Path):
    assert "none are shipped" in found("weights").value
    shutil.copy(kept_weights, package / "kept.safetensors")
    assert found("weights kept").good and "well-formed" in found("weights kept").value
    hashed = __import__("hashlib").sha256(kept_weights.read_bytes()).hexdigest()
    (package / "SHA256SUMS").write_text(f"{hashed}  kept.safetensors\n")
    assert "as shipped" in found("weights kept").value
    (package / "SHA256SUMS").write_text(f"{'0' * 64} *kept.safetensors\n")
    assert found("weights kept").good is False and "0000000000000000… was shipped" in found("weights kept").value


def test_damaged_weights_are_to_be_mended(package: Path, kept_weights: Path, gesso: Callable):
    (package / "kept.safetensors").write_bytes(kept_weights.read_bytes()[:-7])
    assert found("weights kept").good is False
    code, out, _ = gesso("doctor")
    assert code == 1 and "fix" in out and "install gesso again" in out
