"""Watching a run: its family reads signs of trouble from the log, and each is told once, when it appears and when it is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gesso.families.family import Watches

NUM_LINES = 20  # log lines that a family is shown


class Watch:
    """The newest lines of a run's log, and the signs that they show. `family` may be one that reads none."""

    def __init__(self, family: Any, lines: Iterable[Mapping[str, Any]] = ()) -> None:
        self.family = family if isinstance(family, Watches) else None
        self.lines: deque[Mapping[str, Any]] = deque((line for line in lines if "event" not in line), maxlen=NUM_LINES)
        self.signs: Mapping[str, str] = self._read()

    def follow(self, line: Mapping[str, Any], tell: Callable[[Mapping[str, Any], str], None]) -> None:
        """Take in a new line; tell(event, words) of each sign that appears or is over."""
        self.lines.append(line)
        before, self.signs = self.signs, self._read()
        for name in self.signs.keys() - before.keys():
            tell({"step": line["step"], "event": "sign", "sign": name, "reason": self.signs[name]}, self.signs[name])
        for name in before.keys() - self.signs.keys():
            tell({"step": line["step"], "event": "sign over", "sign": name}, f"{name}: over")

    def _read(self) -> Mapping[str, str]:
        return dict(self.family.signs(list(self.lines))) if self.family is not None else {}


def signs_in(lines: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The signs that a log tells of and that are not over, with their sentences; a roll-back ends all."""
    found = dict[str, str]()
    for line in lines:
        event, name = line.get("event"), str(line.get("sign"))
        if event == "sign":
            found[name] = str(line.get("reason"))
        elif event == "sign over":
            found.pop(name, None)
        elif event == "roll-back":
            found.clear()
    return found
