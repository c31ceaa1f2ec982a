"""Where this user's caches and records lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE_VARIABLE, JOURNAL_VARIABLE = "WORKBENCH_CACHE", "WORKBENCH_JOURNAL"


def cache_folder() -> Path:
    """Where this user's caches lie, by the custom of the system, or where WORKBENCH_CACHE says."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = "~/Library/Caches" if sys.platform == "darwin" else os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base), "explainability-workbench")


def data_folder() -> Path:
    """Where this user's own records lie, by the custom of the system: unlike the cache, nothing sweeps it."""
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or "~/AppData/Roaming"
    else:
        home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        base = "~/Library/Application Support" if sys.platform == "darwin" else home
    return Path(os.path.expanduser(base), "explainability-workbench")
