"""Decode workers: sandboxed, isolated from one another, and harmless to the server whatever they do."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gesso.errors import GessoError
from gesso.media.picture import read_picture
from gesso.serving.decode import decode_pool
from gesso.serving.decode.decode_pool import DecodePool, split_answer
from gesso.serving.decode.decoder import Decoder, _pixels
from gesso.serving.settings import Limits
from hostile_file import png

Picture = Callable[..., bytes]
forking = pytest.mark.skipif(not decode_pool.FORKS, reason="this system does not fork")
locked = pytest.mark.skipif(sys.platform != "linux" or os.uname().machine not in ("x86_64", "aarch64"), reason="no filter of calls here")


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    made = Decoder(Limits())
    yield made
    made.close()


def possessed(monkeypatch: pytest.MonkeyPatch, does: str, **limits: Any) -> Decoder:
    """A decoder whose workers run `does` if the upload `data` begins with b"evil", and read pictures otherwise."""
    body = "\n".join("        " + line for line in does.splitlines())
    program = f"""
import ctypes, json, os, signal, socket, subprocess, sys, tempfile, time
from gesso.errors import GessoError
from gesso.serving.decode import decode_worker
honest = decode_worker.read_picture_rows
def read(data, budget):
    if data[:4] == b"evil":
{body}
    return honest(data, budget)
decode_worker.read_picture_rows = read
wish = json.loads(sys.argv[2])
if sys.argv[1] == "serve":
    decode_worker.serve(socket.socket(fileno=wish["control"]), wish)
else:
    decode_worker.decode_once(sys.argv[1], wish)
