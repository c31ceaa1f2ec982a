"""Long studies that pages, commands and reports share, each under the name of all that it depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from workbench.catalog import shipped
from workbench.files import cache_folder, key, read_value, write_value
from workbench.report.subject import Subject

if TYPE_CHECKING:
    from workbench.cues import Search
    from workbench.quality import Families, LabelIssues
    from workbench.reliability import HeadStudy, TrainingRecord

STUDIES_IN = "results"
T = TypeVar("T")


def study_paths(name: str) -> tuple[Path, Path]:
    """Where the study of a name is kept: in the cache, where it is written, and in what comes with the package."""
    file = f"{name}.json"
    return cache_folder() / STUDIES_IN / file, shipped(STUDIES_IN) / file


def kept_study(name: str, types: tuple[type, ...], make: Callable[[], T], lasting: bool = True) -> T:
    """A study as it is kept under a name, or made now and kept.

    Args:
        name: As `workbench.files.key` gives it.
        types: As for `workbench.files.read_value`.
        make: Makes it; what this raises stops the work.
        lasting: Whether it may lie in the cache; else it is made anew.
    """
    if not lasting:
        return make()
    for path in study_paths(name):
        past: T | None = read_value(path, *types)
        if past is not None:
            return past
    result = make()
    write_value(study_paths(name)[0], result)
    return result


def labels_of(subject: Subject, families: Families) -> LabelIssues:
    """The suspected labels. Errors as of `label_issues`."""
    from workbench.quality import LabelIssues, frozen_features, label_issues

    def make() -> LabelIssues:
        images = subject.images
        return label_issues(
            images,
            families,
            subject.predictions,
            features=frozen_features(images.items, lambda *at: subject.report("describing images", *at)),
            classifier=subject.classifier,
            on_progress=lambda *at: subject.report("looking for wrong labels", *at),
        )

    facts = {"images": subject.images.key, "families": _family_key(subject)}
    name = key("label issues", **_asked(subject), **facts, features=_network(), predicted=True)
    return kept_study(name, (LabelIssues,), make, subject.lasting)


def heads_of(subject: Subject, record: TrainingRecord | None) -> HeadStudy:
    """What heads make of the images. Errors as of `head_study`."""
    from workbench.quality import frozen_features
    from workbench.reliability import HeadStudy, head_study
    from workbench.stats import Rate

    def make() -> HeadStudy:
        items = subject.images.items
        features = frozen_features(items, lambda *at: subject.report("looking with the ImageNet network", *at))
        report = subject.report
        return head_study(subject.predictions, features, record, on_progress=lambda *at: report("fitting heads", *at))

    facts = {"images": subject.images.key, "families": _family_key(subject), "dealt": False}
    name = key("head study", **_asked(subject), **facts, record=record_words(record), features=_network())
    return kept_study(name, (HeadStudy, Rate), make, subject.lasting)


def shortcuts_of(subject: Subject, folder: Path) -> Search:
    """What the model really goes by, searched among the images that count.

    Args:
        subject: Whose model.
        folder: Where each trial is kept, so that a search that was stopped goes on.
    """
    from workbench.cues import RECORDED, recorded, search, study_of
    from workbench.images import testing_items
    from workbench.predictions import units_by_name

    items, units = testing_items(subject.images, subject.predictions), units_by_name(subject.predictions.frame)

    def make() -> Search:
        sample = study_of(subject.classifier, items, subject.predictions, units=units)
        return recorded(search(sample, lambda *at: subject.report(at[0].lower(), *at[1:]), folder))

    facts = search_facts(subject.images.key, [item.name for item in items], units)
    return kept_study(key("shortcuts", **_asked(subject), **facts), RECORDED, make, subject.lasting)


def search_facts(images: str, names: list[str], units: Mapping[str, int] | None) -> dict[str, object]:
    """What a search for shortcuts depends on beside model and rule, as ingredients of a key.

    Args:
        images: The digest of the set.
        names: The images that count, in the order of the set.
        units: The unit of each image by its name.
    """
    from workbench.cues import PROPOSERS

    numbers = units and np.array([units.get(name, -1) for name in names])
    return {"images": images, "items": names, "units": numbers, "kinds": tuple(PROPOSERS)}


def record_words(record: TrainingRecord | None) -> str:
    """What a record of a training is known by, as an ingredient of a key."""
    return "" if record is None else f"{record.source} {record.key}"


def _asked(subject: Subject) -> dict[str, object]:
    return {"model": subject.classifier.key, "rule": subject.classifier.rule}


def _family_key(subject: Subject) -> str:
    from workbench.quality import store_key

    return store_key(subject.images, subject.told_apart)


def _network() -> str:
    from workbench.quality import backbone_key

    return backbone_key()
