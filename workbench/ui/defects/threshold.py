"""The controls that say which threshold is looked at: chosen by cost or a ceiling, the model's own, or set by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from workbench.defects import CHOSEN_ON, REPORTED_ON, Band, band, choose, images_needed, units_and_worth
from workbench.errors import InputError
from workbench.ui import draw, url
from workbench.ui.defects.scope import Scope
from workbench.ui.text import plain

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

WAYS = {
    "model": "The model's own",
    "cost": "Lowest cost",
    "escape": "Escape ceiling",
    "overkill": "Overkill ceiling",
    "hand": "By hand",
}
CHOSEN = ("cost", "escape", "overkill")
"""The ways that look at images."""
REVIEWS = {"none": "none", "90": "90 %", "95": "95 %", "98": "98 %", "99": "99 %"}


@dataclasses.dataclass(frozen=True)
class Setting:
    """The threshold that is looked at.

    Attributes:
        band: The threshold, with the band of doubt around it.
        way: One of `WAYS`, or "fallback" where none could be chosen in that way and another stands in.
        reason: Why this one, as a sentence.
        coverage: The target of the review band, None where there is none.
        ceiling: Of the escape or overkill rate, where the threshold was chosen to keep one.
        chosen_on: What the images are called that threshold or band were found on; None where neither was found on any.
    """

    band: Band
    way: str
    reason: str
    coverage: float | None
    ceiling: float | None
    chosen_on: str | None

    @property
    def threshold(self) -> float:
        """From this score on a part is rejected."""
        return self.band.threshold


def controls(scope: Scope, place: DeltaGenerator) -> Setting:
    """Draw the controls in `place` and find the threshold; what stands in the way is said outside of it."""
    with place, st.container(horizontal=True, vertical_alignment="bottom"):
        way = url.segments("Threshold", ways(scope), key="choose", default=ways(scope)[0], format_func=WAYS.__getitem__)
        asked = _asked(scope, way, bounded=way in ("escape", "overkill"))
    return setting(scope, way, asked)


def beside_a_table(scope: Scope, draw_table: Callable[[str, Asked], object]) -> tuple[Setting, Asked]:
    """The same where the rule is chosen in a table of all of them, which `draw_table` draws given the way."""
    now = url.outside(ways(scope), key="choose", default=ways(scope)[0], draw=lambda now: None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = _asked(scope, now, bounded=bool(len(scope.cases[CHOSEN_ON])))
    draw_table(now, asked)
    return setting(scope, now, asked), asked


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the visitor set beside the rule.

    Attributes:
        ceiling: Of the escape or overkill rate, as a share.
        by_hand: The threshold by hand, which also stands in where none can be chosen.
        coverage: The target of the review band, None where there is none.
    """

    ceiling: float
    by_hand: float
    coverage: float | None


def _own(scope: Scope) -> float | None:
    """The threshold that comes with the model."""
    return scope.model.rule.threshold if scope.positive == (scope.model.rule.positive,) else None


def ways(scope: Scope) -> list[str]:
    """The rules that there is something for."""
    to_choose_on = bool(len(scope.cases[CHOSEN_ON]))
    own = _own(scope) is not None
    return [way for way in WAYS if (own if way == "model" else to_choose_on or way == "hand")]


def _asked(scope: Scope, way: str, bounded: bool) -> Asked:
    ceiling, own = 5.0, _own(scope)
    if bounded:
        ceiling = url.number("Ceiling, %", 0.01, 99.0, key="ceiling", default=5.0, step=0.5, width=150)
    by_hand = 0.5 if own is None else own
    if way == "hand":
        by_hand = url.number(
            "By hand", 0.0, 1.0, key="threshold", default=by_hand, step=0.001, format="%.4f", width=150
        )
    share = url.select(
        "Review band",
        list(REVIEWS),
        key="review",
        format_func=REVIEWS.__getitem__,
        width=150,
        help="Target for each class.",
    )
    draw.meaning("decision-threshold", "What are rules and review band?")
    return Asked(ceiling / 100, by_hand, None if share == "none" else int(share) / 100)


