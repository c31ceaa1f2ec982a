"""Does a model lean on a place instead of the part? Claimed only where attribution and intervention agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.bias.gaps import holm, means_differ
from workbench.bias.intervene import Intervention, Progress, intervene, mean_of
from workbench.bias.regions import BORDER, CORNERS, Region, shares
from workbench.bias.where import DRAWS, SIGNIFICANT, Maps
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet
from workbench.metrics import Rate

if TYPE_CHECKING:
    from workbench.classifier import Classifier

PLACES = (*CORNERS, BORDER)
"""Where shortcuts are looked for: stamps, scales, fixtures and frames lie at the edge."""
LEAST = 20
"""Fewer pictures of a class than this support no verdict."""
MOST = 120
"""How many pictures of a class are intervened on at most."""
Verdict = Literal["shortcut", "leans", "looks", "clear", "too few"]


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
    """What was found about one class and one place.

    Attributes:
        target: The class that the model decides on.
        region: The place.
        share: The mean share of attribution there among pictures that the model calls `target`, with its interval of 95 %.
        others: The same among all other pictures.
        p_where: The chance of so much more than among the others if the pictures were dealt out at random, after Holm.
        tried: What covering the place does; None where attribution gave no reason to try.
        p_effect: The chance of its effect, after Holm over all that were tried; None likewise.
        masks: Whether the pictures' masks show that the defects lie elsewhere.
        verdict: "shortcut" where both agree and masks show that the defects lie elsewhere, "leans" where both agree but nothing says
            whether the place belongs to the part, "looks" where only attribution says so, "clear" where it does not, and "too few".
    """

    target: str
    region: Region
    share: Rate
    others: float
    p_where: float
    tried: Intervention | None
    p_effect: float | None
    masks: bool
    verdict: Verdict

    @property
    def sentence(self) -> str:
        """The finding in plain words, without markup."""
        share = f"{self.share.value:.0%} of its attribution on {self.region.area:.0%} of the picture; {self.others:.0%} for other verdicts"
        where = f"For “{self.target}” the model looks at the {self.region.name} ({share})"
        if self.tried is None:
            return f"{where}; that is no more than chance."
        effect, turned, other = self.tried.effect, self.tried.turned, self.tried.turned_elsewhere
        falls = f"P({self.target}) by {-(effect.value or 0):.2f} ({-(effect.high or 0):.2f} to {-(effect.low or 0):.2f})"
        verdicts = f"{turned.value:.0%} of {turned.support} verdicts turn, {other.value:.0%} elsewhere"
        if self.verdict == "looks":
            return f"{where}, but covering it matters no more than covering as much elsewhere ({verdicts})."
        tail = (
            "the marked defects lie elsewhere."
            if self.masks
            else "only someone who knows the part can say whether it belongs to the defect."
        )
        return f"{where}, and covering it lowers {falls} more than covering as much elsewhere ({verdicts}); {tail}"


def shortcuts(
    classifier: Classifier,
    images: ImageSet,
    maps: Maps,
    *,
    places: Sequence[Region] = PLACES,
    fill: str = "patch",
    seed: int = 0,
    on_progress: Progress | None = None,
) -> list[Finding]:
    """Look for places that decide about a class although the part lies elsewhere.

    First attribution: does the model, when it decides on a class, look more at the place than at others and than an even map would?
    Only then intervention: does covering the place lower the class's probability more than covering as much elsewhere? Pictures whose
    mask reaches into the place are left out of that, for there it may rightly matter.

    Args:
        classifier: The model that made the maps.
        images: The set that they are of.
        maps: Of the pictures to judge by: a split that the model was not trained on.
        places: Regions that follow no mask.
        fill: As for `intervene`.
        seed: Of all draws.
        on_progress: Called with (done, total) pictures of the interventions; what it raises stops the work.

    Returns:
        A finding for each class with enough verdicts and each place, the gravest first.
    """
    found = _looked_at(maps, places, seed)
    wanted = [i for i, finding in enumerate(found) if finding.verdict == "looks"]
    chosen = {i: _without_mask(images, maps, found[i], seed) for i in wanted}
    total, done = sum(len(items) for items in chosen.values()), 0
    for i, items in chosen.items():
        if len(items) < LEAST:
            found[i] = dataclasses.replace(found[i], verdict="too few")
            continue

        def report(now: int, _: int, before: int = done) -> None:
            if on_progress:
                on_progress(before + now, total)

        tried = intervene(classifier, items, found[i].region, target=found[i].target, fill=fill, seed=seed, on_progress=report)
        found[i] = dataclasses.replace(found[i], tried=tried)
        done += len(items)
    return sorted(_agreed(found), key=lambda f: (("shortcut", "leans", "looks", "too few", "clear").index(f.verdict), f.p_where))


def _looked_at(maps: Maps, places: Sequence[Region], seed: int) -> list[Finding]:
    """Findings from attribution alone: "looks" where it stands out, "clear" elsewhere."""
    rng = np.random.default_rng(seed)
    values, called = shares(maps.heatmaps, tuple(places)), maps.frame["predicted"].to_numpy()
    masks = any(np.isfinite(maps.mask))
    rows: list[tuple[str, Region, Rate, float, float]] = []
    for target in sorted(set(called)):
        own = called == target
        if own.sum() < LEAST or (~own).sum() < LEAST:
            continue
        for column, region in enumerate(places):
            rest = float(values[~own, column].mean())
            rows.append((target, region, mean_of(values[own, column]), rest, means_differ(_moments(values[:, column], own), DRAWS, rng)))
    adjusted = holm([row[-1] for row in rows])
    return [
        Finding(target, region, share, rest, float(p), None, None, masks, "looks" if _stands_out(share, rest, region, p) else "clear")
        for (target, region, share, rest, _), p in zip(rows, adjusted, strict=True)
    ]


def _stands_out(share: Rate, others: float, region: Region, p: float) -> bool:
    return p <= SIGNIFICANT and (share.value or 0) > others and (share.low or 0) > region.area


def _moments(values: NDArray[np.float64], own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(3, 2, 1) number, sum and sum of squares of a class's values and of the others'."""
    return np.array([[[len(v)], [v.sum()], [(v**2).sum()]] for v in (values[own], values[~own])], np.float64).transpose(1, 0, 2)


def _without_mask(images: ImageSet, maps: Maps, finding: Finding, seed: int) -> list[ImageItem]:
    """At most `MOST` pictures that the model calls so and whose mask does not reach into the place."""
    names = maps.frame["name"][maps.frame["predicted"] == finding.target].tolist()
    chosen: list[ImageItem] = []
    for name in np.random.default_rng(seed).permutation(names).tolist():
        item = images.by_name[name]
        try:
            mask = item.open_mask()
        except InputError:  # the picture cannot be judged
            continue
        if mask is None or not (mask & finding.region.on(*mask.shape)).any():
            chosen.append(item)
        if len(chosen) == MOST:
            break
    return chosen


def _agreed(found: Sequence[Finding]) -> list[Finding]:
    """The verdicts where interventions were made, their p-values adjusted for their number."""
    tried = [(i, finding.tried) for i, finding in enumerate(found) if finding.tried is not None]
    judged = list(found)
    for (i, one), p in zip(tried, holm([one.p for _, one in tried]).tolist(), strict=True):
        agree = p <= SIGNIFICANT and one.effect.high is not None and one.effect.high < 0
        verdict: Verdict = "looks" if not agree else "shortcut" if found[i].masks else "leans"
        judged[i] = dataclasses.replace(found[i], p_effect=p, verdict=verdict)
    return judged
