"""Which labels are probably wrong: what was found, what it costs at the threshold, and how to decide and export."""

from __future__ import annotations

import streamlit as st

from workbench.defects import CHOSEN_ON, cases_of, choose, of_split
from workbench.errors import InputError
from workbench.predictions import Predictions
from workbench.quality import (
    LabelCost,
    LabelIssues,
    Proposal,
    frozen_features,
    label_cost,
    label_issues,
    label_proposals,
    label_results,
    manifest,
    ranked_by_cost,
)
from workbench.ui import checks, choice, draw, kept, logbook
from workbench.ui.cache import Slot, slot
from workbench.ui.data import embedded, label_review
from workbench.ui.data.scope import Scope
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain

MOST_COSTED = 60
"""Labels whose cost alone is computed."""
Costs = tuple[LabelCost | None, dict[str, LabelCost], str]
"""What all flagged labels cost together, what each costs, and why that is not known."""


@guarded
def section(scope: Scope) -> None:
    """The findings, the review and the downloads, or what to do to know of them."""
    if not scope.images.class_names:
        st.markdown(
            "**Cannot be told**: no image has a label. Put the images into folders named after classes, or add a"
            " manifest with a column `label`."
        )
        return
    issues = known(scope)
    if issues is None:
        st.markdown(
            "**Labels are unknown**: nobody looked yet which are probably wrong. Images that the model did not learn"
            " from are judged by it, all others by a small classifier on features of a network that never saw these"
            " labels."
        )
        offer("Look for wrong labels", "look for label issues", lambda: look(scope))
        return
    together, each, why = _costs(scope, issues)
    checks.lines(label_results(issues, together))
    with st.container(horizontal=True, vertical_alignment="center"):
        draw.table("Label issues (CSV)", lambda: issues.frame, "label-issues.csv", "csv label issues")
        if scope.model.label is None:
            draw.download(
                "Corrected manifest (CSV)",
                lambda: manifest(scope.images, label_proposals(issues), relabelled(scope), families=scope.families),
                "manifest.csv",
                "csv corrected manifest",
            )
        draw.meaning("label-issue", "What does this mean?")
    if why:
        st.caption(f":material/info: {plain(why, 400)}")
    if len(issues.flagged):
        label_review.review(scope, issues, each)


def look(scope: Scope) -> LabelIssues | None:
    """The suspected labels, looked for now with progress and kept; None where the user stopped it."""
    images = list(scope.images)
    progress = Stoppable(f"Looking at {len(images):,} images", "label issues")
    if progress.stopped:
        return None
    features = frozen_features(images, progress)
    progress.step("Judging labels")
    model = None if scope.predictions is None else choice.classifier(scope.model)
    issues = label_issues(
        images, scope.families, scope.predictions, features=features, classifier=model, on_progress=progress
    )
    kept.keep(_place(scope), issues, 600 * len(images))
    progress.done()
    return issues


def known(scope: Scope) -> LabelIssues | None:
    """The suspected labels; None where nobody looked yet."""
    result: LabelIssues | None = kept.recall(_place(scope), LabelIssues)
    return result


def _place(scope: Scope) -> Slot:
    facts = {"images": scope.images.key, "families": scope.facts["families"], "features": embedded.network()}
    return slot("label issues", **scope.model.identity, **facts, predicted=scope.predictions is not None)


def changes_of(issues: LabelIssues) -> dict[str, str]:
    """The label that each flagged image would have, the most suspected first."""
    rows = issues.flagged[issues.flagged["suggestion"].notna()]
    return dict(zip(rows["name"], rows["suggestion"], strict=True))


def _costs(scope: Scope, issues: LabelIssues) -> Costs:
    predictions, changes = scope.predictions, changes_of(issues)
    if predictions is None:
        return None, {}, "What these labels cost is not known: the model was not run over the set yet."
    changes = {name: label for name, label in changes.items() if label in predictions.class_names}
    if not changes:
        return None, {}, ""
    place = slot("label costs", **scope.facts, limits=repr(scope.model.limits))
    result: Costs | None = place.get()
    if result is None:
        progress = Stoppable("Counting what each label costs", "label costs")
        if progress.stopped:
            return None, {}, "What these labels cost was not counted to the end."
        result = _counted(scope, predictions, changes, progress)
        place.put(result, 1000 * len(changes))
        progress.done()
    return result


def _counted(scope: Scope, predictions: Predictions, changes: dict[str, str], progress: Stoppable) -> Costs:
    ceiling = scope.model.limits.escapes
    way = "cost" if ceiling is None else "escape"

    def chooser(table: Predictions) -> float:
        return choose(of_split(cases_of(table), CHOSEN_ON), way, ceiling=ceiling).threshold

    first = dict(list(changes.items())[:MOST_COSTED])
    try:
        together = label_cost(predictions, changes, chooser)
        each = ranked_by_cost(predictions, first, chooser, on_progress=progress)
    except InputError as error:
        return None, {}, f"What these labels cost is not known. {error}"
    rule = "the lowest cost" if ceiling is None else f"an escape rate under {ceiling:.1%}"
    if together.before.threshold is None:
        return together, each, f"No threshold can be chosen for {rule} on the validation split."
    return (
        together,
        each,
        f"The threshold is chosen for {rule} on the validation split, and reported on the test split.",
    )


def relabelled(scope: Scope) -> list[Proposal]:
    """The labels that people changed, as the journal says it."""
    accepted, notes = [], logbook.label_decisions()
    for item in scope.images if notes else ():
        try:
            note = notes.get(item.id)
        except InputError:
            continue
        if note is not None and note.to is not None and note.to != item.label:
            why = f"{note.user} says so. {note.reason}".strip()
            accepted.append(Proposal(item.name, "label", item.label, note.to, why))
    return accepted
