"""What is loaded: which model, which images, and how they are spread over classes, splits and groups."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from workbench.catalog import load_catalog
from workbench.errors import LONGEST
from workbench.images import SPLITS, ImageSet
from workbench.predictions import DecisionRule
from workbench.texts import apart, shown
from workbench.ui import choice, draw, gallery, photographs, url, warm
from workbench.ui.progress import guarded
from workbench.ui.text import plain
from workbench.ui.view import View

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models import Preprocessing


def _licence(ref: str) -> str:
    """The licence of a catalog's image set, or an empty string."""
    entry = load_catalog().images.get(ref)
    return entry.licence if entry else ""


def model_facts(model: choice.ModelChoice) -> None:
    """Which model it is."""
    st.subheader(plain(model.title), anchor=False)
    if model.about:
        st.write(plain(model.about, LONGEST))
    names = model.rule.class_names
    some = ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
    facts = {
        "Source": model.source,
        "Digest": f"{model.key[:16]} (SHA-256 of weights and settings)",
        "Classes": f"{len(names):,}: {some}",
        "Positive class": _positive(model.rule),
        "Temperature": _temperature(model.rule),
        "Input": _input(model.preprocessing) if model.preprocessing else None,
        "Weights": f"{model.size / 1e6:.1f} MB" if model.size else None,
    }
    _facts({name: fact for name, fact in facts.items() if fact})
    _loaded_facts(model)
    for note in model.notes:
        st.warning(plain(note, LONGEST), icon=":material/warning:")


def _positive(rule: DecisionRule) -> str | None:
    if rule.positive is None:
        return None
    when = (
        "if it is the most probable class" if rule.threshold is None else f"from a probability of {rule.threshold:.6g}"
    )
    return f"{rule.positive}, {when}"


def _temperature(rule: DecisionRule) -> str | None:
    """What is done to logits before they become probabilities; nothing is said where nothing is done."""
    if rule.temperature == 1:
        return None
    return f"{rule.temperature:.4g} applied: logits are divided by it before they become probabilities"


@guarded
def _loaded_facts(model: choice.ModelChoice) -> None:
    """What only the loaded model can say."""
    if not warm.torch_ready():
        st.caption(warm.LOADING)
    else:
        clf = choice.classifier(model)
        late = None if model.preprocessing else _input(clf.preprocessing)
        facts = {"Input": late, "Parameters": f"{clf.parameters:,}", "Device": str(clf.device)}
        _facts({name: fact for name, fact in facts.items() if fact})


def _input(preprocessing: Preprocessing) -> str:
    channels = "grey" if len(preprocessing.mean) == 1 else "colour"
    return f"{channels}, {preprocessing.words({'size', 'resize', 'interpolation', 'channels'})}"


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
