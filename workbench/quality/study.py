"""All that is asked of a set at once: every check of `workbench.quality`, its results and its tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.files import CheckResult
from workbench.images import ImageSet
from workbench.predictions import Predictions, attributes_of, with_families
from workbench.quality.coverage import coverage, coverage_results
from workbench.quality.family_store import keep_families, known_families, store_key
from workbench.quality.faults import fault_results, faults
from workbench.quality.frozen import frozen_features
from workbench.quality.grouped_split import GroupedSplit, grouped_split
from workbench.quality.leak_words import leak_results
from workbench.quality.leaks import leaks
from workbench.quality.same_part import Families, families
from workbench.quality.support import support, support_results

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Report = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """What a set was found to hold.

    Attributes:
        results: One for each check, in the order of the page Data.
        tables: The tables behind them, by a name that suits a file.
        families: Which images show one part.
        split: A split that keeps parts and groups on one side; None where there are too few of them.
    """

    results: tuple[CheckResult, ...]
    tables: Mapping[str, pd.DataFrame]
    families: Families
    split: GroupedSplit | None


def study(
    images: ImageSet,
    predictions: Predictions | None = None,
    embeddings: NDArray[np.floating] | None = None,
    *,
    apart: Iterable[tuple[str, str]] = (),
    on_progress: Report | None = None,
) -> Study:
    """Put every question about a set.

    Args:
        images: The set.
        predictions: What a model says of each image, in the set's order; without them some checks stay "unknown".
        embeddings: (N, D) what goes into the model's last layer; the frozen ImageNet backbone looks at the images where
            it is missing.
        apart: Pairs of digests of images that a person has said are not the same.
        on_progress: Called with what is done, how far that is, and of how much.

    Raises:
        InputError: There are no images.
    """
    report = on_progress or (lambda stage, done, total: None)
    found = _families(images, tuple(apart), report)
    results: list[CheckResult] = []
    tables: dict[str, pd.DataFrame] = {"families": found.frame, "pairs": found.pairs}
    for more, named in _checks(images, found, predictions, embeddings, report):
        results += more
        tables |= named
    return Study(tuple(results), tables, found, _split(images, found))


Part = tuple[tuple[CheckResult, ...], dict[str, "pd.DataFrame"]]


def _checks(
    images: ImageSet,
    found: Families,
    predictions: Predictions | None,
    embeddings: NDArray[np.floating] | None,
    report: Report,
) -> Iterator[Part]:
    """The results and tables of one check after another."""
    judged = None if predictions is None else with_families(predictions, found.by_name)
    broken = faults(images, families=found.by_name, on_progress=lambda *at: report("looking at files", *at))
    yield fault_results(broken), {"faults": broken.frame}
    shared = leaks(images, found, predictions)
    yield leak_results(shared), {"leaks": shared.pairs}
    table = _table(images, found) if judged is None else judged.frame
    carried = support(table)
    yield support_results(carried), {"support": carried.frame}
    vectors = embeddings
    if vectors is None:
        vectors = frozen_features(images.items, lambda *at: report("describing images", *at))
    reach = coverage(table, vectors, on_progress=lambda *at: report("measuring coverage", *at))
    yield coverage_results(reach), {"coverage": reach.frame}


def _families(images: ImageSet, apart: tuple[tuple[str, str], ...], report: Report) -> Families:
    name = store_key(images, apart)
    found = known_families(name)
    if found is None:
        found = families(images, apart=apart, on_progress=lambda *at: report("comparing images", *at))
        keep_families(name, found)
    return found


def _table(images: ImageSet, found: Families) -> pd.DataFrame:
    """What is known of the images without a model, a row each."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "name": [item.name for item in images],
            "label": pd.Series([item.label for item in images], dtype=object),
            "split": pd.Series([item.split for item in images], dtype=object),
        }
    )
    return frame.assign(**attributes_of(images.items), family=found.frame["family"].to_numpy())


def _split(images: ImageSet, found: Families) -> GroupedSplit | None:
    try:
        return grouped_split(images, found)
    except InputError:
        return None
