"""Hidden groups: whether the order of the files hides any, what names or order propose, and the user's decision."""

from __future__ import annotations

from functools import partial

import streamlit as st

from workbench.catalog import ReadOptions
from workbench.errors import LONGEST
from workbench.predictions import GROUP
from workbench.quality import FileOrder
from workbench.ui import choice, corrections, draw, kin
from workbench.ui.data.scope import Scope
from workbench.ui.loading import applied
from workbench.ui.loading.form import GROUP_WAYS
from workbench.ui.progress import guarded, offer
from workbench.ui.text import plain

GROUPS_SHOWN = 12
"""Groups that a table on the page lists."""


@guarded
def section(scope: Scope) -> None:
    """The test, the proposals, and how groups are stated."""
    st.subheader("Does the order of the files hide a group?", anchor="hidden-groups")
    applied.told()
    _known(scope)
    result = kin.order_of(scope.images)
    if result is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Not tested yet.** Files of one lot, module or day lie together and look alike.")
            draw.meaning("hidden-groups", "What does this mean?")
        offer("Test the order of the files", "test file order", lambda: kin.order_tested(scope.images))
    else:
        _told(result)
    _own(scope)


def _known(scope: Scope) -> None:
    """The groups that are stated, and how they are known."""
    values = [str(item.attributes[GROUP]) for item in scope.images if GROUP in item.attributes]
    if not values:
        return
    import pandas as pd

    report = choice.whole_images(scope.model).report
    how = [f"{guess.value} ({guess.how}: {guess.why})" for guess in (report.guesses if report else ())
           if guess.topic == "groups"]  # fmt: skip
    known = f" {plain('; '.join(how), 400)}." if how else f" They stand in the attribute `{GROUP}`."
    counts = pd.Series(values).value_counts().rename_axis(GROUP).reset_index(name="images")
    st.markdown(f"**{len(counts):,} groups are stated**, of {len(values):,} of {len(scope.images):,} images.{known}")
    with st.expander(f"The {min(GROUPS_SHOWN, len(counts))} largest groups"):
        st.dataframe(counts.head(GROUPS_SHOWN), hide_index=True)
        rows = [(item.name, item.attributes.get(GROUP)) for item in scope.images]
        draw.table("Groups (CSV)", lambda: pd.DataFrame(rows, columns=["image", GROUP]), "groups.csv", "csv hidden")


def _told(result: FileOrder) -> None:
    icon = ":material/warning:" if result.hides else ":material/help:"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{icon} {result.sentence}", width="content")
        draw.meaning("hidden-groups", "What does this mean?")
    for number, way in enumerate(result.proposed):
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"proposed-{number}"):
            st.markdown(f"**Proposed:** {plain(way.sentence, 500)}", width="stretch")
            ref = choice.set_ref(choice.whole())
            st.button(
                "Take as groups",
                key=f"take {number}",
                on_click=applied.apply,
                args=(ref, partial(_read_by, way.option)),
            )


def _read_by(option: str) -> ReadOptions:
    before = corrections.options(choice.set_ref(choice.whole()))
    return before.model_copy(update={GROUP: option or None})


def _own(scope: Scope) -> None:
    """A pattern or a block length of the user's own."""
    ref = choice.set_ref(choice.whole())
    now = corrections.options(ref).group or ""
    key = f"group of {corrections.mark(ref)}"
    with st.expander("State the groups yourself", icon=":material/edit:"), st.form("groups", border=False):
        st.text_input(
            f"Where the group stands in the names, or how many files each has: {plain(GROUP_WAYS)}", now, key=key,
            placeholder=GROUP_WAYS, max_chars=LONGEST,
        )  # fmt: skip
        st.caption(
            "`{group}` is what names the group, `*` anything; neither reaches over `_`, `-`, `.` or a space, but for a"
            " `*` at the end. A name stands without its ending; with a `/` in the pattern it is the whole path."
        )
        st.form_submit_button("Read the groups so", on_click=applied.apply, args=(ref, lambda: _typed(key)))


def _typed(key: str) -> ReadOptions:
    return _read_by(str(st.session_state[key] or "").strip())
