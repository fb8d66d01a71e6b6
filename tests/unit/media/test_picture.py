"""Pictures are read exactly, for every mode, rotation and source."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.picture import data_url, encode_png, from_data_url, read_picture, read_png_text, to_white
from unit.media.made import chunk, interlaced_png, noise, png, rows_of, saved, tiff

SHAPES = [(20, 30), (20, 30, 3), (20, 30, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_source_gives_the_same_pixels(shape, tmp_path):
    picture = noise(*shape)
    data = encode_png(picture)
    path = tmp_path / "cat.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        ways = [str(path), path, data, bytearray(data), io.BytesIO(data), file, Image.open(io.BytesIO(data)), picture, data_url(picture)]
        for way in ways:
            read = read_picture(way)
            assert read.dtype == np.uint8 and read.flags.c_contiguous and read.flags.writeable
            np.testing.assert_array_equal(read, picture)


@pytest.mark.parametrize("kind, options", [("WEBP", {"lossless": True, "exact": True}), ("TIFF", {}), ("BMP", {}), ("PNG", {})])
def test_lossless_formats_are_exact(kind, options):
    picture = noise(20, 30, 3)
    np.testing.assert_array_equal(read_picture(saved(picture, kind, **options)), picture)


@pytest.mark.parametrize("compression", ["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate"])
def test_tiff_packings(compression):
    picture = noise(20, 30, 3)
    np.testing.assert_array_equal(read_picture(saved(picture, "TIFF", compression=compression)), picture)


def test_jpeg_is_near_and_grey_jpeg_stays_grey():
    smooth = np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[:, None], 32, axis=1)
    read = read_picture(saved(smooth, "JPEG", quality=95))
    assert read.shape == (32, 32)
    assert np.abs(read.astype(int) - smooth).max() <= 3


def test_an_mpo_file_gives_its_first_picture():
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    read = read_picture(saved(first, "MPO", save_all=True, append_images=[second]))
    assert read[8, 8, 0] > 240 and read[8, 8, 2] < 15


def test_one_bit():
    bits = noise(16, 24) > 127
    for kind in ("PNG", "TIFF", "BMP"):
        np.testing.assert_array_equal(read_picture(saved(Image.fromarray(bits), kind)), bits * np.uint8(255))


@pytest.mark.parametrize("height, width", [(8, 8), (9, 13), (16, 24), (17, 10), (21, 8)])
def test_interlaced_png(height, width):
    colour, bits = noise(height, width, 3), noise(height, width) > 127
    np.testing.assert_array_equal(read_picture(interlaced_png(colour)), colour)
    np.testing.assert_array_equal(read_picture(interlaced_png(bits)), bits * np.uint8(255))


def test_palette_with_half_transparency():
    palette = bytes([10, 20, 30, 40, 50, 60, 70, 80, 90])
    index = np.arange(16 * 24, dtype=np.uint8).reshape(16, 24) % 3
    plain = png(24, 16, 8, 3, rows_of(index), before=chunk(b"PLTE", palette))
    clear = png(24, 16, 8, 3, rows_of(index), before=chunk(b"PLTE", palette) + chunk(b"tRNS", b"\x00\x80"))
    colours = np.frombuffer(palette, np.uint8).reshape(3, 3)[index]
    np.testing.assert_array_equal(read_picture(plain), colours)
    read = read_picture(clear)
    np.testing.assert_array_equal(read[..., :3], colours)
    np.testing.assert_array_equal(read[..., 3], np.array([0, 128, 255], np.uint8)[index])


def test_gif_with_a_transparent_colour():
    index = Image.fromarray(np.arange(16 * 24, dtype=np.uint8).reshape(16, 24) % 3)
    index.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    read = read_picture(saved(index, "GIF", transparency=1))
    assert read[0, 0].tolist() == [255, 0, 0, 255]
    assert read[0, 1, 3] == 0


@pytest.mark.parametrize("bits, value, shows", [(1, 1, 255), (2, 2, 170), (4, 3, 51), (8, 200, 200)])
def test_grey_png_with_a_transparent_shade(bits, value, shows):
    samples = np.full((16, 16), value)
    samples[0] = 0
    each = 8 // bits
    packed = sum(samples[:, place::each] << (8 - bits * (place + 1)) for place in range(each)).astype(np.uint8)
    read = read_picture(png(16, 16, bits, 0, rows_of(packed), before=chunk(b"tRNS", value.to_bytes(2, "big"))))
    assert read[0, 0].tolist() == [0, 0, 0, 255]
    assert read[1, 0].tolist() == [shows, shows, shows, 0]


def test_16_bit_colour_png_with_a_transparent_colour():
    samples = np.arange(16 * 16 * 3, dtype=np.uint16).reshape(16, 16, 3) * 85
    key = b"".join(int(value).to_bytes(2, "big") for value in samples[3, 4])
    read = read_picture(png(16, 16, 16, 2, rows_of(samples), before=chunk(b"tRNS", key)))
    np.testing.assert_array_equal(read[..., :3], samples >> 8)
    assert read[3, 4, 3] == 0 and (read[..., 3] == 0).sum() == 1


def test_grey_and_alpha():
    both = noise(16, 24, 2)
    for kind in ("PNG", "TIFF"):
        read = read_picture(saved(Image.fromarray(both, "LA"), kind))
        np.testing.assert_array_equal(read, both[..., [0, 0, 0, 1]])


def test_fully_opaque_alpha_is_dropped():
    opaque = noise(16, 24, 4)
    opaque[..., 3] = 255
    assert read_picture(saved(opaque, "PNG")).shape == (16, 24, 3)
    assert read_picture(opaque).shape == (16, 24, 3)
    assert read_picture(Image.fromarray(opaque[..., 2:].copy(), "LA")).shape == (16, 24)


def test_16_bit_grey_is_scaled_never_clipped():
    ramp = np.linspace(0, 65535, 16 * 24).astype(np.uint16).reshape(16, 24)
    want = np.rint(ramp / 257).astype(np.uint8)
    assert want.min() == 0 and want.max() == 255 and len(np.unique(want)) == 256
    for data in (png(24, 16, 16, 0, rows_of(ramp)), saved(ramp, "TIFF"), saved(ramp, "PNG")):
        np.testing.assert_array_equal(read_picture(data), want)
    np.testing.assert_array_equal(read_picture(ramp), want)
    np.testing.assert_array_equal(read_picture(Image.fromarray(ramp)), want)
    big_endian = Image.frombytes("I;16B", (24, 16), ramp.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_picture(big_endian), want)


def test_12_bit_grey_is_scaled_by_its_own_top():
    ramp = np.linspace(0, 4095, 16 * 16).astype(int).reshape(16, 16)
    first, second = ramp[:, ::2], ramp[:, 1::2]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1).astype(np.uint8).tobytes()
    tags = {256: (3, 16), 257: (3, 16), 258: (3, 12), 259: (3, 1), 262: (3, 1), 273: (4, 8), 277: (3, 1), 278: (3, 16), 279: (4, 384)}
    np.testing.assert_array_equal(read_picture(tiff(tags, packed)), np.rint(ramp * 255 / 4095))


def test_dark_16_bit_grey_stays_dark():
    assert read_picture(png(16, 16, 16, 0, rows_of(np.full((16, 16), 200, np.uint16)))).max() == 1


def test_16_bit_grey_with_a_transparent_shade():
    ramp = np.arange(16 * 16, dtype=np.uint16).reshape(16, 16) * 256
    read = read_picture(png(16, 16, 16, 0, rows_of(ramp), before=chunk(b"tRNS", (512).to_bytes(2, "big"))))
    assert read[0, 2].tolist() == [2, 2, 2, 0] and (read[..., 3] == 0).sum() == 1


@pytest.mark.parametrize("top, scale", [(255, 1), (65535, 257)])
def test_32_bit_integers_are_scaled_by_their_values(top, scale):
    ramp = np.linspace(0, top, 16 * 24).astype(np.int32).reshape(16, 24)
    want = np.rint(ramp / scale)
    np.testing.assert_array_equal(read_picture(Image.fromarray(ramp)), want)
    np.testing.assert_array_equal(read_picture(saved(ramp, "TIFF")), want)


@pytest.mark.parametrize("top, scale", [(1, 255), (255, 1)])
def test_float_pictures_are_scaled_by_their_values(top, scale):
    ramp = np.linspace(0, top, 16 * 24).astype(np.float32).reshape(16, 24)
    want = np.rint(ramp.astype(float) * scale)
    np.testing.assert_array_equal(read_picture(Image.fromarray(ramp)), want)
    np.testing.assert_array_equal(read_picture(saved(ramp, "TIFF")), want)


@pytest.mark.parametrize("value", [-1, 70000])
def test_whole_numbers_beyond_any_range_are_refused(value):
    with pytest.raises(GessoError, match=f"{value}"):
        read_picture(Image.fromarray(np.full((16, 16), value, np.int32)))


UPRIGHT = {1: (0, False), 2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind, options", [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})])
def test_exif_rotation(kind, options, orientation):
    picture, exif = noise(12, 20, 3), Image.Exif()
    exif[0x0112] = orientation
    turns, mirrored = UPRIGHT[orientation]
    want = np.rot90(picture, turns)
    want = want[:, ::-1] if mirrored and orientation in (2, 4) else np.swapaxes(picture, 0, 1) if orientation == 5 else want
    want = np.swapaxes(picture[::-1, ::-1], 0, 1) if orientation == 7 else want
    np.testing.assert_array_equal(read_picture(saved(picture, kind, exif=exif, **options)), want)


def test_a_jpeg_on_its_side_from_a_telephone():
    picture, exif = np.zeros((16, 32, 3), np.uint8), Image.Exif()
    picture[:, 16:] = 255
    exif[0x0112] = 6  # the telephone was held upright: what is at the right belongs at the bottom
    read = read_picture(saved(picture, "JPEG", exif=exif, quality=95))
    assert read.shape == (32, 16, 3) and read[:12].mean() < 10 and read[20:].mean() > 245


def test_broken_exif_is_ignored():
    picture = noise(16, 16, 3)
    data = png(16, 16, 8, 2, rows_of(picture), before=chunk(b"eXIf", b"MM\x00*garbage"))
    np.testing.assert_array_equal(read_picture(data), picture)


def test_the_users_image_is_unchanged_and_open():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.open(io.BytesIO(saved(noise(12, 20, 3), "PNG", exif=exif)))
    assert read_picture(image).shape == (20, 12, 3)
    assert image.size == (20, 12) and image.getpixel((0, 0))


def test_arrays():
    grey = noise(16, 24)
    np.testing.assert_array_equal(read_picture(grey[..., None]), grey)
    np.testing.assert_array_equal(read_picture(grey > 99), (grey > 99) * np.uint8(255))
    for dtype in (np.float16, np.float32, np.float64):
        np.testing.assert_array_equal(read_picture((grey / 255).astype(dtype)), grey)
    overshot = np.array([[-0.001, 1.001]] * 16, np.float32).repeat(8, axis=1)
    assert set(np.unique(read_picture(overshot))) == {0, 255}
    other = read_picture(grey)
    grey[:] = 0
    assert other.max() > 0


def test_to_white():
    assert (to_white(np.full((8, 8), 7, np.uint8)) == 7).all() and to_white(np.zeros((8, 8), np.uint8)).shape == (8, 8, 3)
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    picture = np.stack([colour, colour, colour, alpha], -1).astype(np.uint8)
    want = np.rint((colour * alpha + 255.0 * (255 - alpha)) / 255)
    np.testing.assert_array_equal(to_white(picture)[..., 1], want)
    same = noise(8, 8, 3)
    copied = to_white(same)
    np.testing.assert_array_equal(copied, same)
    assert copied is not same


@pytest.mark.parametrize("shape", SHAPES)
def test_a_png_is_exact_and_opens_elsewhere(shape):
    picture = noise(*shape)
    data = encode_png(picture, {"gesso": "{}", "Source": "é ≠ 画"})
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), picture)
        assert image.text == {"gesso": "{}", "Source": "é ≠ 画"}


@pytest.mark.parametrize("bad", [np.zeros((8, 8, 2), np.uint8), np.zeros((8, 8), np.float32), np.zeros((0, 8), np.uint8), "cat.png"])
def test_invalid_pictures_are_not_written(bad):
    for write in (encode_png, data_url, to_white):
        with pytest.raises(GessoError, match="not a picture"):
            write(bad)


def test_data_urls():
    picture = noise(16, 16, 4)
    url = data_url(picture)
    np.testing.assert_array_equal(from_data_url(url), picture)
    np.testing.assert_array_equal(from_data_url(url.replace("image/png", "image/jpeg;charset=utf-8")), picture)
    for bad, why in [
        ("cat.png", "not a data URL"),
        ("data:text/html;base64,AAAA", "not a data URL"),
        (url[:60] + "!" + url[61:], "damaged"),
        ("data:image/png;base64,", "empty"),
    ]:
        with pytest.raises(GessoError, match=why):
            from_data_url(bad)
    with pytest.raises(GessoError, match="sketch: the picture is larger than"):
        from_data_url(url, Budget(max_bytes=500), where="sketch")


def test_text_comes_from_every_kind_of_source(tmp_path):
    data = encode_png(noise(8, 8), {"gesso": "one"})
    path = Path(tmp_path, "cat.png")
    path.write_bytes(data)
    for source in (path, str(path), data, io.BytesIO(data)):
        assert read_png_text(source) == {"gesso": "one"}
