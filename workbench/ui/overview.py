"""The parts of the Overview page: headline figures, what is loaded, and where to go next."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.catalog import load_catalog
from workbench.errors import LONGEST
from workbench.files import open_file
from workbench.images import SPLITS, ImageSet
from workbench.predictions import DecisionRule, Predictions, headline, mistakes
from workbench.stats import ENOUGH, Rate, wilson
from workbench.texts import apart, prose, shown
from workbench.ui import choice, draw, gallery, photographs, runs, terms, url, warm
from workbench.ui.progress import guarded
from workbench.ui.text import plain, seen
from workbench.ui.view import View

if TYPE_CHECKING:
    import pandas as pd

LONGEST_CARD = 2**19
"""Bytes of a model card that are shown."""
HEADLINE = ("accuracy", "AUC", "escape rate", "overkill rate", "recall", "precision")


def questions(predictions: Predictions | None) -> None:
    """Where to go for which question."""
    cards: list[tuple[str, str, dict[str, str]]] = [
        ("Why did it decide this?", "See where in the image the decision comes from.", {})
    ]
    if predictions is not None:
        kinds = mistakes(predictions)
        split, rows = measured(predictions)
        tested = {"split": split} if split else {}
        targets = (
            ("escape", "Which defects did it miss?", "missed defects (escapes)"),
            ("overkill", "What did it reject wrongly?", "good parts rejected (overkill)"),
        )
        for kind, question, name in targets:
            group = (kinds == kind) & rows
            if group.any():
                first = str(predictions.frame["name"][group].iloc[0])
                cards.append((question, f"{group.sum():,} {name}", {"verdict": kind, "image": first, **tested}))
        unsure = predictions.frame["unsure"].to_numpy(dtype=bool) & rows
        if unsure.any():
            first = str(predictions.frame["name"][unsure].iloc[0])
            link = {"verdict": "unsure", "image": first, **tested}
            cards.append(("Where is it unsure?", f"{unsure.sum():,} images near another decision", link))
    with st.grid(len(cards), min_column_width=190):
        for question, answer, query in cards:
            with st.container(border=True, gap="xsmall", height="stretch"):
                st.page_link(url.EXPLAIN, label=f"**{question}**", query_params=url.link(**query))
                st.caption(answer)


def measured(predictions: Predictions) -> tuple[str | None, np.ndarray]:
    """The test split and its rows, (N,); None and all rows where there is none."""
    rows = (predictions.frame["split"] == "test").to_numpy(dtype=bool)
    return ("test", rows) if rows.any() else (None, np.ones(len(predictions), dtype=bool))


def headline_figures(predictions: Predictions, rows: np.ndarray) -> dict[str, Rate]:
    """The headline with the two rates that cost money."""
    figures = headline(predictions, rows)
    if predictions.rule.positive is None:
        return figures
    recall, precision = figures["recall"], figures["precision"]
    figures["escape rate"] = wilson(recall.support - recall.count, recall.support)
    figures["overkill rate"] = wilson(precision.support - precision.count, figures["accuracy"].support - recall.support)
    return {name: figures[name] for name in HEADLINE}


def headline_of(view: View) -> None:
    """The test split's figures with intervals, overall and by group."""
    predictions = view.predictions
    if predictions is None or not predictions.frame["verdict"].notna().any():
        _no_headline(view)
        return
    split, rows = measured(predictions)
    figures = headline_figures(predictions, rows)
    with st.grid(len(figures), min_column_width=150):
        for name, figure in figures.items():
            draw.rate(name[0].upper() + name[1:], figure, terms.entry("metrics", name))
    where = (
        f"the {split} split of {view.images.name}"
        if split
        else f"all of {view.images.name}, which has no test split: optimistic if the model was trained on it"
    )
    at = f" at the threshold {predictions.rule.threshold:.3f}" if predictions.rule.threshold is not None else ""
    support = figures["accuracy"].support
    few = " **Too few images for a verdict.**" if support < ENOUGH else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Measured on {plain(where)}{at}, {support:,} labelled images. Ranges are 95 % intervals.{few}")
        draw.meaning("headline-metrics", metrics=terms.entries("metrics", figures))
    _by_group(view.images, predictions, rows)
    if text := _card(view.model):
        with st.expander("Model card", icon=":material/description:"):
            st.markdown(prose(seen(text)))
            draw.download("Model card (Markdown)", lambda: text, "MODEL_CARD.md", "model card")


