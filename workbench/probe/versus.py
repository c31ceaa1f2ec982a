"""Two models side by side: where they disagree, whether by more than chance, and whether for the same reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import SAMPLE, ImageItem, alike, digest, draw_sample
from workbench.predictions import Predictions, units_among, units_of
from workbench.probe.attacks import TOP
from workbench.stats import Rate, mcnemar_of_units, mean_of, paired_difference_of_units, share, spearman

if TYPE_CHECKING:
    import pandas as pd

    from workbench.attribution import Attribution
    from workbench.models import Classifier

COMPARED_EDGE = 256
"""Pixels of the longer side of the image on which maps of models with other inputs are compared."""


@dataclasses.dataclass(frozen=True, eq=False)
class Versus:
    """Two models on the same images.

    Attributes:
        frame: One row an image that they decide differently, those that both are sure of first: name, label, "first"
            and "second" (decisions), "first confidence", "second confidence", right ("first", "second", "neither", None
            without a usable label).
        both_right: How many labelled images both decide rightly.
        only_first: How many only the first does.
        only_second: How many only the second does.
        both_wrong: How many neither does.
        p: The chance of so uneven a split of the images that only one decides rightly, were both models equally good:
            the exact test of McNemar 1947, "Note on the sampling error of the difference between correlated proportions
            or percentages".
        first: Accuracy of the first model on the labelled images.
        second: Of the second.
        difference: The first's accuracy less the second's, as `paired_difference_of_units`.
        agree: Share of all images that they decide alike.
        left_out: How many images only one of them has, or could not read, or that are other images of the same name.
    """

    frame: pd.DataFrame
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p: float
    first: Rate
    second: Rate
    difference: Rate
    agree: Rate
    left_out: int

    def named(self, first: str, second: str) -> pd.DataFrame:
        """`frame` with the models' names in its columns, and in who is right."""
        names = {"first": first, "second": second}
        columns = {f"{one}{more}": f"{name}{more}" for one, name in names.items() for more in ("", " confidence")}
        return self.frame.assign(right=self.frame["right"].replace(names)).rename(columns=columns)


def compare_models(first: Predictions, second: Predictions, rows: NDArray[np.bool_] | None = None) -> Versus:
    """Compare what two models say of the same images, matched by name; each decides by its own rule.

    Args:
        first: N images.
        second: The same, in any order.
        rows: Booleans of shape (N,): which images of the first count; all where missing.

    Raises:
        InputError: They know other classes, or no image was read by both.
    """
    import pandas as pd

    _check_classes(first.class_names, second.class_names)
    table = first.frame if rows is None else first.frame[np.asarray(rows, dtype=bool)]
    columns = ["name", "id", "label", "predicted", "confidence"]
    both = table[columns].merge(second.frame[columns], on="name", suffixes=(" first", " second"))
    both = both[
        both["predicted first"].notna() & both["predicted second"].notna() & (both["id first"] == both["id second"])
    ]
    if not len(both):
        raise InputError("No image was read by both models: run both on the same image set.")
    label, a, b = (both[name].to_numpy(dtype=object) for name in ("label first", "predicted first", "predicted second"))
    usable = np.isin(label.astype(str), first.class_names) & both["label first"].notna().to_numpy()
    one, other = (decided[usable] == label[usable] for decided in (a, b))
    units = _units(first, both["name"])
    parts = None if units is None else units[usable]
    both_right, only_first, only_second, both_wrong = (
        int(((one == x) & (other == y)).sum()) for x in (True, False) for y in (True, False)
    )
    right = np.select([usable & (a == label), usable & (b == label)], ["first", "second"], "neither").astype(object)
    right[~usable] = None
    texts = {"label": label, "first": a, "second": b, "right": right}
    frame = both.assign(**{name: pd.Series(values, both.index, object) for name, values in texts.items()})[a != b]
    frame = frame.rename(columns={"confidence first": "first confidence", "confidence second": "second confidence"})
    sure = (-frame["first confidence"] - frame["second confidence"]).argsort(kind="stable")
    order = ["name", "label", "first", "second", "first confidence", "second confidence", "right"]
    names = set(table["name"]) | (set(second.frame["name"]) if rows is None else set())
    return Versus(
        frame=frame.iloc[sure][order].reset_index(drop=True),
        both_right=both_right,
        only_first=only_first,
        only_second=only_second,
        both_wrong=both_wrong,
        p=mcnemar_of_units(one, other, parts),
        first=share(one, parts),
        second=share(other, parts),
        difference=paired_difference_of_units(one, other, parts),
        agree=share(a == b, units),
        left_out=len(names) - len(both),
    )


