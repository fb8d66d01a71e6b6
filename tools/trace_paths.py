"""The two paths as they run: one command and one stroke, with the files of src/gesso that each executes, in order of first call.

    python tools/trace_paths.py            # both, each in a process of its own
    python tools/trace_paths.py command    # gesso generate colorize …, from the command line's main() to the file on disk
    python tools/trace_paths.py stroke     # a committed hint over the live socket, from the message to the finished picture
    python tools/trace_paths.py --write    # both lists into ARCHITECTURE.md

A file counts once something in it is called; running a module's top level on import does not count, nor does what is called by it.
For the stroke, the changes of thread are counted as hand-overs: work given to a pool, the event loop called from another thread, a
waiting thread notified by a file of src/gesso. They are of three sorts: on the way to the finished picture; messages that the event
loop sends before it (the acknowledgement, a draft); and inside the networks. The server and its networks are warm, so that the stroke
alone is traced.
The files fall into two groups: those that carry the request, and those in which the picture is made (CONTENT), which the recipe decides.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = str(ROOT / "src" / "gesso") + os.sep
TO_LOOP = ("base_events.py", "call_soon_threadsafe")
HAND_OVERS = {("thread.py", "submit"): "to a pool", TO_LOOP: "to the event loop"}
CONTENT = ("conditions/", "families/", "media/", "metrics/", "networks/", "rules/")
TITLES = {"command": "One command, `gesso generate colorize …`", "stroke": "One stroke, a hint over the live socket"}
BEGIN, END = "<!-- tools/trace_paths.py --write -->", "<!-- end -->"
SIZE = 128  # pixels of the traced drawing
REST = 1.0  # seconds before the traced stroke, in which the stroke before it is done with


@dataclass
class Trace:
    """What ran while `on`: files of the package in order of first call, and hand-overs as (kind, from file:function, thread)."""

    on: bool = False
    files: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, str, str]] = field(default_factory=list)

    def sorted_changes(self) -> dict[str, list[tuple[str, str, str]]]:
        """The hand-overs by sort: those on the way, earlier messages, and those inside the networks."""
        last = max((at for at, (kind, _, _) in enumerate(self.changes) if kind == HAND_OVERS[TO_LOOP]), default=-1)
        sorts: dict[str, list[tuple[str, str, str]]] = {"on the way": [], "to send an earlier message": [], "inside the networks": []}
        for at, change in enumerate(self.changes):
            earlier = change[0] == HAND_OVERS[TO_LOOP] and at != last
            sort = "inside the networks" if change[1].startswith(CONTENT) else "to send an earlier message" if earlier else "on the way"
            sorts[sort].append(change)
        return sorts

    def install(self) -> None:
        """Trace every thread that is started from here on, and this one."""
        threading.setprofile(self.profile)
        sys.setprofile(self.profile)

    def profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if not self.on or event != "call":
            return
        code = frame.f_code
        if code.co_filename.startswith(PACKAGE):
            name = code.co_filename[len(PACKAGE) :]
            if name not in self.files and not importing(frame):
                self.files[name] = code.co_qualname
        elif threading.current_thread() is not threading.main_thread() and (kind := self.hand_over(frame)) is not None:
            self.changes.append((kind, caller(frame), threading.current_thread().name.split("-")[0]))

    @staticmethod
    def hand_over(frame: FrameType) -> str | None:
        """What kind of hand-over a call outside the package is; None where it is none."""
        name, file = frame.f_code.co_name, frame.f_code.co_filename
        if name == "notify" and file == threading.__file__:
            back = frame.f_back
            return "to a waiting thread" if back is not None and back.f_code.co_filename.startswith(PACKAGE) else None
        kind = HAND_OVERS.get((os.path.basename(file), name))
        inside_loop = kind == "to the event loop" and threading.get_ident() == getattr(frame.f_locals["self"], "_thread_id", None)
        return None if inside_loop else kind


def importing(frame: FrameType | None) -> bool:
    """Does a module's top level, of the package, stand above this frame."""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(PACKAGE):
            return True
        frame = frame.f_back
    return False


