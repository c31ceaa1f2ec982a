"""Will it hold: what was memorised, what the probabilities mean, what disturbs the model, and what changed since."""

from __future__ import annotations
