"""The forms that answer the questions of a load report and correct its guesses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.images import SPLITS, LoadReport
from workbench.predictions import unmatched
from workbench.sets import LAYOUTS, options_of, split_of
from workbench.texts import apart
from workbench.ui import choice, corrections
from workbench.ui.loading import files, notice
from workbench.ui.loading.applied import apply
from workbench.ui.text import plain

RECOGNISE, FOLDER = "(recognise it)", "(the folder itself)"
AS_IT_IS, LEAVE_OUT = "(as it is)", "(leave these images out)"
MOST_FIELDS, MOST_CLASSES, MOST_QUESTIONS = 12, 60, 8
"""So many labels and words have a field each, so many classes are offered, though more can be typed, and so many
questions are asked at once."""
ROLES = ("image", "label", "split", "mask", "group")
GROUP_WAYS = "name:lot{group}_*, or order:60"
"""Examples of groups that are read from names and from the order of files."""
Pairs = list[tuple[str, str]]
Field = Callable[[], Pairs]
"""What a widget says when the form is sent, as names and values of options."""


def questions(ref: str, report: LoadReport) -> None:
    """Each open question with its choices and what each would mean; none where there is none."""
    if not report.questions:
        return
    st.subheader("What must be answered", anchor=False)
    fields: list[Field] = []
    with st.form("questions"):
        for number, question in enumerate(report.questions[:MOST_QUESTIONS]):
            values = [value for value, _ in question.choices]
            words, key = apart(value or "(empty)" for value in values), _key(ref, f"question {number}")
            st.radio(
                plain(question.sentence, 600),
                words,
                key=key,
                captions=[plain(meaning, 300) for _, meaning in question.choices],
                help=f"This sets the option {question.option}. The first choice is what was taken so far.",
            )

            def said(option: str = question.option, key: str = key, of: Any = (words, values)) -> Pairs:
                return [(option, of[1][of[0].index(st.session_state[key])])]

            fields.append(said)
        if (more := len(report.questions) - MOST_QUESTIONS) > 0:
            st.caption(f"{more:,} more follow once these are answered.")
        before = corrections.options(ref)
        st.form_submit_button(
            "Answer, and read the images so",
            on_click=apply,
            args=(ref, lambda: corrections.changed(before, _sent(fields))),
            type="primary",
        )


def correct(ref: str, report: LoadReport | None) -> None:
    """The form for all options; without a report the set could not be read."""
    options, fields, there = corrections.options(ref), list[Field](), files.of(ref)
    with st.form("corrections"):
        st.markdown("**Correct how they are read**")
        if there.listed or report is None:
            fields += _of_files(ref, options, there)
        if labels := _labels(report, options):
            st.caption("Labels: the class that each stands for")
            fields += _classes(ref, options, labels)
        if there.tables or options.columns:
            st.caption("Columns, where a table lists the images")
            columns = {str(role): name for role, name in options.columns.items()}
            with st.grid(5, min_column_width=130, gap="small"):
                fields += [_text(ref, f"column.{role}", columns.get(role, ""), f"{role} is") for role in ROLES]
        if there.listed or report is None:
            fields.append(_patterns(ref, options))
        fields.append(
            _text(ref, "group", options.group or "", f"Groups (images of one lot or part): {plain(GROUP_WAYS)}")
        )
        st.form_submit_button(
            "Read the images so", on_click=apply, args=(ref, lambda: options_of(_sent(fields))), type="primary"
        )


def _of_files(ref: str, options: ReadOptions, there: files.Files) -> list[Field]:
    """What files and folders mean."""
    fields: list[Field] = []
    with st.grid(3, min_column_width=180, gap="small"):
        fields += _places(ref, options, there.folders)
        fields += _masks(ref, options)
    if words := files.words(there.folders, MOST_FIELDS) | dict.fromkeys(options.splits, 0):
        st.caption("Words for splits: what each folder is")
        with st.grid(3, min_column_width=180, gap="small"):
            fields += [_split(ref, options, word, count) for word, count in words.items()]
    return fields


def _sent(fields: Sequence[Field]) -> Pairs:
    return [pair for field in fields for pair in field()]


def _key(ref: str, name: str) -> str:
    """A widget's: of this very reading, or it would keep what another set's form says."""
    return f"{name} of {corrections.mark(ref)} {st.query_params.get(notice.LINK_KEY) == notice.LABELS}"


def _chosen(
    ref: str, name: str, label: str, choices: Sequence[str], now: str, empty: str = "", **settings: Any
) -> Field:
    """A select, which takes what is typed too; `empty` is the choice that says nothing of the option."""
    key = _key(ref, name)
    options = list(dict.fromkeys([*choices, now]))
    st.selectbox(label, options, options.index(now), key=key, accept_new_options=True, **settings)

    def said() -> Pairs:
        value = str(st.session_state[key] or "").strip()
        return [] if value in ("", empty) else [(name, value)]

    return said


def _text(ref: str, name: str, now: str, label: str, **settings: Any) -> Field:
    key = _key(ref, name)
    st.text_input(label, now, key=key, placeholder="recognised", **settings)
    return lambda: [(name, value)] if (value := st.session_state[key].strip()) else []


def _places(ref: str, options: ReadOptions, there: Mapping[str, int]) -> list[Field]:
    layout = _chosen(
        ref, "layout", "Layout", [RECOGNISE, *LAYOUTS], options.layout or RECOGNISE, RECOGNISE,
        help="How folders, names or a table say what each image is.",
    )  # fmt: skip
    root = _chosen(
        ref, "root", "Root", [FOLDER, *there], options.root or FOLDER, FOLDER,
        help="The folder below the set where it begins, or where the paths of its table start.",
    )  # fmt: skip
    return [layout, root]


def _masks(ref: str, options: ReadOptions) -> list[Field]:
    masks = _chosen(
        ref, "masks", "Masks", ["auto", "none"], options.masks, "auto",
        help="auto, none, or a path such as masks/{label}/{stem}.png.",
    )  # fmt: skip
    rule = _chosen(
        ref, "mask_rule", "What of a mask counts", ["auto", "nonzero", "inverted"], options.mask_rule, "auto",
        help="auto, nonzero, inverted, or the lowest grey value inside, such as 128.",
    )  # fmt: skip
    window = ", ".join(f"{number:.15g}" for number in options.window or ())
    shown = "Black and white, in counts, of what is shown of images with more than 8 bits, such as 0, 4095."
    fields = [masks, rule, _text(ref, "window", window, "Window (low, high)", help=shown)]
    if ref.lower().endswith(".zip"):
        codes = "How names in the zip are encoded, where it does not say so, such as gbk or cp932."
        fields.append(_text(ref, "names", options.names or "", "Encoding of names", help=codes))
    return fields


def _split(ref: str, options: ReadOptions, word: str, count: int) -> Field:
    known = split_of(word, ReadOptions())
    own = f"(recognised: {known})" if known else "(not a split)"
    label = f"{plain(word)}, {count:,} files" if count else plain(word)
    return _chosen(ref, f"split.{word}", label, [own, *SPLITS, "none"], options.splits.get(word, own), own)


def _labels(report: LoadReport | None, options: ReadOptions) -> dict[str, int]:
    """Labels as the set writes them, with how many images have them, where that is known."""
    if report is None:
        return dict.fromkeys(options.labels, 0)
    new = set(options.labels.values())
    there = {label: count for label, count in report.by("label").items() if label is not None and label not in new}
    return dict.fromkeys(options.labels, 0) | there


def _classes(ref: str, options: ReadOptions, labels: Mapping[str, int]) -> list[Field]:
    """What each label stands for: a field each, or where there are many one line each."""
    now, classes = dict(options.labels), _model_classes()
    if st.query_params.get(notice.LINK_KEY) == notice.LABELS:
        strange = {label.label: label.near for label in unmatched(labels, classes)}
        labels = {label: labels[label] for label in sorted(labels, key=lambda label: label not in strange)}
        many = len(labels) > MOST_FIELDS
        now = {label: near or label for label, near in strange.items() if near or many} | now
    if len(labels) > MOST_FIELDS:
        return [_lines(ref, now, len(labels))]
    choices = [AS_IT_IS, LEAVE_OUT, *classes[:MOST_CLASSES]]
    fields: list[Field] = []
    with st.grid(3, min_column_width=180, gap="small"):
        for label, count in labels.items():
            title = f"{plain(label)}, {count:,} images" if count else plain(label)
            field = _chosen(
                ref, f"label.{label}", title, choices, now.get(label, AS_IT_IS) or LEAVE_OUT, AS_IT_IS
            )  # fmt: skip
            fields.append(lambda field=field: [(name, "" if v == LEAVE_OUT else v) for name, v in field()])  # type: ignore[misc]
    return fields


def _lines(ref: str, now: Mapping[str, str], count: int) -> Field:
    key = _key(ref, "labels")
    st.text_area(
        f"Of {count:,} labels those that stand for another class, as label = class, one a line; without a class its"
        " images are left out",
        "\n".join(f"{label} = {name}" for label, name in now.items()),
        key=key,
    )

    def said() -> Pairs:
        pairs = []
        for line in filter(str.strip, st.session_state[key].splitlines()):
            label, sign, name = line.rpartition("=")
            if not sign:
                raise InputError(f"The line {line.strip()[:60]!r} says no class: write it as label = class.")
            pairs.append((f"label.{label.strip()}", name.strip()))
        return pairs

    return said


def _model_classes() -> tuple[str, ...]:
    try:
        return choice.whole().rule.class_names
    except InputError:  # the page says why
        return ()


def _patterns(ref: str, options: ReadOptions) -> Field:
    key = _key(ref, "leave_out")
    st.text_area(
        "Leave out: patterns of paths that are no part of the set, one a line, such as figures/*",
        "\n".join(options.leave_out),
        key=key,
        height=68,
    )
    return lambda: [("leave_out", line.strip()) for line in st.session_state[key].splitlines() if line.strip()]
