"""A study is planned: which parts, who, how often, and what so many parts will be able to show."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.agreement import (
    LONGEST_INSPECTOR,
    MOST_STUDY_PARTS,
    MOST_TRIALS,
    MOST_WASHOUT,
    NO_MAPS,
    WITH_MAPS,
    Part,
    StudyPlan,
    create_study,
    draw_parts,
    kappa_half_width,
    seen_difference,
)
from workbench.attribution import METHODS
from workbench.errors import InputError
from workbench.predictions import FAMILY, all_scores, known_defects, units_of
from workbench.stats import ENOUGH, cases_for_ceiling, half_width, units_or_cases
from workbench.ui import draw, logbook, results, runs, session, url
from workbench.ui.agreement import studies
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain
from workbench.ui.view import View

if TYPE_CHECKING:
    from workbench.predictions import Predictions

MAP_METHODS = ("grad_cam", "layer_cam", "integrated_gradients", "smoothgrad", "occlusion")
PLAN_BUTTON = "seal study"
EXPECTED_KAPPA, EXPECTED_EFFECT, EXPECTED_DISCORDANT = 0.8, 0.9, 0.2
"""What the plan is judged by before anything is known: a good kappa, the effectiveness that is acceptable, and how
often a map may change a decision."""


@guarded
def section(view: View) -> None:
    """The plan as a form, what it will show, and the button that seals it."""
    if not session.local():
        st.info(
            "This server is open to others without a login: a study is planned where only you can reach the app."
            " Inspectors may still take part in one by its link.",
            icon=":material/lock:",
        )
        return
    if view.predictions is None:
        st.info("A plan needs to know what the model says of the images.", icon=":material/play_circle:")
        runs.offer_predictions(view, "")
        return
    positive = known_defects(view.predictions)
    if not positive:
        st.info(
            "No class of this model says by its name that it is good, so that nothing can be passed or rejected. Choose"
            " a model that inspects parts.",
            icon=":material/category:",
        )
        return
    candidates, units, note = _candidates(view.predictions, positive)
    st.caption(note)
    fields = _fields()
    _outlook(fields)
    if logbook.own(view.model):
        st.caption(
            ":material/info: Model or images are your upload: this study is kept for this session, and its link opens"
            " in this browser alone."
        )
    offer("Seal the plan", PLAN_BUTTON, lambda: _seal(view, fields, positive, candidates, units))
    st.caption(
        "Once sealed the plan cannot be changed, and each decision is chained to the one before it. The reference is"
        " the label of the set: the study is as good as that."
    )


def _candidates(predictions: Predictions, positive: tuple[str, ...]) -> tuple[list[Part], np.ndarray, str]:
    """The images that could be shown, (N,), their units, and what they are in words."""
    frame = predictions.frame
    usable = frame["verdict"].notna().to_numpy(bool)
    held = usable & (frame["split"] != "train").to_numpy(bool)
    rows = np.flatnonzero(held if held.any() else usable)
    scores = all_scores(predictions, positive)
    parts = [
        Part(str(frame["name"].iat[row]), str(frame["id"].iat[row]), frame["label"].iat[row] in positive, False, score)
        for row, score in zip(rows.tolist(), scores[rows].tolist(), strict=True)
    ]
    units = units_or_cases(units_of(frame, FAMILY), len(frame))[rows]
    which = "outside of the training split" if held.any() and not held[usable].all() else "with a label"
    trained = "" if held.any() else " All of them are training images: the model will look better than it is."
    families = "families were not looked for, so that two of them may show one part"
    if FAMILY in frame and frame[FAMILY].notna().any():
        families = f"they show {len(np.unique(units)):,} parts (families), of each of which one image at most is drawn"
    defects = sum(part.defect for part in parts)
    note = (
        f"Parts are drawn from the {len(parts):,} images {which}, {defects:,} of them defective: {families}.{trained}"
    )
    return parts, units, note


def _fields() -> Mapping[str, object]:
    """The form."""
    with st.container(key="study-plan"):
        title = st.text_input("What the study is called", "Agreement study", max_chars=80, key="study title", width=420)
        names = st.text_area(
            "Inspectors, a name on each line",
            key="study inspectors",
            placeholder="Ada\nBen",
            max_chars=30 * (LONGEST_INSPECTOR + 1),
            height=110,
            width=420,
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            parts = st.number_input("Parts", 2, MOST_STUDY_PARTS, 50, key="study parts", width=120)
            defects = st.number_input("Defective, %", 10, 90, 50, 5, key="study defects", width=140)
            border = st.number_input(
                "Near the threshold, %", 0, 100, 30, 5, key="study borderline", width=190,
                help="Parts that the model finds hardest. A study of clear parts alone flatters everybody.",
            )  # fmt: skip
            trials = st.number_input("Trials in each arm", 1, MOST_TRIALS, 2, key="study trials", width=170)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            maps = st.toggle("Without and with maps, crossed over", True, key="study maps")
            titles = {METHODS[name].title: name for name in MAP_METHODS}
            method = titles[st.selectbox("Map by", list(titles), key="study method", width=230)]
            washout = st.number_input(
                "Days between sessions", 0, MOST_WASHOUT, 7, key="study washout", width=190,
                help="Wash-out: so long an inspector waits before the same parts come again, to forget them.",
            )  # fmt: skip
        draw.meaning("agreement-study", "How is a study made?")
    return {
        "title": title.strip() or "Agreement study",
        "inspectors": tuple(dict.fromkeys(line.strip() for line in names.splitlines() if line.strip())),
        "many": int(parts), "shares": {"defects": defects / 100, "borderline": border / 100}, "trials": int(trials),
        "arms": (NO_MAPS, WITH_MAPS) if maps else (NO_MAPS,), "method": method if maps else "", "washout": int(washout),
    }  # fmt: skip


def _outlook(fields: Mapping[str, object]) -> None:
    """What so many parts can show, before they are asked for."""
    many, shares, arms = int(str(fields["many"])), fields["shares"], fields["arms"]
    assert isinstance(shares, Mapping)
    assert isinstance(arms, tuple)
    defects = round(many * shares["defects"])
    trials = int(str(fields["trials"]))
    looks, reach = many * trials * len(arms), 100 * half_width(EXPECTED_EFFECT, many)
    lines = [
        f"- Each inspector decides **{looks:,}** times, in {trials * len(arms)} sessions of {many}.",
        f"- An effectiveness of {EXPECTED_EFFECT:.0%} will be known to within {reach:.0f} points,"
        f" a kappa of {EXPECTED_KAPPA} to about {kappa_half_width(EXPECTED_KAPPA, many, shares['defects']):.2f}.",
        f"- A miss rate of at most 2 % is proven by no miss on {cases_for_ceiling(0.02)} defective parts; this plan has"
        f" {defects}." + (f" Fewer than {ENOUGH} are not judged." if defects < ENOUGH else ""),
    ]
    if len(arms) > 1:
        least = seen_difference(many, EXPECTED_DISCORDANT)
        lines.append(
            f"- A difference between with and without maps is found four times in five from {100 * least:.0f} points"
            f" on, if maps change {EXPECTED_DISCORDANT:.0%} of the decisions. More inspectors and trials narrow that;"
            " by how much is known only afterwards."
        )
    st.markdown("**What this plan can show**\n\n" + "\n".join(lines))


def _seal(
    view: View, fields: Mapping[str, object], positive: tuple[str, ...], candidates: list[Part], units: np.ndarray
) -> bool | None:
    """Draw the parts, make their maps once, write the plan down and open the study; None where it was stopped."""
    rule = view.model.rule
    threshold = rule.threshold if rule.threshold is not None else 0.5
    shares, many, inspectors = fields["shares"], fields["many"], fields["inspectors"]
    assert isinstance(shares, Mapping)
    assert isinstance(inspectors, tuple)
    if not inspectors:
        raise InputError("The plan names no inspector: write a name on each line.")
    seed = secrets.randbelow(2**32)
    plan = StudyPlan(
        title=str(fields["title"]),
        inspectors=inspectors,
        parts=draw_parts(candidates, units, threshold, shares, int(str(many)), seed),
        trials=int(str(fields["trials"])),
        arms=(NO_MAPS, WITH_MAPS) if fields["method"] else (NO_MAPS,),
        method=str(fields["method"]),
        washout=int(str(fields["washout"])),
        seed=seed,
        model=view.model.key,
        model_name=view.model.title,
        set_name=view.images.name,
        positive=positive,
        planned=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    if plan.method and not _mapped(view, plan):
        return None
    study = create_study(studies.root_of(view.model), plan)
    url.choose("study", study.plan.key)
    url.choose("step", "inspect")
    return True


def _mapped(view: View, plan: StudyPlan) -> bool:
    """Whether every part has a map; False where the user stopped it.

    Raises:
        InputError: The method makes none of some part.
    """
    progress = Stoppable("Making a map of each part", PLAN_BUTTON)
    if progress.stopped:
        return False
    for done, part in enumerate(plan.parts):
        progress(done, len(plan.parts))
        made = results.attribution(view.of(view.image(part.name)), plan.method, aim_of(view, plan, part), {})
        if made is None:
            return False
        if isinstance(made, str):
            raise InputError(f"{METHODS[plan.method].title} makes no map of {plain(part.name)}: {made}")
    progress.done()
    return True


def aim_of(view: View, plan: StudyPlan, part: Part) -> dict[str, str]:
    """What the map of a part explains: the defect that is most probable, whatever the model decides."""
    target, predictions = plan.positive[0], view.predictions
    row = None if predictions is None else predictions.by_name.get(part.name)
    if predictions is not None and row is not None:
        target = max(
            plan.positive, key=lambda name: predictions.probabilities[row, predictions.class_names.index(name)]
        )
    return {"target": target, "score": "logit"}
