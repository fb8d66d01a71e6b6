"""The folder for Gesso's data on this system: sessions, uploads, the signer's key."""

from __future__ import annotations

import os
from pathlib import Path

SIGNING = "signing"  # the folder within it of the process that signs


def data_home() -> Path:
    """GESSO_HOME, or the system's folder for a user's data; on Linux $XDG_DATA_HOME/gesso or ~/.local/share/gesso.

    Earlier versions used the Linux folder on every system. It is still used where it exists and the system's own folder does not.
    """
    from platformdirs import user_data_path

    if os.environ.get("GESSO_HOME"):
        return Path(os.environ["GESSO_HOME"]).expanduser()
    home = user_data_path("gesso", appauthor=False)
    earlier = _earlier_home()
    return earlier if os.path.isdir(earlier) and not os.path.exists(home) else home


def _earlier_home() -> Path:
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data and os.path.isabs(data) else Path.home() / ".local" / "share") / "gesso"
