from __future__ import annotations

import pytest
from PIL import Image


@pytest.mark.parametrize("page", ["overview", "bias", "defects"])
def test_every_page_with_figures_says_which_labels_do_not_count(visit, tmp_path, page):
    for label in ("functional", "funktional", "defective", "odd*"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (64, 64), "grey").save(tmp_path / label / "a.png")
    at = visit(page, model="solar-cells", set=str(tmp_path))
    text = " ".join(warning.value for warning in at.warning)
    assert "2 images have a label that is no class of the model: funktional (1; did you mean functional?)" in text
    assert r"odd\* (1)" in text
    assert "count neither right nor wrong" in text
    at = visit(page, model="solar-cells")
    assert "no class of the model" not in " ".join(warning.value for warning in at.warning)
