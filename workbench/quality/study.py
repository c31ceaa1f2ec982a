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
from workbench.quality.family_store import keep_families, known_families, records_folder, store_key
from workbench.quality.family_words import family_results
from workbench.quality.faults import fault_results, faults_of
from workbench.quality.frozen import frozen_features
from workbench.quality.giveaways import Told, giveaway_results, giveaways
from workbench.quality.grouped_split import grouped_split, split_proposals
from workbench.quality.label_issues import label_issues
from workbench.quality.label_words import label_results
from workbench.quality.leak_words import leak_results
from workbench.quality.leaks import leaks
from workbench.quality.measured import measure
from workbench.quality.order import file_order, order_results
from workbench.quality.proposals import Proposal
from workbench.quality.repeats import repeat_results, repeats
from workbench.quality.same_part import Families, families
from workbench.quality.support import support, support_results

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from workbench.models import Classifier

TARGETS: tuple[Told, ...] = ("label", "split")
Report = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """What a set was found to hold.

    Attributes:
        results: One for each check, in the order of the page Data.
        tables: The tables behind them, by a name that suits a file.
        families: Which images show one part.
        proposals: What to change: the split of images whose part or group stands on both sides.
    """

    results: tuple[CheckResult, ...]
    tables: Mapping[str, pd.DataFrame]
    families: Families
    proposals: tuple[Proposal, ...]


def study(
    images: ImageSet,
    predictions: Predictions | None = None,
    embeddings: NDArray[np.floating] | None = None,
    *,
    classifier: Classifier | None = None,
    apart: Iterable[tuple[str, str]] = (),
    on_progress: Report | None = None,
) -> Study:
    """Put every question about a set.

    Args:
        images: The set.
        predictions: What a model says of each image, in the set's order; without them some checks stay "unknown".
        embeddings: (N, D) what goes into the model's last layer; the frozen ImageNet backbone looks at the images where
            it is missing.
        classifier: The model that said it, where images may be edited and asked about again.
        apart: Pairs of digests of images that a person has said are not the same.
        on_progress: Called with what is done, how far that is, and of how much.

    Raises:
        InputError: There are no images.
    """
    report = on_progress or (lambda stage, done, total: None)
    found = _families(images, tuple(apart), report)
    results: list[CheckResult] = []
    tables: dict[str, pd.DataFrame] = {"families": found.frame, "pairs": found.pairs}
    for more, named in _checks(images, found, predictions, embeddings, classifier, report):
        results += more
        tables |= named
    return Study(tuple(results), tables, found, _moves(images, found))


Part = tuple[tuple[CheckResult, ...], dict[str, "pd.DataFrame"]]


def _checks(
    images: ImageSet,
    found: Families,
    predictions: Predictions | None,
    embeddings: NDArray[np.floating] | None,
    classifier: Classifier | None,
    report: Report,
) -> Iterator[Part]:
    """The results and tables of one check after another."""
    judged = None if predictions is None else with_families(predictions, found.by_name)
    measured = measure(images, lambda *at: report("looking at files", *at))
    broken = faults_of(images.items, measured, found.by_name, images.report)
    yield fault_results(broken), {"faults": broken.frame, "files": measured}
    order = file_order(images.items, on_progress=lambda *at: report("comparing neighbours", *at))
    yield (*family_results(found), *order_results(order)), {}
    shared = leaks(images, found, predictions)
    yield leak_results(shared), {"leaks": shared.pairs}
    again = None if predictions is None else repeats(found, predictions)
    yield repeat_results(again), {} if again is None else {"repeats": again.pairs}
    features = frozen_features(images.items, lambda *at: report("describing images", *at))
    yield _labels(images, found, predictions, features, classifier, report)
    table = _table(images, found) if judged is None else judged.frame
    carried = support(table)
    yield support_results(carried), {"support": carried.frame}
    reach = coverage(
        table, features if embeddings is None else embeddings, on_progress=lambda *at: report("measuring coverage", *at)
    )
    yield coverage_results(reach), {"coverage": reach.frame}
    for target in TARGETS:
        telling = giveaways(
            images,
            measured,
            target=target,
            families=found.by_name,
            on_progress=lambda *at: report("looking for giveaways", *at),
        )
        yield giveaway_results(telling), {f"giveaways of the {target}": telling.frame}


def _labels(
    images: ImageSet,
    found: Families,
    predictions: Predictions | None,
    features: NDArray[np.floating],
    classifier: Classifier | None,
    report: Report,
) -> Part:
    try:
        issues = label_issues(
            images,
            found,
            predictions,
            features=features,
            classifier=classifier,
            on_progress=lambda *at: report("looking for wrong labels", *at),
        )
    except InputError as error:
        return (CheckResult("label issues", "unknown", str(error)),), {}
    return label_results(issues), {"labels": issues.frame}


def _families(images: ImageSet, apart: tuple[tuple[str, str], ...], report: Report) -> Families:
    name = store_key(images, apart)
    found = known_families(name)
    if found is None:
        found = families(
            images, apart=apart, folder=records_folder(), on_progress=lambda *at: report("comparing images", *at)
        )
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


def _moves(images: ImageSet, found: Families) -> tuple[Proposal, ...]:
    """The images that another split would have to take so that no part or group stands on both sides; none where the
    set has no splits, or too few parts."""
    if not any(item.split for item in images):
        return ()
    try:
        return split_proposals(grouped_split(images, found))
    except InputError:
        return ()
