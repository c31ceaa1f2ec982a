"""The card: the table of checks with their words, and the verbs that run it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.attribution import Attribution
from workbench.errors import InputError
from workbench.evidence import faithfulness, location, removal, stability
from workbench.evidence.case import BUDGETS, Case, Meter
from workbench.evidence.finding import Finding, Outcome
from workbench.evidence.reliance import Evidence
from workbench.images import ImageItem
from workbench.models import Classifier, Input

Progress = Callable[[int, int], None]
SKIPPED = "This check does not apply here, so it says nothing for or against the map."


@dataclasses.dataclass(frozen=True)
class Check:
    """One check, for the card and for whoever draws it.

    Attributes:
        name: Its name in `CHECKS` and in `Finding`.
        title: Its name on the screen.
        question: What it asks, for a reader without statistics.
        meaning: What each verdict means to that reader.
        source: The paper.
        run: Does it.
        evaluations: About how many inputs the model is asked about.
    """

    name: str
    title: str
    question: str
    meaning: Mapping[str, str]
    source: str
    run: Callable[[Case], Outcome]
    evaluations: Callable[[Case], int] = lambda case: 1


def _curve(case: Case) -> int:
    return len(case.fills) * (case.budget.steps - 1)


def _orders(case: Case) -> int:
    """What the random orders take, which deletion and insertion share."""
    return len(case.fills) * (case.budget.orders * len(case.budget.marks) + 1) + 1


_PETSIUK = "Petsiuk et al. 2018, RISE"
_YEH = "Yeh et al. 2019, On the (In)fidelity and Sensitivity of Explanations"
_ARRAS = "Arras et al. 2022, CLEVR-XAI"
_TABLE = (
    Check(
        "completeness",
        "Adds up",
        "Do the map's values sum to the change of the score that they attribute?",
        {
            "holds": "The values account for the whole score: none is missing and none is invented.",
            "doubtful": "The values account for the score only roughly: read large areas, not single values.",
            "fails": (
                "The values do not add up to the score: do not read them as amounts. The places may still be right."
            ),
        },
        "Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks",
        faithfulness.completeness,
        lambda case: 2,
    ),
    Check(
        "deletion",
        "Deletion",
        "Does the score fall faster when the regions that the map marks are removed than when random ones are?",
        {
            "holds": "The model needs the places that the map marks.",
            "doubtful": (
                "Removing what the map marks does not clearly do more than removing random places: look at the curves."
            ),
            "fails": (
                "Removing what the map marks does no more than removing random places: the model does not need them,"
                " and they do not suffice."
            ),
        },
        _PETSIUK,
        removal.deletion,
        lambda case: _curve(case) + _orders(case),
    ),
    Check(
        "insertion",
        "Insertion",
        "Does the score rise faster when the regions that the map marks are shown first than when random ones are?",
        {
            "holds": "The places that the map marks suffice for much of the decision.",
            "doubtful": (
                "Showing what the map marks does not clearly do more than showing random places: look at the curves."
            ),
            "fails": (
                "Showing what the map marks does no more than showing random places: they do not carry the decision,"
                " and are not needed for it."
            ),
        },
        _PETSIUK,
        removal.insertion,
        lambda case: _curve(case) + (0 if "deletion" in case.names else _orders(case)),
    ),
    Check(
        "randomisation",
        "Model randomisation",
        "Does the map change when the model's weights are replaced by random ones?",
        {
            "holds": "The map changes with the model, as it must; maps that are wrong for another reason do so too.",
            "doubtful": "The map partly stays when the weights are random: some of it only repeats the image.",
            "fails": (
                "The map does not depend on what this model has learnt, or it belongs to another model. Where a model"
                " itself crops or masks its input, that alone can make maps alike."
            ),
        },
        "Adebayo et al. 2018, Sanity Checks for Saliency Maps",
        stability.randomisation,
        lambda case: case.method.cost * (case.budget.stages + 1) + 1,
    ),
    Check(
        "repeatability",
        "Repeatability",
        "Does another random seed give the same map?",
        {
            "holds": "The map does not depend on the seed.",
            "doubtful": "Part of the map depends on the seed: take more samples before you read details.",
            "fails": "Another seed gives another map: take many more samples, or another method.",
        },
        _YEH,
        stability.repeatability,
        lambda case: case.method.cost if "seed" in case.method.params else 1,
    ),
    Check(
        "sensitivity",
        "Sensitivity to noise",
        "Does the map stay the same under imperceptible noise?",
        {
            "holds": "The map stays the same on images that look the same.",
            "doubtful": "Details of the map change with imperceptible noise: read large areas only.",
            "fails": "Imperceptible noise gives another map: do not read its details. The places may still be right.",
        },
        _YEH,
        stability.sensitivity,
        lambda case: case.method.cost * case.budget.noises,
    ),
    Check(
        "infidelity",
        "Infidelity",
        "Does the map predict how the score changes when spots are covered?",
        {
            "holds": "The map predicts what covering a spot does to the score.",
            "doubtful": "The map predicts what covering a spot does only poorly: do not read its values as amounts.",
            "fails": "The map predicts what covering a spot does hardly better than a uniform map, or worse.",
        },
        _YEH,
        faithfulness.infidelity,
        lambda case: case.budget.squares * len(case.fills) if case.method.signed else 1,
    ),
    Check(
        "sparsity",
        "Sparsity",
        "Is the map on few pixels or on many?",
        {},
        "Chalasani et al. 2020, Concise Explanations of Neural Networks using Adversarial Training",
        location.sparsity,
    ),
    Check(
        "relevance_mass",
        "Relevance mass accuracy",
        "How much of the evidence for the class lies inside the mask?",
        {
            "holds": "More of the evidence for the class lies inside the mask than chance would explain.",
            "doubtful": "The map may favour the mask, but a map placed at random could do so too.",
            "fails": "The map does not favour the mask: the model may look elsewhere, or the map is wrong.",
        },
        _ARRAS,
        location.relevance_mass,
    ),
    Check(
        "relevance_rank",
        "Relevance rank accuracy",
        "Do the strongest pixels lie inside the mask?",
        {
            "holds": "More of the strongest pixels lie inside the mask than chance would explain.",
            "doubtful": (
                "The strongest pixels may favour the mask, but those of a map placed at random could do so too."
            ),
            "fails": "The strongest pixels do not favour the mask: the model may look elsewhere, or the map is wrong.",
        },
        _ARRAS,
        location.relevance_rank,
    ),
    Check(
        "pointing",
        "Pointing game",
        "Does the strongest pixel lie inside the mask?",
        {
            "holds": "The map's peak lies inside the mask.",
            "doubtful": "The map's peak lies inside the mask, which is so large that this says little.",
            "fails": "The map's peak lies outside the mask.",
        },
        "Zhang et al. 2018, Top-Down Neural Attention by Excitation Backprop",
        location.pointing,
    ),
)
CHECKS: Mapping[str, Check] = MappingProxyType({check.name: check for check in _TABLE})


def assess(
    classifier: Classifier,
    item: ImageItem | Image.Image | Input,
    attribution: Attribution,
    mask: NDArray[np.bool_] | None = None,
    *,
    checks: Sequence[str] | None = None,
    background: Iterable[ImageItem] | None = None,
    budget: Literal["quick", "full"] = "quick",
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Evidence:
    """Hold a map against its model.

    Args:
        classifier: The model that the map is said to explain.
        item: The image that it explains, as it is or made ready.
        attribution: The map.
        mask: Where the map should lie, (height, width) of the image; the item's own mask where missing.
        checks: Names in `CHECKS`; all where missing. Those that do not apply say so.
        background: The images that the map was made with, for methods that compare with images of the image set.
        budget: "quick" for a glance, "full" for narrower intervals at three to five times the cost.
        seed: For everything that is drawn; the same seed gives the same card.
        on_progress: Called with (done, total) evaluations; what it raises stops the work and leaves the model as it
            was.

    Returns:
        The findings in the order of `CHECKS`.

    Raises:
        InputError: An unknown check or budget, a mask of another size, or a map of another image.

    Example:
        >>> card = wb.assess(clf, item, att, checks=["randomisation"])
        >>> card["randomisation"].meaning
        'The map changes with the model, as it must; maps that are wrong for another reason do so too.'
    """
    findings = examine(
        classifier,
        item,
        attribution,
        mask,
        checks=checks,
        background=background,
        budget=budget,
        seed=seed,
        on_progress=on_progress,
    )
    return Evidence(tuple(findings), attribution.method, attribution.target, classifier.key, budget, seed)


def examine(
    classifier: Classifier,
    item: ImageItem | Image.Image | Input,
    attribution: Attribution,
    mask: NDArray[np.bool_] | None = None,
    *,
    checks: Sequence[str] | None = None,
    background: Iterable[ImageItem] | None = None,
    budget: Literal["quick", "full"] = "quick",
    seed: int = 0,
    fills: Sequence[str] | None = None,
    on_progress: Progress | None = None,
) -> Iterator[Finding]:
    """`assess`, one finding at a time: arguments are checked at once, and nothing is locked between findings.

    Arguments and errors as of `assess`; the mask is (H, W), and `fills` says what may replace removed regions: "flat",
    "blur" or "elsewhere", all of them where missing.
    """
    if strange := sorted(set(checks or ()) - CHECKS.keys()):
        raise InputError(f"There is no check {strange[0]!r}: choose from {', '.join(CHECKS)}.")
    if budget not in BUDGETS:
        raise InputError(f"There is no budget {budget!r}: choose {' or '.join(BUDGETS)}.")
    chosen = [check for check in _TABLE if checks is None or check.name in checks]
    plan: list[int] = []
    ready = classifier.input(item)
    case = Case(
        classifier=classifier,
        ready=ready,
        attribution=attribution,
        mask=ready.item.open_mask() if mask is None and ready.item else mask,
        names=tuple(check.name for check in chosen),
        budget=BUDGETS[budget],
        seed=seed,
        meter=Meter(plan, on_progress),
        background=None if background is None else tuple(getattr(background, "background", background)),
        replacing=tuple(fills or ()),
    )
    _fitting(case)
    plan += [check.evaluations(case) for check in chosen]
    return _findings(case, chosen)


def _findings(case: Case, chosen: Sequence[Check]) -> Iterator[Finding]:
    for index, check in enumerate(chosen):
        case.meter.begin(index)
        outcome = check.run(case)
        if index == len(chosen) - 1:
            case.meter.end()
        yield Finding(
            name=check.name,
            verdict=outcome.verdict,
            value=outcome.value,
            low=outcome.interval[0] if outcome.interval else None,
            high=outcome.interval[1] if outcome.interval else None,
            chance=outcome.chance,
            reason=outcome.reason,
            meaning=check.meaning.get(outcome.verdict, SKIPPED),
            source=check.source,
            curves=outcome.curves,
        )


def _fitting(case: Case) -> None:
    """Refuse what does not belong together."""
    width, height = case.ready.image.size
    attribution = case.attribution
    if attribution.placement.original != (width, height):
        raise InputError(
            f"The map lies on an image of {attribution.placement.original[0]} x {attribution.placement.original[1]}"
            f" pixels and this one has {width} x {height}: hand over the image that the map explains."
        )
    if attribution.values.shape[1:] != case.x.shape[2:] or attribution.values.shape[0] not in (1, case.x.shape[1]):
        raise InputError("The map has another size than the model's input: hand over the model that the map explains.")
    if attribution.target >= len(case.classifier.class_names):
        raise InputError(
            "The map explains a class that this model does not have: hand over the model that the map explains."
        )
    if case.mask is not None and np.shape(case.mask) != (height, width):
        raise InputError(
            f"The mask has shape {np.shape(case.mask)}: give one of shape ({height}, {width}), the pixels of the image."
        )
