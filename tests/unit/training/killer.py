"""Trainings in child processes that die, fail or are killed on purpose. Run as a script, so that nothing but it is forked.

    python killer.py points FOLDER STRIDE     a death at every named point and every STRIDE-th durable call, then going on
    python killer.py faults FOLDER STRIDE     ENOSPC, EACCES, EROFS at every named point (one of the three where STRIDE is 3), then going on
    python killer.py random FOLDER NUM SEED   kill -9 at random moments, until NUM have hit

prints one JSON line: what happened, and how many runs ended unlike the one that nothing happened to.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

sys.modules["torch.utils.tensorboard"] = None  # type: ignore[assignment]  # both are for looking at, and slow to import
sys.modules["matplotlib.backends.backend_agg"] = None  # type: ignore[assignment]

import rich.progress  # noqa: E402, F401  # what a training imports when it begins, once here and not in each child
import torch._dynamo  # noqa: E402, F401
import toy  # noqa: E402

from gesso.errors import GessoError  # noqa: E402
from gesso.training import chaos, checkpoint  # noqa: E402
from gesso.training.log import read_lines  # noqa: E402
from gesso.verbs.train import train  # noqa: E402
from gesso.weights.store import read_weights  # noqa: E402

NOT_SAME_EVERY_TIME = {"seconds", "items_per_second"}
REFUSED = 3
NUM_STEPS = 12


def run(out: Path, num_steps: int, fault: str = "") -> None:
    os.environ[chaos.VARIABLE] = fault
    chaos.reset()
    try:
        train(
            toy.two_players(num_steps),
            out=out,
            threads=1,
            seed=4,
            quiet=True,
            log_every=4,
            sample_every=0,
            checkpoint_every=5,
            preset="small",
        )
    finally:
        os.environ[chaos.VARIABLE] = ""


def child(out: Path, num_steps: int, fault: str = "", kill_after: float | None = None) -> tuple[int, str]:
    """Train in a fork; its exit status (negative: the signal) and, where it was refused, why."""
    note = out.parent / "refusal.txt"
    note.unlink(missing_ok=True)
    number = os.fork()
    if number == 0:
        try:
            run(out, num_steps, fault)
            os._exit(0)
        except GessoError as error:
            note.write_text(str(error))
            os._exit(REFUSED)
        except BaseException as error:
            note.write_text(repr(error))
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(number, signal.SIGKILL)
    _, status = os.waitpid(number, 0)
    return os.waitstatus_to_exitcode(status), note.read_text() if note.exists() else ""


def finger(out: Path) -> str:
    """One number for everything a run leaves that time does not change."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        last = checkpoint.load_latest(out / "checkpoints")
    if last is None or heard:
        return f"broken: {[str(w.message) for w in heard]}"
    digest = hashlib.sha256()
    for name in sorted(last.tensors):
        digest.update(name.encode() + last.tensors[name].numpy().tobytes())
    meta = {k: v for k, v in last.meta.items() if k not in NOT_SAME_EVERY_TIME}
    lines = [{k: v for k, v in line.items() if k not in NOT_SAME_EVERY_TIME} for line in read_lines(out / "log.jsonl")]
    digest.update(json.dumps([meta, lines], sort_keys=True).encode())
    for state in read_weights(out / "weights.safetensors").states.values():
        for name in sorted(state):
            digest.update(name.encode() + state[name].numpy().tobytes())
    return digest.hexdigest()


def leftovers(out: Path) -> list[str]:
    return [p.name for p in (*out.glob(".*"), *(out / "checkpoints").glob(".*")) if p.name != ".lock"]


def points(root: Path, stride: int) -> dict[str, Any]:
    child(root / "whole", NUM_STEPS)
    whole = finger(root / "whole")
    told: dict[str, Any] = {"deaths": {}, "unlike": []}
    for name in (*chaos.POINTS, *chaos.CALLS):
        for turn in range(1, 100, stride) if name in chaos.CALLS else range(2, 3) if stride > 1 else range(1, 4):
            out = root / f"{name}-{turn}"
            code, why = child(out, NUM_STEPS, f"{name}:{turn}")
            if code == 0:  # it is not passed as often as that
                break
            told["deaths"][name] = told["deaths"].get(name, 0) + 1
            again, why_again = child(out, NUM_STEPS)
            if code != chaos.DEATH or again or finger(out) != whole or leftovers(out):
                told["unlike"].append([name, turn, code, why, again, why_again, leftovers(out)])
            shutil.rmtree(out)
    return told


def faults(root: Path, stride: int) -> dict[str, Any]:
    child(root / "whole", NUM_STEPS)
    whole = finger(root / "whole")
    told: dict[str, Any] = {"unlike": [], "reasons": {}}
    for number, (name, fault) in enumerate((p, f) for p in chaos.POINTS for f in ("ENOSPC", "EACCES", "EROFS")):
        if (number + number // 3) % stride:
            continue
        out = root / f"{name}-{fault}"
        code, why = child(out, NUM_STEPS, f"{name}:2:{fault}")
        good = checkpoint.load_latest(out / "checkpoints")
        left = leftovers(out) if code == REFUSED else []
        if code == REFUSED:
            told["reasons"][f"{name} {fault}"] = why
        again, why_again = child(out, NUM_STEPS)
        if code not in (0, REFUSED) or good is None or left or again or finger(out) != whole:
            told["unlike"].append([name, fault, code, why, again, why_again, left])
        shutil.rmtree(out)
    return told


def at_random(root: Path, num: int, seed: int) -> dict[str, Any]:
    num_steps = 120
    began = time.monotonic()
    child(root / "whole", num_steps)
    took = time.monotonic() - began
    whole, rng = finger(root / "whole"), random.Random(seed)
    told: dict[str, Any] = {"kills": 0, "runs": 0, "unlike": []}
    while told["kills"] < num:
        out = root / f"run{told['runs']}"
        while True:
            code, why = child(out, num_steps, kill_after=rng.uniform(0, took) if told["kills"] < num else None)
            if code == 0:
                break
            told["kills"] += code == -signal.SIGKILL
            if code != -signal.SIGKILL:
                told["unlike"].append([told["runs"], code, why])
                break
        told["runs"] += 1
        if finger(out) != whole:
            told["unlike"].append([told["runs"], "ends unlike", finger(out)])
        shutil.rmtree(out)
    return told


if __name__ == "__main__":
    what, root = sys.argv[1], Path(sys.argv[2])
    does = {"points": points, "faults": faults, "random": at_random}[what]
    print(json.dumps(does(root, *(int(word) for word in sys.argv[3:]))))
