"""What was understood of a model or of an image set: one line each, from what, and how sure it is."""

from __future__ import annotations

import html
from collections.abc import Iterable

from workbench.ui.gallery import chip
from workbench.ui.text import seen

SURE_TONES = {
    "assumed": "doubt",
    "measured": "plain",
    "recognised": "plain",
    "published": "good",
    "stated": "good",
}
"""The kinds of `chip` for how sure something is."""


def table(lines: Iterable[tuple[str, str, str, str, str]]) -> str:
    """Lines of topic, value, source, name of the setting, and how sure, as HTML; the assumed first."""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(topic)}</th><td>{html.escape(seen(value))}'
        f'<div class="wb-small">{html.escape(seen(source))}'
        + (f" · <code>{html.escape(setting)}</code>" if setting else "")
        + f"</div></td><td>{chip(how, SURE_TONES.get(how, 'plain'))}</td></tr>"
        for topic, value, source, setting, how in sorted(lines, key=lambda line: line[-1] != "assumed")
    )
    return f'<table class="wb-facts wb-reading">{rows}</table>'
