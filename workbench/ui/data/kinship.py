"""Which images belong together: groups that are stated, families that were found, and what follows for every figure."""

from __future__ import annotations

import streamlit as st

from workbench.predictions import GROUP
from workbench.quality import Families, families, keep_families
from workbench.ui import kin
from workbench.ui.data.scope import Scope
from workbench.ui.progress import Stoppable, guarded, offer


@guarded
def section(scope: Scope) -> None:
    """What joins images, or that each is taken as independent."""
    stated = {item.attributes[GROUP] for item in scope.images if GROUP in item.attributes}
    if stated:
        st.markdown(f"**Groups**: {len(stated):,} are stated in the attribute `{GROUP}`.")
    if scope.families is None:
        if not stated:
            st.markdown("**Each image is taken as independent**: no group is stated, and families were not looked for.")
        offer("Look for images of one part", "look for families", lambda: _look(scope))
        return
    count = scope.families.frame["family"].nunique()
    st.markdown(f"**Families**: {len(scope.images):,} images show {count:,} different parts.")


def _look(scope: Scope) -> Families | None:
    progress = Stoppable(f"Comparing {len(scope.images):,} images", "families")
    if progress.stopped:
        return None
    found = families(scope.images, apart=kin.apart(scope.images), on_progress=progress)
    keep_families(kin.family_key(scope.images), found)
    progress.done()
    return found
