"""The rules of a gate on decisions and probabilities: mistakes at the threshold, accuracy, groups, calibration."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import FAMILY, GROUP, groups_of, percent, units_of
from workbench.report.gate_pairing import Pairing
from workbench.report.gate_rules import CalibrationRule, GateRules, GroupsRule, MistakesRule
from workbench.report.gate_rulings import (
    OUTCOMES,
    Bounds,
    GateOutcome,
    Levels,
    Ruling,
    change_bounds,
    decimals,
    outcome_of,
    points,
    ruled,
    share_bounds,
    untold,
)
from workbench.stats import FEW_UNITS, binned_calibration, critical_value, gap, share, simultaneous
from workbench.texts import sentence_list

SAME_MODEL = "Old and new are one model with one rule: nothing has changed."
MOST_TO_LOOK_AT = 20
"""Images of a ruling that are named, so that somebody can look at them."""
Flags = NDArray[np.bool_]
Units = NDArray[np.intp] | None


def decision_rulings(pair: Pairing, rules: GateRules, levels: Levels) -> list[Ruling]:
    """The rulings of all rules on decisions and probabilities that are asked, in their order."""
    found = [answered(pair)]
    if rules.churn is not None and pair.items:
        found.append(_churn(pair, rules.churn.ceiling, levels))
    for name, rule in (("escapes", rules.escapes), ("overkill", rules.overkill)):
        if rule is not None:
            found += _mistakes(pair, name, rule, levels)
    if rules.accuracy is not None:
        found.append(_accuracy(pair, rules.accuracy.margin, levels))
    if rules.groups is not None:
        found += _groups(pair, rules.groups, levels)
    if rules.calibration is not None:
        found.append(_calibration(pair, rules.calibration, levels))
    return found


def answered(pair: Pairing) -> Ruling:
    """Whether the new model answers wherever the old one does: an image that it cannot read is in no other figure."""
    lost, support = pair.unanswered, len(pair.items) + len(pair.unanswered)
    if lost:
        sentence = (
            f"The new model has no answer for {len(lost):,} of {support:,} images that the old one answers"
            f" ({sentence_list(lost, 3)}): {OUTCOMES['fail']}."
        )
        names = lost[:MOST_TO_LOOK_AT]
        return Ruling("answers", "fail", sentence, len(lost), criterion=0, support=support, images=names)
    if not pair.items:
        return untold("answers", "There is no image that both models can read.")
    kind: GateOutcome = "not enough" if pair.recovered else "pass"
    more = f" {len(pair.unread):,} that neither can read count nowhere." if pair.unread else ""
    if pair.recovered:
        more += (
            f" {len(pair.recovered):,} that only the new one answers ({sentence_list(pair.recovered, 3)}) are in no"
            " figure, its mistakes there neither: take them out of the set, and look at them by themselves."
        )
    sentence = f"The new model answers for each of the {support:,} images that the old one answers: {OUTCOMES[kind]}."
    names = pair.recovered[:MOST_TO_LOOK_AT]
    return Ruling("answers", kind, sentence + more, 0, criterion=0, support=support, images=names)


def _churn(pair: Pairing, ceiling: float, levels: Levels) -> Ruling:
    """How many decisions change, whether to the better or not: of all images, with a label or without."""
    what, support = "Decisions that differ from the old model's", len(pair.items)
    if pair.same:
        return Ruling("churn", "pass", f"{what}: none. {SAME_MODEL}", 0.0, criterion=ceiling, support=support)
    changed = pair.new_says != pair.old_says
    ruling = ruled("churn", what, share_bounds(changed, pair.units, levels), ceiling, levels)
    old, new = (~pair.wrong(says) & pair.labelled for says in (pair.old_says, pair.new_says))
    more = (
        f" {int((old & ~new).sum()):,} were right and are wrong now, {int((new & ~old).sum()):,} the other way round."
    )
    everywhere = np.ones(support, bool)
    images = _named(pair, everywhere, changed)
    return dataclasses.replace(ruling, sentence=ruling.sentence + (more if changed.any() else ""), images=images)


def _mistakes(pair: Pairing, name: str, rule: MistakesRule, levels: Levels) -> list[Ruling]:
    """Escapes among the defects, or overkill among the good parts."""
    escapes = name == "escapes"
    among = pair.defective if escapes else pair.good
    what, kind = ("Defects that pass", "defects") if escapes else ("Good parts that are rejected", "good parts")
    why = f"no image with a label is one of the {kind}" if pair.defects else "it is not known which classes are defects"
    wrong = [np.isin(says.astype(str), pair.defects) != escapes for says in (pair.new_says, pair.old_says)]
    found, units = [], pair.among(among)
    for key, criterion in (("ceiling", rule.ceiling), ("margin", rule.margin)):
        if criterion is None:
            continue
        title = f"{name}: {key}"
        if not among.any():
            found.append(untold(title, f"{what}: {why}, so that this cannot be told.", criterion))
        elif key == "ceiling":
            now = wrong[0][among]
            ruling = ruled(title, what, share_bounds(now, units, levels), criterion, levels)
            found.append(dataclasses.replace(ruling, images=_named(pair, among, now)))
        else:
            found.append(_change(pair, title, f"{what}, more than with the old model", among, wrong, criterion, levels))
    return found


def _accuracy(pair: Pairing, margin: float, levels: Levels) -> Ruling:
    wrong = [pair.wrong(says) for says in (pair.new_says, pair.old_says)]
    what = "Accuracy lost against the old model"
    if not pair.labelled.any():
        return untold("accuracy", f"{what}: no image has a label, so that this cannot be told.", margin)
    return _change(pair, "accuracy", what, pair.labelled, wrong, margin, levels)


def _change(
    pair: Pairing, title: str, what: str, among: Flags, wrong: list[Flags], margin: float, levels: Levels
) -> Ruling:
    """The ruling on how many more of some images are decided wrongly now than before."""
    if pair.same:
        return Ruling(title, "pass", f"{what}: none. {SAME_MODEL}", 0.0, criterion=margin, support=int(among.sum()))
    now, before = (flags[among] for flags in wrong)
    bounds = change_bounds(now, before, pair.among(among), levels)
    if bounds.few:
        return _few(title, what, bounds, margin)
    ruling = ruled(title, what, bounds, margin, levels, points)
    return dataclasses.replace(ruling, images=_named(pair, among, now & ~before))


def _few(title: str, what: str, bounds: Bounds, criterion: float | None) -> Ruling:
    return untold(
        title,
        f"{what}: {bounds.rests_on} are too few to tell; at least {FEW_UNITS} independent ones are needed.",
        criterion,
        bounds.support,
    )


def _named(pair: Pairing, among: Flags, hits: Flags) -> tuple[str, ...]:
    places = np.flatnonzero(among)[hits][:MOST_TO_LOOK_AT]
    return tuple(pair.items[int(place)].name for place in places)


def _groups(pair: Pairing, rule: GroupsRule, levels: Levels) -> list[Ruling]:
    """The gap between groups, and what each has lost."""
    asked = [("groups: gap", rule.gap), ("groups: margin", rule.margin)]
    if not pair.labelled.any():
        return [untold(t, "No image has a label, so that groups cannot be compared.", c) for t, c in asked if c]
    cases = pair.cases()
    grouping = groups_of(cases, rule.by)
    names = [cases.predictions.frame["name"].iloc[row] for row in cases.rows]
    code = dict(zip(names, grouping.codes.tolist(), strict=True))
    codes = np.array([code.get(item.name, -1) for item in pair.items], np.intp)
    units = _units_within(pair, rule.by)
    sizes = np.bincount(codes[codes >= 0], minlength=len(grouping.names))
    kept = np.flatnonzero(sizes >= rule.least).tolist()
    rows = {grouping.names[g]: codes == g for g in kept}
    small = [name for name, size in zip(grouping.names, sizes, strict=True) if size < rule.least]
    more = f" Left out, with fewer than {rule.least} images: {sentence_list(small, 4)}." if small else ""
    alone = int((pair.labelled & (codes < 0)).sum())
    more += f" {alone:,} images have no {rule.by}." if alone else ""
    found = [_gap(pair, rule.by, rows, units, rule.gap, levels)] if rule.gap is not None else []
    if rule.margin is not None:
        found.append(_lost(pair, rule.by, rows, units, rule.margin, levels))
    return [dataclasses.replace(ruling, sentence=ruling.sentence + more) for ruling in found]


def _units_within(pair: Pairing, by: str) -> Units:
    """The units that count where groups are compared: where the stated groups are themselves compared, families."""
    if by != GROUP:
        return pair.units
    frame = pair.new.predictions.frame
    units = units_of(frame, FAMILY)
    return None if units is None else units[[pair.new.predictions.by_name[item.name] for item in pair.items]]


def _gap(pair: Pairing, by: str, rows: dict[str, Flags], units: Units, criterion: float, levels: Levels) -> Ruling:
    title, what = "groups: gap", f"Gap in accuracy between the best and the worst {by}"
    if len(rows) < 2:
        return untold(title, f"{what}: fewer than two can be compared, so that this cannot be told.", criterion)
    right = ~pair.wrong(pair.new_says)

    def spans(level: float) -> tuple[float, float, float, int, int]:
        each = simultaneous(len(rows), 2 * level - 1)
        rates = [share(right[own], None if units is None else units[own], each) for own in rows.values()]
        span = gap(rates)
        return (*span.difference, span.lowest, span.highest)

    value, _, most, lowest, highest = spans(levels.passing)
    least = spans(levels.failing)[1]
    any_row = np.any(list(rows.values()), axis=0)
    bounds = Bounds(value, least, most, int(any_row.sum()), None if units is None else len(np.unique(units[any_row])))
    names = list(rows)
    worst = rows[names[lowest]]
    rates = [float(right[rows[names[place]]].mean()) for place in (highest, lowest)]
    words = f"{what} ({percent(rates[0])} for {names[highest]}, {percent(rates[1])} for {names[lowest]})"
    ruling = ruled(title, words, bounds, criterion, levels, points)
    return dataclasses.replace(ruling, images=_named(pair, worst, ~right[worst]))


def _lost(pair: Pairing, by: str, rows: dict[str, Flags], units: Units, margin: float, levels: Levels) -> Ruling:
    """The most that the accuracy in a group has fallen: each must keep to the margin, and any can break it."""
    title, what = "groups: margin", f"Accuracy lost against the old model, in the {by} that lost most"
    if pair.same:
        return Ruling(title, "pass", f"{what}: none. {SAME_MODEL}", 0.0, criterion=margin, support=len(pair.items))
    if not rows:
        return untold(title, f"{what}: no group has enough images, so that this cannot be told.", margin)
    new, old = pair.wrong(pair.new_says), pair.wrong(pair.old_says)
    each = levels.among(len(rows))
    lost = {}
    for name, own in rows.items():
        lost[name] = change_bounds(new[own], old[own], None if units is None else units[own], each)
    few = [name for name, bounds in lost.items() if bounds.few]
    known = {name: bounds for name, bounds in lost.items() if not bounds.few}
    if not known:
        return untold(title, f"{what}: each has fewer than {FEW_UNITS} independent images.", margin)
    broken = [name for name, bounds in known.items() if outcome_of(bounds, margin) == "fail"]
    worst = max(broken or known, key=lambda name: known[name].least if broken else known[name].most)
    ruling = ruled(title, f"{what} ({worst})", known[worst], margin, each, points)
    if few and ruling.outcome == "pass":
        more = f" But of {sentence_list(few, 4)} there are fewer than {FEW_UNITS} independent images."
        ruling = dataclasses.replace(ruling, outcome="not enough", sentence=ruling.sentence + more)
    own = rows[worst]
    return dataclasses.replace(ruling, images=_named(pair, own, new[own] & ~old[own]))


def _calibration(pair: Pairing, rule: CalibrationRule, levels: Levels) -> Ruling:
    """The calibration error of the probability of a defect, else of the class that is predicted."""
    title = "calibration"
    if pair.new.classifier.scored:
        return untold(title, "Calibration error: an anomaly score is no probability and has none.", rule.error)
    if not pair.labelled.any():
        return untold(title, "Calibration error: no image has a label, so that this cannot be told.", rule.error)
    cases = pair.cases()
    scores, hits = (cases.scores, cases.defect) if pair.defects else (cases.confidence, cases.truth == cases.called)
    binned = binned_calibration(scores, hits, cases.units)
    value = float(binned.error.value or 0)
    half = max(float(binned.error.high or 1) - value, 0.0)
    reach = half / critical_value(0.95)
    most = value + reach * critical_value(2 * levels.passing - 1)
    least = max(value - reach * critical_value(2 * levels.failing - 1), 0.0)
    if binned.p_value > 1 - levels.failing:  # a calibrated model would show as much
        least = 0.0
    units = None if cases.units is None else len(np.unique(cases.units))
    bounds = Bounds(value, least, min(most, 1.0), len(cases), units)
    subject = "a defect" if pair.defects else "the class that is predicted"
    what = f"Calibration error of the probability of {subject}"
    if bounds.few:
        return _few(title, what, bounds, rule.error)
    return ruled(title, what, bounds, rule.error, levels, decimals)
