"""What is recorded of a training in the folder of its model: which images it saw, and how its loss went epoch by epoch.

`workbench train` writes `training.json`; of trainings elsewhere the usual histories are read.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.files import CheckResult, read_file, read_table

if TYPE_CHECKING:
    import pandas as pd

RECORD = "training.json"
HISTORIES = ("history.csv", "history.json", "trainer_state.json", "results.csv", "metrics.csv", "training_log.csv")
"""Files of others that are read where there is no `RECORD`: of Keras, Hugging Face, Ultralytics, Lightning and own."""
LARGEST_RECORD, MOST_EPOCHS = 8 * 2**20, 20_000
DIGITS = 16
"""Of an image's digest, which are kept."""
HISTORY_NAMES: Mapping[str, tuple[str, ...]] = {
    "training loss": ("loss", "train_loss", "training_loss", "train/loss", "train loss", "training loss"),
    "validation loss": ("val_loss", "valid_loss", "validation_loss", "eval_loss", "val/loss", "validation loss"),
    "training accuracy": ("accuracy", "acc", "train_acc", "train_accuracy", "categorical_accuracy"),
    "validation accuracy": ("val_accuracy", "val_acc", "eval_accuracy", "valid_accuracy", "metrics/accuracy_top1"),
}
"""What a history may tell, and the names that it goes by elsewhere."""
ENOUGH_EPOCHS = 3
LATE, FALLING = 0.9, 0.02
"""A best epoch after this share of all, whose loss is by this share below that of where these begin, says that it was
still falling."""


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingRecord:
    """What is known of a training.

    Attributes:
        trained_on: Digests, shortened to `DIGITS`, of the images that the model learned from; None where nobody noted
            it.
        chosen_on: Digests, likewise, of those that its epoch or threshold was chosen on.
        elsewhere: What it learned from, where that is in no set that can be opened.
        history: A row an epoch: epoch, and those of `HISTORY_NAMES` that are known; empty where none is.
        kept: The epoch whose weights are kept; None where it is not known.
        source: The file that says so.
        started_from: The digest of the model that it went on from; empty where it did not.
    """

    trained_on: frozenset[str] | None
    chosen_on: frozenset[str]
    elsewhere: str
    history: pd.DataFrame
    kept: int | None
    source: str
    started_from: str = ""

    @property
    def key(self) -> str:
        """What results depend on: which images it saw."""
        if self.trained_on is None:
            return "not recorded"
        return f"{' '.join(sorted(self.trained_on))}; {' '.join(sorted(self.chosen_on))}"


def record_text(
    trained_on: Iterable[str],
    chosen_on: Iterable[str] = (),
    losses: Sequence[tuple[float, float]] = (),
    kept: int | None = None,
    *,
    elsewhere: str = "",
    started_from: str = "",
) -> str:
    """The contents of `RECORD`.

    Args:
        trained_on: The digests of the images that the model learned from.
        chosen_on: Those of the images that its epoch or threshold was chosen on.
        losses: For each epoch the mean training loss and the validation loss.
        kept: The epoch whose weights are kept, from 1.
        elsewhere: What it learned from, where that is in no set that can be opened.
        started_from: The digest of the model that it went on from.
    """
    epochs = [[epoch, *map(_number_or_none, pair)] for epoch, pair in enumerate(losses, 1)]
    facts = {
        "trained_on": sorted({digest[:DIGITS] for digest in trained_on}),
        "chosen_on": sorted({digest[:DIGITS] for digest in chosen_on}),
        "elsewhere": elsewhere,
        "started_from": started_from,
        "kept": kept,
        "epochs": {"columns": ["epoch", "training loss", "validation loss"], "rows": epochs},
    }
    return json.dumps(facts, indent=None, allow_nan=False) + "\n"


def read_record(folder: Path | None) -> TrainingRecord | None:
    """What the folder of a model says of its training; None where it says nothing.

    Raises:
        InputError: A file that should say it is damaged or too large.
    """
    if folder is None:
        return None
    for name in (RECORD, *HISTORIES):
        if (folder / name).is_file():
            return _read(folder / name)
    return None


def _read(path: Path) -> TrainingRecord:
    try:
        data = read_file(path, LARGEST_RECORD)
        if path.name == RECORD:
            return _own(json.loads(data))
        if path.suffix == ".json":
            rows = _json_rows(json.loads(data))
        else:
            table = read_table(data, path.name)
            rows = [dict(row) for _, row in table.rows]
        return TrainingRecord(None, frozenset(), "", _history(rows), None, path.name)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = "it is too large or cannot be opened" if isinstance(error, OSError) else "it holds something else"
        raise InputError(
            f"{path.name} beside the model cannot be read as a record of its training, for {reason}: correct or remove"
            " it."
        ) from None


