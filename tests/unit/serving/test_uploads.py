"""Uploads: whatever comes in is decoded elsewhere, and ends as our own PNG or as a 4xx with its reason."""

from __future__ import annotations

import base64
import io
import json
import os
import random
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from gesso.errors import GessoError
from gesso.serving import decode
from gesso.serving.decode import Decoder
from gesso.serving.refusal import Busy
from gesso.serving.settings import Limits

Picture = Callable[..., bytes]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes, bits: int = 8, colour: int = 0, data: bytes = b"\0" * 100) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def zipped(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return held.getvalue()


def gif(frames: int) -> bytes:
    held = io.BytesIO()
    pages = [Image.new("L", (64, 64), 6 * number) for number in range(frames)]
    pages[0].save(held, "GIF", save_all=True, append_images=pages[1:])
    return held.getvalue()


BOMBS: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"\x89",
    "text": b"this is no picture",
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "svg in xml": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><svg/>',
    "pdf": b"%PDF-1.7 " + b"0" * 500,
    "photoshop": b"8BPS\0\1" + b"\0" * 100,
    "postscript": b"%!PS-Adobe (a) run",
    "zip": zipped(a=b"0" * 100_000),
    "gzip": b"\x1f\x8b\x08" + b"\0" * 100,
    "icon": b"\0\0\1\0\1\0" + b"\0" * 100,
    "fits": b"SIMPLE  =                    T" + b" " * 5000,
    "avif": b"\0\0\0\x20ftypavif" + b"\0" * 100,
    "mp4": b"\0\0\0\x20ftypisom" + b"\0" * 100,
    "elf": b"\x7fELF" + b"\0" * 200,
    "pickle": b"\x80\x04\x95" + b"\0" * 50,
    "a wide claim": png(2**31 - 1, 1),
    "a tall claim": png(1, 2**31 - 1),
    "a huge claim": png(60_000, 60_000),
    "no width": png(0, 10),
    "13,300 x 13,400 of one bit": png(13_300, 13_400, bits=1, data=b"\0" * (13_400 * 1664)),
    "rows missing": png(100, 100),
    "too much text": png(8, 8, chunk(b"zTXt", b"a\0\0" + zlib.compress(b"0" * 2**27)), data=b"\0" * 72),
    "a profile bomb": png(8, 8, chunk(b"iCCP", b"a\0\0" + zlib.compress(b"0" * 2**27)), data=b"\0" * 72),
    "wrong checksum": png(8, 8, data=b"\0" * 72)[:-20] + b"\0" * 20,
    "an animated png": png(8, 8, chunk(b"acTL", struct.pack(">II", 5000, 0)), data=b"\0" * 72),
    "many frames": gif(40),
    "a bmp claim": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
    "a tiff in a circle": b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 3, 1, 9) + struct.pack("<I", 8),
    "a webp claim": b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff" * 6 + b"\0" * 80,
    "half a surrogate": b"\xff\xd8\xff\xe0" + b"\xed\xa0\x80" * 40,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_other_things_are_refused_with_a_reason(ann: TestClient, name: str):
    answer = ann.post("/api/uploads", content=BOMBS[name])
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert len(error["what"]) > 8 and "Traceback" not in answer.text
    assert ann.get("/api/health").status_code == 200


