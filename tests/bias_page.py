"""What stands on the Bias page, and the page on a table of one's own."""

import re
from urllib.parse import parse_qs

import pytest
from tables import table

from workbench.drawing.render import to_png
from workbench.images.item import BytesSource, ImageItem, ImageSet
from workbench.ui import choice, runs


@pytest.fixture
def bias(visit, monkeypatch):
    """Opens the Bias page on a table of predictions of one's own."""
    from PIL import Image

    source = BytesSource(to_png(Image.new("RGB", (8, 8))))

    def opened(found, /, **address):
        frame = found.frame
        known = [
            c
            for c in frame
            if c not in ("name", "id", "label", "split", "predicted", "confidence", "unsure", "verdict", "error")
        ]
        items = tuple(
            ImageItem(
                row["name"],
                source,
                row["label"],
                split=row["split"],
                attributes={k: row[k] for k in known if row[k] is not None},
            )
            for row in frame.to_dict("records")
        )
        made = ImageSet("Made up", items, found.class_names)
        monkeypatch.setattr(choice, "images", lambda model: made)
        monkeypatch.setattr(runs, "known_predictions", lambda view: found)
        return visit("bias", **address)

    return opened


def figures(at, first):
    """The table whose first column is `first`."""
    return next(d.value for d in at.dataframe if d.value.columns[0] == first).set_index(first)


def links(at):
    """The links to images by their words, with what they ask for."""
    asked = ((at.unescaped(e.value), parse_qs(e.proto.query_string.lstrip("?"))) for e in at.get("page_link"))
    return {words: query for words, query in asked if "image" in query}


def headline(at):
    """The lines of the summary, the first of them first."""
    return at.unescaped("\n".join(m.value for m in at.markdown if re.match(r":\S+ \*\*[^*]+:\*\* ", m.value)))


def drawn(at):
    """All Markdown that the page draws."""
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error, at.header, at.subheader)
    return [e.value for kind in kinds for e in kind] + [e.value for e in at.get("page_link")]


def in_words(frame, row, figure):
    value, low, high = (frame[figure + end][row] for end in ("", " low", " high"))
    if figure == "AUC":
        return f"{value:.3f} ({low:.3f} to {high:.3f})"
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def sized(**groups):
    """A table in which each group has (right, wrong) images, half of either class."""
    labels, called, camera = [], [], []
    for name, (right, wrong) in groups.items():
        truth = ["good", "bad"] * ((right + wrong + 1) // 2)
        labels += truth[: right + wrong]
        called += [t if i >= wrong else {"good": "bad", "bad": "good"}[t] for i, t in enumerate(truth[: right + wrong])]
        camera += [name] * (right + wrong)
    return table(labels, called, {"camera": camera})
