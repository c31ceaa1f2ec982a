"""Does a concept, shown by a few images, matter to a class? Testing with concept activation vectors (TCAV)."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import SAMPLE, ImageItem, picked
from workbench.models import BATCH
from workbench.stats import SIGNIFICANT, holm, mean_of

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from workbench.attribution import Score
    from workbench.models import Classifier

NEEDED = 8
"""Images that a concept needs, and the class."""
TRAINED_ON = 40
"""Images of a concept that one separator is trained on, and as many others."""
CONTROLS = 40
"""Separators between random images and other random ones, which show what chance does."""
KNOWN = 0.7
"""A separator that is right less often on images that it has not seen does not know its concept."""
HELD = 0.25
"""Share of the images on which a separator of the rest is judged."""
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
    rng, called = np.random.default_rng(seed), classifier.class_names[aim.target]
    _check(concepts, images, background, repeats)
    images, background = picked(images, SAMPLE, rng), picked(background, SAMPLE, rng)
    concepts = {concept: picked(items, SAMPLE, rng) for concept, items in concepts.items()}
    total, numbers = (
        len(images) + len(background) + sum(map(len, concepts.values())),
        math.prod(classifier.layers[name]),
    )
    if numbers * total > MOST_ACTIVATIONS:
        raise InputError(
            f"The layer {name} has {numbers:,} numbers an image, too many for {total} images: choose a later layer."
        )
    tick = _Ticks(total + len(concepts) * (repeats + CONTROLS), on_progress)
    shown = _read(classifier, images, name, aim, tick)
    if len(shown.ids) < NEEDED:
        raise InputError(f"Only {len(shown.ids)} of the class's images can be read: give {NEEDED} or more.")
    if shown.slopes is None or not shown.slopes.any():
        raise InputError(f"The score of {called} does not depend on the layer {name}: choose another one.")
    others, found = _read(classifier, background, name, None, tick), {}
    for number, (concept, items) in enumerate(concepts.items()):
        own = _read(classifier, items, name, None, tick)
        found[concept] = _tried(shown, own, others, repeats, np.random.default_rng([seed, number]), tick)
    tick.finish()
    return Concepts(
        frame=_frame(found, called, len(shown.ids)),
        scores={concept: trial.own[:, 0] for concept, trial in found.items()},
        random={concept: trial.random[:, 0] for concept, trial in found.items()},
        layer=name,
        target=called,
        images=len(shown.ids),
    )


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


class _Ticks:
    """How far the work has come."""

    def __init__(self, total: int, on_progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._report = 0, total, on_progress

    def __call__(self, many: int) -> None:
        """Some more is about to be done."""
        if self._report:
            self._report(self._done, self._total)
        self._done += many

    def finish(self) -> None:
        self._done = self._total
        self(0)


@dataclasses.dataclass(frozen=True, eq=False)
class _Seen:
    """M images in a layer: its activations and the class score's slopes, float32 (M, F), and the images' digests."""

    values: Tensor
    slopes: Tensor | None
    ids: tuple[str, ...]


def _read(classifier: Classifier, items: Sequence[ImageItem], layer: str, aim: Score | None, tick: _Ticks) -> _Seen:
    """Those of the images that can be read; with slopes where an aim is given."""
    import torch

    values: list[Tensor] = []
    slopes: list[Tensor] = []
    ids: list[str] = []
    for start in range(0, len(items), BATCH):
        part, inputs = items[start : start + BATCH], []
        tick(len(part))
        for item in part:
            try:
                inputs.append(classifier.prepare(item))
                ids.append(item.id)
            except InputError:
                continue
        if inputs:
            value, slope = _activation(classifier, torch.stack(inputs), layer, aim)
            values.append(value)
            slopes.extend([] if slope is None else [slope])
    nothing = torch.zeros(0, math.prod(classifier.layers[layer]))
    return _Seen(torch.cat(values) if values else nothing, torch.cat(slopes) if slopes else None, tuple(ids))


def _activation(classifier: Classifier, x: Tensor, layer: str, aim: Score | None) -> tuple[Tensor, Tensor | None]:
    """What a layer gives for inputs (M, C, H, W), flat as Captum takes it, and the slope of a score to it."""
    import torch

    from workbench.models import untouched

    kept: list[Tensor] = []

    def cut(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_(aim is not None))
        return kept[0].clone()  # what follows may work in place

    with untouched(classifier), torch.inference_mode(False), torch.enable_grad():
        classifier.model.get_submodule(layer).register_forward_hook(cut)
        logits = classifier.logits(x)
        slope = None
        if aim is not None:
            score = aim.of(classifier, logits).sum()
            slope = torch.autograd.grad(score, kept, allow_unused=True)[0] if score.requires_grad else None
            slope = torch.zeros_like(kept[0]) if slope is None else slope
    return kept[0].detach().flatten(1).float().cpu(), None if slope is None else slope.flatten(1).float().cpu()


@dataclasses.dataclass(frozen=True, eq=False)
class _Trial:
    """What came of one concept.

    Attributes:
        images: Of the concept, that can be read.
        left: Of the background, without the concept's.
        size: Images on each side of a separator; 0 where there are too few.
        own: Score, slope and accuracy of each repeat, (R, 3).
        random: The same of random concepts, without accuracy.
    """

    images: int
    left: int
    size: int
    own: NDArray[np.float64]
    random: NDArray[np.float64]


def _tried(shown: _Seen, own: _Seen, others: _Seen, repeats: int, rng: np.random.Generator, tick: _Ticks) -> _Trial:
    free = np.flatnonzero([digest not in own.ids for digest in others.ids])
    size = min(len(own.ids), len(free) // 2, TRAINED_ON)
    if size < NEEDED:
        tick(repeats + CONTROLS)
        return _Trial(len(own.ids), len(free), 0, np.zeros((0, 3)), np.zeros((0, 3)))
    pairs = []
    for _ in range(repeats):
        tick(1)
        concept, other = own.values[rng.permutation(len(own.ids))[:size]], others.values[rng.permutation(free)[:size]]
        pairs.append(_scored(shown, concept, other, int(rng.integers(2**31)), True))
    chance = []
    for _ in range(CONTROLS):
        tick(1)
        drawn = rng.permutation(free)
        chance.append(
            _scored(
                shown,
                others.values[drawn[:size]],
                others.values[drawn[size : 2 * size]],
                int(rng.integers(2**31)),
                False,
            )
        )
    return _Trial(len(own.ids), len(free), size, np.array(pairs), np.array(chance))


class _Separator:
    """Captum's own linear separator, but seeded, judged on images held out, and then trained on all of them.

    Captum's shuffles by the global generator and trains on two thirds. This one's direction has length 1, so that
    slopes compare.
    """

    def __init__(self, seed: int) -> None:
        from sklearn.linear_model import SGDClassifier

        self._seed = seed
        self._model = SGDClassifier(alpha=0.01, max_iter=1000, tol=1e-3, random_state=seed)

    def train_and_eval(self, batches: Iterable[tuple[Tensor, Tensor]], judged: bool) -> dict[str, float]:
        from sklearn.model_selection import train_test_split

        parts = list(batches)
        x, y = (np.concatenate([part[side].numpy() for part in parts]) for side in (0, 1))
        accuracy = math.nan
        if judged:
            some, rest, called, truth = train_test_split(x, y, test_size=HELD, stratify=y, random_state=self._seed)
            accuracy = float(self._model.fit(some, called).score(rest, truth))
        self._model.fit(x, y)
        return {"accs": accuracy}

    def weights(self) -> Tensor:
        import torch

        direction = torch.from_numpy(self._model.coef_[0]).float()
        direction = direction / direction.norm().clamp(min=1e-12)
        return torch.stack([-direction, direction])

    def classes(self) -> list[int]:
        return self._model.classes_.tolist()


def _tangent() -> nn.Module:
    """A model that takes activations (M, F) and has given slopes: all of the classifier that Captum needs here."""
    from torch import nn

    class Tangent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.activation = nn.Identity()

        def forward(self, values: Tensor, slopes: Tensor | None = None) -> Tensor:
            values = self.activation(values)
            return (values if slopes is None else values * slopes).sum(1)

    return Tangent()


def _scored(shown: _Seen, concept: Tensor, other: Tensor, seed: int, judged: bool) -> tuple[float, float, float]:
    """Score and slope of the class's images along the concept's direction, and its separator's accuracy."""
    import torch
    from captum.concept import TCAV, Concept

    assert shown.slopes is not None
    pair = [Concept(0, "concept", [concept]), Concept(1, "other", [other])]  # names make paths: never those of a user
    inputs = (shown.values.clone().requires_grad_(), shown.slopes.clone().requires_grad_())
    with (
        tempfile.TemporaryDirectory(prefix="workbench-tcav-") as folder,
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        testing = TCAV(_tangent(), "activation", classifier=_Separator(seed), save_path=folder, judged=judged)
        found = testing.interpret(inputs, [pair])["0-1"]["activation"]
        accuracy = testing.cavs["0-1"]["activation"].stats["accs"]
    return float(found["sign_count"][0]), float(found["magnitude"][0]), accuracy


def _frame(found: Mapping[str, _Trial], target: str, asked: int) -> pd.DataFrame:
    """The figures of all concepts, asked about so many of the class's images."""
    import pandas as pd

    tested = [concept for concept, trial in found.items() if trial.size]
    p = dict(zip(tested, holm([_p(found[concept]) for concept in tested]), strict=True))
    lines = []
    for concept, trial in found.items():
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
            line | figures | dict(zip(("verdict", "why"), _judged(trial, figures, target, asked), strict=True))
        )
    return pd.DataFrame(lines)


def _spread(trial: _Trial) -> float:
    return float(np.sqrt((trial.random[:, 1] ** 2).mean()))


def _p(trial: _Trial) -> float:
    """The chance of so steep a mean slope along a random direction."""
    from scipy.special import stdtr

    slope, spread = abs(float(trial.own[:, 1].mean())), _spread(trial)
    return float(2 * stdtr(len(trial.random), -slope / spread)) if spread else 1.0


def _judged(trial: _Trial, figures: Mapping[str, float], target: str, asked: int) -> tuple[str, str]:
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
    said = f"It {'raises' if helps else 'lowers'} the score of {target} in {many}"
    if figures["p"] <= SIGNIFICANT:
        return (supports if helps else opposes), f"{said}, and more steeply than random directions do."
    return chance, f"{said}, but no more steeply than random directions do."
