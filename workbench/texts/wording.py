"""Amounts in sentences, where the sign of a figure chooses the word and the figure told has none; names made short."""

from __future__ import annotations

from collections.abc import Sequence


def directed(value: float, form: str, up: str, down: str, none: str = "no different") -> str:
    """An amount followed by the word for its direction, as in "15.3% sooner" or "15.3% later".

    Args:
        value: Positive for `up`, negative for `down`.
        form: How the amount is written, as `str.format` takes it: "{:.1%}".
        up: The word where it is above zero.
        down: The word where it is below.
        none: What is said, without an amount, where it is zero as it is written.
    """
    amount = form.format(abs(value))
    return none if amount == form.format(0.0) else f"{amount} {up if value > 0 else down}"


def chosen(value: float, form: str, up: str, down: str, none: str) -> str:
    """The word alone, by the same rule. Arguments as `directed`."""
    return none if form.format(abs(value)) == form.format(0.0) else up if value > 0 else down


def shortened(name: str, most: int) -> str:
    """A name of at most `most` characters: a longer one loses its middle, as its end tells files apart.

    >>> shortened("line-3/2024-05-17/camera-left-000123.png", 24)
    'line-3/2024-…-000123.png'
    """
    if len(name) <= most:
        return name
    end = (most - 1) // 2
    return f"{name[: most - 1 - end]}…{name[len(name) - end :]}"


def sentence_list(names: Sequence[str], most: int = 6) -> str:
    """The first `most` of `names` as a list in a sentence, and how many more there are.

    >>> sentence_list(["good", "dent", "pit"], 2)
    'good, dent and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def duration(seconds: float) -> str:
    """A time as a person says it.

    >>> duration(42), duration(3088), duration(9000)
    ('42 s', '51 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
