"""What the fit of a model comes to: verdicts with their evidence, and what to do next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.files import CheckResult, Outcome
from workbench.reliability.fit import BY_CLASS, WHOLE, Fit, enough
from workbench.reliability.head_curve import HeadStudy
from workbench.reliability.sides import HELD, PLACES
from workbench.reliability.training_record import TrainingRecord, history_result
from workbench.stats import ENOUGH, FEW_UNITS, Rate
from workbench.texts import sentence_list

if TYPE_CHECKING:
    import pandas as pd

NO_HEADS = "No head on frozen features was fitted that could tell whether they can be fitted better."
FIT_CHECKS = ("fit memorised", "fit too simple", "fit more images", "fit history")
MEMORISED, RULED_OUT = 0.05, 0.10
"""A gap in accuracy is called memorised where all of its interval lies above the first; a wider one is ruled out where
it all lies below the second."""
BETTER, NO_BETTER = 0.02, 0.05
"""The same for a head whose AUC on training images beats the model's."""
TRIVIAL_AUC = 0.7
"""A model is called too simple without heads where its accuracy on its training images is not surely above the share
of their majority class, and its AUC surely below this."""
FITTED_AUC = 0.98
"""A model whose AUC on its own training images is surely above this cannot be too simple for them."""
GAINED, SPARED = 0.0, 0.01
"""More images help a head where the gain of the second half is surely above the first, and hardly where below the
second."""
Row = dict[str, Any]
LEADS: Mapping[str, Mapping[str, str]] = {
    FIT_CHECKS[0]: {"warn": "Memorised:", "ok": "No memorising shown:", "unknown": "Whether it memorised is open:"},
    FIT_CHECKS[1]: {"warn": "Too simple:", "ok": "Not too simple:", "unknown": "Whether it is too simple is open:"},
    FIT_CHECKS[2]: {
        "warn": "More images are likely to help:",
        "ok": "More of the same images hardly help:",
        "unknown": "Whether more images help is open:",
    },
    FIT_CHECKS[3]: {},
}
"""What a sentence with a figure begins with."""


def fit_results(result: Fit, study: HeadStudy | None = None, record: TrainingRecord | None = None) -> list[CheckResult]:
    """The checks "fit memorised", "fit too simple", "fit more images" and "fit history".

    Args:
        result: How the model does on both sides.
        study: What heads make of the same images; None where they were not fitted.
        record: What is known of the model's training.
    """
    results = [_memorised(result, study), _too_simple(result, study), _more_images(study), history_result(record)]
    return [dataclasses.replace(one, sentence=_led(one)) for one in results]


def _led(result: CheckResult) -> str:
    """The sentence with its question or answer before the figures, so that the first of its words can stand alone."""
    lead = LEADS[result.check].get(result.verdict, "")
    return f"{lead} {result.sentence}" if lead and result.figure is not None else result.sentence


def fit_verdict(results: list[CheckResult]) -> str:
    """ "memorised", "too simple", "neither shown" where both were looked for, else "unknown"."""
    known = {result.check: result.verdict for result in results}
    if known[FIT_CHECKS[0]] == "warn":
        return "memorised"
    if known[FIT_CHECKS[1]] == "warn":
        return "too simple"
    return "neither shown" if [known[name] for name in FIT_CHECKS[:2]] == ["ok", "ok"] else "unknown"


def fit_tables(
    result: Fit, study: HeadStudy | None = None, record: TrainingRecord | None = None
) -> dict[str, pd.DataFrame]:
    """The tables behind the checks, by name; those that were not looked for are lacking."""
    tables = {"fit-splits": result.splits, "fit-gaps": result.gaps, "fit-distributions": result.distributions}
    if study is not None and not study.reason:
        tables["fit-learning-curve"] = study.curve
    if record is not None and not record.history.empty:
        tables["fit-history"] = record.history
    return tables


