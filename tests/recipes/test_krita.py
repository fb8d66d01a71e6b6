"""Layers of a coloured drawing, opened by Debian's Krita: it shows what we say, to the bit. Nightly: `pytest -m nightly -k krita`."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gesso.media.ora import encode_ora
from gesso.media.psd import encode_psd
from gesso.studio import sample_folder

pytestmark = [pytest.mark.nightly]
HINTS = ["120,150,#ff8800", "60,60,skyblue"]


@pytest.fixture(scope="module")
def krita(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """krita(file): the pixels that Krita exports, uint8 [h w 3]; Krita needs a screen, so it runs on a virtual one."""
    for program, package in (("krita", "krita"), ("xvfb-run", "xvfb")):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here (apt-get install {package}): layers are not opened by Krita")
    home = tmp_path_factory.mktemp("krita")
    home.chmod(0o700)
    own = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "XDG_CONFIG_HOME": str(home / "config"), "LIBGL_ALWAYS_SOFTWARE": "1"}

    def export(path: Path) -> np.ndarray:
        out = path.with_name(path.name + ".png")
        command = ["xvfb-run", "-a", "krita", "--export", "--export-filename", str(out), str(path)]
        done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, timeout=500)
        assert out.is_file(), done.stderr[-2000:]
        shown = np.asarray(Image.open(out).convert("RGBA"))
        assert (shown[..., 3] == 255).all(), "somewhere the page is see-through"
        return shown[..., :3]

    return export


@pytest.fixture(scope="module")
def coloured() -> Any:
    from gesso.verbs.load import load

    folder = sample_folder()
    assert folder is not None
    drawing = Image.open(sorted(folder.glob("*.png"))[0]).convert("L")
    drawing.thumbnail((400, 400))
    return load("colorize").generate(sketch=np.asarray(drawing), hints=HINTS, seed=5)


@pytest.mark.parametrize("suffix", [".ora", ".psd"])
def test_krita_shows_the_line_over_its_flats(krita: Any, coloured: Any, tmp_path: Path, suffix: str) -> None:
    path = coloured.save(tmp_path / f"drawing{suffix}")
    assert np.array_equal(krita(path), coloured.layered().merged())


@pytest.mark.parametrize(("suffix", "encode"), [(".ora", encode_ora), (".psd", encode_psd)])
def test_without_the_line_krita_shows_the_flats(krita: Any, coloured: Any, tmp_path: Path, suffix: str, encode: Any) -> None:
    layers = coloured.layered()
    path = tmp_path / f"flats{suffix}"
    path.write_bytes(encode(replace(layers, line=np.full_like(layers.line, 255))))
    assert np.array_equal(krita(path), layers.flats)


def test_krita_opens_layers_that_are_signed(krita: Any, coloured: Any, tmp_path: Path) -> None:
    """The manifest is one more file in the zip."""
    pytest.importorskip("c2pa", reason="the extra gesso[studio] is not installed: nothing is signed")
    from gesso.marking.marker import Marker
    from gesso.marking.reading import read_manifest

    marker = Marker(tmp_path / "signing")
    path = coloured.save(tmp_path / "signed.ora", mark=marker)
    marker.close()
    assert read_manifest(path).state == "intact"
    assert np.array_equal(krita(path), coloured.layered().merged())
