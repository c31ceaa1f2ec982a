"""Twins as a repeatability study: how often model and labels decide differently on two images of one part."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.files import CheckResult, Outcome
from workbench.predictions import Predictions, all_scores, defect_classes, has_defects, percent
from workbench.quality.grading import GRADES
from workbench.quality.same_part import Families
from workbench.stats import ENOUGH, Rate, mean_of, share, spearman

if TYPE_CHECKING:
    import pandas as pd

ALL_REPEATS = "all repeats"
COPIES, TURNED, SHOTS = "copies of one image", "turned or flipped copies", "other shots of one part"
REPEAT_KINDS = (ALL_REPEATS, COPIES, TURNED, SHOTS)
LIMITS_OF_AGREEMENT = 1.96
"""Standard deviations between the mean difference and either limit of agreement (Bland and Altman 1986)."""


@dataclasses.dataclass(frozen=True)
class Shift:
    """How the score differs between two images of one part: the second less the first, in the order of the set.

    Attributes:
        mean: Of the differences.
        low: Lower end of the 95 % interval of the mean, families counted; NaN for one family.
        high: Its upper end.
        spread: Standard deviation of the differences; NaN for one pair.
        pairs: How many there are.
    """

    mean: float
    low: float
    high: float
    spread: float
    pairs: int

    @property
    def limits(self) -> tuple[float, float]:
        """The limits of agreement: of 100 further pairs 95 are expected to differ by an amount between them."""
        reach = LIMITS_OF_AGREEMENT * self.spread
        return self.mean - reach, self.mean + reach


@dataclasses.dataclass(frozen=True)
class Repeat:
    """One kind of repeat.

    Attributes:
        kind: One of `REPEAT_KINDS`.
        pairs: How many pairs there are.
        families: Of how many parts.
        flips: The share of pairs that are decided differently, of those with two decisions; interval by family.
        shift: Of the score; None without a pair of scores.
        agreement: The share of pairs with the same label, of those with two labels; interval by family.
        kappa: Cohen's kappa of the labels (Cohen 1960), as value, low and high: its interval is that of `agreement`
            with the agreement by chance as observed. None where all labels are one class, or there are none.
    """

    kind: str
    pairs: int
    families: int
    flips: Rate
    shift: Shift | None
    agreement: Rate
    kappa: tuple[float, float, float] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Repeats:
    """What two images of one part say of model and labels.

    Attributes:
        pairs: One row a verified pair: first, second, kind, grade, turn, family, and for each of the two (as "score
            first") score, called, label and split; shift, flip and same label (None where one of the two is missing).
        kinds: The figures, of all repeats first; kinds without a pair are left out.
        score: What the score is the probability of, in words.
    """

    pairs: pd.DataFrame
    kinds: tuple[Repeat, ...]
    score: str

    @property
    def flips(self) -> pd.DataFrame:
        """The pairs that are decided differently, the largest shift first."""
        rows = self.pairs[self.pairs["flip"].eq(True).to_numpy(bool)]
        return rows.iloc[np.argsort(-rows["shift"].abs().to_numpy(), kind="stable")].reset_index(drop=True)

    @property
    def table(self) -> pd.DataFrame:
        """The figures, one row a kind."""
        import pandas as pd

        return pd.DataFrame([_row(kind) for kind in self.kinds])


def repeats(families: Families, predictions: Predictions) -> Repeats:
    """Compare model and labels over the verified pairs of images of one part.

    Pairs graded "very similar" are no repeats. Copies of one image tell how a decision depends on the file, turned
    copies how it depends on the turn, and other shots how repeatable the inspection is.

    Args:
        families: Which images show one part.
        predictions: What a model says of them.
    """
    import pandas as pd

    wanted = families.pairs[families.pairs["grade"].isin(GRADES[:-1])].reset_index(drop=True)
    there = wanted["first"].isin(predictions.by_name) & wanted["second"].isin(predictions.by_name)
    wanted = wanted[there].reset_index(drop=True)
    frame, by_name, family = predictions.frame, predictions.by_name, families.by_name
    first, second = (np.array([by_name[name] for name in wanted[end]], dtype=np.intp) for end in ("first", "second"))
    pairs = pd.DataFrame({name: wanted[name] for name in ("first", "second")})
    pairs["kind"] = pd.Series(
        [_kind(*facts) for facts in zip(wanted["grade"], wanted["turn"], strict=True)], dtype=object
    )
    pairs["grade"], pairs["turn"] = wanted["grade"], wanted["turn"]
    pairs["family"] = [family.get(name, name) for name in wanted["first"]]
    scores, what = _scores(predictions, first, second)
    for place, (end, rows) in enumerate((("first", first), ("second", second))):
        pairs[f"score {end}"] = scores[place]
        for column, source in (("called", "predicted"), ("label", "label"), ("split", "split")):
            values = frame[source].astype(object).where(frame[source].notna(), None)
            pairs[f"{column} {end}"] = pd.Series(values.to_numpy(object)[rows], dtype=object)
    pairs["shift"] = scores[1] - scores[0]
    pairs["flip"] = _differ(pairs["called first"], pairs["called second"])
    pairs["same label"] = [None if v is None else not v for v in _differ(pairs["label first"], pairs["label second"])]
    pairs = pairs.astype({"flip": object, "same label": object})
    kinds = [_repeat(kind, pairs if kind == ALL_REPEATS else pairs[pairs["kind"] == kind]) for kind in REPEAT_KINDS]
    return Repeats(pairs, tuple(kind for kind in kinds if kind.pairs), what)


def _kind(grade: str, turn: object) -> str:
    if isinstance(turn, str) and turn:
        return TURNED
    return SHOTS if grade == GRADES[2] else COPIES


def _scores(
    predictions: Predictions, first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[NDArray[np.float64], str]:
    """Two scores for each of P pairs, (2, P), and what they are the probability of."""
    if has_defects(predictions):
        scores = all_scores(predictions, defect_classes(predictions)).astype(np.float64)
        return np.stack([scores[first], scores[second]]), "a defect"
    own = predictions.probabilities[first].astype(np.float64), predictions.probabilities[second].astype(np.float64)
    likeliest = np.nan_to_num(own[0] + own[1]).argmax(1)
    place = np.arange(len(first))
    return np.stack([part[place, likeliest] for part in own]), "the class that is likelier for both together"


def _differ(first: pd.Series, second: pd.Series) -> list[bool | None]:
    return [None if a is None or b is None else bool(a != b) for a, b in zip(first, second, strict=True)]


def _repeat(kind: str, pairs: pd.DataFrame) -> Repeat:
    import pandas as pd

    units, _ = pd.factorize(pairs["family"])
    flip, same = (_known(pairs[column]) for column in ("flip", "same label"))
    shift, told = pairs["shift"].to_numpy(np.float64), np.isfinite(pairs["shift"].to_numpy(np.float64))
    agreement = share(same[1], units[same[0]])
    return Repeat(
        kind,
        len(pairs),
        len(np.unique(units)),
        share(flip[1], units[flip[0]]),
        _shift(shift[told], units[told]) if told.any() else None,
        agreement,
        _kappa(pairs[same[0]], agreement),
    )


def _known(column: pd.Series) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where something is known, and what."""
    there = column.notna().to_numpy(bool)
    return there, column[there].to_numpy(bool)


def _shift(shift: NDArray[np.float64], units: NDArray[np.intp]) -> Shift:
    _, place = np.unique(units, return_inverse=True)
    own = np.bincount(place, shift) / np.bincount(place)
    mean = mean_of(own)
    spread = float(shift.std(ddof=1)) if len(shift) > 1 else float("nan")
    assert mean.value is not None
    assert mean.low is not None
    assert mean.high is not None
    return Shift(float(shift.mean()), mean.low, mean.high, spread, len(shift))


def _kappa(pairs: pd.DataFrame, agreement: Rate) -> tuple[float, float, float] | None:
    """Cohen's kappa of the labels; None where chance alone would make them all agree."""
    if agreement.value is None or agreement.low is None or agreement.high is None:
        return None
    labels = sorted({*pairs["label first"], *pairs["label second"]})
    first, second = (
        (pairs[f"label {end}"].value_counts(normalize=True)).reindex(labels, fill_value=0.0)
        for end in ("first", "second")
    )
    chance = float((first * second).sum())
    if chance > 1 - 1e-12:
        return None
    rates = agreement.value, agreement.low, agreement.high
    value, low, high = (max((rate - chance) / (1 - chance), -1.0) for rate in rates)
    return value, low, high


def _row(kind: Repeat) -> dict[str, object]:
    row: dict[str, object] = {"repeats": kind.kind, "pairs": kind.pairs, "parts": kind.families}
    for name, rate in (("flips", kind.flips), ("same label", kind.agreement)):
        row |= {name: rate.value, f"{name} low": rate.low, f"{name} high": rate.high}
        row |= {f"{name} hits": rate.count, f"{name} of": rate.support}
    shift = kind.shift
    limits = (None, None) if shift is None else shift.limits
    row |= {"mean shift": None if shift is None else shift.mean, "shift sd": None if shift is None else shift.spread}
    row |= {"lower limit of agreement": limits[0], "upper limit of agreement": limits[1]}
    return row | dict(zip(("kappa", "kappa low", "kappa high"), kind.kappa or (None, None, None), strict=True))


def map_agreement(
    pairs: pd.DataFrame, heatmaps: Mapping[str, NDArray[np.floating]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How alike the maps of two images of one part are, and how alike those of strangers.

    Args:
        pairs: As `Repeats.pairs`.
        heatmaps: Maps of one size by the names of their images.

    Returns:
        Spearman's rank correlation for each of P pairs, (P,), the second turned back onto the first; NaN where a map is
        missing. And the same between the first image of one pair and the second of the next, where they show different
        parts: what maps share that show nothing of a part.
    """
    first, second, family = (pairs[name].to_numpy(object) for name in ("first", "second", "family"))
    back = [
        upright(heatmaps[name], turn) if name in heatmaps else None
        for name, turn in zip(second, pairs["turn"], strict=True)
    ]
    rows = [row for row in range(len(pairs)) if first[row] in heatmaps and back[row] is not None]

    def alike(row: int, other: int) -> float:
        turned = back[other]
        assert turned is not None
        return spearman(heatmaps[first[row]].ravel(), turned.ravel())

    result = np.full(len(pairs), np.nan)
    result[rows] = [alike(row, row) for row in rows]
    others = zip(rows, [*rows[1:], *rows[:1]], strict=True)
    strangers = [alike(row, other) for row, other in others if family[row] != family[other]]
    return result, np.array(strangers, np.float64)


def upright(heatmap: NDArray[np.floating], turn: object) -> NDArray[np.floating] | None:
    """A square map turned as `Families.pairs` says that its image must be: flipped left to right first, then turned
    anticlockwise; None where that is said in other words."""
    words = turn.split() if isinstance(turn, str) else []
    if words[:1] == ["flipped"]:
        heatmap, words = heatmap[:, ::-1], words[1:]
    angle = words[0] if words else "0"
    return np.rot90(heatmap, int(angle) // 90) if len(words) < 2 and angle in ("0", "90", "180", "270") else None


def repeat_results(found: Repeats | None) -> tuple[CheckResult, ...]:
    """The results of the repeatability study, as `workbench data` writes them; None where families or predictions are
    not known."""
    if found is None or not found.kinds:
        why = (
            "Repeatability is unknown: it takes predictions, and families that were looked for."
            if found is None
            else "Repeatability is unknown: no two images show one part."
        )
        return CheckResult("repeat decisions", "unknown", why), CheckResult("repeat labels", "unknown", why)
    every = found.kinds[0]
    flips, labels = found.flips, found.pairs[found.pairs["same label"].eq(False).to_numpy(bool)]
    return (
        _result("repeat decisions", every.flips, flips, "are decided differently"),
        _result("repeat labels", every.agreement, labels, "have the same label"),
    )


def _result(check: str, rate: Rate, rows: pd.DataFrame, words: str) -> CheckResult:
    if rate.value is None or rate.low is None or rate.high is None:
        missing = "predictions" if check == "repeat decisions" else "labels"
        return CheckResult(check, "unknown", f"Unknown: no two images of one part have {missing}.")
    few = rate.support < ENOUGH
    outcome: Outcome = "warn" if len(rows) else "unknown" if few else "ok"
    sentence = (
        f"{rate.count:,} of {rate.support:,} pairs of images of one part {words}: {percent(rate.value)}"
        f" ({100 * rate.low:.1f} to {100 * rate.high:.1f})."
    )
    if few:
        sentence += f" Fewer than {ENOUGH} pairs say little."
    images = tuple(zip(rows["first"], rows["second"], strict=True))
    return CheckResult(check, outcome, sentence, rate.value, rate.low, rate.high, None, rate.support, images)
