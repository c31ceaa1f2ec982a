"""Draw heatmaps: overlays, colour bars and figures, always in the raw units of the map.

Knows arrays and images only. Figures are `matplotlib.figure.Figure`, never pyplot, whose state is shared between
threads.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEQUENTIAL, DIVERGING = "inferno", "RdBu_r"
PNG_RECORD = "workbench"
"""The key of a PNG's text that says where it comes from."""
QUANTILE = 0.99
"""Share of the pixels that the colours tell apart: one glaring pixel must not black out the rest."""


@dataclass(frozen=True)
class Scale:
    """Which colour stands for which value.

    Attributes:
        limit: The value at the end of the colours, in the map's unit; larger ones are drawn in the last colour.
        signed: True for -limit .. limit in blue and red, False for 0 .. limit from dark to bright.
        clipped: Whether values lie beyond the limit.
    """

    limit: float
    signed: bool
    clipped: bool = False

    def colours(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Values of any shape as colours of shape (..., 3)."""
        span = self.limit or 1.0
        share = (values / span + 1) / 2 if self.signed else np.abs(values) / span
        return _palette(DIVERGING if self.signed else SEQUENTIAL)[(share.clip(0, 1) * 255).round().astype(np.uint8)]

    def strength(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """How near values of any shape come to the end of the colours, 0 .. 1."""
        return (np.abs(values) / (self.limit or 1.0)).clip(0, 1).astype(np.float32)

    def ticks(self) -> list[tuple[float, str]]:
        """Places along the bar (0 .. 1) and what stands there, in the map's unit."""
        low = -self.limit if self.signed else 0.0
        below, above = ("≤ " if self.clipped and self.signed else ""), ("≥ " if self.clipped else "")
        middle = (low + self.limit) / 2
        return [(0.0, below + _number(low)), (0.5, _number(middle)), (1.0, above + _number(self.limit))]

    def gradient(self, steps: int = 24) -> str:
        """The colours as a CSS gradient from left to right."""
        palette = _palette(DIVERGING if self.signed else SEQUENTIAL)
        stops = palette[np.linspace(0, 255, steps).round().astype(int)]
        return "linear-gradient(to right, " + ", ".join(f"rgb({r} {g} {b})" for r, g, b in stops) + ")"


def scale_of(heatmaps: Sequence[NDArray[np.floating]], signed: bool) -> Scale:
    """One scale for heatmaps of shape (H, W): it ends where `QUANTILE` of the pixels of the strongest of them lie
    below.

    It is in blue and red where `signed`. A map that is zero everywhere has the limit 0.
    """
    strengths = [np.abs(h) for h in heatmaps]
    limit = max((float(np.quantile(s, QUANTILE)) for s in strengths), default=0.0)
    peak = max((float(s.max()) for s in strengths), default=0.0)
    if limit == 0:
        limit = peak
    return Scale(limit, signed, clipped=peak > limit * 1.001)


def overlay(
    image: Image.Image,
    heatmap: NDArray[np.floating],
    signed: bool,
    limit: float | None = None,
    opacity: float = 0.6,
) -> Image.Image:
    """Lay a heatmap over its image.

    Args:
        image: RGB.
        heatmap: Shape (height, width) of the image, in any unit.
        signed: Whether the sign is drawn (blue and red), or the strength alone.
        limit: The value at the end of the colours; chosen by `scale_of` where missing.
        opacity: 0 shows the image alone, 1 the map alone. Between them weak values let the image through, and the image
            loses its own colours, which would read as values.

    Returns:
        RGB of the image's size.
    """
    if heatmap.shape != (image.height, image.width):
        raise ValueError(f"expected a heatmap of shape {(image.height, image.width)}, got {heatmap.shape}")
    scale = scale_of([heatmap], signed) if limit is None else Scale(limit, signed)
    grey = Image.blend(image.convert("RGB"), image.convert("L").convert("RGB"), min(2 * opacity, 1.0))
    ground = np.asarray(grey, dtype=np.float32)
    fade = np.minimum(scale.strength(heatmap) * 3, 1)
    cover = (opacity * np.maximum(fade, np.float32(opacity**4)))[..., None]
    return Image.fromarray((ground * (1 - cover) + scale.colours(heatmap) * cover).round().astype(np.uint8))


def outline(image: Image.Image, mask: NDArray[np.bool_], colour: tuple[int, int, int] = (255, 0, 200)) -> Image.Image:
    """The image with the outline of a mask (height, width) drawn on it, about 1/200 of its longer side wide."""
    from scipy.ndimage import binary_dilation

    pixels = np.asarray(image.convert("RGB")).copy()
    pixels[binary_dilation(mask, iterations=max(round(max(mask.shape) / 200), 1)) & ~mask] = colour
    return Image.fromarray(pixels)


def with_boxes(
    image: Image.Image, boxes: Sequence[tuple[int, int, int, int]], colour: tuple[int, int, int] = (255, 205, 0)
) -> Image.Image:
    """The image with boxes (left, top, right, bottom in pixels) drawn on it, numbered from 1."""
    from PIL import ImageDraw

    copy = image.convert("RGB")
    pen, width = ImageDraw.Draw(copy), max(round(max(image.size) / 200), 1)
    size = max(max(image.size) / 22, 6)  # of a tiny image it would be no size that a font has
    for number, (left, top, right, bottom) in enumerate(boxes, 1):
        pen.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=width)
        above = top - size * 1.15 if top > size * 1.2 else top + width
        place = left + 2 * width, above
        pen.text(place, str(number), fill=colour, font_size=size, stroke_width=width, stroke_fill=(0, 0, 0))
    return copy


