"""What the last feature layer of a model sees: its activation as a sum of few parts, and decisions without one of
them."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import Pixels

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.models import Classifier

MOST_DIRECTIONS = 8
"""Into how many parts the activation of a class is taken apart, where it has as many channels."""
FIT_STEPS = 200
"""Of each fit, at most."""
LAYER_VALUES, FITTED_PLACES = 1_000_000, 20_000
"""Values of an image in the layer, and places of all images that directions are fitted on, at most."""
SIGNED = 0.01
"""From this share of its energy on, what an activation has below zero is taken apart as well."""
INPUTS_AT_ONCE = 32
"""Inputs in one forward pass."""
PLANES = ("channels first", "channels last")


def feature_layer(classifier: Classifier) -> str:
    """The last layer before pooling.

    Raises:
        InputError: There is none that keeps the image's places as a grid, and can be changed from outside.
    """
    from workbench.attribution import choose_layer

    if classifier.preprocessing.tiles is not None:
        raise InputError("The model reads images in tiles, and has no one layer for the whole of them.")
    name = choose_layer(classifier, None)
    grid = classifier.grids[name]
    if grid.layout not in PLANES or grid.folds or grid.blocks != (1, 1):
        raise InputError(
            f"The layer {name} holds tokens, as transformers do: each has seen the whole image, so that nothing shows"
            " where a part of it lies."
        )
    if min(grid.shape[1:]) < 2:
        raise InputError(f"The layer {name} has one place for the whole image.")
    if math.prod(grid.shape) > LAYER_VALUES:
        raise InputError(
            f"The layer {name} holds {math.prod(grid.shape):,} values of an image, too many to take apart."
        )
    return name


def activations(classifier: Classifier, layer: str, images: Sequence[Pixels]) -> NDArray[np.float32]:
    """(N, C, h, w) what a layer gives for images.

    Raises:
        InputError: As `Classifier.input`.
    """
    import torch

    kept: list[Tensor] = []
    for start in range(0, len(images), INPUTS_AT_ONCE):
        x = torch.stack([classifier.input(image).x for image in images[start : start + INPUTS_AT_ONCE]])
        _through(classifier, layer, x, kept, None)
    return np.asarray(torch.cat(kept).numpy(), np.float32)


def answered(classifier: Classifier, layer: str, image: Pixels, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(M, K) the logits of an image with other activations (M, C, h, w) of a layer. Errors as `Classifier.input`.

    What comes before the layer is asked once, where a first try shows that this model then says the same.
    """
    import torch

    x, logits = classifier.input(image).x[None], []
    if classifier not in _once and len(values) > 1:
        _once[classifier] = _same_at_once(classifier, layer, x, torch.from_numpy(values[:2]))
    for start in range(0, len(values), INPUTS_AT_ONCE):
        part = torch.from_numpy(values[start : start + INPUTS_AT_ONCE])
        copies = x.expand(len(part), -1, -1, -1)
        logits.append(_through(classifier, layer, copies, [], part, once=_once.get(classifier, False)))
    return np.asarray(torch.cat(logits).numpy(), np.float64)


_once: WeakKeyDictionary[Classifier, bool] = WeakKeyDictionary()


def _same_at_once(classifier: Classifier, layer: str, x: Tensor, two: Tensor) -> bool:
    """Whether two activations of a layer that follow one image (1, C, H, W) give what they do after two copies of
    it."""
    import torch

    copies = x.expand(2, -1, -1, -1)
    plain = _through(classifier, layer, copies, [], two)
    try:
        once = _through(classifier, layer, copies, [], two, once=True)
    except (RuntimeError, ValueError, InputError):  # the model counts its images before the layer
        return False
    return torch.allclose(once, plain, rtol=1e-3, atol=1e-4)


