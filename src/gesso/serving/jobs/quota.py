"""The disk space of an owner's jobs: checked when a job is submitted and regularly while it runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

CHECK_SECONDS = 30.0  # between two checks while a job runs
FIX = "delete some of your jobs: DELETE /api/jobs/…"


def used_bytes(folders: Iterable[Path]) -> int:
    """The bytes of all files under the folders; a file linked in two of them counts twice."""
    total = 0
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):  # deleted meanwhile
                    total += os.lstat(os.path.join(place, name)).st_size
    return total
