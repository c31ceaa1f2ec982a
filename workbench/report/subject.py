"""What is asked about: a model, a set, and what the one says of the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.audit import Audit
    from workbench.images import ImageSet
    from workbench.models import Classifier
    from workbench.predictions import Predictions

Report = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """What is asked about.

    Attributes:
        model: Its name, as for `run`.
        classifier: The model.
        images: The set.
        answers: What the model says of each image, with its embeddings.
        predictions: The table of it, with the images' families where they are known.
        out: The folder to write to, where a part may keep what it has computed so far.
        report: Is told what is done, how far that is, and of how much.
        lasting: Whether studies may lie in the cache: not those of what a visitor uploaded.
        families_in: Where families lie that were found; None for the cache.
        apart: Pairs of digests of images that a person has said are not the same; None for those that the journal of
            this machine holds.
    """

    model: str
    classifier: Classifier
    images: ImageSet
    answers: Audit
    predictions: Predictions
    out: Path
    report: Report
    lasting: bool = True
    families_in: Path | None = None
    apart: tuple[tuple[str, str], ...] | None = None

    @property
    def told_apart(self) -> tuple[tuple[str, str], ...]:
        """The pairs of digests that count. Errors as `told_apart_here`."""
        from workbench.journal import told_apart_here

        return told_apart_here(self.images) if self.apart is None else self.apart
