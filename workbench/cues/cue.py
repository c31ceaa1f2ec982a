"""A cue: something that a class may be decided by, and how to put it on an image or take it away."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.images import Pixels

Kind = Literal["place", "mark", "background", "property", "concept"]
CUE_KINDS: dict[Kind, str] = {
    "place": "a fixed place",
    "mark": "a mark that may lie anywhere",
    "background": "what surrounds the part",
    "property": "a property of the whole image",
    "concept": "a concept of the last feature layer",
}
"""What a cue can be, in words."""


class Exchange(Protocol):
    """How a cue is given and taken. An image is (H, W, C), as `Classifier.levels` gives it, and is never written to.

    A decoy is the matched control: it changes as much of the image, as strongly, by other content. None means that this
    image cannot be edited so.
    """

    def put(self, host: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """An image without the cue, with it."""

    def take(self, carrier: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """An image with the cue, without it."""

    def carries(self, image: Pixels) -> bool:
        """Whether an image shows the cue."""


class Inside(Protocol):
    """A cue that can also be suppressed within the model."""

    def suppressed(self, image: Pixels, rng: np.random.Generator) -> NDArray[np.intp]:
        """(1 + D,) the class that an image is called without the cue in the layer, then without D times as much of
        others."""


@dataclasses.dataclass(frozen=True, eq=False)
class Cue:
    """Something that a class may be decided by.

    Attributes:
        kind: What sort of thing it is.
        name: What and where, as the screen says it after "goes by": "the bottom right corner", "blur".
        target: The class that it is to lead to.
        exchange: How it is put on images and taken from them.
        carriers: Names of images that show it, the clearest first: of those that were explored.
        crop: (h, w, C) what it looks like; None where it is no place.
        box: (top, left, bottom, right) as shares of height and width where it always lies there; None elsewhere.
        level: How strong it is in images called `target`, and in the others, in `unit`; None where nothing is measured.
        unit: Of the level, as in "quality of JPEG"; empty without one.
        spares: Whether the proof leaves what a mask shows as it was; False for light that falls on all alike.
        adds: Whether putting it on adds detail all over an image, which may hide a defect or look like one; False where
            taking it away does; None where neither does.
        inside: How it is suppressed within the model; None for what lies in the image alone.
    """

    kind: Kind
    name: str
    target: str
    exchange: Exchange
    carriers: tuple[str, ...] = ()
    crop: Pixels | None = None
    box: tuple[float, float, float, float] | None = None
    level: tuple[float, float] | None = None
    unit: str = ""
    spares: bool = True
    adds: bool | None = None
    inside: Inside | None = None
