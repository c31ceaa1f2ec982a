"""Faults of files and images, judged within the set's own kinds and never by fixed thresholds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.files import CheckResult, Outcome
from workbench.images import ImageItem, LoadReport
from workbench.predictions import GROUP
from workbench.quality.fault_groups import medians_apart
from workbench.quality.fault_kinds import FAULTS, FaultKind
from workbench.quality.file_ends import NOT_WHOLE, SUM_WRONG
from workbench.quality.file_facts import expected_format
from workbench.quality.kinds import LEAST_OF_KIND, WHOLE_SET, Kinds, kinds_for, traits_of
from workbench.quality.measured import measure
from workbench.quality.proposals import Proposal

if TYPE_CHECKING:
    import pandas as pd

FAR = 3.5
"""Robust z-scores beyond this are faults (Iglewicz and Hoaglin 1993, "How to detect and handle outliers")."""
TO_Z = 0.6745
"""Turns a median distance from the median into a standard deviation, where values are normal."""
RARE, USUAL = 0.1, 0.8
"""A value of a file is odd where no more than this share has it and at least that share has another one in common."""
MOST_OF_KIND = 0.1
"""Where more than this share of a kind would be at fault, it is two kinds, and nobody knows which one is sound."""
LOGITS = 0.002
FAULT_COLUMNS = ("image", "fault", "severity", "figure", "usual", "low", "high", "z", "kind", "support", "note")


@dataclasses.dataclass(frozen=True, eq=False)
class Faults:
    """The faults of N images.

    Attributes:
        frame: One row a fault, the worst first: image (name), fault (one of `FAULTS`), severity, figure (what the image
            measures, or what its file says), usual (the median of its kind, or what most files say), low and high (the
            range of its kind that is no fault), z (robust z-score), kind (what it was judged within), support (images
            of that kind), note (what must be said with it).
        kinds: What the images were judged within, by measure.
        split: By measure and kind, the names of images that lie apart together and are no fault: more than
            `MOST_OF_KIND` of a kind, which is two kinds then.
        count: N.
        readable: How many of them can be read.
        twins: How many of them are known to show a part that another one shows too.

    Example:
        >>> from workbench.quality import faults
        >>> result = faults(images.items[:40])
        >>> result.frame.columns.tolist()[:4]
        ['image', 'fault', 'severity', 'figure']
    """

    frame: pd.DataFrame
    kinds: Mapping[str, Kinds]
    split: Mapping[tuple[str, str], tuple[str, ...]]
    count: int
    readable: int
    twins: int = 0

    @cached_property
    def counts(self) -> dict[str, int]:
        """Images by fault, in the order of `FAULTS`, of those that any image has."""
        numbers = self.frame["fault"].value_counts()
        return {name: int(numbers[name]) for name in FAULTS if name in numbers}


def faults(
    items: Iterable[ImageItem],
    *,
    families: Mapping[str, str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Faults:
    """Measure N images and judge them, as `measure` and `faults_of` do. Errors as `measure`."""
    images = list(items)
    return faults_of(images, measure(images, on_progress), families)


def faults_of(
    items: Sequence[ImageItem],
    table: pd.DataFrame,
    families: Mapping[str, str] | None = None,
    report: LoadReport | None = None,
) -> Faults:
    """The faults of N images that were measured.

    Args:
        items: The images.
        table: What `measure` says of them.
        families: The family of each image by name, where known: images of one part are compared with each other.
        report: How the set was read, where known: empty files are left out then, and are faults all the same.
    """
    import pandas as pd

    table = _derived(table)
    rows = [*_left_out(report), *_of_bytes(items, table), *_of_formats(table)]
    kinds: dict[str, Kinds] = {}
    split: dict[tuple[str, str], tuple[str, ...]] = {}
    traits = traits_of(items)
    for name, fault in FAULTS.items():
        if not fault.sign or name == TWIN:
            continue
        values = table[f"judged {fault.measure}"].to_numpy(np.float64)
        if fault.measure not in kinds:
            plain = fault.measure in ("pixels", "aspect")
            kinds[fault.measure] = kinds_for(values, items, {} if plain else traits)
        rows += _of_measure(name, fault, table, values, kinds[fault.measure], split)
        rows += _of_groups(name, fault, table, values, items)
    rows += _twins(table, families or {})
    frame = pd.DataFrame(_first_only(rows), columns=list(FAULT_COLUMNS))
    order = {name: place for place, name in enumerate(FAULTS)}
    frame = frame.sort_values("fault", key=lambda column: column.map(order), kind="stable").reset_index(drop=True)
    several = table["name"].map(families or {}).dropna()
    twins = int(several.duplicated(keep=False).sum())
    return Faults(frame, kinds, split, len(items), int(table["error"].isna().sum()), twins)


EMPTY_FILES = "files of 0 bytes"
"""How a reading of a set calls what it leaves out for being empty."""
TWIN = "blurred against its twin"
Row = tuple[object, ...]


def _derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with what is judged: shares on scales on which equal steps mean equally much."""
    level = table["brightness"].clip(LOGITS, 1 - LOGITS)
    return table.assign(
        pixels=table["width"] * table["height"],
        aspect=table["width"] / table["height"],
        **{
            "judged pixels": np.log(table["width"] * table["height"]) / 2,
            "judged aspect": np.log(table["width"] / table["height"]),
            "judged brightness": np.log(level / (1 - level)),
            "judged contrast": np.log(table["contrast"] + LOGITS),
            "judged line": np.log1p(table["line"]),
            **{f"judged {name}": table[name] for name in ("sharpness", "black", "white", "border")},
        },
    )


