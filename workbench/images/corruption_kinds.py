"""Everyday disturbances of an image: which there are, how strong each of five severities is, and where that comes from.

Those of ImageNet-C have the constants of Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to
common corruptions and perturbations", as their program for images of 224 pixels has them. Snow, frost, fog and spatter
are weather, of which a line has none, and glass blur moves one pixel after the other, which takes half a second an
image: left out. Those of a line are the workbench's own choice: what a loose lens, a tired lamp, a conveyor, a cable
and dust do, from barely visible to plainly wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

SEVERITIES = (1, 2, 3, 4, 5)
PUBLISHED_EDGE = 224
"""Pixels of the shorter side for which lengths are stated; they grow with the image, noise of a pixel does not."""
PUBLISHED, OURS = "Hendrycks and Dietterich 2019, ImageNet-C", "the workbench's own choice"
OF_LINE: Final = "line"
IMAGENET_C: Final = "imagenet-c"
Constant = float | tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Corruption:
    """A kind of corruption.

    Attributes:
        name: In links and files.
        title: On the screen.
        suite: `OF_LINE` or `IMAGENET_C`.
        unit: What its constants mean; lengths at `PUBLISHED_EDGE`.
        constants: One for each of `SEVERITIES`.
        cause: What brings it about, for whom it is to be kept away.
        needs: "bytes" where only an image of 8 bits has it, "colour" where only a coloured one does.
        graded: Whether each severity disturbs more than the one before: not so in two published tables.
    """

    name: str
    title: str
    suite: Literal["line", "imagenet-c"]
    unit: str
    constants: tuple[Constant, Constant, Constant, Constant, Constant]
    cause: str
    needs: Literal["", "bytes", "colour"] = ""
    graded: bool = True

    @property
    def source(self) -> str:
        """Where its constants come from."""
        return PUBLISHED if self.suite == IMAGENET_C else OURS

    def amount(self, severity: int) -> str:
        """A severity in its unit, such as "radius 3 px"."""
        constant = self.constants[severity - 1]
        values = constant if isinstance(constant, tuple) else (constant,)
        return self.unit.format(*(f"{value:g}" for value in values))


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Corruption(
                "underexposed",
                "Underexposure",
                OF_LINE,
                "{} stops darker",
                (0.25, 0.5, 0.75, 1.0, 1.5),
                "a lamp that ages, a shorter exposure",
            ),
            Corruption(
                "overexposed",
                "Overexposure",
                OF_LINE,
                "{} stops brighter",
                (0.1, 0.2, 0.35, 0.5, 0.75),
                "a new lamp, stray light, a longer exposure",
            ),
            Corruption(
                "gain_noise",
                "Gain noise",
                OF_LINE,
                "{} electrons at white, read noise {} of white",
                ((4000.0, 0.002), (1500.0, 0.004), (600.0, 0.008), (250.0, 0.015), (100.0, 0.03)),
                "more gain to make up for missing light, a warm sensor",
            ),
            Corruption(
                "slight_defocus",
                "Defocus of the lens",
                OF_LINE,
                "disc of radius {} px",
                (0.75, 1.25, 2.0, 3.0, 4.0),
                "a loose lens, a part that lies higher or lower",
            ),
            Corruption(
                "vibration",
                "Vibration",
                OF_LINE,
                "{} px of motion along the rows",
                (2.0, 3.0, 5.0, 7.0, 10.0),
                "a part or camera that moves while it is exposed",
            ),
            Corruption(
                "camera_jpeg",
                "JPEG of the camera",
                OF_LINE,
                "quality {}",
                (90.0, 75.0, 60.0, 45.0, 30.0),
                "images that are compressed on their way",
                "bytes",
            ),
            Corruption(
                "dead_lines",
                "Dead rows and columns",
                OF_LINE,
                "lines without light: {}",
                (1.0, 2.0, 3.0, 5.0, 8.0),
                "a damaged sensor or cable",
            ),
            Corruption(
                "dust",
                "Dust",
                OF_LINE,
                "{} specks",
                (2.0, 4.0, 8.0, 14.0, 22.0),
                "dust on the lens or its window",
            ),
            Corruption(
                "turn",
                "Small turn",
                OF_LINE,
                "{}° about the centre",
                (0.5, 0.75, 1.0, 1.5, 2.0),
                "a part or camera that is not held straight",
            ),
            Corruption(
                "shift",
                "Small shift",
                OF_LINE,
                "{} px",
                (1.0, 1.5, 2.0, 2.5, 3.0),
                "a trigger that comes early or late",
            ),
            Corruption(
                "vignetting",
                "Vignetting",
                OF_LINE,
                "{} of the light missing in the corners",
                (0.1, 0.2, 0.3, 0.45, 0.6),
                "a lens, an aperture or a lamp that was changed",
            ),
            Corruption(
                "gaussian_noise",
                "Gaussian noise",
                IMAGENET_C,
                "standard deviation {} of white",
                (0.08, 0.12, 0.18, 0.26, 0.38),
                "low light",
            ),
            Corruption(
                "shot_noise",
                "Shot noise",
                IMAGENET_C,
                "{} photons at white",
                (60.0, 25.0, 12.0, 5.0, 3.0),
                "very low light",
            ),
            Corruption(
                "impulse_noise",
                "Impulse noise",
                IMAGENET_C,
                "{} of the pixels black or white",
                (0.03, 0.06, 0.09, 0.17, 0.27),
                "bit errors",
            ),
            Corruption(
                "speckle_noise",
                "Speckle noise",
                IMAGENET_C,
                "standard deviation {} of the level",
                (0.15, 0.2, 0.35, 0.45, 0.6),
                "coherent light",
            ),
            Corruption(
                "gaussian_blur",
                "Gaussian blur",
                IMAGENET_C,
                "standard deviation {} px",
                (1.0, 2.0, 3.0, 4.0, 6.0),
                "a poor lens",
            ),
            Corruption(
                "defocus_blur",
                "Defocus blur",
                IMAGENET_C,
                "disc of radius {} px, its edge softened by {} px",
                ((3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)),
                "a lens far out of focus",
            ),
            Corruption(
                "motion_blur",
                "Motion blur",
                IMAGENET_C,
                "radius {} px, standard deviation {} px",
                ((10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0)),
                "fast motion",
            ),
            Corruption(
                "zoom_blur",
                "Zoom blur",
                IMAGENET_C,
                "zoom below {} in steps of {}",
                ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
                "motion towards the camera",
            ),
            Corruption(
                "brightness",
                "Brightness",
                IMAGENET_C,
                "{} of white added",
                (0.1, 0.2, 0.3, 0.4, 0.5),
                "much more light",
            ),
            Corruption(
                "contrast",
                "Contrast",
                IMAGENET_C,
                "{} of the contrast left",
                (0.4, 0.3, 0.2, 0.1, 0.05),
                "haze, stray light",
            ),
            Corruption(
                "saturate",
                "Saturation",
                IMAGENET_C,
                "saturation times {} plus {}",
                ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)),
                "a colour setting of the camera",
                "colour",
                graded=False,
            ),
            Corruption(
                "jpeg_compression",
                "JPEG compression",
                IMAGENET_C,
                "quality {}",
                (25.0, 18.0, 15.0, 10.0, 7.0),
                "strong compression",
                "bytes",
            ),
            Corruption(
                "pixelate",
                "Pixelation",
                IMAGENET_C,
                "shrunk to {} of 224 px",
                (0.6, 0.5, 0.4, 0.3, 0.25),
                "a lower resolution",
            ),
            Corruption(
                "elastic_transform",
                "Elastic transform",
                IMAGENET_C,
                "strength {}, smoothness {}, corners moved up to {} px",
                (
                    (244 * 2, 244 * 0.7, 244 * 0.1),
                    (244 * 2, 244 * 0.08, 244 * 0.2),
                    (244 * 0.05, 244 * 0.01, 244 * 0.02),
                    (244 * 0.07, 244 * 0.01, 244 * 0.02),
                    (244 * 0.12, 244 * 0.01, 244 * 0.02),
                ),
                "parts that bend",
                graded=False,
            ),
        )
    }
)
"""The kinds, those of a line first. The factor 244 is the published program's."""


def kinds_of(suite: str) -> tuple[str, ...]:
    """The names of a suite, `OF_LINE` or `IMAGENET_C`; of both where it is neither."""
    both = suite not in (OF_LINE, IMAGENET_C)
    return tuple(name for name, kind in CORRUPTIONS.items() if both or kind.suite == suite)
