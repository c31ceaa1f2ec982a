"""Whether two models decide for the same reasons, held against how far two trainings of one recipe do.

Trainings of one recipe that differ in their seed alone do not decide for quite the same reasons (D'Amour et al. 2022,
"Underspecification presents challenges for credibility in modern machine learning"): how far they agree is what an
agreement is to be held against. A few trainings tell the mean of that agreement well, for it is that of many images,
but not how much it differs from training to training: so a margin stands in for that, and where the trainings at hand
differ among themselves by as much, nothing is told.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import ImageItem, Pixels, cover_region, shrunk, stratify
from workbench.report.gate_decisions import MOST_TO_LOOK_AT, SAME_MODEL
from workbench.report.gate_pairing import Pairing
from workbench.report.gate_rules import ReasonsRule
from workbench.report.gate_rulings import Levels, Ruling, decimals, mean_bounds, ruled, untold

if TYPE_CHECKING:
    from workbench.models import Classifier

COVERED_CELLS, MAP_CELLS = 5, 8
"""Rows and columns of regions that are covered one by one, and of places of a map."""
PLACED_BY = ("input_x_gradient", "saliency", "grad_cam", "occlusion")
"""Methods whose maps are compared, the first that suits all models: in the order of how far two trainings agree."""
COVERED_AT = 512
"""Pixels of the longer side to which larger images are shrunk before regions are covered."""
FEWEST_NULL = 2
"""Further trainings of the recipe, with which there are three and three pairs of them."""
LEAST_CHANCE = 1e-6
"""Probabilities nearer than that to 0 or 1 count as that near."""
By = Literal["regions", "maps"]
Report = Callable[[str, int, int], None]
Numbers = NDArray[np.float64]
REASON_WORDS: dict[By, str] = {"regions": "what covering regions does to the score", "maps": "attribution maps"}


@dataclasses.dataclass(frozen=True, eq=False)
class Agreement:
    """How far models agree on images.

    Attributes:
        names: (M,) of the images.
        pairs: (M, P, P) what each image adds to the correlation of either two models, of which they are the mean; P
            models, the new one the last.
        left_out: Why images have no figures, by name.
    """

    names: tuple[str, ...]
    pairs: Numbers
    left_out: dict[str, str]

    @property
    def among(self) -> Numbers:
        """(M,) the agreement among the trainings of the recipe."""
        known = range(self.pairs.shape[1] - 1)
        return np.asarray(np.mean([self.pairs[:, a, b] for a, b in combinations(known, 2)], axis=0), np.float64)

    @property
    def new(self) -> Numbers:
        """(M,) that of the new model with each of them."""
        return np.asarray(self.pairs[:, -1, :-1].mean(1), np.float64)

    @property
    def spread(self) -> float:
        """How far the trainings lie apart in their agreement with the others."""
        known = self.pairs.shape[1] - 1
        own = [np.mean([self.pairs[:, a, b].mean() for b in range(known) if b != a]) for a in range(known)]
        return float(np.ptp(own))


def reasons_rulings(
    pair: Pairing, null: Sequence[Classifier], rule: ReasonsRule, levels: Levels, seed: int, report: Report
) -> list[Ruling]:
    """The rulings on whether the new model decides for the same reasons.

    Args:
        pair: The models.
        null: Further trainings of the old one's recipe.
        rule: What is asked.
        levels: With which confidence.
        seed: Of the sample.
        report: Is told how far it is.

    Raises:
        InputError: One of the trainings knows other classes.
    """
    found = []
    for by in rule.by:
        title, what = f"reasons: {by}", f"Agreement in {REASON_WORDS[by]} lost against two trainings of one recipe"
        why = _cannot(pair, null)
        if pair.same:
            found.append(Ruling(title, "pass", f"{what}: none. {SAME_MODEL}", 0.0, criterion=rule.margin))
        elif why:
            found.append(untold(title, f"{what}: cannot be told. {why}", rule.margin))
        else:
            found.append(_ruling(title, what, pair, null, by, rule, levels, seed, report))
    return found


def _cannot(pair: Pairing, null: Sequence[Classifier]) -> str:
    """Why reasons cannot be compared; empty where they can be."""
    classes = set(pair.old.classifier.class_names)
    for model in null:
        if set(model.class_names) != classes:
            raise InputError("A model of reasons.null knows other classes: name trainings of the old model's recipe.")
    if len({model.key for model in (*null, pair.old.classifier)}) < FEWEST_NULL + 1:
        return (
            f"How far two trainings of one recipe agree is not known: name {FEWEST_NULL} or more further trainings of"
            " the old model's recipe in reasons.null."
        )
    return "" if pair.items else "There is no image that both models can read."


def _ruling(
    title: str,
    what: str,
    pair: Pairing,
    null: Sequence[Classifier],
    by: By,
    rule: ReasonsRule,
    levels: Levels,
    seed: int,
    report: Report,
) -> Ruling:
    models = (pair.old.classifier, *null, pair.new.classifier)
    names = set(pair.new.predictions.frame["name"].iloc[stratify(pair.new.predictions.frame, rule.images, seed)[0]])
    places = [place for place, item in enumerate(pair.items) if item.name in names]
    chosen = [pair.items[place] for place in places]
    targets = [str(pair.old_says[place]) for place in places]
    try:
        result = agreement(models, chosen, targets, by, rule.method, report)
    except InputError as error:
        return untold(title, f"{what}: cannot be told. {error}", rule.margin)
    kept = [place for place in places if pair.items[place].name in set(result.names)]
    units = None if pair.units is None else pair.units[kept]
    lost = result.among - result.new
    bounds = mean_bounds(lost, units, levels)
    level = float(result.among.mean())
    own = f"{len(null) + 1} trainings agree at {level:.3f} (correlation), they and the new model at"
    own = f"{own} {result.new.mean():.3f}"
    if bounds.few:
        return untold(title, f"{what}: {bounds.rests_on} are too few to tell. {own}.", rule.margin, bounds.support)
    if result.spread > rule.margin:
        why = f"They lie {result.spread:.3f} apart themselves, more than the margin."
        return untold(title, f"{what}: cannot be told. {own}. {why}", rule.margin, bounds.support)
    if level <= rule.margin:
        why = "That is so little that a model with other reasons could not lose more than the margin."
        return untold(title, f"{what}: cannot be told. {own}. {why}", rule.margin, bounds.support)
    ruling = ruled(title, what, bounds, rule.margin, levels, decimals)
    first = np.argsort(-lost, kind="stable")[:MOST_TO_LOOK_AT]
    return dataclasses.replace(
        ruling, sentence=f"{ruling.sentence} {own}.", images=tuple(result.names[int(place)] for place in first)
    )


def agreement(
    models: Sequence[Classifier],
    items: Sequence[ImageItem],
    targets: Sequence[str],
    by: By,
    method: str | None = None,
    report: Report = lambda *_: None,
) -> Agreement:
    """How far models agree on some images.

    Each model goes by some amount in each place of each image. What is correlated (Pearson) are these amounts over all
    places of all images at once, less their mean in each image: an image in which much is going on counts more than one
    in which nothing is, of which two models can only disagree about noise.

    Args:
        models: P of them.
        items: M images.
        targets: (M,) the class of each that is asked about.
        by: "regions": the amount is how much covering one of 5 x 5 regions lowers the log-odds of the class. "maps":
            the mean of the attribution map in one of 8 x 8 places.
        method: Of the maps; the first of `PLACED_BY` that suits all models where missing.
        report: Is told how far it is.

    Raises:
        InputError: No method suits all models, or no image can be compared.
    """
    chosen = _method(models, method) if by == "maps" else ""
    names, amounts, left = [], [], {}
    for done, (item, target) in enumerate(zip(items, targets, strict=True)):
        report(f"comparing reasons by {by}", done, len(items))
        try:
            amounts.append(_maps(models, item, target, chosen, items) if chosen else _regions(models, item, target))
            names.append(item.name)
        except InputError as error:
            left[item.name] = str(error)
    if not names:
        raise InputError(next(iter(left.values()), "There are no images to compare."))
    return Agreement(tuple(names), correlated(np.stack(amounts, axis=1)), left)


def correlated(amounts: Numbers) -> Numbers:
    """(M, P, P) what each image adds to the correlation of either two models, from amounts (P, M, R).

    The influence of its size on either model's scale is in it (a linearised correlation), so that the mean is the
    correlation, and the standard error that of the correlation.
    """
    centred = amounts - amounts.mean(2, keepdims=True)
    own = (centred**2).sum(2)
    scale = own.mean(1)
    weight = np.where(scale > 0, scale, np.inf)
    raw = np.einsum("amr,bmr->mab", centred, centred) / np.sqrt(np.outer(weight, weight))
    size = (own / weight[:, None]).T
    return np.asarray(raw - raw.mean(0) / 2 * (size[:, :, None] + size[:, None, :] - 2), np.float64)


def _method(models: Sequence[Classifier], method: str | None) -> str:
    from workbench.attribution import suits

    names = PLACED_BY if method is None else (method,)
    for name in names:
        if not any(suits(model, name) for model in models):
            return name
    raise InputError("No method of attribution suits all of the models.")


def _maps(
    models: Sequence[Classifier], item: ImageItem, target: str, method: str, background: Sequence[ImageItem]
) -> Numbers:
    """(P, R) the mean of each model's map in each place of the image."""
    from workbench.attribution import attribute

    rows = []
    for model in models:
        result = attribute(model, item, method, target, background=background)
        whole = Image.fromarray(result.placement.to_original(result.ranking).astype(np.float32))
        rows.append(np.asarray(whole.resize((MAP_CELLS, MAP_CELLS), Image.Resampling.BOX), np.float64).ravel())
    return np.stack(rows)


