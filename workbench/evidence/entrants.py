"""Who enters a league: every method, with the few settings that change what it shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from workbench.attribution import METHODS
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.models import Classifier

LEAGUE_DECISIONS = 16
"""How many decisions each explains."""
LONG = 250
"""Evaluations from which a method enters only where it is asked for."""
DOUBLING = ("expected_gradients",)
"""Methods that double their evaluations, to more than `LONG`, until their values sum up: often they must."""
OTHER_SETTINGS: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("integrated_gradients", MappingProxyType({"baseline": "blur"})),
    ("occlusion", MappingProxyType({"window": 0.25})),
)
"""Settings beside the defaults that are as defensible and give another map."""
OF_EARLIER_LAYER = ("grad_cam", "layer_cam")
"""Methods that enter for a layer with a finer grid, too."""


@dataclasses.dataclass(frozen=True)
class Entrant:
    """A method with its settings.

    Attributes:
        method: A name in `METHODS`.
        settings: Those beside its defaults, as pairs.
    """

    method: str
    settings: tuple[tuple[str, object], ...] = ()

    @property
    def title(self) -> str:
        """As in "Occlusion (window 0.25)"."""
        words = ", ".join(f"{name} {value}" for name, value in self.settings)
        return METHODS[self.method].title + (f" ({words})" if words else "")


def entrants_of(classifier: Classifier, methods: Collection[str] | None = None) -> tuple[Entrant, ...]:
    """Who enters, cheapest first.

    Whether a method suits the model is seen on the images: on noise, which `suits` tries, a model may read nothing.

    Args:
        classifier: The model.
        methods: Names in `METHODS`; all where missing, but those that take, or may take, `LONG` evaluations a map and
            more.

    Raises:
        InputError: There is no such method.
    """
    if strange := sorted({*(methods or ())} - METHODS.keys()):
        raise InputError(f"There is no method {strange[0]!r}: choose from {', '.join(METHODS)}.")
    usual = {name for name, method in METHODS.items() if method.cost < LONG and name not in DOUBLING}
    chosen = usual if methods is None else {*methods}
    return tuple(entrant for entrant in _candidates(classifier) if entrant.method in chosen)


def _candidates(classifier: Classifier) -> list[Entrant]:
    made = [Entrant(name) for name, method in METHODS.items() if method.family != "own" or classifier.scored]
    made += [Entrant(name, tuple(settings.items())) for name, settings in OTHER_SETTINGS]
    layer = _finer_layer(classifier)
    made += [Entrant(name, (("layer", layer),)) for name in OF_EARLIER_LAYER if layer is not None]
    return sorted(made, key=lambda entrant: METHODS[entrant.method].cost)


def _finer_layer(classifier: Classifier) -> str | None:
    """The deepest layer whose grid has at least twice the edge of the one that is looked at unless told; None where
    there is none."""
    from workbench.attribution import choose_layer

    try:
        default = choose_layer(classifier, None)
    except InputError:
        return None
    shapes = classifier.layers
    height = 2 * shapes[default][1]
    finer = [name for name in list(shapes)[: list(shapes).index(default)] if shapes[name][1] >= height]
    return finer[-1] if finer else None