def _units(predictions: Predictions, names: pd.Series) -> NDArray[np.intp] | None:
    """The independent unit of each image of those names, as `units_of`."""
    units = units_of(predictions.frame)
    return (
        None if units is None else names.map(dict(zip(predictions.frame["name"], units, strict=True))).to_numpy(np.intp)
    )


def _check_classes(first: Sequence[str], second: Sequence[str]) -> None:
    if strange := sorted(set(first) ^ set(second)):
        raise InputError(
            f"Only one of the models knows {', '.join(map(repr, strange[:4]))}: compare models with the same classes."
        )


@dataclasses.dataclass(frozen=True)
class Pair:
    """The maps of two models for one image, and those of the first model for the image and the same with the least
    noise.

    Attributes:
        name: The image's.
        first: Decision of the first model, which both maps explain.
        second: Decision of the second.
        correlation: Spearman's, of the two maps.
        overlap: What their top 10 % have in common, as a share of the larger of both; unrelated maps share about a
            tenth.
        same: Whether both decide alike.
        own_correlation: As before, of the first model with itself under noise.
        own_overlap: Likewise.
        own_same: Likewise.
    """

    name: str
    first: str
    second: str
    correlation: float
    overlap: float
    same: bool
    own_correlation: float
    own_overlap: float
    own_same: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Moved:
    """Whether two models decide for the same reasons.

    Attributes:
        frame: One row an image, with the fields of `Pair`.
        method: Which attribution method made the maps.
        figures: Means over the images with intervals of 95 %: "correlation", "overlap", "own_correlation",
            "own_overlap" (Student), "same" and "own_same" (Wilson), by unit where images come in units. The own ones
            say what no change looks like.
        left_out: Why images of the sample have no figures, by name: one sentence each.
        sample: How many images there are, how many were drawn, and with which seed.
    """

    frame: pd.DataFrame
    method: str
    figures: Mapping[str, Rate]
    left_out: Mapping[str, str]
    sample: Mapping[str, int]


