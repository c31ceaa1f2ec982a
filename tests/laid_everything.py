"""All sets of `Case`: the documentation lists them."""

from __future__ import annotations

import laid_folders
import laid_industrial
import laid_masks
import laid_pairs
import laid_strangers
import laid_tables
import laid_tools
import laid_trees
import laid_values

CASES = (
    *laid_folders.CASES,
    *laid_trees.CASES,
    *laid_pairs.CASES,
    *laid_strangers.CASES,
    *laid_industrial.CASES,
    *laid_masks.CASES,
    *laid_tables.CASES,
    *laid_tools.CASES,
    *laid_values.CASES,
)