def _through(
    classifier: Classifier, layer: str, x: Tensor, kept: list[Tensor], instead: Tensor | None, *, once: bool = False
) -> Tensor:
    """Logits (N, K) of inputs; keeps what the layer gives, (N, C, h, w), and goes on with `instead`, if any; the
    inputs may be copies of one that the layers before are asked about `once`."""
    import torch

    from workbench.models import untouched

    last = classifier.grids[layer].layout == "channels last"

    def hook(module: object, inputs: object, output: Tensor) -> Tensor:
        kept.append((output.movedim(-1, 1) if last else output).float().cpu().clone())
        if instead is None:
            return output.clone()  # what follows may work in place
        return (instead.movedim(1, -1) if last else instead).to(output).contiguous()

    with untouched(classifier), torch.inference_mode():
        classifier.model.get_submodule(layer).register_forward_hook(hook)
        if once:
            classifier.model.register_forward_pre_hook(lambda module, given: (given[0][:1], *given[1:]))
        return classifier.logits(x.to(classifier.device)).float().cpu()


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """What activations of C channels consist of: K directions, of each of which a place holds nothing or some.

    Attributes:
        layer: Whose activations.
        basis: (K, D) as it was fitted: D is C, or twice that where activations are also below zero.
        directions: (K, C), each of length 1.
    """

    layer: str
    basis: NDArray[np.float32]
    directions: NDArray[np.float32]

    def amounts(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, K, h, w) how much of each direction activations (N, C, h, w) hold at each place, by non-negative least
        squares."""
        from sklearn.decomposition import non_negative_factorization

        rows = _rows(values, signed=self.basis.shape[1] > self.directions.shape[1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of steps that ran out: what is left of an activation stays in it
            held, *_ = non_negative_factorization(
                rows, H=self.basis, n_components=len(self.basis), init="custom", update_H=False, max_iter=FIT_STEPS
            )
        count, _, height, width = values.shape
        return np.asarray(held.reshape(count, height, width, -1).transpose(0, 3, 1, 2), np.float32)

    def made_of(self, amounts: NDArray[np.float32], number: int) -> NDArray[np.float32]:
        """(C, h, w) what one direction adds to an activation that holds amounts (K, h, w)."""
        return np.asarray(self.directions[number][:, None, None] * amounts[number], np.float32)

    def without(
        self, value: NDArray[np.float32], number: int, rng: np.random.Generator, decoys: int
    ) -> NDArray[np.float32]:
        """An activation (C, h, w) without one direction, and `decoys` times without others of the same energy: in a
        random order one after the other, the last in part, or all that there are. (1 + decoys, C, h, w)."""
        amounts = self.amounts(value[None])[0]
        own = self.made_of(amounts, number)
        edits, energy = [value - own], float(np.square(own).sum())
        rest = [i for i in range(len(amounts)) if i != number and amounts[i].any()]
        for _ in range(decoys):
            gone = np.zeros_like(value)
            for i in rng.permutation(rest).tolist():
                piece = self.made_of(amounts, i)
                gone = gone + _filling(gone, piece, energy) * piece
            edits.append(value - gone)
        return np.stack(edits)


def _filling(gone: NDArray[np.float32], piece: NDArray[np.float32], energy: float) -> float:
    """The share, 0 to 1, of a piece that added to what is gone gives an energy."""
    square, mixed, left = (float(value) for value in ((piece**2).sum(), (piece * gone).sum(), (gone**2).sum()))
    if left >= energy:
        return 0.0
    return min((np.sqrt(mixed**2 + square * (energy - left)) - mixed) / square, 1.0)


def parts_of(layer: str, values: NDArray[np.float32], seed: int = 0) -> Parts:
    """Take activations (N, C, h, w) apart by non-negative matrix factorisation (Lee and Seung 1999; of activations:
    Zhang et al. 2021, "Invertible Concept-based Explanations for CNN Models"; Fel et al. 2023, "CRAFT").

    Raises:
        InputError: The activations are all zero, or no numbers.
    """
    from sklearn.decomposition import NMF

    if not np.isfinite(values).all() or not values.any():
        raise InputError(f"The layer {layer} is zero, or no number, for all images of the class.")
    signed = bool(np.square(np.minimum(values, 0)).sum() > SIGNED * np.square(values).sum())
    rows, channels = _rows(values, signed=signed), values.shape[1]
    rows = np.random.default_rng(seed).permutation(rows)[:FITTED_PLACES] if len(rows) > FITTED_PLACES else rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = NMF(min(MOST_DIRECTIONS, *rows.shape), init="nndsvda", random_state=seed, max_iter=FIT_STEPS).fit(rows)
    basis = fitted.components_
    directions = basis[:, :channels] - basis[:, channels:] if signed else basis
    lengths = np.linalg.norm(directions, axis=1)
    kept = lengths > 1e-6 * lengths.max()
    basis, directions = (part[kept] / lengths[kept, None] for part in (basis, directions))
    return Parts(layer, np.asarray(basis, np.float32), np.asarray(directions, np.float32))


def _rows(values: NDArray[np.float32], *, signed: bool) -> NDArray[np.float32]:
    """(N h w, D) each place of activations (N, C, h, w), what lies below zero beside what lies above."""
    rows = values.transpose(0, 2, 3, 1).reshape(-1, values.shape[1])
    above = np.maximum(rows, 0)
    return np.asarray(np.hstack([above, np.maximum(-rows, 0)]) if signed else above, np.float32)
