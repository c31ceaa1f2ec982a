"""An image that leaves a page says which model, images, settings and version made it."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from workbench import __version__
from workbench.catalog import load_catalog
from workbench.models.folder import read_spec, spec_key
from workbench.ui import draw


@pytest.fixture
def exports(monkeypatch):
    """What the download buttons of a page hand out, by the names of the files."""
    made = {}
    monkeypatch.setattr(draw.st, "download_button", lambda label, make, name, *_, **__: made.setdefault(name, make))
    return made


def record_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return json.loads(image.text["workbench"])


def key_of(model):
    folder = Path(load_catalog().models[model].ref)
    return spec_key(folder, read_spec(folder))


def test_a_map_says_all_that_it_depends_on(visit, exports):
    at = visit("explain", model="metal-sound", set="stamped-metal", method="saliency", evidence="off").sound()
    name = at.query_params["image"]
    stem = draw.stem(name)
    record = record_of(exports[f"{stem}-saliency.png"]())
    assert record == json.loads(exports[f"{stem}-saliency.json"]())
    assert (record["model"]["key"], record["image"]["name"], record["method"]) == (
        key_of("metal-sound"),
        name,
        "saliency",
    )
    assert record["workbench"] == __version__
    together = record_of(exports[f"{stem}.png"]())
    assert [one["method"] for one in together["maps"]] == ["saliency"]


def test_a_chart_says_of_which_model_and_settings_it_is(visit, exports):
    visit("defects", view="threshold", model="metal-sound", set="stamped-metal", ceiling="7").sound()
    charts = [name for name in exports if name.endswith(".png")]
    assert charts
    for name in charts:
        record = record_of(exports[name]())
        assert record["model"]["key"] == key_of("metal-sound")
        assert (record["page"], record["workbench"]) == ("defects", __version__)
        assert float(record["settings"]["ceiling"][0]) == 7
        assert record["images"]["name"]
