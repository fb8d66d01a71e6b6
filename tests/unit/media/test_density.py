"""DPI is read from every format, round-trips through PNG, and is never an error."""

import io
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gesso.media.density import from_metres, kept_dpi, to_metres
from gesso.media.picture import data_url, encode_png, read_sheet, sheet_from_data_url
from unit.media.made import chunk, noise, png, rows_of, saved

PICTURE = noise(12, 20, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("dpi", [(300, 300), (72, 72), (350, 600)])
def test_dpi_is_read_from_every_format(kind, dpi):
    assert read_sheet(saved(PICTURE, kind, dpi=dpi)).dpi == dpi


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"])
def test_a_file_without_dpi_has_none(kind):
    assert read_sheet(saved(PICTURE, kind)).dpi in (None, (96, 96) if kind == "BMP" else None)
    assert read_sheet(PICTURE).dpi is None


@given(st.integers(2, 30000), st.integers(2, 30000))
def test_whole_numbers_round_trip(across, down):
    dpi = (float(across), float(down))
    assert from_metres(*to_metres(dpi)) == dpi


@given(st.floats(2, 30000))
def test_dpi_is_stable_over_repeated_writing(value):
    once = from_metres(*to_metres((value, value)))
    if once is not None:
        assert abs(once[0] - value) <= 0.03
        assert from_metres(*to_metres(once)) == once


@pytest.mark.parametrize(
    "value",
    [None, (0, 0), (300, 0), (-72, 72), (math.nan, 72), (math.inf, 72), (1e9, 1e9), (300,), (1, 2, 3), "300", ("x", "y"), 300, (1, 1)],
)
def test_invalid_dpi_are_none(value):
    assert kept_dpi(value) is None


def test_fractions_as_tiff_gives_them():
    from PIL.TiffImagePlugin import IFDRational

    assert kept_dpi((Fraction(300), IFDRational(600, 2))) == (300, 300)
    assert kept_dpi((IFDRational(1, 0), IFDRational(1, 0))) is None


def test_kept_through_a_png_and_a_data_url():
    for dpi in ((300.0, 300.0), (350.0, 600.0)):
        sheet = read_sheet(encode_png(PICTURE, {"gesso": "x"}, dpi=dpi))
        assert sheet.dpi == dpi and (sheet.pixels == PICTURE).all()
        assert sheet_from_data_url(data_url(PICTURE, dpi)).dpi == dpi
        with Image.open(io.BytesIO(encode_png(PICTURE, dpi=dpi))) as image:
            assert image.info["dpi"] == pytest.approx(dpi, abs=0.02)
    assert b"pHYs" not in encode_png(PICTURE)


def test_a_picture_on_its_side_turns_its_dpi():
    exif = Image.Exif()
    exif[0x0112] = 6
    sheet = read_sheet(saved(PICTURE, "PNG", exif=exif, dpi=(100, 200)))
    assert sheet.pixels.shape == (20, 12, 3) and sheet.dpi == (200, 100)


@pytest.mark.parametrize("body", [b"", b"\x00" * 5, b"\x00" * 8 + b"\x01", b"\xff" * 8 + b"\x01", b"\x00\x00\x2e\x23" * 2 + b"\x00"])
def test_a_broken_or_unitless_chunk_is_ignored(body):
    data = png(20, 12, 8, 2, rows_of(PICTURE), before=chunk(b"pHYs", body))
    sheet = read_sheet(data)
    assert sheet.dpi is None
    np.testing.assert_array_equal(sheet.pixels, PICTURE)
