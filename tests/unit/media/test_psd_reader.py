"""Reading of the record and the merged picture from Photoshop documents, also hostile ones."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.layers import layered
from gesso.media.packbits import packed, unpacked
from gesso.media.psd import PROFILE, RECORD, encode_psd
from gesso.media.psd_reader import merged_in_psd, record_in_psd
from gesso.rules.fill import over_line
from unit.media.flat import drawing

LINE, FLATS = drawing()
TEXT = '{"gesso": "지우"}'
DATA = encode_psd(layered(LINE, FLATS), {"parameters": "x"}, TEXT)
RESOURCES = 30  # where the section's length lies
PLACE = DATA.index(struct.pack(">4sH", b"8BIM", RECORD))


def with_bytes(place: int, contents: bytes) -> bytes:
    return DATA[:place] + contents + DATA[place + len(contents) :]


def test_the_record_and_the_merged_picture():
    assert record_in_psd(DATA) == TEXT
    assert record_in_psd(encode_psd(layered(LINE, FLATS), {"parameters": "x"})) is None
    np.testing.assert_array_equal(merged_in_psd(DATA), over_line(FLATS, LINE))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 1000])
def test_a_record_of_any_length(length: int):
    assert record_in_psd(encode_psd(layered(LINE, FLATS), None, "a" * length)) == "a" * length


def test_the_record_changes_no_pixel_and_no_layer():
    psd_tools = pytest.importorskip("psd_tools", reason="reads the documents back; it is in the extra [dev]")
    import io

    opened = psd_tools.PSDImage.open(io.BytesIO(DATA))
    np.testing.assert_array_equal(np.asarray(opened.topil(apply_icc=False)), over_line(FLATS, LINE))
    assert opened.image_resources.get_data(PROFILE)


BAD = {
    "empty": (b"", "cut short"),
    "only the magic": (b"8BPS", "cut short"),
    "another file": (b"8BIM" + DATA[4:], "not a Photoshop document"),
    "a large document": (with_bytes(4, b"\x00\x02"), "psb"),
    "cut in the resources": (DATA[: PLACE + 4], "cut short"),
    "resources without end": (with_bytes(RESOURCES, b"\xff\xff\xff\xff"), "cut short"),
    "colours without end": (with_bytes(26, b"\x7f\xff\xff\xff"), "cut short"),
    "no resource": (with_bytes(RESOURCES + 4, b"zzzz"), "damaged"),
    "a record that reaches over the end": (with_bytes(PLACE + 20, b"\xff\xff\xff\xff"), "exceeds the section"),
}


@pytest.mark.parametrize(("data", "why"), BAD.values(), ids=BAD)
def test_damaged_documents(data: bytes, why: str):
    with pytest.raises(GessoError, match=why) as caught:
        record_in_psd(data, where="cat.psd")
    assert caught.value.where == "cat.psd" and caught.value.fix


def test_the_number_of_resources_is_limited():
    one = struct.pack(">4sHHI", b"8BIM", 4000, 0, 0)
    section = one * 20_000
    data = DATA[:RESOURCES] + struct.pack(">I", len(section)) + section
    with pytest.raises(GessoError, match="more than 10000 image resources"):
        record_in_psd(data)


def test_a_record_over_the_budget():
    with pytest.raises(GessoError, match="larger than"):
        record_in_psd(DATA, budget=Budget(max_text_bytes=5))


def test_an_inconsistent_merged_picture_is_refused():
    with pytest.raises(GessoError, match="30000 x 30000"):
        merged_in_psd(with_bytes(14, struct.pack(">II", 30_000, 30_000)))
    with pytest.raises(GessoError, match="8-bit RGB"):
        merged_in_psd(with_bytes(22, struct.pack(">HH", 16, 3)))
    with pytest.raises(GessoError, match="cut short"):
        merged_in_psd(DATA[:-5])
    with pytest.raises(GessoError, match="damaged"):
        merged_in_psd(DATA[:-40] + bytes(40))


def test_packed_rows_are_unpacked():
    rng = np.random.default_rng(0)
    for plane in (rng.integers(0, 256, (40, 300)), rng.integers(0, 2, (40, 300)), np.full((3, 1000), 7)):
        plane = plane.astype(np.uint8)
        data, sizes = packed(plane)
        ends = np.cumsum(sizes)
        rows = [unpacked(data[end - size : end], plane.shape[1]) for size, end in zip(sizes, ends, strict=True)]
        assert b"".join(rows) == plane.tobytes()


def test_unpacking_a_row_is_bounded():
    assert len(unpacked(bytes([129, 0]) * 10**6, 1000)) < 1200


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, len(DATA)))
def test_no_damage_is_more_than_an_error(changes: list[tuple[int, int]], length: int):
    data = bytearray(DATA)
    for place, value in changes:
        data[place] = value
    cut = bytes(data[: length if length % 3 == 0 else None])
    for read in (record_in_psd, merged_in_psd):
        try:
            read(cut)
        except GessoError:
            pass


def test_the_same_layers_and_record_are_the_same_bytes():
    assert zlib.crc32(encode_psd(layered(LINE, FLATS), {"parameters": "x"}, TEXT)) == zlib.crc32(DATA)
