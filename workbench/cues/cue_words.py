"""What a search for cues came to, in sentences: no more than was looked for, and with what power."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.bias import Conclusion, images_of, interval
from workbench.cues.cue import Kind
from workbench.cues.cue_findings import Finding, Search, Verdict
from workbench.cues.cue_sample import LEAST_CALLED
from workbench.cues.defect_followed import Followed
from workbench.cues.transplant import Turned

LEAD, UNEXPLAINED = "Shortcuts", "Not explained"
CUE_VERDICTS: Mapping[Verdict, str] = {
    "shortcut": "Shortcut found",
    "leans": "Relies on a cue",
    "looks": "Not proven",
    "too few": "Too few to say",
    "clear": "None proven",
}
"""The words for each verdict."""
ADVICE: Mapping[Kind, str] = {
    "place": "keep the place out of the image (crop it, cover it), or collect images in which it shows the same for"
    " every class",
    "mark": "remove the mark, or collect images of every class with it and without it",
    "background": "crop to the part, or collect images of every class in front of each background",
    "property": "take the images of every class in the same way, or collect images of every class at all levels of it",
    "concept": "look at what these images share, remove it, or collect images of every class with it and without it",
}
"""What mends a model that goes by a cue, by its kind."""


def claim_of(finding: Finding) -> str:
    """What was shown of a cue, in a sentence without markup that starts in lower case."""
    cue, proofs = finding.cue, []
    put, taken = finding.transplant.put, finding.transplant.taken
    if put is not None and put.enough:
        proofs.append(f"putting it on images that are called otherwise turns {_turned(put)}")
    if taken is not None and taken.enough:
        proofs.append(f"taking it from images that are called so turns {_turned(taken)}")
    inside = finding.transplant.suppressed
    if inside is not None and inside.enough:
        proofs.append(
            f"suppressing it in the layer turns {interval(inside.flips)} of the decisions, others of the same energy"
            f" {interval(inside.decoys)}, in {images_of(inside.flips)}"
        )
    shown = "; ".join(proofs) or "too few images could be edited to try it"
    return f"the model calls an image “{cue.target}” by {cue.name}: {shown}"


def _turned(way: Turned) -> str:
    return f"{interval(way.flips)} of the decisions, a decoy {interval(way.decoys)}, in {images_of(way.flips)}"


def advice_of(finding: Finding) -> str:
    """What to do about an accused cue, as sentences without markup."""
    mend = f"{ADVICE[finding.cue.kind]}; then train again and search again."
    if finding.verdict == "shortcut":
        return f"{mend[0].upper()}{mend[1:]}"
    return (
        f"Nothing shows that the defects were left alone, so someone who knows the part must say whether this belongs"
        f" to “{finding.cue.target}”. If it does not: {mend}"
    )


def power_words(search: Search) -> str:
    """What finding nothing is worth, as a sentence."""
    if search.power is None:
        return "Nothing could be tried."
    share = f"{100 * search.power:.0f} %"
    return f"A cue that turns half of the decisions would have been proven with {share} chance, had it been proposed."


def unsearched_words(search: Search) -> str:
    """What was not looked for, as a sentence; empty where nothing is left."""
    names = [line.what for line in search.unsearched]
    return f"Not looked for: {', '.join(names)}." if names else ""


def conclusions_of(search: Search | None) -> list[Conclusion]:
    """What is known of shortcuts: a line for each class that goes by one, and for each that is decided by something
    that was not found; or one line.

    Args:
        search: None where nobody has looked.
    """
    if search is None:
        return [Conclusion("shortcut", "open", LEAD, "not looked for yet.")]
    if not search.classes:
        few = f"too few to say; a class needs {LEAST_CALLED} images of enough units called so, and as many others."
        return [Conclusion("shortcut", "too few", LEAD, few)]
    accused = [[f for f in search.of(target) if f.accused] for target in search.classes]
    proven = [
        Conclusion("shortcut", "proven", CUE_VERDICTS[own[0].verdict], _proven(own), own[0].cue.target)
        for own in sorted(filter(None, accused), key=lambda own: search.findings.index(own[0]))
    ]
    unexplained = [
        Conclusion("shortcut", "open", UNEXPLAINED, _unexplained(line), line.target) for line in search.unexplained
    ]
    return [*proven, *unexplained] or [_none_proven(search)]


def _unexplained(line: Followed) -> str:
    return (
        f"{interval(line.stayed)} of {line.stayed.support:,} images called “{line.target}” still are with their defect"
        f" patched away, {interval(line.patched)} of good images become so with such patches: something else decides,"
        " and this search has not found it."
    )


def _proven(own: list[Finding]) -> str:
    others = [finding.cue.name for finding in own[1:]]
    more = f" Also proven for it: {', '.join(others)}." if others else ""
    return f"{claim_of(own[0])}.{more}"


def _none_proven(search: Search) -> Conclusion:
    if not search.findings:
        none = f"no cue was proposed in {search.images:,} images, so none was tried. {unsearched_words(search)}"
        return Conclusion("shortcut", "too few", LEAD, none.rstrip())
    looks = sum(finding.verdict == "looks" for finding in search.findings)
    tried = f"{len(search.findings)} cues of {len(search.classes)} classes tried in {search.images:,} images"
    rest = " ".join(filter(None, [power_words(search), unsearched_words(search)]))
    if not search.strong:
        return Conclusion("shortcut", "too few", LEAD, f"none proven, but the images are too few ({tried}). {rest}")
    if looks:
        seen = f"{looks} of them turn decisions, but chance, decoys, their other proof or missing masks leave it open"
        return Conclusion("shortcut", "chance", LEAD, f"none proven, {tried}; {seen}. {rest}")
    return Conclusion("shortcut", "none", LEAD, f"none proven, {tried}. {rest}")


def class_verdict(search: Search, target: str) -> str:
    """The words for a class: "None proven" only where all that was tried is clear, with enough power."""
    own = search.of(target)
    if any(line.target == target for line in search.unexplained):
        return UNEXPLAINED
    if not own:
        return "No cue proposed" if target in search.classes else "Not looked for"
    if not own[0].accused and not search.strong:
        return CUE_VERDICTS["too few"]
    return CUE_VERDICTS[own[0].verdict]
