"""Images as they are and with a place covered: the ones whose probability falls most first."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from workbench.bias import MOST_COVERED, Intervention
from workbench.images import ImageItem, cover_region, shuffle
from workbench.ui import draw, photographs, url
from workbench.ui.bias.scope import Scope
from workbench.ui.text import plain

EXAMPLES = 5
PAIR_EDGE = 256


def fallen(result: Intervention) -> list[Mapping[Hashable, Any]]:
    """The rows of the images, the one whose probability falls most first."""
    falls = result.frame.assign(fall=result.frame["after"] - result.frame["before"])
    return list(falls.sort_values("fall", kind="stable").to_dict("records"))


def row(scope: Scope, result: Intervention, skip: int = 0) -> None:
    """`EXAMPLES` images as they are and with the place covered, after the first `skip`; each leads to Explain."""
    peers = others(scope)
    with st.grid(EXAMPLES, min_column_width=150):
        for line in fallen(result)[skip : skip + EXAMPLES]:
            item = scope.image(line["name"])
            with st.container(gap="xsmall"):
                image = np.asarray(photographs.fitted(item, PAIR_EDGE))
                hidden = cover_region(image, inside(item, image, result), result.fill, peers, np.random.default_rng(0))
                draw.image(Image.fromarray(np.hstack([image, hidden])), f"{item.name}, as it is and covered")
                st.caption(f"P({plain(line['target'], 30)}) {line['before']:.2f} → {line['after']:.2f}")
                st.page_link(url.EXPLAIN, label="Explain", query_params=scope.link(image=item.name))


def inside(item: ImageItem, image: np.ndarray, result: Intervention) -> np.ndarray:
    """True where the place lies, in the pixels of an image (H, W, 3)."""
    height, width = image.shape[:2]
    return result.region.on(height, width, _mask(item, image) if result.region.of_mask else None)


def others(scope: Scope) -> list[ImageItem]:
    """Images of all classes, to exchange with."""
    names = scope.predictions.frame["name"].to_numpy()[scope.rows].tolist()
    return [scope.image(name) for name in shuffle(names, np.random.default_rng(1))[:MOST_COVERED]]


def _mask(item: ImageItem, image: np.ndarray) -> np.ndarray | None:
    mask = photographs.mask_of(item)
    size = image.shape[1], image.shape[0]
    return None if mask is None else np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
