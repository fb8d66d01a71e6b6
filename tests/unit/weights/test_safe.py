"""Untrusted weights files: each hostile file is refused with a reason, and none runs code."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from gesso.errors import GessoError
from gesso.weights.store import MAX_CARD, read_weights

CARD = json.dumps({"recipe": "toy", "preset": "small"})
META = {"gesso": "1", "card": CARD}
ONE = {"net/w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


class Canary:
    """What a hostile pickle does when it is opened: here it only leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


def packed(header: Any, data: bytes = b"\0" * 8, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: Any = "F32", shape: Any = (2,), places: Any = (0, 8), **more: Any) -> bytes:
    described = {"dtype": dtype, "shape": list(shape) if isinstance(shape, tuple) else shape}
    described["data_offsets"] = list(places) if isinstance(places, tuple) else places
    return packed({"__metadata__": META, "net/w": described | more})


def named(name: str) -> bytes:
    return packed({"__metadata__": META, name: ONE["net/w"]})


def zipped(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, data)
    return out.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def torch_saved(canary: Canary, *, new: bool) -> bytes:
    out = io.BytesIO()
    torch.save({"net": torch.zeros(2), "x": canary}, out, _use_new_zipfile_serialization=new)
    return out.getvalue()


def tensors(**values: torch.Tensor) -> bytes:
    return save({name.replace("__", "/"): value for name, value in values.items()}, metadata=META)