"""
    monkeypatch.setattr(decode_pool, "PROGRAM", ("-B", "-c", program))
    return Decoder(Limits(**limits))


CRASHES = {
    "a segmentation fault": "ctypes.string_at(0)",
    "its own end": "os._exit(0)",
    "for ever": "time.sleep(600)",
    "a busy loop": "while True: pass",
    "all memory": "held = []\nwhile True: held.append(bytearray(2**24))",
    "garbage": "os.write(data_file, b'garbage') if False else sys.exit(3)",
    "an endless answer": "return {'shape': [1, 1], 'dpi': None}, bytearray(2**28)",
    "a shape that does not fit": "return {'shape': [4000, 4000], 'dpi': None}, b'12'",
    "a shape of nonsense": "return {'shape': 'large', 'dpi': [0, 'x']}, b'12'",
}


@forking
@pytest.mark.parametrize("name", CRASHES)
def test_a_worker_that_misbehaves_fails_only_its_own_upload(monkeypatch: pytest.MonkeyPatch, picture: Picture, name: str):
    monkeypatch.setattr(decode_pool, "START_SECONDS", 1.5)
    decoder = possessed(monkeypatch, CRASHES[name], decode_seconds=1, decode_bytes=2**29)
    try:
        decoder.start()
        told: list[Any] = []
        beside = threading.Thread(target=lambda: told.append([decoder.clean(picture(seed=seed)).width for seed in range(5)]))
        beside.start()
        with pytest.raises(GessoError, match="decoder failed|takes too long|too much memory"):
            decoder.clean(b"evil")
        beside.join()
        process = decoder._pool._process
        assert told == [[12] * 5]
        assert decoder.clean(picture()).width == 12 and decoder._pool._process is process, "nothing was restarted"
    finally:
        decoder.close()


@forking
@pytest.mark.parametrize("kind", ["before it takes the upload", "before it is waited for"])
def test_an_upload_is_sent_again_when_the_process_is_killed(monkeypatch: pytest.MonkeyPatch, decoder: Decoder, picture: Picture, kind: str):
    decoder.clean(picture())
    pool, killed = decoder._pool, decoder._pool._process
    assert killed is not None
    if kind == "before it is waited for":
        monkeypatch.setattr(killed, "poll", lambda: None)
    os.kill(killed.pid, signal.SIGSTOP)
    sends = pool._send_socket

    def send_and_kill(*given: Any) -> Any:
        control = sends(*given)
        if pool._process is killed:
            killed.kill()
        return control

    monkeypatch.setattr(pool, "_send_socket", send_and_kill)
    assert decoder.clean(picture(seed=1)).width == 12
    assert pool._process is not killed


@forking
def test_an_upload_is_sent_again_when_the_process_is_killed_while_a_worker_answers(
    monkeypatch: pytest.MonkeyPatch, decoder: Decoder, picture: Picture
):
    decoder.clean(picture())
    pool, killed = decoder._pool, decoder._pool._process
    assert killed is not None
    receives = pool._receive

    def receive_a_part(*given: Any) -> bytes:
        answer = receives(*given)
        if killed.poll() is None:
            killed.kill()
            killed.wait()
            return answer[:40]
        return answer

    monkeypatch.setattr(pool, "_receive", receive_a_part)
    assert decoder.clean(picture(seed=1)).width == 12


@forking
def test_an_upload_is_not_sent_again_after_the_pool_is_closed(monkeypatch: pytest.MonkeyPatch, decoder: Decoder, picture: Picture):
    decoder.clean(picture())
    pool = decoder._pool
    assert pool._process is not None
    os.kill(pool._process.pid, signal.SIGSTOP)
    sends = pool._send_socket

    def send_and_close(*given: Any) -> Any:
        control = sends(*given)
        decoder.close()
        return control

    monkeypatch.setattr(pool, "_send_socket", send_and_close)
    with pytest.raises(GessoError, match="decoder failed"):
        decoder.clean(picture(seed=1))
    assert pool._process is None


ESCAPES = {
    "reading a file": "open('/etc/hostname').read()",
    "writing a file": "open(tempfile.gettempdir() + '/gesso-escaped', 'w').write('x')",
    "a temporary file": "tempfile.TemporaryFile().write(b'0' * 100000)",
    "a list of files": "os.listdir('/')",
    "removing a file": "os.unlink(sys.argv[0])",
    "the network": "socket.create_connection(('127.0.0.1', 9), 1)",
    "a socket": "socket.socket()",
    "a program": "subprocess.run(['true'])",
    "a process": "os.fork() or os._exit(0)",
    "its parent's end": "os.kill(os.getppid(), signal.SIGKILL)",
    "the limits": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))",
}


@forking
@locked
@pytest.mark.parametrize("name", ESCAPES)
def test_a_worker_cannot_leave_the_sandbox(monkeypatch: pytest.MonkeyPatch, name: str):
    tried = f"try:\n    {ESCAPES[name]}\nexcept Exception as error:\n    raise GessoError('kept in: ' + type(error).__name__)"
    decoder = possessed(monkeypatch, tried + "\nraise GessoError('escaped')")
    try:
        with pytest.raises(GessoError, match="kept in"):
            decoder.clean(b"evil")
    finally:
        decoder.close()


@forking
def test_workers_share_no_state(monkeypatch: pytest.MonkeyPatch):
    decoder = possessed(
        monkeypatch, "decode_worker.left = getattr(decode_worker, 'left', 0) + 1\nraise GessoError(f'the {decode_worker.left}. time')"
    )
    try:
        for _ in range(3):
            with pytest.raises(GessoError, match=r"the 1\. time"):
                decoder.clean(b"evil")
    finally:
        decoder.close()


@forking
def test_the_forking_process_is_restarted_after_it_died(decoder: Decoder, picture: Picture):
    assert decoder.clean(picture()).width == 12
    first = decoder._pool._process
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert decoder.clean(picture()).width == 12 and decoder._pool._process is not first


@forking
def test_workers_end_with_the_server(monkeypatch: pytest.MonkeyPatch):
    decoder = possessed(monkeypatch, "time.sleep(600)")

    def hang() -> None:
        with pytest.raises(GessoError):
            decoder.clean(b"evil")

    hanging = threading.Thread(target=hang)
    hanging.start()
    process = None
    while process is None or not (children := _children(process.pid)):
        process = decoder._pool._process
        time.sleep(0.01)
    decoder.close()  # closes the control socket, as the kernel does for a killed server
    hanging.join()
    for child in children:
        while os.path.exists(f"/proc/{child}/status") and "zombie" not in open(f"/proc/{child}/status").read():
            time.sleep(0.01)


def _children(process: int) -> list[str]:
    try:
        return open(f"/proc/{process}/task/{process}/children").read().split()
    except OSError:
        return []


HONEST = [
    *(("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *(("JPEG", mode, {"quality": 90, "progressive": True}) for mode in ("L", "RGB")),
    *(("WEBP", mode, more) for mode in ("RGB", "RGBA") for more in ({}, {"lossless": True})),
    *(("GIF", mode, {}) for mode in ("L", "P")),
    *(("BMP", mode, {}) for mode in ("1", "L", "RGB")),
    *(("TIFF", "RGB", {"compression": name}) for name in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
    *(("TIFF", "1", {"compression": name}) for name in ("group3", "group4")),
]


@pytest.mark.parametrize(("format", "mode", "more"), HONEST, ids=str)
def test_a_sandboxed_worker_reads_every_format(format: str, mode: str, more: dict[str, Any], decoder: Decoder):
    """In the sandbox nothing can be imported any more."""
    from PIL import ImageCms

    exif = Image.Exif()
    exif[0x0112] = 6
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8), "RGBA")
    image = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100) if mode == "I;16" else noise.convert(mode)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    beside = {} if format in ("BMP", "GIF") or mode in ("1", "I;16") else {"exif": exif, "icc_profile": profile}
    held = io.BytesIO()
    image.save(held, format, **more, **beside)
    made = decoder.clean(held.getvalue()).png
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(made))), read_picture(held.getvalue(), least_side=1))


def test_without_fork_each_upload_has_a_process(monkeypatch: pytest.MonkeyPatch, picture: Picture):
    monkeypatch.setattr(decode_pool, "FORKS", False)
    decoder = Decoder(Limits())
    decoder.start()
    assert decoder.clean(picture()).width == 12 and decoder._pool._process is None
    with pytest.raises(GessoError, match="not a picture"):
        decoder.clean(b"\0" * 50)


def test_the_memory_of_a_worker_is_bounded():
    decoder = Decoder(Limits(decode_bytes=2**28))
    try:
        with pytest.raises(GessoError, match="memory|decoder failed"):
            decoder.clean(png(4096, 4096, colour=6, data=b"\0" * (4096 * (4096 * 4 + 1))))
    finally:
        decoder.close()


def test_the_largest_page_fits_into_the_memory_of_a_worker(decoder: Decoder):
    clean = decoder.clean(png(4096, 4096, colour=6, data=(b"\0" + b"\x07" * 16384) * 4096))
    assert (clean.width, clean.height) == (4096, 4096)


def test_workers_get_no_secrets_in_their_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GESSO_TOKEN", "secret")
    assert "secret" not in decode_pool.environment().values()


@pytest.mark.parametrize("answer", [b"", b"\1", b"\xff\xff\xff\xff{}", b"\2\0\0\0[]", b"\5\0\0\0{} ", b"\2\0\0\0{", b"\0\0\0\0"])
def test_malformed_answers_are_rejected(answer: bytes):
    assert split_answer(answer) is None


@pytest.mark.parametrize("shape", [None, [], [2], [0, 2], [-1, -2], [1, 2, 5], [True, 2], [2.0, 1], ["2", 1], [10**30, 10**30]])
def test_malformed_shapes_are_rejected(shape: Any):
    assert _pixels({"shape": shape}, memoryview(b"12"), Limits().picture) is None


def test_a_shape_beyond_the_budget_is_refused():
    with pytest.raises(GessoError, match="claims"):
        _pixels({"shape": [1, 40_000]}, memoryview(bytes(40_000)), Limits().picture)


def test_closing_twice_and_before_the_start_does_nothing():
    unused = DecodePool(Limits())
    unused.close()
    unused.close()
