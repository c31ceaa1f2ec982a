"""Decisions for the tests of the journal, made without any model."""

import hashlib

import numpy as np

from workbench.journal.entries import Draft


def digest(name):
    """A SHA-256 that stands for whatever is called `name`."""
    return hashlib.sha256(name.encode()).hexdigest()


BAND = {"review_from": 0.2, "review_to": 0.98, "coverage": 0.95, "chosen_on": "validation split"}
FITS = {"pass": {"threshold": 0.97}, "review": BAND}
"""What makes a verdict follow from the score of `draft`."""


def draft(**changes):
    """A decision about a cell that the machine rejects and that a person agrees with, but for `changes`.

    A verdict brings a threshold or band that it follows from, and a score and threshold the verdict.
    """
    fields = {
        "user": "Ada",
        "model": digest("model"),
        "model_name": "Solar cells",
        "image": digest("image"),
        "image_name": "cell0001.png",
        "set_name": "elpv",
        "label": "defective",
        "positive": ("defective",),
        "threshold": 0.41,
        "threshold_by": "hand",
        "score": 0.93,
        "map_digest": digest("map"),
        "map_method": "integrated_gradients",
    }
    fields |= FITS.get(changes.get("verdict", ""), {}) | changes
    low, high = (fields.get(end, fields["threshold"]) for end in ("review_from", "review_to"))
    numbers = all(isinstance(value, int | float | np.number) for value in (fields["score"], low, high))
    follows = (
        "pass" if numbers and fields["score"] < low else "review" if numbers and fields["score"] < high else "reject"
    )
    return Draft(**{"verdict": follows} | fields)


def overruled(to="functional", reason="a reflection", **changes):
    """The same, but the person says that it is something else."""
    return draft(overruled=to, reason=reason, **changes)
