"""What has been found about a model and a set, the proven first, for every page that concludes from it."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.stats import ENOUGH
from workbench.ui import session, url, warm
from workbench.ui.cache import slot
from workbench.ui.text import plain
from workbench.ui.view import View

if TYPE_CHECKING:
    from workbench.bias import Comparison

Grade = Literal["proven", "measured", "chance", "few", "pending", "open", "clear"]
CHIPS: Mapping[Grade, tuple[str, str]] = {
    "proven": ("proven", "bad"),
    "measured": ("measured", "bad"),
    "chance": ("chance can do that", "doubt"),
    "few": ("too few to say", "doubt"),
    "pending": ("one moment", "plain"),
    "open": ("not looked for yet", "plain"),
    "clear": ("none proven", "plain"),
}
"""The word for each grade and its colour: none is green, for what was looked for is never all."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One finding.

    Attributes:
        key: A word for what it is about.
        grade: How sure it is.
        text: The finding in Markdown.
        link: Page and query of its proof.
        action: Draws what can be done about it.
    """

    key: str
    grade: Grade
    text: str
    link: tuple[Path, Mapping[str, str]] | None = None
    action: Callable[[], None] | None = None


def chip(line: Line) -> str:
    """The word for how sure a finding is, as HTML."""
    word, colour = CHIPS[line.grade]
    return f'<span class="wb-chip wb-{colour}">{html.escape(word)}</span>'


def of(view: View, split: str, rows: NDArray[np.bool_]) -> list[Line]:
    """What is known about groups, shortcuts and maps, the proven first. Arguments as `groups`."""
    lines = [groups(view, split, rows)]
    order = list(CHIPS)
    return sorted(lines, key=lambda line: order.index(line.grade))


def groups(view: View, split: str, rows: NDArray[np.bool_]) -> Line:
    """For whom it is worse, by the comparison that Bias shows.

    Args:
        view: A model and a set, with predictions.
        split: "test", or "all" for every image.
        rows: (N,) which images count.
    """
    link = (url.BIAS, url.link())
    if not warm.torch_ready():
        return Line("groups", "pending", "Groups: being compared ...", link)
    comparison = _comparison(view, split, rows)
    if comparison is None:
        text = "Groups: nothing to compare by, for no attribute (camera, line, type) comes with these images."
        return Line("groups", "open", text)
    frame = comparison.frame[comparison.frame["figure"].isin(SAID)].dropna(subset=["p"])
    if frame.empty:
        return Line("groups", "few", f"Groups: fewer than two have {ENOUGH} images.", link)
    proven = frame[frame["significant"]]
    worst = proven if len(proven) else frame
    places = {figure: place for place, figure in enumerate(SAID)}
    order = worst.assign(place=worst["figure"].map(places))
    row = order.sort_values(["place", "p adjusted"], kind="stable").iloc[0].to_dict()
    several = f" after correction for {comparison.tests} comparisons" if comparison.tests > 1 else ""
    chance = f"p {'< 0.001' if row['p adjusted'] < 0.001 else '= ' + format(row['p adjusted'], '.2g')}{several}"
    return Line("groups", "proven" if len(proven) else "chance", f"{_gap(row)} ({chance}).", link)


SAID = {
    "escape rate": "defects are missed",
    "overkill rate": "good parts are rejected",
    "accuracy": "images are decided right",
}
"""What a share of 100 means, by the figure, the one that costs most first."""


def _gap(row: Mapping[Hashable, Any]) -> str:
    """A gap between two groups in words, for Markdown."""
    ends = ("lowest", "highest") if row["worst"] == row["lowest"] else ("highest", "lowest")
    worse, better = (plain(row[end]) for end in ends)
    high, low = (f"{100 * row[f'{end} value']:.0f}" for end in ends)
    said = f"{high} against {low} of 100 {SAID[row['figure']]}"
    return f"**Worse for {worse} than for {better}** ({plain(row['by'])}): {said}"


def _comparison(view: View, split: str, rows: NDArray[np.bool_]) -> Comparison | None:
    """The gaps between the groups of each attribute that does not reveal the label, from the shelf of Bias."""
    from workbench.bias import compare, tied_to_label
    from workbench.ui.bias.attributes import grouping

    assert view.predictions is not None
    token, predictions = session.token(view.predictions), view.predictions
    grouped = slot("grouping", table=token).kept(lambda: grouping(predictions), lambda _: 64 * 1024)
    tied = tied_to_label(predictions, rows)
    ways = tuple(name for name in grouped.names if name not in tied)
    if not ways:
        return None
    place = slot("bias figure", table=token, split=split, figure=("comparison", ways))
    return place.kept(
        lambda: compare(grouped.predictions, *ways, rows=rows), lambda _: 64 * 1024 + 8 * len(predictions)
    )


def proven(view: View) -> bool:
    """Whether a shortcut of this model is proven on this set."""
    return False
