"""What a model says about a set of images: the table, the cases that count, and the headline figures."""

from __future__ import annotations

from workbench.predictions.cases import (
    MOST_GROUPS,
    By,
    Cases,
    Groups,
    all_scores,
    by_of,
    cases_of,
    defect_classes,
    factorise,
    groupable,
    groups_of,
    has_defects,
    is_tested,
    judgeable,
    known_defects,
    mistakes,
    name_list,
)
from workbench.predictions.decisions_drawn import drawn_decisions, explained_by_default
from workbench.predictions.fitness import NO_LIMITS, Fitness, Limits, Promise, fitness, promise
from workbench.predictions.headline import best_threshold, headline, inspection
from workbench.predictions.independence import (
    FAMILY,
    GROUP,
    Independence,
    independence_of,
    named_units,
    spread_over,
    units_among,
    units_by_name,
    units_of,
    units_of_items,
    with_families,
)
from workbench.predictions.labels import good_class, labels_of
from workbench.predictions.reordered import Reordered, reordered
from workbench.predictions.rule_temperature import at_temperature, moved
from workbench.predictions.several import cooccurrence, one_against_rest
from workbench.predictions.table import (
    NUMBERS,
    UNSURE,
    DecisionRule,
    Predictions,
    as_scores,
    attributes_of,
    between,
    column_of,
    concatenate,
    near,
    reaches,
    tabulate,
)
from workbench.predictions.unmatched import Unmatched, unmatched
from workbench.predictions.verdicts import Verdict, percent, verdict_of
