"""Does a concept, shown by a few images, matter to a class? Testing with concept activation vectors (TCAV)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import SAMPLE, ImageItem, pick
from workbench.probe.directions import NEEDED, Ticks, Trial, measure, read_activations
from workbench.stats import SIGNIFICANT, holm, mean_of

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models import Classifier

CONTROLS = 40
"""Separators between random images and other random ones, which show what chance does."""
KNOWN = 0.7
"""A separator that is right less often on images that it has not seen does not know its concept."""
MOST_ACTIVATIONS = 150_000_000
"""Activations that are in memory at once: 600 MB."""
CONCEPT_VERDICTS = ("matters, for the class", "matters, against the class", "no more than chance", "too few")


@dataclasses.dataclass(frozen=True, eq=False)
class Concepts:
    """Which concepts matter to a class.

    Attributes:
        frame: One row a concept: concept, images (those that can be read), size (on how many of them each separator was
            trained, against as many of the background), score (mean over the repeats: the share of the class's images
            whose class score rises along the concept's direction), low and high (Student's interval of 95 % over the
            repeats), slope (mean rise of the class score for a step of length 1 along the direction, in logits), random
            score (mean of random concepts), random slope (root mean square of theirs), p (see `tcav`, after Holm 1979
            over the concepts), accuracy (of the separators on images that they have not seen; 0.5 is guessing), verdict
            (one of `CONCEPT_VERDICTS`) and why (one sentence). With too few images the figures are NaN.
        scores: By concept, the score of each repeat.
        random: By concept, the scores of the random concepts beside it.
        layer: Where the directions lie.
        target: The class.
        images: How many of the class were looked at.
    """

    frame: pd.DataFrame
    scores: Mapping[str, NDArray[np.float64]]
    random: Mapping[str, NDArray[np.float64]]
    layer: str
    target: str
    images: int


def tcav(
    classifier: Classifier,
    concepts: Mapping[str, Sequence[ImageItem]],
    images: Sequence[ImageItem],
    target: int | str,
    *,
    background: Sequence[ImageItem],
    layer: str | None = None,
    repeats: int = 10,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Concepts:
    """Test whether a class's score rises along the directions of concepts.

    Kim et al. 2018, "Interpretability Beyond Feature Attribution: Quantitative Testing with Concept Activation
    Vectors", by Captum: a linear separator (scikit-learn's SGDClassifier, set as Captum does) tells the activations of
    a concept's images from those of as many drawn from the background; the direction it finds is the concept's, and the
    score is the share of the class's images whose class score has a positive slope along it. Each repeat draws anew.

    The test is not Kim's. A t-test of the repeats' scores against those of random pairs takes the repeats for
    independent, but they share the concept's images: on the shipped metal models it found 20 to 38 % of concepts made
    of random images significant at 5 %. Nor do shares tell much in late layers, where the slopes of a class have one
    sign and every direction scores 0 or 1. Here the concept as a whole is one draw: its mean slope is held against
    those of `CONTROLS` separators between random images of the background, which scatter about 0, for either side could
    be called the concept; two-sided, by Student's t with `CONTROLS` degrees of freedom. This errs on the careful side,
    for a mean over repeats scatters less than one random pair. A concept matters if the class answers to its direction
    more than to those of chance, and the layer knows it. What the model sees may still be something that comes along
    with the concept.

    Captum hands activations and directions on through files. They lie in a private temporary folder that is removed
    after each separator, and PyTorch reads them back as plain tensors.

    Args:
        classifier: The model.
        concepts: Images that show each concept, `NEEDED` or more, by its name.
        images: Of the class, `NEEDED` or more.
        target: The class, by name or column.
        background: Ordinary images, best without the concepts; a concept's own never count against it. A separator
            takes at most half.
        layer: A name in `Classifier.layers`; the deepest that the scores depend on where missing. Just before a plain
            pooling the slopes of all images may be the same, and the score of each repeat 0 or 1.
        repeats: Separators a concept, 2 or more.
        seed: Of the draws and the separators.
        on_progress: Called with (done, total) images and separators before each batch and each separator, and at the
            end; what it raises stops the work and leaves the model as it was.

    Raises:
        InputError: There is no such class or layer, the score does not depend on the layer, or there are too few
            images.
    """
    from workbench.attribution import Score, choose_layer

    aim, name = Score("logit", classifier.index(target)), choose_layer(classifier, layer)
    rng, title = np.random.default_rng(seed), classifier.class_names[aim.target]
    _check(concepts, images, background, repeats)
    images, background = pick(images, SAMPLE, rng), pick(background, SAMPLE, rng)
    concepts = {concept: pick(items, SAMPLE, rng) for concept, items in concepts.items()}
    total = len(images) + len(background) + sum(map(len, concepts.values()))
    numbers = math.prod(classifier.layers[name])
    if numbers * total > MOST_ACTIVATIONS:
        raise InputError(
            f"The layer {name} has {numbers:,} numbers an image, too many for {total} images: choose a later layer."
        )
    tick = Ticks(total + len(concepts) * (repeats + CONTROLS), on_progress)
    answers = read_activations(classifier, images, name, aim, tick)
    count = len(answers.ids)
    if count < NEEDED:
        raise InputError(f"Only {count} of the class's images can be read: give {NEEDED} or more.")
    if answers.slopes is None or not answers.slopes.any():
        raise InputError(f"The score of {title} does not depend on the layer {name}: choose another one.")
    others, trials = read_activations(classifier, background, name, None, tick), {}
    for number, (concept, items) in enumerate(concepts.items()):
        own = read_activations(classifier, items, name, None, tick)
        trials[concept] = measure(answers, own, others, repeats, CONTROLS, np.random.default_rng([seed, number]), tick)
    tick.finish()
    scores = {concept: trial.own[:, 0] for concept, trial in trials.items()}
    random = {concept: trial.random[:, 0] for concept, trial in trials.items()}
    return Concepts(_frame(trials, title, count), scores, random, layer=name, target=title, images=count)


def _check(
    concepts: Mapping[str, Sequence[ImageItem]],
    images: Sequence[ImageItem],
    background: Sequence[ImageItem],
    repeats: int,
) -> None:
    if not concepts:
        raise InputError("There is no concept to test: name one and give its images.")
    for concept, items in concepts.items():
        if len(items) < NEEDED:
            raise InputError(
                f"The concept {concept} has {len(items)} images, too few to learn it from: give {NEEDED} or more."
            )
    if len(images) < NEEDED:
        raise InputError(
            f"There are {len(images)} images of the class, too few to tell a share: give {NEEDED} or more."
        )
    if len(background) < 2 * NEEDED:
        raise InputError(
            f"There are {len(background)} background images, too few for random concepts: give {2 * NEEDED} or more."
        )
    if repeats < 2:
        raise InputError(f"{repeats} repeats tell nothing of their spread: ask for 2 or more.")


def _frame(trials: Mapping[str, Trial], target: str, asked: int) -> pd.DataFrame:
    """The figures of all concepts, asked about so many of the class's images."""
    import pandas as pd

    tested = [concept for concept, trial in trials.items() if trial.size]
    p = dict(zip(tested, holm([_p(trials[concept]) for concept in tested]), strict=True))
    lines = []
    for concept, trial in trials.items():
        line: dict[str, object] = {"concept": concept, "images": trial.images, "size": trial.size}
        figures = dict.fromkeys(
            ("score", "low", "high", "slope", "random score", "random slope", "p", "accuracy"), math.nan
        )
        if trial.size:
            score, (_, slope, accuracy) = mean_of(trial.own[:, 0]), trial.own.mean(0).tolist()
            figures |= {
                "score": score.value or 0.0,
                "low": max(score.low or 0.0, 0.0),
                "high": min(score.high or 0.0, 1.0),
            }
            figures |= {
                "slope": slope,
                "random score": float(trial.random[:, 0].mean()),
                "random slope": _spread(trial),
            }
            figures |= {"p": p[concept], "accuracy": accuracy}
        lines.append(
            line | figures | dict(zip(("verdict", "why"), _verdict(trial, figures, target, asked), strict=True))
        )
    return pd.DataFrame(lines)


