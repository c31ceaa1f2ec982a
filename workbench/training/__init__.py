"""Train what ships and what a user brings: the loop, the three trainings, and the model cards.

Names are imported on first use, so that importing this folder does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.training.loop import Progress, Recipe, fit
    from workbench.training.pretrained import backbone
    from workbench.training.run import FILES, Step

_HOMES = {
    "FILES": "run",
    "Progress": "loop",
    "Recipe": "loop",
    "Step": "run",
    "backbone": "pretrained",
    "fit": "loop",
}

__all__ = ["FILES", "Progress", "Recipe", "Step", "backbone", "fit"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'workbench.training' has no attribute {name!r}")
    return getattr(import_module(f"workbench.training.{_HOMES[name]}"), name)
