"""Agreement studies: do inspectors agree with themselves, one another and the reference, and do maps help them?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.agreement.agreement_tables import Outcomes, answers_csv, outcomes_of, study_zip
    from workbench.agreement.agreement_words import BANDS, KAPPA_BANDS, KAPPA_WORDS, band_of, judged_band
    from workbench.agreement.appraisal import Appraiser, Panel, exact_share, panel
    from workbench.agreement.arms import Contrast, contrasts
    from workbench.agreement.kappas import Kappa, cohen, fleiss
    from workbench.agreement.model_appraiser import REIMAGED, model_decisions
    from workbench.agreement.ratings import MACHINE, PERSON, Ratings, model_ratings, ratings_of, read_ratings
    from workbench.agreement.study_plan import (
        ARM_TITLES,
        LONGEST_INSPECTOR,
        MOST_INSPECTORS,
        MOST_STUDY_PARTS,
        MOST_TRIALS,
        MOST_WASHOUT,
        NO_MAPS,
        WITH_MAPS,
        Look,
        Part,
        StudyPlan,
        draw_parts,
        schedule,
    )
    from workbench.agreement.study_size import kappa_half_width, seen_difference
    from workbench.agreement.study_store import Due, Study, StudyAnswer, create_study, open_study, studies_in

__getattr__ = handed_on(
    __name__,
    {
        "agreement_tables": "Outcomes answers_csv outcomes_of study_zip",
        "agreement_words": "BANDS KAPPA_BANDS KAPPA_WORDS band_of judged_band",
        "appraisal": "Appraiser Panel exact_share panel",
        "arms": "Contrast contrasts",
        "kappas": "Kappa cohen fleiss",
        "model_appraiser": "REIMAGED model_decisions",
        "ratings": "MACHINE PERSON Ratings model_ratings ratings_of read_ratings",
        "study_plan": (
            "ARM_TITLES LONGEST_INSPECTOR Look MOST_INSPECTORS MOST_STUDY_PARTS MOST_TRIALS MOST_WASHOUT Part StudyPlan"
            " WITH_MAPS NO_MAPS draw_parts schedule"
        ),
        "study_size": "kappa_half_width seen_difference",
        "study_store": "Due Study StudyAnswer create_study open_study studies_in",
    },
)
