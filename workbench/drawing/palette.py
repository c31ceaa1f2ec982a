"""One colour a class, the same on every page and in every chart."""

from __future__ import annotations

from collections.abc import Sequence

GOOD = "#12a594"
"""Of parts without a defect."""
OTHERS = ("#d2553f", "#3b6fc4", "#b8860b", "#8e5bb5", "#7a8b1f", "#c2528b", "#5a6b73", "#a0522d")
"""Of the other classes, in the order of the model; they repeat where there are more."""


def class_colours(class_names: Sequence[str], good: str | None = None) -> dict[str, str]:
    """The colour of each class as "#rrggbb", at least 3:1 against white and against the dark background.

    Args:
        class_names: The classes of a model, in its order.
        good: The one whose parts have no defect, where that is known.

    Example:
        >>> from workbench.drawing.palette import class_colours
        >>> class_colours(("functional", "defective"), good="functional")
        {'functional': '#12a594', 'defective': '#d2553f'}
    """
    rest = [name for name in class_names if name != good]
    colours = {name: OTHERS[place % len(OTHERS)] for place, name in enumerate(rest)}
    return {name: GOOD if name == good else colours[name] for name in class_names}