def caller(frame: FrameType | None) -> str:
    """The nearest frame of the package, as file:function; where there is none, the nearest of anything."""
    near = frame.f_back if frame is not None else None
    while frame is not None:
        if frame.f_code.co_filename.startswith(PACKAGE):
            return f"{frame.f_code.co_filename[len(PACKAGE) :]}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "-" if near is None else f"{os.path.basename(near.f_code.co_filename)}:{near.f_code.co_name}"


def drawing(folder: Path) -> Path:
    """A square and a circle, as line art."""
    from PIL import Image, ImageDraw

    page = Image.new("L", (SIZE, SIZE), 255)
    pen = ImageDraw.Draw(page)
    pen.rectangle((20, 50, 80, 110), outline=0, width=3)
    pen.ellipse((80, 10, 118, 48), outline=0, width=3)
    page.save(folder / "drawing.png")
    return folder / "drawing.png"


def trace_command() -> Trace:
    """`gesso generate colorize --sketch … --hints … --seed 3 --out …`."""
    trace = Trace()
    trace.install()
    with tempfile.TemporaryDirectory() as folder:
        sketch, out = drawing(Path(folder)), Path(folder) / "out.png"
        from gesso.cli import main

        words = ["generate", "colorize", "--sketch", str(sketch), "--hints", "50,80,#ff8800", "--seed", "3", "--out", str(out)]
        trace.on = True
        code = main(words)
        trace.on = False
        if code or not out.is_file():
            raise SystemExit(f"the command ended with {code}")
    return trace


def trace_stroke() -> Trace:
    """A committed hint on a drawing whose picture is there already."""
    trace = Trace()
    trace.install()
    from fastapi.testclient import TestClient

    from gesso.serving import Settings, create_app
    from gesso.serving.live.frame import pack, unpack

    with tempfile.TemporaryDirectory() as folder:
        token = "t" * 15 + "0123456789"
        app = create_app(Settings(home=Path(folder) / "home", tokens={"ann": token}, sign=False))
        client = TestClient(watched(app, trace, unpack), base_url="http://127.0.0.1:8765", headers={"Authorization": f"Bearer {token}"})
        with client:
            upload = client.post("/api/uploads", content=drawing(Path(folder)).read_bytes()).json()["id"]
            edits = [{"op": "set", "slot": "sketch", "value": {"upload": upload}}]
            begun = client.post("/api/sessions", json={"recipe": "colorize", "edits": edits}).json()
            session = begun["session"]["id"]
            with client.websocket_connect(f"/api/live?session={session}", headers={"Host": "127.0.0.1:8765"}) as socket:
                for seq, (x, y, colour) in enumerate([(99, 29, "#ffcc00"), (50, 80, "#ff8800"), (5, 5, "#88aaff")], 1):
                    value = {"marks": [{"x": x, "y": y, "color": colour}]}
                    edit = {"op": "merge", "slot": "hints", "value": value}
                    time.sleep(REST)
                    socket.send_bytes(pack({"type": "edit", "seq": seq, "edit": edit, "commit": True, "traced": seq == 3}))
                    while not is_last(unpack(socket.receive_bytes())[0], seq):
                        pass
        app.state.services.close()
    return trace


def is_last(header: dict[str, Any], seq: int) -> bool:
    if header["type"] == "error":
        raise SystemExit(f"the server refused the stroke: {header}")
    return bool(header["type"] == "frame" and header["seq"] == seq and header["final"])


def watched(app: Any, trace: Trace, unpack: Callable[[bytes], tuple[dict[str, Any], bytes]]) -> Any:
    """The app, traced from the message marked `traced` to the finished picture of it."""
    wanted: list[int] = []

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        async def receiving() -> Any:
            message = await receive()
            if message["type"] == "websocket.receive" and message.get("bytes"):
                header = unpack(message["bytes"])[0]
                if header.get("traced"):
                    wanted.append(header["seq"])
                    trace.on = True
            return message

        async def sending(message: Any) -> None:
            if trace.on and message["type"] == "websocket.send" and is_last(unpack(message["bytes"])[0], wanted[-1]):
                trace.on = False
            await send(message)

        await app(scope, receiving, sending)

    return outer


