"""What a search for cues came to, as `findings.json` and tables say it, and the images that carry what was accused."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.bias import interval
from workbench.cues.cue_cost import costs_of
from workbench.cues.cue_findings import Finding, Search
from workbench.cues.cue_words import advice_of, claim_of, power_words
from workbench.cues.defect_followed import MOST_STAY, Followed
from workbench.cues.proof_power import MATTERS
from workbench.cues.transplant import TRIED, Turned
from workbench.files import CheckResult, Outcome
from workbench.images import ImageSet
from workbench.stats import Rate

if TYPE_CHECKING:
    import pandas as pd

TRIED_WAYS = ("put on", "taken away", "suppressed in the layer")
CARRIED, CARRIED_FOR = "cue", "cue of class"
"""The attributes of images that carry an accused cue."""


def cue_results(search: Search) -> list[CheckResult]:
    """One result for each accused cue, for each class of which none is, for whether each follows its defect, and for
    all that was not looked for."""
    results = [_accused(finding) for finding in search.accused]
    results += [_not_accused(search, name) for name in search.classes if not any(f.accused for f in search.of(name))]
    results += [_followed(line) for line in search.followed]
    results += [
        CheckResult(f"not looked for: {line.what}", "unknown", f"Not looked for: {line.what}. {line.why}")
        for line in search.unsearched
    ]
    return results


def _accused(finding: Finding) -> CheckResult:
    cue, way = finding.cue, _stronger(finding)
    claim = claim_of(finding)
    effect = way.effect
    return CheckResult(
        f"{cue.target}: {cue.name}",
        "fail" if finding.verdict == "shortcut" else "warn",
        f"{claim[0].upper()}{claim[1:]}. {advice_of(finding)}",
        effect.value,
        effect.low,
        effect.high,
        MATTERS,
        len(way.frame),
        cue.carriers,
    )


def _stronger(finding: Finding) -> Turned:
    ways = [way for way in (finding.transplant.put, finding.transplant.taken) if way is not None and way.enough]
    return max(ways, key=lambda way: way.effect.value or 0)


def _not_accused(search: Search, target: str) -> CheckResult:
    own = search.of(target)
    undecided = [finding for finding in own if finding.verdict != "clear"]
    explained = all(line.target != target for line in search.unexplained)
    verdict: Outcome = "ok" if own and search.strong and not undecided and explained else "unknown"
    looks = sum(finding.verdict == "looks" for finding in undecided)
    proven = "The one cue that was tried is not proven" if len(own) == 1 else f"None of {len(own)} cues is proven"
    none = f"No cue was proposed for the class “{target}”."
    parts = [f"{proven} to make the model call an image “{target}”." if own else none]
    if looks:
        parts.append(f"{looks} turn decisions, but chance, decoys, their other proof or missing masks leave it open.")
    if few := len(undecided) - looks:
        parts.append(f"{few} could be tried on too few images.")
    return CheckResult(
        f"{target}: no cue proven",
        verdict,
        " ".join([*parts, power_words(search)]),
        search.power,
        support=search.images,
    )


def _followed(line: Followed) -> CheckResult:
    verdict: Outcome = "unknown" if not line.known else "warn" if line.stays else "ok"
    sentence = (
        f"{interval(line.stayed)} of {line.stayed.support:,} images called “{line.target}” still are with their defect"
        f" patched away; {interval(line.patched)} of good images become so with such patches,"
        f" {interval(line.pasted)} with such a defect on them."
    )
    if not line.known:
        sentence += " Too few images could be edited, or the patches alone turn too many decisions, to say more."
    stayed = line.stayed
    name = f"{line.target}: follows its defect"
    return CheckResult(name, verdict, sentence, stayed.value, stayed.low, stayed.high, MOST_STAY, stayed.support)


def tried_table(search: Search) -> pd.DataFrame:
    """All that was tried, the gravest first: one row a cue."""
    import pandas as pd

    return pd.DataFrame([_row(finding) for finding in search.findings])


def _row(finding: Finding) -> dict[str, object]:
    cue = finding.cue
    own, others = cue.level or (None, None)
    row: dict[str, object] = {
        "class": cue.target,
        "cue": cue.name,
        "kind": cue.kind,
        "verdict": finding.verdict,
        "p adjusted": finding.p,
    }
    for name, way in _ways(finding):
        row[f"{name}: images"] = None if way is None else len(way.frame)
        row[f"{name}: units"] = None if way is None else way.frame["unit"].nunique()
        for what in ("flips", "decoys", "effect"):
            rate: Rate | None = None if way is None else getattr(way, what)
            for end in ("value", "low", "high"):
                column = f"{name}: {what}" if end == "value" else f"{name}: {what} {end}"
                row[column] = None if rate is None else getattr(rate, end)
    return {**row, "level in its class": own, "level elsewhere": others, "unit of the level": cue.unit or None}


def _ways(finding: Finding) -> Iterator[tuple[str, Turned | None]]:
    """What was tried, by its name."""
    tried = finding.transplant
    return zip(TRIED_WAYS, (tried.put, tried.taken, tried.suppressed), strict=True)


def trials_table(search: Search) -> pd.DataFrame:
    """All images that were edited: one row a cue, way and image."""
    import pandas as pd

    parts = []
    for finding in search.findings:
        for name, way in _ways(finding):
            if way is not None:
                facts = {"class": finding.cue.target, "cue": finding.cue.name, "edit": name}
                parts.append(way.frame.assign(**facts)[[*facts, *TRIED]])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["class", "cue", "edit", *TRIED])


def costs_table(search: Search) -> pd.DataFrame:
    """What each accused cue costs among the images that were tried: one row a cue, way and kind of mistake."""
    import pandas as pd

    rows = []
    for finding in search.accused:
        for cost in costs_of(search, finding):
            row: dict[str, object] = {"class": finding.cue.target, "cue": finding.cue.name}
            row |= {"edit": cost.edit, "mistake": cost.mistake, "images": cost.before.support}
            for name, rate in (("as it is", cost.before), ("edited", cost.after), ("decoy", cost.decoys)):
                row |= {name: rate.value, f"{name} low": rate.low, f"{name} high": rate.high}
            rows.append(row)
    return pd.DataFrame(rows)


def carriers_of(search: Search, images: ImageSet) -> ImageSet | None:
    """The images that carry an accused cue, as a set whose attributes say which and of which class; None if none."""
    cues, classes = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for finding in search.accused:
        for name in finding.cue.carriers:
            cues[name].append(finding.cue.name)
            classes[name].append(finding.cue.target)
    items = []
    for item in images:
        if item.name in cues:
            told = {CARRIED: "; ".join(cues[item.name]), CARRIED_FOR: "; ".join(dict.fromkeys(classes[item.name]))}
            items.append(dataclasses.replace(item, attributes={**item.attributes, **told}))
    return dataclasses.replace(images, items=tuple(items), report=None) if items else None