def _regions(models: Sequence[Classifier], item: ImageItem, target: str) -> Numbers:
    """(P, R) by how much covering each region lowers the log-odds of a class."""
    levels = [model.levels(item) for model in models]
    first = _covered(levels[0])
    images = [first if np.array_equal(own, levels[0]) else _covered(own) for own in levels]
    return np.stack([_effects(model, own, target) for model, own in zip(models, images, strict=True)])


def _covered(whole: Pixels) -> list[Pixels]:
    """An image, and the same with each of the regions blurred until nothing is left to see."""
    image = shrunk(whole, COVERED_AT, Image.Resampling.BICUBIC)
    height, width = image.shape[:2]
    rng, images = np.random.default_rng(0), [image]
    for row in range(COVERED_CELLS):
        for column in range(COVERED_CELLS):
            inside = np.zeros((height, width), bool)
            rows, columns = (
                slice(size * at // COVERED_CELLS, size * (at + 1) // COVERED_CELLS)
                for size, at in ((height, row), (width, column))
            )
            inside[rows, columns] = True
            images.append(cover_region(image, inside, "blur", (), rng))
    return images


def _effects(model: Classifier, images: list[Pixels], target: str) -> Numbers:
    """(R,) by how much covering each region lowers the log-odds of a class."""
    from workbench.models import ask

    p = ask(model, images)[:, model.index(target)].astype(np.float64).clip(LEAST_CHANCE, 1 - LEAST_CHANCE)
    odds = np.log(p) - np.log1p(-p)
    return np.asarray(odds[0] - odds[1:], np.float64)
