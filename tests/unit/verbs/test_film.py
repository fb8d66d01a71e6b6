"""Films through a recipe: times, sound and tags stay; stopping, going on and the record; memory does not grow."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("av", reason="PyAV is not installed: films are not tried")
import av

from gesso.errors import GessoError
from gesso.media.video import Video, read_record
from gesso.record import LeftOut, parse_record
from gesso.storage.lock import locked
from gesso.verbs.assemble import assemble
from gesso.verbs.film import Filmed, film
from gesso.verbs.film_replay import is_film
from gesso.verbs.inspect import inspect
from gesso.verbs.replay import replay
from gesso.weights.store import save_weights
from unit.media.clip import clip, sound, times
from unit.verbs import toy


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    networks = assemble("upscale", preset="tiny", untrained=True).networks
    save_weights(path, {role: network.state_dict() for role, network in networks.items()}, {"recipe": "upscale", "preset": "tiny"})
    return path


def larger(source: Path, out: Path, weights: Path, scale: int = 2, **how) -> Filmed:
    return film("upscale", {"scale": scale}, video=source, out=out, weights=weights, threads=1, **how)


def frames(path: Path) -> list[np.ndarray]:
    with Video(path) as video:
        return [shot.planes.luma for shot in video.frames()]


def test_times_sound_tags_and_shape_stay(tmp_path: Path, weights: Path):
    pts = [0, 512, 700, 2000, 2001, 6000]
    given = clip(tmp_path / "a.mp4", pts=pts, sound="aac", tags=(1, 9, 9, 16), aspect=Fraction(4, 3), rotation=90)
    made = larger(given, tmp_path / "b.mp4", weights)
    assert made.done and made.frames == 6 and made.notes == []
    assert times(made.out) == times(given) == [Fraction(one, 12800) for one in pts]
    heard = sound(given)
    assert heard and sound(made.out) == heard[: len(sound(made.out))], "packets are copied, never encoded again"
    with Video(made.out) as video:
        facts, first = video.facts, next(video.frames())
    assert (facts.width, facts.height, facts.aspect, first.rotation) == (96, 64, Fraction(4, 3), 90)
    assert (facts.colours.range, facts.colours.matrix, facts.colours.primaries, facts.colours.transfer) == (1, 9, 9, 16)
    assert not (tmp_path / "b.mp4.parts").exists()


def test_the_picture_is_the_film_larger(tmp_path: Path, weights: Path):
    given = clip(tmp_path / "a.mp4", 4)
    for scale in (2, 3, 4):
        small, large = frames(given), frames(larger(given, tmp_path / f"{scale}.mp4", weights, scale).out)
        assert large[0].shape == tuple(n * scale for n in small[0].shape)
        mean = large[2].reshape(32, scale, 48, scale).mean((1, 3))
        assert np.abs(mean - small[2]).mean() < 4


@pytest.mark.parametrize(("kind", "ending"), [("yuv420p10le", ".mp4"), ("yuv420p10le", ".mkv")])
def test_ten_bits_stay_ten_bits(tmp_path: Path, weights: Path, kind: str, ending: str):
    made = larger(clip(tmp_path / "a.mkv", 5, size=(64, 64), pixels=kind), tmp_path / f"b{ending}", weights)
    with Video(made.out) as video:
        assert video.facts.bits == 10 and next(video.frames()).planes.luma.max() > 255


def test_an_odd_size_is_told(tmp_path: Path, weights: Path):
    given = clip(tmp_path / "a.mkv", 3, size=(37, 25), pixels="yuv444p", codec="ffv1")
    made = larger(given, tmp_path / "b.mp4", weights, 3)
    assert frames(made.out)[0].shape == (74, 110)
    assert any("111 columns are odd" in note for note in made.notes) and any("75 rows" in note for note in made.notes)
    assert larger(given, tmp_path / "c.mp4", weights, 2).notes == []


def test_the_record_is_inside_and_names_the_film(tmp_path: Path, weights: Path):
    for ending in (".mp4", ".mkv", ".mov"):
        made = larger(clip(tmp_path / "a.mp4"), tmp_path / f"b{ending}", weights)
        text = read_record(made.out)
        assert text is not None
        record = parse_record(json.loads(text), where="film")
        assert record == made.record and record.request.settings == {"scale": 2}
        assert record.left["picture"].name == "a.mp4" and record.output["film"].shape == (12, 64, 96)


def stopped_after(num: int):
    seen: list[int] = []
    return {"on_frame": lambda done, total, said: seen.append(done), "stop": lambda: len(seen) >= num, "segment": 4}


def test_a_stopped_film_plays_and_goes_on_to_the_same(tmp_path: Path, weights: Path):
    given = clip(tmp_path / "a.mp4", 20, sound="aac", keys=7)
    whole = larger(given, tmp_path / "whole.mp4", weights, segment=4)
    out = tmp_path / "b.mp4"
    first = larger(given, out, weights, **stopped_after(10))
    assert first.reason == "stopped" and first.frames == 10 and len(frames(out)) == 10
    assert times(out) == times(given)[:10]
    again = larger(given, out, weights, resume=True, segment=4)
    assert again.done and again.frames == 20 and times(out) == times(given)
    assert again.record.output == whole.record.output, "going on makes the frames of a run that was not stopped"
    for one, other in zip(frames(out), frames(whole.out), strict=True):  # x264 gives other bytes for the same frames now and then
        assert np.abs(one.astype(int) - other).max() <= 12


def test_a_killed_run_loses_no_more_than_a_segment(tmp_path: Path, weights: Path):
    given, out = clip(tmp_path / "a.mp4", 20), tmp_path / "b.mp4"
    told: list[int] = []

    def die(done: int, total: int, said: str) -> None:
        told.append(done)
        if done == 11:
            raise MemoryError

    with pytest.raises(MemoryError):
        larger(given, out, weights, segment=4, on_frame=die)
    assert not out.exists() and len(list((tmp_path / "b.mp4.parts").glob("*.json"))) == 3
    begun: list[int] = []
    made = larger(given, out, weights, segment=4, resume=True, on_frame=lambda done, total, said: begun.append(done))
    assert made.done and begun[0] == 9 and begun[-1] == 20


def test_another_film_is_not_gone_on_with(tmp_path: Path, weights: Path):
    out = tmp_path / "b.mp4"
    larger(clip(tmp_path / "a.mp4", 20), out, weights, **stopped_after(9))
    with pytest.raises(GessoError, match="another request"):
        larger(tmp_path / "a.mp4", out, weights, 3, resume=True, segment=4)
    with pytest.raises(GessoError, match="another film"):
        larger(clip(tmp_path / "c.mp4", 19), out, weights, resume=True, segment=4)


def test_what_cannot_be_done_is_told_before_any_work(tmp_path: Path, weights: Path):
    given = clip(tmp_path / "a.mkv", sound="wavpack")
    with pytest.raises(GessoError, match="wavpack.*b.mkv"):
        larger(given, tmp_path / "b.mp4", weights)
    with pytest.raises(GessoError, match=r"\.mp4, \.mov or \.mkv"):
        larger(given, tmp_path / "b.avi", weights)
    with pytest.raises(GessoError, match="overwrite"):
        larger(given, given, weights)
    with pytest.raises(GessoError, match="cannot be given"):
        film("upscale", {"picture": "x.png"}, video=given, out=tmp_path / "b.mkv", weights=weights)


def test_a_truncated_film_is_made_as_far_as_it_goes(tmp_path: Path, weights: Path):
    given = clip(tmp_path / "a.mkv", 40, sound="aac")
    given.write_bytes(given.read_bytes()[: given.stat().st_size // 2])
    made = larger(given, tmp_path / "b.mp4", weights)
    assert made.done and 5 < made.frames < 40 and len(frames(made.out)) == made.frames


def test_any_recipe_that_makes_a_picture_of_a_picture_takes_a_film(tmp_path: Path):
    """The toy tints its photo; it knows nothing of films."""
    given = clip(tmp_path / "a.mp4", 3)
    made = film(toy.recipe, {}, video=given, out=tmp_path / "b.mp4", threads=1)
    assert made.frames == 3 and frames(made.out)[0].shape == (32, 48)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_films_length(tmp_path: Path, weights: Path):
    """Peak memory of a process that makes 10 seconds, and of one that makes two minutes."""
    peaks = []
    for num in (250, 3000):
        given = clip(tmp_path / f"{num}.mp4", num, sound="aac")
        words = f"""
