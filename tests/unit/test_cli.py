"""The command line: flags from the card, exit codes, one clear line for a mistake, and help that is quick."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gesso import __version__
from gesso.cli import flag, main, typed_tokens
from gesso.errors import GessoError
from gesso.media.picture import read_picture
from gesso.record import read_record
from gesso.verbs.load import load

VERBS = ("recipes", "generate", "train", "fit", "measure", "replay", "demo", "doctor")
Run = Callable[..., Any]


def python(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, timeout=300, **more)


# --- help -----------------------------------------------------------------------------------------------------------------


def test_help_names_every_verb(gesso: Run):
    code, out, _ = gesso("--help")
    assert code == 0 and all(verb in out for verb in VERBS)


@pytest.mark.parametrize("words", [["--help"], ["generate", "--help"], ["replay", "-h"], ["--version"], []])
def test_help_loads_nothing_heavy(words: list[str]):
    run = f"import sys; from gesso.cli import main; end = main({words!r})"
    code = f"{run}; print(sorted(sys.modules), file=sys.stderr); sys.exit(end)"
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    loaded = done.stderr
    assert not [name for name in ("torch", "scipy", "numpy", "PIL", "pydantic", "matplotlib") if f"'{name}'" in loaded]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verbs_help_has_an_example(gesso: Run, verb: str):
    code, out, err = gesso(verb, "--help")
    assert code == 0 and out.startswith(f"Usage: gesso {verb}") and not err
    assert out.count(f"gesso {verb}") >= 2, "the usage line, and at least one example"


def test_version(gesso: Run):
    assert gesso("--version").out.strip() == __version__


def test_as_a_module():
    assert python("-m", "gesso", "--version").stdout.strip() == __version__


def test_a_recipes_help_is_made_from_its_card(gesso: Run, toy: Path):
    code, out, _ = gesso("generate", toy, "--help")
    flat = " ".join(out.replace("│", " ").split())
    assert code == 0
    for words in (
        "Toy. Tints a picture.", "gesso generate toy.py --photo cat.png --tags warm", "--photo", "The picture to tint. [required]",
        "Tints. [may be repeated]", "--num-steps", "at least 1, at most 50", "[default: 3]", "plain, nan, empty, stopped",
        "--flip --no-flip", "--out", "--seeds", "--weights", "--preset",
    ):  # fmt: skip
        assert words in flat, words
    assert "gesso fit toy.py --photo" in gesso("fit", toy, "--help").out


def test_help_in_korean_where_the_terminal_is(gesso: Run, toy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    assert "물들일 그림" in gesso("generate", toy, "--help").out


# --- recipes --------------------------------------------------------------------------------------------------------------


def test_recipes_are_listed(gesso: Run):
    code, out, _ = gesso("recipes")
    assert code == 0 and all(name in out for name in ("colorize", "digits", "style", "sketch"))
    cards = json.loads(gesso("recipes", "--json").out)
    assert [c["name"] for c in cards["colorize"]["conditions"] if c["required"]] == ["sketch"]
    assert cards["digits"]["settings"]["properties"]["num_steps"]["description"]


def test_a_broken_recipe_hides_no_other(gesso: Run, monkeypatch: pytest.MonkeyPatch):
    from gesso import recipes

    def find(name: str) -> Any:
        if name == "broken":
            raise ZeroDivisionError("oh")
        return real(name)

    real = recipes.find
    monkeypatch.setattr(recipes, "find", find)
    monkeypatch.setattr(recipes, "names", lambda: ["broken", "digits"])
    code, out, _ = gesso("recipes")
    assert code == 0 and "cannot be read: ZeroDivisionError: oh" in out and "digits" in out


# --- generate -------------------------------------------------------------------------------------------------------------


def test_flags_are_conditions_and_settings(gesso: Run, toy: Path, photo: Path, tmp_path: Path):
    out = tmp_path / "new" / "a.png"
    words = ["--photo", photo, "--tags", "warm", "--tags=none", "--num-steps", 2, "--flip", "--seed", 7, "-o", out]
    code, printed, err = gesso("generate", toy, *words)
    assert (code, printed, err) == (0, f"{out}\n", "")
    expected = load(toy).generate(photo=photo, tags=["warm", "none"], num_steps=2, flip=True, seed=7)
    assert np.array_equal(read_picture(out), expected.outputs["image"])
    assert read_record(out).request == expected.record.request


def test_what_there_is_to_say_of_an_output_is_said_in_the_terminals_language(
    gesso: Run, toy: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    words = ["generate", toy, "--photo", photo, "--num-steps", 50, "--out", tmp_path / "a.png"]
    assert gesso(*words)[1:] == (f"{tmp_path / 'a.png'}\n", "Fewer steps do as well.\n")
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    assert gesso(*words).err == "단계를 줄여도 같습니다.\n"
    folder = tmp_path / "drawings"
    folder.mkdir()
    photo.rename(folder / "one.png")
    batch = gesso("batch", toy, "--folder", folder, "--num-steps", 50, "--out", tmp_path / "made")
    assert batch.code == 0 and "one.png: 단계를 줄여도 같습니다.\n" in batch.err
    assert '"notes": ["steps"]' in (tmp_path / "made" / "batch.jsonl").read_text()


def test_underscores_are_dashes(gesso: Run, toy: Path, photo: Path, tmp_path: Path):
    assert gesso("generate", toy, "--photo", photo, "--num_steps=2", "--out", tmp_path / "a.png").code == 0
    assert read_record(tmp_path / "a.png").request.settings["num_steps"] == 2


@pytest.mark.parametrize(("out", "names"), [("a.png", ["a-2.png", "a-3.png", "a-9.png"]), ("s{seed}.png", ["s2.png", "s3.png", "s9.png"])])
def test_several_seeds(gesso: Run, toy: Path, photo: Path, tmp_path: Path, out: str, names: list[str]):
    code, printed, _ = gesso("generate", toy, "--photo", photo, "--seeds", "2-3,9", "--out", tmp_path / out)
    assert code == 0 and [Path(line).name for line in printed.splitlines()] == names
    assert [read_record(tmp_path / name).request.seed for name in names] == [2, 3, 9]


def test_without_out_a_new_name_is_taken(gesso: Run, toy: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert [gesso("generate", toy, "--photo", photo).out for _ in range(2)] == ["toy-1.png\n", "toy-2.png\n"]


def test_json_and_another_output(gesso: Run, toy: Path, photo: Path, tmp_path: Path):
    assert gesso("generate", toy, "--photo", photo, "--out", tmp_path / "a.json").code == 0
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["outputs"]["mean"] > 0
    assert gesso("generate", toy, "--photo", photo, "--take", "image", "--out", tmp_path / "a.png").code == 0


def test_a_batch_that_cannot_be_signed_is_not_started(gesso: Run, toy: Path, photo: Path, tmp_path: Path):
    out = tmp_path / "out"
    code, _, err = gesso("batch", toy, "--folder", photo.parent, "--out", out, "--kind", "json", "--mark")
    assert code == 2 and "only pictures" in err and not out.exists()


def test_a_batch_does_not_ask_for_what_its_files_fill(gesso: Run, refused: Run, toy: Path, photo: Path, tmp_path: Path):
    shown = gesso("batch", "colorize", "--help").out
    assert "--hints" in shown and "--sketch" not in shown and "gesso batch colorize --folder drawings --out made\n" in shown
    assert "--sketch" in gesso("batch", "colorize", "--each", "keep", "--help").out
    style = gesso("batch", "style", "--each=content", "--help").out
    assert "--style" in style and "--content STR" not in style and "--each content --style …" in style
    both = gesso("batch", "style", "--help").out
    assert "--style STR" in both and "--content STR" in both
    said = refused("batch", toy, "--folder", photo.parent, "--photo", photo, "--out", tmp_path / "out")
    assert "the files of the folder fill it (leave it out)" in said and not (tmp_path / "out").exists()


def test_a_request_from_a_file_and_flags_over_it(gesso: Run, toy: Path, photo: Path, tmp_path: Path):
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    gesso("generate", toy, "--photo", photo, "--tags", "warm", "--seed", 4, "--flip", "--num-steps", 9, "--out", first)
    assert gesso("generate", toy, "--request", first, "--no-flip", "--tags", "warmer", "--out", second).code == 0
    asked = read_record(second).request
    assert (asked.seed, asked.settings["flip"], asked.settings["num_steps"]) == (4, False, 9)
    assert asked.conditions["tags"] == {"names": ["warmer"]} and "photo" in asked.conditions


def test_a_requests_preset_and_weights_are_honoured_or_refused(
    gesso: Run, refused: Run, toy: Path, kept: Path, kept_weights: Path, other_weights: Path, photo: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    gesso("generate", toy, "--photo", photo, "--preset", "other", "--out", first)
    assert gesso("generate", toy, "--request", first, "--out", second).code == 0
    assert read_record(second).request.preset == "other"
    gesso("generate", kept, "--weights", kept_weights, "--number", 1, "--out", first)
    monkeypatch.setattr("gesso.verbs.assemble.shipped", lambda name, preset="": other_weights)
    line = refused("generate", kept, "--request", first, "--out", tmp_path / "c.png")
    assert read_record(first).request.weights["kept"][:16] in line and "--weights" in line and not (tmp_path / "c.png").exists()
    assert gesso("generate", kept, "--request", first, "--weights", kept_weights, "--out", tmp_path / "c.png").code == 0


def test_a_recipe_without_pictures_prints(gesso: Run, toy: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = toy.read_text("utf-8").replace('medium="picture"', 'medium="vector"').replace('name="toy"', 'name="plain"')
    (tmp_path / "plain.py").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    code, out, _ = gesso("generate", "plain.py", "--photo", photo)
    assert code == 0 and set(json.loads(out)) == {"image", "mean"} and not list(tmp_path.glob("*.png"))


def test_weights_by_file_and_by_folder(gesso: Run, kept: Path, kept_weights: Path, tmp_path: Path):
    for number, weights in enumerate((kept_weights, kept_weights.parent)):
        assert gesso("generate", kept, "--weights", weights, "--number", 2, "--out", tmp_path / f"{number}.png").code == 0
    assert read_picture(tmp_path / "0.png").tobytes() == read_picture(tmp_path / "1.png").tobytes()


# --- fit, measure, replay, doctor -----------------------------------------------------------------------------------------


def test_fit(gesso: Run, toy: Path, photo: Path, tmp_path: Path):
    code, out, _ = gesso("fit", toy, "--photo", photo, "--num-steps", 4, "--out", tmp_path / "f")
    assert code == 0 and out.strip() == str(tmp_path / "f" / "result.png") and (tmp_path / "f" / "objective.jsonl").is_file()


def test_measure_reads_options(gesso: Run, toy: Path, tmp_path: Path):
    out = tmp_path / "m.json"
    words = ["measure", toy, "--limit", 2, "--counts", "0,1,half", "--rate", "0.5", "--fast", "true", "--name", "x", "--out", out]
    code, printed, _ = gesso(*words)
    assert code == 0 and "toy: means" in printed and "gesso measure toy --limit 2 --counts 0,1,half" in printed and str(out) in printed
    options = json.loads(out.read_text("utf-8"))["figures"]["options"]
    assert options == {"limit": 2, "counts": [0, 1, "half"], "rate": 0.5, "fast": True, "name": "x"}
    assert json.loads(gesso(*words, "--json").out)["figures"]["options"] == options


def test_replay_ends_with_0_or_3(gesso: Run, kept: Path, kept_weights: Path, other_weights: Path, tmp_path: Path):
    made = tmp_path / "a.png"
    gesso("generate", kept, "--weights", kept_weights, "--number", 2, "--out", made)
    code, out, _ = gesso("replay", made, "--recipe", kept, "--weights", kept_weights, "--out", tmp_path / "b.png")
    assert code == 0 and out.startswith("equal to the bit\n") and (tmp_path / "b.png").is_file()
    code, out, _ = gesso("replay", made, "--recipe", kept, "--weights", other_weights)
    assert code == 3 and out.startswith("not equal: ") and " dB" in out and "weights of kept" in out


def test_replay_with_files(gesso: Run, toy: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gesso.record.MAX_EMBEDDED", 10)
    made = tmp_path / "a.png"
    gesso("generate", toy, "--photo", photo, "--out", made)
    assert gesso("replay", made, "--recipe", toy).code == 2
    assert gesso("replay", made, "--recipe", toy, "--with", f"photo={photo}").code == 0
    assert gesso("replay", made, "--recipe", toy, "--with", photo.parent).code == 0


def test_doctor(gesso: Run):
    code, out, _ = gesso("doctor")
    assert code in (0, 1) and "torch" in out and "extra [data]" in out
    assert {"name", "value", "good", "fix"} <= set(json.loads(gesso("doctor", "--json").out)[0])


def test_train_passes_everything_on(gesso: Run, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from gesso.verbs import train

    seen: dict[str, Any] = {}
    monkeypatch.setattr(train, "train", lambda recipe, **given: seen.update(recipe=recipe, **given))
    words = ["--data", tmp_path, "--out", tmp_path / "run", "--minutes", 1.5, "--steps", 20, "--seed", 3, "--preset", "tiny", "--fresh"]
    assert gesso("train", toy, *words).code == 0
    told = {
        "recipe": str(toy),
        "data": tmp_path,
        "out": tmp_path / "run",
        "minutes": 1.5,
        "steps": 20,
        "seed": 3,
        "preset": "tiny",
        "fresh": True,
    }
    assert told.items() <= seen.items()
    assert gesso("train", toy).code == 2, "a run needs a folder"


# --- ends -----------------------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_with_130(gesso: Run, toy: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = [toy, "--photo", photo, "--num-steps", 20, "--mood", "stopped"]
    code, out, err = gesso("generate", *words, "--out", tmp_path / "a.png")
    assert (code, out, err) == (130, "", "gesso: stopped\n") and not (tmp_path / "a.png").exists()

    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gesso.verbs.doctor.doctor", stopped)
    assert gesso("doctor").code == 130
    code, _, _ = gesso("fit", *words, "--out", tmp_path / "f")
    assert code == 130 and (tmp_path / "f" / "previews" / "0004.png").is_file() and not (tmp_path / "f" / "result.png").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
def test_a_signal_ends_with_130_and_leaves_nothing(toy: Path, photo: Path, tmp_path: Path):
    waits = toy.read_text("utf-8").replace("raise KeyboardInterrupt", "print('waiting', flush=True) or __import__('time').sleep(60)")
    (tmp_path / "waits.py").write_text(waits, "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = ["generate", "waits.py", "--photo", str(photo), "--num-steps", "20", "--mood", "stopped", "--out", "a.png"]
    listens = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    command = [sys.executable, "-m", "gesso", *words]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-1, stderr=-1, text=True, preexec_fn=listens) as process:
        assert process.stdout and process.stdout.readline() == "waiting\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "gesso: stopped\n"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["waits.py"]


def test_a_bug_says_that_it_is_one(gesso: Run, monkeypatch: pytest.MonkeyPatch):
    def broken() -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("gesso.verbs.doctor.doctor", broken)
    monkeypatch.delenv("GESSO_DEBUG", raising=False)
    code, _, err = gesso("doctor")
    assert code == 1 and err.count("\n") == 1 and "ZeroDivisionError: by nothing (this is a bug in Gesso" in err
    monkeypatch.setenv("GESSO_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["doctor"])


def test_too_little_memory_is_no_bug(gesso: Run, monkeypatch: pytest.MonkeyPatch):
    def hungry() -> None:
        raise MemoryError

    monkeypatch.setattr("gesso.verbs.doctor.doctor", hungry)
    code, _, err = gesso("doctor")
    assert code == 2 and "not enough memory" in err


def test_a_strangers_words_cannot_move_the_terminal(refused: Run):
    line = refused("generate", "\x1b[31m[bold]nobody\x1b]0;title\x07\n/etc")
    assert "\x1b" not in line and "\x07" not in line and "[bold]" in line


def test_a_pipe_that_closes_is_no_bug():
    shell = f"{sys.executable} -m gesso recipes | head -c 1"
    done = python("-c", f"import subprocess, sys; sys.exit(subprocess.run({shell!r}, shell=True).returncode)")
    assert done.returncode == 0 and not done.stderr, done.stderr


# --- reading what was typed -----------------------------------------------------------------------------------------------


def test_a_value_that_begins_with_a_minus_is_a_value():
    assert typed_tokens(["--hints", "-5,3,#f80", "--x", "-.5", "-o", "a_b.png"]) == ["--hints=-5,3,#f80", "--x=-.5", "-o", "a_b.png"]
    assert typed_tokens(["--num_steps=3_0", "--a_b", "c_d", "--a=b", "-5"]) == ["--num-steps=3_0", "--a-b", "c_d", "--a=b", "-5"]


def test_seeds():
    assert flag.seeds(None, 3) == [3] and flag.seeds(None, None) == [None]
    assert flag.seeds("0-3,9, 2", None) == [0, 1, 2, 3, 9, 2]
    for nonsense in ("", "x", "3-1", "-1", "1-", "0-99999999999", "1,,2", "0-9999,0-9999", "1.5"):
        with pytest.raises(GessoError, match="--seeds"):
            flag.seeds(nonsense, None)
    with pytest.raises(GessoError, match="both"):
        flag.seeds("1", 2)


def test_options_are_numbers_where_they_look_like_it():
    assert [flag.typed(t) for t in ("3", "0.5", "1e-3", "half", "True", "false", "a,1", "1,", "-2")] == [
        3, 0.5, 0.001, "half", True, False, ("a", 1), (1,), -2,
    ]  # fmt: skip


def test_files_to_replay_with():
    assert flag.with_files([]) is None and flag.with_files(["dir"]) == Path("dir")
    assert flag.with_files(["a=b.png", "c=d=e.png"]) == {"a": Path("b.png"), "c": Path("d=e.png")}
    for several in (["one", "two"], ["one", "a=b"]):
        with pytest.raises(GessoError, match="--with"):
            flag.with_files(several)


def test_settings_that_are_neither_numbers_nor_words(toy: Path, photo: Path, tmp_path: Path, gesso: Run):
    text = toy.read_text("utf-8").replace("    flip: bool", "    sizes: tuple[int, ...] = (1, 2)\n    flip: bool", 1)
    (tmp_path / "sized.py").write_text(text, "utf-8")
    for number, given in enumerate(("3,4,5", "[3, 4, 5]")):
        path = tmp_path / f"{number}.png"
        assert gesso("generate", tmp_path / "sized.py", "--photo", photo, "--sizes", given, "--out", path).code == 0
        assert read_record(path).request.settings["sizes"] == [3, 4, 5]
    gesso("generate", tmp_path / "sized.py", "--photo", photo, "--out", tmp_path / "d.png")
    assert read_record(tmp_path / "d.png").request.settings["sizes"] == [1, 2]


def test_a_card_whose_names_clash_with_flags_is_told(toy: Path, tmp_path: Path, refused: Run):
    (tmp_path / "clash.py").write_text(toy.read_text("utf-8").replace('name="keep"', 'name="out"'), "utf-8")
    assert "'out' stands for two flags" in refused("generate", tmp_path / "clash.py", "--help")


def test_pictures_saved_by_the_command_open_elsewhere(gesso: Run, toy: Path, photo: Path, tmp_path: Path):
    gesso("generate", toy, "--photo", photo, "--out", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.size == (14, 10) and "gesso" in opened.text


def test_more_than_a_verb_takes_is_named(gesso: Run, tmp_path: Path) -> None:
    ran = gesso("inspect", tmp_path / "a.png", tmp_path / "b.png")
    assert ran.code == 2 and "b.png" in ran.err and "gesso inspect --help" in ran.err


def test_ending_the_studio_is_no_failure(gesso: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gesso.studio.run", ended)
    ran = gesso("studio", "--no-browser")
    assert ran.code == 0 and "kept" in ran.out
