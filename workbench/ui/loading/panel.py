"""The load report on the page: what must be answered, what contradicts itself, what was read, and from what."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import streamlit as st

from workbench.errors import LONGEST
from workbench.images import MASKS_SEEN, Finding, ImageSet, LoadReport
from workbench.texts import shown
from workbench.ui import choice, corrections, draw, facts, gallery, photographs, url
from workbench.ui.loading import applied, form, home, notice, words
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

TILES, LONG_TABLE, MOST_NAMES, MOST_GROUPS = 6, 30, 2000, 6


def section(images: ImageSet) -> None:
    """The panel of the Overview page; none for a set that was made, not read."""
    report = images.report
    if report is None:
        return
    ref = choice.set_ref(choice.whole())
    first = notice.is_first(images, ref)
    key = f"load report of {corrections.mark(ref)}, {first}"
    panel = st.expander(notice.TITLE, icon=":material/fact_check:", expanded=first, key=key, on_change="rerun")
    if panel.open:
        with panel:
            _panel(ref, images, report)


def _panel(ref: str, images: ImageSet, report: LoadReport) -> None:
    mapping = st.query_params.get(notice.LINK_KEY) == notice.LABELS
    applied.told()
    _head(report)
    if mapping:
        form.correct(ref, report)
    form.questions(ref, report)
    _findings(images, report)
    _counted(images, report)
    st.subheader("What was understood, and from what", anchor=False)
    st.html(_understood(report))
    _left_out(report)
    if not mapping:
        form.correct(ref, report)
    home.section(ref)


def _head(report: LoadReport) -> None:
    """Whether the set was understood, at a glance."""
    assumed = sum(guess.how == "assumed" for guess in report.guesses)
    left = sum(len(group.names) for group in report.left_out)
    chips = [
        (len(report.questions), "question", "to answer", "doubt"),
        (len(report.findings), "contradiction", "", "bad"),
        (assumed, "guess", "assumed", "doubt"),
        (left, "file", "left out", "plain"),
    ]
    line = [gallery.chip(words.many(count, noun, rest), tone) for count, noun, rest, tone in chips if count]
    if not (report.questions or report.findings or assumed):
        sampled = report.masks > MASKS_SEEN
        said = f"nothing open; of {report.masks:,} masks a sample was looked at" if sampled else "nothing open"
        line.insert(0, gallery.chip(said, "plain" if sampled else "good"))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html(f'<div class="wb-chips">{" ".join(line)}</div>', width="content")
        draw.meaning("how-images-read", "What does this mean?")
    st.markdown(f"**{plain(' · '.join(words.summary(report)), LONGEST)}**")


def _findings(images: ImageSet, report: LoadReport) -> None:
    """What contradicts itself, with the images behind it."""
    if not report.findings:
        return
    st.subheader("What contradicts itself", anchor=False)
    for number, finding in enumerate(report.findings):
        st.markdown(f":material/error: {plain(finding.sentence, LONGEST)}")
        _tiles(images, finding, number)
        if len(finding.images) > TILES:
            with st.expander(f"Show all {len(finding.images):,}"):
                _names(list(finding.images), f"finding {number}", f"{draw.stem(finding.kind)}.csv")


def _tiles(images: ImageSet, finding: Finding, number: int) -> None:
    """Some of the images behind a finding; those of the set lead to their explanation."""
    with st.container(horizontal=True, gap="small"):
        for place, name in enumerate(finding.images[:TILES]):
            item = images.by_name.get(name)
            with st.container(key=f"thumb-finding-{number}-{place}", width=110, gap=None):
                if item is None:
                    st.caption(plain(name))
                    continue
                thumbnail = photographs.thumbnail(item)
                if thumbnail is not None:
                    draw.image(thumbnail, item.name)
                facts = ", ".join(filter(None, (item.label, item.split))) or "no label"
                st.page_link(url.EXPLAIN, label=plain(facts), help=plain(name), query_params=url.link(image=item.name))


def _counted(images: ImageSet, report: LoadReport) -> None:
    """Images of each class and split, and how many of them have masks."""
    st.subheader("What was read", anchor=False)
    labels = list(report.by("label"))
    if len(labels) > LONG_TABLE:
        st.dataframe(_counts(report), hide_index=True)
    elif labels:
        st.html(f'<div class="wb-scroll">{_count_table(report)}</div>')
    draw.table("Counts (CSV)", lambda: _counts(report), "images-by-class-and-split.csv", "csv load counts")
    names = images.attribute_names[:MOST_GROUPS]
    if names:
        values = {name: len({shown(i.attributes[name]) for i in images if name in i.attributes}) for name in names}
        more = len(images.attribute_names) - len(names)
        text = ", ".join(f"{name} ({words.many(count, 'value')})" for name, count in values.items())
        st.caption(f"Groups and attributes: {plain(text, LONGEST)}{f' and {more:,} more' if more else ''}")


def _count_table(report: LoadReport) -> str:
    splits, count = words.splits_of(report), {(c.label, c.split): c for c in report.counts}

    def cell(some: list[tuple[int, int]]) -> str:
        number, masks = (sum(part) for part in zip(*some, strict=True)) if some else (0, 0)
        note = f'<div class="wb-small">{words.many(masks, "mask")}</div>' if masks else ""
        return f"<td>{number:,}{note}</td>" if number else "<td>–</td>"

    def of(labels: list[str | None], some: list[str | None]) -> list[tuple[int, int]]:
        return [(c.images, c.masks) for key, c in count.items() if key[0] in labels and key[1] in some]

    labels: list[str | None] = list(report.by("label"))
    columns: list[list[str | None]] = [[split] for split in splits] + ([splits] if len(splits) > 1 else [])
    heads = [split or ("no split" if len(splits) > 1 else "images") for split in splits]
    heads += ["all"] if len(splits) > 1 else []
    rows = [(label if label is not None else "(no label)", [label]) for label in labels]
    rows += [("all", labels)] if len(labels) > 1 else []
    body = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>{"".join(cell(of(some, part)) for part in columns)}</tr>'
        for name, some in rows
    )
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    return f'<table class="wb-facts wb-counts"><tr><th scope="col">class</th>{head}</tr>{body}</table>'


def _counts(report: LoadReport) -> pd.DataFrame:
    import pandas as pd

    rows = [(c.label or "", c.split or "", c.images, c.masks) for c in report.counts]
    return pd.DataFrame(rows, columns=["class", "split", "images", "with a mask"])


def _understood(report: LoadReport) -> str:
    """The layout, and each thing that was understood, the assumed first."""
    how = "stated" if report.options.layout else "recognised"
    lines = [("layout", report.layout, report.why, "layout", how)]
    lines += [(g.topic, g.value, g.why, g.option, g.how) for g in report.guesses if g.value != report.layout]
    return facts.table(lines)


def _left_out(report: LoadReport) -> None:
    """Files that are no images of the set, by reason, and their names on request."""
    number = sum(len(group.names) for group in report.left_out)
    st.subheader("What was left out", anchor=False)
    if not number:
        st.caption(f"Nothing: all {report.listed:,} files are images or masks, or tell something of them.")
        return
    rows = "".join(
        f'<tr><th scope="row">{html.escape(group.reason)}</th><td>{len(group.names):,}</td></tr>'
        for group in sorted(report.left_out, key=lambda group: -len(group.names))
        if group.names
    )
    st.html(f'<table class="wb-facts wb-counts">{rows}</table>')
    reasons = [group.reason for group in report.left_out for _ in group.names]
    with st.expander(f"Names of the {words.many(number, 'file')} left out"):
        names = [name for group in report.left_out for name in group.names]
        _names(names, "left out", "left-out.csv", reasons)


def _names(names: list[str], key: str, file: str, reasons: list[str] | None = None) -> None:
    """Names as a table that can be searched, and as a download."""
    import pandas as pd

    frame = pd.DataFrame({"file": names} | ({"why": reasons} if reasons else {}))
    part = st.text_input("Search the names", key=f"search {key}", placeholder="part of a name")
    some = frame[frame["file"].str.contains(part, case=False, regex=False)] if part else frame
    st.dataframe(some[:MOST_NAMES], hide_index=True)
    if len(some) > MOST_NAMES:
        st.caption(f"The first {MOST_NAMES:,} of {len(some):,}; the download holds all.")
    draw.table("Names (CSV)", lambda: frame, file, f"csv {key}")
