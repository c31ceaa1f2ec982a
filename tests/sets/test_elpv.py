"""The solar cells: their splits, and the modules that were inferred."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from workbench.sets.layouts import load_images


def test_solar_cells_by_their_catalog_name() -> None:
    images = load_images("solar-cells", class_names=["functional", "defective"])
    assert len(images) == 2624
    assert images.name == "Solar cells (ELPV)"
    assert images.class_names == ("functional", "defective")
    assert Counter(item.split for item in images) == {"train": 1616, "validation": 360, "test": 648}
    judged = {(item.label, item.attributes["defect probability"]) for item in images}
    assert judged == {("functional", 0.0), ("functional", 0.333), ("defective", 0.667), ("defective", 1.0)}
    assert Counter(item.label for item in images) == {"functional": 1508 + 295, "defective": 106 + 715}
    assert {item.attributes["module type"] for item in images} == {"mono", "poly"}
    assert images.items[0].name == "cell0001.png"
    assert images.items[0].open().size == (300, 300)


@pytest.mark.parametrize(("name", "most"), [("solar-cells", 0.03), ("solar-cells-random", 0.01)])
def test_the_split_of_the_solar_cells_is_balanced(name: str, most: float) -> None:
    images = load_images(name)
    shares = {
        s: np.mean([item.label == "defective" for item in images if item.split == s])
        for s in ("train", "validation", "test")
    }
    assert max(shares.values()) - min(shares.values()) < most


def test_modules_of_the_solar_cells_lie_in_one_split_in_runs_of_files_and_one_was_photographed_twice() -> None:
    images = load_images("solar-cells")
    modules = pd.DataFrame({"module": [i.attributes["group"] for i in images], "split": [i.split for i in images]})
    by_module = modules.groupby("module")
    assert (by_module["split"].nunique() == 1).all()
    assert by_module.first()["split"].value_counts().to_dict() == {"train": 26, "test": 11, "validation": 6}
    kinds = {item.attributes["group"]: item.attributes["module type"] for item in images}
    assert {(item.attributes["group"], item.attributes["module type"]) for item in images} == set(kinds.items())
    runs = (modules["module"] != modules["module"].shift()).groupby(modules["module"]).sum()
    (twice,) = runs[runs > 1].index
    assert {modules["module"][n - 1] for n in (1735, 1784, 2277, 2326)} == {twice}
    assert runs.sum() == 44, "as many runs as modules were published"
