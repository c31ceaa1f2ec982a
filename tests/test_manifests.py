"""A manifest that says that its pictures are synthetic; everything else about manifests stands in test_layouts.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from workbench.layouts import load_images


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("column", "synthetic"), [(["yes", "Yes"], True), ([True, True], True), ([1, 1], True), (["yes", "no"], False), (["yes", None], False)]
)
def test_a_set_is_synthetic_where_every_row_says_so(
    tmp_path: Path, write_picture: Callable[..., Path], ending: str, column: list[object], synthetic: bool
) -> None:
    for name in ("a.png", "b.png"):
        write_picture(name)
    table = pd.DataFrame({"image": ["a.png", "b.png"], "synthetic": column})
    path = tmp_path / f"manifest.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    images = load_images(tmp_path)
    assert images.synthetic == synthetic
    assert ("synthetic" in images.attribute_names) == (not synthetic)  # where it differs it is an attribute to compare by


def test_a_set_without_the_column_is_not_synthetic(tmp_path: Path, write_picture: Callable[..., Path]) -> None:
    write_picture("a.png")
    (tmp_path / "manifest.csv").write_text("image,label\na.png,ok\n")
    assert not load_images(tmp_path).synthetic


def test_a_catalog_keeps_what_the_manifest_says(
    tmp_path: Path, write_picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture("lot/a.png")
    (tmp_path / "lot" / "manifest.csv").write_text("image,synthetic\na.png,yes\n")
    (tmp_path / "workbench.toml").write_text('[images.lot]\ntitle = "Lot"\nref = "lot"\n')
    monkeypatch.chdir(tmp_path)
    assert load_images("lot").synthetic
