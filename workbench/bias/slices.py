"""Slices: clusters of images that look alike to the model, the worst first, described by what sets them apart."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.bias.by_unit import units_in
from workbench.errors import InputError
from workbench.predictions import MOST_GROUPS, Cases, Predictions, cases_of, factorise, groupable
from workbench.stats import ENOUGH, SIGNIFICANT, Rate, at_least, holm, more_by_units, share, units_or_cases
from workbench.texts import shown

if TYPE_CHECKING:
    import pandas as pd

CLUSTERS = 16
AXES = 32
MANY = 5000
SHUFFLES = 4000
LIFT = 1.25
TRAITS = 4


@dataclasses.dataclass(frozen=True)
class Trait:
    """What is more frequent in a slice than elsewhere.

    Attributes:
        attribute: An attribute, "label" or "predicted".
        value: Its value.
        share: How frequent the value is in the slice.
        overall: How frequent it is among all images.
        lift: The one over the other.
        support: The slice's images with that value.
    """

    attribute: str
    value: object
    share: float
    overall: float
    lift: float
    support: int

    def __str__(self) -> str:
        return f"{self.attribute} {shown(self.value)} ({100 * self.share:.0f} % against {100 * self.overall:.0f} %)"


@dataclasses.dataclass(frozen=True, eq=False)
class Slice:
    """Images that look alike to the model.

    Attributes:
        members: Where they stand in the table of predictions, the nearest to the cluster's centre first.
        error: The share that the model gets wrong, with Wilson's interval of 95 %, or that of `stats.share` by unit.
        p: The chance of so many errors in as many images drawn at random, by the hypergeometric distribution; where
            images come in units, of so high a share if units changed places (`stats.more_by_units`).
        p_adjusted: The same for the number of slices (Holm).
        traits: What sets the slice apart, the most telling first.
    """

    members: NDArray[np.intp]
    error: Rate
    p: float
    p_adjusted: float
    traits: tuple[Trait, ...]

    @property
    def enough(self) -> bool:
        """Whether it holds enough images, of enough units, to be told of."""
        return len(self.members) >= ENOUGH and not self.error.few_units

    @property
    def significant(self) -> bool:
        """Whether its error rate is higher than chance makes it."""
        return self.p_adjusted <= SIGNIFICANT and (self.error.groups is None or self.enough)


@dataclasses.dataclass(frozen=True, eq=False)
class Slices:
    """Clusters of M images, the one with the surest high error rate first and those of fewer than `ENOUGH` images last.

    Attributes:
        slices: One a cluster.
        codes: (N,) the number of each image's slice; -1 where it counts in none.
        error: The error rate over all.
        split: The name of the split that the images come from.
    """

    slices: tuple[Slice, ...]
    codes: NDArray[np.intp]
    error: Rate
    split: str

    @property
    def frame(self) -> pd.DataFrame:
        """One row a slice: slice, support, units, enough, errors, error rate, its ends, p and its other fields."""
        import pandas as pd

        return pd.DataFrame(
            {
                "slice": range(1, len(self.slices) + 1),
                "support": [len(s.members) for s in self.slices],
                "units": [s.error.groups or len(s.members) for s in self.slices],
                "enough": [s.enough for s in self.slices],
                "errors": [s.error.count for s in self.slices],
                "error rate": [s.error.value for s in self.slices],
                "error rate low": [s.error.low for s in self.slices],
                "error rate high": [s.error.high for s in self.slices],
                "p": [s.p for s in self.slices],
                "p adjusted": [s.p_adjusted for s in self.slices],
                "significant": [s.significant for s in self.slices],
                "traits": [", ".join(map(str, s.traits)) for s in self.slices],
            }
        )


def slices(
    features: NDArray[np.floating],
    predictions: Predictions,
    *,
    rows: NDArray[np.bool_] | None = None,
    clusters: int | None = None,
    seed: int = 0,
) -> Slices:
    """Cluster what the model sees, or where it looks, and rank the clusters by their errors.

    On heatmaps this is the idea of SpRAy (Lapuschkin et al. 2019, "Unmasking Clever Hans predictors and assessing what
    machines really learn"), on embeddings that of slice discovery (Eyuboglu et al. 2022, "Domino"): the features' 32
    leading principal axes, then k-means (in small batches above 5,000 images). The clusters know nothing of right and
    wrong, so that the test of each cluster's errors is honest. A value of an attribute, label or prediction is a trait
    where it is 1.25 times as frequent as overall and that is more than chance (hypergeometric, Holm over all values of
    the slice).

    Args:
        features: (N, ...) numbers for N images, such as embeddings (N, D) or heatmaps (N, 32, 32). Images with NaN do
            not count.
        predictions: The same N images.
        rows: Booleans of shape (N,): which images count; all where missing.
        clusters: How many; by default 16, or so few that a cluster has 60 images on average.
        seed: Of the clustering.

    Raises:
        InputError: Fewer than 60 images can be judged, or they are all alike.
    """
    features = np.asarray(features)
    if len(features) != len(predictions):
        raise ValueError(f"expected features for {len(predictions)} images, got {len(features)}")
    features = features.reshape(len(features), -1)
    finite = np.isfinite(features).all(axis=1)
    cases = cases_of(predictions, finite if rows is None else finite & rows)
    most = len(cases.rows) // (2 * ENOUGH)
    if most < 1:
        raise InputError(f"Only {len(cases.rows)} images can be clustered: {2 * ENOUGH} are needed.")
    codes, distance = _cluster(features[cases.rows], min(most, CLUSTERS) if clusters is None else clusters, seed)
    wrong, units = cases.truth != cases.called, cases.units
    size = np.bincount(codes)
    p = _chances(wrong, codes, units, seed)
    adjusted = holm(p)
    rates = [share(wrong[codes == c], None if units is None else units[codes == c]) for c in range(len(size))]
    order = sorted(range(len(size)), key=lambda c: (_few(rates[c]), -(rates[c].low or 0), -(rates[c].value or 0)))
    columns = _columns(cases)
    result = []
    for c in order:
        members = np.flatnonzero(codes == c)
        nearest = cases.rows[members[np.argsort(distance[members], kind="stable")]]
        result.append(Slice(nearest, rates[c], p[c], float(adjusted[c]), _traits(columns, members, units)))
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    slice_codes = np.full(len(predictions), -1)
    slice_codes[cases.rows] = rank[codes]
    return Slices(tuple(result), slice_codes, share(wrong, units), cases.split)


def _few(rate: Rate) -> bool:
    return rate.support < ENOUGH or rate.few_units


def _chances(
    wrong: NDArray[np.bool_], codes: NDArray[np.intp], units: NDArray[np.intp] | None, seed: int
) -> list[float]:
    """For each slice the chance of so many errors in it, from whether each of M images is wrong and its slice."""
    size, errors = np.bincount(codes), np.bincount(codes, wrong).astype(int)
    if units is None or len(np.unique(units)) == len(units):
        return at_least(errors, size, int(wrong.sum()), len(codes)).tolist()
    rng = np.random.default_rng(seed)
    return [more_by_units(wrong, codes == c, units, SHUFFLES, rng) for c in range(len(size))]


def _cluster(features: NDArray[np.floating], clusters: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For M images the cluster of each, without gaps in the numbers, and its distance to the centre."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.decomposition import PCA

    if (features == features[0]).all():
        raise InputError(
            "All the images have the same features, so there is nothing to cluster: choose other features."
        )
    axes = min(AXES, features.shape[1], len(features) - 1)
    solver = "randomized" if axes < min(features.shape) else "full"
    places = PCA(axes, svd_solver=solver, random_state=seed).fit_transform(features.astype(np.float32))
    if len(features) > MANY:
        model = MiniBatchKMeans(clusters, batch_size=2048, n_init=5, random_state=seed)
    else:
        model = KMeans(clusters, n_init=4, random_state=seed)
    labels = model.fit_predict(places)
    distance = np.linalg.norm(places - model.cluster_centers_[labels], axis=1)
    return np.unique(labels, return_inverse=True)[1], distance


def _columns(cases: Cases) -> dict[str, tuple[NDArray[np.intp], list[object]]]:
    """For each column that may describe a slice, the number of each case's value (-1 for none), and the values."""
    frame = cases.predictions.frame
    names = ("label", "predicted", *groupable(cases.predictions))
    columns = {name: factorise(frame[name], cases.rows) for name in names}
    return {name: (codes, values) for name, (codes, values) in columns.items() if len(values) <= MOST_GROUPS}


def _traits(
    columns: dict[str, tuple[NDArray[np.intp], list[object]]],
    members: NDArray[np.intp],
    units: NDArray[np.intp] | None,
) -> tuple[Trait, ...]:
    """The values that are more frequent among some of M images; images of one unit count once in the test."""
    traits, counts = [], []
    units = units_or_cases(units, max(len(codes) for codes, _ in columns.values()))
    drawn, everything = len(np.unique(units[members])), len(np.unique(units))
    for name, (codes, values) in columns.items():
        overall = np.bincount(codes[codes >= 0], minlength=len(values)).tolist()
        local = codes[members]
        inside = np.bincount(local[local >= 0], minlength=len(values)).tolist()
        own, others = _units_with(codes[members], units[members], values), _units_with(codes, units, values)
        for place, (value, support, everywhere) in enumerate(zip(values, inside, overall, strict=True)):
            frequency, usual = support / len(members), everywhere / len(codes)
            traits.append(Trait(name, value, frequency, usual, frequency / usual, support))
            counts.append((own[place], others[place]))
    hits, totals = zip(*counts, strict=True)
    p = at_least(hits, drawn, totals, everything).tolist()
    adjusted = holm(p)
    telling = [i for i, trait in enumerate(traits) if adjusted[i] <= SIGNIFICANT and trait.lift >= LIFT]
    return tuple(traits[i] for i in sorted(telling, key=lambda i: (p[i], -traits[i].lift))[:TRAITS])


def _units_with(codes: NDArray[np.intp], units: NDArray[np.intp], values: list[object]) -> list[int]:
    """How many units hold an image of each value."""
    return units_in(units[codes >= 0], codes[codes >= 0], len(values)).tolist()
