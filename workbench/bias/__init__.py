"""Is it systematic? What a model gets wrong by class and by group, how sure that is, and whether a gap is more than chance.

It works on tables of predictions alone and needs no torch.
"""

from __future__ import annotations

from workbench.bias.groups import Comparison, compare, fairness
from workbench.bias.rates import ENOUGH, Breakdown, Confusion, breakdown, confusion
from workbench.bias.simpson import Simpson, simpson

__all__ = ["ENOUGH", "Breakdown", "Comparison", "Confusion", "Simpson", "breakdown", "compare", "confusion", "fairness", "simpson"]
