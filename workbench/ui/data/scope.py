"""What the Data page speaks of: the set, what the model says of it where that is known, and its families."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property

from workbench.quality import Families
from workbench.ui import kin, session
from workbench.ui.view import View


@dataclasses.dataclass(frozen=True, eq=False)
class Scope(View):
    """A view, and what is known of how its images belong together.

    Attributes:
        families: Which images show one part; None where that was not looked for yet.
    """

    families: Families | None

    @cached_property
    def facts(self) -> Mapping[str, object]:
        """These images, predictions and families, as ingredients of a key."""
        table = None if self.predictions is None else session.token(self.predictions)
        families = None if self.families is None else kin.family_key(self.images)
        return {"images": self.images.key, "table": table, "families": families}


def scope_of(view: View) -> Scope:
    """The view with what is known of its families."""
    return Scope(view.model, view.images, view.predictions, kin.families_of(view.images))
