"""A search for shortcuts that tries one cue alone, the planted one of the models on stamped metal: seconds, not
minutes."""

import pytest

from workbench.cues import cue_search, exchanged

CORNER = "the bottom right corner"


def corner_of_scratches(study, target):
    """The corner where scratched parts carried a stamp."""
    return [cue for cue in exchanged.places(study, target) if target == "scratch" and cue.name == CORNER]


@pytest.fixture
def one_cue(monkeypatch):
    """Nothing else is proposed."""
    monkeypatch.setattr(cue_search, "PROPOSERS", {"place": corner_of_scratches})
