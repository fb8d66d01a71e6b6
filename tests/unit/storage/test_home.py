"""Where Gesso keeps its data: the environment first, then a folder that exists already, then the system's own."""

from __future__ import annotations

import sys
from pathlib import Path

import platformdirs
import pytest

from gesso.storage.home import data_home


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GESSO_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_on_linux_it_is_where_it_was(user: Path, monkeypatch: pytest.MonkeyPatch):
    assert data_home() == user / ".local" / "share" / "gesso"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_home() == user / ".local" / "share" / "gesso", "a relative XDG_DATA_HOME is ignored"
    monkeypatch.setenv("XDG_DATA_HOME", str(user / "data"))
    (user / ".local" / "share" / "gesso").mkdir(parents=True)
    assert data_home() == user / "data" / "gesso"
    monkeypatch.setenv("GESSO_HOME", "~/mine")
    assert data_home() == user / "mine"


def test_elsewhere_a_folder_of_an_earlier_version_is_found(user: Path, monkeypatch: pytest.MonkeyPatch):
    theirs = user / "Library" / "Application Support" / "gesso"
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *name, **more: theirs)
    assert data_home() == theirs
    earlier = user / ".local" / "share" / "gesso"
    earlier.mkdir(parents=True)
    assert data_home() == earlier
    theirs.mkdir(parents=True)
    assert data_home() == theirs
