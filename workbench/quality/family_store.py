"""Where families are kept once they were found: by the images and by what a person has told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from workbench.catalog import shipped
from workbench.errors import InputError
from workbench.files import DamagedError, cache_folder, facts_of, key, metadata_of, open_parquet
from workbench.images import ImageSet
from workbench.quality.same_part import PAIR_COLUMNS, Families, families, told_apart

STORED_IN = "families"


def store_key(images: ImageSet, apart: Iterable[tuple[str, str]] = ()) -> str:
    """What the families of a set depend on: its images by name and bytes, in order, and the pairs told apart."""
    names = [item.name for item in images]
    return key("families", images=(images.pixels_key, names), apart=sorted(sorted(pair) for pair in apart))


def records_folder() -> Path:
    """Where what was read of each image is kept, so that a comparison that was stopped goes on."""
    return cache_folder() / STORED_IN


def families_of_set(
    images: ImageSet, apart: Iterable[tuple[str, str]] = (), places: Iterable[Path] = ()
) -> Families | None:
    """The families of a set as they are kept, without the pairs of digests that a person has told apart; None where
    they were not looked for yet."""
    found, pairs = known_families(store_key(images), places), tuple(apart)
    return told_apart(found, images.items, pairs) if found is not None and pairs else found


def look_for_families(
    images: ImageSet,
    apart: Iterable[tuple[str, str]] = (),
    folder: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Families:
    """The same, compared now and kept where they were not looked for yet.

    Args:
        images: The set.
        apart: Pairs of digests of images that a person has said are not the same.
        folder: Where the families, and what is read of each image, are kept, if not in `records_folder`.
        on_progress: As for `families`.

    Raises:
        InputError: There are no images.
    """
    pairs = tuple(apart)
    folder = folder or records_folder()
    if (found := families_of_set(images, pairs, [folder])) is not None:
        return found
    found = families(images, folder=folder, on_progress=on_progress)
    keep_families(store_key(images), found, folder)
    return told_apart(found, images.items, pairs) if pairs else found


def known_families(name: str, places: Iterable[Path] = ()) -> Families | None:
    """The families under a name that `store_key` gave, from the cache, from other folders or from what comes with the
    package; None where they were not looked for yet, or where the file is damaged."""
    for folder in (records_folder(), *places, shipped(STORED_IN)):
        path = folder / f"{name}.parquet"
        if path.is_file():
            try:
                return _read(path)
            except (DamagedError, InputError, OSError, KeyError, ValueError):
                continue
    return None


def keep_families(name: str, found: Families, folder: Path | None = None) -> Path:
    """Write families under a name, into the cache or a folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = folder or cache_folder() / STORED_IN
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    table = pa.Table.from_pandas(found.frame, preserve_index=False)
    facts = {
        "pairs": found.pairs.to_dict("list"),
        "threshold": found.threshold,
        "untold": list(found.untold),
        "unread": list(found.unread),
        "sisters": found.sisters,
        "strangers": list(found.strangers),
        "compared": list(found.compared),
    }
    table = table.replace_schema_metadata(metadata_of(facts))
    temporary = path.with_suffix(".tmp")
    pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
    temporary.replace(path)
    return path


def _read(path: Path) -> Families:
    import pandas as pd

    table = open_parquet(path).read()
    facts: dict[str, Any] = facts_of(table.schema.metadata)
    frame = table.to_pandas().astype(object)
    frame = frame.where(frame.notna(), None)
    return Families(
        frame,
        pd.DataFrame(facts["pairs"], columns=list(PAIR_COLUMNS)),
        facts["threshold"],
        tuple(facts["untold"]),
        tuple(facts["unread"]),
        bool(facts["sisters"]),
        tuple(facts["strangers"]),
        tuple(facts["compared"]),
    )
