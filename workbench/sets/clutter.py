"""Files and folders that a system or a program leaves beside images, by their usual names."""

from __future__ import annotations

HIDDEN, COMPANION, LOCK = "hidden", "companions of files, which macOS writes", "locks of open Office documents"
NOT_LOOKED_INTO = "not looked into"
SYSTEM_FOLDERS = {
    "@eadir": "thumbnails of a Synology server",
    "#recycle": "the bin of a Synology server",
    "#snapshot": "old states of a Synology server",
    "@recycle": "the bin of a QNAP server",
    "$recycle.bin": "the bin of Windows",
    "recycler": "the bin of Windows",
    "system volume information": "kept by Windows for itself",
    "lost+found": "kept by the file system for itself",
    "__macosx": COMPANION,
    ".appledouble": COMPANION,
    ".spotlight-v100": "kept by macOS for itself",
    ".fseventsd": "kept by macOS for itself",
    ".trashes": "the bin of macOS",
    ".trash": "the bin of macOS",
    ".ipynb_checkpoints": "copies that Jupyter keeps",
    ".git": "the store of Git",
    ".thumbnails": "thumbnails",
    "__pycache__": "compiled Python",
}
SYSTEM_FILES = {
    "thumbs.db": "thumbnails of Windows",
    "ehthumbs.db": "thumbnails of Windows",
    "desktop.ini": "settings of a folder in Windows",
    ".ds_store": "settings of a folder in macOS",
    "icon\r": "settings of a folder in macOS",
    ".directory": "settings of a folder in KDE",
}
BEGINNINGS = {"._": COMPANION, "~$": LOCK, ".~lock.": LOCK}
"""How the names of such files begin."""
ARCHIVES = frozenset((".zip", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst"))


def folder_clutter(name: str) -> str | None:
    """What a folder of this name is, where it is no part of any set."""
    return SYSTEM_FOLDERS.get(name.lower()) or (HIDDEN if name.startswith(".") else None)


def file_clutter(name: str) -> str | None:
    """What a file of this name is, where it is no part of any set."""
    begins = next((kind for beginning, kind in BEGINNINGS.items() if name.startswith(beginning)), None)
    return SYSTEM_FILES.get(name.lower()) or begins or (HIDDEN if name.startswith(".") else None)


def path_clutter(parts: tuple[str, ...]) -> str | None:
    """The same of a whole path, by its folders and then by its own name."""
    folders = (folder_clutter(part) for part in parts[:-1])
    return next((kind for kind in folders if kind), None) or file_clutter(parts[-1])
