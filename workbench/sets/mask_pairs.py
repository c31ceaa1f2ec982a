"""Which mask belongs to which image, by folders and names, and what of it does not come out even."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from PIL import Image

from workbench.errors import InputError
from workbench.images import (
    SHOWN,
    Finding,
    ImageItem,
    MaskSource,
    Source,
    decode_mask,
    doubtful,
    evenly_spread,
    open_with,
    read_source,
)
from workbench.sets.anatomy import Place, stems, unmarked
from workbench.texts import reads_as_good, sentence_list

LOOKED_AT = 200
"""The most masks of good images that are decoded to see whether anything is inside."""
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
    image holds its masks. Masks that lie in no class's folder belong to the defect of that name, and those in the
    folder of a kind to images of that kind, whatever lies above it.
    """
    exact: dict[Key, list[PurePosixPath]] = defaultdict(list)
    deepest: dict[Key, list[PurePosixPath]] = defaultdict(list)
    alone: dict[Key, list[PurePosixPath]] = defaultdict(list)
    for path, place in images.items():
        exact[_key(place.product, place.kinds, path.stem)].append(path)
        if len(place.kinds) > 1:
            deepest[_key(place.product, place.kinds[-1:], path.stem)].append(path)
        if not (place.kinds and reads_as_good(place.kinds[0])):
            alone[_key(place.product, (), path.stem)].append(path)
    pairs = Pairs()
    for path, place in masks.items():
        found: PurePosixPath | None = None
        for key in _keys(path, place):
            others = deepest if place.kinds else alone
            found = _one(exact.get(key, ()), images, path, place.split)
            found = found or _one(others.get(key, ()), images, path, place.split)
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
        if (bare := [*place.kinds[:-1], *map(unmarked, place.kinds[-1:])]) != [kind.lower() for kind in place.kinds]:
            yield _key(place.product, bare, stem)
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


def are_masks(pairs: Pairs, sources: Mapping[PurePosixPath, Source], number: int) -> bool:
    """Whether at least half of so many files have an image, and half of those that are looked at look like masks."""
    candidates = [(str(mask), image, mask) for image, masks in pairs.masks.items() for mask in masks]
    strange = doubtful((name, sources[mask], sources[image]) for name, image, mask in candidates)
    return 2 * pairs.matched >= number and 2 * len(strange) < pairs.matched


def is_empty(mask: Source | None) -> bool | None:
    """Whether nothing is inside of a mask; None where there is none that can be read."""
    if mask is None:
        return None
    try:
        data = read_source(mask, "a mask")
        with suppress(InputError):  # of formats that Pillow does not open
            plainly = None if isinstance(mask, MaskSource) else open_with(data, "a mask", _plainly_empty)
            if plainly is not None:
                return plainly
        return not decode_mask(data, "a mask").any()
    except InputError:
        return None


def _plainly_empty(image: Image.Image) -> bool | None:
    """Whether a mask is black all over or holds one grey beside black, which is quickly seen; None where it is not."""
    colours = image.getcolors(2) if image.mode in ("1", "L", "RGB") and image.format != "JPEG" else None
    values = [colour for _, colour in colours or ()]
    if values in ([0], [(0, 0, 0)]):
        return True
    return False if len(values) == 2 and 0 in values else None


def mask_findings(items: Sequence[ImageItem], orphans: Sequence[PurePosixPath]) -> list[Finding]:
    """What contradicts itself between labels and masks, a sentence with numbers each.

    Args:
        items: Of a set in which defects should have masks.
        orphans: Masks without an image.
    """
    splits = {item.split for item in items if item.mask is not None}
    masked = {item.label for item in items if item.mask is not None}
    findings = []
    defects = [item for item in items if item.label and not reads_as_good(item.label) and item.split in splits]
    drawn = [item for item in defects if item.label in masked]
    bare = tuple(item.name for item in drawn if item.mask is None)
    if bare:
        what = f"Images of defects without a mask: {len(bare):,} of {len(drawn):,}"
        findings.append(Finding("mask missing", f"{what} ({listed(bare)}).", bare))
    undrawn = sorted({str(item.label) for item in defects} - {str(label) for label in masked})
    if undrawn and masked:
        names = tuple(item.name for item in defects if item.label in undrawn)
        what = f"No image of {listed(undrawn)} has a mask ({len(names):,} images), though others have"
        findings.append(
            Finding("class without masks", f"{what}: a class of good parts, or masks that are missing.", names)
        )
    if orphans:
        names = tuple(str(path) for path in orphans)
        findings.append(Finding("mask without image", f"Masks without an image: {len(names):,} ({listed(names)})."))
    good = [item for item in items if item.label and reads_as_good(item.label) and item.mask is not None]
    looked = evenly_spread(good, LOOKED_AT)
    marked = tuple(item.name for item in looked if is_empty(item.mask) is False)
    if marked:
        what = f"Masks of good images that are not empty: {len(marked):,} of {len(looked):,} that were looked at"
        findings.append(Finding("mask of a good image", f"{what} ({listed(marked)}).", marked))
    return findings


def listed(names: Sequence[str]) -> str:
    """The first names in a sentence of the report, and how many more there are."""
    return sentence_list(names, SHOWN)
