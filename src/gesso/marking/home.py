"""Where the signer's key lies."""

from __future__ import annotations

from gesso.storage.home import data_home as default_home

SIGNING = "signing"  # the signer's folder within the user's folder for Gesso's data

__all__ = ["SIGNING", "default_home"]
