"""From score to decision: operating points, thresholds, a band of doubt, and what one decision rests on."""

from workbench.cases import Cases, all_scores
from workbench.defects.choice import WAYS, Choice, choose
from workbench.defects.decision import QUEUES, Decision, decide, queue
from workbench.defects.doubt import Band, Reviewed, band, expected, needed, reach, review
from workbench.defects.halves import CHOSEN_ON, HALVES, REPORTED_ON, cases_of, deal, defect_classes, of_split
from workbench.defects.points import FIGURES, Costs, operating_points, point_at, points_of
from workbench.defects.regions import DEFECT_FILLS, Filled, Spot, fill_spots, spots

__all__ = [
    "CHOSEN_ON",
    "DEFECT_FILLS",
    "FIGURES",
    "HALVES",
    "QUEUES",
    "REPORTED_ON",
    "WAYS",
    "Band",
    "Cases",
    "Choice",
    "Costs",
    "Decision",
    "Filled",
    "Reviewed",
    "Spot",
    "all_scores",
    "band",
    "cases_of",
    "choose",
    "deal",
    "decide",
    "defect_classes",
    "expected",
    "fill_spots",
    "needed",
    "of_split",
    "operating_points",
    "point_at",
    "points_of",
    "queue",
    "reach",
    "review",
    "spots",
]
