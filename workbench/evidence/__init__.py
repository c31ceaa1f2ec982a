"""Whether a map can be believed: `assess` gives named findings, each with its chance level, verdict and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.evidence.accord import reading
    from workbench.evidence.card import CHECKS, Check, assess, examine
    from workbench.evidence.entrants import LEAGUE_DECISIONS, Entrant
    from workbench.evidence.finding import Finding, Verdict
    from workbench.evidence.league_order import League, Standing, Standings, standings
    from workbench.evidence.league_rates import LeagueErrors, errors_sentence, league_errors
    from workbench.evidence.league_run import league
    from workbench.evidence.league_words import league_result, league_rows, league_sentence
    from workbench.evidence.location import agreement
    from workbench.evidence.other_settings import Stubbornness, stubbornness
    from workbench.evidence.planted import ErrorRates, error_rates
    from workbench.evidence.reliance import (
        LEAN,
        LITTLE,
        NOT_RELIED_ON,
        OF_PLACE,
        PROPERTIES,
        UNCOUNTED,
        VETO,
        Evidence,
        Rating,
        in_sum,
        rating,
        tone_of,
    )

__getattr__ = handed_on(
    __name__,
    {
        "card": "CHECKS Check assess examine",
        "entrants": "LEAGUE_DECISIONS Entrant",
        "finding": "Finding Verdict",
        "league_rates": "LeagueErrors errors_sentence league_errors",
        "league_run": "league",
        "league_words": "league_result league_rows league_sentence",
        "location": "agreement",
        "accord": "reading",
        "planted": "ErrorRates error_rates",
        "reliance": "LEAN LITTLE NOT_RELIED_ON OF_PLACE PROPERTIES UNCOUNTED VETO Evidence Rating in_sum rating"
        " tone_of",
        "other_settings": "Stubbornness stubbornness",
        "league_order": "League Standing Standings standings",
    },
)
