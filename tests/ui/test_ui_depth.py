"""Pages with images of 16 bits in five channels: looked at through a window, edited in floats, read in tiles."""

import numpy as np
import pytest
import tifffile
import timm
from safetensors.torch import save_file

from workbench.ui import session

TOML = """
architecture = "timm:mobilenetv3_small_050"
options = {{ in_chans = 5 }}
weights = "w.safetensors"
classes = ["good", "bad"]
positive = "bad"
threshold = 0.5
[preprocessing]
size = [32, 32]
resize = "stretch"
channels = ["blue", "green", "red", "nir", "swir"]
range = [0, 4095]
mean = [0.5, 0.5, 0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25, 0.25, 0.25]
{tiles}
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A model of five channels, the same in tiles, and four images of 48 x 48 pixels."""
    monkeypatch.setattr(session, "local", lambda: True)
    weights = timm.create_model("mobilenetv3_small_050", num_classes=2, in_chans=5).state_dict()
    for name, tiles in (("whole", ""), ("tiled", "[preprocessing.tiles]\noverlap = 0.25")):
        (tmp_path / name).mkdir()
        save_file(weights, tmp_path / name / "w.safetensors")
        (tmp_path / name / "model.toml").write_text(TOML.format(tiles=tiles))
    rng = np.random.default_rng(0)
    for i in range(4):
        path = tmp_path / "set" / ("good", "bad")[i % 2] / f"{i}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = rng.integers(500, 4000, (48, 48, 5), dtype=np.uint16)
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    return tmp_path


def test_a_deep_image_is_shown_through_a_window_and_explained(visit, own):
    where = {"model": str(own / "whole"), "set": str(own / "set"), "image": "bad/1.tif"}
    at = visit("explain", **where, method="saliency", levels="own", white="50", red="nir").sound()
    captions = [caption.value for caption in at.caption]
    assert any("white 2,047.5" in text for text in captions)
    assert not any("set range" in text for text in captions)  # it is set
    (red,) = [box for box in at.selectbox if box.label == "Red"]
    assert red.value == "nir"
    assert red.options == ["blue", "green", "red", "nir", "swir"]
    assert at.maps()
    visit("probe", **where, edit="brightness:0.1").sound()


def test_an_image_in_tiles_is_explained_and_what_tiles_do_not_allow_is_said(visit, own):
    where = {"model": str(own / "tiled"), "set": str(own / "set"), "image": "bad/1.tif"}
    assert visit("explain", **where, method="saliency").sound().maps()
    at = visit("probe", **where)
    assert not at.exception
    assert any("read in tiles" in text for text in at.said())
