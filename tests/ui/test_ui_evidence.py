"""The evidence on Explain: what counts stands apart from what does not, with its error rates; how stubborn it is."""

from __future__ import annotations

import re

import pytest

from workbench.evidence import error_rates
from workbench.evidence.case import BUDGETS, Budget

METAL = {"model": "metal-sound", "set": "stamped-metal"}


@pytest.fixture
def checked(visit, monkeypatch, empty_shelves):
    """Explain with a cheap card of one map."""
    monkeypatch.setitem(BUDGETS, "quick", Budget(steps=4, marks=(1, 3), orders=3, stages=2, noises=1, squares=8))
    return visit("explain", **METAL, method="integrated_gradients", evidence="quick").sound("Explain")


def table(at) -> str:
    return next(e.proto.body for e in at.get("html") if "wb-checks" in e.proto.body)


def test_properties_stand_apart_without_a_colour_and_counts_beside_each_question(checked) -> None:
    head, counted, properties = re.split(r'<th scope="colgroup"', table(checked))[:3]
    assert "Integrated gradients" in head
    for words in ("removed", "shown first", "spots are covered", "In sum", "A veto"):
        assert words in counted, words
    assert "they do not tell whether it is right" in properties
    assert "Do the map&#x27;s values sum" in properties
    assert not re.findall(r"wb-(?:good|bad|doubt)", properties)
    rates = error_rates("deletion")
    assert rates is not None
    failed = rates.passed.support - rates.passed.count
    assert f"Failed {failed:,} of {rates.passed.support:,} planted wrong maps" in counted
    every = error_rates("deletion", every=True)
    assert every is not None
    more = f"of all networks, {every.passed.support - every.passed.count:,} of {every.passed.support:,}"
    assert (more in counted) == (every.passed.support > rates.passed.support)


def test_stubbornness_is_asked_on_request_and_then_stands_in_the_table(checked) -> None:
    assert "flips under" not in table(checked)
    (button,) = (b for b in checked.button if b.label == "Ask under other settings")
    at = button.click().run()
    assert not at.exception
    assert "Ask under other settings" not in [b.label for b in at.button]
    assert re.search(r"flips under \d of \d", table(at))
    assert re.search(r"another word under \d of 9 other settings", table(at))
    frame = next(e.value for e in at.dataframe if "setting" in e.value)
    assert frame["setting"].tolist()[0] == "As shown"
    assert len(frame) == 10
    told = " ".join(e.value for e in at.markdown)
    assert re.search(r"becomes another word under \*\*\d of 9 other settings\*\*", told)
