"""What a last layer fitted anew comes to, in a sentence, as a finding and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.bias import interval
from workbench.cues.refit import REFIT_HEADS, Refit
from workbench.files import CheckResult
from workbench.stats import share

if TYPE_CHECKING:
    import pandas as pd

HEAD_TITLES = {
    "before": "the model",
    "unbalanced": "last layer fitted on the same images, balanced over labels alone",
    "balanced": "last layer fitted on labels with and without the cue alike",
}


def refit_words(refit: Refit) -> str:
    """What fitting the last layer anew does, as sentences without markup."""
    misled = {head: refit.right(head, misled=True) for head in REFIT_HEADS}
    own = misled["before"]
    if not refit.enough:
        return (
            f"Its last layer was fitted anew on {refit.learned:,} images, but only {own.support} of those that are"
            " judged show the cue against their label: too few to say what it does."
        )
    gain = refit.gain
    gained = f"{100 * (gain.value or 0):+.0f} points ({100 * (gain.low or 0):+.0f} to {100 * (gain.high or 0):+.0f})"
    verdict = (
        f"The layers below see enough to do without the cue, at least in part: {gained}."
        if refit.mends
        else f"That is no more than chance ({gained}): the last layer alone does not mend it."
    )
    return (
        f"With its last layer fitted anew on {refit.learned:,} images, labels with and without the cue counting alike,"
        f" the model is right about {interval(misled['balanced'])} of the {own.support:,} images that the cue misleads,"
        f" {interval(own)} before, {interval(misled['unbalanced'])} where the same images are balanced over labels"
        f" alone; about {interval(refit.right('balanced'))} of all {refit.right('before').support:,},"
        f" {interval(refit.right('before'))} before. Putting the cue on turns {interval(refit.turned('balanced'))} of"
        f" its decisions, {interval(refit.turned('before'))} before. {verdict}"
    )


def refit_result(refit: Refit) -> CheckResult:
    """The same as a finding: never "ok", for the model itself is as it was."""
    gain = refit.gain
    return CheckResult(
        f"{refit.cue.target}: {refit.cue.name}, last layer fitted anew",
        "warn" if refit.enough else "unknown",
        refit_words(refit),
        gain.value,
        gain.low,
        gain.high,
        0.0,
        gain.support,
    )


def refit_table(refit: Refit) -> pd.DataFrame:
    """One row for each label with and without the cue: what each head is right about."""
    import pandas as pd

    rows = []
    for (label, carries), part in refit.frame.groupby(["label", "carries"], sort=True):
        row: dict[str, object] = {"class": refit.cue.target, "cue": refit.cue.name, "label": label}
        row |= {"shows the cue": carries, "images": len(part), "units": part["unit"].nunique()}
        for head in REFIT_HEADS:
            rate = share((part[head] == part["label"]).to_numpy(bool), part["unit"].to_numpy())
            row |= {f"right, {head}": rate.value, f"{head} low": rate.low, f"{head} high": rate.high}
        rows.append(row)
    return pd.DataFrame(rows)
