"""What has been found about a model and a set, the proven first, for every page that concludes from it."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from workbench.stats import ENOUGH
from workbench.ui import session, url, warm
from workbench.ui.progress import guarded, offer
from workbench.ui.text import plain
from workbench.ui.view import View

if TYPE_CHECKING:
    from workbench.bias import Conclusion
    from workbench.ui.bias.scope import Scope

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
METHOD = "grad_cam"
"""Whose maps a search for shortcuts starts from where nothing else is chosen."""
SAID = {
    "escape rate": "defects are missed",
    "overkill rate": "good parts are rejected",
    "accuracy": "images are decided right",
}
"""What a share of 100 means, by the figure, the one that costs most first."""


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


def of(view: View) -> list[Line]:
    """What is known about shortcuts and groups, the proven first. Nothing long is computed for it."""
    scope = _scope(view)
    if scope is None:
        return [Line("groups", "pending", "Groups and shortcuts: being looked up ...")]
    lines = [*_shortcuts(scope), _groups(scope)]
    order = list(CHIPS)
    return sorted(lines, key=lambda line: order.index(line.grade))


def accused(view: View) -> list[Conclusion]:
    """The shortcuts of this model that are proven on this set, where somebody has looked."""
    scope = _scope(view)
    return [] if scope is None else [line for line in _conclusions(scope) if line.verdict == "proven"]


@guarded
def banner(view: View) -> None:
    """A red line above a page where a shortcut is proven: whatever the page shows must be read with it."""
    for line in accused(view):
        st.error(f"**{line.lead}:** {plain(line.sentence, 900)}", icon=":material/report:")
        st.page_link(url.BIAS, label="Proof", icon=":material/arrow_forward:", query_params=_proof())


def _scope(view: View) -> Scope | None:
    """What Bias speaks of; None before its libraries are there, when nothing was computed yet either."""
    if not warm.torch_ready():
        return None
    from workbench.ui.bias.scope import standard

    return standard(view)


def _conclusions(scope: Scope) -> list[Conclusion]:
    from workbench.bias import of_shortcuts
    from workbench.ui.bias import shortcuts

    search = shortcuts.kept(scope)
    return list(of_shortcuts(None, 0) if search is None else of_shortcuts(search.findings, len(search.maps.frame)))


def _proof() -> Mapping[str, str]:
    return url.link(shortcuts="on")


def _shortcuts(scope: Scope) -> list[Line]:
    """What a search for shortcuts found; without one, the button that starts it."""
    grades: Mapping[str, Grade] = {"proven": "proven", "too few": "few", "open": "open", "chance": "chance"}
    lines = []
    for number, line in enumerate(_conclusions(scope)):
        text = f"**{line.lead}:** {plain(line.sentence, 900)}"
        grade = grades.get(line.verdict, "clear")
        if grade == "open":
            lines.append(Line("shortcuts", grade, text, action=lambda: _look(scope)))
        else:
            lines.append(Line(f"shortcut {number}", grade, text, (url.BIAS, _proof())))
    return lines


@guarded
def _look(scope: Scope) -> None:
    from workbench.ui.bias import shortcuts

    key = f"look here {scope.model.key[:12]} {session.token(scope.images)[:12]}"
    offer("Look for shortcuts", key, lambda: shortcuts.search(scope, METHOD))
    st.caption("About a minute; up to two for a large model.", width="content")


def _groups(scope: Scope) -> Line:
    """For whom it is worse, by the comparison that Bias shows."""
    comparison = scope.comparison()
    if comparison is None:
        text = "**Groups:** nothing to compare by, for no attribute (camera, line, type) comes with these images."
        return Line("groups", "open", text)
    link = (url.BIAS, url.link())
    frame = comparison.frame[comparison.frame["figure"].isin(SAID)].dropna(subset=["p"])
    if frame.empty:
        return Line("groups", "few", f"**Groups:** fewer than two have {ENOUGH} images.", link)
    proven = frame[frame["significant"]]
    places = {figure: place for place, figure in enumerate(SAID)}
    rows = (proven if len(proven) else frame).assign(place=lambda part: part["figure"].map(places))
    row = rows.sort_values(["place", "p adjusted"], kind="stable").iloc[0].to_dict()
    several = f" after correction for {comparison.tests} comparisons" if comparison.tests > 1 else ""
    chance = f"p {'< 0.001' if row['p adjusted'] < 0.001 else '= ' + format(row['p adjusted'], '.2g')}{several}"
    return Line("groups", "proven" if len(proven) else "chance", f"{_gap(row)} ({chance}).", link)


def _gap(row: Mapping[Hashable, Any]) -> str:
    """A gap between two groups in words, for Markdown."""
    ends = ("lowest", "highest") if row["worst"] == row["lowest"] else ("highest", "lowest")
    worse, better = (plain(row[end]) for end in ends)
    high, low = (f"{100 * row[f'{end} value']:.0f}" for end in ends)
    said = f"{high} against {low} of 100 {SAID[row['figure']]}"
    return f"**Worse for {worse} than for {better}** ({plain(row['by'])}): {said}"
