"""How much of the disk an owner's jobs take: looked at when one is handed in, and now and then while one runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

CHECK_SECONDS = 30.0  # seconds between two looks while a job runs
FIX = "delete some of your jobs: DELETE /api/jobs/…"


def used_bytes(folders: Iterable[Path]) -> int:
    """The bytes of all files under the folders; a file that has a name in two of them counts in both."""
    total = 0
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):  # gone meanwhile
                    total += os.lstat(os.path.join(place, name)).st_size
    return total
