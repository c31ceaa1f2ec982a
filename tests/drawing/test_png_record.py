"""What a PNG says of where it comes from reads back, and leaves its pixels alone."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from workbench.drawing import render


@pytest.mark.parametrize("kind", ["image", "figure"])
def test_a_png_says_where_it_comes_from_and_its_pixels_stay(kind):
    image = Image.fromarray(np.random.default_rng(7).integers(40, 216, (30, 50, 3), dtype=np.uint8))
    record = {"model": {"key": "f" * 64}, "image": "Zelle é \x00\n</svg>.png", "settings": {"method": ["良"]}}
    drawn = image if kind == "image" else render.figure(image, [], "h", "f")
    with (
        Image.open(io.BytesIO(render.to_png(drawn, record))) as said,
        Image.open(io.BytesIO(render.to_png(drawn))) as silent,
    ):
        assert json.loads(said.text["workbench"]) == record
        assert "workbench" not in silent.text
        assert np.array_equal(np.asarray(said), np.asarray(silent))
