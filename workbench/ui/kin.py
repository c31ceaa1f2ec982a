"""Which images of the chosen set show one part, where that is known: pages look it up and compute nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from workbench.images import ImageSet
from workbench.predictions import named_units
from workbench.quality import Families, FileOrder, Proposed, families_of_set, file_order, records_folder, store_key
from workbench.ui import kept
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.logbook import pairs_apart

OWN = "own canvases"
"""Where in the session the folder stands that is the visitor's own."""


def kept_in(*, own: bool) -> Path:
    """Where families, and what was read of each image, are kept: of a visitor's `own` uploads for their session."""
    if not own:
        return records_folder()
    if OWN not in st.session_state:
        st.session_state[OWN] = tempfile.TemporaryDirectory(prefix="workbench-")
    return Path(st.session_state[OWN].name)


def family_key(images: ImageSet) -> str:
    """The name under which the families of a set are kept."""
    return store_key(images, apart(images))


def apart(images: ImageSet) -> tuple[tuple[str, str], ...]:
    """The pairs of digests of images of a set that a person has said are not the same."""
    return pairs_apart(images)


def families_of(images: ImageSet) -> Families | None:
    """The families of a set; None where they were not looked for yet."""
    pairs = apart(images)
    place = slot("families", images=images.key, apart=pairs)
    result: Families | None = place.get()
    if result is None:
        own = [kept_in(own=True)] if OWN in st.session_state else []
        result = families_of_set(images, pairs, own)
        if result is not None:
            place.put(result, 400 * len(images))
    return result


def known_key(images: ImageSet) -> str | None:
    """The name of the families of a set where they were looked for: what figures by unit depend on beside the set."""
    return None if families_of(images) is None else family_key(images)


def units_of(images: ImageSet) -> dict[str, int] | None:
    """The independent unit of each image of a set by its name, from stated groups and families; None where neither is
    known of any."""
    found = families_of(images)
    return named_units(images.items, None if found is None else found.by_name)


def order_of(images: ImageSet) -> FileOrder | None:
    """Whether the order of the files of a set hides a group; None where that was not tested yet."""
    result: FileOrder | None = kept.recall(_order_slot(images), FileOrder, Proposed)
    return result


def order_tested(images: ImageSet) -> FileOrder | None:
    """The same, tested now with progress; None where the user stopped it."""
    label, place = f"Comparing {len(images):,} images with their neighbours", _order_slot(images)
    result = computed(place, label, lambda progress: file_order(images.items, on_progress=progress), lambda _: 8192)
    if result is not None:
        kept.keep(place, result, 8192)
    return result


def _order_slot(images: ImageSet) -> Slot:
    return slot("file order", images=images.key, names=[item.name for item in images])