def _card(model: choice.ModelChoice) -> str | None:
    """The text of the model card, where there is one that can be read."""
    path = model.folder / "MODEL_CARD.md" if model.folder else None
    if path is None or not path.is_file():
        return None
    try:
        with open_file(path) as file:
            data = file.read(LONGEST_CARD + 1)
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror}): check the file and its permissions."
    rest = f"\n\n(Truncated: these are the first {LONGEST_CARD / 2**20:g} MB.)" if len(data) > LONGEST_CARD else ""
    return data[:LONGEST_CARD].decode("utf-8", errors="replace") + rest


def _licence(ref: str) -> str:
    """The licence of a catalog's image set, or an empty string."""
    entry = load_catalog().images.get(ref)
    return entry.licence if entry else ""


def _no_headline(view: View) -> None:
    if view.predictions is not None or not any(item.label in view.model.rule.class_names for item in view.images):
        st.info(
            f"{plain(view.images.name)} has no labels that the model knows, so no accuracy can be computed. "
            "Explain still works. For figures, put the images into folders named after classes, or add a manifest.csv.",
            icon=":material/label_off:",
        )
        return
    st.info("No predictions of this model for this image set yet.", icon=":material/play_circle:")
    runs.offer_predictions(view, "")


def _by_group(images: ImageSet, predictions: Predictions, rows: np.ndarray) -> None:
    import pandas as pd

    lines = []
    for name, values in gallery.groups(images).items():
        for value in values:
            group = rows & gallery.in_group(images, predictions.frame, name, value).to_numpy()
            figures = headline_figures(predictions, group)
            line: dict[str, object] = {"group": f"{name}: {value}", "images": figures["accuracy"].support}
            for figure, rate in figures.items():
                if figure == "recall":  # the escape rate says the same
                    continue
                if rate.value is None:  # as AUC where the group holds one class
                    line[figure] = "n/a"
                elif rate.support < ENOUGH:
                    line[figure] = f"too few ({rate.support})"
                else:
                    text = f"{rate.value:.3f}" if figure == "AUC" else f"{rate.value:.1%}"
                    line[figure] = f"{text} ({draw.interval(rate, figure)})"
            lines.append(line)
    if lines:
        st.dataframe(pd.DataFrame(lines), hide_index=True)


def model_facts(model: choice.ModelChoice) -> None:
    """Which model it is."""
    st.subheader(plain(model.title), anchor=False)
    if model.about:
        st.write(plain(model.about, LONGEST))
    names = model.rule.class_names
    some = ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
    rows, columns = model.preprocessing.size
    channels = "grey" if len(model.preprocessing.mean) == 1 else "colour"
    facts = {
        "Source": model.source,
        "Digest": f"{model.key[:16]} (SHA-256 of weights and settings)",
        "Classes": f"{len(names):,}: {some}",
        "Positive class": _positive(model.rule),
        "Input": f"{rows} x {columns} pixels, {channels}, {model.preprocessing.resize}",
        "Weights": f"{model.size / 1e6:.1f} MB" if model.size else None,
    }
    _facts({name: fact for name, fact in facts.items() if fact})
    st.fragment(_loaded_facts, run_every=None if warm.torch_ready() else 1.0)(model)
    for note in model.notes:
        st.warning(plain(note, LONGEST), icon=":material/warning:")


def _positive(rule: DecisionRule) -> str | None:
    if rule.positive is None:
        return None
    when = "if it is the most probable class" if rule.threshold is None else f"from a probability of {rule.threshold}"
    return f"{rule.positive}, {when}"


