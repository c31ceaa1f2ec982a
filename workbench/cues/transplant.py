"""The proof: what putting a cue on images, and taking it away, does to their decisions, against matched decoys."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.cues.cue import Cue, Inside
from workbench.cues.cue_sample import Study
from workbench.errors import InputError
from workbench.images import Pixels, alike
from workbench.stats import FEW_UNITS, Rate, mean_of, share, sign_flips

if TYPE_CHECKING:
    import pandas as pd

EDITS = 3
"""How many times each image is edited with the cue, and as many times with its decoy."""
FLIPS = 9999
TRIED = ("name", "label", "called", "turned", "decoy", "to", "decoy to", "unit", "masked")
"""The columns of what was tried."""
LEAST_TRIED = 10
"""Fewer images that can be edited so support no verdict."""
Way = Callable[[Pixels, np.random.Generator, bool], Pixels | None]


@dataclasses.dataclass(frozen=True, eq=False)
class Turned:
    """What one way of editing does to M images.

    Attributes:
        frame: One row an image: name, label, called (before), turned (in which share of the draws the cue turned the
            decision: to the cue's class where it was put on, away from it where it was taken), decoy (the same for the
            decoy), to (what it is called then, in most of the draws), decoy to, unit, masked (whether a mask showed
            where its defect is, which was left as it was).
        flips: The share of decisions turned, a mean over images with its interval, by unit.
        decoys: The same for the decoys.
        effect: The mean of the differences.
        p: The chance of so large a difference were cue and decoy exchanged at random in each unit (Fisher's sign
            flips); 1 where the cue turns no more than the decoy.
    """

    frame: pd.DataFrame
    flips: Rate
    decoys: Rate
    effect: Rate
    p: float

    @property
    def enough(self) -> bool:
        """Whether enough images and units could be edited to say anything."""
        return len(self.frame) >= LEAST_TRIED and self.frame["unit"].nunique() >= FEW_UNITS


@dataclasses.dataclass(frozen=True, eq=False)
class Transplant:
    """Both proofs of one cue.

    Attributes:
        cue: Which.
        put: What putting it on images that are called otherwise does; None where none could be edited.
        taken: What taking it from images that are called its class does; None likewise.
        before: An image (H, W, C) as it is, the clearest that turned and, where the cue was put on, did not show it
            already, else the first; None where none was edited.
        after: The same with the cue put on, or taken away where `put` is None.
        suppressed: What suppressing it within the model does to images that are called its class, the decoy others of
            the same energy; None for a cue that is not `inside`.
    """

    cue: Cue
    put: Turned | None
    taken: Turned | None
    before: Pixels | None = None
    after: Pixels | None = None
    suppressed: Turned | None = None


def transplant(study: Study, cue: Cue, on_progress: Callable[[int, int], None] | None = None) -> Transplant:
    """Put a cue on confirmed images that are called otherwise, and take it from those that are called its class.

    What a mask shows to be a defect is left as it is in either, so that neither hides nor brings one. Light falls on
    all alike, for an unlit spot in a lit image would be a new defect; but where it is put on for the good class the
    defect stays unlit, so that it is not hidden.

    Args:
        study: The sample; the explored half is not touched.
        cue: What to try.
        on_progress: Called with (done, total) images; what it raises stops the work.
    """
    hosts, carriers = study.confirmed(cue.target, others=True), study.confirmed(cue.target)
    total = len(hosts) + len(carriers)
    rng = np.random.default_rng([study.seed, *f"{cue.kind} {cue.name} {cue.target}".encode()])

    def report(done: int) -> None:
        if on_progress:
            on_progress(done, total)

    put, shown = _tried(study, cue, hosts, rng, to=True, report=report)
    taken, other = _tried(study, cue, carriers, rng, to=False, report=lambda done: report(len(hosts) + done))
    before, after = shown or other or (None, None)
    suppressed = None if cue.inside is None else _suppressed(study, cue, cue.inside, carriers, rng)
    return Transplant(cue, put, taken, before, after, suppressed)


def _suppressed(study: Study, cue: Cue, inside: Inside, places: list[int], rng: np.random.Generator) -> Turned | None:
    column, lines = study.classifier.index(cue.target), []
    for place in places:
        item = study.items[place]
        try:
            image, mask = study.decoded(item)
            called = inside.suppressed(image, rng)
        except InputError:
            continue
        names = (study.classifier.class_names[i] for i in (study.called[place], called[0], _most(called[1:])))
        turned = called != column
        shares = float(turned[0]), float(turned[1:].mean())
        before, to, decoy_to = names
        unit, masked = int(study.units[place]), mask is not None
        lines.append((item.name, item.label, before, *shares, to, decoy_to, unit, masked))
    return _result(lines, rng)


def _tried(
    study: Study,
    cue: Cue,
    places: list[int],
    rng: np.random.Generator,
    *,
    to: bool,
    report: Callable[[int], None],
) -> tuple[Turned | None, tuple[Pixels, Pixels] | None]:
    column, lines = study.classifier.index(cue.target), []
    best, shown = (False, -2.0), None
    for done, place in enumerate(places):
        report(done)
        item = study.items[place]
        try:
            image, mask = study.decoded(item)
            spares = spared(mask) if cue.spares or (to and cue.target == study.good) else None
            variants = list(_variants(cue, image, spares, rng, to))
            if len(variants) < 2 * EDITS:
                continue
            decided = study.classifier.rule.decide(_asked(study, variants))[0]
        except InputError:
            continue
        turned = (decided == column) if to else (decided != column)
        own, decoy = float(turned[:EDITS].mean()), float(turned[EDITS:].mean())
        called, to_own, to_decoy = (
            study.classifier.class_names[column]
            for column in (study.called[place], _most(decided[:EDITS]), _most(decided[EDITS:]))
        )
        unit, masked = int(study.units[place]), mask is not None
        lines.append((item.name, item.label, called, own, decoy, to_own, to_decoy, unit, masked))
        clear = (own > decoy and not (to and cue.exchange.carries(image)), own - decoy)
        if clear > best:
            best, shown = clear, (image, variants[int(turned[:EDITS].argmax())])
    return _result(lines, rng), shown


def _asked(study: Study, variants: Sequence[Pixels]) -> NDArray[np.float64]:
    """(n, K) what the model says of n images, of which those that are the same are asked once."""
    from workbench.models import ask

    rows: dict[bytes, int] = {}
    number = [rows.setdefault(variant.tobytes(), len(rows)) for variant in variants]
    first = [number.index(row) for row in range(len(rows))]
    return np.asarray(ask(study.classifier, [variants[i] for i in first])[number])


def _most(decided: NDArray[np.intp]) -> int:
    """The class that most of some draws are called."""
    return int(np.bincount(decided).argmax())


def _variants(
    cue: Cue, image: Pixels, spares: NDArray[np.float32] | None, rng: np.random.Generator, to: bool
) -> Iterator[Pixels]:
    """The image edited `EDITS` times with the cue, and as often with its decoy; fewer where it cannot be."""
    way = cue.exchange.put if to else cue.exchange.take
    for decoy in (False, True):
        for _ in range(EDITS):
            edited = way(image, rng, decoy=decoy)
            if edited is None:
                return
            yield sparing(image, edited, spares)


def spared(mask: NDArray[np.bool_] | None) -> NDArray[np.float32] | None:
    """(H, W, 1) how much of an image stays as it was: all of what a mask (H, W) shows, its edge feathered; None where
    nothing does."""
    from scipy.ndimage import binary_dilation, gaussian_filter

    if mask is None or not mask.any():
        return None
    width = max(max(mask.shape) // 64, 1)
    near = binary_dilation(mask, iterations=2 * width).astype(np.float32)
    return np.maximum(gaussian_filter(near, width), binary_dilation(mask, iterations=width))[..., None]


def sparing(image: Pixels, edited: Pixels, spares: NDArray[np.float32] | None) -> Pixels:
    """An edit of an image (H, W, C) but for what it `spares`; all of the edit where it has another size."""
    if spares is None or edited.shape != image.shape:
        return edited
    return alike(spares * image + (1 - spares) * edited, image)


def _result(lines: Sequence[tuple[object, ...]], rng: np.random.Generator) -> Turned | None:
    import pandas as pd

    if not lines:
        return None
    frame = pd.DataFrame(lines, columns=list(TRIED))
    units = frame["unit"].to_numpy(np.intp)
    own, decoy = frame["turned"].to_numpy(np.float64), frame["decoy"].to_numpy(np.float64)
    effect = mean_of(own - decoy, units=units)
    p = sign_flips(own - decoy, FLIPS, rng, units) if (effect.value or 0) > 0 else 1.0
    # As often as not in its draws: one decision an image, so that draws are not counted as cases
    return Turned(frame, share(own >= 0.5, units), share(decoy >= 0.5, units), effect, p)
