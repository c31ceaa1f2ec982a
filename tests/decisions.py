"""Decisions for the tests of the journal, made without any model."""

import hashlib

from workbench.journal import Draft


def digest(name):
    """A SHA-256 that stands for whatever is called `name`."""
    return hashlib.sha256(name.encode()).hexdigest()


def draft(**changes):
    """A decision about a cell that the machine rejects and that a person agrees with, but for `changes`."""
    return Draft(
        **{
            "user": "Ada",
            "model": digest("model"),
            "model_name": "Solar cells",
            "image": digest("image"),
            "image_name": "cell0001.png",
            "set_name": "elpv",
            "label": "defective",
            "positive": ("defective",),
            "threshold": 0.41,
            "score": 0.93,
            "verdict": "reject",
            "map_digest": digest("map"),
            "map_method": "integrated_gradients",
        }
        | changes
    )


def overruled(to="functional", reason="a reflection", **changes):
    """The same, but the person says that it is something else."""
    return draft(overruled=to, reason=reason, **changes)