def summary(name: str) -> str:
    """The first line of a file's docstring."""
    text = ast.get_docstring(ast.parse((Path(PACKAGE) / name).read_text("utf-8"))) or ""
    return text.partition("\n")[0]


def show(title: str, trace: Trace, *, changes: bool) -> None:
    made = sum(name.startswith(CONTENT) for name in trace.files)
    split = f"{len(trace.files)} files, {len(trace.files) - made} that carry the request and {made} that make the picture"
    print(f"{title}: {split}" + (f"; {counted(trace)}" if changes else ""))
    for number, (name, first) in enumerate(trace.files.items(), 1):
        print(f"{number:4} {name:34} {first:40} {summary(name)}")
    if changes:
        for sort, some in trace.sorted_changes().items():
            for kind, place, thread in some:
                print(f"     {sort}: {kind}, from {place} in {thread}")


def counted(trace: Trace) -> str:
    """The number of changes of thread, and of each sort."""
    sorts = ", ".join(f"{len(some)} {sort}" for sort, some in trace.sorted_changes().items())
    return f"{len(trace.changes)} changes of thread ({sorts})"


def markdown(title: str, trace: Trace, *, changes: bool) -> str:
    """The same for ARCHITECTURE.md: a line for each file that carries the request, one paragraph for those that make the picture."""
    content = [name for name in trace.files if name.startswith(CONTENT)]
    carrying = [name for name in trace.files if name not in content]
    count = f"{len(trace.files)} files, {len(carrying)} of them carry the request"
    lines = [
        textwrap.fill(f"**{title}**: {count}" + (f"; {counted(trace)}." if changes else "."), 140),
        "",
        "| file | what it does |",
        "|---|---|",
    ]
    lines += [f"| `{name}` | {summary(name).partition('. ')[0].rstrip('.')} |" for name in carrying]
    made = "The picture is made in " + ", ".join(f"`{name.removesuffix('.py')}`" for name in content) + "."
    lines += ["", textwrap.fill(made, 140, break_long_words=False, break_on_hyphens=False)]
    if changes:
        lines += ["", "Changes of thread:", ""]
        lines += [f"- {sort}: {kind}, from `{place}`" for sort, some in trace.sorted_changes().items() for kind, place, _ in some]
    return "\n".join(lines)


def write_architecture() -> int:
    """Replace the lists between the marks in ARCHITECTURE.md."""
    parts = []
    for path in ("command", "stroke"):
        done = subprocess.run([sys.executable, __file__, path, "--markdown"], check=True, capture_output=True, text=True)
        parts.append(done.stdout[done.stdout.index("**") :].strip())
    page = ROOT / "ARCHITECTURE.md"
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + "\n\n" + "\n\n".join(parts) + "\n\n" + END + after, "utf-8")
    return 0


def main() -> int:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("path", nargs="?", choices=("command", "stroke", "both"), default="both")
    reader.add_argument("--markdown", action="store_true", help="print the list as it is in ARCHITECTURE.md")
    reader.add_argument("--write", action="store_true", help="write both lists into ARCHITECTURE.md")
    given = reader.parse_args()
    path = given.path
    if given.write:
        return write_architecture()
    if path == "both":  # each in a process of its own: what one has loaded and cached the other would not run
        return max(subprocess.run([sys.executable, __file__, one], check=False).returncode for one in ("command", "stroke"))
    sys.path.insert(0, str(ROOT / "src"))
    title = TITLES[path]
    trace = trace_command() if path == "command" else trace_stroke()
    if given.markdown:
        print(markdown(title, trace, changes=path == "stroke"))
    else:
        show(title, trace, changes=path == "stroke")
    return 0


if __name__ == "__main__":
    sys.exit(main())