def fit(image: Image.Image, edge: int) -> tuple[Image.Image, float]:
    """The image with no side over `edge` pixels, and the factor it was scaled by (1 where it fits)."""
    factor = min(edge / max(image.size), 1.0)
    if factor == 1.0:
        return image, 1.0
    size = max(round(image.width * factor), 1), max(round(image.height * factor), 1)
    return image.resize(size, Image.Resampling.BILINEAR), factor


def to_png(image: Image.Image | Figure, record: Mapping[str, object] | None = None) -> bytes:
    """PNG bytes of an image or a figure; `record` stands in its text under `PNG_RECORD`, as JSON."""
    from PIL.PngImagePlugin import PngInfo

    buffer = io.BytesIO()
    text = {} if record is None else {PNG_RECORD: json.dumps(record, ensure_ascii=True, default=str)}
    if isinstance(image, Image.Image):
        info = PngInfo()
        for key, value in text.items():
            info.add_text(key, value)
        image.save(buffer, format="PNG", pnginfo=info)
    else:
        image.savefig(buffer, format="png", dpi=160, facecolor="white", metadata=text)
    return buffer.getvalue()


@dataclass(frozen=True)
class Panel:
    """One map of a figure.

    Attributes:
        title: Name of the method.
        image: The image with the map laid over it.
        scale: What its colours mean.
        unit: Of the values.
        note: One line below.
    """

    title: str
    image: Image.Image
    scale: Scale
    unit: str
    note: str = ""


def figure(image: Image.Image | None, panels: Sequence[Panel], heading: str, footer: str) -> Figure:
    """The image, if any, and the `panels` side by side under one heading, each with a colour bar in its own unit; the
    footer says where they come from."""
    from matplotlib.figure import Figure

    count = len(panels) + (image is not None)
    rows = -(-count // 4)
    columns = -(-count // rows)
    shape = panels[0].image if image is None else image
    aspect = min(max(shape.height / shape.width, 0.3), 3.0)
    chart = Figure(figsize=(3.4 * columns, (3.2 * aspect + 0.9) * rows + 1.0), layout="constrained")
    axes = chart.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    if image is not None:
        axes[0].imshow(image)
        axes[0].set_title("Image", fontsize=10, parse_math=False)
        axes = axes[1:]
    for ax, panel in zip(axes, panels, strict=False):
        ax.imshow(panel.image)
        ax.set_title(panel.title, fontsize=10, parse_math=False)
        _colour_bar(chart, ax, panel)
    chart.suptitle(heading, fontsize=11, parse_math=False)
    chart.supxlabel(footer, fontsize=7, color="0.35", parse_math=False)
    return chart


def _colour_bar(chart: Figure, ax: object, panel: Panel) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    limit = panel.scale.limit or 1.0
    norm = Normalize(-limit if panel.scale.signed else 0.0, limit)
    colours = ScalarMappable(norm, colormaps[DIVERGING if panel.scale.signed else SEQUENTIAL])
    bar = chart.colorbar(colours, ax=ax, orientation="horizontal", fraction=0.05, pad=0.02)  # type: ignore[arg-type]
    low = norm.vmin or 0.0
    bar.set_ticks(
        [low + share * (limit - low) for share, _ in panel.scale.ticks()],
        labels=[label for _, label in panel.scale.ticks()],
    )
    bar.ax.tick_params(labelsize=7)
    bar.set_label(panel.unit + (f"\n{panel.note}" if panel.note else ""), fontsize=7)
    bar.ax.xaxis.label.set_parse_math(False)


def _palette(name: str) -> NDArray[np.uint8]:
    """256 colours of shape (256, 3)."""
    from matplotlib import colormaps

    return (colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def _number(value: float) -> str:
    """Three significant digits, without an exponent where it reads well."""
    if value == 0:
        return "0"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.1e}"
