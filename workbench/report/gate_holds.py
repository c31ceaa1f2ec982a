"""The rules of a gate that ask the models again: corruption, shortcuts, the evidence of maps, the same answer twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import CORRUPTIONS, OF_LINE, ImageItem, ImageSet, draw_sample, kinds_of, stratify
from workbench.report.gate_decisions import MOST_TO_LOOK_AT, SAME_MODEL
from workbench.report.gate_pairing import GateSide, Pairing
from workbench.report.gate_rules import CorruptionRule, EvidenceRule, ShortcutsRule
from workbench.report.gate_rulings import OUTCOMES, GateOutcome, Levels, Ruling, outcome_of, ruled, share_bounds, untold
from workbench.texts import sentence_list

if TYPE_CHECKING:
    from workbench.cues import Finding, Search, Study, Turned
    from workbench.models import Classifier
    from workbench.reliability import Corrupted, Measure

Report = Callable[[str, int, int], None]
ASKED_TWICE = 32
"""Images that a model is asked about again."""
UNSTEADY = 1e-3
"""In probability: what the order of sums in a batch changes is far below, dropout that was left on far above."""


def steady(pair: Pairing) -> list[Ruling]:
    """Whether either model answers alike when it is asked again: else every figure is a draw."""
    found = []
    for title, side in (("old", pair.old), ("new", pair.new)):
        chosen = draw_sample(pair.items, ASKED_TWICE, 0)
        if not chosen:
            found.append(untold(f"steady: {title}", "There is no image that both models can read."))
            continue
        moved = _moved(side, chosen)
        names = tuple(item.name for item, far in zip(chosen, moved, strict=True) if far > UNSTEADY)
        most, count = float(moved.max()), len(chosen)
        if names:
            sentence = (
                f"The {title} model answers {len(names):,} of {count:,} images otherwise when asked again (by up to"
                f" {most:.3f} in probability), so that each of its figures is a draw:"
            )
            bad: GateOutcome = "fail" if title == "new" else "not enough"
            found.append(
                Ruling(
                    f"steady: {title}",
                    bad,
                    f"{sentence} {OUTCOMES[bad]}.",
                    most,
                    None,
                    None,
                    UNSTEADY,
                    count,
                    None,
                    names,
                )
            )
        else:
            sentence = (
                f"The {title} model answers {count:,} of {count:,} images alike when asked again: {OUTCOMES['pass']}."
            )
            found.append(Ruling(f"steady: {title}", "pass", sentence, most, criterion=UNSTEADY, support=count))
    return found


def _moved(side: GateSide, items: list[ImageItem]) -> NDArray[np.float32]:
    """By how much the probabilities of images (M,) differ when they are asked for twice more, and from those stored."""
    from workbench.models import predict

    stored = side.predictions.probabilities[[side.predictions.by_name[item.name] for item in items]]
    again = [predict(side.classifier, items).probabilities for _ in range(2)]
    apart = np.stack([np.abs(again[0] - other).max(1) for other in (again[1], stored)])
    return np.asarray(np.nan_to_num(apart, nan=1.0).max(0), np.float32)


def corruption_rulings(
    pair: Pairing,
    images: ImageSet,
    rule: CorruptionRule,
    levels: Levels,
    seed: int,
    folder: Path | None,
    report: Report,
) -> list[Ruling]:
    """The rulings on what disturbances change, of the new model: each kind must keep to a ceiling, any can break it.

    Args:
        pair: The models.
        images: The images that count.
        rule: What is asked.
        levels: With which confidence.
        seed: Of the sample.
        folder: Where answers are kept, so that work that was stopped goes on.
        report: Is told how far it is.
    """
    from workbench.reliability import corrupted

    names: tuple[Measure, ...] = ("escapes", "overkill", "flips")
    asked = [(name, float(v)) for name in names if (v := getattr(rule, name)) is not None]
    kinds = rule.kinds or kinds_of(OF_LINE)
    try:
        study = corrupted(
            pair.new.classifier,
            images,
            pair.new.predictions,
            kinds,
            most=rule.images,
            seed=seed,
            folder=folder,
            on_progress=lambda *at: report("disturbing images", *at),
        )
    except InputError as error:
        if any(kind not in CORRUPTIONS for kind in kinds):
            raise
        return [untold(f"corruption: {name}", f"Corruption: {error}", ceiling) for name, ceiling in asked]
    study = dataclasses.replace(study, positive=pair.defects)
    return [_corruption(study, name, ceiling, rule.severity, levels) for name, ceiling in asked]


def _corruption(study: Corrupted, name: Measure, ceiling: float, severity: int, levels: Levels) -> Ruling:
    from workbench.reliability import MEASURES, measures_of, turned

    title, words = f"corruption: {name}", MEASURES[name]
    what = f"{words[0].upper()}{words[1:]} under a disturbance up to severity {severity}"
    if name not in measures_of(study):
        return untold(title, f"{what}: no image can show it, or it is not known which are defects.", ceiling)
    rows, hits = turned(study, name)
    each, found = levels.among(len(study.kinds)), {}
    for place, kind in enumerate(study.kinds):
        chosen = rows & (study.decisions[:, place, 0] >= 0)
        if chosen.any():
            ever = hits[:, place, :severity].max(1)[chosen]
            found[kind] = share_bounds(ever, None if study.units is None else study.units[chosen], each)
    if not found:
        return untold(title, f"{what}: no image that is decided rightly can have a disturbance.", ceiling)
    broken = [kind for kind, bounds in found.items() if outcome_of(bounds, ceiling) == "fail"]
    worst = max(broken or found, key=lambda kind: found[kind].least if broken else found[kind].most)
    ruling = ruled(title, f"{what} ({CORRUPTIONS[worst].title}, the worst)", found[worst], ceiling, each)
    others = f" Shown to be broken under {sentence_list([CORRUPTIONS[kind].title for kind in broken], 4)}."
    no = [CORRUPTIONS[kind].title for kind in study.kinds if kind not in found]
    more = (others if len(broken) > 1 else "") + (f" No image can have {sentence_list(no, 4)}." if no else "")
    return dataclasses.replace(ruling, sentence=ruling.sentence + more)


def shortcuts_ruling(
    pair: Pairing, rule: ShortcutsRule, levels: Levels, seed: int, folder: Path | None, report: Report
) -> Ruling:
    """The ruling on cues that the new model goes by: each that is shown to decide is tried on the old model too.

    Arguments as for `corruption_rulings`.
    """
    from workbench.cues import search, study_of

    if pair.same and rule.known:
        return Ruling("shortcuts", "pass", f"Cues that decide: none new. {SAME_MODEL}", support=len(pair.items))
    units = None if pair.units is None else {i.name: int(u) for i, u in zip(pair.items, pair.units, strict=True)}
    try:
        studies = [
            study_of(side.classifier, pair.items, side.predictions, units=units, seed=seed)
            for side in (pair.new, pair.old)
        ]
    except InputError as error:
        return untold("shortcuts", f"Cues that decide: {error}")
    result = search(studies[0], lambda step, *at: report(step.lower(), *at), folder)
    surely = [finding for finding in result.accused if finding.p <= 1 - levels.failing]
    return _judged(result, surely, {id(f): _in_old(studies[1], f) for f in surely}, rule)


def _in_old(study: Study, finding: Finding) -> str:
    """What the cue of a finding does with the old model: "decides", "does not" or "unknown"."""
    from workbench.cues import judged, transplant

    verdict = judged(study, [transplant(study, finding.cue)])[0].verdict
    if verdict == "too few":
        return "unknown"
    return "decides" if verdict in ("shortcut", "leans") else "does not"


def _judged(result: Search, surely: list[Finding], in_old: dict[int, str], rule: ShortcutsRule) -> Ruling:
    from workbench.cues import MATTERS

    def words(findings: list[Finding]) -> str:
        return sentence_list([f"{f.cue.name} for “{f.cue.target}”" for f in findings], 4)

    sides = {key: [f for f in surely if in_old[id(f)] == key] for key in ("decides", "does not", "unknown")}
    new = sides["does not"] + ([] if rule.known else sides["decides"] + sides["unknown"])
    images, what = result.images, "Cues that decide"
    if new:
        effect = max(float(way.effect.value or 0) for f in new for way in _ways(f))
        how = "with the new model and not with the old one" if rule.known else "with the new model"
        sentence = f"{what} {how}: {words(new)} (tried on {images:,} images, against decoys): {OUTCOMES['fail']}."
        names = tuple(name for f in new for name in f.cue.carriers)[:MOST_TO_LOOK_AT]
        return Ruling("shortcuts", "fail", sentence, effect, criterion=MATTERS, support=images, images=names)
    why = _doubt(result, surely, sides["unknown"])
    if why:
        return untold("shortcuts", f"{what}: {why}: {OUTCOMES['not enough']}.", MATTERS, images)
    old = f" It goes by {words(sides['decides'])}, as the old one does." if sides["decides"] else ""
    sentence = f"{what} with the new model and not with the old one: none was found in {images:,} images.{old}"
    return Ruling("shortcuts", "pass", sentence, criterion=MATTERS, support=images)


def _ways(finding: Finding) -> list[Turned]:
    return [way for way in (finding.transplant.put, finding.transplant.taken) if way is not None]


def _doubt(result: Search, surely: list[Finding], unknown: list[Finding]) -> str:
    """Why a search that accuses of nothing new does not clear the model; empty where it does."""
    if not result.classes:
        return "no class has enough images that are called so and otherwise to look for any"
    if unknown:
        return f"{unknown[0].cue.name} decides, but too few images show what it does with the old model"
    if weak := [finding for finding in result.accused if finding not in surely]:
        return f"{weak[0].cue.name} may decide, but not as surely as a failure needs"
    if not result.strong:
        power = 0.0 if result.power is None else result.power
        return f"none was proven in {result.images:,} images, which would prove one with a chance of {power:.0%} only"
    if result.unexplained:
        return (
            f"decisions for “{result.unexplained[0].target}” stay without the defect, by something that was not found"
        )
    return ""


def evidence_ruling(pair: Pairing, rule: EvidenceRule, levels: Levels, seed: int, report: Report) -> Ruling:
    """The ruling on how many of the new model's maps are not to be relied on. Arguments as for `corruption_rulings`."""
    from workbench.reliability import map_method

    what, criterion = "Maps of the new model that are not to be relied on", rule.failing
    model = pair.new.classifier
    method = rule.method or map_method(model)
    if method is None:
        return untold("evidence", f"{what}: no method of attribution suits it.", criterion)
    places = stratify(pair.new.predictions.frame, rule.images, seed)[0]
    names = set(pair.new.predictions.frame["name"].iloc[places])
    chosen = [item for item in pair.items if item.name in names]
    units = None if pair.units is None else pair.units[[item.name in names for item in pair.items]]
    failing, rated = [], []
    for done, item in enumerate(chosen):
        report("holding maps against the model", done, len(chosen))
        verdict = _fails(model, item, method, chosen)
        failing.append(bool(verdict))
        rated.append(verdict is not None)
    kept = np.array(rated, bool)
    if not kept.any():
        return untold("evidence", f"{what}: no check applies to any of {len(chosen):,} maps.", criterion)
    hits = np.array(failing, bool)[kept]
    ruling = ruled(
        "evidence", what, share_bounds(hits, None if units is None else units[kept], levels), criterion, levels
    )
    shown = tuple(item.name for item, bad in zip(chosen, failing, strict=True) if bad)[:MOST_TO_LOOK_AT]
    return dataclasses.replace(ruling, images=shown)


def _fails(model: Classifier, item: ImageItem, method: str, background: list[ImageItem]) -> bool | None:
    """Whether a map is not to be relied on; None where no check applies. An image without a map has none to rely on."""
    from workbench.attribution import attribute
    from workbench.evidence import assess, rating

    try:
        attribution = attribute(model, item, method, background=background)
        rated = rating(assess(model, item, attribution, background=background))
    except InputError:
        return True
    return rated.tone == "bad" if rated.counted else None
