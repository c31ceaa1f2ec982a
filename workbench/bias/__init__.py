"""Is it systematic? What a model gets wrong by class and by group, how sure that is, and whether a gap is more than
chance.

It works on tables of predictions alone and needs no torch.
"""

from __future__ import annotations

from workbench.bias.amounts import chance, enough_of, images_of, interval, percent, points
from workbench.bias.attributes import MOST_VALUES, Grouping, grouping
from workbench.bias.conclusions import (
    LEADS,
    Apart,
    Conclusion,
    conclusion_result,
    nested,
    of_classes,
    of_groups,
    of_tie,
    ordered,
)
from workbench.bias.figures import FIGURES
from workbench.bias.groups import Comparison, compare, fairness
from workbench.bias.intervene import MOST_COVERED, Intervention, intervene
from workbench.bias.naming import MEASURES, Shift, measures, name_of, shifts
from workbench.bias.performance import Breakdown, Confusion, breakdown, confusion
from workbench.bias.places import BACKGROUND, REGIONS, Region
from workbench.bias.simpson import Simpson, simpson
from workbench.bias.slices import Slice, Slices, slices
from workbench.bias.source import Tie, tied_to_label
from workbench.bias.where import LOOKED_AT, Maps, differences, focus, maps_of, mean_maps
