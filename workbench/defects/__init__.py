"""From score to decision: operating points, thresholds, a band of doubt, and what one decision rests on."""

from __future__ import annotations

from workbench.defects.decision import HINT, QUEUES, Decision, alternatives, decide, queue, reasons
from workbench.defects.halves import CHOSEN_ON, HALVES, REPORTED_ON, cases_of, deal, of_split
from workbench.defects.localise import FEW, MAP_FIGURES, Localisation, Row, localise
from workbench.defects.operating import FIGURES, Costs, operating_points, point_at, points_of, rates_at
from workbench.defects.review_band import (
    Band,
    Reviewed,
    band,
    expected_range,
    images_needed,
    reach,
    review,
    units_and_worth,
)
from workbench.defects.spots import DEFECT_FILLS, Filled, Spot, fill_spots, spots
from workbench.defects.threshold import Choice, choose
from workbench.defects.worst import Share, concluded, shares_of, worst_shares
from workbench.defects.worth import band_kept, dearer, promised, useless
