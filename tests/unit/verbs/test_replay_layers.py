"""Layers contain their record: .ora and .psd files are replayed exactly, inspected, signed, and used as a request like a PNG."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gesso.errors import GessoError
from gesso.media.ora import RECORD as MEMBER
from gesso.media.ora import encode_ora, merged_in_ora
from gesso.media.psd import encode_psd
from gesso.media.psd_reader import merged_in_psd
from gesso.record import read_record
from gesso.verbs.inspect import inspect
from gesso.verbs.load import load
from gesso.verbs.replay import replay

LAYERED = Path(__file__).parent.parent / "serving" / "layered.py"
KINDS = pytest.mark.parametrize("suffix", [".ora", ".psd"])


@pytest.fixture(scope="module")
def result() -> Any:
    page = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    return load(LAYERED).generate(page=page, seed=5)


def without_record(path: Path, result: Any) -> Path:
    layers = result.layered()
    path.write_bytes(encode_ora(layers) if path.suffix == ".ora" else encode_psd(layers))
    return path


@KINDS
def test_equal_to_the_bit_from_the_file_alone(result: Any, tmp_path: Path, suffix: str):
    path = result.save(tmp_path / f"made{suffix}")
    assert read_record(path).request == result.record.request
    made = replay(path, tmp_path / f"again{suffix}", recipe=LAYERED)
    assert made.equal and not made.changed and made.differences == []
    merged = merged_in_ora if suffix == ".ora" else merged_in_psd
    np.testing.assert_array_equal(merged((tmp_path / f"again{suffix}").read_bytes()), merged(path.read_bytes()))


@KINDS
def test_in_a_new_process_and_another_folder(result: Any, tmp_path: Path, suffix: str):
    path = result.save(tmp_path / f"made{suffix}")
    (tmp_path / "elsewhere").mkdir()
    words = [sys.executable, "-m", "gesso", "replay", str(path), "--recipe", str(LAYERED), "--out", f"again{suffix}"]
    paths = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(words, cwd=tmp_path / "elsewhere", env={**os.environ, **paths}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "equal to the bit" in done.stdout, done.stderr


@KINDS
def test_a_request_begins_from_layers(result: Any, tmp_path: Path, suffix: str):
    path = result.save(tmp_path / f"made{suffix}")
    asked = load(LAYERED, base=path).request(base=path)
    assert asked.seed == 5 and asked.conditions == result.request.conditions


@KINDS
def test_a_file_without_a_record_says_so(result: Any, tmp_path: Path, suffix: str, refused: Callable[..., str]):
    path = without_record(tmp_path / f"bare{suffix}", result)
    assert "carries no record" in refused("replay", path, "--recipe", LAYERED)
    assert inspect(path).record is None


@KINDS
def test_changed_pixels_are_told(result: Any, tmp_path: Path, suffix: str):
    from dataclasses import replace

    layers = replace(result.layered(), line=255 - result.layered().line)
    path = tmp_path / f"changed{suffix}"
    path.write_bytes((encode_ora if suffix == ".ora" else encode_psd)(layers, None, result.record.text()))
    made = replay(path, recipe=LAYERED)
    assert made.equal and made.changed and "pixels were changed" in made.differences[0]


@KINDS
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_a_file_that_is_cut_short(result: Any, tmp_path: Path, suffix: str, share: float, refused: Callable[..., str]):
    data = result.file(suffix)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: int(share * len(data))])
    if suffix == ".psd" and share > 0.5:  # the record lies before the layers and is whole; the pixels are not
        made = replay(path, recipe=LAYERED)
        assert made.equal and made.changed and "cannot be read any more" in made.differences[0]
    else:
        assert path.name in refused("replay", path, "--recipe", LAYERED)


def test_another_record_in_the_zip_is_read_as_a_strangers(result: Any, tmp_path: Path, refused: Callable[..., str]):
    path = tmp_path / "spoilt.ora"
    for text in (b"", b"{", b"[]", b'{"gesso": 1}', b"\xff\xfe", b"[" * 100_000):
        with zipfile.ZipFile(io.BytesIO(result.file(".ora"))) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                new.writestr(name, text if name == MEMBER else old.read(name))
        assert "spoilt.ora" in refused("replay", path, "--recipe", LAYERED)


@KINDS
def test_other_programs_open_what_carries_a_record(result: Any, tmp_path: Path, suffix: str):
    path = result.save(tmp_path / f"made{suffix}")
    if suffix == ".psd":
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), result.layered().merged())
    else:
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist()[0] == "mimetype" and archive.testzip() is None


@KINDS
def test_signed_layers_are_replayed(result: Any, tmp_path: Path, suffix: str):
    pytest.importorskip("c2pa", reason="the extra gesso[studio] is not installed: nothing is signed")
    from gesso.marking.marker import Marker
    from gesso.storage.home import SIGNING

    marker = Marker(tmp_path / SIGNING)
    path = result.save(tmp_path / f"signed{suffix}", mark=marker)
    found = inspect(path, home=tmp_path)
    assert found.manifest is not None and found.manifest.state == "intact" and found.record is not None
    assert replay(path, recipe=LAYERED).equal
    other = load(LAYERED).generate(page=np.zeros((20, 30, 3), np.uint8))
    from gesso.marking.signing_request import ORA, PSD, signing_request_of

    asked = signing_request_of(other.card, other.request, other.record, "layers", ORA if suffix == ".ora" else PSD)
    assert "record differs" in str(marker.mark(asked, result.file(suffix)).why)
    marker.close()


def test_no_layers_in_a_zip_of_another_kind(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.ora", "w") as archive:
        archive.writestr("word/document.xml", "x")
    with pytest.raises(GessoError, match="not an OpenRaster|mimetype"):
        read_record(tmp_path / "a.ora")
