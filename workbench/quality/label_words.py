"""What was found of labels, as checks: each with its verdict, a sentence and the images behind it."""

from __future__ import annotations

from workbench.files import CheckResult
from workbench.quality.label_cost import LabelCost
from workbench.quality.label_issues import FOLDED_HEAD, MODEL, LabelIssues
from workbench.quality.proposals import Proposal
from workbench.texts import sentence_list

BY_MODEL, BY_HEAD = "the loaded model, which did not learn from them", "a head on ImageNet features, in folds"
SHARE_OF_ERRORS = "In published checks about half of such flags were errors: look at each."


def label_results(issues: LabelIssues, cost: LabelCost | None = None) -> tuple[CheckResult, ...]:
    """The checks `label issues`, `label twins`, `label masks`, `label interventions` and, where there are any, `labels
    in doubt`.

    Args:
        issues: What was found.
        cost: What the flagged labels cost together, where that is known.
    """
    results = [_issues(issues, cost), _twins(issues), _masks(issues), _interventions(issues)]
    if issues.doubtful:
        share = len(issues.doubtful) / len(issues.frame)
        results.append(
            CheckResult(
                "labels in doubt",
                "unknown",
                f"{len(issues.doubtful):,} labels ({share:.0%}) are held in doubt by the set itself, in {issues.soft}:"
                " they are neither right nor wrong, and are not judged.",
                share,
                support=len(issues.frame),
                images=tuple(issues.doubtful),
            )
        )
    return tuple(results)


def _issues(issues: LabelIssues, cost: LabelCost | None) -> CheckResult:
    check, notes = "label issues", " ".join(issues.notes)
    if not issues.judged:
        return CheckResult(check, "unknown", f"No label could be judged. {notes}", support=0)
    rows = issues.flagged[issues.flagged["suggestion"].notna()]
    sources, words = issues.frame["source"].value_counts(), {MODEL: BY_MODEL, FOLDED_HEAD: BY_HEAD}
    by = sentence_list([f"{int(sources[name]):,} by {words[name]}" for name in words if name in sources])
    judged, share = f"{issues.judged:,} labels were judged, {by}.", len(rows) / issues.judged
    if not len(rows):
        sentence = f"No label is suspected. {judged} {notes}".strip()
        return CheckResult(check, "ok", sentence, share, support=issues.judged)
    count = "1 label is" if len(rows) == 1 else f"{len(rows):,} labels are"
    parts = [f"{count} probably wrong ({share:.1%}).", judged, cost.sentence if cost else "", SHARE_OF_ERRORS, notes]
    sentence, images = " ".join(filter(None, parts)), tuple(rows["name"])
    return CheckResult(check, "warn", sentence, share, support=issues.judged, images=images)


def _twins(issues: LabelIssues) -> CheckResult:
    check, pairs, support = "label twins", issues.opposed, len(issues.frame)
    if pairs is None:
        why = "Which images show one part is not known: look for families first."
        return CheckResult(check, "unknown", why)
    if not pairs:
        return CheckResult(check, "ok", "No two images of one part have different labels.", 0.0, support=support)
    count = (
        "1 pair of images of one part has" if len(pairs) == 1 else f"{len(pairs):,} pairs of images of one part have"
    )
    sentence = f"{count} different labels: at least one of each pair is wrong, or the part changed."
    return CheckResult(check, "warn", sentence, float(len(pairs)), support=support, images=pairs)


def _masks(issues: LabelIssues) -> CheckResult:
    check, support = "label masks", issues.masks
    if not support:
        why = "No mask could be held against a label: the set has none, or no class reads as good."
        return CheckResult(check, "unknown", why)
    rows = issues.frame[issues.frame["contradiction"].fillna("").str.contains("mask")]
    if not len(rows):
        return CheckResult(check, "ok", f"No label contradicts its mask, of {support:,}.", 0.0, support=support)
    count = "1 label contradicts its mask" if len(rows) == 1 else f"{len(rows):,} labels contradict their masks"
    sentence = f"{count}, of {support:,}: a defect with nothing marked, or a good part with a mark."
    return CheckResult(check, "warn", sentence, len(rows) / support, support=support, images=tuple(rows["name"]))


def _interventions(issues: LabelIssues) -> CheckResult:
    check, support, notes = "label interventions", issues.edited, " ".join(issues.unedited)
    if support is None:
        why = "Whether editing an image contradicts its label is not known: it takes the model and its predictions."
        return CheckResult(check, "unknown", why)
    if not support:
        why = (
            "No image could be edited: it takes marked defects, or good parts that are called defects, in a validation"
        )
        return CheckResult(check, "unknown", f"{why} or test split beside a training split. {notes}".strip(), support=0)
    rows = issues.frame[issues.frame["contradiction"].fillna("").str.contains("intervention")]
    if not len(rows):
        sentence = f"What editing does contradicts no label, of {support:,} images tried. {notes}".strip()
        return CheckResult(check, "unknown" if notes else "ok", sentence, 0.0, support=support)
    count = "1 label is" if len(rows) == 1 else f"{len(rows):,} labels are"
    sentence = (
        f"{count} contradicted by what editing does, of {support:,} images tried: the marks do not decide, or one small"
        f" place does. That ranks labels for a look, it decides nothing. {notes}"
    ).strip()
    return CheckResult(check, "warn", sentence, len(rows) / support, support=support, images=tuple(rows["name"]))


def label_proposals(issues: LabelIssues) -> tuple[Proposal, ...]:
    """The suggested labels as proposals, the most suspected first."""
    flagged = issues.flagged[issues.flagged["suggestion"].notna()]
    return tuple(
        Proposal(str(row.name), "label", str(row.label), str(row.suggestion), str(row.why))
        for row in flagged.itertuples(index=False)
    )