@guarded
def _loaded_facts(model: choice.ModelChoice) -> None:
    """What only the loaded model can say; looks again each second until torch is there."""
    if not warm.torch_ready():
        st.session_state["waiting"] = True
        st.caption(":material/hourglass_top: The model is loading in the background.")
    elif st.session_state.pop("waiting", False):
        st.rerun()
    else:
        clf = choice.classifier(model)
        _facts({"Parameters": f"{clf.parameters:,}", "Device": str(clf.device)})


def set_facts(view: View) -> None:
    """Which image set it is, with counts per class, split and group."""
    model, images = view.model, view.images
    st.subheader(plain(images.name), anchor=False)
    ref = st.session_state.get("set") or choice.default_set(model.ref)
    facts = {
        "Images": f"{len(images):,}",
        "Digest": f"{images.key[:16]} (SHA-256 of images, masks, labels, splits and attributes)",
        "Licence": _licence(ref),
        "Synthetic": "yes: generated, not photographed" if images.synthetic else None,
        "Masks": f"{sum(i.mask is not None for i in images):,} images" if any(i.mask for i in images) else None,
    }
    _facts({name: fact for name, fact in facts.items() if fact})
    for note in images.notes[:6]:
        st.caption(f":material/info: {plain(note)}")
    strange = sorted(set(images.class_names) - set(model.rule.class_names))
    if strange:
        names = plain(", ".join(strange[:4]))
        st.warning(f"The model does not know these labels: {names}. Images with them count neither right nor wrong.")
    if counts := _counts(images):
        for title, frame in counts.items():
            st.caption(f"Images per {title}")
            st.dataframe(frame, hide_index=True)


def _counts(images: ImageSet) -> dict[str, pd.DataFrame]:
    """Tables of counts: classes by split, and groups by class."""
    import pandas as pd

    if not images.class_names:
        return {}
    count = Counter((item.label, item.split) for item in images)
    splits = [split for split in (*SPLITS, None) if any(key[1] == split for key in count)]
    labels: list[str | None] = [label for label in images.class_names if any(count[label, split] for split in splits)]
    names = apart(map(str, labels), ["(no label)"])
    if any(count[None, split] for split in splits):
        labels, names = [*labels, None], [*names, "(no label)"]
    table_rows = [[count[label, split] for split in splits] for label in labels]
    rows = [(name, *numbers, sum(numbers)) for name, numbers in zip(names, table_rows, strict=True)]
    titles = [split or "(no split)" for split in splits]
    tables = {"class and split": pd.DataFrame(rows, columns=["class", *titles, "all"])}
    lines = list(_group_counts(images, labels))
    if lines:
        table = pd.DataFrame(lines, columns=["group", *apart(names, ("group", "all")), "all"])
        tables["group and class"] = table.assign(group=apart(table["group"]))
    return tables


def _group_counts(images: ImageSet, labels: Sequence[str | None]) -> Iterator[tuple[str | int, ...]]:
    """For each group its name, how many images of each label it holds, and how many in all."""
    for name, values in gallery.groups(images).items():
        count = Counter(
            (shown(item.attributes[name]) if name in item.attributes else None, item.label) for item in images
        )
        for value in [*values, None]:
            line = [count[value, label] for label in labels]
            if any(line):
                yield f"{name}: {'(none)' if value is None else value}", *line, sum(line)


def contact_sheet(images: ImageSet) -> None:
    """A sample spread evenly over the set; each image leads to its explanation."""
    step = max(len(images) // 24, 1)
    sample = images.items[::step][:24]
    with st.grid(12, min_column_width=80, gap="xsmall"):
        for number, item in enumerate(sample):
            thumbnail = photographs.thumbnail(item)
            with st.container(gap=None, key=f"thumb-sheet-{number}"):
                if thumbnail is not None:
                    draw.image(thumbnail, item.name)
                st.page_link(url.EXPLAIN, label=plain(item.label or "explain"), query_params=url.link(image=item.name))
    st.caption(f"{len(sample)} of {len(images):,} images, spread evenly over the set. Click an image to see why.")


def _facts(facts: dict[str, str]) -> None:
    st.html(
        '<table class="wb-facts">'
        + "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(fact)}</td></tr>" for name, fact in facts.items())
        + "</table>"
    )
