"""Signing through the signer process: valid in c2pa's own reader, the key separate, and failures reported."""

import io
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import c2pa
import pytest

import gesso
from gesso.marking import marker as marking
from gesso.marking.key import FILE, load_or_make
from gesso.marking.marker import NOT_INSTALLED, OFF, Marker
from gesso.marking.reading import UNTRUSTED, certificates, manifest_in
from gesso.marking.signer_protocol import ProtocolError, SignerChannel
from gesso.marking.signing_request import ORA, PSD
from gesso.media.png import with_text
from gesso.record import KEYWORD
from unit.marking.example_request import example_request, openraster, photoshop, picture, without_manifest


def test_a_picture_is_valid_but_for_the_trust_list(marker):
    marked = marker.mark(example_request(), picture())
    assert marked.why is None and marked.beside is None
    with c2pa.Reader("image/png", io.BytesIO(marked.data)) as reader:
        assert reader.get_validation_state() == "Valid"
        assert [one["code"] for one in reader.get_validation_results()["activeManifest"]["failure"]] == [UNTRUSTED]
    assert without_manifest(marked.data) == picture()  # the pixels and what else was there are as they were


def test_the_manifest_of_layers_is_inside_or_beside(marker):
    layers = marker.mark(example_request(format=ORA), openraster())
    assert layers.why is None and manifest_in(layers.data).state == "intact"
    assert zipfile.ZipFile(io.BytesIO(layers.data)).namelist()[0] == "mimetype"
    document = photoshop()
    apart = marker.mark(example_request(format=PSD), document)
    assert apart.why is None and apart.data == document and apart.beside
    assert manifest_in(document, apart.beside).state == "intact"
    assert manifest_in(document).state == "absent"
    assert manifest_in(document + b"!", apart.beside).state == "broken"


def test_other_files_are_not_signed(marker):
    signed = marker.mark(example_request(), picture()).data
    other = "not a file of the type image/png"
    for data, why in ((signed, "already"), (b"", other), (b"GIF89a", other), (picture()[:40], "cut short")):
        marked = marker.mark(example_request(), data)
        assert marked.data == data and marked.why and why in marked.why
    assert "record differs" in marker.mark(example_request(), with_text(picture(), {KEYWORD: "{}"})).why
    assert marker.mark(example_request(format=ORA), b"PK\x03\x04" + bytes(300)).why
    assert marker.mark(example_request(), picture()).why is None  # and it goes on signing


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_key_is_its_owners_alone(own):
    own.status()
    folder = own._folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "signer.pem").stat().st_mode) == 0o600
    assert sorted(one.name for one in folder.iterdir()) == ["certificates", "signer.pem"]
    for path in (folder / "certificates").iterdir():
        assert "PRIVATE" not in path.read_text()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_mode_of_a_readable_key_is_corrected(own):
    own.status()
    own.close()
    os.chmod(own._folder / "signer.pem", 0o644)
    assert own.status()["signs"]
    assert stat.S_IMODE((own._folder / "signer.pem").stat().st_mode) == 0o600


def test_this_process_never_opens_the_key(tmp_path):
    """Neither when it is made nor when it is used; asked of a process of its own, by an audit hook on every file opened."""
    script = f"""
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from pathlib import Path
from gesso.marking.marker import Marker
from unit.marking.example_request import example_request, picture
marker = Marker(Path({str(tmp_path)!r}) / "signing")
assert marker.mark(example_request(), picture()).why is None
print(any("signer.pem" in one for one in opened), "gesso.marking.key" in sys.modules, "cryptography" in sys.modules)
marker.close()
"""
    paths = os.pathsep.join(one for one in sys.path if one)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths})
    assert done.stdout.split() == ["False", "False", "False"], done.stderr


def test_only_the_signer_knows_how_to_read_the_key():
    package = Path(gesso.__file__).parent
    named = [path.relative_to(package).as_posix() for path in package.rglob("*.py") if "marking.key import" in path.read_text("utf-8")]
    assert named == ["marking/signer.py"]


def test_a_dead_signer_is_restarted(own):
    assert own.mark(example_request(), picture()).why is None
    first = own._child.pid
    own._child.kill()
    own._child.wait()
    assert own.mark(example_request(), picture()).why is None
    assert own._child.pid != first


def test_a_signer_that_cannot_start_gives_the_file_and_the_reason(tmp_path):
    (tmp_path / "signing").mkdir()
    (tmp_path / "signing" / "signer.pem").write_text("no key at all")
    marker = Marker(tmp_path / "signing")
    marked = marker.mark(example_request(), picture())
    assert marked.data == picture() and "damaged" in marked.why
    assert "damaged" in marker.mark(example_request(), picture()).why  # it rests between starts, and still says why
    assert not marker.status()["signs"] and "damaged" in marker.status()["why"]
    marker.close()


