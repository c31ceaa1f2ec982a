"""Whether the model looks at the same places of one part on two images: the maps of a sample of pairs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.attribution import METHODS
from workbench.images import ImageItem
from workbench.predictions import defect_classes, has_defects
from workbench.quality import Repeats, map_agreement
from workbench.ui import choice, kept
from workbench.ui.cache import Slot, slot
from workbench.ui.data.scope import Scope
from workbench.ui.progress import Stoppable, offer
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

METHOD = "grad_cam"
PAIRS_MAPPED = 30
"""Pairs whose maps are compared at most, spread evenly over all."""


def section(scope: Scope, found: Repeats) -> None:
    """How alike the maps of two images of one part are, beside those of different parts; or the button that tells."""
    pairs = _sample(found)
    if not len(pairs):
        return
    method = METHODS[METHOD].title
    heatmaps: dict[str, NDArray[np.float32]] | None = kept.recall(_place(scope, pairs), dict)
    if heatmaps is None:
        offer(
            f"Compare the maps of {len(pairs):,} pairs", f"repeated {scope.model.key[:12]}", lambda: _map(scope, pairs)
        )
        st.caption(f"{method}, up to a second an image; what is done is kept.", width="content")
        return
    own, strangers = map_agreement(pairs, heatmaps)
    own = own[np.isfinite(own)]
    if not len(own):
        st.caption("No two maps of one part could be made.")
        return
    low, high = np.percentile(own, [5, 95])
    chance = f" Maps of different parts agree by {np.median(strangers):.2f}." if len(strangers) else ""
    st.markdown(
        f"**Maps** ({method}, for the class {plain(_target(scope, pairs))}): those of two images of one part agree by"
        f" {np.median(own):.2f}, the median of Spearman's rank correlation over {len(own):,} pairs (90 % lie between"
        f" {low:.2f} and {high:.2f}).{chance}"
    )


def _sample(found: Repeats) -> pd.DataFrame:
    """Pairs of which both images could be read and decided."""
    pairs = found.pairs[found.pairs["flip"].notna().to_numpy(bool)]
    rows = np.unique(np.linspace(0, len(pairs) - 1, min(PAIRS_MAPPED, len(pairs))).round().astype(int))
    return pairs.iloc[rows].reset_index(drop=True)


def _target(scope: Scope, pairs: pd.DataFrame) -> str:
    """One class for all maps, so that a pair that flips is compared too: the first that is a defect."""
    assert scope.predictions is not None
    if has_defects(scope.predictions):
        return defect_classes(scope.predictions)[0]
    return str(pairs["called first"].mode()[0])


def _aim(scope: Scope, pairs: pd.DataFrame) -> dict[str, object]:
    """What every map depends on besides its image."""
    return {**scope.model.identity, "method": METHOD, "target": _target(scope, pairs)}


def _names(pairs: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys([*pairs["first"], *pairs["second"]]))


def _place(scope: Scope, pairs: pd.DataFrame) -> Slot:
    images = [(name, scope.image(name).id) for name in _names(pairs)]
    return slot("repeated maps", **_aim(scope, pairs), images=images)


def _map(scope: Scope, pairs: pd.DataFrame) -> bool | None:
    """Make the maps of all images, those alone that were not made before they were stopped; None where the user stopped
    it."""
    from workbench.attribution import attribute
    from workbench.audit import small_map

    progress = Stoppable("Making maps", f"repeated {scope.model.key[:12]}")
    if progress.stopped:
        return None
    classifier, aim, names = choice.classifier(scope.model), _aim(scope, pairs), _names(pairs)

    def made(item: ImageItem) -> NDArray[np.float32]:
        return small_map(attribute(classifier, item, METHOD, str(aim["target"]), score="logit").on_image())

    heatmaps = {}
    for done, name in enumerate(names):
        progress(done, len(names))
        item = scope.image(name)
        heatmaps[name] = slot("small map", **aim, image=item.id).kept(partial(made, item), lambda _: 4096)
    kept.keep(_place(scope, pairs), heatmaps, 4096 * len(names))
    progress.done()
    return True
