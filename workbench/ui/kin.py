"""Which images of the chosen set show one part, where that is known: pages look it up and compute nothing."""

from __future__ import annotations

from workbench.catalog import shared
from workbench.images import ImageSet
from workbench.quality import Families, known_families, store_key
from workbench.ui.cache import slot
from workbench.ui.logbook import pairs_apart

SHIPPED = "families"
"""The folder of the assets with families of the sets that ship."""


def family_key(images: ImageSet) -> str:
    """The name under which the families of a set are kept."""
    return store_key(images, apart(images))


def apart(images: ImageSet) -> tuple[tuple[str, str], ...]:
    """The pairs of digests of images of a set that a person has said are not the same."""
    return pairs_apart(images)


def families_of(images: ImageSet) -> Families | None:
    """The families of a set; None where they were not looked for yet."""
    name = family_key(images)
    place = slot("families", images=images.key, apart=apart(images))
    result: Families | None = place.get()
    if result is None:
        result = known_families(name, [shared(SHIPPED)])
        if result is not None:
            place.put(result, 400 * len(images))
    return result
