"""Heatmaps and charts as images: arrays in, images out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.drawing.palette import class_colours
    from workbench.drawing.render import Scale, overlay, scale_of, to_png

__getattr__ = handed_on(__name__, {"palette": "class_colours", "render": "Scale overlay scale_of to_png"})
