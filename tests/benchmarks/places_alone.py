"""The finder of shortcuts that the search for cues took the place of: five places at the edge, by maps of one method,
claimed only where attribution and intervention agree. Kept to be measured beside the search."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.bias.amounts import images_of, interval
from workbench.bias.intervene import MOST_COVERED, Intervention, Progress, intervene
from workbench.bias.places import BORDER, CORNERS, Region, shares
from workbench.bias.where import Maps
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet, shuffle
from workbench.predictions import spread_over
from workbench.stats import FEW_UNITS, SIGNIFICANT, Rate, apart_by_units, holm, mean_of

if TYPE_CHECKING:
    from workbench.models import Classifier

PLACES = (*CORNERS, BORDER)
"""Where shortcuts are looked for: stamps, scales, fixtures and frames lie at the edge."""
LEAST = 20
"""Fewer images of a class than this support no verdict."""
Verdict = Literal["shortcut", "leans", "looks", "clear", "too few"]


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
    """What was found about one class and one place.

    Attributes:
        target: The class that the model decides on.
        region: The place.
        share: The mean share of attribution there among images that the model calls `target`, with its interval of 95
            %, by unit where images come in units.
        others: The same among all other images.
        p_where: The chance of so large a difference from the others if the images were assigned at random, after Holm.
        tried: What covering the place does; None where attribution gave no reason to try.
        p_effect: The chance of its effect, after Holm over all that were tried; None likewise.
        masks: Whether most of the images that were tried have a mask, which shows that their defects lie elsewhere.
        verdict: "shortcut" where both agree and masks show that the defects lie elsewhere, "leans" where both agree but
            nothing says whether the place belongs to the part, "looks" where only attribution says so, "clear" where it
            does not, and "too few" where it does but fewer than `LEAST` images, or `FEW_UNITS` units of them, can be
            tried.
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
    def accused(self) -> bool:
        """Whether attribution and intervention agree that the class is decided by this place."""
        return self.verdict in ("shortcut", "leans")

    @property
    def claim(self) -> str:
        """What covering the place does, in a sentence without markup that starts in lower case; empty untried."""
        if self.tried is None:
            return ""
        place, flips, control = self.region.name, self.tried.turned, self.tried.turned_elsewhere
        decides = (flips.low or 0) > (control.high or 0)
        how = "because of the" if self.verdict == "shortcut" and decides else "and relies on the"
        text = (
            f"the model calls an image “{self.target}” {how} {place}: covering it flips {interval(flips)} of these"
            f" decisions, {interval(control)} when as much is covered elsewhere, in {images_of(flips)}"
        )
        return text if decides else f"{text}, and lowers {self._fall()} more"

    def _fall(self) -> str:
        assert self.tried is not None
        effect = self.tried.effect
        fall, least, most = (-(end or 0) for end in (effect.value, effect.high, effect.low))
        return f"P({self.target}) by {fall:.2f} ({least:.2f} to {most:.2f})"

    @property
    def sentence(self) -> str:
        """The finding in plain words, without markup."""
        share = (
            f"{self.share.value:.0%} of its attribution on {self.region.area:.0%} of the image; {self.others:.0%} for"
            " other verdicts"
        )
        if self.verdict == "clear":
            return f"For “{self.target}” the {self.region.name} does not stand out ({share})."
        where = f"For “{self.target}” the model looks at the {self.region.name} ({share})"
        if self.tried is None:
            return (
                f"{where}, but fewer than {LEAST} images, of enough units, are left to try whether it matters: those"
                " without a defect there."
            )
        flips, control = self.tried.turned, self.tried.turned_elsewhere
        verdicts = f"in {images_of(flips)} {flips.value:.0%} of decisions flip, {control.value:.0%} elsewhere"
        if self.verdict == "looks":
            corrected = dataclasses.replace(self.tried, p=self.p_effect or self.tried.p)
            return f"{where}, but {corrected.otherwise} ({verdicts})."
        tail = "only someone who knows the part can say whether it belongs to the defect."
        tail = "the marked defects lie elsewhere." if self.masks else tail
        falls = self._fall()
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

    First attribution: does the model, when it decides on a class, look more at the place than at others and than an
    even map would? Only then intervention: does covering the place lower the class's probability more than covering as
    much elsewhere? Images whose mask reaches into the place are left out of that, for there it may rightly matter.

    Args:
        classifier: The model that made the maps.
        images: The set that they are of.
        maps: Of the images to judge by: a split that the model was not trained on.
        places: Regions that follow no mask.
        fill: As for `intervene`.
        seed: Of all draws.
        on_progress: Called with (done, total) images of the interventions; what it raises stops the work.

    Returns:
        A finding for each class with enough verdicts and each place, the gravest first.
    """
    findings = _looked_at(maps, places)
    exchange = [images.by_name[name] for name in maps.frame["name"] if name in images.by_name]
    indices = [i for i, finding in enumerate(findings) if finding.verdict == "looks"]
    trials = {i: _without_mask(images, maps, findings[i], seed) for i in indices}
    units = maps.units_by_name
    total, done = sum(len(items) for items in trials.values() if _enough(items, units)), 0
    for i, items in trials.items():
        if not _enough(items, units):
            findings[i] = dataclasses.replace(findings[i], verdict="too few")
            continue

        def report(now: int, _: int, before: int = done) -> None:
            if on_progress:
                on_progress(before + now, total)

        region, target, masked = findings[i].region, findings[i].target, sum(item.mask is not None for item in items)
        trial = intervene(
            classifier,
            items,
            region,
            target=target,
            fill=fill,
            others=exchange,
            seed=seed,
            units=units,
            on_progress=report,
        )
        findings[i] = dataclasses.replace(findings[i], tried=trial, masks=2 * masked > len(items))
        done += len(items)
    order = ("shortcut", "leans", "looks", "too few", "clear")
    return sorted(_verdicts(findings), key=lambda finding: (order.index(finding.verdict), finding.p_where))


def _looked_at(maps: Maps, places: Sequence[Region]) -> list[Finding]:
    """Findings from attribution alone: "looks" where it stands out, "clear" elsewhere."""
    values, called = shares(maps.heatmaps, tuple(places)), maps.frame["predicted"].to_numpy()
    rows: list[tuple[str, Region, Rate, float, float]] = []
    for target in sorted(set(called)):
        own = called == target
        if any(part.sum() < LEAST or maps.few_units(part) for part in (own, ~own)):
            continue
        inside = None if maps.units is None else maps.units[own]
        for region, column in zip(places, values.T, strict=True):
            mean, p = mean_of(column[own], units=inside), _chance(column, own, maps.units)
            rows.append((target, region, mean, float(column[~own].mean()), p))
    adjusted = holm([row[-1] for row in rows])
    findings = []
    for (target, region, share, others, _), p in zip(rows, adjusted, strict=True):
        verdict: Verdict = "looks" if _stands_out(share, others, region, p) else "clear"
        findings.append(Finding(target, region, share, others, float(p), None, None, False, verdict))
    return findings


def _stands_out(share: Rate, others: float, region: Region, p: float) -> bool:
    return p <= SIGNIFICANT and (share.value or 0) > others and (share.low or 0) > region.area


def _enough(items: Sequence[ImageItem], units: Mapping[str, int] | None) -> bool:
    """Whether so many images, and units of them, are left to try."""
    count = FEW_UNITS if units is None else len({units[item.name] for item in items})
    return len(items) >= LEAST and count >= FEW_UNITS


def _chance(values: NDArray[np.float64], inside: NDArray[np.bool_], units: NDArray[np.intp] | None) -> float:
    """The chance of means of the values (M,) `inside` and outside so far apart, either way, if they were shuffled, by
    whole units where they come in units.

    It is the normal limit of the permutations (Strasser and Weber 1999), not drawn: a smallest p that draws can give
    would, after Holm, hide whatever a model of many classes does.
    """
    if units is not None and len(np.unique(units)) < len(units):
        return apart_by_units(values, inside, units)
    own, others = values[inside], values[~inside]
    spread = np.concatenate([own, others]).std(ddof=1) * math.sqrt(1 / len(own) + 1 / len(others))
    return math.erfc(abs(own.mean() - others.mean()) / spread / math.sqrt(2)) if spread > 0 else 1.0


def _without_mask(images: ImageSet, maps: Maps, finding: Finding, seed: int) -> list[ImageItem]:
    """At most `MOST_COVERED` images that the model calls so and whose mask does not reach into the place; of as many
    units as there are."""
    names = maps.frame["name"][maps.frame["predicted"] == finding.target].tolist()
    items: list[ImageItem] = []
    for name in spread_over(shuffle(names, np.random.default_rng(seed)), maps.units_by_name):
        item = images.by_name.get(name)
        try:
            mask = item.open_mask() if item else None
        except InputError:  # the image cannot be judged
            continue
        if item and (mask is None or not (mask & finding.region.on(*mask.shape)).any()):
            items.append(item)
        if len(items) == MOST_COVERED:
            break
    return items


def _verdicts(findings: Sequence[Finding]) -> list[Finding]:
    """The verdicts where interventions were made, their p-values adjusted for their number."""
    trials = [(i, finding.tried) for i, finding in enumerate(findings) if finding.tried is not None]
    result = list(findings)
    for (i, trial), p in zip(trials, holm([trial.p for _, trial in trials]).tolist(), strict=True):
        agreed: Verdict = "shortcut" if findings[i].masks else "leans"
        verdict = agreed if p <= SIGNIFICANT and trial.matters else "looks"
        result[i] = dataclasses.replace(findings[i], p_effect=p, verdict=verdict)
    return result
