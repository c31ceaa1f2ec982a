"""Families in words: the results that `workbench data` writes."""

from __future__ import annotations

from workbench.files import CheckResult, Outcome
from workbench.quality.grading import GRADES
from workbench.quality.same_part import Families


def family_results(found: Families | None) -> tuple[CheckResult, ...]:
    """What was found of which images show one part: one result, "unknown" where that cannot be told."""
    if found is None:
        sentence = "Which images show one part is unknown: look for images of one part, or state a group for each."
        return (CheckResult("families", "unknown", sentence),)
    return (_families(found),)


def what_belongs_together(found: Families) -> str:
    """How many parts the images show, and what could not be told, as sentences."""
    count, parts = len(found.frame), found.frame["family"].nunique()
    together = int(found.frame["family"].duplicated(keep=False).sum())
    if not together:
        lines = [f"Of {count:,} images none was found to show a part that another shows."]
    else:
        families = parts - (count - together)
        word = "part" if families == 1 else "parts"
        lines = [f"{together:,} of {count:,} images show {families:,} {word} several times: {parts:,} parts in all."]
    if found.threshold is None and count - len(found.unread) - len(found.untold) > 1:
        lines.append(
            "Fewer than 20 of them differ enough to know how alike strangers are: only copies were looked for."
        )
    if found.sisters:
        lines.append(
            "Different parts look alike here, so two images count as one part only where nothing but noise differs"
            " between them and neither is as like to any other; sister parts that differ by less than noise are among"
            " them."
        )
    if found.untold:
        lines.append(
            f"{len(found.untold):,} cannot be told apart at this resolution: whether they show one part is unknown."
        )
    if found.unread:
        lines.append(f"{len(found.unread):,} cannot be read.")
    return " ".join(lines)


def _families(found: Families) -> CheckResult:
    frame, pairs = found.frame, found.pairs
    firm = pairs[pairs["grade"] != GRADES[-1]]
    alike = tuple((str(first), str(second)) for first, second in zip(firm["first"], firm["second"], strict=True))
    parts = int(frame["family"].nunique())
    told = len(frame) - len(found.unread) - len(found.untold)
    few = found.threshold is None and not alike
    verdict: Outcome = "warn" if alike else "unknown" if few or told < len(frame) / 2 else "ok"
    return CheckResult(
        "families",
        verdict,
        what_belongs_together(found),
        figure=float(parts),
        threshold=found.threshold,
        support=len(frame),
        images=alike,
    )
