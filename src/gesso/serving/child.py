"""The process in which a stranger's bytes are decoded: little memory, few seconds, no files; run as `python -m gesso.serving.child`.

Reads a picture, or a session's zip, from stdin. Answers on stdout with four bytes of length, JSON, and the picture encoded anew:
a decoder that crashes, hangs or eats memory ends this process, and the server says so.
"""

from __future__ import annotations

import io
import json
import re
import struct
import sys
import zipfile
import zlib
from typing import Any

DATA_URLS = re.compile(rb"data:image/[^\"'\\\s]{1,200000000}", re.IGNORECASE)
MOST_MEMBERS = 10_000


def main(seconds: int, num_bytes: int, kind: str, budget: dict[str, int]) -> None:
    """Decode what comes on stdin under limits of seconds and bytes, and write the pixels, or why not, to stdout."""
    limit(seconds, num_bytes)
    from gesso.errors import GessoError
    from gesso.media.budget import Budget

    data = sys.stdin.buffer.read()
    body = b""
    try:
        told, body = (vet_zip if kind == "zip" else clean)(data, Budget(**budget))
    except GessoError as error:
        told = {"what": error.what, "where": error.where, "fix": error.fix}
    except MemoryError:
        told = {"what": "it takes too much memory to read", "where": None, "fix": "make it smaller"}
    head = json.dumps(told).encode()
    sys.stdout.buffer.write(struct.pack("<I", len(head)) + head + body)
    sys.stdout.buffer.flush()


def limit(seconds: int, num_bytes: int) -> None:
    """From here on: processor seconds, memory, no growing files, no core. Systems without rlimits have the parent's clock alone."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (num_bytes, num_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def clean(data: bytes, budget: Any) -> tuple[dict[str, Any], bytes]:
    """A picture's size, and its pixels as a PNG of our own that carries nothing else but its DPI."""
    from gesso.media.picture import encode_png, read_sheet

    sheet = read_sheet(data, where="picture", budget=budget, least_side=1)
    size = {"height": sheet.pixels.shape[0], "width": sheet.pixels.shape[1]}
    return size, encode_png(sheet.pixels, dpi=sheet.dpi, compress_level=3)


def vet_zip(data: bytes, budget: Any) -> tuple[dict[str, Any], bytes]:
    """Decode each picture inside a zip's members once, here, where it can do no harm."""
    from gesso.errors import GessoError
    from gesso.media.picture import from_data_url, read_picture

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as held:
            members = held.infolist()
            if len(members) > MOST_MEMBERS:
                raise GessoError(f"the zip holds more than {MOST_MEMBERS} files", where="body")
            left, num = 4 * budget.max_bytes, 0
            for member in members:
                with held.open(member) as file:
                    content = file.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise GessoError("the zip unpacks to too much", where="body")
                for match in DATA_URLS.finditer(content):
                    from_data_url(match[0].decode("ascii"), budget, where="picture", least_side=1)
                    num += 1
                if content.startswith((b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")):
                    read_picture(content, where="picture", budget=budget, least_side=1)
                    num += 1
    except GessoError:
        raise
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        UnicodeDecodeError,
        OSError,
        ValueError,
        zlib.error,
    ) as error:
        raise GessoError("this is no zip that can be read", where="body", fix="give a file that this studio exported") from error
    return {"pictures": num}, b""


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4]))
