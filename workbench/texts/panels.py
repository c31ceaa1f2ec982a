"""Results as HTML for a notebook: no script, no style sheet, everything escaped, light and dark as the notebook is.

Colours are shades laid over whatever lies below, and text has the notebook's own colour: so a panel needs no word on
which theme it is in, and stays readable where a viewer takes its styles away.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence

from workbench.errors import LONGEST

PANEL_ROWS = 20
"""Rows of a table that a panel shows."""
PANEL_COLUMNS = 14
CHIP_SHADES = {"good": "34 139 84", "bad": "200 50 50", "doubt": "200 140 0", "plain": "128 128 128"}
"""Red, green and blue of each tone, as on the pages."""
_BOX = "max-width:60rem;padding:.6rem .8rem;border:1px solid rgb(128 128 128 / .45);border-radius:.4rem"
_CELL = "padding:.25rem .9rem .25rem 0;text-align:left;vertical-align:top"
_LINE = "border-bottom:1px solid rgb(128 128 128 / .35)"


class Marked(str):
    """HTML that is safe to stand in a table as it is."""

    __slots__ = ()


def panel(title: str, facts: Mapping[str, object], *parts: str) -> str:
    """A box with a title, facts by their names, and what the other functions here made.

    Example:
        >>> from workbench.texts import panel
        >>> "&lt;b&gt;" in panel("<b>", {})
        True
    """
    lines = "".join(
        f'<tr><th scope="row" style="{_CELL}">{_text(name)}</th><td style="{_CELL}">{_text(value)}</td></tr>'
        for name, value in facts.items()
    )
    table = f'<table style="border-collapse:collapse;margin:.3rem 0"><tbody>{lines}</tbody></table>' if lines else ""
    return f'<div style="{_BOX}"><strong style="font-size:1.1em">{_text(title)}</strong>{table}{"".join(parts)}</div>'


def panel_chip(word: object, tone: str) -> Marked:
    """A word on a shade of its tone, a key of `CHIP_SHADES`."""
    colour = f"background:rgb({CHIP_SHADES[tone]} / .2);border-left:.25rem solid rgb({CHIP_SHADES[tone]})"
    return Marked(
        f'<span style="{colour};padding:.05rem .5rem;font-weight:600;white-space:nowrap">{_text(word)}</span>'
    )


def panel_note(text: object) -> str:
    """A line of small text."""
    return f'<div style="font-size:.9em;margin:.3rem 0">{_text(text)}</div>'


def panel_rows(head: Sequence[str], lines: Iterable[Sequence[object]], count: int, what: str) -> str:
    """A table of the first lines and columns, and how many there are of all.

    Args:
        head: The columns' names.
        lines: Cells; what `panel_chip` made stands as it is, everything else is escaped.
        count: How many lines there are in all, which may be more than `lines` yields.
        what: What a line is, in the plural.
    """
    names = head[:PANEL_COLUMNS]
    first = [list(line)[:PANEL_COLUMNS] for line, _ in zip(lines, range(PANEL_ROWS), strict=False)]
    top = "".join(f'<th scope="col" style="{_CELL};{_LINE}">{_text(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(_cell(value) for value in line)}</tr>" for line in first)
    left = [f"the first {len(first):,} of {count:,} {what}"] if count > len(first) else []
    left += [f"the first {len(names)} of {len(head)} columns"] if len(head) > len(names) else []
    table = f'<table style="border-collapse:collapse"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div style="overflow-x:auto">{table}</div>' + (panel_note(f"Shown: {' and '.join(left)}.") if left else "")


def panel_image(png: bytes, alt: str, gradient: str, ticks: Sequence[str]) -> str:
    """An image in the page itself, above a bar of colours.

    Args:
        png: The image.
        alt: What it shows.
        gradient: The bar, as CSS.
        ticks: What its places stand for, from left to right.
    """
    source = base64.b64encode(png).decode()
    places = "".join(f"<span>{_text(tick)}</span>" for tick in ticks)
    return (
        f'<img alt="{_text(alt)}" src="data:image/png;base64,{source}" style="width:20rem;max-width:100%">'
        f'<div role="img" aria-label="colour bar" style="height:.7rem;max-width:20rem;background:{gradient}"></div>'
        f'<div style="display:flex;justify-content:space-between;max-width:20rem;font-size:.85em">{places}</div>'
    )


def _cell(value: object) -> str:
    return f'<td style="{_CELL}">{value if isinstance(value, Marked) else _text(value)}</td>'


def _text(value: object) -> str:
    """A value on one line, cut where it is long, as HTML that shows just that."""
    line = " ".join(str(value).split())
    line = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
    return html.escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line))