def mangled(data: bytes, dice: random.Random) -> bytes:
    """Cut, flipped, swollen: as a bad disk, a bad line, or a bad person would."""
    held = bytearray(data)
    for _ in range(dice.randint(1, 12)):
        way, at = dice.randrange(4), dice.randrange(len(held))
        if way == 0:
            held[at] = dice.randrange(256)
        elif way == 1:
            held[at : at + dice.randint(1, 8)] = dice.randbytes(dice.randint(1, 8))
        elif way == 2 and len(held) > 40:
            del held[at : at + dice.randint(1, len(held) // 2)]
        else:
            held[at:at] = dice.choice((b"\xff" * 4, b"\0" * 4, held[: dice.randint(1, 40)]))
    return bytes(held)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_mangled_files_do_no_harm(picture: Picture, format: str):
    """In the child's own function, many at once; what a child's limits do is tried elsewhere."""
    from gesso.serving.child import clean

    dice, refused = random.Random(format), 0
    for _ in range(50):
        try:
            told, body = clean(mangled(picture(40, 30, format=format), dice), Limits().picture)
        except GessoError as error:
            refused += 1
            assert len(str(error)) > 8
        else:
            assert Image.open(io.BytesIO(body)).size == (told["width"], told["height"])
    assert refused > 0


@pytest.mark.slow
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_mangled_uploads_are_answered(ann: TestClient, picture: Picture, format: str):
    dice = random.Random("over http " + format)
    for _ in range(int(os.environ.get("GESSO_BAD_UPLOADS", "50"))):
        answer = ann.post("/api/uploads", content=mangled(picture(40, 30, format=format), dice))
        assert answer.status_code in (201, 400) and (answer.status_code == 201 or answer.json()["error"]["what"])
    assert ann.get("/api/health").status_code == 200


@pytest.mark.parametrize(
    ("mode", "format"), [("RGB", "PNG"), ("RGBA", "PNG"), ("L", "PNG"), ("RGB", "JPEG"), ("RGBA", "WEBP"), ("RGB", "BMP")]
)
def test_an_upload_comes_back_as_our_own_png(ann: TestClient, picture: Picture, mode: str, format: str):
    data = picture(12, 10, mode=mode, format=format)
    answer = ann.post("/api/uploads", content=data)
    told = answer.json()
    assert answer.status_code == 201 and (told["width"], told["height"], told["medium"]) == (12, 10, "picture")
    back = ann.get(answer.headers["location"])
    assert back.headers["content-type"] == "image/png" and back.headers["content-disposition"].startswith("attachment")
    kept = Image.open(io.BytesIO(back.content))
    assert kept.format == "PNG" and np.array_equal(np.asarray(kept), np.asarray(Image.open(io.BytesIO(data))))


def test_what_lies_beside_the_pixels_is_left_behind_but_for_the_dpi(ann: TestClient):
    held = io.BytesIO()
    Image.new("RGB", (9, 9)).save(
        held, "JPEG", exif=b"Exif\0\0" + b"<script>secret-place</script>" * 9, comment=b"secret-place", dpi=(350, 350)
    )
    back = ann.get("/api/uploads/" + ann.post("/api/uploads", content=held.getvalue()).json()["id"]).content
    assert b"secret-place" not in back and round(Image.open(io.BytesIO(back)).info["dpi"][0]) == 350


def test_a_form_is_read_too(ann: TestClient, picture: Picture):
    assert ann.post("/api/uploads", files={"file": ("../../etc/passwd.png", picture())}).status_code == 201
    two = [("file", ("a.png", picture())), ("file", ("b.png", picture()))]
    assert ann.post("/api/uploads", files=two).status_code == 400
    assert ann.post("/api/uploads", files={"file": ("a.svg", b"<svg/>", "image/png")}).status_code == 400
    assert ann.post("/api/uploads", content=b"x", headers={"Content-Type": "multipart/form-data"}).status_code == 400
    assert ann.post("/api/uploads", content=b"--b\r\nx", headers={"Content-Type": "multipart/form-data; boundary=b"}).status_code == 400


def test_another_owner_finds_nothing(ann: TestClient, bob: TestClient, picture: Picture):
    id = ann.post("/api/uploads", content=picture()).json()["id"]
    assert bob.get(f"/api/uploads/{id}").status_code == bob.delete(f"/api/uploads/{id}").status_code == 404
    assert bob.get(f"/api/uploads/{id}").json() == bob.get(f"/api/uploads/{'A' * 22}").json(), "nor that there is something"
    assert ann.get(f"/api/outputs/{id}").status_code == 404, "an upload is no output"
    assert ann.delete(f"/api/uploads/{id}").status_code == 204 and ann.get(f"/api/uploads/{id}").status_code == 404


@pytest.mark.parametrize(
    "id", ["..%2f..%2fserving.sqlite", "..", "%2e%2e%2f", "a" * 22 + "/../x", "A" * 21 + "%00", "'; drop table kept; --", "\u202e" * 22]
)
def test_ids_are_never_paths(ann: TestClient, id: str):
    for kind in ("uploads", "outputs", "sessions"):
        assert ann.get(f"/api/{kind}/{id}").status_code in (404, 405)


def test_an_owner_has_so_much_room(make_app: Callable[..., FastAPI], client_of: Callable[..., TestClient], picture: Picture):
    app = make_app(limits={"kept_items": 2})
    ann, bob = client_of(app, "ann"), client_of(app, "bob")
    ids = [ann.post("/api/uploads", content=picture(seed=seed)).json()["id"] for seed in range(2)]
    full = ann.post("/api/uploads", content=picture())
    assert full.status_code == 429 and "Retry-After" in full.headers and "DELETE /api/uploads" in full.json()["error"]["fix"]
    assert bob.post("/api/uploads", content=picture()).status_code == 201, "others have their own"
    ann.delete(f"/api/uploads/{ids[0]}")
    assert ann.post("/api/uploads", content=picture()).status_code == 201
    with app.state.room.database.writing() as rows:
        rows.execute("update kept set made = made - 100000")
    assert ann.post("/api/uploads", content=picture()).status_code == 201, "after a day the oldest make room"
    assert ann.get(f"/api/uploads/{ids[1]}").status_code == 404


CRASHES = {
    "a segmentation fault": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "for ever": "import time; time.sleep(60)",
    "a busy loop": "\nwhile True: pass",
    "all memory": "\nheld = []\nwhile True: held.append(bytearray(2**24))",
    "garbage": "import sys; sys.stdout.buffer.write(b'garbage')",
    "a written file": "import tempfile; f = tempfile.TemporaryFile(); f.write(b'0' * 100000); f.flush()",
}


@pytest.mark.parametrize("name", CRASHES)
def test_a_decoder_that_misbehaves_takes_only_its_child_along(monkeypatch: pytest.MonkeyPatch, name: str):
    run = decode.subprocess.run

    def possessed(command: list[str], **more: Any) -> Any:
        code = f"import sys; sys.argv[1:] = sys.argv[1:]; from gesso.serving import child; child.limit(1, 2**29); {CRASHES[name]}"
        return run([sys.executable, "-c", code], **more | {"timeout": 3})

    monkeypatch.setattr(decode.subprocess, "run", possessed)
    with pytest.raises(GessoError, match="gave up|takes too long"):
        Decoder(Limits()).clean(b"x")


def test_the_childs_memory_is_bounded(picture: Picture):
    with pytest.raises(GessoError, match="memory|gave up"):
        Decoder(Limits(decode_bytes=2**28)).clean(png(4096, 4096, colour=6, data=b"\0" * (4096 * (4096 * 4 + 1))))


def test_the_largest_page_fits_into_the_childs_memory():
    clean = Decoder(Limits()).clean(png(4096, 4096, colour=6, data=(b"\0" + b"\x07" * 16384) * 4096))
    assert (clean.width, clean.height) == (4096, 4096)


def test_the_child_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GESSO_TOKEN", "secret")
    assert "secret" not in decode._environment().values()


def test_too_many_at_once_are_refused_quickly():
    decoder = Decoder(Limits(decoding=0, decodes_waiting=0))
    with pytest.raises(Busy) as refused:
        decoder.clean(b"x")
    assert refused.value.retry_after


def test_pictures_inside_json_go_the_same_way(ann: TestClient, picture: Picture, monkeypatch: pytest.MonkeyPatch):
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    wish = {"recipe": "dots", "conditions": {"page": {"pixels": url}}}
    children: list[bytes] = []
    run = decode.subprocess.run
    monkeypatch.setattr(decode.subprocess, "run", lambda command, **more: (children.append(more["input"]), run(command, **more))[1])
    assert ann.post("/api/generate", json=wish).status_code == 200
    assert children == [picture()]
    for wrong in (
        "data:image/png;base64,AAAA",
        "data:image/png;base64,!!!",
        "data:text/html,<script>",
        "DATA:image/svg+xml;base64,PHN2Zy8+",
        "data:",
    ):
        answer = ann.post("/api/generate", json={"recipe": "dots", "conditions": {"page": {"pixels": wrong}}})
        assert answer.status_code == 400 and answer.json()["error"]["where"] == "page", wrong


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "file:///etc/hostname", "../../x.png", "http://127.0.0.1:1/x.png", "~/x.png", "\\\\host\\share"]
)
def test_no_file_is_opened_by_its_name(ann: TestClient, name: str):
    opened: list[Any] = []
    sys.addaudithook(lambda event, args: opened.append(args[0]) if event in ("open", "socket.connect") and LISTENING else None)
    for value in (name, {"pixels": name}, {"upload": name}, [name], {"pixels": {"upload": name}}):
        LISTENING.append(1)
        try:
            answer = ann.post("/api/generate", json={"recipe": "dots", "conditions": {"page": value}})
        finally:
            LISTENING.clear()
        assert answer.status_code in (400, 404), (value, answer.text)
    assert not [one for one in opened if isinstance(one, str) and (one == name or one.endswith(("hostname", "x.png")))]


LISTENING: list[int] = []


def test_vetting_a_zip_decodes_what_is_in_it(picture: Picture):
    decoder = Decoder(Limits())
    good = "data:image/png;base64," + base64.b64encode(picture()).decode()
    decoder.vet_zip(zipped(a=json.dumps({"pixels": good}).encode(), b=picture()))
    bad = "data:image/png;base64," + base64.b64encode(BOMBS["a huge claim"]).decode()
    for data in (
        zipped(a=json.dumps(bad).encode()),
        zipped(a=BOMBS["rows missing"]),
        b"PK\x03\x04" + b"\0" * 50,
        b"",
        zipped(a=b"0" * 2**20)[:-30],
    ):
        with pytest.raises(GessoError):
            decoder.vet_zip(data)
