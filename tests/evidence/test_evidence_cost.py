"""What the thorough check costs beside the quick one is what the page and the docstring say."""

from __future__ import annotations

import pytest

import workbench as wb
from workbench.images.item import image_from_file
from workbench.ui import terms

SAID = "three to five times"


class PlannedError(Exception):
    """Ends a check once it has told how many evaluations it takes."""


def evaluations(classifier, item, attribution, budget):
    def planned(done, total):
        raise PlannedError(total)

    with pytest.raises(PlannedError) as caught:
        wb.assess(classifier, item, attribution, budget=budget, on_progress=planned)
    return caught.value.args[0]


@pytest.mark.parametrize("method", ["saliency", "grad_cam", "occlusion"])
def test_a_thorough_check_takes_three_to_five_times_as_many_evaluations(tiny_net, write_image, method) -> None:
    classifier = wb.load_classifier(tiny_net(), size=(32, 32))
    item = image_from_file(write_image("a.png", size=(32, 32)))
    found = wb.attribute(classifier, item, method=method)
    ratio = evaluations(classifier, item, found, "full") / evaluations(classifier, item, found, "quick")
    assert 2.5 <= ratio < 5.5
    assert f"**Thorough** takes {SAID} as long" in terms.text("evidence")
    assert f"at {SAID} the cost" in str(wb.assess.__doc__)
