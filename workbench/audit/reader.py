"""What an audit found, read as it is needed. Nothing here needs torch or an image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.audit.outputs import PREDICTIONS
from workbench.audit.parts import matrix
from workbench.audit.summary import GRID
from workbench.errors import InputError
from workbench.files import DamagedError, open_parquet, read, read_facts
from workbench.predictions import Predictions

if TYPE_CHECKING:
    import pandas as pd

ATTRIBUTIONS = "attributions"
NO_EMBEDDING = (
    "the model does not end in a linear layer or convolution with one output a class, so what goes into it is not known"
)


@dataclasses.dataclass(frozen=True, eq=False)
class Summaries:
    """Attribution maps of M images, summed up.

    Attributes:
        frame: One row an image, in the order of the set: id, name, method, target (the class that is explained: the
            predicted one), the shares of the absolute attribution mass in each of `workbench.audit.summary.REGIONS`,
            entropy, peak row and peak column (see `Summary`), and error (why there is no map, else None; then the
            numbers are NaN).
        heatmaps: float32 of shape (M, 32, 32): the mass over the image, summing to 1; NaN where there is no map.
        facts: What they belong to, how the sample was drawn ("sample"), and when they were made.
    """

    frame: pd.DataFrame
    heatmaps: NDArray[np.float32]
    facts: Mapping[str, object]

    def __post_init__(self) -> None:
        if self.heatmaps.shape != (len(self.frame), GRID, GRID):
            raise ValueError(f"expected heatmaps of shape {(len(self.frame), GRID, GRID)}, got {self.heatmaps.shape}")


@dataclasses.dataclass(frozen=True, eq=False)
class Audit:
    """The folder of an audit.

    Attributes:
        folder: Where it lies.
        facts: What it belongs to ("model", "set", their names, "versions", ...), and when it was made ("created").
    """

    folder: Path
    facts: Mapping[str, object]

    @cached_property
    def predictions(self) -> Predictions:
        """One row an image, in the order of the set; embeddings are not read."""
        return Predictions.load(self.folder / PREDICTIONS)

    def embeddings(self) -> NDArray[np.float32]:
        """What goes into the model's last layer: (N, D), a row each of `predictions`; NaN where an image cannot be
        read.

        Raises:
            InputError: The model has none; the message says why.
        """
        file = open_parquet(self.folder / PREDICTIONS)
        if "embedding" not in file.schema_arrow.names:
            raise InputError(f"There are no embeddings: {NO_EMBEDDING}.")
        vectors = np.empty((file.metadata.num_rows, file.schema_arrow.field("embedding").type.list_size), np.float32)
        start = 0
        for group in range(file.num_row_groups):  # one at a time, so that memory holds them once
            values = matrix(file.read_row_group(group, ["embedding"]).column(0))
            vectors[start : start + len(values)] = values
            start += len(values)
        return vectors

    @property
    def methods(self) -> tuple[str, ...]:
        """The attribution methods whose maps were summed up."""
        return tuple(sorted(path.stem for path in (self.folder / ATTRIBUTIONS).glob("*.parquet")))

    def summaries(self, method: str) -> Summaries:
        """The maps of a sample of the images, summed up.

        Raises:
            InputError: That method was not asked for.
        """
        if method not in self.methods:
            choice = f"there are those of {', '.join(self.methods)}" if self.methods else "there are none yet"
            raise InputError(
                f"The audit has no attributions by {method!r} ({choice}): run it again with --attributions {method}."
            )
        return open_summaries(self.folder, method)


def open_summaries(folder: Path, method: str) -> Summaries:
    """The maps that `run` or `look` summed up in a folder.

    Raises:
        InputError: There are none by this method.
    """
    path = folder / ATTRIBUTIONS / f"{method}.parquet"
    if not path.is_file():
        raise InputError(
            f"There are no attributions by {method!r} in {folder}: run workbench audit with --attributions {method}."
        )
    table = read(path)
    try:
        heatmaps = matrix(table.column("heatmap")).reshape(-1, GRID, GRID)
        columns = [name for name in ("heatmap", "mask id", "basis") if name in table.column_names]
        frame = table.drop_columns(columns).to_pandas()
        frame["error"] = frame["error"].astype(object).where(frame["error"].notna(), None)
        return Summaries(frame, heatmaps, read_facts(path))
    except (KeyError, ValueError, AttributeError):  # columns that were not written so
        raise DamagedError(path) from None


def open_audit(folder: Path | str) -> Audit:
    """Open what `run` wrote; nothing but the file's metadata is read yet.

    Raises:
        InputError: There is no finished audit.
    """
    path = Path(folder) / PREDICTIONS
    facts = read_facts(path)
    if "rule" not in facts:
        started = (Path(folder) / "audit.json").exists()
        way = "not finished: run it again, and it resumes" if started else "not there: run workbench audit with --out"
        raise InputError(f"The audit in {folder} is {way}.")
    return Audit(Path(folder), facts)