def setting(scope: Scope, way: str, asked: Asked) -> Setting:
    """The threshold that a rule leads to; a fallback, and what stands in the way, where it leads to none."""
    threshold, reason, refusal = found(scope, way, asked)
    if threshold is None:
        st.warning(f"{plain(refusal, 400)} {asked.by_hand:.3f} is used instead.", icon=":material/block:")
        way, threshold = "fallback", asked.by_hand
        reason = "The threshold is a fallback: none could be chosen."
    if asked.coverage is not None:
        _enough(scope, asked.coverage)
    review = band(scope.cases[CHOSEN_ON], threshold, asked.coverage)
    if way in CHOSEN and not review.empty:
        reason = f"{reason} These figures are for the threshold alone, without the review band."
    chosen_on = scope.words[CHOSEN_ON] if way in CHOSEN or asked.coverage is not None else None
    promise = asked.ceiling if way in ("escape", "overkill") else None
    return Setting(review, way, reason, asked.coverage, promise, chosen_on)


def found(scope: Scope, way: str, asked: Asked) -> tuple[float | None, str, str]:
    """The threshold of a rule, why it is this one, and, where there is none, what stands in the way."""
    own = _own(scope)
    if way == "model" and own is not None:
        return own, f"The threshold comes with {plain(scope.model.title)}.", ""
    if way == "hand":
        return asked.by_hand, "Set by hand.", ""
    try:
        choice = choose(
            scope.cases[CHOSEN_ON], way, ceiling=asked.ceiling, costs=scope.costs, points=scope.points(CHOSEN_ON)
        )
    except InputError as error:
        return None, "", str(error)
    return choice.threshold, f"{plain(choice.reason, 400)} Chosen on the {scope.words[CHOSEN_ON]}.", ""


def moved() -> None:
    """Callback of the histogram: the line was dragged."""
    value = st.session_state["histogram"].moved
    if isinstance(value, int | float):  # a browser may send anything
        st.query_params.update({"choose": "hand", "threshold": str(float(value))})


def _enough(scope: Scope, coverage: float) -> None:
    """Say so where a split is too small for the target."""
    cases, least = scope.cases[CHOSEN_ON], images_needed(coverage)
    for among, kind in ((cases.defect, "defects"), (~cases.defect, "good parts")):
        part = cases.of(among)
        count, _ = units_and_worth(part.units, len(part))
        if count < least:
            what = f"{part.independence.unit} with {kind}" if part.independence.origin else kind
            st.caption(
                f":material/info: A target of {coverage:.0%} needs {least:,} {what} in the {scope.words[CHOSEN_ON]},"
                f" which has {count:,}: without them every part on that side of the threshold is for review."
            )


def line(scope: Scope, setting: Setting) -> str:
    """What becomes of a part by its score and by which rule, short."""
    by = "no rule could be chosen" if setting.way == "fallback" else WAYS[setting.way]
    return f"{decides(setting.band, scope.defect)} Rule: {by[0].lower()}{by[1:]}."


def sentence(scope: Scope, setting: Setting) -> str:
    """What becomes of a part by its score, why, and what of it is measured where."""
    reported = bool(len(scope.cases[REPORTED_ON]))
    return f"{decides(setting.band, scope.defect)} {setting.reason} " + (
        f"Reported on the {scope.words[REPORTED_ON]}." if reported else "Without labels no rates can be reported."
    )


def decides(review: Band, defect: str) -> str:
    """What becomes of a part by its score, in Markdown; `defect` is what the score is the probability of."""
    if review.empty:
        return (
            f"Parts with a score of **{review.threshold:.4f}** or more are rejected. The score is the probability of"
            f" {defect}."
        )
    passes = f"passes below **{review.low:.4f}**" if review.low > 0 else "never passes unseen"
    rejected = (
        f"is rejected at a score of **{review.high:.4f}** or more" if review.high <= 1 else "is never rejected unseen"
    )
    return (
        f"A part {rejected}, {passes}, and otherwise goes to review. The score is the probability of {defect}; the"
        f" threshold in the band is **{review.threshold:.4f}**."
    )