def _left_out(report: LoadReport | None) -> list[Row]:
    """Empty files, which are no images of the set."""
    left = () if report is None else report.left_out
    names = [name for part in left if EMPTY_FILES in part.reason for name in part.names]
    said = (None, None, None, None, None, "", 0, "left out when the set was read")
    return [(name, "empty file", "broken", *said) for name in names]


def _of_bytes(items: Sequence[ImageItem], table: pd.DataFrame) -> list[Row]:
    """What is a fault whatever the others are."""
    rows: list[Row] = []
    for item, facts in zip(items, table.to_dict("records"), strict=True):
        expected, format = expected_format(item.name), facts["format"]
        holds = {
            "empty file": facts["bytes"] == 0 and facts["error"] is not None,
            "cannot be decoded": facts["error"] is not None and facts["bytes"] != 0,
            "cut off": facts["whole"] == NOT_WHOLE,
            "check sum": facts["whole"] == SUM_WRONG,
            "bytes after the end": facts["extra"] > 0,
            "warning": facts["warning"] is not None,
            "wrong ending": format is not None and expected not in (None, format),
            "blank": facts["blank"] is True,
        }
        figures = {"wrong ending": format, "bytes after the end": facts["extra"], "warning": facts["warning"]}
        usual = {"wrong ending": expected}
        for name in (name for name, there in holds.items() if there):
            note = facts["error"] if FAULTS[name].severity == "broken" else ""
            row = (item.name, name, FAULTS[name].severity, figures.get(name), usual.get(name))
            rows.append((*row, None, None, None, "", 0, note))
    return rows


def _of_formats(table: pd.DataFrame) -> list[Row]:
    """What is a fault where nearly all others are alike in it."""
    rows: list[Row] = []
    size = table["width"].map(_whole) + " x " + table["height"].map(_whole)
    said = {"odd size": size.where(table["width"].notna(), None)}
    for name in (
        "several frames",
        "odd format",
        "odd colours",
        "odd bits",
        "colour profile",
        "turned by EXIF",
        "odd size",
    ):
        values = said.get(name, table[FAULTS[name].measure])
        shares = values.value_counts(normalize=True)
        if len(shares) < 2 or shares.iloc[0] < USUAL or values.notna().sum() * RARE < 1:
            continue
        odd = [value for value, share in shares.items() if share <= RARE and value != shares.index[0]]
        support = int(values.notna().sum())
        for image, value in zip(table["name"], values, strict=True):
            if value in odd and not (name == "turned by EXIF" and value == 1):
                facts = (_said(value), _said(shares.index[0]), None, None, None, WHOLE_SET, support, "")
                rows.append((image, name, FAULTS[name].severity, *facts))
    return rows


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _said(value: object) -> object:
    if isinstance(value, bool):
        return "several" if value else "one"
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _of_measure(
    name: str,
    fault: FaultKind,
    table: pd.DataFrame,
    values: NDArray[np.float64],
    kinds: Kinds,
    split: dict[tuple[str, str], tuple[str, ...]],
) -> list[Row]:
    rows: list[Row] = []
    names, measured = table["name"].to_numpy(), table[fault.measure].to_numpy(np.float64)
    for code, kind in enumerate(kinds.names):
        at = np.flatnonzero((kinds.codes == code) & np.isfinite(values))
        if len(at) < LEAST_OF_KIND:
            continue
        own = values[at]
        middle = float(np.median(own))
        step = max(float(np.median(np.abs(own - middle))), fault.least) / TO_Z
        z = (own - middle) / step
        far = np.abs(z) > FAR if name in ("odd size", "odd shape") else fault.sign * z > FAR
        if far.sum() > MOST_OF_KIND * len(at):
            split[name, kind] = tuple(names[at[far]])
            continue
        sound = measured[at[np.abs(z) <= FAR]]
        usual = float(np.median(measured[at]))
        for place, score in zip(at[far], z[far], strict=True):
            note = "" if not kinds.coarser[place] else f"its own kind has fewer than {LEAST_OF_KIND} images"
            facts = (float(measured[place]), usual, float(sound.min()), float(sound.max()), float(score))
            rows.append((names[place], name, fault.severity, *facts, kind, len(at), note))
    return sorted(rows, key=lambda row: -abs(float(str(row[7]))))


