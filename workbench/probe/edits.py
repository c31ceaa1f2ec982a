"""Edits of an image, in an order that can be undone, saved and linked to; each is exact and can be reverted."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import CORRUPTIONS, SEVERITIES, Pixels, alike, as_pixels, corrupt, cover_region
from workbench.probe.sliders import SLIDERS

Box = tuple[float, float, float, float]
MOST_EDITS, MOST_BOXES = 40, 40
EDIT_FILLS: Mapping[str, str] = MappingProxyType(
    {
        "inpaint": "Inpaint from the surroundings",
        "mean": "Mean colour of the surroundings",
        "blur": "Blur the region",
        "patch": "Patch of texture from elsewhere",
        "noise": "Noise in the region",
        "paste": "Paste the same place of another image",
        "keep": "Keep only the region",
    }
)
"""Fills of regions with their words: those of `workbench.images.fills`, noise, another image's same place, or grey
outside."""
CROP = "Crop to the region"
CORRUPT = "corrupt"
"""The edit that Reliability asks about: one of `CORRUPTIONS` at a severity, its noise that of these very pixels."""
MOVEMENTS = frozenset(("rotate", "right", "down", "scale", "crop"))
"""The edits after which a place of the image lies elsewhere."""


@dataclasses.dataclass(frozen=True)
class Edit:
    """One edit. Its numbers are rounded when it is made to what its text carries, so that a link shows what was seen.

    Attributes:
        kind: A name in `SLIDERS`, "fill", "crop" or `CORRUPT`.
        value: The number of an edit in `SLIDERS`; the severity of a corruption.
        boxes: What is filled, or what is cropped to (one box): left, top, right, bottom as shares of the image.
        fill: One of `EDIT_FILLS`; the name of a corruption.
        other: The name of the image that is pasted from, for the fill "paste".
    """

    kind: str
    value: float = 0.0
    boxes: tuple[Box, ...] = ()
    fill: str = ""
    other: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(f"{self.value:g}"))
        object.__setattr__(
            self, "boxes", tuple(tuple(float(f"{round(end, 4):g}") for end in box) for box in self.boxes)
        )
        if self.kind in SLIDERS:
            kind = SLIDERS[self.kind]
            if not kind.low <= self.value <= kind.high:
                raise InputError(
                    f"{kind.title} must lie between {kind.low:g} and {kind.high:g}, not at {self.value:g}: correct it."
                )
            return
        if self.kind == CORRUPT:
            if self.fill not in CORRUPTIONS or self.value not in SEVERITIES:
                known = ", ".join(CORRUPTIONS)
                raise InputError(f"A corruption is a severity of 1 to 5 and one of {known}: choose those.")
            return
        if self.kind not in ("fill", "crop"):
            raise InputError(
                f"There is no edit {self.kind[:40]!r}: choose one of {', '.join(SLIDERS)}, fill, crop or {CORRUPT}."
            )
        if self.kind == "fill" and self.fill not in EDIT_FILLS:
            raise InputError(f"There is no fill {self.fill[:40]!r}: choose one of {', '.join(EDIT_FILLS)}.")
        if self.kind == "crop" and (self.fill or self.other):
            raise InputError("A crop fills nothing: leave its fill out.")
        if not 1 <= len(self.boxes) <= (MOST_BOXES if self.kind == "fill" else 1):
            raise InputError(
                f"This edit has {len(self.boxes)} boxes: draw one{f' to {MOST_BOXES}' if self.kind == 'fill' else ''}."
            )
        for left, top, right, bottom in self.boxes:
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise InputError("A box must lie within the image, with its left and top first: draw it again.")

    @property
    def said(self) -> str:
        """What it does, in the words of its control."""
        if self.kind in SLIDERS:
            return f"{SLIDERS[self.kind].title} {self.value:g}"
        if self.kind == "crop":
            return CROP
        if self.kind == CORRUPT:
            kind = CORRUPTIONS[self.fill]
            return f"{kind.title}, severity {self.value:g} of 5: {kind.amount(int(self.value))}"
        boxes = f", {len(self.boxes)} boxes" if len(self.boxes) > 1 else ""
        return EDIT_FILLS[self.fill] + (f" ({self.other})" if self.other else "") + boxes

    def written(self) -> str:
        """The edit as a short text, as `read` takes it."""
        if self.kind in SLIDERS:
            return f"{self.kind}:{self.value:g}"
        if self.kind == CORRUPT:
            return f"{self.kind}:{self.value:g}:{self.fill}"
        boxes = ";".join(",".join(f"{end:g}" for end in box) for box in self.boxes)
        return (
            f"{self.kind}:{boxes}" + (f":{self.fill}" if self.fill else "") + (f":{self.other}" if self.other else "")
        )


def read(text: str) -> Edit:
    """An edit from what `Edit.written` gave.

    Raises:
        InputError: It is none.
    """
    kind, _, details = text.partition(":")
    try:
        if kind in SLIDERS:
            return Edit(kind, float(details))
        if kind == CORRUPT:
            severity, _, name = details.partition(":")
            return Edit(kind, float(severity), fill=name)
        boxes, _, source = details.partition(":")
        fill, _, name = source.partition(":")
        return Edit(kind, boxes=tuple(_box(part) for part in boxes.split(";") if part), fill=fill, other=name)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{text[:80]!r} is no edit: make it again on the page.") from None


def _box(text: str) -> Box:
    left, top, right, bottom = (float(end) for end in text.split(","))
    return left, top, right, bottom


@dataclasses.dataclass(frozen=True, eq=False)
class Edited:
    """An image after its edits.

    Attributes:
        pixels: (H, W, C), bytes or levels.
        back: (3, 3), takes a place (x, y, 1) of the edited image, in pixels from its left upper corner, to that of the
            original.
        original: (height, width) of the image before.
        frames: For each movement and crop, `back` from the image that it made, and that one's (height, width).
    """

    pixels: Pixels
    back: NDArray[np.float64]
    original: tuple[int, int]
    frames: tuple[tuple[NDArray[np.float64], tuple[int, int]], ...] = ()

    def to_original(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """A map of the edited image, (H, W), over the original's pixels; 0 where the edited image does not show the
        original.

        What a movement pushed over an edge is lost: moving back brings in the mirrored continuation, which is no place
        of the original.
        """
        from scipy.ndimage import map_coordinates

        if values.shape != self.pixels.shape[:2]:
            raise ValueError(f"expected a map of shape {self.pixels.shape[:2]}, got {values.shape}")
        rows, columns = np.mgrid[: self.original[0], : self.original[1]] + 0.5
        places, visible = np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)]), np.ones(rows.size, bool)
        for back, (height, width) in self.frames:
            x, y, _ = np.linalg.inv(back) @ places
            visible &= (x > 0) & (x < width) & (y > 0) & (y < height)
        x, y, _ = np.linalg.inv(self.back) @ places - 0.5
        moved = map_coordinates(values.astype(np.float32), [y, x], order=1, mode="nearest")
        return np.where(visible, moved, 0).reshape(self.original).astype(np.float32)


def apply(
    image: Image.Image | Pixels,
    edits: Sequence[Edit],
    others: Mapping[str, Image.Image] | None = None,
    seed: int = 0,
) -> Edited:
    """Apply edits in their order.

    Args:
        image: RGB, or what `Classifier.levels` gives.
        edits: At most `MOST_EDITS`; boxes are shares of the image as it is when their turn comes.
        others: Images to paste from, by name.
        seed: Of noise and patches; each edit draws from its own source, so that one of another kind before it changes
            nothing in it.

    Raises:
        InputError: There are too many edits, an image to paste from is not there, or `image` is an 8-bit copy of one
            that holds more, or an edit is only of 8 bits.
    """
    if len(edits) > MOST_EDITS:
        raise InputError(f"There are {len(edits)} edits, more than {MOST_EDITS}: undo some.")
    pixels = as_pixels(image)
    edited = Edited(pixels, np.eye(3), (pixels.shape[0], pixels.shape[1]))
    for number, edit in enumerate(edits):
        edited = further(edited, edits[:number], edit, others, seed)
    return edited


def further(
    edited: Edited, before: Sequence[Edit], edit: Edit, others: Mapping[str, Image.Image] | None = None, seed: int = 0
) -> Edited:
    """One more edit on what `apply` made of those `before` it, as if it had been applied with them; `others` and `seed`
    as there."""
    pixels = edited.pixels
    if edit.kind in MOVEMENTS:
        step, size = movement(edit, pixels.shape[:2])
        back = edited.back @ step
        return Edited(_resample(pixels, step, size), back, edited.original, (*edited.frames, (back, size)))
    if edit.kind == CORRUPT:
        return dataclasses.replace(edited, pixels=corrupt(pixels, edit.fill, int(edit.value)))
    alike = sum((earlier.kind, earlier.fill) == (edit.kind, edit.fill) for earlier in before)
    rng = np.random.default_rng([seed, alike, *f"{edit.kind} {edit.fill}".encode()])
    if edit.kind == "fill":
        return dataclasses.replace(edited, pixels=_fill(pixels, edit, others or {}, rng))
    return dataclasses.replace(edited, pixels=_TONES[edit.kind](pixels, edit.value, rng))


def movement(edit: Edit, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Where each place of the image after one of `MOVEMENTS`, (x, y, 1) in pixels, lies in the one before, and its
    (height, width)."""
    height, width = shape[0], shape[1]
    if edit.kind == "crop":
        left, top, right, bottom = _whole(edit.boxes[0], shape)
        return np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], float), (bottom - top, right - left)
    if edit.kind in ("right", "down"):
        x, y = (edit.value * width / 100, 0.0) if edit.kind == "right" else (0.0, edit.value * height / 100)
        return np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]]), (height, width)
    turn = math.radians(edit.value) if edit.kind == "rotate" else 0.0
    factor = edit.value if edit.kind == "scale" else 1.0
    cos, sin = math.cos(turn) / factor, math.sin(turn) / factor
    centre = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1]], float)
    return centre @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ np.linalg.inv(centre), (height, width)


