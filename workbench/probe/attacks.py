"""How little noise flips a decision: attacks on one image, in the 8-bit pixels that the model is fed.

FGSM and PGD are Captum's, a dependency already; the black-box attack is our own, after Andriushchenko et al. 2020,
"Square Attack", for Captum has none, Foolbox (last release March 2024) has none that scores and brings four packages
with GitPython among them, and torchattacks pins a `requests` that Streamlit excludes. ART (July 2025) has one, but it
takes 6 s to import, writes into the home folder when imported, asks the model three times a step, and draws from
NumPy's process-wide numbers, so that no seed holds in a shared app.

What these attacks do not find may still be there: they give an upper bound on robustness, and a weaker one than
AutoAttack (Croce and Hein 2020), which runs four attacks with more steps and restarts.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import Raster
from workbench.probe.search import Decide, Levels, Norm, Progress, Search, climb, squares
from workbench.stats import Rate, spearman, wilson

if TYPE_CHECKING:
    from workbench.models import Askable, Classifier

UNITS: Mapping[Norm, float] = {"linf": 1.0, "l2": 1 / 16}
"""Steps in which the least epsilon is looked for: one level of 255, and a sixteenth of the L2 norm over 0 .. 1."""
LARGEST_EPSILON: Mapping[Norm, float] = {"linf": 32.0, "l2": 16.0}
"""The largest epsilon that is looked at for the least one."""
TOP = 0.1
"""The share of a map that counts as its top."""


@dataclasses.dataclass(frozen=True)
class Method:
    """An attack.

    Attributes:
        title: How it is called on the screen.
        norm: What epsilon bounds: "linf" the change of any pixel, in levels of 255; "l2" the norm of all changes, over
            0 .. 1.
        steps: How many it takes where nobody says.
        white: Whether it follows the model's gradient; else it only asks for scores.
        about: Where it comes from.
    """

    title: str
    norm: Norm
    steps: int
    white: bool
    about: str


ATTACKS: Mapping[str, Method] = {
    "fgsm": Method("FGSM", "linf", 1, True, "Goodfellow et al. 2015, one step along the gradient's sign"),
    "pgd": Method("PGD", "linf", 20, True, "Madry et al. 2018, many small steps, each brought back within epsilon"),
    "fgsm_l2": Method("FGSM (L2)", "l2", 1, True, "Goodfellow et al. 2015, one step along the gradient"),
    "pgd_l2": Method(
        "PGD (L2)", "l2", 20, True, "Madry et al. 2018, many small steps, each brought back within epsilon"
    ),
    "square": Method(
        "Square attack", "linf", 300, False, "Andriushchenko et al. 2020, random squares that are kept where they help"
    ),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Attacked:
    """An image before and after an attack.

    Attributes:
        clean: What the model was fed, before normalisation, (H, W, 3); grey for a model of one channel.
        attacked: The same, attacked: 8-bit pixels within `epsilon` of `clean`. Where nothing flipped, what came nearest
            to it.
        flipped: Whether the model, asked again about the rounded image, decides otherwise.
        before: Probabilities for `clean`, (K,).
        after: Probabilities for `attacked`, (K,).
        was: What was decided: the number of a class, or what the caller's `decide` returns.
        now: What is decided now.
        linf: The largest change of a pixel, in levels of 255.
        l2: The norm of all changes, over 0 .. 1.
        method: A name in `ATTACKS`.
        epsilon: What the attack was allowed.
        queries: How many times the model was asked.
    """

    clean: NDArray[np.uint8]
    attacked: NDArray[np.uint8]
    flipped: bool
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    was: object
    now: object
    linf: int
    l2: float
    method: str
    epsilon: float
    queries: int

    def __post_init__(self) -> None:
        if self.clean.shape != self.attacked.shape or self.clean.ndim != 3 or self.clean.shape[2] != 3:
            raise ValueError(
                f"expected two images of one shape (H, W, 3), got {self.clean.shape} and {self.attacked.shape}"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Least:
    """The least epsilon that was seen to flip a decision.

    Attributes:
        epsilon: At it the attack did flip, which the model confirmed on `attacked`; None where it flips at none that
            was tried.
        attacked: The image that flips, or what came nearest at the largest epsilon.
        tried: Each epsilon tried and whether it flipped, in the order of trying. An attack need not grow with epsilon:
            one below the least, which was not tried, might flip too.
    """

    epsilon: float | None
    attacked: Attacked
    tried: tuple[tuple[float, bool], ...]


@dataclasses.dataclass(frozen=True)
class Shift:
    """How far a map moved.

    Attributes:
        spearman: Rank correlation of the two heatmaps; NaN where one is the same everywhere.
        overlap: The share of the top tenth of one that is in that of the other; by chance a tenth.
    """

    spearman: float
    overlap: float


def attack(
    classifier: Classifier,
    image: Askable,
    method: str,
    epsilon: float,
    *,
    steps: int | None = None,
    seed: int = 0,
    decide: Decide | None = None,
    on_progress: Progress | None = None,
) -> Attacked:
    """Look for an image within `epsilon` of the given one that is decided otherwise.

    The attack pushes what the decision hangs on: with a threshold the log-odds of the positive class, across that
    threshold; without one the margin over the next class. It stops where the decision flips. PGD starts at the image
    and, where that fails, again from a random point within epsilon; its steps are 2.5 epsilon / `steps` long. Every
    step looks at the 8-bit image, not at one between levels.

    Args:
        classifier: The model; left as it was.
        image: What to attack, in the model's input size and before its normalisation.
        method: A name in `ATTACKS`.
        epsilon: How far each pixel may move, in levels of 255, of which whole ones count ("linf"); or the norm of all
            changes over 0 .. 1 ("l2").
        steps: Of PGD, gradient steps a start; of the Square attack, squares. FGSM always takes one.
        seed: For the random start and the squares.
        decide: Labels (N,) from probabilities (N, K); the model's own rule where missing.
        on_progress: Called with (done, total) queries, total being the most there may be; what it raises stops the
            work.

    Raises:
        InputError: An unknown method, an epsilon or number of steps that cannot be, a model whose answer is no number
            or, for a gradient attack, without a gradient; or the image cannot be read.
    """
    if method not in ATTACKS:
        raise InputError(f"There is no attack {method!r}: choose one of {', '.join(ATTACKS)}.")
    kind = ATTACKS[method]
    steps = kind.steps if steps is None or kind.steps == 1 else steps
    if not 0 <= epsilon < math.inf or steps < 1:
        raise InputError(
            f"Epsilon is {epsilon!r} and steps are {steps!r}: give an epsilon from 0 up and at least one step."
        )
    clean = _clean(classifier, image)
    search = Search(classifier, clean, decide, epsilon, kind.norm, on_progress)
    levels = climb(search, steps, seed, once=kind.steps == 1) if kind.white else squares(search, steps, seed)
    after, now = search.ask(levels)
    change = (levels - clean).astype(np.int64)
    if on_progress:
        on_progress(search.total, search.total)
    order = slice(None, None, -1 if classifier.preprocessing.channels == "bgr" else 1)
    return Attacked(
        _image(clean[order]),
        _image(levels[order]),
        flipped=bool(np.isfinite(after).all() and now != search.was),
        before=search.before,
        after=after,
        was=search.was,
        now=now,
        linf=int(np.abs(change).max()),
        l2=math.sqrt(int((change**2).sum())) / 255,
        method=method,
        epsilon=epsilon,
        queries=search.queries,
    )


def least_epsilon(
    classifier: Classifier,
    image: Askable,
    method: str,
    *,
    most: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    decide: Decide | None = None,
    on_progress: Progress | None = None,
) -> Least:
    """The least epsilon that flips the decision, by doubling until it does and halving from there, in `UNITS`.

    What flips with less than it was allowed counts for what it needed. (Captum's `MinParamPerturbation` halves alone,
    and reports neither the path nor the image's own norm.)

    Args:
        classifier: The model.
        image: What to attack.
        method: A name in `ATTACKS`.
        most: The largest epsilon to look at; that of `LARGEST_EPSILON` where missing.
        steps: As of `attack`.
        seed: As of `attack`.
        decide: As of `attack`.
        on_progress: Called with (done, total) attacks, total being the most there may be; what it raises stops the
            work.

    Raises:
        InputError: As of `attack`, or `most` is smaller than the first step.
    """
    norm = ATTACKS[method].norm if method in ATTACKS else "linf"
    unit, most = UNITS[norm], LARGEST_EPSILON[norm] if most is None else most
    if not unit <= most < math.inf:
        raise InputError(f"The largest epsilon is {most!r}: give at least {unit:g}.")
    last = int(most / unit)
    total = 2 * last.bit_length()
    ready = classifier.input(image)
    least: Attacked | None = None
    flips_at: dict[int, bool] = {}
    low, high = 0, last + 1

    def tell(*_: int) -> None:
        if on_progress:
            on_progress(len(flips_at), total)

    while high - low > 1:
        k = (low + high) // 2 if least else min(max(2 * low, 1), last)
        result = attack(classifier, ready, method, k * unit, steps=steps, seed=seed, decide=decide, on_progress=tell)
        flips_at[k] = result.flipped
        if result.flipped:
            needed = result.linf if norm == "linf" else result.l2 / unit
            least, high = result, min(k, max(math.ceil(needed - 1e-9), 1))
        low = max((step for step, flips in flips_at.items() if not flips and step < high), default=0)
    if on_progress:
        on_progress(total, total)
    path = tuple((k * unit, flips) for k, flips in flips_at.items())
    return (
        Least(high * unit, dataclasses.replace(least, epsilon=high * unit), path)
        if least
        else Least(None, result, path)
    )


def random_flips(
    classifier: Classifier, image: Askable, norm: Norm, epsilon: float, *, draws: int = 20, seed: int = 0
) -> Rate:
    """How often noise of just the size that an attack needed flips the decision: what not aiming does.

    Values go up or down: all of them by epsilon ("linf"), or as many, by one level where that is enough, as give the
    norm ("l2"); then the image is clipped to 0 .. 255.

    Args:
        classifier: The model.
        image: As of `attack`.
        norm: What epsilon bounds.
        epsilon: As of `attack`.
        draws: How many times.
        seed: Of the noise.
    """
    clean = _clean(classifier, image)
    search = Search(classifier, clean, None, epsilon, norm, None)
    rng, size = np.random.default_rng(seed), clean.size
    level = search.reach if norm == "linf" else max(math.ceil(math.sqrt(search.reach**2 / size)), 1)
    count = size if norm == "linf" else min(round((search.reach / level) ** 2), size)
    flips = 0
    for _ in range(draws):
        noise = np.zeros(size, np.int32)
        noise[rng.permutation(size)[:count]] = rng.choice((-1, 1), count) * int(level)
        flips += search.ask((search.clean + noise.reshape(clean.shape)).clip(0, 255))[1] != search.was
    return wilson(flips, draws)


def shift(before: NDArray[np.floating], after: NDArray[np.floating]) -> Shift:
    """How far a heatmap moved from `before` to `after`, both (H, W).

    Ties at the edge of the top tenth are broken by lot, else two maps that are zero nearly everywhere would seem to
    agree.
    """
    if before.shape != after.shape:
        raise ValueError(f"expected two heatmaps of one shape, got {before.shape} and {after.shape}")
    rng = np.random.default_rng(0)
    flat = [np.asarray(values, np.float64).ravel() for values in (before, after)]
    if any(values.max() == values.min() for values in flat):
        return Shift(math.nan, math.nan)
    count = math.ceil(TOP * flat[0].size)
    a, b = (np.lexsort((rng.random(values.size), -values))[:count] for values in flat)
    return Shift(spearman(*flat), float(np.isin(a, b).mean()))


def _clean(classifier: Classifier, image: Askable) -> Levels:
    """An image in the model's input size, in levels of 255.

    Raises:
        InputError: As `Classifier.input`, or the image holds more than 8 bits.
    """
    ready = classifier.input(image)
    if isinstance(ready.source, Raster):
        raise InputError(
            "Attacks move pixels by whole levels of 8 bits in RGB, and this image holds more, which would be lost: use"
            " the edits, which are made in floats."
        )
    return np.asarray((classifier.preprocessing.pixels(ready.image) * 255).round().clip(0, 255).astype(np.int32))


def _image(levels: Levels) -> NDArray[np.uint8]:
    return np.broadcast_to(levels.transpose(1, 2, 0), (*levels.shape[1:], 3)).astype(np.uint8)
