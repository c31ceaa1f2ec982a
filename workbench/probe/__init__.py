"""What would change the decision: edits, sweeps, smallest regions, attacks, training images, concepts, comparisons."""

from __future__ import annotations

from workbench.probe import outcomes
from workbench.probe.attacks import ATTACKS, UNITS, Attacked, Least, least_epsilon, random_flips, shift
from workbench.probe.concepts import Concepts, tcav
from workbench.probe.counterfactuals import Counterfactual, counterfactual
from workbench.probe.directions import NEEDED
from workbench.probe.edits import CORRUPT, CROP, EDIT_FILLS, MOST_EDITS, Edit, Edited, apply, further, read
from workbench.probe.influence import Behind, behind
from workbench.probe.margins import Covered, covered
from workbench.probe.minimal import CUT_EDGE, Minimal, smallest
from workbench.probe.outcomes import Outcome
from workbench.probe.outlines import Outline, dragged, outlines
from workbench.probe.robustness import TESTED, Robustness, robustness
from workbench.probe.sliders import SLIDERS
from workbench.probe.sweep import ALL_BY, Sweep, SweptSet, sweep, sweep_set
from workbench.probe.versus import Moved, Versus, compare_models, maps_moved
