"""What the command line prints: tables, lines, JSON, progress, in the terminal's language."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from gesso.families.family import Output
    from gesso.verbs.result import Result

PIPE_WIDTH = 200  # of tables that go to a file or another program
PAUSE = 10.0  # seconds between lines in a log


def language() -> str:
    """The language of the terminal's locale: ko or en."""
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "en")
    return "ko" if locale.lower().startswith("ko") else "en"


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
    """Print the studio's address; on a desktop, open it."""
    print(f"The studio is at {link}\nIt opens once; for another browser: gesso studio --link\nNothing leaves this machine. Ctrl-C ends it."
          if language() != "ko" else
          f"스튜디오 주소: {link}\n한 번만 열립니다. 다른 브라우저에서는: gesso studio --link\n"
          "아무것도 이 컴퓨터를 떠나지 않습니다. Ctrl-C로 끝냅니다.", flush=True)  # fmt: skip
    desktop = os.name == "nt" or sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if browser and desktop and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(link)


def farewell() -> None:
    """Print that the studio ended."""
    print("\nEnded. Your drawings are kept: gesso studio opens them again." if language() != "ko" else
          "\n끝냈습니다. 작업은 저장되어 있습니다. gesso studio로 다시 열 수 있습니다.", flush=True)  # fmt: skip


def say(text: str, code: int) -> int:
    """Print one line on stderr, with control characters and line breaks of foreign text replaced; returns `code`."""
    from rich.console import Console
    from rich.text import Text

    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    Console(stderr=True, highlight=False).print(Text.assemble(("gesso: ", "bold red"), line), soft_wrap=True)
    return code


def tell(texts: Iterable[str]) -> None:
    """Print notes about an output on stderr."""
    for text in texts:
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on stderr with the time left, or occasional lines if stderr is not a terminal. Call it with (done, total, text)."""
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


def made(path: Path | None, result: Result) -> None:
    """The path of an output, or its values where none was written; its notes on stderr."""
    if path is None:
        print_json(result.values())
    else:
        print(path)
    tell(words(note["words"]) for note in result.note_texts)


class Watched:
    """Progress of a sampler: `show` is called with its previews, `pause` before anything else is printed."""

    def __init__(self, title: str) -> None:
        self._title, self._bar = title, contextlib.ExitStack()
        self._advance: Callable[[int, int, str], None] | None = None

    def show(self, output: Output) -> None:
        """Step, number of steps, and the objective where there is one."""
        if self._advance is None:
            self._advance = self._bar.enter_context(progress(self._title))
        self._advance(output.step, output.num_steps, _objective(output))

    def pause(self) -> None:
        """Remove the bar; the next preview shows it again."""
        self._bar.close()
        self._advance = None


@contextlib.contextmanager
def watch(title: str) -> Iterator[Watched]:
    """A progress bar that appears with the first preview."""
    watched = Watched(title)
    try:
        yield watched
    finally:
        watched.pause()


def _objective(output: Output) -> str:
    from gesso.verbs.fit import numbers

    return " ".join(f"{name} {value:.4g}" for name, value in numbers(output.taps.get("objective", {})).items())