def _memorised(result: Fit, study: HeadStudy | None) -> CheckResult:
    name = FIT_CHECKS[0]
    if why := _nothing_known(result):
        return CheckResult(name, "unknown", why)
    row = _judged(result)
    if row is None:
        return CheckResult(name, "unknown", _too_few(result))
    worst = _widest_class(result, str(row["split"]))
    shown = row if row["gap low"] > MEMORISED or worst is None or worst["gap low"] <= MEMORISED else worst
    told = (float(shown["gap"]), float(shown["gap low"]), float(shown["gap high"]), MEMORISED, int(shown["images"]))
    sentence = _gap_sentence(shown, result)
    if shown["gap low"] > MEMORISED:
        verdict, more = _shown(result, study, shown)
        return CheckResult(name, verdict, f"{sentence} {more}", *told)
    sentence = f"{sentence} {_not_shown(row)}"
    if result.known != "recorded":
        return CheckResult(name, "unknown", f"{sentence} {_CONDITION}", *told)
    if row["gap high"] <= RULED_OUT and not result.joined:
        more = "Whether held-out images show parts that trained is not known: look for families on the page Data."
        return CheckResult(name, "unknown", f"{sentence} {more}", *told)
    if row["gap high"] <= RULED_OUT:
        return CheckResult(name, "ok", f"{sentence}{_unjudged(result, row)}", *told)
    more = f"Up to {100 * row['gap high']:.0f} points are not ruled out: more held-out {result.unit} would tell."
    return CheckResult(name, "unknown", f"{sentence} {more}", *told)


def _not_shown(row: Row) -> str:
    """What a gap comes to that is not surely large."""
    if row["gap low"] > 0:
        return f"It does worse on what it never saw, but not surely by more than {100 * MEMORISED:.0f} points."
    return "That it does worse on what it never saw is not shown."


_CONDITION = (
    "Which images trained the model is not recorded: this holds only if they are the training split of this set."
)
_MEMORISED = (
    "What it reaches on its training images does not carry over. Train on more different parts or with stronger"
    " augmentation, stop earlier, or take a smaller network."
)


def _shown(result: Fit, study: HeadStudy | None, row: Row) -> tuple[Outcome, str]:
    """The verdict on a gap that is shown: memorised, unless the held-out images are harder for what saw neither side,
    or another held-out split shows none."""
    other = _other(result, row)
    if other is not None and other["gap low"] <= 0:
        return "unknown", (
            f"Of {PLACES[other['split']]} there is no such gap ({_points(other, 'gap')}): {PLACES[row['split']]} may be"
            " harder or of other lots rather than the rest memorised. Look at drift between the splits."
        )
    if study is not None and not study.reason and study.split == row["split"] and row["by"] == WHOLE:
        beyond, harder = study.beyond, study.harder
        figures = f"Heads on {study.features} lose {_interval(harder)} there, so that {_interval(beyond)} are its own."
        if (beyond.low or 0.0) <= 0:
            return "unknown", f"{figures} The held-out images may be harder, rather than the others memorised."
        return "warn", f"{figures} {_MEMORISED}{_if(result)}"
    return "warn", f"{_MEMORISED}{_if(result)}"


def _if(result: Fit) -> str:
    return "" if result.known == "recorded" else f" {_CONDITION}"


