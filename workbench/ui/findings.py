"""What has been found about a model and a set, the proven first, for every page that concludes from it."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.ui import explain, results, session, url, warm
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain
from workbench.ui.view import View

if TYPE_CHECKING:
    from workbench.bias import Conclusion
    from workbench.evidence import Finding
    from workbench.ui.bias.scope import Scope

Grade = Literal["proven", "measured", "checked", "chance", "few", "pending", "open", "clear"]
CHIPS: Mapping[Grade, tuple[str, str]] = {
    "proven": ("proven", "bad"),
    "measured": ("measured", "bad"),
    "checked": ("checked", "doubt"),
    "chance": ("chance can do that", "doubt"),
    "few": ("too few to say", "doubt"),
    "pending": ("one moment", "plain"),
    "open": ("not looked for yet", "plain"),
    "clear": ("none proven", "plain"),
}
"""The word for each grade and its colour: none is green, for what was looked for is never all."""
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
    scope = scope_of(view)
    if scope is None:
        return [Line("groups", "pending", "Groups and shortcuts: being looked up ...")]
    lines = [*_shortcuts(scope), _groups(scope)]
    order = list(CHIPS)
    return sorted(lines, key=lambda line: order.index(line.grade))


def maps_of(view: View, rows: NDArray[np.intp], what: str, query: Mapping[str, str]) -> Line:
    """Whether the maps that Explain draws of some images hold their checks, as far as that was looked into.

    Args:
        view: A model and a set, with predictions.
        rows: The images, as rows of the predictions, at least one.
        what: What they are called, in the plural.
        query: The link to them.
    """
    from workbench.evidence import LEAN, rating

    words = [[rating(findings).word for findings in cards] for row in rows if (cards := _checked(view, row))]
    if not words:
        text = f"**Maps** of the {len(rows):,} {what} above: not checked yet."
        return Line("maps", "open", text, action=lambda: _check(view, rows))
    without = sum(LEAN not in some for some in words)
    link = (url.EXPLAIN, query)
    if without:
        of = f"on {without} of {len(words)} {what} no map holds all its checks: take none as the reason there."
    else:
        of = f"on each of {len(words)} {what} at least one map holds all its checks."
    return Line("maps", "checked" if without else "clear", f"**Maps:** {of}", link)


def _checked(view: View, row: int) -> list[Sequence[Finding]] | None:
    """What is known of each standard map of an image; None where one of them was not checked."""
    image, settings = view.of(view.at(row)), _standard(view, row)
    cards = []
    for method in settings.methods:
        made = results.map_slot(image, method, settings.aim, settings.params[method]).get()
        findings = None if made is None or isinstance(made, str) else results.findings_slot(image, made, "quick").get()
        if made is None or (findings is None and not isinstance(made, str)):
            return None
        if findings is not None:
            cards.append(findings)
    return cards or None


def _standard(view: View, row: int) -> explain.Settings:
    assert view.predictions is not None
    return explain.standard((view.predictions, row))


@guarded
def _check(view: View, rows: NDArray[np.intp]) -> None:
    """The button that checks the maps, image by image."""

    def run() -> bool | None:
        progress = Stoppable("Checking maps", f"maps {view.model.key[:12]} {session.token(view.images)[:12]}")
        if progress.stopped:
            return None
        for done, row in enumerate(rows.tolist()):
            progress(done, len(rows))
            image, settings = view.of(view.at(row)), _standard(view, row)
            for method in settings.methods:
                made = results.attribution(image, method, settings.aim, settings.params[method])
                if made is None or (not isinstance(made, str) and results.findings(image, made, "quick") is None):
                    return None
        progress.done()
        return True

    offer(f"Check the maps of {len(rows)}", f"maps {view.model.key[:12]} {session.token(view.images)[:12]} here", run)
    st.caption("Up to two minutes an image for a large model; what is done is kept.", width="content")


def accused(view: View) -> list[Conclusion]:
    """The shortcuts of this model that are proven on this set, where somebody has looked."""
    scope = scope_of(view)
    return [] if scope is None else [line for line in _conclusions(scope) if line.verdict == "proven"]


@guarded
def banner(view: View) -> None:
    """A red line above a page where a shortcut is proven: whatever the page shows must be read with it."""
    for line in accused(view):
        st.error(f"**{line.lead}:** {plain(line.sentence, 900)}", icon=":material/report:")
        st.page_link(url.BIAS, label="Proof", icon=":material/arrow_forward:", query_params=_proof())


def scope_of(view: View) -> Scope | None:
    """What Bias speaks of; None before its libraries are there, when nothing was computed yet either."""
    if not warm.torch_ready():
        return None
    from workbench.ui.bias.scope import standard

    return standard(view)


def _conclusions(scope: Scope) -> list[Conclusion]:
    from workbench.ui.bias import shortcuts

    return shortcuts.concluded(scope)


def _proof() -> Mapping[str, str]:
    return url.link(shortcuts="on")


def _shortcuts(scope: Scope) -> list[Line]:
    """What a search for shortcuts found; without one, the button that starts it."""
    grades: Mapping[str, Grade] = {"proven": "proven", "too few": "few", "open": "open", "chance": "chance"}
    lines = []
    for number, line in enumerate(_conclusions(scope)):
        text = f"**{line.lead}:** {plain(line.sentence, 900)}"
        grade = grades.get(line.verdict, "clear")
        if grade == "open" and line.about:  # looked for, and not found
            grade = "checked"
        if grade == "open":
            lines.append(Line("shortcuts", grade, text, action=lambda: _look(scope)))
        else:
            lines.append(Line(f"shortcut {number}", grade, text, (url.BIAS, _proof())))
    return lines


@guarded
def _look(scope: Scope) -> None:
    from workbench.ui.bias import shortcuts

    key = f"look here {scope.model.key[:12]} {session.token(scope.images)[:12]}"
    offer("Search for shortcuts", key, lambda: shortcuts.search(scope))
    st.caption("Up to ten minutes, by model and machine; it can be stopped, and goes on.", width="content")


def _groups(scope: Scope) -> Line:
    """For whom it is worse, by the comparison that Bias shows."""
    from workbench.bias import chance, enough_of

    comparison = scope.comparison()
    if comparison is None:
        text = "**Groups:** nothing to compare by, for no attribute (camera, line, type) comes with these images."
        return Line("groups", "open", text)
    link = (url.BIAS, url.link())
    frame = comparison.frame[comparison.frame["figure"].isin(SAID)].dropna(subset=["p"])
    if frame.empty:
        return Line("groups", "few", f"**Groups:** fewer than two have {enough_of(scope.independence.unit)}.", link)
    proven = frame[frame["significant"]]
    places = {figure: place for place, figure in enumerate(SAID)}
    rows = (proven if len(proven) else frame).assign(place=lambda part: part["figure"].map(places))
    row = rows.sort_values(["place", "p adjusted"], kind="stable").iloc[0].to_dict()
    several = f" after correction for {comparison.tests} comparisons" if comparison.tests > 1 else ""
    return Line(
        "groups", "proven" if len(proven) else "chance", f"{_gap(row)} ({chance(row['p adjusted'])}{several}).", link
    )


def _gap(row: Mapping[Hashable, Any]) -> str:
    """A gap between two groups in words, for Markdown."""
    ends = ("lowest", "highest") if row["worst"] == row["lowest"] else ("highest", "lowest")
    worse, better = (plain(row[end]) for end in ends)
    high, low = (f"{100 * row[f'{end} value']:.0f}" for end in ends)
    said = f"{high} against {low} of 100 {SAID[row['figure']]}"
    units = [int(row[f"{end} units"]) for end in ends]
    images = [int(row[f"{end} support"]) for end in ends]
    joined = "" if units == images else f", in {units[0]:,} and {units[1]:,} {row['unit']}"
    return f"**Worse for {worse} than for {better}** ({plain(row['by'])}): {said}{joined}"
