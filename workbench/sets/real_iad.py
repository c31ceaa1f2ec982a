"""Real-IAD as it is downloaded: `audiojack/OK/S0001/x_C1.jpg`, `audiojack/NG/AK/S0002/x_C1.jpg` and `x_C1_mask.png`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.images import Guess, mask_of
from workbench.sets.anatomy import Place
from workbench.sets.industrial import CATEGORY, add, ask_for_product, leave_out
from workbench.sets.mask_pairs import mask_findings, pair
from workbench.sets.readings import Reading
from workbench.sets.trees import Tree

_SAMPLE = re.compile(r"S\d+", re.IGNORECASE)
_VIEW = re.compile(r"_(C\d)(?:_|$)")


def real_iad(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """The kind of defect is the label, and *OK*; a sample seen by five cameras is a group, the camera an attribute."""
    places = {path: place for path in tree.images() if (place := _place(path)) is not None}
    kinds = {place.kinds[0] for place in places.values()}
    if "OK" not in kinds or len(kinds) < 2:
        return None
    masks = {path: place for path, place in places.items() if path.stem.lower().endswith("_mask")}
    images = {path: place for path, place in places.items() if path not in masks}
    pairs = pair(images, masks)
    products = sorted({"/".join(place.product) for place in images.values()})
    reading = Reading("real-iad", "samples lie in OK and, by kind of defect, in NG, with masks beside")
    for path, place in images.items():
        mask = mask_of([tree.files[mask] for mask in pairs.masks.get(path, [])])
        attributes: dict[str, object] = {"group": str(path.parent)}
        if view := _VIEW.search(path.stem):
            attributes["view"] = view[1]
        if len(products) > 1:
            attributes[CATEGORY] = "/".join(place.product)
        add(reading, tree, path, place.kinds[0], mask, None, attributes)
        reading.used |= set(pairs.masks.get(path, []))
    value = f"classes: {len(kinds)}, of good parts: OK"
    reading.guesses.append(Guess("labels", value, "the folder below NG is the class", "recognised", "labels"))
    value = f"{len({path.parent for path in images}):,} samples, each seen by several cameras"
    reading.guesses.append(Guess("groups", value, "the folder is the sample", "recognised"))
    value = f"images with a mask: {len(pairs.masks):,}"
    reading.guesses.append(Guess("masks", value, "files called as their image and mask", "recognised", "masks"))
    leave_out(reading, tree, "masks without an image", pairs.orphans)
    if pairs.orphans and options.masks == "auto":
        reading.findings += [found for found in mask_findings(reading.items, pairs.orphans) if not found.images]
    ask_for_product(reading, tree, options, products)
    return reading


def _place(path: PurePosixPath) -> Place | None:
    """What the folders say; the sample stands among the kinds, for names count within it."""
    *above, sample = path.parts[:-1] or ("",)
    if not _SAMPLE.fullmatch(sample):
        return None
    if above[-1:] == ["OK"]:
        return Place(tuple(above[:-1]), kinds=("OK", sample))
    if above[-2:-1] == ["NG"]:
        return Place(tuple(above[:-2]), kinds=(above[-1], sample))
    return None
