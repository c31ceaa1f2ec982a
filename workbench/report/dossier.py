"""Everything that is known of a model and a set, computed where it is missing: what commands and reports rest on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from workbench.catalog import Criteria, load_catalog
from workbench.errors import InputError
from workbench.files import CheckResult
from workbench.reliability import FIT_CHECKS
from workbench.report.accepting import CriteriaSet, accepted, criteria_set
from workbench.report.check_parts import CHECK_PARTS, PART_CHECKS
from workbench.report.checks import Acceptance, Verdict, judge
from workbench.report.subject import Subject

if TYPE_CHECKING:
    import pandas as pd

    from workbench.journal import RulingEntry
    from workbench.predictions import Fitness

NOT_OF_THE_VERDICT = FIT_CHECKS[2]
"""Whether more images would help is no question of the verdict."""


@dataclasses.dataclass(frozen=True, eq=False)
class Dossier:
    """What is known of a subject.

    Attributes:
        subject: What it is about.
        results: By the name of the check, as in `CHECKS`.
        tables: What lies behind them, by a name that suits a file.
        verdict: What they come to.
        since: Since when the criteria are recorded.
    """

    subject: Subject
    results: Mapping[str, tuple[CheckResult, ...]]
    tables: Mapping[str, pd.DataFrame]
    verdict: Verdict
    since: CriteriaSet


def compiled(
    subject: Subject, criteria: Criteria | None = None, acceptances: Mapping[str, Acceptance] | None = None
) -> Dossier:
    """All twelve checks, each computed where it is missing. It can be stopped, and goes on where it was when it is
    called again. A check whose files cannot be read is not known, for that reason, and does not end the others.

    Args:
        subject: What to ask about.
        criteria: What figures are held against; those of `workbench.toml` where missing.
        acceptances: What people accept, by the name of the check; what the journal of this machine holds where missing.

    Raises:
        InputError: `workbench.toml` or the journal cannot be read.
    """
    results: dict[str, tuple[CheckResult, ...]] = {}
    tables: dict[str, pd.DataFrame] = {}
    for word, part in CHECK_PARTS.items():
        try:
            more, behind = part(subject)
        except InputError as error:
            more, behind = (
                {name: (CheckResult(name, "unknown", str(error)),) for name in PART_CHECKS.get(word, (word,))},
                {},
            )
        results |= {name: tuple(each for each in own if each.check != NOT_OF_THE_VERDICT) for name, own in more.items()}
        tables |= behind
    if criteria is None:
        criteria = load_catalog().criteria
    rulings = rulings_here()
    if acceptances is None:
        acceptances = accepted(rulings, results, criteria, subject.classifier.key, subject.images.name)
    since = criteria_set(rulings, criteria, subject.images.name, asked_at(subject))
    return Dossier(subject, results, tables, judge(results, criteria, acceptances, limits=kept_limits(subject)), since)


def rulings_here() -> tuple[RulingEntry, ...]:
    """What people ruled in the journal of this machine; none where there is no journal. Errors as `Journal`."""
    from workbench.journal import Journal, journal_path

    path = journal_path()
    return Journal(path, create=False).rulings() if path.is_file() else ()


def asked_at(subject: Subject) -> str | None:
    """When the model was asked about these images, ISO 8601; None where that is not noted."""
    created = subject.answers.facts.get("created")
    return created if isinstance(created, str) else None


def kept_limits(subject: Subject) -> Fitness:
    """Whether the model keeps the limits of its description, as the Overview says it."""
    import numpy as np

    from workbench.predictions import Cases, fitness, inspection, is_tested, judgeable, known_defects
    from workbench.stats import complement

    predictions = subject.predictions
    tested = is_tested(predictions)
    rows = (predictions.frame["split"] == "test").to_numpy(bool) if tested else np.ones(len(predictions), bool)
    cases = Cases(predictions, judgeable(predictions, rows), known_defects(predictions))
    figures = inspection(cases)
    rates = {"errors": complement(figures["accuracy"])}
    if cases.positive:
        rates = {"escapes": figures["escape rate"], "overkill": figures["overkill rate"]}
    return fitness(rates, subject.classifier.limits, held_out=tested, hidden=_hides_group(subject))


def _hides_group(subject: Subject) -> bool:
    """Whether images are taken as independent although the order of the files hides a group."""
    from workbench.predictions import GROUP, independence_of
    from workbench.quality import file_order

    if GROUP in independence_of(subject.predictions.frame).by:
        return False
    items = subject.images.items
    return file_order(items, on_progress=lambda *at: subject.report("comparing neighbours", *at)).hides