def _of_groups(
    name: str, fault: FaultKind, table: pd.DataFrame, values: NDArray[np.float64], items: Sequence[ImageItem]
) -> list[Row]:
    """Images of groups that are at fault as a whole."""
    if fault.measure in ("pixels", "aspect"):
        return []
    names, measured = table["name"].to_numpy(), table[fault.measure].to_numpy(np.float64)
    usual = float(np.nanmedian(measured)) if np.isfinite(measured).any() else 0.0
    rows: list[Row] = []
    for group, at, z in medians_apart(values, items, fault.sign, fault.least, FAR, TO_Z):
        note = f"the whole group {group} lies apart from the other groups"
        for place in at:
            facts = (float(measured[place]), usual, None, None, z, f"{GROUP}s among each other", len(items))
            rows.append((names[place], name, fault.severity, *facts, note))
    return rows


def fault_proposals(result: Faults, kinds: Collection[str] = ("empty file", "cannot be decoded")) -> list[Proposal]:
    """Proposals to leave out the images with these faults, each with the reason."""
    rows = result.frame[result.frame["fault"].isin(kinds)].drop_duplicates("image")
    return [
        Proposal(str(image), "leave out", None, None, f"{fault}: it {FAULTS[fault].meaning}")
        for image, fault in zip(rows["image"], rows["fault"], strict=True)
    ]


def _twins(table: pd.DataFrame, families: Mapping[str, str]) -> list[Row]:
    """Images that are less sharp than the sharpest of their family, which shows the same."""
    rows: list[Row] = []
    least = FAULTS[TWIN].least
    own = table.assign(family=table["name"].map(families))
    own = own[own["family"].notna() & own["sharpness"].notna() & (own["blank"] != True)]  # noqa: E712
    for _, members in own.groupby("family"):
        best = float(members["sharpness"].max())
        for image, value in zip(members["name"], members["sharpness"], strict=True):
            if best - value > least:
                twin = members["name"].iloc[int(members["sharpness"].argmax())]
                facts = (
                    float(value),
                    best,
                    best - least,
                    best,
                    None,
                    f"images of one part, as {twin}",
                    len(members),
                    "",
                )
                rows.append((image, TWIN, FAULTS[TWIN].severity, *facts))
    return rows


def _first_only(rows: Sequence[Row]) -> list[Row]:
    """Without what follows from a worse fault: a blank image is not said to be dark and without contrast too."""
    blank = {row[0] for row in rows if row[1] == "blank"}
    implied = {"dark", "bright", "low contrast", "blurred", "clipped to black", "clipped to white", "uniform border"}
    seen: set[tuple[object, object]] = set()
    result = []
    for row in rows:
        if (row[0] in blank and row[1] in implied) or (row[0], row[1]) in seen:
            continue
        seen.add((row[0], row[1]))
        result.append(row)
    return result


def fault_results(result: Faults) -> tuple[CheckResult, ...]:
    """A finding for each of `FAULTS`: "ok" only where it was looked for in enough images and not found."""
    return tuple(_result_of(name, fault, result) for name, fault in FAULTS.items())


def _result_of(name: str, fault: FaultKind, result: Faults) -> CheckResult:
    check, rows = f"faults: {name}", result.frame[result.frame["fault"] == name]
    images, count = tuple(rows["image"]), len(rows)
    held = result.count if fault.severity == "broken" else result.readable
    apart = [(kind, names) for (part, kind), names in result.split.items() if part == name]
    threshold = FAR if fault.sign and name != TWIN else None
    if count:
        verdict: Outcome = "fail" if fault.severity == "broken" else "warn"
        sentence = f"{name}: {count:,} of {result.count:,} images; each {fault.meaning}. {fault.advice}"
        return CheckResult(check, verdict, sentence, count / result.count, None, None, threshold, result.count, images)
    why = _why_unknown(name, fault, result)
    if apart:
        kind, names = apart[0]
        why = (
            f"{len(names):,} images of the kind {kind} lie apart from the rest of it: it holds two kinds, as of two"
            " cameras; state which is which in an attribute"
        )
        return CheckResult(check, "unknown", f"{name}: cannot be told: {why}.", images=names, support=len(names))
    if why:
        return CheckResult(check, "unknown", f"{name}: cannot be told: {why}.", support=held)
    return CheckResult(check, "ok", f"{name}: none of {held:,} images.", 0.0, None, None, threshold, held)


def _why_unknown(name: str, fault: FaultKind, result: Faults) -> str:
    if name == TWIN:
        return "" if result.twins else "no two images of one part are known"
    if fault.sign and result.readable < LEAST_OF_KIND:
        return f"fewer than {LEAST_OF_KIND} images can be read, too few to say what is usual"
    if fault.severity == "odd" and name != "blank" and result.readable * RARE < 1:
        return f"there are {result.readable} images, too few to say what is usual"
    return ""