import resource
from gesso.verbs.film import film
film("upscale", {{"scale": 2}}, video={str(given)!r}, out={str(tmp_path / "out.mp4")!r}, weights={str(weights)!r}, threads=1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    print("peak memory in kB:", peaks)
    assert peaks[1] < peaks[0] * 1.05


def test_a_replay_makes_the_same_frames(tmp_path: Path, weights: Path):
    given = clip(tmp_path / "a.mp4", 6, sound="aac")
    made = larger(given, tmp_path / "b.mp4", weights)
    again = replay(made.out, weights=weights)
    assert again.equal and again.differences == [] and not again.changed, "the film lies beside it under its name"
    given.rename(tmp_path / "c.mp4")
    with pytest.raises(GessoError, match=r"made of the film 'a\.mp4'.*--with picture="):
        replay(made.out, weights=weights)
    assert replay(made.out, with_files={"picture": tmp_path / "c.mp4"}, weights=weights).equal
    assert replay(made.out, with_files=tmp_path, weights=weights).equal
    with pytest.raises(GessoError, match="another film"):
        replay(made.out, with_files={"picture": made.out}, weights=weights)


def test_a_replay_tells_other_frames_and_other_pictures(tmp_path: Path, weights: Path):
    given = clip(tmp_path / "a.mp4", 5)
    made = larger(given, tmp_path / "b.mp4", weights)
    torch.manual_seed(1)
    other = tmp_path / "other.safetensors"
    networks = assemble("upscale", preset="tiny", untrained=True).networks
    save_weights(other, {role: network.state_dict() for role, network in networks.items()}, {"recipe": "upscale", "preset": "tiny"})
    again = replay(made.out, weights=other)
    assert not again.equal and any("weights of upscale" in one for one in again.differences)
    assert any("frames came out differently" in one for one in again.differences)
    foreign = larger(clip(tmp_path / "dark.mp4", 5, keys=3), tmp_path / "c.mp4", weights)
    with av.open(str(foreign.out)) as source, av.open(str(tmp_path / "d.mp4"), "w", options={"movflags": "use_metadata_tags"}) as out:
        out.metadata["gesso"] = read_record(foreign.out)
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for one in source.decode(video=0):
            black = av.VideoFrame.from_ndarray(np.zeros((96, 96), np.uint8), format="yuv420p")
            black.pts, black.time_base = one.pts, one.time_base
            out.mux(stream.encode(black))
        out.mux(stream.encode())
    painted = replay(tmp_path / "d.mp4", weights=weights)
    assert painted.equal and painted.changed, "its record's frames can be made, but it shows others"


def test_inspect_shows_a_films_record(tmp_path: Path, weights: Path):
    given = clip(tmp_path / "a.mp4", 3)
    made = larger(given, tmp_path / "b.mp4", weights)
    seen = inspect(made.out)
    assert seen.record == made.record and seen.record.left["picture"].sha256 == sha256(given.read_bytes()).hexdigest()
    assert "picture" in dict(seen.rows())["given"]


@pytest.mark.parametrize("native", [False, True])
def test_the_number_type_is_kept_by_replay_and_by_going_on(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, native: bool):
    given = clip(tmp_path / "a.mp4", 12)

    def machine(has: bool) -> None:
        monkeypatch.setattr("gesso.verbs.film.multiplies_bfloat16", lambda device: has)

    machine(native)
    made = larger(given, tmp_path / "b.mp4", weights, segment=4)
    assert made.record.made.dtype == ("bfloat16" if native else "float32")
    whole = larger(given, tmp_path / "c.mp4", weights)
    larger(given, tmp_path / "d.mp4", weights, **stopped_after(6))
    machine(not native)
    assert replay(whole.out, weights=weights).equal
    again = larger(given, tmp_path / "d.mp4", weights, resume=True, segment=4)
    assert again.done and again.record.output == made.record.output and again.record.made.dtype == made.record.made.dtype


def test_a_second_run_leaves_the_parts_of_a_running_one(tmp_path: Path, weights: Path):
    given, parts = clip(tmp_path / "a.mp4", 3), tmp_path / "b.mp4.parts"
    parts.mkdir()
    (parts / "open.part").write_bytes(b"being written")
    with locked(parts, "another film"), pytest.raises(GessoError, match="another film is writing"):
        larger(given, tmp_path / "b.mp4", weights)
    assert (parts / "open.part").exists()


def test_going_on_keeps_threads_and_device(tmp_path: Path, weights: Path):
    given, out = clip(tmp_path / "a.mp4", 12), tmp_path / "b.mp4"
    larger(given, out, weights, **stopped_after(6))
    plan = tmp_path / "b.mp4.parts" / "plan.json"
    held = json.loads(plan.read_text())
    assert (held["threads"], held["device"]) == (1, "cpu")
    again = film("upscale", {"scale": 2}, video=given, out=out, weights=weights, threads=2, resume=True, **stopped_after(4))
    assert again.record.made.threads == 1
    plan.write_text(json.dumps({key: value for key, value in held.items() if key not in ("threads", "device")}))
    assert larger(given, out, weights, resume=True, segment=4).done, "a plan of an earlier version has neither"


def test_only_a_films_record_is_a_films(tmp_path: Path):
    made = film(toy.recipe, {}, video=clip(tmp_path / "a.mp4", 3), out=tmp_path / "b.mp4", threads=1)
    card = toy.recipe.card
    assert is_film(made.record, card)
    own = card.model_copy(update={"outputs": (card.outputs[0].model_copy(update={"name": "film"}),)})
    assert not is_film(made.record, own), "a recipe may have an output of that name"


def test_a_replay_reads_all_that_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = film(toy.recipe, {}, video=clip(tmp_path / "a.mp4", 3), out=tmp_path / "b.mp4", threads=1)
    more = LeftOut(sha256="0" * 64, name="tags.json", size=9)
    changed = made.record.model_copy(update={"left": {"tags": more, **made.record.left}})
    monkeypatch.setattr("gesso.verbs.replay.read_record", lambda source: changed)
    with pytest.raises(GessoError, match=r"tags.json.*too large"):
        replay(made.out, recipe=toy.recipe)
    monkeypatch.setattr("gesso.verbs.replay.read_record", lambda source: made.record.model_copy(update={"left": {}}))
    with pytest.raises(GessoError, match="request alone"):
        replay(made.out, recipe=toy.recipe)
