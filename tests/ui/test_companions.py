"""Models to compare with: which one a model went on from, the way to both, and images that trained neither."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench.catalog import BESIDE_VARIABLE, MODEL_VARIABLE, load_catalog
from workbench.models import read_spec, spec_key
from workbench.reliability import record_text
from workbench.sets import load_images
from workbench.ui import companions


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A model, and one that went on from it, as `workbench train --from` writes them and `workbench run` names them."""
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        shutil.copytree(load_catalog().models["metal-sound"].ref, folder)
    record = record_text([], started_from=spec_key(before, read_spec(before)))
    (after / "training.json").write_text(record, encoding="utf-8")
    monkeypatch.setenv(MODEL_VARIABLE, str(after))
    monkeypatch.setenv(BESIDE_VARIABLE, str(before))
    return before, after


def test_reliability_leads_to_both_models(visit, two, monkeypatch) -> None:
    query = {"model": str(two[1]), "set": "stamped-metal"}
    page = visit("reliability", **query).sound("Reliability")
    link = next(found.proto for found in page.get("page_link") if "Compare with" in found.proto.label)
    assert link.page == "probe"
    assert "view=compare&versus=before" in link.query_string
    assert "set=stamped-metal" in link.query_string
    compared = visit("probe", **query, view="compare", versus="before").sound("Probe")
    assert compared.selectbox(key="versus").value == "before"
    monkeypatch.setattr(companions, "others", lambda model: {})
    chosen = [SimpleNamespace(folder=folder) for folder in (two[1], two[0], None)]
    assert [companions.earlier(model) for model in chosen] == ["", None, None]


def test_images_that_trained_a_model_are_left_out_of_a_comparison(tmp_path: Path) -> None:
    items = list(load_images("stamped-metal"))[:4]
    folders = []
    for name, record in (("one", record_text([items[0].id])), ("two", record_text([], [items[2].id]))):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        (folders[-1] / "training.json").write_text(record, encoding="utf-8")
    left, said = companions.held_out(items, [*folders, None])
    assert [item.name for item in left] == [items[1].name, items[3].name]
    assert said.startswith("2 images are left out")
    assert companions.held_out(items, [None, tmp_path]) == (items, "")
    alone, flattered = companions.held_out(items[:1], folders)
    assert alone == items[:1]
    assert "flatters it" in flattered
