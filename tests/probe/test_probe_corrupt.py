"""A corruption of Reliability as an edit of Probe: the same pixels, in a link that reads back."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import InputError
from workbench.images import CORRUPTIONS, corrupt
from workbench.probe.edits import CORRUPT, Edit, apply, read

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_every_cell_is_an_edit_of_the_same_pixels() -> None:
    for name in CORRUPTIONS:
        edit = Edit(CORRUPT, 3, fill=name)
        assert read(edit.written()) == edit
        assert (apply(PIXELS, [edit], seed=5).pixels == corrupt(PIXELS, name, 3)).all()
    assert read("corrupt:2:motion_blur").said == ("Motion blur, severity 2 of 5: radius 15 px, standard deviation 5 px")


def test_it_follows_the_edits_before_it() -> None:
    chain = [read("brightness:0.2"), read("corrupt:4:dust")]
    brighter = apply(PIXELS, chain[:1]).pixels
    assert (apply(PIXELS, chain).pixels == corrupt(brighter, "dust", 4)).all()


@pytest.mark.parametrize(
    "text", ["corrupt:6:dust", "corrupt:0:dust", "corrupt:1.5:dust", "corrupt:1:snow", "corrupt:x"]
)
def test_what_is_no_corruption_is_refused(text) -> None:
    with pytest.raises(InputError, match=r"corruption|no edit"):
        read(text)


def test_an_image_that_cannot_have_it_says_so() -> None:
    with pytest.raises(InputError, match="no colour"):
        apply(np.full((8, 8, 3), 100, np.uint8), [read("corrupt:1:saturate")])
