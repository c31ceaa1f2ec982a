"""What a model said, by the digest of the image, and the table of predictions that is made of it for one image set."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.audit.parts import Parts, lists, matrix, stands, write_rows
from workbench.catalog import versions
from workbench.files import DamagedError, facts_of, key, open_parquet, read_facts
from workbench.images import ImageSet
from workbench.predictions import NUMBERS, DecisionRule, Predictions, attributes_of, tabulate
from workbench.version import __version__

if TYPE_CHECKING:
    from workbench.models import Classifier

ANSWERS = frozenset(("logits", "probabilities"))
"""What every file of outputs holds of each image."""
PREDICTIONS, PARTS = "predictions.parquet", "parts"
PACKAGES = ("torch", "torchvision", "timm", "captum", "numpy", "pillow", "pyarrow")
ROWS = 2048
"""Rows that are in memory at once while the table is written."""


def provenance(classifier: Classifier, images: ImageSet) -> dict[str, object]:
    """What results belong to, for the metadata of a file."""
    return {
        "workbench": __version__,
        "outputs": key("outputs", model=classifier.key),
        "model": classifier.key,
        "model name": classifier.name,
        "notes": classifier.notes,
        "set": images.key,
        "set name": images.name,
        "synthetic": images.synthetic,
        "versions": versions(PACKAGES),
    }


def files_of(paths: Iterable[Path], model: str) -> list[Path]:
    """Those `paths` of tables and parts that hold outputs of this model as they are computed now, or are damaged."""
    wanted = key("outputs", model=model)
    facts = {path: read_facts(path) for path in paths if path.is_file()}
    return [
        path
        for path, fields in facts.items()
        if not fields or (fields.get("model"), fields.get("outputs", wanted)) == (model, wanted)
    ]


def files(folder: Path) -> list[Path]:
    """The files of an audit that may hold outputs: its table and its parts."""
    return [folder / PREDICTIONS, *Parts(folder / PARTS).paths()]


def own_files(folder: Path, model: str) -> list[Path]:
    """Those of an audit's files that hold outputs of this model."""
    return files_of(files(folder), model)


def names_of(paths: Iterable[Path]) -> set[str]:
    """The names of the images that tables tell of; parts hold none."""
    names: set[str] = set()
    for path in paths:
        with contextlib.suppress(OSError, pa.ArrowException, KeyError, ValueError):
            names.update(open_parquet(path).read(["name"]).column("name").to_pylist())
    return names


