"""The page in a few lines: what is proven first, the verdict before the figures, and where each line is shown."""

from __future__ import annotations

import streamlit as st

from workbench.bias import Conclusion, nested, of_classes, of_groups, of_tie, ordered
from workbench.predictions import by_of
from workbench.ui.bias import shortcuts
from workbench.ui.bias.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain

MOST_ATTRIBUTES = 4
ANCHORS = {"shortcut": "where-it-looks", "class": "for-whom", "group": "for-whom"}
"""The section that shows a conclusion, by its kind."""
LINK_WORDS = {"where-it-looks": "See where it looks", "for-whom": "See the figures"}
ICONS = {
    "proven": ":red[:material/report:]",
    "chance": ":material/help:",
    "too few": ":material/data_usage:",
    "open": ":material/radio_button_unchecked:",
    "none": ":material/check_circle:",
    "excluded": ":material/block:",
}


@guarded
def section(scope: Scope) -> None:
    """The conclusions, and the attributes that were compared beside them."""
    lines = conclusions(scope)
    shown = [line for line in lines if line.kind != "group" or line.verdict == "proven"]
    groups = [line for line in lines if line not in shown]
    shown = ordered([*shown, *groups[:MOST_ATTRIBUTES]])
    with st.container(border=True, key="headline", gap="xsmall"):
        for line in shown:
            st.markdown(in_markdown(line))
        if rest := groups[MOST_ATTRIBUTES:]:
            st.caption(f"Also compared below, nothing proven: {', '.join(plain(line.about) for line in rest)}.")


def in_markdown(line: Conclusion) -> str:
    """One conclusion with its sign, its verdict first, and a link down to what shows it."""
    anchor = ANCHORS[line.kind]
    link = "" if line.verdict == "excluded" else f" [{LINK_WORDS[anchor]}](#{anchor})"
    return f"{ICONS[line.verdict]} **{line.lead}:** {plain(line.sentence, 900)}{link}"


def conclusions(scope: Scope) -> list[Conclusion]:
    """All that may be concluded of the scope's images, proven first. Nothing long is computed for it."""
    return ordered([*shortcuts.concluded(scope), of_the_classes(scope), *of_attributes(scope)])


def of_the_classes(scope: Scope) -> Conclusion:
    """What may be concluded of the classes."""
    return scope.kept("classes concluded", lambda: of_classes(scope.breakdown()))


def of_attributes(scope: Scope) -> list[Conclusion]:
    """What may be concluded of the groups of each attribute, the chosen one first."""
    lines = []
    comparison = scope.comparison()
    if comparison is not None:
        attribute = None if scope.by is None else by_of(scope.predictions, scope.by)
        ways = sorted(dict.fromkeys(comparison.frame["by"]), key=lambda by: by != attribute)
        within = scope.kept("nested", lambda: nested(scope.predictions, scope.rows, scope.tested))
        lines = [of_groups(comparison, by, by in within) for by in ways]
    return [*lines, *(of_tie(name, tie) for name, tie in scope.tied.items())]
