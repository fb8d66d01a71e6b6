"""Files are written atomically and read within a limit, with clear errors."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gesso.errors import GessoError
from gesso.media import file
from gesso.media.file import parse_json, printable, read_bytes, read_json, write_atomic

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes, links and limits of POSIX")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_new_and_replaced(tmp_path):
    path = tmp_path / "cat.png"
    for data in (b"one", bytearray(b"two, and longer"), memoryview(b"3"), b""):
        write_atomic(path, data)
        assert path.read_bytes() == bytes(data) and names(tmp_path) == ["cat.png"]


def test_a_name_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomic("cat.json", b"{}")
    assert names(tmp_path) == ["cat.json"]


def test_a_name_as_long_as_names_may_be(tmp_path):
    write_atomic(tmp_path / ("c" * 255), b"x")
    with pytest.raises(GessoError, match="name is too long"):
        write_atomic(tmp_path / ("c" * 256), b"x")
    assert names(tmp_path) == ["c" * 255]


@POSIX
def test_the_mode_of_the_old_file_is_kept_and_a_new_one_follows_the_umask(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"")
    old.chmod(0o640)
    mask = os.umask(0o027)
    try:
        write_atomic(old, b"x")
        write_atomic(new, b"x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640 and stat.S_IMODE(new.stat().st_mode) == 0o640


@POSIX
def test_a_link_is_followed(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "cat").write_bytes(b"old")
    (tmp_path / "link").symlink_to("far/cat")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "far" / "cat").read_bytes() == b"new"


def refused(path, data=b"new"):
    with pytest.raises(GessoError) as caught:
        write_atomic(path, data)
    assert caught.value.where == str(path) and caught.value.fix
    return str(caught.value)


def test_obstacles_to_writing_are_explained(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "cat.png").write_bytes(b"old")
    assert "a folder of that name is in the way" in refused(tmp_path / "folder")
    assert f"make the folder {tmp_path / 'none'} first" in refused(tmp_path / "none" / "cat.png")
    assert "a part of this path is a file" in refused(tmp_path / "cat.png" / "cat.png")
    assert "names a folder" in refused(f"{tmp_path}/new/")
    assert "character" in refused_anywhere("cat\0.png")
    monkeypatch.chdir(tmp_path)
    assert "make the folder none first" in refused("none/cat.png")
    assert names(tmp_path) == ["cat.png", "folder"] and (tmp_path / "cat.png").read_bytes() == b"old"


def refused_anywhere(path):
    with pytest.raises(GessoError) as caught:
        write_atomic(path, b"new")
    return str(caught.value)


@POSIX
def test_a_device_is_never_replaced(tmp_path):
    assert "pipe or a device" in refused(os.devnull)
    os.mkfifo(tmp_path / "pipe")
    assert "pipe or a device" in refused(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


STEPS = ["open", "fsync", "replace"]
CODES = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "read-only",
    errno.EACCES: "may not read or write",
    errno.EDQUOT: "quota",
    errno.EIO: "the disk reports an error",
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch, step, code, is_there):
    path = tmp_path / "cat.png"
    if is_there:
        path.write_bytes(b"old")

    def fails(*arguments, **options):
        raise OSError(code, os.strerror(code), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(file.os, step, fails)
        with pytest.raises(GessoError, match=f"cannot write: .*{CODES[code]}") as caught:
            write_atomic(path, b"new")
    assert caught.value.where == str(path)
    assert names(tmp_path) == (["cat.png"] if is_there else [])
    assert not is_there or path.read_bytes() == b"old"


def test_ctrl_c_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupts(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(file.os, "fsync", interrupts)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "cat.png", b"new")
    assert names(tmp_path) == []


WRITE_BEYOND_THE_LIMIT = """
import resource, signal, sys
from gesso.errors import GessoError
from gesso.media.file import write_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_atomic(sys.argv[1], bytes(300_000))
except GessoError as error:
    print(error)
"""


@POSIX
def test_a_write_that_stops_half_way(tmp_path):
    """A limit of the system: files end after 100,000 bytes, as on a full disk."""
    path = tmp_path / "cat.png"
    path.write_bytes(b"old")
    run = subprocess.run([sys.executable, "-c", WRITE_BEYOND_THE_LIMIT, str(path)], capture_output=True, text=True, timeout=60)
    assert "larger than this system lets a file be" in run.stdout, run.stderr
    assert path.read_bytes() == b"old" and names(tmp_path) == ["cat.png"]


def test_the_order_is_file_then_rename_then_folder(tmp_path, monkeypatch):
    done = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_fsync(descriptor)

    def replace(old, new):
        assert Path(old).parent == Path(new).parent  # never across file systems
        assert Path(old).read_bytes() == b"new"
        done.append("rename")
        real_replace(old, new)

    monkeypatch.setattr(file.os, "fsync", fsync)
    monkeypatch.setattr(file.os, "replace", replace)
    write_atomic(tmp_path / "cat.png", b"new")
    assert done == (["file", "rename"] if os.name == "nt" else ["file", "rename", "folder"])


@POSIX
def test_no_file_stays_open(tmp_path, monkeypatch):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("counts open files through /proc")
    before = len(os.listdir("/proc/self/fd"))
    write_atomic(tmp_path / "cat.png", b"new")
    read_bytes(tmp_path / "cat.png")
    refused(tmp_path / "none" / "cat.png")
    with pytest.raises(GessoError):
        read_bytes(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_read_bytes_is_bounded(tmp_path):
    path = tmp_path / "cat"
    path.write_bytes(b"x" * 300_000)
    assert read_bytes(path, 300_000) == b"x" * 300_000
    with pytest.raises(GessoError, match=r"larger than 0\.3 MB"):
        read_bytes(path, 299_999)
    path.write_bytes(b"")
    assert read_bytes(path, 0) == b""


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="no file here that hides its size")
def test_a_file_that_claims_to_be_empty_is_read():
    assert os.stat("/proc/self/maps").st_size == 0
    assert len(read_bytes("/proc/self/maps")) > 100
    with pytest.raises(GessoError, match="larger"):
        read_bytes("/proc/self/maps", 100)


def test_where_names_the_input(tmp_path):
    with pytest.raises(GessoError, match=r"^--sketch: there is no such file"):
        read_bytes(tmp_path / "none", where="--sketch")


def test_json(tmp_path):
    path = tmp_path / "cat.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, null, "\xc3\xa9"]}')
    assert read_json(path) == {"a": [1, 2.5, None, "é"]}
    with pytest.raises(GessoError, match="larger"):
        read_json(path, 5)


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b"\xff\xfe{", "not UTF-8 text"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not"),
        (b"9" * 5000, "number that cannot be read"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"a": 1} trailing', "line 1, column 10"),
    ],
)
def test_what_is_not_json(tmp_path, data, why):
    path = tmp_path / "cat.json"
    path.write_bytes(data)
    with pytest.raises(GessoError, match=why) as caught:
        read_json(path)
    assert caught.value.where == str(path) and caught.value.fix
    with pytest.raises(GessoError, match=f"^hints: .*{why}"):
        parse_json(data, where="hints")


def test_names_are_safe_to_display():
    assert printable("Kätzchen/画 1.png") == "Kätzchen/画 1.png"
    assert printable(Path("a") / "b.png") == os.path.join("a", "b.png")
    assert printable("a\x1b[2J\n\u202eb") == "a\\x1b[2J\\n\\u202eb"
    printable(os.fsdecode(b"\xff")).encode("utf-8")
    assert len(printable("c" * 10_000)) < 400
