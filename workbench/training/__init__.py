"""Train what ships and what a user brings: the loop, the three trainings, and the model cards.

Names are imported on first use, so that importing this folder does not load torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.training.loop import Progress, Recipe, fit
    from workbench.training.model_card import Reason, with_reasons, with_studies
    from workbench.training.pretrained import backbone
    from workbench.training.run import FILES, Step

__getattr__ = handed_on(
    __name__,
    {
        "loop": "Progress Recipe fit",
        "model_card": "Reason with_reasons with_studies",
        "pretrained": "backbone",
        "run": "FILES Step",
    },
)
