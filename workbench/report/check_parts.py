"""What each check rests on, computed by the libraries of its page: results by the name of the check, and tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.catalog import load_catalog
from workbench.files import CheckResult
from workbench.report.subject import Subject

if TYPE_CHECKING:
    import pandas as pd

    Computed = tuple[dict[str, tuple[CheckResult, ...]], dict[str, pd.DataFrame]]
TRIALS_IN = "trials"
"""The folder of what a search for shortcuts has tried so far."""


def of_set(subject: Subject) -> Computed:
    """Leaks, label issues and support."""
    from workbench.errors import InputError
    from workbench.predictions import reordered
    from workbench.quality import Answers, leaks, look_for_families, support
    from workbench.report.studies_kept import labels_of

    images, predictions = subject.images, subject.predictions
    families = look_for_families(
        images, subject.told_apart, subject.families_in, lambda *at: subject.report("comparing images", *at)
    )
    answers = Answers(
        leaks=leaks(images, families, predictions),
        reordered=reordered(predictions),
        support=support(predictions.frame),
    )
    try:
        answers = dataclasses.replace(answers, labels=labels_of(subject, families))
    except InputError as error:
        answers = dataclasses.replace(answers, labels=str(error))
    return {name: answers.by_question[name] for name in ("leaks", "labels", "support")}, answers.tables


def worst_group(subject: Subject) -> Computed:
    """For whom it is worse, of the images that count."""
    import numpy as np

    from workbench.bias import (
        breakdown,
        compare,
        conclusion_result,
        grouping,
        nested,
        of_classes,
        of_groups,
        of_tie,
        tied_to_label,
    )
    from workbench.predictions import is_tested

    predictions = subject.predictions
    tested = is_tested(predictions)
    rows = (predictions.frame["split"] == "test").to_numpy(bool) if tested else np.ones(len(predictions), bool)
    if not (rows & predictions.frame["verdict"].notna().to_numpy(bool)).any():
        why = "No image that counts has a label that the model knows: nobody can be found to fare worse."
        return {"worst group": (CheckResult("gap: class", "unknown", why),)}, {}
    ties = tied_to_label(predictions, rows)
    groups = grouping(predictions)
    classes = breakdown(groups.predictions, "label", rows=rows)
    lines, tables = [of_classes(classes)], {"classes": classes.frame}
    if names := [name for name in groups.names if name not in ties]:
        comparison = compare(groups.predictions, *names, rows=rows)
        within = nested(groups.predictions, rows, names)
        lines += [of_groups(comparison, by, by in within) for by in dict.fromkeys(comparison.frame["by"])]
        tables["groups"] = comparison.frame
    lines += [of_tie(name, tie) for name, tie in ties.items() if name in groups.names]
    return {"worst group": tuple(map(conclusion_result, lines))}, tables


def shortcut(subject: Subject) -> Computed:
    """What the model really goes by, searched among the images that count."""
    from workbench.cues import costs_table, cue_results, trials_table, tried_table
    from workbench.report.studies_kept import shortcuts_of

    result = shortcuts_of(subject, subject.out / TRIALS_IN)
    tables = {"cues": tried_table(result), "images": trials_table(result), "costs": costs_table(result)}
    return {"shortcut": tuple(cue_results(result))}, tables


def fit(subject: Subject) -> Computed:
    """Whether it has memorised or is too simple."""
    from workbench.reliability import fit_of, fit_results, fit_tables, read_record
    from workbench.report.studies_kept import heads_of

    record = read_record(model_folder(subject.model))
    result = fit_of(subject.predictions, record)
    study = None
    if result.known in ("recorded", "stated") and not result.reason:
        study = heads_of(subject, record)
    return {"fit": tuple(fit_results(result, study, record))}, fit_tables(result, study, record)


def calibration(subject: Subject) -> Computed:
    """Whether its probabilities mean what they say."""
    from workbench.predictions import known_defects
    from workbench.reliability import calibration_of, calibration_results, calibration_tables

    result = calibration_of(subject.predictions, known_defects(subject.predictions), scored=subject.classifier.scored)
    return {"calibration": tuple(calibration_results(result))}, calibration_tables(result)


def corruption(subject: Subject) -> Computed:
    """What disturbs it."""
    from workbench.images import OF_LINE, kinds_of
    from workbench.reliability import corrupted, corruption_results, corruption_tables, kept_folder, limit_results

    study = corrupted(
        subject.classifier,
        subject.images,
        subject.predictions,
        kinds_of(OF_LINE),
        folder=kept_folder() if subject.lasting else None,
        on_progress=lambda *at: subject.report("asking about corrupted images", *at),
    )
    results = (*corruption_results(study), *limit_results(study, subject.classifier.limits))
    return {"corruption": results}, corruption_tables(study)


def maps(subject: Subject) -> Computed:
    """Whether the maps can be believed."""
    from workbench.report.maps_kept import ratings_folder
    from workbench.report.maps_sampled import map_results, map_study

    study = map_study(
        subject.classifier,
        subject.images,
        subject.predictions,
        on_progress=lambda *at: subject.report("checking maps", *at),
        folder=ratings_folder() if subject.lasting else None,
    )
    return {"maps": tuple(map_results(study))}, {"maps": study.frame}


def recorded(subject: Subject) -> Computed:
    """Drift, provenance and overruled decisions: what files and the journal of this machine tell."""
    from workbench.journal import Journal, journal_path
    from workbench.report.recorded import (
        NO_DRIFT,
        Provenance,
        answers_before,
        overruled_results,
        provenance_results,
        record_beside,
    )

    path = journal_path()
    entries = Journal(path, create=False).entries() if path.is_file() else None
    own = None if entries is None else [entry for entry in entries if entry.model == subject.classifier.key]
    folder, frame = model_folder(subject.model), subject.predictions.frame
    known = Provenance(
        subject.classifier.key,
        model_title(subject.model),
        subject.images.name,
        {item.name: item.readable_id for item in subject.images},
        dict(zip(frame["name"], frame["split"], strict=True)),
        answers_before(folder),
        record_beside(folder),
        entries,
    )
    results = {
        "drift": (NO_DRIFT,),
        "provenance": tuple(provenance_results(known)),
        "overruled": tuple(overruled_results(own, subject.predictions)),
    }
    return results, {}


def model_title(model: str) -> str:
    """What a model is called on the screen."""
    entry = load_catalog().models.get(model)
    return model if entry is None else entry.title


def model_folder(model: str) -> Path | None:
    """The folder of a model, where its name stands for one."""
    entry = load_catalog().models.get(model)
    path = Path(model if entry is None else entry.ref)
    return path if path.is_dir() else None


CHECK_PARTS: Mapping[str, Callable[[Subject], Computed]] = {
    "set": of_set,
    "worst group": worst_group,
    "fit": fit,
    "calibration": calibration,
    "recorded": recorded,
    "maps": maps,
    "corruption": corruption,
    "shortcut": shortcut,
}
"""All of them, in the order that they are computed in, by a word for each."""
PART_CHECKS: Mapping[str, tuple[str, ...]] = {
    "set": ("leaks", "labels", "support"),
    "recorded": ("drift", "provenance", "overruled"),
}
"""The checks of a part that has another name than its one check."""
