"""A run's watch: signs are told when they appear and when they are over, and are known again after a resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gesso.training.watch import Watch, signs_in


class Nervous:
    def signs(self, lines: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        return {"high": "the loss is high"} if lines and lines[-1]["loss/a"] > 1 else {}


def test_each_sign_is_told_once_and_when_it_is_over():
    told: list[tuple[str, str]] = []
    watch = Watch(Nervous())
    for step, loss in enumerate((0.5, 2.0, 3.0, 0.5)):
        watch.follow({"step": step, "loss/a": loss}, lambda event, words: told.append((event["event"], words)))
    assert told == [("sign", "the loss is high"), ("sign over", "high: over")]


def test_a_resumed_run_knows_its_signs_and_a_family_without_them_is_silent():
    told: list[str] = []
    watch = Watch(Nervous(), [{"step": 1, "loss/a": 2.0}, {"step": 1, "event": "sign", "sign": "high"}])
    watch.follow({"step": 2, "loss/a": 2.0}, lambda event, words: told.append(words))
    assert not told and list(watch.signs) == ["high"]
    Watch(object()).follow({"step": 1}, lambda event, words: told.append(words))
    assert not told


def test_a_log_tells_which_signs_hold():
    high, low = ({"step": 1, "event": "sign", "sign": name, "reason": f"too {name}"} for name in ("high", "low"))
    assert signs_in([{"step": 0}, high, low, {"step": 2, "event": "sign over", "sign": "low"}]) == {"high": "too high"}
    assert not signs_in([high, {"step": 1, "event": "roll-back", "reason": "NaN"}])
