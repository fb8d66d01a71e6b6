"""Where this system keeps what Gesso remembers: sessions, uploads, the signer's key."""

from __future__ import annotations

import os
from pathlib import Path

SIGNING = "signing"  # the signer's folder within it


def default_home() -> Path:
    """GESSO_HOME, or the folder that this system keeps for programs' data."""
    if os.environ.get("GESSO_HOME"):
        return Path(os.environ["GESSO_HOME"]).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data and os.path.isabs(data) else Path.home() / ".local" / "share") / "gesso"
