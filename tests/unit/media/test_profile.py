"""Colour profiles are applied if they change colours, and are never an error."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from gesso.media import png
from gesso.media.picture import encode_png, read_picture, read_sheet
from gesso.media.profile import MAX_BYTES, srgb_profile, to_srgb
from unit.media import icc, made
from unit.media.made import noise, saved

ADOBE = icc.profile(b"RGB ", 2.2, icc.ADOBE)
GREY = icc.profile(b"GRAY", 1.8)
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def with_profile(picture, profile):
    """The PNG with an iCCP chunk, built apart from the code under test."""
    data = saved(picture, "PNG")
    return data[:33] + made.chunk(b"iCCP", b"p\x00\x00" + zlib.compress(profile)) + data[33:]


def test_a_wide_profile_is_converted_as_its_arithmetic_says():
    picture = noise(40, 50, 3)
    out, name = to_srgb(picture, ADOBE)
    assert name == "A test"
    assert np.abs(out - icc.wanted(picture, 2.2, icc.ADOBE)).max() <= 2
    assert (np.abs(out.astype(int) - picture).max(-1) > 2).mean() > 0.5  # it did change colour


def test_white_and_black_are_unchanged():
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4] = 255
    np.testing.assert_array_equal(to_srgb(picture, ADOBE)[0], picture)
    ink = np.where(RAMP > 200, np.uint8(255), np.uint8(0))
    np.testing.assert_array_equal(to_srgb(ink, GREY)[0], ink)


def test_every_srgb_profile_leaves_all_bits():
    picture = noise(40, 50, 3)
    for profile in (srgb_profile(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        out, name = to_srgb(picture, profile)
        assert name is None and out is picture
    grey, name = to_srgb(RAMP, srgb_profile())
    assert name is None and grey is RAMP


def test_our_own_profile_is_valid_and_deterministic():
    data = srgb_profile()
    srgb_profile.cache_clear()
    assert srgb_profile() == data and len(data) < 1000
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(data)))


def test_grey_line_art_of_a_grey_profile():
    out, name = to_srgb(RAMP, GREY)
    linear = (RAMP / 255) ** 1.8
    want = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert name and out.shape == RAMP.shape and out.dtype == np.uint8
    assert np.abs(out - want).max() <= 2 and np.abs(out.astype(int) - RAMP).max() > 10


def test_grey_pixels_under_a_colour_profile_stay_grey():
    out, name = to_srgb(RAMP, ADOBE)
    colour = np.repeat(RAMP[..., None], 3, -1)
    assert name and out.ndim == 2
    assert np.abs(out - icc.wanted(colour, 2.2, icc.ADOBE)[..., 1]).max() <= 2
    tinted = icc.profile(b"RGB ", 2.2, (icc.ADOBE[0], icc.ADOBE[1], (0.05, 0.0232, 0.3)))
    coloured, name = to_srgb(RAMP, tinted)  # white there is no white: grey becomes a colour
    assert name and coloured.shape == (16, 16, 3)


def test_alpha_is_kept_and_grey_with_alpha_takes_its_grey_profile():
    picture = noise(16, 16, 4)
    out, _ = to_srgb(picture, ADOBE)
    np.testing.assert_array_equal(out[..., 3], picture[..., 3])
    np.testing.assert_array_equal(out[..., :3], to_srgb(np.ascontiguousarray(picture[..., :3]), ADOBE)[0])
    both = np.stack([RAMP, RAMP, RAMP, noise(16, 16)], -1)
    out, name = to_srgb(both, GREY)
    assert name
    np.testing.assert_array_equal(out[..., :3], np.repeat(to_srgb(RAMP, GREY)[0][..., None], 3, -1))
    np.testing.assert_array_equal(out[..., 3], both[..., 3])


def test_strips_make_no_seams():
    picture = noise(30, 20, 3)
    tall = np.tile(picture, (2000, 1, 1))  # more than one strip
    out, _ = to_srgb(tall, ADOBE)
    np.testing.assert_array_equal(out, np.tile(to_srgb(picture, ADOBE)[0], (2000, 1, 1)))


@pytest.mark.parametrize(
    "profile",
    [
        b"",
        b"acsp" * 100,
        ADOBE[:100],
        ADOBE[:300],
        ADOBE[:36] + b"xxxx" + ADOBE[40:],
        ADOBE[:16] + b"CMYK" + ADOBE[20:],
        ADOBE[:16] + b"Lab " + ADOBE[20:],
        ADOBE[:12] + b"link" + ADOBE[16:],
        ADOBE[:128] + b"\xff" * (len(ADOBE) - 128),
        ADOBE + bytes(MAX_BYTES),
        GREY,
    ],
    ids=["none", "noise", "head", "cut", "magic", "inks", "lab", "link", "tags", "huge", "grey on colour"],
)
def test_a_profile_that_cannot_be_used_leaves_the_pixels(profile):
    picture = noise(16, 16, 3)
    out, name = to_srgb(picture, profile)
    assert name is None and out is picture
    np.testing.assert_array_equal(read_picture(with_profile(picture, profile)), picture)
    np.testing.assert_array_equal(read_picture(saved(picture, "TIFF", icc_profile=profile)), picture)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([ADOBE, GREY]), st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=12), st.integers(0, 700))
def test_damaged_profiles_are_never_an_error(profile, changes, length):
    data = bytearray(profile)
    for place, value in changes:
        if place < len(data):
            data[place] = value
    for picture in (RAMP, np.repeat(RAMP[..., None], 3, -1)):
        out, _ = to_srgb(picture, bytes(data[: length or None]))
        assert out.dtype == np.uint8 and out.shape[:2] == picture.shape[:2]


@pytest.mark.parametrize("kind, options", [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 100})])
def test_every_format_that_carries_a_profile(kind, options):
    picture = np.full((32, 32, 3), (40, 200, 90), np.uint8)
    sheet = read_sheet(saved(picture, kind, icc_profile=ADOBE, **options))
    assert sheet.profile == "A test"
    assert np.abs(sheet.pixels - icc.wanted(picture, 2.2, icc.ADOBE)).max() <= (6 if kind == "JPEG" else 2)
    opened = Image.open(io.BytesIO(saved(picture, kind, icc_profile=ADOBE, **options)))
    np.testing.assert_array_equal(read_picture(opened), sheet.pixels)


def test_a_png_profile_of_more_than_pillow_reads():
    fat = bytearray(ADOBE) + bytes(2**21)
    fat[:4] = len(fat).to_bytes(4, "big")
    sheet = read_sheet(with_profile(noise(16, 16, 3), bytes(fat)))
    assert sheet.profile == "A test"


def test_a_damaged_profile_chunk_is_ignored():
    picture = noise(16, 16, 3)
    data = saved(picture, "PNG")
    wrong_sum = bytearray(made.chunk(b"iCCP", b"p\x00\x00" + zlib.compress(ADOBE)))
    wrong_sum[-1] ^= 1
    for chunk in (made.chunk(b"iCCP", b"p\x00\x00not zlib"), bytes(wrong_sum), made.chunk(b"iCCP", b""), made.chunk(b"iCCP", b"p" * 90)):
        np.testing.assert_array_equal(read_picture(data[:33] + chunk + data[33:]), picture)


def test_a_palettes_colours_are_converted_too():
    index = Image.fromarray((RAMP % 2).astype(np.uint8))
    index.putpalette([40, 200, 90, 255, 255, 255])
    read = read_picture(saved(index, "PNG", icc_profile=ADOBE))
    assert np.abs(read[0, 0] - icc.wanted(np.array([40, 200, 90], np.uint8), 2.2, icc.ADOBE)).max() <= 2
    assert read[0, 1].tolist() == [255, 255, 255]


def test_outputs_are_tagged_srgb_and_round_trip_to_the_bit():
    picture = noise(16, 16, 3)
    data = encode_png(picture, {"gesso": "{}"}, srgb=True)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["srgb"] == 1 and image.text == {"gesso": "{}"}
    np.testing.assert_array_equal(read_picture(data), picture)
    assert [chunk.kind for chunk in png.chunks(data)][:2] == [b"IHDR", b"sRGB"]
    assert b"sRGB" not in encode_png(picture)
