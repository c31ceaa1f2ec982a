"""What Explain does with a league that is known: its winner is drawn unless told, and it says so, or that none beats
chance; how one is held."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from workbench.evidence import Entrant, League
from workbench.ui import cache, league

METAL = {"model": "metal-sound", "set": "stamped-metal"}
ENTRANTS = (Entrant("saliency"), Entrant("occlusion", (("window", 0.25),)), Entrant("attention_rollout"))


def made(means: tuple[float, float], chance: float = 0.0, by_chance: float | None = 0.001) -> League:
    """A league of 24 decisions with these mean leads of the first two; the third has no map."""
    rng, rows = np.random.default_rng(0), []
    for number in range(24):
        for entrant, mean in zip(ENTRANTS, (*means, np.nan), strict=True):
            error = "does not suit this <b>model</b>" if np.isnan(mean) else ""
            lead, moved = rng.normal((mean, chance), 0.1)
            facts = (f"{number:03}", "scratch", "scratch", "scratch", -1, entrant.title)
            rows.append((*facts, lead, moved, 0.2, 50, True, error))
    columns = ["name", "label", "predicted", "explained", "unit", "entrant", "lead", "chance"]
    frame = pd.DataFrame(rows, columns=[*columns, "seconds", "passes", "turns", "error"])
    return League(frame, ENTRANTS, 150, True, by_chance, 0.05)


@pytest.fixture
def shown(visit, monkeypatch):
    """Visits Explain where a league is known."""

    def go(result: League, **said):
        recall = league.kept.recall
        monkeypatch.setattr(
            league.kept, "recall", lambda place, *types: result if League in types else recall(place, *types)
        )
        return visit("explain", **METAL, **said).sound("Explain")

    return go


def texts(at) -> str:
    return "\n".join(e.value for kind in ("caption", "markdown", "warning") for e in at.get(kind)).replace("\\", "")


def tables(at) -> str:
    return "\n".join(e.proto.body for e in at.get("html"))


def test_the_winner_is_drawn_unless_told_and_the_page_says_so(shown) -> None:
    at = shown(made((0.1, 0.4)))
    assert at.session_state["method"] == ["occlusion"]
    assert at.query_params["method"] == "occlusion", "a server without this league draws the same"
    assert at.query_params["window"] == "0.25"
    said = texts(at)
    assert "Occlusion (window 0.25) is shown: put forward by the league of 24 decisions below." in said
    assert "Of the usual methods Saliency is behind, Grad-CAM is not ranked, Integrated gradients is not" in said
    assert "Occlusion (window 0.25) suits this model best of 2 tried" in said
    body = tables(at)
    assert 'aria-label="The league"' in body
    assert "behind by" in body
    assert "put forward" in body
    assert "Attention rollout" in said, "and why it is not ranked"


def test_a_usual_method_that_cannot_be_told_from_the_best_stays(shown) -> None:
    at = shown(made((0.4, 0.4)))
    assert at.session_state["method"] == ["saliency"]
    said = texts(at)
    assert "Saliency is shown: the league of 24 decisions below cannot tell it from the best." in said
    assert "Of the usual methods Grad-CAM is not ranked, Integrated gradients is not ranked." in said
    assert "Saliency cannot be told from it: with 95 % confidence the best of all tried is among these." in said
    body = tables(at)
    assert "cannot be told from the best" in body


@pytest.mark.parametrize("said", [{"method": "saliency"}, {"method": "occlusion", "window": "0.5"}])
def test_what_a_link_says_wins(shown, said) -> None:
    at = shown(made((0.1, 0.4)), **said)
    assert at.session_state["method"] == [said["method"]]
    assert at.session_state["window"] == float(said.get("window", 0.25))
    assert "puts forward Occlusion (window 0.25); other methods are chosen here." in texts(at)


@pytest.mark.parametrize(
    ("result", "begins"),
    [
        (made((0.0, 0.01), 0.05), "No method beats chance here: of 2 tried"),
        (made((0.1, 0.4), by_chance=0.4), "No method is put forward: the model's decisions agree with the labels"),
    ],
    ids=["none", "nothing to explain"],
)
def test_where_no_method_is_to_be_believed_it_stands_above_the_maps(shown, result, begins) -> None:
    at = shown(result, method="saliency")
    assert any(e.value.replace("\\", "").startswith(begins) for e in at.warning)
    assert "is shown: " not in texts(at)


def test_nobody_asked_yet(visit) -> None:
    at = visit("explain", **METAL, method="saliency").sound("Explain")
    assert "Not asked yet. Every method explains the same 16 decisions" in texts(at)
    assert [b.label for b in at.button].count("Which method suits this model?") == 1


def test_a_league_is_held_and_found_again(visit, monkeypatch) -> None:
    """With two cheap entrants and few decisions; another visit finds it on disk."""
    from workbench.evidence import entrants, league_null

    monkeypatch.setattr(league_null, "ASKED", 4)
    monkeypatch.setattr(entrants, "_candidates", lambda classifier: [Entrant("saliency"), Entrant("input_x_gradient")])
    monkeypatch.setattr(league, "LEAGUE_DECISIONS", 2)
    at = visit("explain", **METAL, method="saliency").sound("Explain")
    next(b for b in at.button if b.label == "Which method suits this model?").click()
    at.run().sound("Explain")
    assert "Too few to say which method suits this model: 2 decisions, drawn from 150 test images" in texts(at)
    cache.shelf.clear()  # type: ignore[attr-defined]
    again = visit("explain", **METAL, method="saliency").sound("Explain")
    assert "Too few to say which method suits this model" in texts(again)


def test_where_gradients_mislead_one_that_takes_none_stands_alone(shown) -> None:
    result = made((0.1, 0.4))
    more = result.frame[result.frame["entrant"] == ENTRANTS[1].title].assign(entrant="Integrated gradients")
    more["lead"] += 0.01
    entrants = (*ENTRANTS, Entrant("integrated_gradients"))
    at = shown(dataclasses.replace(result, frame=pd.concat([result.frame, more]), entrants=entrants))
    assert at.session_state["method"] == ["occlusion"]
    said = texts(at)
    assert "Integrated gradients leans on gradients, which mislead here" in said
    assert "Occlusion (window 0.25) is put forward of 3 tried, before Integrated gradients" in said
    assert "**No single best.**" in said
