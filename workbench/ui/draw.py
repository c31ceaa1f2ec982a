"""What pages draw alike: the style sheet, colour bars, decisions, explanations of terms, downloads."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from workbench.render import Scale
from workbench.ui.gallery import chip

if TYPE_CHECKING:
    from workbench.metrics import Rate
    from workbench.predictions import Predictions

STYLE = """
<style>
.stMainBlockContainer { padding: 2.6rem clamp(1rem, 3vw, 3.5rem) 4rem; }
[class*="st-key-thumb-"] { position: relative; border-radius: .4rem; overflow: hidden; }
[class*="st-key-thumb-"] img { display: block; aspect-ratio: 1; object-fit: cover; border-radius: .4rem; }
[class*="st-key-thumb-"] button { min-height: 1.4rem; padding: 0 .1rem; }
[class*="st-key-thumb-"] button p { font-size: .68rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
[class*="st-key-thumb-"] button::before { content: ""; position: absolute; left: 0; right: 0; bottom: 0; height: 100vh; }
[class*="st-key-thumb-"]:has(button:focus-visible) { outline: 3px solid var(--st-primary-color); }
[class*="st-key-thumb-"]:hover img { filter: brightness(1.15); }
[class*="st-key-thumb-chosen"] { box-shadow: 0 0 0 3px var(--st-primary-color); }
.wb-broken { aspect-ratio: 1; display: grid; place-items: center; font-size: 2rem; background: rgb(128 128 128 / .2); }
.wb-chip { display: inline-block; padding: .05rem .55rem; border-radius: 1rem; font-size: .85rem; font-weight: 600; white-space: nowrap; }
.wb-good { background: rgb(34 139 84 / .18); color: light-dark(#17643c, #7fdcaa); }
.wb-bad { background: rgb(200 50 50 / .16); color: light-dark(#a11f1f, #ff9d94); }
.wb-doubt { background: rgb(200 140 0 / .2); color: light-dark(#7a5200, #f3c969); }
.wb-plain { background: rgb(128 128 128 / .18); }
.wb-decision { font-size: 1.7rem; font-weight: 700; line-height: 1.15; overflow-wrap: anywhere; }
.wb-small { font-size: .85rem; opacity: .85; line-height: 1.4; }
.wb-bar { height: .7rem; border-radius: .2rem; border: 1px solid rgb(128 128 128 / .5); }
.wb-facts { border-collapse: collapse; font-size: .9rem; }
.wb-facts th { text-align: left; font-weight: 600; padding: .15rem 1rem .15rem 0; vertical-align: top; white-space: nowrap; }
.wb-facts td { padding: .15rem 0; overflow-wrap: anywhere; }
.wb-ticks { display: flex; justify-content: space-between; font-size: .75rem; font-variant-numeric: tabular-nums; }
</style>
"""


def style() -> None:
    """The style sheet; once a run."""
    st.html(STYLE)


def colour_bar(scale: Scale, unit: str) -> None:
    """What the colours of a map mean, in its own unit."""
    ticks = "".join(f"<span>{html.escape(label)}</span>" for _, label in scale.ticks())
    ends = "against · for the class" if scale.signed else "none · strong"
    st.html(
        f'<div class="wb-bar" role="img" aria-label="colour bar" style="background:{scale.gradient()}"></div>'
        f'<div class="wb-ticks">{ticks}</div><div class="wb-small">{html.escape(unit)} ({ends})</div>'
    )


def decision(predictions: Predictions, row: int) -> None:
    """What the model decides about one picture, how sure it is, and whether that is right."""
    facts, rule = predictions.frame.loc[row], predictions.rule
    if facts["error"]:
        st.error(facts["error"])
        return
    chips = [chip("unsure", "doubt")] if facts["unsure"] else []
    if facts["verdict"] is not None:
        chips.append(chip("right" if facts["verdict"] == "right" else "wrong", "good" if facts["verdict"] == "right" else "bad"))
    truth = f"Ground truth: {html.escape(str(facts['label']))}." if facts["label"] else "Ground truth: not known."
    because = f"{facts['confidence']:.1%} probable"
    if rule.positive is not None and rule.threshold is not None:
        score = predictions.probabilities[row, rule.class_names.index(rule.positive)]
        side = "from" if score >= rule.threshold else "below"
        because = f"P({html.escape(rule.positive)}) = {score:.1%}, {side} the threshold of {rule.threshold:.1%}"
    st.html(
        f'<div class="wb-decision">{html.escape(str(facts["predicted"]))}</div>'
        f'<div class="wb-small">{because}<br>{truth} {" ".join(chips)}</div>'
    )


def probabilities(predictions: Predictions, row: int, most: int = 5) -> None:
    """The most probable classes as a table with bars."""
    import pandas as pd

    values = predictions.probabilities[row]
    order = values.argsort()[::-1][:most]
    frame = pd.DataFrame(
        {
            "class": [predictions.class_names[i] for i in order],
            "probability": [float(values[i]) for i in order],
            "logit": [float(predictions.logits[row, i]) for i in order],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        column_config={
            "class": st.column_config.TextColumn("Class", width="small"),
            "probability": st.column_config.ProgressColumn("Probability", format="percent", min_value=0, max_value=1, width="small"),
            "logit": st.column_config.NumberColumn("Logit", format="%.2f", width="small", help="The model's raw output, before softmax."),
        },
    )


def rate(label: str, found: Rate, meaning: str, unit: str = "pictures") -> None:
    """A headline figure with its interval and support."""
    if found.value is None:
        st.metric(label, "n/a", help=meaning, border=True)
        return
    st.metric(
        label,
        f"{found.value:.1%}" if label != "AUC" else f"{found.value:.3f}",
        help=meaning,
        border=True,
        delta=f"{interval(found, label)} · {found.support:,} {unit}",
        delta_color="off",
        delta_arrow="off",
    )


def interval(found: Rate, label: str = "") -> str:
    """The 95 % interval in words."""
    return f"{found.low:.3f} to {found.high:.3f}" if label == "AUC" else f"{found.low:.1%} to {found.high:.1%}"


def meaning(text: str, label: str = "What does this mean?") -> None:
    """A small button that opens an explanation."""
    with st.popover(label, type="tertiary", icon=":material/help:"):
        st.markdown(text)


def download(label: str, make: Callable[[], bytes | str], name: str, mime: str, key: str) -> None:
    """A download that is made when it is asked for, and does not run the page again."""
    st.download_button(label, make, name, mime, key=key, on_click="ignore", icon=":material/download:")


def escaped(text: object) -> str:
    """Text as HTML."""
    return html.escape(str(text))
