"""The solar cells of the package `elpv-dataset`, with the splits and modules that ship."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from workbench.catalog import ReadOptions, package_folder, read_text, shared
from workbench.errors import InputError
from workbench.files import csv_rows
from workbench.images import FileSource, Guess, ImageItem, ImageSet
from workbench.sets.readings import Reading, image_set
from workbench.sets.trees import Tree


def elpv(options: ReadOptions) -> ImageSet:
    """The set of Deitsch et al. 2019, with the splits and modules of assets/splits/elpv.csv.

    The set does not say which module a cell comes from. Its files lie module by module: with 60 cells a module, a few
    of 48, 50, 54 or 72, there are 26 runs of polycrystalline and 18 of monocrystalline cells, as many modules as were
    published. Cells 2277 to 2326 are cells 1735 to 1784 again, out of focus, so that those two runs are one module.

    Raises:
        InputError: The package is not installed, or an option asks for another reading.
    """
    if others := sorted(options.model_dump(exclude_defaults=True).keys() - {"labels", "group"}):
        raise InputError(
            f"The solar cells are listed by their own package, so {' and '.join(others)} cannot change how they are"
            " read: take back all options but labels and group."
        )
    data = package_folder("elpv_dataset") / "data"
    rows = csv_rows(shared("splits/elpv.csv").read_bytes(), "elpv.csv")
    stored = {str(row["name"]): (str(row["split"]), f"module {row['module']}") for row in rows}
    reading = Reading("elpv", "the package elpv-dataset lists its images in labels.csv", ordered=True)
    reading.guesses = _guesses(len({module for _, module in stored.values()}))
    reading.class_names = ("functional", "defective")
    for line in read_text(data / "labels.csv").splitlines():
        if line.strip():
            name, probability, kind = line.split()
            reading.items.append(_cell(data / name, float(probability), kind, *stored[name]))
    tree = Tree("elpv", {PurePosixPath(item.name): item.source for item in reading.items}, data)
    reading.used = set(tree.files)
    return image_set(tree, tree, reading, options)


def _guesses(modules: int) -> list[Guess]:
    labels = "defective from a stated probability of 0.5 on"
    why = "the files lie module by module, and one module was photographed twice: inferred, for the set does not say"
    return [
        Guess("labels", labels, "the experts' ratings in labels.csv", "stated"),
        Guess("splits", "dealt by module", "assets/splits/elpv.csv, of this program", "stated"),
        Guess("groups", f"{modules} modules", why, "assumed"),
    ]


def _cell(path: Path, defective: float, kind: str, split: str, module: str) -> ImageItem:
    return ImageItem(
        name=path.name,
        source=FileSource(path),
        label="defective" if defective >= 0.5 else "functional",
        split=split,
        attributes={"module type": kind, "defect probability": round(defective, 3), "group": module},
    )