def _own(facts: Mapping[str, Any]) -> TrainingRecord:
    columns, rows = facts["epochs"]["columns"], facts["epochs"]["rows"]
    trained, chosen = (
        frozenset(str(digest)[:DIGITS] for digest in facts[name]) for name in ("trained_on", "chosen_on")
    )
    return TrainingRecord(
        trained,
        chosen,
        str(facts["elsewhere"]),
        _history([dict(zip(columns, row, strict=True)) for row in rows]),
        None if facts["kept"] is None else int(facts["kept"]),
        RECORD,
        str(facts["started_from"]),
    )


def _json_rows(value: Any) -> list[Mapping[str, Any]]:
    """Rows of a list of epochs, of columns as Keras' `History.history`, or of a Hugging Face `log_history`."""
    if isinstance(value, dict) and isinstance(value.get("log_history"), list):
        value = value["log_history"]
    if isinstance(value, list):
        return [dict(row) for row in value]
    columns = {name: column for name, column in value.items() if isinstance(column, list)}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _history(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row an epoch. Rows of one epoch, as loggers write them for training and validation apart, are joined; of an
    epoch that was run again the later row counts."""
    import pandas as pd

    if len(rows) > MOST_EPOCHS:
        raise ValueError(f"{len(rows)} epochs")
    epochs: dict[float, dict[str, float]] = {}
    for number, row in enumerate(rows, 1):
        plain = {str(name).strip().lower(): value for name, value in row.items()}
        at = _number(plain.get("epoch", number))
        own = epochs.setdefault(number if math.isnan(at) else at, {})
        for figure, names in HISTORY_NAMES.items():
            value = next((v for name in names if not math.isnan(v := _number(plain.get(name)))), math.nan)
            if not math.isnan(value):
                own[figure] = value
    known = [name for name in HISTORY_NAMES if any(name in own for own in epochs.values())]
    table = [{"epoch": epoch, **{name: own.get(name, math.nan) for name in known}} for epoch, own in epochs.items()]
    frame = pd.DataFrame(table if known else [], columns=["epoch", *known], dtype=float)
    return frame.sort_values("epoch", ignore_index=True)


def _number(value: object) -> float:
    """A finite number, or NaN."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _number_or_none(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def history_result(record: TrainingRecord | None) -> CheckResult:
    """The check "fit history": whether the validation loss was still falling when the training ended, or rose after its
    best epoch with later weights kept."""
    name = "fit history"
    if record is None or record.history.empty:
        what = (
            "No history of the training lies"
            if record is None
            else f"{record.source} holds no epochs, and no history lies"
        )
        where = (
            f"{what} beside the model: {RECORD} with epochs, or one of {', '.join(HISTORIES)} without it, would tell."
        )
        return CheckResult(name, "unknown", where)
    frame = record.history
    if "validation loss" not in frame or frame["validation loss"].notna().sum() < ENOUGH_EPOCHS:
        why = (
            f"{record.source} holds fewer than {ENOUGH_EPOCHS} epochs with a validation loss, too few to say anything."
        )
        return CheckResult(name, "unknown", why, support=len(frame))
    told = frame[frame["validation loss"].notna()]
    best = told.iloc[int(told["validation loss"].to_numpy().argmin())]
    last, count = told.iloc[-1], len(told)
    place = int((told["epoch"] <= best["epoch"]).sum())
    figures = (
        f"{record.source}: of {count:,} epochs the validation loss is lowest ({best['validation loss']:.3g}) in epoch"
        f" {best['epoch']:g}, and {last['validation loss']:.3g} in the last. One training, one validation split: there"
        " is no interval."
    )
    values = (float(best["epoch"]), None, None, float(last["epoch"]), count)
    before = told.iloc[max(math.ceil(LATE * count) - 2, 0)]["validation loss"]
    if place > LATE * count and best["validation loss"] < (1 - FALLING) * before:
        more = " It was still falling when the training ended: more epochs may fit better."
        return CheckResult(name, "warn", figures + more, *values)
    if record.kept is None:
        more = " Which epoch's weights are kept is not recorded: if the last's, they are past the best."
        return CheckResult(name, "unknown", figures + more, *values)
    if record.kept != int(best["epoch"]):
        return CheckResult(name, "warn", f"{figures} The weights of epoch {record.kept} are kept.", *values)
    return CheckResult(name, "ok", f"{figures} The weights of the best epoch are kept.", *values)
