"""What a model said, by the digest of the picture, and the table of predictions that is made of it for one image set."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workbench.audit.parts import Parts, lists, matrix, stands, write_rows
from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.predictions import DecisionRule, attributes_of, tabulate

PREDICTIONS, PARTS = "predictions.parquet", "parts"
NUMBERS = ("logits", "probabilities", "embedding")
ROWS = 2048
"""Rows that are in memory at once while the table is written."""


class Index:
    """Where in the files of an audit the outputs for each picture stand.

    Attributes:
        rows: Number of a row, counted through all files, by the digest of its picture.
        widths: Length of each of `NUMBERS` that the files hold.
    """

    def __init__(self, folder: Path) -> None:
        """Look through the table and the parts in `folder`; what is no whole file counts as not there."""
        self.rows: dict[str, int] = {}
        self.widths: dict[str, int] = {}
        self._groups: list[tuple[Path, int]] = []
        self._starts: list[int] = []
        total = 0
        for path in (folder / PREDICTIONS, *Parts(folder / PARTS).paths()):
            try:
                file = pq.ParquetFile(path)
                self.widths |= {name: file.schema_arrow.field(name).type.list_size for name in NUMBERS if name in file.schema_arrow.names}
                ids = [file.read_row_group(group, ["id"]).column("id").to_pylist() for group in range(file.num_row_groups)]
            except (OSError, pa.ArrowException, KeyError, AttributeError):
                continue
            for group, column in enumerate(ids):
                self._groups.append((path, group))
                self._starts.append(total)
                for i, digest in enumerate(column, total):
                    if digest is not None:
                        self.rows.setdefault(digest, i)
                total += len(column)

    def take(self, ids: Sequence[str | None]) -> dict[str, NDArray[np.float32]]:
        """For each of `NUMBERS` that there is float32 of shape (N, width), a row an id; NaN where the picture is not known.

        Raises:
            InputError: A file is damaged.
        """
        rows = np.array([self.rows.get(digest, -1) if digest else -1 for digest in ids], dtype=np.int64)
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        found = {name: np.full((len(ids), width), np.nan, np.float32) for name, width in self.widths.items()}
        for group in np.unique(groups[rows >= 0]).tolist():
            at = np.flatnonzero((groups == group) & (rows >= 0))
            path, number = self._groups[group]
            try:
                table = pq.ParquetFile(path).read_row_group(number, list(self.widths))
            except (OSError, pa.ArrowException):
                raise InputError(f"{path} is damaged: remove it and run the audit again, which computes what it held.") from None
            for name in self.widths:
                found[name][at] = matrix(table.column(name))[rows[at] - self._starts[group]]
        return found


def write_predictions(
    folder: Path,
    images: ImageSet,
    ids: Sequence[str | None],
    errors: Mapping[int, str],
    rule: DecisionRule,
    facts: Mapping[str, object],
) -> None:
    """Join the outputs in `folder` with what is known of each picture of a set, and write them as one table in the set's order.

    It is not written again where it stands already. The parts are removed then, for the table holds their rows.

    Args:
        folder: Of the audit.
        images: The set of N pictures.
        ids: Digest of each picture, N; None where it cannot be read.
        errors: Why a picture cannot be read, by position.
        rule: How probabilities become a class.
        facts: What the table belongs to, with the digest of the model as "model".
    """
    path, parts, index = folder / PREDICTIONS, Parts(folder / PARTS), Index(folder)
    pictures = hashlib.sha256(json.dumps([ids, sorted(errors.items())]).encode()).hexdigest()
    facts = {**facts, "pictures": pictures, "rule": dataclasses.asdict(rule)}
    if parts.paths() or not stands(path, facts):
        write_rows(path, _tables(index, images, ids, errors, rule, str(facts["model"])), facts)
    parts.clear()


def _tables(
    index: Index, images: ImageSet, ids: Sequence[str | None], errors: Mapping[int, str], rule: DecisionRule, model: str
) -> Iterator[pa.Table]:
    """The table of predictions, some rows at a time."""
    attributes = attributes_of(images.items)
    given = {str(name): pa.array(attributes[name], from_pandas=True).type for name in attributes}
    kinds = dict.fromkeys(("name", "id", "label", "split"), pa.string()) | given | _FOUND
    widths = {"logits": len(rule.class_names), "probabilities": len(rule.class_names)} | index.widths
    for start in range(0, len(images), ROWS):
        rows = slice(start, start + ROWS)
        items = images.items[rows]
        missing = {name: np.full((len(items), width), np.nan, np.float32) for name, width in widths.items()}
        numbers = missing | index.take(ids[rows])
        here = {i - start: error for i, error in errors.items() if start <= i < start + ROWS}
        frame = tabulate(items, numbers["logits"], numbers["probabilities"], here, rule, model, ids[rows]).frame
        for name in given:
            frame[name] = attributes[name].to_numpy()[rows]
        frame["margin"], frame["entropy"] = _lead(numbers["logits"]), _entropy(numbers["probabilities"])
        columns = {name: pa.array(frame[name], kind, from_pandas=True) for name, kind in kinds.items()}
        columns |= {name: lists(numbers[name]) for name in ("probabilities", "logits")}
        if "embedding" in numbers:
            columns["embedding"] = lists(numbers["embedding"], np.asarray(~np.isfinite(numbers["embedding"]).all(axis=1)))
        yield pa.table(columns)


_FOUND = {
    "predicted": pa.string(),
    "confidence": pa.float32(),
    "unsure": pa.bool_(),
    "verdict": pa.string(),
    "error": pa.string(),
    "margin": pa.float32(),
    "entropy": pa.float32(),
}


def _lead(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far the highest of the logits (N, K) is above the second highest, (N,); NaN where there are none."""
    ranked = np.sort(logits, axis=1)
    return ranked[:, -1] - ranked[:, -2]


def _entropy(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Entropy of the probabilities (N, K) in nats, (N,): Shannon 1948; NaN where there are none."""
    p = probabilities.astype(np.float64)
    return -(p * np.log(np.where(p == 0, 1, p))).sum(axis=1).astype(np.float32) + np.float32(0)