def maps_moved(
    first: Classifier,
    second: Classifier,
    items: Iterable[ImageItem],
    method: str,
    *,
    params: Mapping[str, Any] | None = None,
    most: int = SAMPLE,
    seed: int = 0,
    units: Mapping[str, int] | None = None,
    known: MutableMapping[str, Pair] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Moved:
    """Explain images by two models and measure how far the maps lie apart: did making it cheaper change why it decides?

    Both explain the class that the first model decides on. As a measure of what no change looks like, the first model
    also explains each image with every value moved by at most one grey level of 255.

    Args:
        first: A model.
        second: One with the same classes.
        items: The images.
        method: A name in `METHODS`.
        params: The method's settings, and the background where it compares with one: the images that are drawn where it
            is missing.
        most: How many images at most, as in `sweep.sweep_set`.
        seed: Of the sample and the noise.
        units: As of `sweep.sweep_set`.
        known: Pairs of the same models, method and settings by the images' names: what is there is not measured again,
            and what is measured is put there, so that work that was stopped goes on where it was.
        on_progress: Called with (done, total) images before each and at the end; what it raises stops the work.

    Raises:
        InputError: They know other classes, the method does not suit one of them, or no image could be measured.
    """
    import pandas as pd

    from workbench.attribution import suits

    _check_classes(first.class_names, second.class_names)
    for model in (first, second):
        if why := suits(model, method):
            raise InputError(why)
    pool = list(items)
    chosen, known, left_out = draw_sample(pool, most, seed), {} if known is None else known, {}
    for done, item in enumerate(chosen):
        if on_progress:
            on_progress(done, len(chosen))
        if item.name not in known:
            try:
                known[item.name] = _pair(first, second, item, method, {"background": chosen, **(params or {})}, seed)
            except InputError as error:
                left_out[item.name] = str(error)
    if on_progress:
        on_progress(len(chosen), len(chosen))
    measured = [item for item in chosen if item.name not in left_out]
    if not measured:
        raise InputError(next(iter(left_out.values()), "There are no images to explain: choose a set that holds some."))
    frame = pd.DataFrame([dataclasses.asdict(known[item.name]) for item in measured])
    numbers = units_among(measured, units, pool)
    means = "correlation", "overlap", "own_correlation", "own_overlap"
    figures = {name: mean_of(frame[name].to_numpy(), units=numbers) for name in means}
    figures |= {name: share(frame[name].to_numpy(bool), numbers) for name in ("same", "own_same")}
    return Moved(frame, method, figures, left_out, {"images": len(pool), "drawn": len(chosen), "seed": seed})


def _pair(
    first: Classifier, second: Classifier, item: ImageItem, method: str, params: Mapping[str, Any], seed: int
) -> Pair:
    from workbench.attribution import attribute
    from workbench.models import ask

    ready = first.input(item)
    pixels = first.levels(ready)
    noise = np.random.default_rng(list(digest(seed, item.name))).integers(-1, 2, pixels.shape, np.int16)
    shaken = first.input(alike(np.asarray(pixels + noise, np.float32), pixels))
    classes = [first.class_names[c] for c in first.rule.decide(ask(first, [ready, shaken]))[0]]
    theirs_ready = second.input(item, ready.image)
    answer = second.class_names[int(second.rule.decide(ask(second, [theirs_ready]))[0][0])]
    mine = attribute(first, ready, method, classes[0], **params)
    theirs = attribute(second, theirs_ready, method, classes[0], **params)
    again = attribute(first, shaken, method, classes[0], **params)
    apart, own = likeness(mine, theirs), likeness(mine, again)
    return Pair(item.name, classes[0], answer, *apart, answer == classes[0], *own, classes[1] == classes[0])


def likeness(first: Attribution, second: Attribution) -> tuple[float, float]:
    """Spearman's correlation of two maps of an image, and the overlap of their top 10 %, where both models looked."""
    a, b = first.ranking, second.ranking
    if first.placement != second.placement or a.shape != b.shape:
        (a, seen), (b, too) = _lay(first), _lay(second)
        a, b = a[seen & too], b[seen & too]
    return spearman(a, b), _overlap(a.ravel(), b.ravel())


def _lay(attribution: Attribution) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A map on a copy of its image of at most `COMPARED_EDGE` pixels a side, and what the model saw of that."""
    width, height = attribution.placement.original
    scale, ranking = min(1.0, COMPARED_EDGE / max(width, height)), attribution.ranking
    copy = Image.new("1", (max(round(width * scale), 1), max(round(height * scale), 1)))
    placement = attribution.placement.scaled(copy)
    return placement.to_original(ranking), placement.to_original(np.ones(ranking.shape, np.float32)) > 0


def _overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """The overlap of the highest values of two maps (P,); none where a map is constant, or lowest there."""
    count = max(round(TOP * a.size), 1)
    top_a, top_b = ((values >= np.partition(values, -count)[-count]) & (values > values.min()) for values in (a, b))
    return float((top_a & top_b).sum() / max(top_a.sum(), top_b.sum(), 1))
