"""The faults that files and images are held against: what each is, how much it matters, and what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Severity = Literal["broken", "damaged", "odd"]
SEVERITIES: Mapping[Severity, str] = MappingProxyType(
    {
        "broken": "cannot be read",
        "damaged": "is read, but not as it was saved",
        "odd": "is unlike the others of its kind",
    }
)


@dataclasses.dataclass(frozen=True)
class FaultKind:
    """One kind of fault.

    Attributes:
        severity: One of `SEVERITIES`.
        meaning: What it is, in words.
        advice: What to do.
        measure: The column of `measure` that it is read from.
        sign: -1 where low values are the fault, 1 where high ones are; 0 where no number is judged.
        least: Smallest spread of the measure, as judged: less is no difference.
    """

    severity: Severity
    meaning: str
    advice: str
    measure: str
    sign: int = 0
    least: float = 0.0


_COPY = "Copy or export the file again."
_SAME = "Export all images in one way, or tell the model's preprocessing."
_LOOK = "Look at the images: leave out what shows no part as the camera on the line sees it."
FAULTS: Mapping[str, FaultKind] = MappingProxyType(
    {
        "empty file": FaultKind("broken", "holds 0 bytes", _COPY, "bytes"),
        "cannot be decoded": FaultKind("broken", "is damaged, or is no image", _COPY, "error"),
        "cut off": FaultKind("damaged", "ends before its format says so: a part may be missing", _COPY, "whole"),
        "check sum": FaultKind("damaged", "holds other bytes than were saved", _COPY, "whole"),
        "bytes after the end": FaultKind(
            "damaged", "goes on after the image ends", "Two files may have been joined: look where it came from.",
            "extra",
        ),
        "warning": FaultKind("damaged", "is decoded with a warning", _COPY, "warning"),
        "wrong ending": FaultKind(
            "damaged", "is of another format than its name says", "Rename it: other tools go by its name.", "format"
        ),
        "several frames": FaultKind("odd", "holds more than one image, of which the first is read", _SAME, "frames"),
        "odd format": FaultKind("odd", "is of another format than the others", _SAME, "format"),
        "odd colours": FaultKind("odd", "holds other channels than the others (grey, CMYK, alpha)", _SAME, "mode"),
        "odd bits": FaultKind("odd", "holds another number of bits than the others", _SAME, "bits"),
        "colour profile": FaultKind("odd", "states another colour profile than the others", _SAME, "profile"),
        "turned by EXIF": FaultKind(
            "odd", "is turned on reading, as its EXIF says, and the others are not",
            "Check that it stands as the others do: not every tool turns it.", "orientation",
        ),
        "odd size": FaultKind("odd", "has another size than the others", _SAME, "pixels", 1, 0.05),
        "odd shape": FaultKind("odd", "is wider or higher than the others", _SAME, "aspect", 1, 0.05),
        "blank": FaultKind("odd", "shows nothing: all pixels are alike", _LOOK, "blank"),
        "dark": FaultKind("odd", "is darker than its kind", _LOOK, "brightness", -1, 0.05),
        "bright": FaultKind("odd", "is brighter than its kind", _LOOK, "brightness", 1, 0.05),
        "low contrast": FaultKind("odd", "has less contrast than its kind", _LOOK, "contrast", -1, 0.05),
        "blurred": FaultKind("odd", "is less sharp than its kind", _LOOK, "sharpness", -1, 0.03),
        "clipped to black": FaultKind("odd", "has more pixels at pure black than its kind", _LOOK, "black", 1, 0.004),
        "clipped to white": FaultKind("odd", "has more pixels at pure white than its kind", _LOOK, "white", 1, 0.004),
        "dead line": FaultKind("odd", "has a row or column of one colour, unlike its kind", _LOOK, "line", 1, 0.15),
        "uniform border": FaultKind("odd", "has a border of one colour, unlike its kind", _LOOK, "border", 1, 0.005),
        "blurred against its twin": FaultKind(
            "odd", "is less sharp than another image of the same part", _LOOK, "sharpness", -1, 0.1
        ),
    }
)  # fmt: skip
"""The faults by name, the worst first."""