GOOD = tensors(net__w=torch.ones(2))
TWO = packed({"__metadata__": META, "net/a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "net/b": ONE["net/w"]}, b"\0" * 8)
GAP = packed({"__metadata__": META, "net/a": ONE["net/w"], "net/b": {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}}, b"\0" * 16)
HOSTILE: dict[str, tuple[Callable[[Canary], bytes], str]] = {
    **{f"pickle {p}": (lambda canary, p=p: pickle.dumps(canary, p), "pickle|safetensors") for p in range(6)},
    "pickle of a dict": (lambda canary: pickle.dumps({"net": canary}), "pickle"),
    "pickle behind a length": (lambda canary: packed(pickle.dumps(canary), b""), "not JSON"),
    "torch.save as zip": (lambda canary: torch_saved(canary, new=True), "zip archive"),
    "torch.save as it was": (lambda canary: torch_saved(canary, new=False), "pickle"),
    "zip with a pickle": (lambda canary: zipped("data.pkl", pickle.dumps(canary)), "zip archive"),
    "zip with a path": (lambda canary: zipped("../../evil", b"x"), "zip archive"),
    "tar with a pickle": (lambda canary: tarred("data.pkl", pickle.dumps(canary)), "archive"),
    "gzip": (lambda canary: b"\x1f\x8b\x08" + bytes(30), "archive"),
    "HDF5": (lambda canary: b"\x89HDF\r\n\x1a\n" + bytes(30), "HDF5"),
    "GGUF": (lambda canary: b"GGUF" + bytes(30), "GGUF"),
    "git-lfs pointer": (lambda canary: b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
    "zip before safetensors": (lambda canary: zipped("a", b"b") + GOOD, "zip archive"),
    "zip behind safetensors": (lambda canary: GOOD + zipped("data.pkl", pickle.dumps(canary)), "after the last tensor"),
    "pickle behind safetensors": (lambda canary: GOOD + pickle.dumps(canary), "after the last tensor"),
    "empty": (lambda canary: b"", "empty"),
    "seven bytes": (lambda canary: bytes(7), "cut short"),
    "text": (lambda canary: b"these are weights, honestly", "not a safetensors"),
    "a header of 2**63": (lambda canary: packed(ONE, length=2**63), "declares a header"),
    "a header of 11 MB": (lambda canary: packed(b"{" + b" " * 11 * 2**20 + b"}"), "declares a header"),
    "a header longer than the file": (lambda canary: packed(ONE, length=5000), "cut short"),
    "a header of nothing": (lambda canary: packed(b"", b""), "not JSON"),
    "a header that is a list": (lambda canary: packed(b"[]", b""), "not JSON"),
    "a header nested 100,000 deep": (lambda canary: packed(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "not JSON|described"),
    "a header with NaN": (lambda canary: packed(b'{"net/w": NaN}'), "not JSON"),
    "a header not UTF-8": (lambda canary: packed(b'{"\xff\xfe": 1}'), "not JSON"),
    "a name twice": (lambda canary: packed(b'{"net/w": ' + json.dumps(ONE["net/w"]).encode() + b', "net/w": {}}'), "duplicate"),
    "a number of 5000 digits": (lambda canary: packed(b'{"net/w": ' + b"9" * 5000 + b"}"), "not JSON|described"),
    "metadata that is not text": (lambda canary: packed({"__metadata__": {"card": {}}, **ONE}), "metadata"),
    "no dtype": (lambda canary: packed({"net/w": {"shape": [2], "data_offsets": [0, 8]}}), "not described"),
    "more than dtype, shape, offsets": (lambda canary: entry(code="x"), "not described"),
    "a dtype of its own": (lambda canary: entry(dtype="OBJECT"), "type OBJECT"),
    "a dtype that is a list": (lambda canary: entry(dtype=["F32"]), "type"),
    "F64": (lambda canary: entry("F64", (1,)), "type F64"),
    "BOOL": (lambda canary: entry("BOOL", (8,)), "type BOOL"),
    "a negative shape": (lambda canary: entry(shape=(-2,)), "shape"),
    "a shape of floats": (lambda canary: entry(shape=(2.0,)), "shape"),
    "a shape of true": (lambda canary: entry(shape=(True, 2)), "shape"),
    "a shape that overflows": (lambda canary: entry(shape=(2**33, 2**33)), "bytes for"),
    "a shape of 2**62": (lambda canary: entry(shape=(2**62,)), "shape"),
    "nine axes": (lambda canary: entry(shape=(1, 1, 1, 1, 1, 1, 1, 1, 2)), "shape"),
    "a shape that is text": (lambda canary: entry(shape="2"), "shape"),
    "negative offsets": (lambda canary: entry(places=(-8, 0)), "offsets"),
    "offsets the wrong way": (lambda canary: entry(places=(8, 0)), "bytes for"),
    "offsets behind the end": (lambda canary: entry(places=(0, 8000), shape=(2000,)), "cut short"),
    "three offsets": (lambda canary: entry(places=(0, 4, 8)), "offsets"),
    "bytes too few for the shape": (lambda canary: entry(shape=(3,)), "bytes for"),
    "tensors that overlap": (lambda canary: TWO, "overlap"),
    "a gap between tensors": (lambda canary: GAP, "gap"),
    "bytes before the first": (
        lambda canary: packed({"__metadata__": META, "net/w": {**ONE["net/w"], "data_offsets": [8, 16]}}, bytes(16)),
        "before",
    ),
    "cut in the data": (lambda canary: GOOD[:-3], "cut short"),
    "cut in the header": (lambda canary: GOOD[:40], "cut short"),
    "a name with ..": (lambda canary: named("net/../../w"), "path"),
    "a name from the root": (lambda canary: named("/etc/passwd"), "path"),
    "a name with a drive": (lambda canary: named("C:net/w"), "path"),
    "a name with backslashes": (lambda canary: named("net\\w"), "path"),
    "a name with a newline": (lambda canary: named("net/w\n"), "control"),
    "a name with an escape": (lambda canary: named("net/\x1b[2Jw"), "control"),
    "a name with a zero": (lambda canary: named("net/w\0.pt"), "control"),
    "a name that turns the text round": (lambda canary: named("net/\u202ew"), "control"),
    "a name of 201 letters": (lambda canary: named("net/" + "w" * 197), "characters"),
    "a name of nothing": (lambda canary: named(""), "characters"),
    "a name without a role": (lambda canary: tensors(w=torch.ones(2)), "role/parameter"),
    "NaN": (lambda canary: tensors(net__w=torch.tensor([1.0, float("nan")])), "NaN or infinity"),
    "infinity in half": (lambda canary: tensors(net__w=torch.tensor([float("inf")]).half()), "NaN or infinity"),
    "no tensors": (lambda canary: save({}, metadata=META), "no weights"),
    "no card": (lambda canary: save({"net/w": torch.ones(1)}), "no Gesso card"),
    "a card of another layout": (lambda canary: save({"net/w": torch.ones(1)}, metadata={"gesso": "99", "card": CARD}), "no Gesso card"),
    "a card that is not JSON": (lambda canary: save({"net/w": torch.ones(1)}, metadata={**META, "card": "{"}), "card is not JSON"),
    "a card that is a list": (lambda canary: save({"net/w": torch.ones(1)}, metadata={**META, "card": "[]"}), "not a table"),
    "a card whose recipe is a number": (
        lambda canary: save({"net/w": torch.ones(1)}, metadata={**META, "card": '{"recipe": 1}'}),
        "not a table",
    ),
    "a card nested deep": (lambda canary: save({"net/w": torch.ones(1)}, metadata={**META, "card": "[" * 10**5}), "card is not JSON"),
    "a card of 2 MB": (
        lambda canary: save({"net/w": torch.ones(1)}, metadata={**META, "card": '"' + "x" * 2 * MAX_CARD + '"'}),
        "larger than",
    ),
}


def test_the_corpus_is_large_enough() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_a_hostile_file_is_refused_with_a_reason_and_never_runs(name: str, ending: str, tmp_path: Path) -> None:
    make, reason = HOSTILE[name]
    mark, path = tmp_path / "mark", tmp_path / f"weights{ending}"
    path.write_bytes(make(Canary(mark)))
    with pytest.raises(GessoError, match=reason) as refused:
        read_weights(path)
    assert not mark.exists(), "the pickle ran"
    assert refused.value.where and "weights" in refused.value.where
    assert str(refused.value).isprintable()


def test_the_canary_detects_execution(tmp_path: Path) -> None:
    """Without this the test above might pass because the canary is dead."""
    pickle.loads(pickle.dumps(Canary(tmp_path / "mark")))
    assert (tmp_path / "mark").is_dir()


def test_anything_but_a_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GessoError, match="folder"):
        read_weights(tmp_path)
    with pytest.raises(GessoError, match="no such file"):
        read_weights(tmp_path / "nothing.safetensors")
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(GessoError, match="pipe"):
        read_weights(tmp_path / "pipe.safetensors")


def test_a_file_above_the_budget_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    path.write_bytes(GOOD)
    assert read_weights(path).card["recipe"] == "toy"
    with pytest.raises(GessoError, match="larger than"):
        read_weights(path, max_bytes=len(GOOD) - 1)


@pytest.mark.parametrize("seed", range(4))
def test_files_with_changed_bytes_are_read_completely_or_refused(seed: int, tmp_path: Path) -> None:
    """250 mutants a seed of a good file: flips, cuts, insertions. Nothing but GessoError comes out, and what is read is finite."""
    import random

    rng, path = random.Random(seed), tmp_path / "w.safetensors"
    good = tensors(net__w=torch.arange(12.0).reshape(3, 4), net__b=torch.ones(4), other__n=torch.tensor([3]))
    for _ in range(250):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            where = rng.randrange(len(data))
            match rng.randrange(3):
                case 0:
                    data[where] ^= 1 << rng.randrange(8)
                case 1:
                    del data[where : where + rng.randint(1, 9)]
                case 2:
                    data[where:where] = rng.randbytes(rng.randint(1, 9))
        path.write_bytes(data)
        try:
            read = read_weights(path)
        except GessoError:
            continue
        assert all(bool(v.isfinite().all()) for state in read.states.values() for v in state.values() if v.is_floating_point())
