"""Know the images: files, families, leaks, labels, coverage and giveaways of a set, before any figure is believed."""

from __future__ import annotations

from workbench.quality.answers import MANIFEST, QUESTIONS, Answers, archive
from workbench.quality.coverage import RANK, WITHIN_REACH, Coverage, coverage, coverage_results
from workbench.quality.family_sizes import family_sizes
from workbench.quality.family_store import (
    families_of_set,
    keep_families,
    known_families,
    look_for_families,
    records_folder,
    store_key,
)
from workbench.quality.family_words import family_results, what_belongs_together
from workbench.quality.fault_kinds import FAULTS, SEVERITIES, FaultKind
from workbench.quality.faults import Faults, fault_proposals, fault_results, faults, faults_of
from workbench.quality.frozen import BACKBONE, backbone_key, frozen_features, known_features
from workbench.quality.giveaways import (
    Giveaway,
    Giveaways,
    Told,
    giveaway_results,
    giveaways,
    sentence_of,
    what_goes_with,
)
from workbench.quality.grading import GRADES
from workbench.quality.grouped_split import GroupedSplit, for_trained, grouped_split, split_proposals
from workbench.quality.head_price import HeadFigures, HeadPrice, head_price
from workbench.quality.label_cost import LabelCost, Working, label_cost, ranked_by_cost
from workbench.quality.label_issues import FEWEST, FOLDED_HEAD, MODEL, NO_LABEL, SOURCES, LabelIssues, label_issues
from workbench.quality.label_words import label_proposals, label_results
from workbench.quality.laid_over import laid_over
from workbench.quality.leak_figures import Cut, Excess
from workbench.quality.leak_words import leak_results, what_follows, what_leaks
from workbench.quality.leaks import COMPARED_SPLITS, SAME_PART, SHARED_GROUP, Leaks, Side, leaks
from workbench.quality.likeness import LIKENESS_BINS
from workbench.quality.measured import looked_up, measure, measures_version
from workbench.quality.name_groups import Proposed
from workbench.quality.one_side import one_side, unsure
from workbench.quality.order import FileOrder, file_order, order_results
from workbench.quality.projection import MOST_EMBEDDED, projection
from workbench.quality.properties import Property
from workbench.quality.proposals import CHANGES, Proposal, home_of, manifest, write_manifest
from workbench.quality.repeats import Repeat, Repeats, Shift, map_agreement, repeat_results, repeats
from workbench.quality.same_part import Families, families, told_apart
from workbench.quality.study import TARGETS, proposed_split, study
from workbench.quality.support import NO_SPLIT, Promise, Support, support, support_results
