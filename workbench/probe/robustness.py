"""How many decisions of a set stay right under attack, against epsilon, and whether masked gradients make that look
better than it is.

This is no AutoAttack (Croce and Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks"): what withstood one gradient attack and a short black-box one may fall to a stronger one. The
figures are an upper bound on robustness, never a proof of it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import SAMPLE, ImageItem, stratify_items
from workbench.predictions import units_among
from workbench.probe.attacks import ATTACKS, attack
from workbench.stats import mcnemar_of_units, share
from workbench.texts import apart

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models import Classifier

Progress = Callable[[int, int], None]

ALL_CLASSES = "all classes"
CHECK = "square"
"""The black-box attack that gradient attacks are held against."""
ALPHA = 0.05
"""How seldom chance alone may raise the flag."""
TESTED = 5
"""On fewer images, or units of them, than this no lead of one attack can be told from chance."""


@dataclasses.dataclass(frozen=True)
class Row:
    """What is kept of one image.

    Attributes:
        name: The image's.
        label: Its class.
        right: Whether it is decided rightly without an attack; only then it is attacked.
        white: The least of the epsilons at which the gradient attack flips it; None where it does at none.
        black: Whether the black-box attack flips it at the largest epsilon; None where that was not tried.
        queries: How many times the model was asked.
    """

    name: str
    label: str
    right: bool
    white: float | None
    black: bool | None
    queries: int


@dataclasses.dataclass(frozen=True)
class Masking:
    """Whether gradients seem to be masked (Athalye et al. 2018, "Obfuscated gradients give a false sense of security").

    A black-box attack knows less than a gradient attack. Where it flips more, the gradient leads nowhere, and what
    seems robust is not.

    Attributes:
        flagged: Whether it flips more at the same epsilon, on the same images, beyond chance.
        epsilon: The epsilon of both.
        tested: How many images both attacked.
        black_only: How many the black-box attack alone flips.
        white_only: How many the gradient attack alone flips.
        p: Of McNemar's exact test, one-sided, by unit where images come in units: how often chance would give the
            black-box attack such a lead.
        message: One sentence.
        units: In how many independent units they come.
    """

    flagged: bool
    epsilon: float
    tested: int
    black_only: int
    white_only: int
    p: float
    message: str
    units: int

    @property
    def told(self) -> bool:
        """Whether enough met both attacks to tell anything."""
        return self.units >= TESTED


@dataclasses.dataclass(frozen=True, eq=False)
class Robustness:
    """Accuracy against epsilon.

    Attributes:
        frame: As of `curve`; the sample holds classes evenly, which the set may not, so read them one by one.
        masking: What the black-box attack says of the gradient attack; None where it was not asked for.
        method: The gradient attack.
        rows: One an image.
        left_out: Why images of the sample have no row, by their names.
        sample: How many images there are, how many were drawn, how, and with which seed.
        units: (N,) the independent unit of each row's image; None where each is one of its own.
    """

    frame: pd.DataFrame
    masking: Masking | None
    method: str
    rows: tuple[Row, ...]
    left_out: Mapping[str, str]
    sample: Mapping[str, object]
    units: NDArray[np.intp] | None = None


def robustness(
    classifier: Classifier,
    items: Iterable[ImageItem],
    epsilons: Sequence[float],
    method: str = "pgd",
    *,
    steps: int | None = None,
    check: bool = True,
    most: int = SAMPLE,
    seed: int = 0,
    units: Mapping[str, int] | None = None,
    known: MutableMapping[str, Row] | None = None,
    on_progress: Progress | None = None,
) -> Robustness:
    """Attack a sample of a set with growing epsilon; what is decided wrongly already, or has flipped, is not attacked
    any more.

    Args:
        classifier: The model; its rule decides.
        items: The images; those whose label is none of its classes do not count.
        epsilons: In the unit of the method's norm; 0, no attack, is always among them.
        method: A gradient attack in `attacks.METHODS`.
        steps: As of `attacks.attack`, for the gradient attack.
        check: Whether to look for masked gradients, too: then each image that was right also meets the Square attack at
            the largest epsilon, in its usual number of steps, which takes longer than all the rest. For L-inf alone.
        most: How many images at most, drawn as evenly over the labels as their numbers allow, of the test split where
            there is one.
        seed: For the sample and the attacks.
        units: Which images are one unit, as `predictions.named_units` gives it; what the images themselves say of
            groups and families where missing.
        known: Rows of the same model, method, epsilons and settings by the images' names: what is there is not attacked
            again, and what is done is put there, so that work that was stopped goes on where it was.
        on_progress: Called with (done, total) images, many times for each; what it raises stops the work.

    Raises:
        InputError: The method follows no gradient, an epsilon is none, the black-box attack has another norm, or no
            image has a class of the model or could be read: then the message is that of the last.
    """
    chosen, sizes = ATTACKS.get(method), sorted({float(epsilon) for epsilon in epsilons} - {0.0})
    if chosen is None or not chosen.white:
        raise InputError(
            f"{method!r} is no gradient attack: choose one of {', '.join(m for m in ATTACKS if ATTACKS[m].white)}."
        )
    if not sizes or not all(0 < size < math.inf for size in sizes):
        raise InputError(f"The epsilons are {list(epsilons)}: give at least one number above 0.")
    if check and chosen.norm != ATTACKS[CHECK].norm:
        raise InputError(
            f"The check for masked gradients needs an L-inf attack, not {chosen.title}: leave it out, or choose pgd."
        )
    pool = list(items)
    images, sample = _sample(pool, classifier.class_names, most, seed)
    rows = {} if known is None else known
    left: dict[str, str] = {}
    for done, item in enumerate(images):

        def tell(*_: int, done: int = done) -> None:
            if on_progress:
                on_progress(done, len(images))

        tell()
        try:
            rows[item.name] = rows.get(item.name) or _row(classifier, item, sizes, method, steps, check, seed, tell)
        except InputError as error:
            left[item.name] = str(error)
    if on_progress:
        on_progress(len(images), len(images))
    attacked = [item for item in images if item.name in rows]
    table, numbers = (
        tuple(rows[item.name] for item in attacked),
        units_among(attacked, units, pool),
    )
    if not table:
        raise InputError(list(left.values())[-1])
    masking = masked(table, sizes[-1], numbers) if check else None
    return Robustness(curve(table, sizes, units=numbers), masking, method, table, left, sample, numbers)


def curve(
    rows: Sequence[Row], epsilons: Sequence[float], level: float = 0.95, units: NDArray[np.intp] | None = None
) -> pd.DataFrame:
    """The share of right decisions against epsilon.

    An image is robust at an epsilon only if no attack flips it there or at a smaller one that was tried: what lies
    within the smaller lies within the larger. So the share never rises.

    Args:
        rows: What was found, with these epsilons.
        epsilons: Those tried; 0 is put before them.
        level: Confidence level of the intervals.
        units: (N,) the unit of each image; each is one of its own where missing.

    Returns:
        One row a class, and one of all together first, and an epsilon: group (no two called alike), epsilon, support
        (images), units (in how many independent ones they come), robust (how many are decided rightly under attack),
        accuracy, and low and high, its ends by `stats.share`.
    """
    import pandas as pd

    sizes = sorted({0.0, *(float(epsilon) for epsilon in epsilons)})
    labels = sorted({row.label for row in rows})
    own = np.array([row.label for row in rows], dtype=object)
    members = [np.ones(len(rows), bool), *(own == label for label in labels)]
    groups = dict(zip([ALL_CLASSES, *apart(labels, [ALL_CLASSES])], members, strict=True))
    falls, lines = np.array([_falls(row, sizes[-1]) for row in rows]), []
    for group, inside in groups.items():
        for size in sizes:
            rate = share(falls[inside] > size, None if units is None else units[inside], level)
            count = rate.groups or rate.support
            lines.append((group, size, rate.support, count, rate.count, rate.value, rate.low, rate.high))
    return pd.DataFrame(lines, columns=["group", "epsilon", "support", "units", "robust", "accuracy", "low", "high"])


def masked(rows: Sequence[Row], epsilon: float, units: NDArray[np.intp] | None = None) -> Masking:
    """Hold the black-box attack against the gradient attack at the largest epsilon, with McNemar's exact test: of the
    images that one attack alone flips, chance would give either attack half; units as for `curve`.
    """
    both = np.array([row.black is not None for row in rows], bool)
    white, black = (
        np.array(flips, bool)[both] for flips in ([row.white is not None for row in rows], [row.black for row in rows])
    )
    parts = None if units is None else units[both]
    black_only, white_only = int((black & ~white).sum()), int((white & ~black).sum())
    p = mcnemar_of_units(black, white, parts, "greater")
    tested = len(white)
    count = tested if parts is None else len(np.unique(parts))
    images = f"{tested} images{'' if count == tested else f' in {count:,} units'}"
    if count < TESTED:
        message = f"Only {images} met both attacks: too few to tell whether the gradient is masked."
    elif p <= ALPHA:
        message = (
            f"At epsilon {epsilon:g} the black-box attack alone flips {black_only} images and the gradient attack alone"
            f" {white_only} (p = {p:.2g}): the gradient seems to be masked, so that the model is less robust than the"
            " gradient attack makes it look."
        )
    else:
        message = (
            f"At epsilon {epsilon:g} the black-box attack alone flips {black_only} of {images} and the"
            f" gradient attack alone {white_only} (p = {p:.2g}): no sign that the gradient is masked."
        )
    return Masking(p <= ALPHA, epsilon, tested, black_only, white_only, p, message, count)


def _falls(row: Row, largest: float) -> float:
    """The least epsilon at which an image is known to be decided wrongly."""
    if not row.right:
        return 0.0
    return min(math.inf if row.white is None else row.white, largest if row.black else math.inf)


def _sample(
    items: Sequence[ImageItem], classes: Sequence[str], most: int, seed: int
) -> tuple[list[ImageItem], dict[str, object]]:
    """The images to attack, and what to say of the sample."""
    usable = [item for item in items if item.label in classes]
    if not usable or most < 1:
        raise InputError(
            "There is no image to attack whose label is a class of the model: choose a set with the model's labels."
        )
    positions, facts = stratify_items(
        usable, [item.label for item in usable], [item.split for item in usable], most, seed
    )
    return [usable[i] for i in positions], {"images": len(usable), **facts}


def _row(
    classifier: Classifier,
    item: ImageItem,
    sizes: Sequence[float],
    method: str,
    steps: int | None,
    check: bool,
    seed: int,
    tell: Progress,
) -> Row:
    from workbench.models import ask

    ready, label = classifier.input(item), str(item.label)
    if classifier.rule.decide(ask(classifier, [ready]))[0][0] != classifier.index(label):
        return Row(item.name, label, False, None, None, 1)
    white, queries = None, 1
    for size in sizes:
        result = attack(classifier, ready, method, size, steps=steps, seed=seed, on_progress=tell)
        queries += result.queries
        if result.flipped:
            white = size
            break
    black = None
    if check:
        result = attack(classifier, ready, CHECK, sizes[-1], seed=seed, on_progress=tell)
        black, queries = result.flipped, queries + result.queries
    return Row(item.name, label, True, white, black, queries)
