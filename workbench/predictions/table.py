"""What a model says about a set of images, as a table that needs no torch to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InputError
from workbench.files import UNNAMED_AT_DEFAULT, facts_of, metadata_of, open_parquet
from workbench.images import ImageItem
from workbench.predictions.labels import labels_of, together
from workbench.texts import PANEL_ROWS, panel, panel_rows, sentence_list, shown

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = ("probabilities", "logits", "embedding")
"""Columns that hold a list of numbers a row; the last one only in the file of an audit, where it is read by itself."""
COLUMNS = frozenset(
    (
        "name",
        "id",
        "label",
        "split",
        "predicted",
        "confidence",
        "unsure",
        "verdict",
        "error",
        "margin",
        "entropy",
        *NUMBERS,
    )
)
ATTRIBUTE = " (attribute)"
"""What follows the name of an attribute's column where the table has a column of that name of its own."""
PANEL_SPLITS = 6
"""Splits that a panel counts."""
UNSURE = 0.1
"""How near, in probability, a score may come to the decision's boundary before the verdict is called unsure."""


@dataclasses.dataclass(frozen=True)
class DecisionRule:
    """How probabilities become a class.

    Attributes:
        class_names: The K classes.
        positive: The class that a threshold applies to, or None: then the most probable class wins.
        threshold: From this probability on, `positive` wins whatever the others say.
        thresholds: Where several classes can be true of one image: the probability from which each is.
        temperature: What logits were divided by before they became probabilities; thresholds are of these.
    """

    class_names: tuple[str, ...]
    positive: str | None = None
    threshold: float | None = None
    thresholds: tuple[float, ...] | None = None
    temperature: float = dataclasses.field(default=1.0, metadata=UNNAMED_AT_DEFAULT)

    def about(self, column: int) -> DecisionRule:
        """The rule for one of several labels alone, as a question of two classes: `no NAME` and `NAME`."""
        name = self.class_names[column]
        threshold = None if self.thresholds is None else self.thresholds[column]
        return DecisionRule((f"no {name}", name), name, threshold, temperature=self.temperature)

    def decide(self, probabilities: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Decide for probabilities of shape (N, K).

        Returns:
            The index of the class (N,), and whether the score came within `UNSURE` of another decision (N,).

        Raises:
            InputError: Several classes can be true of one image.
        """
        if self.thresholds is not None:
            raise InputError(
                "Several labels can be true of one image, so that there is no one decision: ask about one label"
                f" ({', '.join(self.class_names[:6])}), with label=... or --label."
            )
        ranked = np.sort(probabilities, axis=1)
        if self.positive is None or self.threshold is None:
            second = ranked[:, -2] if probabilities.shape[1] > 1 else np.zeros(len(ranked))
            return probabilities.argmax(1), ranked[:, -1] - second < 2 * UNSURE
        column = self.class_names.index(self.positive)
        score = probabilities[:, column]
        others = probabilities.copy()
        others[:, column] = -1
        return np.where(reaches(score, self.threshold), column, others.argmax(1)), near(score, self.threshold)


def as_scores(values: ArrayLike) -> NDArray[np.float64]:
    """Numbers of any shape, rounded to the precision of scores, that of the models' answers: float32, in float64."""
    return np.asarray(values, np.float32).astype(np.float64)


def reaches(scores: ArrayLike, threshold: ArrayLike) -> NDArray[np.bool_]:
    """Whether scores of any shape are at or above a threshold: the one place where the two are compared.

    Both are rounded to the precision of scores first, so that 0.7 reaches a threshold of 0.7 whatever it was stored as.
    """
    return np.asarray(as_scores(scores) >= as_scores(threshold))


def near(scores: ArrayLike, threshold: ArrayLike) -> NDArray[np.bool_]:
    """Whether scores of any shape come within `UNSURE` of a threshold."""
    return np.asarray(np.abs(as_scores(scores) - as_scores(threshold)) < UNSURE)


def between(low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """The middle of neighbouring scores, low < high of one shape: a threshold that only `high` reaches."""
    low, high = as_scores(low), as_scores(high)
    middle = as_scores((low + high) / 2)
    return np.where(middle > low, middle, high)  # between two neighbouring numbers the middle is rounded to either


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions for N images over K classes.

    Attributes:
        frame: One row an image: name, id, label, split, its attributes (in the columns that `column_of` says),
            predicted, confidence (the probability of the predicted class), unsure, verdict ("right", "wrong", or None
            where there is no usable label), and error (why an image could not be read, else None). That of an audit
            also has margin (how far the highest logit is above the second) and entropy (of the probabilities, in nats).
        probabilities: (N, K); NaN where an image could not be read.
        logits: (N, K), likewise.
        rule: How `predicted` follows from `probabilities`.
        model: Digest of the model.

    Example:
        >>> pred.frame[["label", "predicted", "verdict"]].iloc[0].tolist()
        ['defective', 'defective', 'right']
        >>> pred.probabilities.shape
        (12, 2)
    """

    frame: pd.DataFrame
    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]
    rule: DecisionRule
    model: str

    def __post_init__(self) -> None:
        shape = (len(self.frame), len(self.rule.class_names))
        if self.probabilities.shape != shape or self.logits.shape != shape:
            raise ValueError(f"expected probabilities and logits of shape {shape}")

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K classes."""
        return self.rule.class_names

    @cached_property
    def by_name(self) -> dict[str, int]:
        """Rows by the names of their images."""
        return {name: row for row, name in enumerate(self.frame["name"])}

    def __len__(self) -> int:
        return len(self.frame)

    def _repr_html_(self) -> str:
        """The first images for a notebook, and how many were decided how; rates need intervals: see `breakdown`."""
        frame, rule = self.frame, self.rule
        splits = frame["split"].fillna("no split")
        facts = {f"Decided, {name}": _counted(part) for name, part in list(frame.groupby(splits))[:PANEL_SPLITS]}
        facts |= {
            "Classes": sentence_list(rule.class_names),
            "Rule": _rule_words(rule),
            "Model": self.model[:12],
        }
        names = ["name", "label", "split", "predicted", "confidence", "verdict", "error"]
        head = frame[names].iloc[:PANEL_ROWS].astype(object)
        lines = head.where(head.notna(), "").itertuples(index=False, name=None)
        cells = ([f"{cell:.3f}" if isinstance(cell, float) else cell for cell in line] for line in lines)
        return panel(f"Predictions of {len(frame):,} images", facts, panel_rows(names, cells, len(frame), "images"))

    def save(self, path: Path) -> None:
        """Write one Parquet file; what the numbers belong to goes into its metadata."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        for name, values in (("probabilities", self.probabilities), ("logits", self.logits)):
            table = table.append_column(
                name, pa.FixedSizeListArray.from_arrays(values.astype(np.float32).ravel(), values.shape[1])
            )
        facts = metadata_of({"rule": dataclasses.asdict(self.rule), "model": self.model})
        table = table.replace_schema_metadata({**table.schema.metadata, **facts})
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what `save` or an audit wrote.

        Raises:
            InputError: The file is missing or is something else.
        """
        import pyarrow as pa

        try:
            file = open_parquet(path)
            table = file.read([name for name in file.schema_arrow.names if name != "embedding"])
            facts: dict[str, Any] = facts_of(table.schema.metadata)
            rule = _rule(facts["rule"])
            arrays = [
                table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32)
                for name in ("probabilities", "logits")
            ]
            probabilities, logits = (values.reshape(len(table), len(rule.class_names)) for values in arrays)
            frame = _plain(table.drop_columns(["probabilities", "logits"]).to_pandas())
        except (
            OSError,
            pa.ArrowException,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
            MemoryError,
        ) as error:
            why = "is not there" if isinstance(error, FileNotFoundError) else "holds no predictions of the workbench"
            raise InputError(f"{path} {why}: run the audit again.") from None
        return cls(frame, probabilities, logits, rule, facts["model"])


def _counted(frame: pd.DataFrame) -> str:
    """How many images of a part of a table were decided how."""
    verdicts, unreadable = frame["verdict"].value_counts(), int(frame["error"].notna().sum())
    counts = {word: int(verdicts.get(word, 0)) for word in ("right", "wrong")}
    counts |= {"without a label to judge by": len(frame) - sum(counts.values()) - unreadable}
    counts |= {"unreadable": unreadable, "unsure": int(frame["unsure"].sum())}
    return ", ".join(f"{count:,} {word}" for word, count in counts.items())


def _rule_words(rule: DecisionRule) -> str:
    """How a class follows from probabilities, in words."""
    if rule.thresholds is not None:
        words = "each label from a threshold of its own"
    elif rule.positive is None or rule.threshold is None:
        words = "the most probable class"
    else:
        words = f"{rule.positive} from {rule.threshold:.4g}, else the most probable other class"
    return f"{words}; temperature {rule.temperature:.3g}" if rule.temperature != 1 else words


def _rule(facts: Mapping[str, Any]) -> DecisionRule:
    """A rule as `dataclasses.asdict` wrote it, also before rules had thresholds a label and a temperature."""
    thresholds = facts.get("thresholds")
    return DecisionRule(
        tuple(facts["class_names"]),
        facts["positive"],
        facts["threshold"],
        None if thresholds is None else tuple(thresholds),
        float(facts.get("temperature", 1.0)),
    )


def column_of(attribute: str) -> str:
    """The column that holds an attribute: its name, and never that of another column or attribute.

    For example "camera" stands in the column "camera", and "label" in "label (attribute)".
    """
    return attribute + ATTRIBUTE if attribute in COLUMNS or attribute.endswith(ATTRIBUTE) else attribute


def attributes_of(items: Sequence[ImageItem]) -> pd.DataFrame:
    """The attributes of N images by column, in order of first appearance, each of one kind; None where missing."""
    import pandas as pd

    names = dict.fromkeys(name for item in items for name in item.attributes)
    columns = {column_of(name): [item.attributes.get(name) for item in items] for name in names}
    return _plain(pd.DataFrame(columns, index=range(len(items))))


def tabulate(
    items: Sequence[ImageItem],
    logits: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    errors: Mapping[int, str],
    rule: DecisionRule,
    model: str,
    ids: Sequence[str | None] | None = None,
) -> Predictions:
    """Put outputs of shape (N, K) and what is known of the N images into one table.

    Images whose digests are not given as `ids` are read again for them.
    """
    import pandas as pd

    mute = [i for i in np.flatnonzero(~np.isfinite(probabilities).all(axis=1)).tolist() if i not in errors]
    errors = {
        **errors,
        **{i: f"The model's answer for {items[i].name} is not a number: look for damaged weights." for i in mute},
    }
    predicted, confidence, unsure = _decided(np.nan_to_num(probabilities), rule)
    readable = np.array([i not in errors for i in range(len(items))], dtype=bool)
    labels = [item.label for item in items]
    frame = pd.DataFrame(
        {
            "name": [item.name for item in items],
            "id": [None if i in errors else item.id if ids is None else ids[i] for i, item in enumerate(items)],
            "label": labels,
            "split": [item.split for item in items],
            **attributes_of(items),
            "predicted": [name if ok else None for name, ok in zip(predicted, readable, strict=True)],
            "confidence": np.where(readable, confidence, np.nan),
            "unsure": readable & unsure,
            "verdict": [
                _verdict(label, name, rule) if ok else None
                for label, name, ok in zip(labels, predicted, readable, strict=True)
            ],
            "error": [errors.get(i) for i in range(len(items))],
        }
    )
    return Predictions(_plain(frame), probabilities, logits, rule, model)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with text as Python strings, None where missing, one kind a column, whatever pandas made of it."""
    for name in frame:
        if frame[name].dtype.kind in "biufmMc":
            continue
        values = frame[name].astype(object)
        kinds = {type(value) for value in values.dropna()}
        if len(kinds) > 1 and not kinds <= {int, float}:  # Parquet holds one kind a column
            values = values.map(shown, na_action="ignore").astype(object)
        frame[name] = values.where(values.notna(), None)
    return frame


def concatenate(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of one model for one image after another, put together; at least one part."""
    import pandas as pd

    first = parts[0]
    return dataclasses.replace(
        first,
        frame=_plain(pd.concat([part.frame for part in parts], ignore_index=True)),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        logits=np.concatenate([part.logits for part in parts]),
    )


def _decided(
    probabilities: NDArray[np.floating], rule: DecisionRule
) -> tuple[list[str], NDArray[np.floating], NDArray[np.bool_]]:
    """What a rule says of probabilities (N, K): the class or the labels, how sure that is, and whether it is near.

    Of several labels the confidence is that of the least sure one.
    """
    if rule.thresholds is None:
        decisions, unsure = rule.decide(probabilities)
        names = [rule.class_names[column] for column in decisions.tolist()]
        return names, probabilities[np.arange(len(names)), decisions], unsure
    holds = reaches(probabilities, rule.thresholds)
    sure = np.where(holds, probabilities, 1 - probabilities).min(axis=1, initial=1)
    names = [together(compress(rule.class_names, row)) for row in holds]
    return names, np.asarray(sure), np.asarray(near(probabilities, rule.thresholds).any(axis=1))


def _verdict(label: str | None, predicted: str, rule: DecisionRule) -> str | None:
    if rule.thresholds is not None:
        truth = labels_of(label, rule.class_names)
        if truth is None or set(truth) - set(rule.class_names):
            return None
        return "right" if together(sorted(truth, key=rule.class_names.index)) == predicted else "wrong"
    if label is None or label not in rule.class_names:
        return None
    return "right" if label == predicted else "wrong"
