"""Where a decision came from: one verb, `attribute`, over Captum's methods and a few more.

Captum is Kokhlikyan et al. 2020, "Captum: A unified and generic model interpretability library for PyTorch".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.attribution.engine import IMPLEMENTATIONS, attribute
    from workbench.attribution.facts import layer_facts
    from workbench.attribution.job import CHUNK
    from workbench.attribution.layers import choose_layer
    from workbench.attribution.matrix import suits
    from workbench.attribution.methods import METHODS, UNBELIEVABLE, Method
    from workbench.attribution.record import manifest, npz
    from workbench.attribution.result import Attribution, Score, ScoreKind
    from workbench.attribution.superpixels import segmented

__getattr__ = handed_on(
    __name__,
    {
        "engine": "IMPLEMENTATIONS attribute",
        "facts": "layer_facts",
        "job": "CHUNK",
        "layers": "choose_layer",
        "matrix": "suits",
        "methods": "METHODS UNBELIEVABLE Method",
        "record": "manifest npz",
        "result": "Attribution Score ScoreKind",
        "superpixels": "segmented",
    },
)