def _spread(trial: Trial) -> float:
    return float(np.sqrt((trial.random[:, 1] ** 2).mean()))


def _p(trial: Trial) -> float:
    """The chance of so steep a mean slope along a random direction."""
    from scipy.special import stdtr

    slope, spread = abs(float(trial.own[:, 1].mean())), _spread(trial)
    return float(2 * stdtr(len(trial.random), -slope / spread)) if spread else 1.0


def _verdict(trial: Trial, figures: Mapping[str, float], target: str, asked: int) -> tuple[str, str]:
    """The verdict and its reason."""
    supports, opposes, chance, few = CONCEPT_VERDICTS
    if trial.images < NEEDED:
        return few, f"Only {trial.images} of its images can be read: give {NEEDED} or more."
    if not trial.size:
        return few, f"Only {trial.left} images of the background are not its own: give {2 * NEEDED} or more."
    if figures["accuracy"] < KNOWN:
        right = f"a separator tells it from other images with {figures['accuracy']:.0%} accuracy; guessing gives 50%"
        return chance, f"The layer does not encode it: {right}. Try another layer or more images."
    helps = figures["slope"] > 0
    share = figures["score"] if helps else 1 - figures["score"]
    many = (
        f"{share * asked:.0f} of {asked}"
        if share in (0, 1)
        else f"{share * asked:.1f} of {asked}, the mean of {len(trial.own)} separators"
    )
    sentence = f"It {'raises' if helps else 'lowers'} the score of {target} in {many}"
    if figures["p"] <= SIGNIFICANT:
        return (supports if helps else opposes), f"{sentence}, and more steeply than random directions do."
    return chance, f"{sentence}, but no more steeply than random directions do."
