"""Doctor: what this machine has, what is missing, and the command that installs it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import gesso
from gesso.errors import GessoError
from gesso.record import cpu_features
from gesso.verbs.thread import default_threads
from gesso.weights.store import read_weights

NEEDED = ("torch", "numpy", "scipy", "scikit-image", "pillow", "pydantic", "cyclopts", "rich", "safetensors", "jaxtyping")
EXTRAS = {
    "data": (("pandas", "pandas"), ("pyarrow", "pyarrow"), ("resvg-py", "resvg_py"), ("scikit-learn", "sklearn")),
    "log": (("tensorboard", "tensorboard"), ("matplotlib", "matplotlib")),
    "studio": (("fastapi", "fastapi"), ("uvicorn", "uvicorn"), ("c2pa-python", "c2pa"), ("cryptography", "cryptography")),
    "hub": (("diffusers", "diffusers"), ("transformers", "transformers"), ("accelerate", "accelerate")),
}
PURPOSES = {
    "data": "reading data sets and SVG drawings",
    "log": "curves and plots while training",
    "studio": "the page, serving and signing",
    "hub": "models of diffusers and transformers",
}
LITTLE_MEMORY, LITTLE_DISK = 2.0, 1.0  # GB


@dataclass(frozen=True)
class Finding:
    """One check: `good` is True, False (needs a fix) or None (for information); `fix` is the command or advice that fixes it."""

    name: str
    value: str
    good: bool | None = True
    fix: str = ""


def doctor() -> list[Finding]:
    """All checks: program, machine, extras, weights."""
    return [*_program(), *_machine(), *_extras(), *_weights()]


def _program() -> Iterator[Finding]:
    yield Finding("gesso", f"{gesso.__version__} in {Path(gesso.__file__).parent}")
    python = platform.python_version()
    yield Finding(
        "python",
        f"{python} at {sys.executable}",
        sys.version_info >= (3, 11),
        "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer",
    )
    for name in NEEDED:
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            yield Finding(name, "missing", False, f"pip install {name}")


def _machine() -> Iterator[Finding]:
    import torch

    features = cpu_features()
    fast = "amx_bf16" in features or "avx512_bf16" in features
    yield Finding("processor", ", ".join(features) or "unknown", None)
    yield Finding("bfloat16", "fast on this processor" if fast else "not fast here: training uses float32", None)
    threads = default_threads()
    yield Finding("threads", f"{os.cpu_count()} processors; generating uses {threads}, torch by itself {torch.get_num_threads()}", None)
    memory = _memory_gb()
    if memory is not None:
        free, total = memory
        short = free < LITTLE_MEMORY
        yield Finding("memory", f"{free:.1f} GB free of {total:.1f} GB", not short, "close other programs" if short else "")
    disk = shutil.disk_usage(Path.cwd()).free / 1e9
    yield Finding("disk", f"{disk:.1f} GB free in this folder", disk > LITTLE_DISK, "" if disk > LITTLE_DISK else "free some space")
    if torch.cuda.is_available():
        yield Finding("gpu", torch.cuda.get_device_name(0), None)
    elif torch.backends.mps.is_available():
        yield Finding("gpu", "Apple (mps)", None)
    else:
        yield Finding("gpu", "none; not needed", None)


def _extras() -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        missing = [name for name, module in packages if importlib.util.find_spec(module) is None]
        if missing:
            yield Finding(
                f"extra [{extra}]", f"missing {', '.join(missing)} (for {PURPOSES[extra]})", None, f"pip install 'gesso[{extra}]'"
            )
        else:
            yield Finding(f"extra [{extra}]", f"there (for {PURPOSES[extra]})")


def _weights() -> Iterator[Finding]:
    folder = Path(str(resources.files("gesso.weights"))) / "shipped"
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    if not files:
        yield Finding("weights", "none are shipped in this copy", None, "gesso train RECIPE --out runs/x")
    expected = _expected(folder / "SHA256SUMS")
    for path in files:
        name = f"weights {path.stem}"
        try:
            held = read_weights(path)
        except GessoError as error:
            yield Finding(name, error.what, False, "install gesso again")
            continue
        wanted = expected.get(path.name)
        size = f"{path.stat().st_size / 1e6:.1f} MB, sha256 {held.sha256[:16]}…"
        if wanted is not None and wanted != held.sha256:
            yield Finding(name, f"{size}, but {wanted[:16]}… was shipped", False, "install gesso again")
        else:
            yield Finding(name, f"{size}, {'as shipped' if wanted else 'well-formed'}")


def _expected(path: Path) -> dict[str, str]:
    """{file name: hash} of a list in the format of sha256sum."""
    if not path.is_file():
        return {}
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {line[1].lstrip("*"): line[0] for line in lines if len(line) == 2}


def _memory_gb() -> tuple[float, float] | None:
    """Free and total memory; None where the system does not report it."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return tuple(int(lines[key].split()[0]) / 1e6 for key in ("MemAvailable", "MemTotal"))  # type: ignore[return-value]
    except (OSError, KeyError, ValueError):
        return None
