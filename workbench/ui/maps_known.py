"""What the checks of an image's maps came to, where they ran before: looked up, never computed."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.attribution import METHODS
from workbench.ui import explain, results, warm
from workbench.ui.view import View


def ratings(view: View, row: int, methods: Sequence[str]) -> dict[str, str]:
    """How far each map of an image can be relied on, as a sentence by the method's title; only those that are known.

    Args:
        view: A model and a set, with predictions.
        row: The image, as a row of the predictions.
        methods: Names in `METHODS`, drawn as Explain does where nothing was chosen.
    """
    if not warm.torch_ready():
        return {}
    from workbench.evidence import rating

    assert view.predictions is not None
    image, settings = view.of(view.at(row)), explain.standard((view.predictions, row))
    known = {}
    for method in methods:
        made = results.map_slot(image, method, settings.aim, settings.params[method]).get()
        if made is not None and not isinstance(made, str):
            findings = results.findings_slot(image, made, "quick").get()
            if findings is not None:
                known[METHODS[method].title] = rating(findings).sentence
    return known
