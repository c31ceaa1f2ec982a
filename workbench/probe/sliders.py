"""The edits that have one number: their range, and their words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of edit with one number.

    Attributes:
        name: In links and files.
        title: On the screen.
        low: Smallest value.
        high: Largest value.
        neutral: The value that changes nothing.
        step: Of a slider.
        unit: What the number means.
        less: What a value below the neutral one does, with `{to}` for the value or `{by}` for its distance.
        more: Likewise, above it.
    """

    name: str
    title: str
    low: float
    high: float
    neutral: float
    step: float
    unit: str
    less: str
    more: str

    def told(self, value: float) -> str:
        """What a value that is not the neutral one does, such as "Brighter by 0.06"."""
        return self._way(value).format(to=value, by=self._distance(value))

    def amount(self, value: float) -> str:
        """The amount alone, such as "by 0.06" or "at 1.5"."""
        return f"by {self._distance(value):g}" if "{by" in self._way(value) else f"at {value:g}"

    def _way(self, value: float) -> str:
        return self.less if value < self.neutral else self.more

    def _distance(self, value: float) -> float:
        return float(f"{abs(value - self.neutral):g}")


SLIDERS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                "brightness",
                "Brightness",
                -0.5,
                0.5,
                0.0,
                0.02,
                "added light, as a share of white",
                "Darker by {by:g}",
                "Brighter by {by:g}",
            ),
            Kind(
                "contrast",
                "Contrast",
                0.2,
                3.0,
                1.0,
                0.05,
                "factor about mid-grey",
                "Contrast down to {to:g}",
                "Contrast up to {to:g}",
            ),
            Kind(
                "gamma",
                "Gamma",
                0.2,
                4.0,
                1.0,
                0.05,
                "exponent: above 1 darkens",
                "Gamma down to {to:g}",
                "Gamma up to {to:g}",
            ),
            Kind(
                "blur", "Blur", 0.0, 4.0, 0.0, 0.1, "width of a Gaussian, % of the longer side", "", "Blur of {to:g} %"
            ),
            Kind(
                "defocus",
                "Defocus",
                0.0,
                4.0,
                0.0,
                0.1,
                "radius of a disc, % of the longer side",
                "",
                "Defocus of {to:g} %",
            ),
            Kind(
                "noise", "Noise", 0.0, 0.4, 0.0, 0.01, "standard deviation, as a share of white", "", "Noise of {to:g}"
            ),
            Kind("jpeg", "JPEG quality", 5, 100, 100, 1, "100: left as it is", "JPEG quality down to {to:g}", ""),
            Kind(
                "rotate",
                "Rotation",
                -180,
                180,
                0.0,
                1,
                "degrees, counter-clockwise about the centre",
                "Rotation by {by:g}° clockwise",
                "Rotation by {by:g}° counter-clockwise",
            ),
            Kind(
                "right",
                "Shift to the right",
                -50,
                50,
                0.0,
                1,
                "% of the width",
                "Shift to the left by {by:g} %",
                "Shift to the right by {by:g} %",
            ),
            Kind(
                "down",
                "Shift down",
                -50,
                50,
                0.0,
                1,
                "% of the height",
                "Shift up by {by:g} %",
                "Shift down by {by:g} %",
            ),
            Kind(
                "scale",
                "Scale",
                0.5,
                2.0,
                1.0,
                0.05,
                "factor about the centre",
                "Scale down to {to:g}",
                "Scale up to {to:g}",
            ),
        )
    }
)
"""The edits that have one number, in the order of the screen."""
