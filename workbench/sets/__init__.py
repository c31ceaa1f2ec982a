"""Sets of images as people have them: listed, recognised, corrected, and read with a report of what was understood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.sets.archives import zip_tree
    from workbench.sets.layouts import LAYOUTS, images_from_zip, load_images, stamp, tree_of
    from workbench.sets.manifests import SYNTHETIC
    from workbench.sets.options import (
        images_toml,
        options_flags,
        options_from,
        options_of,
        options_read,
        options_text,
    )
    from workbench.sets.proposing import PROPOSING, ROOT
    from workbench.sets.told_groups import groups_by
    from workbench.sets.trees import Tree, natural
    from workbench.sets.words import split_of

__getattr__ = handed_on(
    __name__,
    {
        "proposing": "PROPOSING ROOT",
        "layouts": "LAYOUTS images_from_zip load_images stamp tree_of",
        "manifests": "SYNTHETIC",
        "options": "images_toml options_flags options_from options_of options_read options_text",
        "archives": "zip_tree",
        "told_groups": "groups_by",
        "trees": "Tree natural",
        "words": "split_of",
    },
)
