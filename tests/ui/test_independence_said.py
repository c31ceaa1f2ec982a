"""A hidden group is said wherever intervals stand, and where one is stated nothing is hidden."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from workbench.images import BytesSource, ImageItem, ImageSet
from workbench.predictions import DecisionRule, Predictions
from workbench.quality import FileOrder
from workbench.ui import independence, kin
from workbench.ui.view import View

ORDER = FileOrder(40, 3.0, 20.5, 0.002)


@pytest.mark.parametrize(
    ("columns", "order", "hidden"),
    [
        ({}, ORDER, True),
        ({"family": ["a", "a", "b"]}, ORDER, True),  # families are images of one part, not the lot that order hides
        ({"group": [None, None, None], "family": ["a", "a", "b"]}, ORDER, True),
        ({"group": ["1", "1", "2"]}, ORDER, False),
        ({"group": ["1", "1", "2"], "family": ["a", "a", "b"]}, ORDER, False),
        ({"family": ["a", "a", "b"]}, dataclasses.replace(ORDER, p=0.4), False),
        ({"family": ["a", "a", "b"]}, None, False),
    ],
)
def test_a_group_is_hidden_where_order_shows_one_and_none_is_stated(monkeypatch, columns, order, hidden):
    monkeypatch.setattr(kin, "order_of", lambda images: order)
    names = ["1.png", "2.png", "3.png"]
    images = ImageSet("set", tuple(ImageItem(name, BytesSource(name.encode())) for name in names))
    frame = pd.DataFrame({"name": names, "label": "good", **columns}, dtype=object)
    predictions = Predictions(frame, np.full((3, 2), 0.5), np.zeros((3, 2)), DecisionRule(("good", "bad")), "m")
    assert independence.hides_group(View(None, images, predictions)) is hidden
