"""The attribution maps of a sample of an image set, each summed up; resumable like the predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from workbench.attribution import METHODS
from workbench.audit.outputs import provenance
from workbench.audit.parts import Parts, lists, stands, write_rows
from workbench.audit.reader import ATTRIBUTIONS
from workbench.audit.summary import GRID, REGIONS, summarise
from workbench.errors import InputError
from workbench.files import key as result_key
from workbench.files import read
from workbench.images import ImageItem, ImageSet, stratify

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models import Classifier

FIGURE_COLUMNS = (*REGIONS, "entropy", "peak row", "peak column")
TEXT_COLUMNS = ("id", "name", "method", "target", "error", "mask id", "basis")
Row = dict[str, object]
Key = tuple[object, ...]


def summarise_sample(
    classifier: Classifier, images: ImageSet, frame: pd.DataFrame, folder: Path, method: str, sample: int, seed: int
) -> Iterator[tuple[int, int, int, int]]:
    """Write `attributions/METHOD.parquet`: a row for each image of the sample, explained for the class that is
    predicted.

    Args:
        classifier: The model.
        images: The set.
        frame: That of `Predictions`, a row for each image of the set, in its order.
        folder: Of the audit.
        method: A name in `METHODS`.
        sample: How many images at most.
        seed: Which sample.

    Yields:
        How many are done, of how many, how many of them have no map, and how many were computed now.

    Raises:
        InputError: The method does not suit the model, or the folder cannot be written.
    """
    from workbench.attribution import suits

    positions, facts = stratify(frame, sample, seed)
    basis_now = basis(classifier.key, images, method)
    path, parts = folder / ATTRIBUTIONS / f"{method}.parquet", Parts(folder / ATTRIBUTIONS / method)
    cache, rows, computed = _earlier_rows([path, *parts.paths()]), [], 0
    try:
        for position in positions:
            item, target = images.items[position], frame["predicted"][position]
            mask, fault = _mask_id(item)
            key = (frame["id"][position], mask, target, basis_now)
            if key not in cache:
                if computed == 0 and (why := suits(classifier, method)):
                    raise InputError(why)
                fields = {"id": key[0], "mask id": mask, "method": method, "target": target, "basis": basis_now}
                cache[key] = fields | _summary(classifier, item, method, target, images, fault)
                computed += 1
                parts.put(_table([cache[key] | {"name": item.name}]))
            rows.append(cache[key] | {"name": item.name})
            yield len(rows), len(positions), sum(row["error"] is not None for row in rows), computed
    finally:
        parts.flush()
    about = {**provenance(classifier, images), "method": method, "score": "logit", "basis": basis_now, "sample": facts}
    if parts.paths() or not stands(path, about):
        write_rows(path, [_table(rows)], about)
    parts.clear()


def basis(model: str, images: ImageSet, method: str) -> str:
    """What all maps of a sample depend on beside image, mask and class, `model` being its digest."""
    background = [item.key for item in images.background] if METHODS[method].background else None
    return result_key("map summary", model=model, method=method, score="logit", background=background)


def _summary(
    classifier: Classifier, item: ImageItem, method: str, target: str, background: ImageSet, fault: str | None
) -> Row:
    """The numbers of one map, or why there are none."""
    from workbench.attribution import attribute

    empty: Row = dict.fromkeys(FIGURE_COLUMNS, math.nan) | {"heatmap": np.full(GRID * GRID, np.nan, np.float32)}
    try:
        if fault:
            raise InputError(fault)
        values = attribute(classifier, item, method, target, score="logit", background=background).on_image()
        if not values.any():
            raise InputError(f"The map of {item.name} is zero everywhere: choose another method for it.")
        summary = summarise(values, item.open_mask())
    except InputError as error:
        return empty | {"error": str(error)}
    peak = {"peak row": summary.peak[0], "peak column": summary.peak[1]}
    return {**summary.shares, "entropy": summary.entropy, **peak, "heatmap": summary.heatmap.ravel(), "error": None}


def _mask_id(item: ImageItem) -> tuple[str | None, str | None]:
    """Digest of an image's mask, and why it cannot be read; both None where it has none."""
    try:
        return item.mask_id, None
    except InputError as error:
        return None, str(error)


def _table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in TEXT_COLUMNS}
    columns |= {name: pa.array([row[name] for row in rows], pa.float64()) for name in FIGURE_COLUMNS}
    heatmaps = np.array([row["heatmap"] for row in rows], np.float32).reshape(len(rows), GRID * GRID)
    return pa.table(columns | {"heatmap": lists(heatmaps)})


def _earlier_rows(paths: Sequence[Path]) -> dict[Key, Row]:
    """Rows that were computed before, by image, mask and class; those without a map are tried again."""
    earlier: dict[Key, Row] = {}
    for path in paths:
        try:
            rows = read(path).to_pylist()
        except (OSError, InputError):
            continue
        earlier |= {
            (row["id"], row["mask id"], row["target"], row.get("basis")): row for row in rows if row["error"] is None
        }
    return earlier
