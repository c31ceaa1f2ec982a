"""Where decisions are written down: the journal of this machine, or the session's own for what its visitor uploaded."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.defects import Decision
from workbench.errors import InputError
from workbench.journal import Draft, Entry, map_digest
from workbench.ui import session
from workbench.ui.cache import slot
from workbench.ui.defects.scope import Scope
from workbench.ui.defects.threshold import Setting
from workbench.ui.logbook import SHUT, journal
from workbench.ui.text import plain

if TYPE_CHECKING:
    from workbench.attribution import Attribution


def latest(scope: Scope) -> dict[str, Entry]:
    """The newest entry about each image by this model, by the image's digest."""
    book = journal(scope.model)
    if book is None:
        return {}
    place = slot("latest entries", journal=book.path, head=book.head().hash, model=scope.model.key)
    return place.kept(
        lambda: {str(entry.image): entry for entry in book.entries(model=scope.model.key)},
        lambda entries: 2048 * len(entries),
    )


def decided(scope: Scope) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of which images there is an entry, (N,), and whose newest one overrules the model, (N,); of none if the journal
    cannot be read, which is said where decisions are made."""
    try:
        entries = latest(scope)
    except InputError:
        entries = {}
    ids = scope.predictions.frame["id"]
    against = [image for image, entry in entries.items() if entry.overruled is not None]
    return ids.isin(list(entries)).to_numpy(bool), ids.isin(against).to_numpy(bool)


def history(entry: Entry) -> str:
    """An entry in one line, as Markdown."""
    what = "confirmed"
    if entry.overruled:
        what = f"overruled to **{plain(entry.overruled)}**: {plain(str(entry.reason).rstrip('.'), 300)}"
    return (
        f"Entry {entry.number}, {plain(str(entry.time)[:16].replace('T', ' '))} UTC, {plain(entry.user)}: "
        f"{plain(entry.verdict)} at {plain(figure(entry.threshold))}, {what}."
    )


def figure(value: object) -> str:
    """A figure of an entry, which may hold anything where somebody changed it."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """What a person has on the screen who decides: an entry speaks of this, whatever the files hold by then.

    Attributes:
        scope: What the page speaks of.
        setting: How the threshold was found.
        name: The image's.
        label: Its ground truth, where known.
        decision: What the machine says of it.
        attribution: The map that is shown, if any.
    """

    scope: Scope
    setting: Setting
    name: str
    label: str | None
    decision: Decision
    attribution: Attribution | None


def write(seen: Seen, user: str, overruled: str | None, reason: str) -> Entry:
    """Write a decision into the journal.

    Args:
        seen: What it is about.
        user: Who decides.
        overruled: None where the person agrees, else the class that they say it is.
        reason: Why.

    Raises:
        InputError: The entry lacks something, or the journal cannot be written to, as where others reach the server.
    """
    scope, decision, attribution = seen.scope, seen.decision, seen.attribution
    book = journal(scope.model) if session.local() else None
    if book is None:
        raise InputError(SHUT)
    return book.append(
        Draft(
            user=user,
            overruled=overruled,
            reason=reason,
            **_rule(scope, seen.setting),
            model=scope.model.key,
            model_name=scope.model.title,
            image=decision.item_id,
            image_name=seen.name,
            set_name=scope.images.name,
            label=seen.label,
            positive=scope.positive,
            label_known=seen.label in scope.predictions.class_names,
            threshold=decision.band.threshold,
            review_from=decision.band.low,
            review_to=decision.band.high,
            score=decision.score,
            verdict=decision.verdict,
            map_digest=None if attribution is None else map_digest(attribution.values),
            map_method=None if attribution is None else attribution.method,
        )
    )


def _rule(scope: Scope, setting: Setting) -> dict[str, Any]:
    """How the threshold was found, as fields of an entry."""
    costs = scope.costs
    by_cost = (
        {"escape_cost": costs.escape, "overkill_cost": costs.overkill, "prevalence": costs.prior}
        if setting.way == "cost"
        else {}
    )
    return {
        "threshold_by": setting.way, "coverage": setting.coverage, "ceiling": setting.ceiling,
        "chosen_on": setting.chosen_on, **by_cost,
    }  # fmt: skip
