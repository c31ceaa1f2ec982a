"""Findings about the images as lines with a verdict, the same in every section."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from workbench.files import CheckResult
from workbench.ui.text import plain

ORDER = ("fail", "warn", "unknown", "ok")
"""The verdicts, those first that ask for a look."""
SIGNS = {
    "ok": ":green[:material/check_circle:]",
    "warn": ":orange[:material/warning:] **Look here.**",
    "fail": ":red[:material/report:] **Does not hold.**",
    "unknown": ":material/help: **Cannot be told.**",
}


def lines(results: Iterable[CheckResult]) -> None:
    """Each finding with its verdict, those that ask for a look first; what several of them say is said once."""
    said = dict.fromkeys((result.verdict, result.sentence) for result in results)
    for verdict, sentence in sorted(said, key=lambda line: ORDER.index(line[0])):
        (st.caption if verdict == "ok" else st.markdown)(f"{SIGNS[verdict]} {plain(sentence, 900)}")
