"""Bad pictures are refused by every reader with reason, place and fix, before memory is allocated."""

import io
import os
import random
import re
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.picture import read_picture, read_png_text
from unit.media import made
from unit.media.made import chunk, noise, png, rows_of, saved

GOOD = noise(24, 24, 3)
FRAMES = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]


def animated(kind):
    return saved(FRAMES[0], kind, save_all=True, append_images=FRAMES[1:])


def cut(kind, part=0.6):
    data = saved(GOOD, kind)
    return data[: int(len(data) * part)]


def without_last_row_data(data):
    """The same PNG with a sound stream of pixels that ends a few bytes early."""
    start, end = data.index(b"IDAT") + 4, data.index(b"IEND") - 8
    return data[: start - 8] + chunk(b"IDAT", zlib.compress(zlib.decompress(data[start:end])[:-3])) + chunk(b"IEND", b"")


def with_wrong_checksum(data):
    """Sound but for one bit in the checksum of the pixels."""
    spoiled = bytearray(data)
    spoiled[data.index(b"IEND") - 5] ^= 1
    return bytes(spoiled)


BAD = {
    "empty": (b"", "empty"),
    "text": (b"A cat, lying on a mat.\n", "this is text"),
    "utf8": ("猫".encode() * 50, "this is text"),
    "noise": (noise(5000).tobytes(), "not a picture"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG.*render it first"),
    "pdf": (b"%PDF-1.7 ...", "PDF.*export the page"),
    "photoshop": (b"8BPS\x00\x01" + bytes(40), "Photoshop"),
    "avif": (b"\x00\x00\x00 ftypavif" + bytes(40), "AVIF.*PNG"),
    "ppm, not on the list": (b"P6 16 16 255\n" + bytes(768), "whatever its name says"),
    "icon": (saved(GOOD, "ICO"), "icon"),
    "cut PNG": (cut("PNG"), "PNG is cut short"),
    "cut JPEG": (cut("JPEG"), "cut short"),
    "cut WebP": (cut("WEBP"), "cut short|damaged"),
    "cut GIF": (cut("GIF"), "cut short|damaged"),
    "cut BMP": (cut("BMP"), "cut short|damaged"),
    "cut TIFF": (cut("TIFF"), "cut short|damaged"),
    "PNG without its end": (png(24, 24, 8, 2, rows_of(GOOD))[:-12], "cut short"),
    "PNG with too few rows": (png(24, 24, 8, 2, rows_of(GOOD[:9])), "cut short"),
    "interlaced PNG with too few rows": (without_last_row_data(made.interlaced_png(GOOD)), "cut short"),
    "PNG with no rows": (made.SIGNATURE + png(24, 24, 8, 2)[8:33] + chunk(b"IEND", b""), "cut short"),
    "PNG of two headers": (png(24, 24, 8, 2, rows_of(GOOD), before=png(30000, 30000, 8, 2)[8:33]), "damaged"),
    "PNG signature alone": (made.SIGNATURE, "cut short"),
    "PNG wrong checksum": (with_wrong_checksum(png(24, 24, 8, 2, rows_of(GOOD))), "PNG is damaged"),
    "CMYK JPEG": (saved(Image.new("CMYK", (16, 16)), "JPEG"), "CMYK.*save it as RGB"),
    "CMYK TIFF": (saved(Image.new("CMYK", (16, 16)), "TIFF"), "CMYK.*save it as RGB"),
    "Lab TIFF": (saved(Image.new("LAB", (16, 16)), "TIFF"), "Lab.*save it as RGB"),
    "animated PNG": (animated("PNG"), "animated PNG.*save one frame"),
    "animated GIF": (animated("GIF"), "animated GIF.*save one frame"),
    "animated WebP": (animated("WEBP"), "animated WEBP.*save one frame"),
    "TIFF of two pages": (animated("TIFF"), "several pages.*save one frame"),
    "TIFF packed as WebP": (
        made.tiff({256: (3, 16), 257: (3, 16), 258: (3, 8), 259: (3, 50001), 262: (3, 1), 273: (4, 8)}),
        "packed in a way that is not read",
    ),
    "1 x 1": (saved(noise(1, 1, 3), "PNG"), "1 x 1 pixels.*at least 8 x 8"),
    "thin": (saved(noise(100, 7, 3), "JPEG"), "7 x 100 pixels.*at least 8 x 8"),
    "NaN TIFF": (saved(np.full((16, 16), np.nan, np.float32), "TIFF"), "NaN"),
}
BOMBS = {
    "PNG 22 KB": (made.png_bomb(), "13300 x 13400"),
    "PNG 40000": (png(40000, 40000, 8, 2), "40000 x 40000"),
    "PNG of 2^31": (png(2**31 - 1, 2**31 - 1, 8, 2), "2147483647"),
    "PNG wide": (png(33000, 8, 8, 0), "32768 a side"),
    "JPEG": (made.jpeg_bomb(), "more pixels"),
    "JPEG below Pillow's own guard": (made.jpeg_bomb(9000, 9000), "9000 x 9000"),
    "GIF page": (made.gif_bomb(16, 16, canvas=40000), "more pixels"),
    "GIF frame": (made.gif_bomb(), "more pixels"),
    "GIF frame below Pillow's own guard": (made.gif_bomb(9000, 9000), "9000 x 9000"),
    "BMP": (made.bmp_bomb(), "more pixels"),
    "TIFF": (made.tiff_bomb(), "more pixels"),
    "TIFF tiles": (made.tiff_bomb(16, 16, tile=40000), "40000 x 40000"),
    "WebP VP8X": (made.webp_bomb("VP8X"), "16384 x 16384"),
    "WebP VP8L": (made.webp_bomb("VP8L"), "16384 x 16384"),
    "WebP VP8": (made.webp_bomb("VP8"), "16383 x 16383"),
    "PNG profile": (png(24, 24, 8, 2, rows_of(GOOD), before=chunk(b"iCCP", b"p\x00\x00" + made.zeros(2**28))), "more text or metadata"),
    "PNG text": (png(24, 24, 8, 2, rows_of(GOOD), before=chunk(b"zTXt", b"p\x00\x00" + made.zeros(2**28))), "more text or metadata"),
    "PNG texts": (
        png(24, 24, 8, 2, rows_of(GOOD), before=chunk(b"iTXt", b"p\x00\x01\x00\x00\x00" + made.zeros(2**25)) * 3),
        "more text or metadata",
    ),
}


def refused(source, **options):
    with pytest.raises(GessoError) as caught:
        read_picture(source, **options)
    return caught.value


@pytest.mark.parametrize("name", BAD | BOMBS)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bad_pictures_are_refused_with_reason_place_and_fix(name, tmp_path):
    data, why = (BAD | BOMBS)[name]
    path = tmp_path / "cat.png"
    path.write_bytes(data)
    for source in (path, data, io.BytesIO(data)):
        error = refused(source)
        assert re.search(why, str(error)), str(error)
        assert error.fix and error.where == (str(path) if source is path else "bytes" if source is data else "open file")
        assert "0x" not in str(error) and "Pillow" not in str(error)
    assert str(refused(data, where="sketch")).startswith("sketch: ")


def test_the_bomb_is_small_and_opens_without_limits():
    data, _ = BOMBS["PNG 22 KB"]
    assert 20_000 < len(data) < 25_000
    with pytest.warns(Image.DecompressionBombWarning), Image.open(io.BytesIO(data)) as image:
        assert image.size == (13300, 13400)


REFUSE_IN_LITTLE_MEMORY = """
import resource, sys, warnings
from gesso.errors import GessoError
from gesso.media.picture import read_picture, read_png_text
import PIL.BmpImagePlugin, PIL.GifImagePlugin, PIL.JpegImagePlugin, PIL.PngImagePlugin, PIL.TiffImagePlugin, PIL.WebPImagePlugin
warnings.simplefilter("ignore")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + {allowed}, taken + {allowed}))
before = peak()
for path in sys.argv[1:]:
    try:
        read_picture(path)
    except GessoError as error:
        print(error.what)
    else:
        print("READ", path)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits and counts memory through Linux")
def test_bombs_are_refused_before_memory_is_allocated(tmp_path):
    allowed = 96 * 2**20  # the texts that inflate are stopped at 64 MiB; the pictures at nothing
    bombs = {name: bomb for name, bomb in BOMBS.items() if "text" not in name and "profile" not in name}
    for number, (data, _) in enumerate(bombs.values()):
        (tmp_path / f"{number:02}.png").write_bytes(data)
    run = subprocess.run(
        [sys.executable, "-c", REFUSE_IN_LITTLE_MEMORY.format(allowed=allowed), *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    *messages, grown = run.stdout.splitlines()
    assert len(messages) == len(bombs) and not any("READ" in message or "not enough memory" in message for message in messages), messages
    for message in messages:
        assert "pixels" in message, message  # refused for its size, not for want of memory
    assert int(grown) < 24 * 2**20


def test_decoding_the_bomb_exceeds_the_childs_memory_limit(tmp_path):
    """The check above bites: a picture within the budget needs more memory than the child there may take."""
    path = tmp_path / "large.png"
    path.write_bytes(saved(Image.new("RGB", (4096, 4096)), "PNG", compress_level=1))
    run = subprocess.run(
        [sys.executable, "-c", REFUSE_IN_LITTLE_MEMORY.format(allowed=48 * 2**20), str(path)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        timeout=120,
    )
    assert "not enough memory" in run.stdout, run.stdout + run.stderr


@pytest.mark.parametrize("kind, head", [(b"iCCP", b"p\x00\x00"), (b"zTXt", b"p\x00\x00"), (b"iTXt", b"p\x00\x01\x00\x00\x00")])
def test_metadata_is_inflated_only_up_to_the_budget(kind, head):
    data = png(24, 24, 8, 2, rows_of(GOOD), before=chunk(kind, head + made.zeros(2**26)))
    budget = Budget(max_text_bytes=2**20)
    for read in (read_picture, read_png_text) if kind != b"iCCP" else (read_picture,):
        tracemalloc.start()
        try:
            with pytest.raises(GessoError, match="more text or metadata"):
                read(data, budget=budget)
            assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        finally:
            tracemalloc.stop()


def test_files_larger_than_the_budget_are_refused(tmp_path):
    path = tmp_path / "cat.png"
    path.write_bytes(saved(GOOD, "PNG"))
    small = Budget(max_bytes=500)
    for source in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        with pytest.raises(GessoError, match="larger than"):
            read_picture(source, budget=small)


def test_every_reader_checks_decoded_bytes():
    clear = noise(32, 32, 4)
    palette = Image.fromarray(noise(32, 32) % 3)
    palette.putpalette(bytes(range(9)))
    key = {"transparency": 1}
    files = [saved(clear, "PNG"), saved(clear, "WEBP"), saved(palette, "PNG", **key), saved(palette, "GIF", **key)]
    files += [Image.fromarray(clear), clear]
    enough, short = Budget(max_decoded_bytes=32 * 32 * 4 * 4), Budget(max_decoded_bytes=32 * 32 * 4 * 4 - 1)
    for source in files:
        read_picture(source, budget=enough)
        assert "in memory" in str(refused(source, budget=short))


def test_paths_without_a_picture_are_refused(tmp_path):
    assert "no such file" in str(refused(tmp_path / "none.png"))
    assert "folder" in str(refused(tmp_path))
    assert "a part of this path is a file" in str(refused(__file__ + "/cat.png"))
    assert "character" in str(refused("cat\0.png"))
    assert "too long" in str(refused("c" * 5000 + ".png"))
    assert "no file was named" in str(refused(""))
    assert "not opened" in str(refused("https://example.org/cat.png"))
    assert refused("no/such/cat.png").where == "no/such/cat.png"
    assert len(str(refused("c" * 100_000))) < 600
    assert "\x1b" not in str(refused("cat\x1b[31m.png"))
    str(refused(os.fsdecode(b"cat\xff.png"))).encode("utf-8")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_without_a_writer_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "cat.png")
    assert "pipe or a device" in str(refused(tmp_path / "cat.png"))
    assert "pipe or a device" in str(refused("/dev/zero"))


@pytest.mark.parametrize(
    "array, why",
    [
        (np.full((16, 16, 3), np.nan), "NaN"),
        (np.full((16, 16, 3), np.inf), "NaN or infinity"),
        (np.full((16, 16, 3), 200.0), "from 200 to 200.*floats in"),
        (np.full((16, 16, 3), -0.5), "from -0.5"),
        (np.zeros((16, 16), np.int64), "int64.*uint8"),
        (np.zeros((16, 16), complex), "complex128"),
        (np.array([["a"] * 16] * 16), "<U1"),
        (np.zeros((16, 16), object), "object"),
        (np.zeros((3, 16, 16), np.uint8), "channels last"),
        (np.zeros((16, 16, 2), np.uint8), r"\[16, 16, 2\]"),
        (np.zeros((1, 16, 16, 3), np.uint8), "channels last"),
        (np.zeros(16, np.uint8), r"\[16\]"),
        (np.zeros((0, 16, 3), np.uint8), "no pixels"),
        (np.zeros((16, 0), np.uint8), "no pixels"),
        (np.zeros((4, 16, 3), np.uint8), "16 x 4 pixels.*too small"),
        (np.broadcast_to(np.uint8(0), (40000, 40000, 3)), "40000 x 40000"),
    ],
)
def test_arrays(array, why):
    with pytest.raises(GessoError, match=f"^sketch: .*{why}"):
        read_picture(array, where="sketch")


def test_opened_images():
    assert "CMYK" in str(refused(Image.new("CMYK", (16, 16))))
    assert "animated GIF" in str(refused(Image.open(io.BytesIO(animated("GIF")))))
    assert "cut short" in str(refused(Image.open(io.BytesIO(cut("JPEG", 0.9)))))
    assert "40000 x 1000" in str(refused(Image.new("1", (40000, 1000))))


@pytest.mark.parametrize("source", [None, 7, ["cat.png"], io.StringIO("cat")])
def test_sources_of_other_types_are_refused(source):
    assert refused(source).fix


def test_a_closed_or_write_only_file(tmp_path):
    closed = io.BytesIO(b"x")
    closed.close()
    assert "cannot be read" in str(refused(closed))
    with (tmp_path / "cat.png").open("wb") as file:
        assert "cannot be read" in str(refused(file))


def test_least_side_can_be_chosen():
    assert read_picture(noise(1, 1, 3), least_side=1).shape == (1, 1, 3)
    with pytest.raises(GessoError, match="at least 32 x 32"):
        read_picture(saved(noise(24, 24, 3), "PNG"), least_side=32)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files through /proc")
def test_no_file_stays_open(tmp_path):
    paths = []
    for number, (data, _) in enumerate(BAD.values()):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(data)
    paths.append(tmp_path / "good.png")
    paths[-1].write_bytes(saved(GOOD, "PNG"))
    before = len(os.listdir("/proc/self/fd"))
    held = []
    for path in paths:
        try:
            held.append(read_picture(path))
        except GessoError as error:
            held.append(error)  # a traceback would keep a forgotten file alive
    assert len(os.listdir("/proc/self/fd")) == before


def broken(data, rng):
    """Cut, or with a few bits or bytes changed; most often near the front, where the structure is."""
    if rng.random() < 0.3:
        return data[: rng.randrange(len(data))]
    spoiled = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        place = rng.randrange(min(len(data), 120)) if rng.random() < 0.6 else rng.randrange(len(data))
        spoiled[place] = rng.choice([spoiled[place] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)])
    return bytes(spoiled)


def with_right_checksums(data):
    """PNG checksums mended, so that what was spoiled reaches the decoder."""
    mended, place = bytearray(data), 8
    while place + 12 <= len(mended):
        length = int.from_bytes(mended[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(mended):
            break
        mended[end : end + 4] = zlib.crc32(mended[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(mended)


FUZZED = {
    "PNG": {},
    "PNG interlaced palette": {},
    "JPEG": {},
    "JPEG progressive": {"progressive": True},
    "WEBP": {},
    "WEBP lossless": {"lossless": True},
    "GIF": {},
    "BMP": {},
    "TIFF": {},
    "TIFF lzw": {"compression": "tiff_lzw"},
    "TIFF jpeg": {"compression": "jpeg"},
}


@pytest.mark.parametrize("name", FUZZED)
@pytest.mark.filterwarnings("ignore")
def test_spoiled_files_are_refused_or_read(name):
    rng = random.Random(name)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(GOOD).quantize(8) if "palette" in name or name == "GIF" else Image.fromarray(GOOD)
    kind = name.split()[0]
    data = saved(picture, kind, **({} if kind in ("GIF", "BMP") else {"exif": exif}), **FUZZED[name])
    num_refused = 0
    for _ in range(60):
        spoiled = broken(data, rng)
        if kind == "PNG" and rng.random() < 0.7:
            spoiled = with_right_checksums(spoiled)
        try:
            read = read_picture(spoiled, budget=Budget(max_pixels=2**20))
        except GessoError as error:
            num_refused += 1
            assert error.fix
        else:
            assert read.dtype == np.uint8 and read.ndim in (2, 3) and min(read.shape[:2]) >= 8 and read.size <= 2**22
    assert 5 <= num_refused <= 60


def test_pillow_does_not_accept_truncated_files():
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
