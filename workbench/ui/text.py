"""Other people's text for this visitor's screen."""

from __future__ import annotations

from workbench.catalog import places
from workbench.texts import escaped, without_folders
from workbench.ui import session


def plain(text: object, most: int = 120) -> str:
    """Text that a user typed or named a file with, as Markdown that shows just that text on one line."""
    return escaped(seen(text), most)


def seen(text: object) -> str:
    """Text for this visitor: of the server's folders, people elsewhere see the last names."""
    return str(text) if session.local() else without_folders(str(text), places())
