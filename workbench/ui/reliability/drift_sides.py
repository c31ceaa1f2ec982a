"""Which images are held against which: another set, or a split or group of the same one; and what is known of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.catalog import load_catalog
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet, draw_sample
from workbench.predictions import Predictions, one_against_rest, with_families
from workbench.reliability import MOST_COMPARED, DriftSide, looked_at, map_method, read_record, side_of
from workbench.ui import audits, choice, gallery, kin, runs, session
from workbench.ui.progress import Stoppable
from workbench.ui.reliability.scope import Scope
from workbench.ui.text import seen
from workbench.ui.view import View

if TYPE_CHECKING:
    from workbench.reliability import DriftMaps

NONE_CHOSEN, A_SET, A_SPLIT, A_GROUP = "", "set ", "split ", "group "
MAPPED_IMAGES = 150
"""Images of either side whose maps are compared."""
MOST_GROUPS_OFFERED = 120


@dataclasses.dataclass(frozen=True, eq=False)
class Two:
    """Two sides, before anything is computed of them.

    Attributes:
        reference: A view of the reference's images, and what the model says of them.
        new: A view of the new images; their predictions are None where the model was not asked yet.
        titles: What they are.
        wholes: Of how many images either is a sample.
        whole: The set that the new images are of.
        together: Whether both are of the chosen set.
    """

    reference: View
    new: View
    titles: tuple[str, str]
    wholes: tuple[int, int]
    whole: ImageSet
    together: bool

    @property
    def key(self) -> tuple[object, ...]:
        """What the new side and the division depend on: also which new images are known to belong together."""
        families = kin.known_key(self.whole)
        return self.new.images.key, self.reference.images.key, families, self.titles, self.together


def offered(scope: Scope) -> dict[str, str]:
    """What can be new, as it stands in the address, with its words."""
    catalog, own = load_catalog().images, choice.set_ref(scope.model)
    options = {NONE_CHOSEN: "Choose the new images"}
    for ref in dict.fromkeys([*catalog, *session.own("sets")]):
        if ref != own:
            options[A_SET + ref] = f"Image set: {catalog[ref].title if ref in catalog else seen(ref)}"
    splits = scope.predictions.frame["split"].dropna().unique().tolist()
    if len(splits) > 1:
        options |= {A_SPLIT + str(split): f"Split: {split}" for split in splits if split != "test"}
    groups = [(name, value) for name, values in gallery.groups(scope.images).items() for value in values]
    for name, value in groups[:MOST_GROUPS_OFFERED]:
        options[A_GROUP + gallery.token(name, value)] = f"{name}: {value}"
    return options


def two_of(scope: Scope, against: str) -> Two:
    """Both sides.

    Raises:
        InputError: The set cannot be loaded, or one side would hold no image.
    """
    frame = scope.predictions.frame
    tested = (frame["split"] == "test").to_numpy(bool)
    tested = tested if tested.any() else np.ones(len(frame), np.bool_)
    name = scope.images.name
    part = f"the test split of {name}" if not tested.all() else name
    if not against.startswith((A_SPLIT, A_GROUP)):
        reference, count = _part(scope, tested)
        other, images, whole = _other(scope, against.removeprefix(A_SET))
        return Two(reference, other, (part, images.name), (count, whole), images, False)
    if against.startswith(A_SPLIT):
        split = against.removeprefix(A_SPLIT)
        inside = (frame["split"] == split).to_numpy(bool)
        rest = tested & ~inside
        titles = part if not tested.all() else f"the rest of {name}", f"the {split} split of {name}"
    else:
        token = against.removeprefix(A_GROUP)
        inside = tested & _members(scope, token)
        rest = tested & ~inside
        titles = f"the rest of {part}", f"{token} in {part}"
    if not inside.any() or not rest.any():
        raise InputError("One side of this comparison holds no image: choose other new images.")
    (reference, count), (new, whole) = _part(scope, rest), _part(scope, inside)
    return Two(reference, new, titles, (count, whole), scope.images, True)


def _members(scope: Scope, token: str) -> NDArray[np.bool_]:
    for name, values in gallery.groups(scope.images).items():
        for value in values:
            if gallery.token(name, value) == token:
                return gallery.in_group(scope.images, scope.predictions.frame, name, value).to_numpy(bool)
    raise InputError("There is no such group in this image set: choose other new images.")


def _part(scope: Scope, rows: NDArray[np.bool_]) -> tuple[View, int]:
    """Some images of the chosen set, with what is known of them, and of how many they are a sample."""
    names = set(scope.predictions.frame["name"][rows])
    items = [item for item in scope.images if item.name in names]
    kept = _sampled(items)
    return View(scope.model, dataclasses.replace(scope.images, items=kept), _rows_of(scope.predictions, kept)), len(
        items
    )


def _other(scope: Scope, ref: str) -> tuple[View, ImageSet, int]:
    """The images of another set that stand for it, that set, and of how many they are a sample."""
    images: ImageSet = choice.images_read(ref, "")
    if scope.model.label is not None:
        images = one_against_rest(images, scope.model.label, scope.model.labels)
    tested = [item for item in images if item.split == "test"] or list(images)
    # two sets may have one name, and what the model says of them is kept by name beside that of the chosen set
    named = dataclasses.replace(images, name=f"{images.name} as new images ({ref})", items=_sampled(tested))
    view = View(scope.model, named, None)
    return dataclasses.replace(view, predictions=runs.known_predictions(view)), images, len(tested)


def _sampled(items: list[ImageItem]) -> tuple[ImageItem, ...]:
    return tuple(draw_sample(items, MOST_COMPARED, 0))


def _rows_of(predictions: Predictions, items: tuple[ImageItem, ...]) -> Predictions:
    rows = [predictions.by_name[item.name] for item in items]
    return dataclasses.replace(
        predictions,
        frame=predictions.frame.iloc[rows].reset_index(drop=True),
        probabilities=predictions.probabilities[rows],
        logits=predictions.logits[rows],
    )


def sides(scope: Scope, two: Two, maps: bool) -> tuple[DriftSide, DriftSide] | None:
    """All that is known of both sides, computed with progress where it is not; None where the user stopped it."""
    reference, new = two.reference, two.new
    if new.predictions is None:
        answers = runs.audited(new, embeddings=True)
        if answers is None:
            return None
        new = dataclasses.replace(new, predictions=answers)
    found = None if two.together else kin.families_of(two.whole)
    if found is not None:  # those of a set are known of all of it, and not of a sample
        new = dataclasses.replace(new, predictions=with_families(_answered(new), found.by_name))
    progress = Stoppable("Measuring the images", f"drift {session.token(scope.images)[:12]}")
    if progress.stopped:
        return None
    from workbench.quality import measure

    measures = [measure(view.images.items, progress) for view in (reference, new)]
    progress.step("Looking at the images")
    vectors, own = _vectors(scope, reference, new, two.together, progress)
    looks = _looks(scope, (reference, new), progress) if maps else (None, None)
    made = [
        side_of(
            view.images,
            two.wholes[place],
            _answered(view),
            measures=measures[place],
            vectors=vectors[place],
            maps=looks[place],
            title=two.titles[place],
            reference=place == 0,
            record=read_record(scope.model.folder),
            own=own,
        )
        for place, view in enumerate((reference, new))
    ]
    progress.done()
    return made[0], made[1]


def _answered(view: View) -> Predictions:
    assert view.predictions is not None
    return view.predictions


def _vectors(
    scope: Scope, reference: View, new: View, together: bool, progress: Callable[[int, int], None]
) -> tuple[tuple[NDArray[np.float32] | None, NDArray[np.float32] | None], bool]:
    """Embeddings of both sides by the model itself, else by the ImageNet network, and whether it is the model."""
    from workbench.quality import frozen_features

    own = _own_vectors(scope)
    if own is not None:
        place = scope.predictions.by_name
        first = own[[place[item.name] for item in reference.images]]
        second = own[[place[item.name] for item in new.images]] if together else _own_vectors(new)
        if second is not None:
            return (first, second), True
    try:
        both = frozen_features(reference.images.items, progress), frozen_features(new.images.items, progress)
    except InputError:  # its weights are not installed
        return (None, None), False
    return both, False


def _own_vectors(view: View) -> NDArray[np.float32] | None:
    outputs = audits.outputs_of(view)
    if outputs.predictions is None or outputs.elsewhere:
        return None
    try:
        return audits.embeddings(view, outputs)
    except InputError:  # a model without a last linear layer has none
        return None


def _looks(scope: Scope, views: tuple[View, View], progress: Stoppable) -> tuple[DriftMaps | None, DriftMaps | None]:
    progress.step("Computing attribution maps")
    classifier = choice.classifier(scope.model)
    method = map_method(classifier)
    if method is None:
        return None, None
    first, second = (
        looked_at(
            classifier,
            view.images,
            _answered(view),
            method,
            MAPPED_IMAGES,
            audits.folder_of(view) / "drift" / which,
            progress,
        )
        for which, view in zip(("reference", "new"), views, strict=True)
    )
    return first, second
