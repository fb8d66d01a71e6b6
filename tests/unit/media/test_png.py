"""Texts in PNG files: long, hostile, or with changed pixels."""

import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from gesso.errors import GessoError
from gesso.media import png
from gesso.media.budget import Budget
from gesso.media.picture import encode_png, read_picture, read_png_text
from unit.media.made import SIGNATURE, chunk, noise, rows_of, saved, zeros
from unit.media.made import png as made_png

PICTURE = noise(16, 16, 3)


def with_chunks(*chunks):
    return made_png(16, 16, 8, 2, rows_of(PICTURE), before=b"".join(chunks))


def compressed_itxt(keyword, packed):
    return chunk(b"iTXt", keyword + b"\x00\x01\x00en\x00\x00" + packed)


@pytest.mark.parametrize(
    "words", ["", "{}", "é 画 🎨\n\ttabs", "x" * png.PART_BYTES, "é" * (png.PART_BYTES // 2 + 1), "a" + "🎨" * 900_000]
)
def test_text_round_trips(words):
    data = encode_png(PICTURE, {"gesso": words, "Source": "trained algorithmic media"})
    assert read_png_text(data) == {"gesso": words, "Source": "trained algorithmic media"}
    np.testing.assert_array_equal(read_picture(data), PICTURE)


def test_a_record_of_45_megabytes():
    words = json.dumps({"picture": "QUJDRA==" * (45_000_000 // 8)})
    data = encode_png(PICTURE, {"gesso": words})
    assert read_png_text(data)["gesso"] == words
    np.testing.assert_array_equal(read_picture(data), PICTURE)
    lengths = [len(part.data) for part in png.chunks(data)]
    assert max(lengths) < 2_000_000  # libpng gives up at 8 MB a chunk, Firefox at 4
    with Image.open(io.BytesIO(data)) as image:  # and Pillow reads the file too
        image.load()
        assert image.size == (16, 16)


def test_text_is_read_even_with_broken_pixels():
    data = encode_png(PICTURE, {"gesso": "one"})
    at = data.index(b"IDAT") + 20
    assert read_png_text(data[:at] + b"\x00\xff\x00\xff" + data[at + 4 :]) == {"gesso": "one"}
    huge = SIGNATURE + made_png(2**31 - 1, 2**31 - 1, 8, 2)[8:33] + png.text_chunks({"gesso": "one"}) + data[data.index(b"IDAT") - 4 :]
    assert read_png_text(huge) == {"gesso": "one"}


def test_text_survives_a_program_that_changes_pixels_and_keeps_texts():
    words = "é" * 2_000_000
    with Image.open(io.BytesIO(encode_png(PICTURE, {"gesso": words}))) as image:
        kept = PngImagePlugin.PngInfo()
        for keyword, value in image.text.items():
            kept.add_itxt(keyword, value)
        for options in ({"pnginfo": kept}, {"pnginfo": packed(image.text)}):
            assert read_png_text(saved(Image.new("RGB", (16, 16)), "PNG", **options)) == {"gesso": words}


def packed(texts):
    info = PngImagePlugin.PngInfo()
    for keyword, value in texts.items():
        info.add_itxt(keyword, value, zip=True)
    return info


def test_the_three_kinds_of_text_chunk():
    data = with_chunks(
        chunk(b"tEXt", b"latin\x00caf\xe9"),
        chunk(b"zTXt", b"packed\x00\x00" + zlib.compress(b"caf\xe9")),
        compressed_itxt(b"unicode", zlib.compress("画".encode())),
        chunk(b"iTXt", b"title\x00\x00\x00en-GB\x00T\xc3\xa4tel\x00plain"),
    )
    assert read_png_text(data) == {"latin": "café", "packed": "café", "unicode": "画", "title": "plain"}


def test_texts_after_the_pixels_are_read():
    data = made_png(16, 16, 8, 2, rows_of(PICTURE))
    assert read_png_text(data[:-12] + chunk(b"tEXt", b"late\x00yes") + data[-12:]) == {"late": "yes"}


@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"zTXt", b"p\x00\x00" + zeros(2**28)),
        compressed_itxt(b"p", zeros(2**28)),
        compressed_itxt(b"p", zeros(2**25)) * 3,
        b"".join(compressed_itxt(b"p%d" % number, zeros(2**20)) for number in range(65)),
    ],
)
def test_packed_texts_are_bounded_one_by_one_and_together(bomb):
    with pytest.raises(GessoError, match=r"cat.png: the PNG carries more text or metadata than 67 MB \(save"):
        read_png_text(with_chunks(bomb), where="cat.png")


def test_plain_texts_are_bounded_too():
    data = encode_png(PICTURE, {"gesso": "x" * 5000})
    assert read_png_text(data, budget=Budget(max_text_bytes=5000)) == {"gesso": "x" * 5000}
    with pytest.raises(GessoError, match="more text"):
        read_png_text(data, budget=Budget(max_text_bytes=4999))
    with pytest.raises(GessoError, match="larger than"):
        read_png_text(data, budget=Budget(max_bytes=4999))


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "not a PNG"),
        (saved(PICTURE, "JPEG"), "not a PNG"),
        (SIGNATURE, "cut short"),
        (encode_png(PICTURE, {"gesso": "one"})[:-20], "cut short"),
        (SIGNATURE + chunk(b"IDAT", b""), "damaged"),
        (SIGNATURE + b"\x00\x00\x00\x00\x00\x01\x02\x03" + bytes(8), "damaged"),
        (encode_png(PICTURE, {"gesso": "one"}).replace(b"one", b"two"), "text inside this PNG is damaged"),
        (with_chunks(chunk(b"zTXt", b"p\x00\x00garbage")), "damaged"),
        (with_chunks(chunk(b"iTXt", b"p\x00\x01")), "damaged"),
        (with_chunks(chunk(b"iTXt", b"")), "damaged"),
        (SIGNATURE + made_png(16, 16, 8, 2)[8:33] + chunk(b"teSt", b"") * (png.MAX_CHUNKS + 1), "chunks"),
    ],
)
def test_broken_png_files_are_refused(data, why):
    with pytest.raises(GessoError, match=why) as caught:
        read_png_text(data, where="cat.png")
    assert caught.value.where == "cat.png" and caught.value.fix


