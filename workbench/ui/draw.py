"""What pages draw alike: the style sheet, colour bars, decisions, explanations of terms, downloads."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from workbench.catalog import shared
from workbench.drawing import Scale, class_colours, render
from workbench.errors import LONGEST
from workbench.files import frame_csv
from workbench.predictions import UNSURE, good_class, verdict_of
from workbench.ui import help, origin, photographs, terms
from workbench.ui.gallery import TONES
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from PIL import Image

    from workbench.images import ImageItem
    from workbench.predictions import Predictions
    from workbench.stats import Rate

MIME = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".npz": "application/octet-stream",
    ".png": "image/png",
    ".py": "text/x-python",
    ".toml": "application/toml",
    ".zip": "application/zip",
}


NO_CLASS = "#7f8a88"
"""The colour of a line that stands for no class."""


def style() -> None:
    """The style sheet; once a run."""
    st.html(shared("style.css"))


def colour_bar(scale: Scale, unit: str, ends: tuple[str, str] | None = None) -> None:
    """What the colours of a map mean, in its own unit; `ends` says what its first and its last colour stand for."""
    ticks = "".join(f"<span>{html.escape(label)}</span>" for _, label in scale.ticks())
    ends = ends or (("against", "for the class") if scale.signed else ("none", "strong"))
    st.html(
        f'<div class="wb-bar" role="img" aria-label="colour bar" style="background:{scale.gradient()}"></div><div'
        f' class="wb-ticks">{ticks}</div><div class="wb-small">{html.escape(unit)}'
        f" ({html.escape(' · '.join(ends))})</div>"
    )


def image(pixels: Image.Image | bytes, alt: str, caption: str | None = None) -> None:
    """An image as wide as its place; PNG, for JPEG would change the colours of a map."""
    st.image(pixels, width="stretch", output_format="PNG", alt=alt, caption=caption)


def thumbnail(item: ImageItem | None) -> None:
    """The thumbnail of an image, or a sign that it cannot be read or is not in the set."""
    content = None if item is None else photographs.encoded(item)
    if item is None or content is None:
        st.html('<div class="wb-broken" role="img" aria-label="unreadable">?</div>')
    else:
        image(content, item.name)


def decision(predictions: Predictions, row: int) -> None:
    """What the model decides about one image, as a sentence: right or how it is wrong, how sure, and whether close."""
    facts, rule = predictions.frame.loc[row], predictions.rule
    if facts["error"]:
        st.error(plain(facts["error"], 2 * LONGEST))
        return
    verdict = verdict_of(predictions, row)
    lines = [f'Called <strong class="wb-decision">{html.escape(str(facts["predicted"]))}</strong>.']
    if facts["label"]:
        lines.append(f"Ground truth: {html.escape(str(facts['label']))}.")
    if verdict.close:
        near = "the threshold" if rule.positive is not None and rule.threshold is not None else "another class"
        lines.append(f"Close means within {100 * UNSURE:.0f} points of {near}.")
    sentence = verdict.sentence.replace(" %", "\u00a0%")
    st.html(
        f'<div class="wb-sentence wb-{TONES.get(verdict.word, "bad")}">{html.escape(sentence)}</div>'
        f'<div class="wb-small">{" ".join(lines)}</div>'
    )


def colours(class_names: Sequence[str], shown: Sequence[str], column: str) -> dict[str, object]:
    """The colour of a chart's lines, the same for a class on every page.

    Args:
        class_names: All classes of the model.
        shown: Those that the chart has lines of; what is no class is drawn in the colour of text.
        column: The column of the chart that names them.
    """
    scale = class_colours(class_names, good_class(class_names))
    names = {"domain": list(shown), "range": [scale.get(name, NO_CLASS) for name in shown]}
    return {"field": column, "type": "nominal", "title": None, "scale": names}


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
            "probability": st.column_config.ProgressColumn(
                "Probability", format="percent", min_value=0, max_value=1, width="small"
            ),
            "logit": st.column_config.NumberColumn(
                "Logit", format="%.2f", width="small", help="The model's raw output, before temperature and softmax."
            ),
        },
    )


def rate(label: str, figure: Rate, meaning: str, unit: str = "images") -> None:
    """A headline figure with its interval and support."""
    with st.container(border=True, gap="xsmall", height="stretch"):
        if figure.value is None:
            st.metric(label, "n/a", help=meaning)
            st.caption("No images to measure it on.")
            return
        st.metric(label, f"{figure.value:.3f}" if label == "AUC" else f"{figure.value:.1%}", help=meaning)
        st.caption(f"{interval(figure, label)}, {support(figure, unit)}")


def support(figure: Rate, unit: str = "images") -> str:
    """What a figure rests on: so many images, and in how many independent units they come where that is fewer."""
    return f"{figure.support:,} {unit}{figure.in_units()}"


def interval(figure: Rate, label: str = "") -> str:
    """The 95 % interval in words."""
    return f"{figure.low:.3f} to {figure.high:.3f}" if label == "AUC" else f"{figure.low:.1%} to {figure.high:.1%}"


def meaning(key: str, label: str, **fields: object) -> None:
    """A small button, labelled with a question, that opens the text on a subject, which ends in a link to more.

    Fields as for `terms.text`.
    """
    with st.popover(label, type="tertiary", icon=":material/help:"):
        st.markdown(terms.text(key, **fields))
        help.more(key)


def download(
    label: str,
    make: Callable[[], Image.Image | Figure | bytes | str],
    name: str,
    key: str,
    record: Mapping[str, object] | None = None,
) -> None:
    """A download that is made when it is asked for, an image as PNG, and does not run the page again.

    A PNG says in its text where it comes from: as `record` says, or else as `origin.record` does.
    """
    known = (origin.record() if record is None else record) if name.endswith(".png") else None

    def data() -> bytes | str:
        content = make()
        return content if isinstance(content, bytes | str) else render.to_png(content, known)

    mime = MIME[Path(name).suffix]
    st.download_button(label, data, name, mime, key=key, on_click="ignore", icon=":material/download:")


def table(label: str, make: Callable[[], pd.DataFrame], name: str, key: str, index: str | None = None) -> None:
    """A table as a download that a spreadsheet can open safely; `index` names a column of row labels."""
    download(label, lambda: frame_csv(make(), index), name, key)


def stem(name: str) -> str:
    """A name for a download, of an image's name without what file systems dislike."""
    text = "".join(c if c.isalnum() or c in "-_." else "-" for c in Path(name).stem)
    return text[:80] or "image"