def _too_simple(result: Fit, study: HeadStudy | None) -> CheckResult:
    name = FIT_CHECKS[1]
    if why := _nothing_known(result):
        return CheckResult(name, "unknown", why)
    accuracy, ranking = result.accuracy, result.ranking
    if ranking.value is None or not enough(accuracy.support, accuracy.groups or accuracy.support):
        return CheckResult(name, "unknown", _too_few(result))
    figures = (
        f"the model is right in {_share(accuracy)} of the images that trained it ({result.majority} makes up"
        f" {100 * result.majority_share:.1f} %), with an AUC of {_plain(ranking)}, {_support(accuracy, result)}."
    )
    near = (accuracy.low or 0.0) <= result.majority_share
    trivial = near and (ranking.high or 1.0) <= TRIVIAL_AUC
    told = (ranking.value, ranking.low, ranking.high, TRIVIAL_AUC, accuracy.support)
    if study is None or study.reason:
        if trivial:
            more = f"It is not shown to do better than always saying {result.majority}. {_SIMPLE}{_if(result)}"
            return CheckResult(name, "warn", f"{figures} {more}", *told)
        if (ranking.low or 0.0) >= FITTED_AUC:
            return CheckResult(name, "ok", f"{figures} It fits them, and so is not too simple for them.", *told)
        return CheckResult(name, "unknown", f"{figures} {NO_HEADS if study is None else study.reason}", *told)
    return _against_heads(result, study, figures, trivial)


_SIMPLE = "Train longer, with larger images or a larger network, and look whether the history still fell."


def _against_heads(result: Fit, study: HeadStudy, figures: str, trivial: bool) -> CheckResult:
    better, name = study.better, FIT_CHECKS[1]
    heads = (
        f"{figures} Heads on {study.features}, judged on training images that they were not fitted on, reach"
        f" {_plain(study.head)} where the model has {_plain(study.model)}: {_plain(better, signed=True)} AUC,"
        f" {study.images:,} images{_in(study.images, study.units, result)}."
    )
    told = (better.value, better.low, better.high, BETTER, study.images)
    if (better.low or 0.0) > BETTER:
        return CheckResult(name, "warn", f"{heads} {_SIMPLE}{_if(result)}", *told)
    if trivial:
        more = (
            "Neither finds the classes: look at the labels, and whether defects are visible at the model's input size."
        )
        return CheckResult(name, "unknown", f"{heads} {more}", *told)
    if (better.high or 1.0) <= NO_BETTER:
        return CheckResult(name, "ok", f"{heads} No better fit was found.", *told)
    return CheckResult(
        name, "unknown", f"{heads} Whether a better fit exists is not settled: it takes more images.", *told
    )


def _more_images(study: HeadStudy | None) -> CheckResult:
    name = FIT_CHECKS[2]
    if study is None:
        return CheckResult(name, "unknown", "Not looked for: no heads were fitted on growing shares of the images.")
    if study.reason:
        return CheckResult(name, "unknown", study.reason)
    gain, last = study.gain, study.curve.iloc[-1]
    sentence = (
        f"for a head on frozen features, not the model itself, the second half of the {study.units:,} training units"
        f" adds {_plain(gain, signed=True)} AUC on {gain.support:,} images{gain.in_units()} of {PLACES[study.split]}"
        f" ({last['AUC']:.3f} with all)."
    )
    told = (gain.value, gain.low, gain.high, SPARED, gain.support)
    if (gain.low or 0.0) > GAINED:
        return CheckResult(name, "warn", f"{sentence} Add images of other parts.", *told)
    if (gain.high or 1.0) <= SPARED:
        more = "Rare kinds and hard images still may."
        return CheckResult(name, "ok", f"{sentence} {more}", *told)
    return CheckResult(name, "unknown", f"{sentence} It takes more held-out images to tell.", *told)


def _nothing_known(result: Fit) -> str:
    if result.reason:
        return f"Not looked for. {result.reason}"
    if result.known == "none":
        return (
            "No training split: nothing says which images trained the model. Splits in the set, or training.json beside"
            " the model, would tell."
        )
    if result.known == "elsewhere":
        what = f" It learned from {result.elsewhere}." if result.elsewhere else ""
        return (
            f"By {result.source}, no image of this set trained the model, so that nothing here shows what it remembers."
            f"{what} Choose the set that it was trained on."
        )
    return ""


def _rows(result: Fit, by: str) -> list[Row]:
    return [row for row in result.gaps.to_dict("records") if row["by"] == by]  # type: ignore[misc]