def test_a_missing_part_is_detected():
    data = encode_png(PICTURE, {"gesso": "x" * (3 * png.PART_BYTES)})
    parts = [part for part in png.chunks(data) if part.kind == b"iTXt"]
    assert len(parts) == 3
    for lost in parts[1:]:
        with pytest.raises(GessoError, match="has lost a part"):
            read_png_text(data.replace(bytes(lost.whole), b""))
    moved = data.replace(bytes(parts[1].whole), b"").replace(bytes(parts[2].whole), bytes(parts[2].whole) + bytes(parts[1].whole))
    assert read_png_text(moved)["gesso"] == "x" * (3 * png.PART_BYTES)


def test_a_keyword_that_only_looks_like_a_part_is_kept():
    data = with_chunks(chunk(b"tEXt", b"page +1/2\x00left"))
    assert read_png_text(data) == {"page +1/2": "left"}


@pytest.mark.parametrize("keyword", ["", " a", "a ", "a  b", "é", "a\x00b", "a\nb", "k" * 65, "gesso +1/2"])
def test_invalid_keywords_are_refused(keyword):
    with pytest.raises(GessoError, match="keyword"):
        encode_png(PICTURE, {keyword: "x"})


def test_a_truncated_file_never_gives_half_a_text():
    data = encode_png(noise(8, 8), {"gesso": "abcdef"})
    for end in range(len(data)):
        with pytest.raises(GessoError):
            read_png_text(data[:end])
    assert read_png_text(data) == {"gesso": "abcdef"}


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (1, 9, 3), (33, 17, 3), (12, 20, 4)])
def test_the_quick_encoder_keeps_the_pixels(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for given in (pixels, pixels[::-1], pixels[:, ::-1]):
        opened = Image.open(io.BytesIO(png.quick(given)))
        opened.load()
        np.testing.assert_array_equal(np.asarray(opened), given)
