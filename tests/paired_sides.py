"""Two models that say what they are told to: sides of a gate by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from workbench.images import BytesSource, ImageItem
from workbench.predictions import DecisionRule, tabulate
from workbench.report import GateSide
from workbench.report.gate_pairing import pairing

NAMES = ("good", "defective")


def parts(labels, **attributes):
    """Images by the column of their label, None for no label; an attribute is a list with a value each."""
    return tuple(
        ImageItem(
            f"part{number}",
            BytesSource(str(number).encode()),
            None if label is None else NAMES[label],
            None,
            "test",
            {name: values[number] for name, values in attributes.items()},
        )
        for number, label in enumerate(labels)
    )


def side(items, calls, *, sure=0.9, names=NAMES, unread=(), key="a", threshold=0.5, positive="defective", scored=False):
    """A model that calls each of the items the class of that column of `NAMES`, with that probability."""
    rule = DecisionRule(names, positive if positive in names else None, threshold if positive in names else None)
    defect = np.where(np.asarray(calls) == 1, sure, 1 - np.asarray(sure)).astype(np.float32)
    columns = {"good": 1 - defect, "defective": defect}
    probabilities = np.stack([columns.get(name, defect) for name in names], 1)
    probabilities[list(unread)] = np.nan
    errors = dict.fromkeys(unread, "It cannot be read.")
    predictions = tabulate(items, np.log(probabilities), probabilities, errors, rule, key)
    return GateSide(
        f"model {key}", SimpleNamespace(key=key, rule=rule, class_names=names, notes=(), scored=scored), predictions
    )


def pair_of(items, old, new, *, old_key="a", new_key="b", **settings):
    """Both on the same items, each given as the columns that it calls them."""
    return pairing(side(items, old, key=old_key), side(items, new, key=new_key, **settings), items)
