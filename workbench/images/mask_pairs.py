"""Which mask belongs to which image, by folders and names, and what of it does not come out even."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from PIL import Image

from workbench.errors import InputError
from workbench.images.anatomy import Place, stems
from workbench.images.decoding import open_with
from workbench.images.deep import decode_mask
from workbench.images.item import ImageItem, Source, read_source
from workbench.images.report import SHOWN, Finding
from workbench.texts import reads_as_good

LOOKED_AT = 200
"""The most masks of good images that are decoded to see whether anything is inside."""
TRIED = 4
"""Masks that are decoded to see whether they are masks at all."""
Key = tuple[tuple[str, ...], tuple[str, ...], str]


@dataclass
class Pairs:
    """Masks by their images, and masks that have none."""

    masks: dict[PurePosixPath, list[PurePosixPath]] = field(default_factory=lambda: defaultdict(list))
    orphans: list[PurePosixPath] = field(default_factory=list)

    @property
    def matched(self) -> int:
        """Masks that have an image."""
        return sum(len(paths) for paths in self.masks.values())


def pair(images: Mapping[PurePosixPath, Place], masks: Mapping[PurePosixPath, Place]) -> Pairs:
    """Match masks with images of the same product, class and name, whatever their endings and capitals.

    A mask whose folders name no split belongs to a test image where there is one. A folder that is called after an
    image holds its masks. Masks that lie in no class's folder belong to the defect of that name.
    """
    exact: dict[Key, list[PurePosixPath]] = defaultdict(list)
    alone: dict[Key, list[PurePosixPath]] = defaultdict(list)
    for path, place in images.items():
        exact[_key(place.product, place.kinds, path.stem)].append(path)
        if not (place.kinds and reads_as_good(place.kinds[0])):
            alone[_key(place.product, (), path.stem)].append(path)
    pairs = Pairs()
    for path, place in masks.items():
        found: PurePosixPath | None = None
        for key in _keys(path, place):
            found = _one(exact.get(key, ()), images, path, place.split)
            if found is None and not place.kinds:
                found = _one(alone.get(key, ()), images, path, place.split)
            if found is not None:
                break
        if found is None:
            pairs.orphans.append(path)
        else:
            pairs.masks[found].append(path)
    return pairs


def _key(product: Sequence[str], kinds: Sequence[str], stem: str) -> Key:
    return tuple(part.lower() for part in product), tuple(part.lower() for part in kinds), stem.lower()


def _keys(path: PurePosixPath, place: Place) -> Iterable[Key]:
    for stem in stems(path):
        yield _key(place.product, place.kinds, stem)
    if place.kinds:
        yield _key(place.product, place.kinds[:-1], place.kinds[-1])


def _one(
    paths: Sequence[PurePosixPath], images: Mapping[PurePosixPath, Place], mask: PurePosixPath, split: str | None
) -> PurePosixPath | None:
    """The one image that is meant among those of a name: of the mask's split or the test split, then of its ending."""
    if split is not None:
        paths = [path for path in paths if images[path].split == split]
    elif len(paths) > 1:
        paths = [path for path in paths if images[path].split == "test"] or paths
    if len(paths) > 1:
        paths = [path for path in paths if path.suffix.lower() == mask.suffix.lower()]
    return paths[0] if len(paths) == 1 else None


def look_like_masks(sources: Sequence[Source]) -> bool:
    """Whether a few files of a folder look like masks, not photographs: few colours, or little between dark and light.

    Files that cannot be read do not count; where none can, they are taken for masks.
    """
    step = max(1, len(sources) // TRIED)
    looks = [_is_mask(source) for source in sources[::step][:TRIED]]
    return all(look for look in looks if look is not None)


def _is_mask(source: Source) -> bool | None:
    try:
        return open_with(read_source(source, "a mask"), "a mask", _few_values)
    except InputError:
        return None


def _few_values(image: Image.Image) -> bool:
    if image.mode in ("1", "P") or image.getcolors(64) is not None:
        return True
    counts = image.convert("L").histogram()
    return sum(counts[:32]) + sum(counts[-32:]) >= 0.9 * sum(counts)


def is_empty(mask: Source) -> bool | None:
    """Whether nothing is inside of a mask; None where it cannot be read."""
    try:
        return not decode_mask(read_source(mask, "a mask"), "a mask").any()
    except InputError:
        return None


def mask_findings(items: Sequence[ImageItem], orphans: Sequence[PurePosixPath]) -> list[Finding]:
    """What contradicts itself between labels and masks, a sentence with numbers each.

    Args:
        items: Of a set in which defects should have masks.
        orphans: Masks without an image.
    """
    splits = {item.split for item in items if item.mask is not None}
    findings = []
    defects = [item for item in items if item.label and not reads_as_good(item.label) and item.split in splits]
    bare = tuple(item.name for item in defects if item.mask is None)
    if bare:
        what = f"{len(bare):,} of {len(defects):,} images of defects have no mask"
        findings.append(Finding("mask missing", f"{what}: {listed(bare)}.", bare))
    if orphans:
        names = tuple(str(path) for path in orphans)
        findings.append(Finding("mask without image", f"{len(names):,} masks belong to no image: {listed(names)}."))
    good = [item for item in items if item.label and reads_as_good(item.label) and item.mask is not None]
    looked = good[:: -(-len(good) // LOOKED_AT)] if good else []
    marked = tuple(item.name for item in looked if item.mask is not None and is_empty(item.mask) is False)
    if marked:
        among = f" (of {len(looked):,} that were looked at)" if len(looked) < len(good) else ""
        what = f"{len(marked):,} of {len(good):,} masks of good images are not empty{among}"
        findings.append(Finding("mask of a good image", f"{what}: {listed(marked)}.", marked))
    return findings


def listed(names: Sequence[str]) -> str:
    """The first names in a sentence, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