def _resample(pixels: Pixels, step: NDArray[np.float64], size: tuple[int, int]) -> Pixels:
    """The image seen through a movement, bilinear; beyond its edges it goes on mirrored."""
    from scipy.ndimage import affine_transform

    swap = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], float)
    # places are corners of pixels, SciPy's are their centres
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], float)
    matrix = swap @ np.linalg.inv(half) @ step @ half @ swap
    planes = [
        affine_transform(pixels[..., c].astype(np.float32), matrix, output_shape=size, order=1, mode="reflect")
        for c in range(pixels.shape[2])
    ]
    return alike(np.stack(planes, -1), pixels)


def inside(boxes: Sequence[Box], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels (H, W) that boxes cover, each at least one pixel."""
    mask = np.zeros(shape[:2], bool)
    for box in boxes:
        left, top, right, bottom = _whole(box, shape)
        mask[top:bottom, left:right] = True
    return mask


def _whole(box: Box, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    left, right = (min(max(round(end * shape[1]), 0), shape[1]) for end in (box[0], box[2]))
    top, bottom = (min(max(round(end * shape[0]), 0), shape[0]) for end in (box[1], box[3]))
    left, top = min(left, shape[1] - 1), min(top, shape[0] - 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _fill(pixels: Pixels, edit: Edit, others: Mapping[str, Image.Image], rng: np.random.Generator) -> Pixels:
    where = inside(edit.boxes, pixels.shape)
    if edit.fill == "keep":
        return np.where(where[..., None], pixels, pixels.dtype.type(128))
    if edit.fill == "noise":
        noise = rng.integers(0, 256, pixels.shape, np.uint8).astype(pixels.dtype)
        return np.where(where[..., None], noise, pixels)
    if edit.fill == "paste":
        if edit.other not in others:
            raise InputError(f"There is no image {edit.other!r} to paste from: choose another one.")
        if pixels.dtype != np.uint8:
            raise InputError(
                "Nothing is pasted into an image of more than 8 bits, or of other channels: choose another fill."
            )
        patch = others[edit.other].convert("RGB").resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.BILINEAR)
        return np.where(where[..., None], np.asarray(patch), pixels)
    return cover_region(pixels, where, edit.fill, (), rng)


def _brightness(pixels: Pixels, value: float, _: np.random.Generator) -> Pixels:
    return alike(pixels + 255 * value, pixels)


def _contrast(pixels: Pixels, value: float, _: np.random.Generator) -> Pixels:
    return alike(127.5 + (pixels - 127.5) * value, pixels)


def _gamma(pixels: Pixels, value: float, _: np.random.Generator) -> Pixels:
    return alike(255 * (pixels / 255) ** value, pixels)


def _blur(pixels: Pixels, value: float, _: np.random.Generator) -> Pixels:
    from scipy.ndimage import gaussian_filter

    width = value / 100 * max(pixels.shape[:2])
    if not width:
        return pixels
    return alike(gaussian_filter(pixels.astype(np.float32), (width, width, 0), mode="nearest"), pixels)


def _defocus(pixels: Pixels, value: float, _: np.random.Generator) -> Pixels:
    from scipy.signal import fftconvolve

    radius = value / 100 * max(pixels.shape[:2])
    reach = math.ceil(radius)
    if not reach:
        return pixels
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (radius + 0.5 - np.hypot(x, y)).clip(0, 1)[..., None]
    padded = np.pad(pixels.astype(np.float32), ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    return alike(fftconvolve(padded, disc / disc.sum(), mode="valid", axes=(0, 1)), pixels)


def _noise(pixels: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    return alike(pixels + 255 * value * rng.standard_normal(pixels.shape), pixels)


def _jpeg(pixels: Pixels, value: float, _: np.random.Generator) -> Pixels:
    if value >= SLIDERS["jpeg"].neutral:
        return pixels
    if pixels.dtype != np.uint8:
        raise InputError(
            "A JPEG holds 8 bits in RGB, and this image more: leave the JPEG quality at 100, or use another edit."
        )
    if max(pixels.shape[:2]) > 65_535:
        raise InputError(
            "A JPEG has at most 65,535 pixels a side: crop the image first, or leave the JPEG quality at 100."
        )
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=round(value))
    return np.asarray(Image.open(buffer).convert("RGB"))


_TONES: Mapping[str, Callable[[Pixels, float, np.random.Generator], Pixels]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "gamma": _gamma,
    "blur": _blur,
    "defocus": _defocus,
    "noise": _noise,
    "jpeg": _jpeg,
}
