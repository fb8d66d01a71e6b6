"""Trainings in child processes with injected crashes, disk errors and kills. A script of its own, so that pytest is not forked.

    python killer.py points FOLDER STRIDE     crash at every named point and every STRIDE-th durable call, then resume
    python killer.py faults FOLDER STRIDE     ENOSPC, EACCES, EROFS at every named point (one of the three if STRIDE is 3), then resume
    python killer.py random FOLDER NUM SEED   kill -9 at random moments until NUM children were killed

prints one JSON line: what happened, and the runs whose result differs from that of an undisturbed run.
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

import rich.progress  # noqa: E402, F401  # imported once here, so that each child need not
import torch._dynamo  # noqa: E402, F401
import toy  # noqa: E402

from gesso.errors import GessoError  # noqa: E402
from gesso.training import checkpoint, fault_injection  # noqa: E402
from gesso.training.log import read_lines  # noqa: E402
from gesso.verbs.train import train  # noqa: E402
from gesso.weights.store import read_weights  # noqa: E402

NOT_SAME_EVERY_TIME = {"seconds", "items_per_second"}
REFUSED = 3
NUM_STEPS = 12


def run(out: Path, num_steps: int, fault: str = "") -> None:
    os.environ[fault_injection.VARIABLE] = fault
    fault_injection.reset()
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
        os.environ[fault_injection.VARIABLE] = ""


def child(out: Path, num_steps: int, fault: str = "", kill_after: float | None = None) -> tuple[int, str]:
    """Train in a forked child. Returns its exit status (negative: the signal) and the error message, if any."""
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


def fingerprint(out: Path) -> str:
    """A hash of everything a run writes, except times and speeds."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        last = checkpoint.load_latest(out / "checkpoints")
    if last is None or caught:
        return f"broken: {[str(w.message) for w in caught]}"
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
    whole = fingerprint(root / "whole")
    report: dict[str, Any] = {"deaths": {}, "different": []}
    for name in (*fault_injection.POINTS, *fault_injection.OS_CALLS):
        for turn in range(1, 100, stride) if name in fault_injection.OS_CALLS else range(2, 3) if stride > 1 else range(1, 4):
            out = root / f"{name}-{turn}"
            code, why = child(out, NUM_STEPS, f"{name}:{turn}")
            if code == 0:  # the point is not reached that often
                break
            report["deaths"][name] = report["deaths"].get(name, 0) + 1
            again, why_again = child(out, NUM_STEPS)
            if code != fault_injection.EXIT_CODE or again or fingerprint(out) != whole or leftovers(out):
                report["different"].append([name, turn, code, why, again, why_again, leftovers(out)])
            shutil.rmtree(out)
    return report


def faults(root: Path, stride: int) -> dict[str, Any]:
    child(root / "whole", NUM_STEPS)
    whole = fingerprint(root / "whole")
    report: dict[str, Any] = {"different": [], "reasons": {}}
    for number, (name, fault) in enumerate((p, f) for p in fault_injection.POINTS for f in ("ENOSPC", "EACCES", "EROFS")):
        if (number + number // 3) % stride:
            continue
        out = root / f"{name}-{fault}"
        code, why = child(out, NUM_STEPS, f"{name}:2:{fault}")
        good = checkpoint.load_latest(out / "checkpoints")
        left = leftovers(out) if code == REFUSED else []
        if code == REFUSED:
            report["reasons"][f"{name} {fault}"] = why
        again, why_again = child(out, NUM_STEPS)
        if code not in (0, REFUSED) or good is None or left or again or fingerprint(out) != whole:
            report["different"].append([name, fault, code, why, again, why_again, left])
        shutil.rmtree(out)
    return report


def at_random(root: Path, num: int, seed: int) -> dict[str, Any]:
    num_steps = 120
    began = time.monotonic()
    child(root / "whole", num_steps)
    took = time.monotonic() - began
    whole, rng = fingerprint(root / "whole"), random.Random(seed)
    report: dict[str, Any] = {"kills": 0, "runs": 0, "different": []}
    while report["kills"] < num:
        out = root / f"run{report['runs']}"
        while True:
            code, why = child(out, num_steps, kill_after=rng.uniform(0, took) if report["kills"] < num else None)
            if code == 0:
                break
            report["kills"] += code == -signal.SIGKILL
            if code != -signal.SIGKILL:
                report["different"].append([report["runs"], code, why])
                break
        report["runs"] += 1
        if fingerprint(out) != whole:
            report["different"].append([report["runs"], "ends differently", fingerprint(out)])
        shutil.rmtree(out)
    return report


if __name__ == "__main__":
    what, root = sys.argv[1], Path(sys.argv[2])
    modes = {"points": points, "faults": faults, "random": at_random}[what]
    print(json.dumps(modes(root, *(int(word) for word in sys.argv[3:]))))
