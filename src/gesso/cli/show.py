"""What people see: tables, lines, JSON, progress; the language is the terminal's."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gesso.families.family import Output

PIPE_WIDTH = 200  # of tables that go to a file or another program
PAUSE = 10.0  # seconds between lines in a log


def language() -> str:
    """What the terminal's locale says: ko or en."""
    said = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "en")
    return "ko" if said.lower().startswith("ko") else "en"


def words(text: Mapping[str, str]) -> str:
    return text.get(language()) or text.get("en", "")


def table(columns: list[str], rows: list[list[str]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def write(*things: Any) -> None:
    from rich.console import Console

    window = Console(markup=False, highlight=False, emoji=False)
    console = window if window.is_terminal else Console(markup=False, highlight=False, emoji=False, width=PIPE_WIDTH)
    for thing in things:
        console.print(thing, soft_wrap=isinstance(thing, str))


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1))


def welcome(link: str, *, browser: bool) -> None:
    """Where the studio is, printed, and on a desktop opened."""
    print(f"The studio is at {link}\nIt opens once; for another browser: gesso studio --link\nNothing leaves this machine. Ctrl-C ends it."
          if language() != "ko" else
          f"스튜디오 주소: {link}\n한 번만 열립니다. 다른 브라우저에서는: gesso studio --link\n"
          "아무것도 이 컴퓨터를 떠나지 않습니다. Ctrl-C로 끝냅니다.", flush=True)  # fmt: skip
    desktop = os.name == "nt" or sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if browser and desktop and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(link)


def farewell() -> None:
    """The studio was ended as it is meant to be ended."""
    print("\nEnded. Your drawings are kept: gesso studio opens them again." if language() != "ko" else
          "\n끝냈습니다. 작업은 저장되어 있습니다. gesso studio로 다시 열 수 있습니다.", flush=True)  # fmt: skip


def say(text: str, code: int) -> int:
    """One line for people on stderr: whatever a file's name or a stranger's text holds, no line break and no control character."""
    from rich.console import Console
    from rich.text import Text

    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    Console(stderr=True, highlight=False).print(Text.assemble(("gesso: ", "bold red"), line), soft_wrap=True)
    return code


def tell(texts: Iterable[str]) -> None:
    """Lines on stderr, for people: what there is to say about an output that was made."""
    for text in texts:
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on stderr with the time left, or a line now and then where that is no terminal: call it with (done, all, words)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total, said: bar.update(task, completed=done, total=total, description=f"{title} {said}".strip())


def _lines(title: str) -> Callable[[int, int, str], None]:
    began = last = time.monotonic()

    def say_so(done: int, total: int, said: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PAUSE and done:
            last = now
            left = (now - began) / done * (total - done)
            print(f"{title} {done}/{total}, about {left:.0f} s left {said}".strip(), file=sys.stderr, flush=True)

    return say_so


@contextlib.contextmanager
def watch(title: str) -> Iterator[Callable[[Output], None]]:
    """Progress of a sampler, from its previews; beside it its objective, if it has one."""
    with progress(title) as advance:
        yield lambda output: advance(output.step, output.num_steps, _objective(output))


def _objective(output: Output) -> str:
    from gesso.verbs.fit import numbers

    return " ".join(f"{name} {value:.4g}" for name, value in numbers(output.taps.get("objective", {})).items())
