"""Reading of films: facts, times, kinds of pixels, limits, and damage that is named."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed: films are not tried")
from gesso.errors import GessoError
from gesso.media.medium import Carried, carrier, medium
from gesso.media.planes import Planes
from gesso.media.video import Video, VideoBudget, decode, read_record, thumb
from gesso.media.video_writer import Look, SegmentWriter, complete, segment_path
from unit.media.clip import clip, frame


def read(path: Path, **limits) -> tuple[Video, list]:
    with Video(path, VideoBudget(**limits)) as video:
        return video, [(one.number, one.pts, one.planes) for one in video.frames()]


def test_frames_come_with_their_times_and_values(tmp_path: Path):
    pts = [0, 512, 700, 2000, 2001]
    video, shots = read(clip(tmp_path / "a.mp4", pts=pts))
    assert [one[1] for one in shots] == pts and [one[0] for one in shots] == list(range(5))
    wanted = np.frombuffer(frame(3, 48, 32, "yuv420p").planes[0], np.uint8).reshape(32, -1)[:, :48]
    assert np.abs(shots[3][2].luma.astype(int) - wanted).mean() < 4
    assert shots[0][2].chroma[0].shape == (16, 24) and video.damage == []


def test_facts_are_the_headers(tmp_path: Path):
    path = clip(tmp_path / "a.mp4", sound="aac", tags=(1, 9, 9, 16), aspect=Fraction(4, 3), rotation=90)
    with Video(path) as video:
        facts, first = video.facts, next(video.frames())
    assert (facts.width, facts.height, facts.bits, facts.rate, facts.num_frames) == (48, 32, 8, 25, 12)
    assert facts.aspect == Fraction(4, 3) and facts.sound == ("aac",) and first.rotation == 90
    assert (facts.colours.range, facts.colours.matrix, facts.colours.primaries, facts.colours.transfer) == (1, 9, 9, 16)


@pytest.mark.parametrize(
    ("pixels", "bits", "chroma"),
    [("yuv420p10le", 10, (16, 24)), ("yuv444p", 8, (32, 48)), ("yuv422p10le", 10, (32, 24)), ("yuvj420p", 8, (16, 24))],
)
def test_kinds_of_pixels(tmp_path: Path, pixels: str, bits: int, chroma: tuple[int, int] | None):
    _, shots = read(clip(tmp_path / "a.mkv", 3, pixels=pixels))
    planes: Planes = shots[0][2]
    assert planes.bits == bits and (planes.chroma[0].shape if planes.chroma else None) == chroma
    assert abs(float(planes.luma.mean()) / planes.peak - 0.46) < 0.06


def test_odd_sizes_and_rgb_are_read(tmp_path: Path):
    _, shots = read(clip(tmp_path / "a.mkv", 2, size=(37, 25), pixels="yuv444p", codec="ffv1"))
    assert shots[0][2].luma.shape == (25, 37)
    _, shots = read(clip(tmp_path / "b.mkv", 2, size=(36, 24), pixels="bgr0", codec="ffv1"))
    assert shots[0][2].chroma is not None
    _, shots = read(clip(tmp_path / "c.mkv", 2, size=(36, 24), pixels="gray", codec="ffv1"))
    assert shots[0][2].chroma is None and shots[0][2].luma.shape == (24, 36)


def test_reading_goes_on_after_a_time(tmp_path: Path):
    path = clip(tmp_path / "a.mp4", 30, keys=10)
    _, whole = read(path)
    with Video(path) as video:
        rest = [(one.pts, one.planes.luma) for one in video.frames(after=512 * 16)]
    assert [pts for pts, _ in rest] == [512 * i for i in range(17, 30)]
    assert all((a == b[2].luma).all() for (_, a), b in zip(rest, whole[17:], strict=True))


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_pixels": 1000}, "48 x 32"),
        ({"max_frames": 5}, "12 frames"),
        ({"max_seconds": 0.2}, "lasts"),
        ({"max_bytes": 100}, "larger than"),
    ],
)
def test_limits_are_told(tmp_path: Path, limits: dict, told: str):
    with pytest.raises(GessoError, match=told):
        read(clip(tmp_path / "a.mp4"), **limits)


def test_a_truncated_film_is_read_as_far_as_it_goes_and_its_end_is_named(tmp_path: Path):
    path = clip(tmp_path / "a.mkv", 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _, shots = read(path)
    assert 5 < len(shots) < 40


def test_a_broken_frame_is_named_by_number_and_time(tmp_path: Path):
    """The bytes of one picture in the middle are overwritten."""
    import av

    path = clip(tmp_path / "a.mkv", 12, codec="mpeg4", keys=1)
    with av.open(str(path)) as film:
        packets = [bytes(one) for one in film.demux(video=0) if one.size]
    data = path.read_bytes()
    at = data.index(packets[5])
    path.write_bytes(data[:at] + b"\xff" * len(packets[5]) + data[at + len(packets[5]) :])
    video, shots = read(path)
    assert video.num_damaged >= 1 and len(shots) >= 11
    assert any(abs(one.seconds - 0.2) < 0.05 and one.number == 5 for one in video.damage), list(map(str, video.damage))
    assert "frame 5 at 0.2" in str(video.damage[0])


@pytest.mark.parametrize("data", [b"", b"no film", b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 400])
def test_what_is_no_film_is_refused(tmp_path: Path, data: bytes):
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with pytest.raises(GessoError, match="the file is empty|not a film|damaged: at byte 24"):
        read(path)
    with pytest.raises(GessoError):
        decode(data)


def test_places_that_are_no_file(tmp_path: Path):
    with pytest.raises(GessoError, match="no such file"):
        Video(tmp_path / "none.mp4")
    with pytest.raises(GessoError, match="folder"):
        Video(tmp_path)


def test_bytes_are_decoded_and_shown(tmp_path: Path):
    data = clip(tmp_path / "a.mp4").read_bytes()
    with decode(data) as video:
        assert thumb(video).shape == (32, 48, 3)
    with pytest.raises(GessoError, match="larger"):
        decode(data, VideoBudget(max_bytes=10))
    assert read_record(tmp_path / "a.mp4") is None


def look(bits: int = 8) -> Look:
    return Look(48, 32, bits, Fraction(1, 12800), Fraction(25), Fraction(1), _colours())


def _colours():
    from gesso.media.video import Colours

    return Colours(1, 1, 1, 1)


def planes(number: int, bits: int = 8) -> Planes:
    kind = np.uint8 if bits == 8 else np.uint16
    grey = np.full((16, 24), 1 << (bits - 1), kind)
    return Planes(np.full((32, 48), number * 8 % (1 << bits), kind), (grey, grey), bits)


@pytest.mark.parametrize("bits", [8, 10])
def test_segments_are_films_and_complete_ones_are_kept(tmp_path: Path, bits: int):
    sides = {"width": 64, "height": 64} if bits == 10 else {}
    seen = Look(**{**vars(look(bits)), **sides})
    one = planes(1, bits)
    if bits == 10:
        grey = np.full((32, 32), 512, np.uint16)
        one = Planes(np.full((64, 64), 600, np.uint16), (grey, grey), 10)
    writer = SegmentWriter(tmp_path / "parts", seen, {"film": "x"}, size=4)
    for number in range(10):
        writer.append(one, 512 * number)
    assert writer.frames == 8 and writer.last == 512 * 7
    writer.drop_segment()
    _, shots = read(segment_path(tmp_path / "parts", 1))
    assert len(shots) == 4 and shots[0][2].bits == bits
    again = SegmentWriter(tmp_path / "parts", seen, {"film": "x"}, resume=True, size=4)
    assert again.done == complete(tmp_path / "parts") and len(again.done) == 2
    with pytest.raises(GessoError, match="another film"):
        SegmentWriter(tmp_path / "parts", seen, {"film": "y"}, resume=True, size=4)
    assert SegmentWriter(tmp_path / "parts", seen, {"film": "y"}, size=4).done == []


def test_the_medium_writes_frame_by_frame_and_reads_its_record(tmp_path: Path):
    film = medium("video")
    path = tmp_path / "x.mp4"
    for ending in (".mp4", ".mkv"):
        path = tmp_path / f"x{ending}"
        writer = film.writer(path, Carried('{"a": 1}', options={"look": look()}))
        for number in range(5):
            writer.append((planes(number), 512 * number))
        assert not path.exists()
        writer.close()
        data = path.read_bytes()
        assert carrier(data) is film and film.record_in(data, where="x") == '{"a": 1}'
        value = film.decode(data, where="x")
        film.check(value, where="film", recipe="toy")
        assert film.thumb(value).shape == (32, 48, 3)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.mkv", "x.mp4"]
    left = film.writer(tmp_path / "y.mp4", Carried(options={"look": look()}))
    left.append((planes(0), 0))
    left.abandon()
    assert not list(tmp_path.glob("*y*"))
    assert film.carries(b"\0\0\0\x1cftypavif") == "", "a picture in the same container"


def test_equal_frames_have_equal_hashes(tmp_path: Path):
    hashes = []
    for name, first in (("a", 0), ("b", 0), ("c", 1)):
        writer = SegmentWriter(tmp_path / name, look(), {}, size=3)
        for number in range(3):
            writer.append(planes(number + first), 512 * number)
        hashes.append(writer.done[0].sha256)
    assert hashes[0] == hashes[1] != hashes[2]