def _enough(row: Row) -> bool:
    sides = (row["trained images"], row["trained units"]), (row["images"], row["units"])
    return row["gap"] == row["gap"] and all(enough(*side) for side in sides)


def _judged(result: Fit) -> Row | None:
    """The whole of the first of `HELD` that carries a verdict."""
    rows = [row for split in HELD for row in _rows(result, WHOLE) if row["split"] == split and _enough(row)]
    return rows[0] if rows else None


def _other(result: Fit, row: Row) -> Row | None:
    """The same of the other held-out split, where it carries a verdict."""
    rows = (other for other in _rows(result, row["by"]) if other["group"] == row["group"] and _enough(other))
    return next((other for other in rows if other["split"] in HELD and other["split"] != row["split"]), None)


def _widest_class(result: Fit, split: str) -> Row | None:
    rows = [row for row in _rows(result, BY_CLASS) if row["split"] == split and _enough(row)]
    return max(rows, key=lambda row: float(row["gap low"]), default=None)


def _unjudged(result: Fit, row: Row) -> str:
    few = [str(own["group"]) for own in _rows(result, BY_CLASS) if own["split"] == row["split"] and not _enough(own)]
    return f" Nothing is said of classes with too few images: {sentence_list(few)}." if few else ""


def _too_few(result: Fit) -> str:
    rows = {split: (row["images"], row["units"]) for row in _rows(result, WHOLE) if (split := row["split"]) in HELD}
    there = ", ".join(
        f"{images:,}{_in(images, units, result)} of {PLACES[split]}" for split, (images, units) in rows.items()
    )
    own = result.accuracy
    trained = f"{own.support:,}{own.in_units(result.unit)} that trained"
    return (
        f"Too few to say: it takes {ENOUGH} images of {FEW_UNITS} independent {result.unit} that trained, and as many"
        f" that did not; there are {trained}, and {there or 'none held out'}."
    )


def _gap_sentence(row: Row, result: Fit) -> str:
    what = "" if row["by"] == WHOLE else f"{row['group']}: "
    shared = f" {result.shared:,} held-out images of {result.unit} that trained are left out." if result.shared else ""
    trained = f"{row['trained images']:,} images{_in(row['trained images'], row['trained units'], result)}"
    held = f"{row['images']:,}{_in(row['images'], row['units'], result)}"
    return (
        f"{what}{100 * row['trained accuracy']:.1f} % of {trained} that trained are decided right, at the same class"
        f" shares, and {100 * row['accuracy']:.1f} % of {held} of {PLACES[row['split']]}: a gap of"
        f" {_points(row, 'gap')}.{shared}"
    )


def _in(images: int, units: int, result: Fit) -> str:
    """In how many units so many images come, where these are fewer."""
    return Rate(None, None, None, 0, images, units).in_units(result.unit)


def _points(row: Row, name: str) -> str:
    value, low, high = (100 * row[f"{name}{end}"] for end in ("", " low", " high"))
    return f"{value:+.1f} points ({low:+.1f} to {high:+.1f})"


def _interval(rate: Rate) -> str:
    value, low, high = (100 * (x or 0.0) for x in (rate.value, rate.low, rate.high))
    return f"{value:+.1f} points ({low:+.1f} to {high:+.1f})"


def _share(rate: Rate) -> str:
    return f"{100 * (rate.value or 0):.1f} % ({100 * (rate.low or 0):.1f} to {100 * (rate.high or 0):.1f})"


def _plain(rate: Rate, *, signed: bool = False) -> str:
    form = "{:+.3f}" if signed else "{:.3f}"
    value, low, high = (form.format(x or 0.0) for x in (rate.value, rate.low, rate.high))
    return f"{value} ({low} to {high})"


def _support(rate: Rate, result: Fit) -> str:
    return f"from {rate.support:,} images{rate.in_units(result.unit)}"
