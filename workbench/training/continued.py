"""Go on from a model that was trained before: its weights, classes and splits, and what the new training changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from workbench.errors import InputError
from workbench.images import SPLITS, Deal, ImageItem
from workbench.models import (
    build,
    fit_weights,
    load_classifier,
    predict,
    read_spec,
    read_weights,
    spec_key,
    weights_path,
)
from workbench.predictions import Predictions, units_of
from workbench.reliability import DIGITS, TrainingRecord, read_record
from workbench.stats import Rate, mcnemar_of_units, paired_difference_of_units, units_or_cases
from workbench.training.pretrained import DROP_PATH, DROPOUT

if TYPE_CHECKING:
    from workbench.models import ModelSpec

SLOWER = 0.2
"""Of the learning rate of a training from the start: weights that fit already should not be thrown away."""
PLAIN_SCALE = (0.5, 0.5, 0.5)


@dataclasses.dataclass(frozen=True, eq=False)
class Start:
    """A model to go on from.

    Attributes:
        folder: Where it lies.
        spec: Its description.
        key: Its digest.
        record: What is known of its training.
        earlier: The split in which each image took part, by its digest; empty where that is not known.
    """

    folder: Path
    spec: ModelSpec
    key: str
    record: TrainingRecord | None
    earlier: Mapping[str, str]

    def made(self, split: str) -> set[str]:
        """The shortened digests of the images of a split that it was made with."""
        return {digest for digest, name in self.earlier.items() if name == split}


@dataclasses.dataclass(frozen=True)
class BeforeAfter:
    """Both models on the same held-out images.

    Attributes:
        images: Test images of units that trained neither model.
        units: Of how many units.
        before: How many the earlier model decides right, and
        after: how many the new one.
        gained: Those that the new one alone decides right, and
        lost: those that the earlier one alone does.
        difference: Share right after less before, with its interval by units.
        p: Of McNemar's test by units.
        sure: Whether it is recorded which images trained the earlier model.
    """

    images: int
    units: int
    before: int
    after: int
    gained: int
    lost: int
    difference: Rate
    p: float
    sure: bool

    @property
    def sentence(self) -> str:
        """What changed, with its figures."""
        if not self.images or self.difference.value is None:
            return "No test image is left that trained neither model: what the new training changed is unknown."
        low, value, high = (
            100 * (x or 0.0) for x in (self.difference.low, self.difference.value, self.difference.high)
        )
        known = (
            ""
            if self.sure
            else (" Which images trained the earlier model is not recorded: where test images did, it is flattered.")
        )
        few = " Of so few units no interval can be trusted." if self.difference.few_units else ""
        return (
            f"On the {self.images:,} test images of {self.units:,} units that trained neither, the earlier model"
            f" decides {self.before:,} right and this one {self.after:,}: {value:+.1f} points ({low:+.1f} to"
            f" {high:+.1f}); {self.gained:,} gained, {self.lost:,} lost,"
            f" McNemar's test by units p = {self.p:.2g}.{few}{known}"
        )


def start_from(folder: Path, classes: Sequence[str], architecture: str) -> Start:
    """The model in a folder, checked to be of an architecture and to be trainable further on images of some classes.

    Raises:
        InputError: It is another kind of model, or has other classes.
    """
    spec = read_spec(folder)
    preprocessing = spec.preprocessing
    plain = preprocessing.size[0] == preprocessing.size[1] and preprocessing.resize == "stretch"
    plain = plain and (preprocessing.mean, preprocessing.std, preprocessing.channels) == (
        PLAIN_SCALE,
        PLAIN_SCALE,
        "rgb",
    )
    if spec.architecture != architecture or spec.options or spec.head not in (None, "logits") or not plain:
        raise InputError(
            f"{folder.name} cannot be trained further here: --from takes the folder of a model that `workbench train`"
            " wrote."
        )
    if set(classes) != set(spec.classes):
        other = sorted(set(classes) ^ set(spec.classes))[0]
        raise InputError(
            f"The model and the images do not have the same classes ({other!r} is in one alone): train with images of"
            " just the model's classes, or anew without --from."
        )
    record = read_record(folder)
    return Start(folder, spec, spec_key(folder, spec), record, _earlier(folder, record))


def _earlier(folder: Path, record: TrainingRecord | None) -> dict[str, str]:
    if record is None or record.trained_on is None:
        return {}
    splits = dict.fromkeys(record.trained_on, "train") | dict.fromkeys(record.chosen_on, "validation")
    path = folder / "predictions.parquet"
    if path.is_file() and splits:
        frame = Predictions.load(path).frame
        tested = frame.loc[(frame["split"] == "test") & frame["id"].notna(), "id"]
        splits = {str(digest)[:DIGITS]: "test" for digest in tested} | splits
    return splits


def network_of(start: Start) -> nn.Module:
    """The network with its weights."""
    options = {"num_classes": len(start.spec.classes), "drop_rate": DROPOUT, "drop_path_rate": DROP_PATH}
    network, _ = build(start.spec.architecture, trusted=True, options=options)
    weights = read_weights(weights_path(start.folder, start.spec))
    fit_weights(network, weights, start.spec.weights, by_order=start.spec.order)
    return network


def kept_splits(start: Start, items: Sequence[ImageItem], units: Sequence[int]) -> list[ImageItem]:
    """The images with the split in which they took part before; new ones train, unless the set says otherwise or
    another image of their unit was held out. Unchanged where nothing is known of the earlier training."""
    if not start.earlier:
        return list(items)
    before = [start.earlier.get(item.id[:DIGITS]) for item in items]
    held: dict[int, str] = {}
    for name in ("validation", "test"):  # the stricter of two
        held |= {unit: name for unit, split in zip(units, before, strict=True) if split == name}
    result = []
    for item, split, unit in zip(items, before, units, strict=True):
        stated = item.split if item.split in SPLITS else None
        result.append(dataclasses.replace(item, split=split or held.get(unit) or stated or "train"))
    return result


def told(start: Start, partition: Deal) -> Deal:
    """The deal, with what was kept of the earlier training in its account."""
    if not start.earlier:
        return partition
    how = (
        "Images that the earlier model was made with keep the split that they had; new ones train, unless the set says"
    )
    return dataclasses.replace(partition, how=f"{how} otherwise or another image of their part was held out.")


def before_after(start: Start, items: Sequence[ImageItem], table: Predictions) -> BeforeAfter:
    """Both models on the test images of units that trained neither.

    Args:
        start: The earlier model.
        items: All images, in the order of
        table: what the new model says of them, with their splits.
    """
    frame = table.frame
    units = units_or_cases(units_of(frame), len(frame))
    split = frame["split"].to_numpy(object)
    seen = np.array(
        [start.earlier.get(str(digest)[:DIGITS]) in ("train", "validation") for digest in frame["id"]], bool
    )
    seen |= split == "train"
    rows = np.flatnonzero((split == "test") & ~np.isin(units, units[seen]) & frame["verdict"].notna().to_numpy(bool))
    if not len(rows):
        return BeforeAfter(0, 0, 0, 0, 0, 0, Rate(None, None, None, 0, 0), 1.0, bool(start.earlier))
    earlier = predict(load_classifier(start.folder), [items[row] for row in rows.tolist()])
    before = (earlier.frame["verdict"] == "right").to_numpy(bool)
    after = (frame["verdict"].iloc[rows] == "right").to_numpy(bool)
    place = units[rows]
    return BeforeAfter(
        len(rows),
        len(np.unique(place)),
        int(before.sum()),
        int(after.sum()),
        int((after & ~before).sum()),
        int((before & ~after).sum()),
        paired_difference_of_units(after, before, place),
        mcnemar_of_units(after, before, place),
        bool(start.earlier),
    )