def test_the_reason_where_signing_is_off_or_not_installed(tmp_path, monkeypatch):
    off = Marker(tmp_path / "off", on=False)
    assert off.mark(example_request(), picture()) == (picture(), None, OFF)
    monkeypatch.setattr(marking, "NEEDED", ("no_such_package",))
    bare = Marker(tmp_path / "bare")
    assert bare.mark(example_request(), picture()) == (picture(), None, NOT_INSTALLED)
    assert bare.status() == {"signs": False, "state": "missing", "why": NOT_INSTALLED, "trusted": False} and bare.state == "missing"
    assert not list(tmp_path.iterdir())  # nothing was started, nothing made


def test_pictures_of_a_replaced_key_stay_intact(own):
    old = own.mark(example_request(), picture()).data
    before = own.status()["fingerprint"]
    after = own.renew_key("the laptop was lost")["fingerprint"]
    new = own.mark(example_request(), picture()).data
    assert after != before and manifest_in(new, folder=own._folder).own == after
    seen = manifest_in(old, folder=own._folder)
    assert seen.state == "intact" and seen.own == before and "the laptop was lost" in seen.retired
    assert [bool(one.get("retired")) for one in certificates(own._folder)].count(True) == 1


def test_a_running_signer_notices_that_its_key_was_renewed(own):
    own.status()
    other = Marker(own._folder)
    renewed = other.renew_key("tidying")["fingerprint"]
    other.close()
    data = own.mark(example_request(), picture()).data
    assert manifest_in(data, folder=own._folder).own == renewed


# Makes a key in each folder that it reads from its input; pauses when it has seen that there is no key file, before it writes one.
CREATE_KEYS = """
import sys
from pathlib import Path
from gesso.marking import key

create = key._fresh

def paused():
    made = create()
    print("paused", flush=True)
    sys.stdin.readline()
    return made

key._fresh = paused
while folder := sys.stdin.readline().strip():
    print(key.load_or_make(Path(folder)).fingerprint, flush=True)
"""


def test_two_processes_that_create_a_key_at_once_get_the_same_one(tmp_path: Path):
    command = [sys.executable, "-c", CREATE_KEYS]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:
        for number in range(8):
            folder = tmp_path / str(number)
            for line in (f"{folder}\n", "\n"):  # start both; when both are paused, let both go on
                for process in (one, two):
                    process.stdin.write(line)
                answers = [process.stdout.readline().strip() for process in (one, two)]
                if line == f"{folder}\n":
                    assert answers == ["paused", "paused"], "both processes saw that there is no key"
            assert answers[0] == answers[1] == load_or_make(folder).fingerprint
            assert [path.name for path in folder.glob("*.pem*")] == [FILE]
        for process in (one, two):
            process.stdin.close()


def test_frames_without_the_secret_or_sent_twice_are_refused():
    sent = io.BytesIO()
    SignerChannel(io.BytesIO(), sent, b"s" * 32).send({"a": 1}, b"data")
    frame = sent.getvalue()
    assert SignerChannel(io.BytesIO(frame), io.BytesIO(), b"s" * 32).receive() == ({"a": 1}, b"data")
    with pytest.raises(ProtocolError):
        SignerChannel(io.BytesIO(frame), io.BytesIO(), b"t" * 32).receive()
    twice = SignerChannel(io.BytesIO(frame + frame), io.BytesIO(), b"s" * 32)
    twice.receive()
    with pytest.raises(ProtocolError):
        twice.receive()
    for wrong in (frame[:-1], frame[:3], b"", frame[:-1] + b"!", b"HTTP/1.1 " + frame):
        with pytest.raises(ProtocolError):
            SignerChannel(io.BytesIO(wrong), io.BytesIO(), b"s" * 32).receive()


def test_the_reason_names_no_path(own, monkeypatch):
    def refused(*_, **__):
        raise FileNotFoundError(2, "No such file or directory", "/srv/secret/python")

    monkeypatch.setattr(subprocess, "Popen", refused)
    why = own.mark(example_request(), picture()).why
    assert why == "No such file or directory" and own.status()["why"] == why


def test_renewal_deletes_leftover_copies_of_the_old_key(tmp_path):
    pytest.importorskip("cryptography")
    from gesso.marking.key import FILE, load_or_make, renew

    old = load_or_make(tmp_path / "s")
    left = tmp_path / "s" / f".{FILE}.0123"
    os.link(tmp_path / "s" / FILE, left)  # as a kill between its two names leaves it
    assert renew(tmp_path / "s", "lost").private != old.private and not left.exists()