class Index:
    """Where in the files of an audit the outputs for each image stand.

    Attributes:
        rows: Number of a row, counted through all files, by the digest of its image.
        widths: Length of each of `NUMBERS` that the files hold.
        damaged: Files that are there and are no whole tables.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        """Look through tables and parts; what is no whole file counts as not there."""
        self.rows: dict[str, int] = {}
        self.widths: dict[str, int] = {}
        self.damaged: list[Path] = []
        self._groups: list[tuple[Path, int]] = []
        self._starts: list[int] = []
        total = 0
        for path in files:
            try:
                file = open_parquet(path)
                if not facts_of(file.schema_arrow.metadata):
                    raise KeyError(path)
                columns = [name for name in NUMBERS if name in file.schema_arrow.names]
                if not set(columns) >= ANSWERS:  # a damaged name would leave a column of nothing
                    raise KeyError(path)
                self.widths |= {name: file.schema_arrow.field(name).type.list_size for name in columns}
                groups = range(file.num_row_groups)
                ids = [file.read_row_group(group, ["id"]).column("id").to_pylist() for group in groups]
            except FileNotFoundError:
                continue
            except (OSError, pa.ArrowException, KeyError, AttributeError, ValueError):
                self.damaged.append(path)
                continue
            for group, column in enumerate(ids):
                self._groups.append((path, group))
                self._starts.append(total)
                for i, digest in enumerate(column, total):
                    if digest is not None:
                        self.rows.setdefault(digest, i)
                total += len(column)

    def take(self, ids: Sequence[str | None], names: Collection[str] = NUMBERS) -> dict[str, NDArray[np.float32]]:
        """For each of `names` that there is float32 of shape (N, width), a row for each of `ids`, N digests; NaN where
        the image is not known.

        Raises:
            DamagedError: A file is damaged.
        """
        rows = np.array([self.rows.get(digest, -1) if digest else -1 for digest in ids], dtype=np.int64)
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        arrays = {
            name: np.full((len(ids), width), np.nan, np.float32) for name, width in self.widths.items() if name in names
        }
        for group in np.unique(groups[rows >= 0]).tolist():
            at = np.flatnonzero((groups == group) & (rows >= 0))
            path, number = self._groups[group]
            try:
                file = open_parquet(path)
                columns = [name for name in arrays if name in file.schema_arrow.names]
                table = file.read_row_group(number, columns)
            except (OSError, pa.ArrowException, ValueError):
                raise DamagedError(path) from None
            for name in columns:
                arrays[name][at] = matrix(table.column(name))[rows[at] - self._starts[group]]
        return arrays


def write_predictions(
    folder: Path,
    images: ImageSet,
    ids: Sequence[str | None],
    errors: Mapping[int, str],
    rule: DecisionRule,
    facts: Mapping[str, object],
) -> None:
    """Join the outputs in `folder` with what is known of each image of a set, and write them as one table in the set's
    order.

    It is not written again where it stands already. The parts are removed then, for the table holds their rows.

    Args:
        folder: Of the audit.
        images: The set of N images.
        ids: Digest of each image, N; None where it cannot be read.
        errors: Why an image cannot be read, by position.
        rule: How probabilities become a class.
        facts: What the table belongs to, with the digest of the model as "model".
    """
    path, parts, index = folder / PREDICTIONS, Parts(folder / PARTS), Index(own_files(folder, str(facts["model"])))
    listing = hashlib.sha256(json.dumps([ids, sorted(errors.items())]).encode()).hexdigest()
    facts = {**facts, "images": listing, "rule": dataclasses.asdict(rule)}
    if parts.paths() or not stands(path, facts):
        write_rows(path, _tables(index, images, ids, errors, rule, str(facts["model"])), facts)
    parts.clear()


def predictions_of(
    index: Index, images: ImageSet, ids: Sequence[str | None], errors: Mapping[int, str], rule: DecisionRule, model: str
) -> Predictions:
    """The table as `write_predictions` writes it, in memory."""
    widths = {"logits": len(rule.class_names), "probabilities": len(rule.class_names)}
    numbers = {name: np.full((len(images), width), np.nan, np.float32) for name, width in widths.items()}
    numbers |= index.take(ids, tuple(widths))
    table = tabulate(images.items, numbers["logits"], numbers["probabilities"], errors, rule, model, ids)
    table.frame["margin"], table.frame["entropy"] = _lead(numbers["logits"]), _entropy(numbers["probabilities"])
    return table


def _tables(
    index: Index, images: ImageSet, ids: Sequence[str | None], errors: Mapping[int, str], rule: DecisionRule, model: str
) -> Iterator[pa.Table]:
    """The table of predictions, some rows at a time."""
    attributes = attributes_of(images.items)
    attribute_kinds = {str(name): pa.array(attributes[name], from_pandas=True).type for name in attributes}
    kinds = dict.fromkeys(("name", "id", "label", "split"), pa.string()) | attribute_kinds | _OUTPUT_KINDS
    widths = {"logits": len(rule.class_names), "probabilities": len(rule.class_names)} | index.widths
    for start in range(0, len(images), ROWS):
        rows = slice(start, start + ROWS)
        items = images.items[rows]
        missing = {name: np.full((len(items), width), np.nan, np.float32) for name, width in widths.items()}
        numbers = missing | index.take(ids[rows])
        chunk_errors = {i - start: error for i, error in errors.items() if start <= i < start + ROWS}
        frame = tabulate(items, numbers["logits"], numbers["probabilities"], chunk_errors, rule, model, ids[rows]).frame
        for name in attribute_kinds:
            frame[name] = attributes[name].to_numpy()[rows]
        frame["margin"], frame["entropy"] = _lead(numbers["logits"]), _entropy(numbers["probabilities"])
        columns = {name: pa.array(frame[name], kind, from_pandas=True) for name, kind in kinds.items()}
        columns |= {name: lists(numbers[name]) for name in ("probabilities", "logits")}
        if "embedding" in numbers:
            unread = np.asarray(~np.isfinite(numbers["embedding"]).all(axis=1))
            columns["embedding"] = lists(numbers["embedding"], unread)
        yield pa.table(columns)


_OUTPUT_KINDS = {
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
