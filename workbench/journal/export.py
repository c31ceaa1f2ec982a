"""Hand a journal on: as a table, as a chain that can be checked without this program, and as labels to train with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from workbench.errors import InputError
from workbench.files import to_csv as table_csv
from workbench.images import MASK_MARK, FileSource, ImageItem, ImageSet, Source, parts_of
from workbench.journal.notes import NoteEntry, Record, text_of
from workbench.journal.rulings import RulingEntry
from workbench.sets import SYNTHETIC

COLUMNS = (
    "number", "time", "user", "verdict", "overruled", "reason", "label", "label_known", "score", "threshold",
    "review_from", "review_to",
    "coverage", "threshold_by", "chosen_on", "ceiling", "escape_cost", "overkill_cost", "prevalence", "positive",
    "image_name", "set_name",
    "model_name", "image", "model", "map_method", "map_digest", "previous", "hash",
    "about", "said", "to", "second_name", "second", "second_label", "subject", "until", "text", "digest",
)  # fmt: skip
MARKS = ("overruled", "reason")
FORMAT = "workbench journal 1"


def to_csv(entries: Iterable[Record]) -> str:
    """One row an entry, for a spreadsheet: several positive classes stand in one cell with semicolons between. Notes
    and rulings say in `about` what they are; of a decision that cell is empty.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, and half a pair of surrogates
    becomes a replacement character, as `workbench.files.sheets` tells: to check hashes, use `to_json`.
    """
    return table_csv(COLUMNS, ([getattr(entry, name, None) for name in COLUMNS] for entry in entries))


def to_json(entries: Iterable[Record]) -> str:
    r"""All that it takes to check the chain without this program, in plain ASCII.

    An object with `format` and `entries`, a list of `{"hash": ..., "entry": {...}}`, one a line. The entry stands there
    in its canonical form, byte for byte. To check one: the SHA-256 of those bytes, from the brace after `"entry":` to
    the last brace but one of the line, is `hash`; the `previous` in it is the `hash` of the line before, or 64 zeros
    where `number` is 1. In Python:

        before = "0" * 64
        for row in json.loads(text)["entries"]:
            body = json.dumps(row["entry"], sort_keys=True, separators=(",", ":"))
            assert hashlib.sha256(body.encode()).hexdigest() == row["hash"] and row["entry"]["previous"] == before
            before = row["hash"]

    The last hash is the head to hold against one that was kept elsewhere. Of entries that were filtered or turned
    round, only the hashes can be checked, not that each follows on the one before.
    """
    rows = (f'{{"hash":"{entry.hash}","entry":{text_of(entry)}}}' for entry in entries)
    return f'{{"format":"{FORMAT}","entries":[\n' + ",\n".join(rows) + "\n]}\n"


def relabel(images: ImageSet, entries: Iterable[Record]) -> str:
    """A manifest of a set in which overruled decisions and changed labels are the labels, to train with.

    An image is found by the digest of its bytes, whatever model or set the decision was about. Its newest overruling or
    change of its label counts, unless a later decision on the same image, of this model or another, lets stand a
    verdict that contradicts it, or a later note on its label says another thing: then it was taken back. Columns:
    `image`, `label`, `split`, `mask` where it lies in the set's folder, the set's attributes, `overruled` ("yes" or
    "no") and `reason`. The file belongs into `folder_of(images)`, where its paths begin. Marks of an earlier such
    manifest stay. What begins like a formula is guarded as in every table, which reading a manifest undoes.

    Raises:
        InputError: An image cannot be read, or a name, label or attribute is no text that a file can hold.
    """
    standing = _standing(entries)
    folder = folder_of(images)
    masks = folder is not None and any(_masks_below(item.mask, folder) for item in images)
    attributes = [name for name in images.attribute_names if name not in MARKS]
    header = ["image", "label", "split", *(["mask"] if masks else []), *([SYNTHETIC] if images.synthetic else [])]
    header += [*attributes, *MARKS]
    rows = []
    for item in images:
        said = standing.get(item.id) if standing else None
        label = said[0] if said else item.label
        cells = [
            _below(item.source, folder) or item.name,
            label,
            item.split,
            *([_masks_below(item.mask, folder)] if masks else []),
            *(["yes"] if images.synthetic else []),
        ]
        rows.append([*cells, *(item.attributes.get(name) for name in attributes), *_marks(item, said)])
    _check_names(images, header, rows)
    return table_csv(header, rows)


def _check_names(images: ImageSet, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Refuse what no file can hold, but in a reason: to replace it there, as a table does, loses no image."""
    for cells in (header, *(row[:-1] for row in rows)):
        try:
            " ".join(str(cell) for cell in cells).encode()
        except UnicodeEncodeError as error:
            around = str(error.object)[max(0, error.start - 40) : error.end + 40]
            raise InputError(
                f"{images.name} has a name or label that no file in UTF-8 can hold ({around!r}): rename it."
            ) from None


def folder_of(images: ImageSet) -> Path | None:
    """The folder on disk in which the names of a set's images begin; None where there is none, as for a zip."""
    for item in images:
        for name in (item.name, item.name.replace("\\", "/")):  # a manifest may be written either way
            parts = PurePosixPath(name).parts
            if isinstance(item.source, FileSource) and item.source.path.parts[-len(parts) :] == parts:
                return item.source.path.parents[len(parts) - 1]
    return None


def _below(source: Source | None, folder: Path | None) -> str | None:
    """The path of a file from `folder` on; None where it does not lie there."""
    if folder is None or not isinstance(source, FileSource) or not source.path.is_relative_to(folder):
        return None
    return source.path.relative_to(folder).as_posix()


def _masks_below(mask: Source | None, folder: Path | None) -> str | None:
    """The paths of the files of a mask, as a manifest names them; None where any lies elsewhere."""
    paths = [_below(part, folder) for part in parts_of(mask)]
    return None if None in paths else MASK_MARK.join(path for path in paths if path) or None


def _standing(entries: Iterable[Record]) -> dict[str, tuple[str, str]]:
    """The class that stands for each image after what people said, and why, by the image's digest."""
    standing: dict[str, tuple[str, str]] = {}
    told = [entry for entry in entries if not isinstance(entry, RulingEntry)]
    for entry in sorted(told, key=lambda entry: entry.number):
        before = standing.get(entry.image)
        if isinstance(entry, NoteEntry):
            if entry.about == "label":
                standing.pop(entry.image, None)
                if entry.to is not None:
                    standing[entry.image] = entry.to, entry.reason
        elif entry.overruled is not None:
            standing[entry.image] = entry.overruled, entry.reason
        elif before is not None and entry.verdict == ("pass" if before[0] in entry.positive else "reject"):
            del standing[entry.image]
    return standing


def _marks(item: ImageItem, said: tuple[str, str] | None) -> tuple[object, object]:
    if said is not None:
        return "yes", said[1]
    earlier: Mapping[str, object] = item.attributes
    return earlier.get("overruled") or "no", earlier.get("reason") or ""
