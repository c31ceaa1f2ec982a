"""Where a decision came from: one verb, `attribute`, over Captum's methods and a few more.

Captum is Kokhlikyan et al. 2020, "Captum: A unified and generic model interpretability library for PyTorch".
"""

from workbench.attribution.engine import IMPLEMENTATIONS, attribute
from workbench.attribution.job import CHUNK
from workbench.attribution.layers import choose_layer
from workbench.attribution.matrix import suits
from workbench.attribution.result import SCORES, Attribution, Score, ScoreKind

__all__ = ["CHUNK", "IMPLEMENTATIONS", "SCORES", "Attribution", "Score", "ScoreKind", "attribute", "choose_layer", "suits"]
