"""Where the boxes of edits lie in the edited image, whatever was turned, shifted or cropped after them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.probe.edits import MOVEMENTS, Edit, movement

Place = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Outline:
    """The outline of a box.

    Attributes:
        edit: Which of the edits it belongs to, from 0.
        box: Which of that edit's boxes, from 0.
        corners: Its four corners in the edited image, each (x, y) as shares of it; outside of 0 .. 1 beyond its edges.
    """

    edit: int
    box: int
    corners: tuple[Place, ...]


def outlines(edits: Sequence[Edit], size: tuple[int, int]) -> tuple[Outline, ...]:
    """The outlines of all boxes that were filled; a crop has none, for it is the whole image afterwards.

    Args:
        edits: All that was done to the image, in its order.
        size: (height, width) of the image before the edits.
    """
    result = []
    for number, (edit, onward) in enumerate(zip(edits, _onward(edits, size), strict=True)):
        if edit.kind == "fill":
            for place, (left, top, right, bottom) in enumerate(edit.boxes):
                corners = np.array([[left, right, right, left], [top, top, bottom, bottom], [1, 1, 1, 1]])
                x, y, _ = onward @ corners
                result.append(Outline(number, place, tuple(zip(x.tolist(), y.tolist(), strict=True))))
    return tuple(result)


def dragged(edits: Sequence[Edit], size: tuple[int, int], edit: int, box: int, by: Place) -> tuple[Edit, ...]:
    """The edits with one box moved; it stays as large as it is and within the image.

    Args:
        edits: As in `outlines`.
        size: Likewise.
        edit: Which edit, from 0.
        box: Which of its boxes, from 0.
        by: How far it goes to the right and down in the edited image, as shares of it.

    Raises:
        IndexError: There is no such edit or box.
    """
    onward = _onward(edits, size)[edit]
    right, down = np.linalg.solve(onward[:2, :2], np.array(by))
    left, top, end, bottom = edits[edit].boxes[box]
    right, down = min(max(right, -left), 1 - end), min(max(down, -top), 1 - bottom)
    moved = (left + right, top + down, end + right, bottom + down)
    boxes = [moved if place == box else other for place, other in enumerate(edits[edit].boxes)]
    return (*edits[:edit], dataclasses.replace(edits[edit], boxes=tuple(boxes)), *edits[edit + 1 :])


def _onward(edits: Sequence[Edit], size: tuple[int, int]) -> list[NDArray[np.float64]]:
    """For each edit (3, 3): takes a place (x, y, 1) of the image as it is when its turn comes to that of the edited
    image, both as shares."""
    sizes, steps = [size], []
    for edit in edits:
        step, after = movement(edit, sizes[-1]) if edit.kind in MOVEMENTS else (np.eye(3), sizes[-1])
        steps.append(step)
        sizes.append(after)
    onward, result = np.eye(3), []
    for number in reversed(range(len(edits))):
        onward = onward @ np.linalg.inv(steps[number])
        result.append(_shares(sizes[-1]) @ onward @ np.linalg.inv(_shares(sizes[number])))
    return result[::-1]


def _shares(size: tuple[int, int]) -> NDArray[np.float64]:
    """(3, 3): takes a place in pixels to shares of an image of (height, width)."""
    return np.diag([1 / size[1], 1 / size[0], 1.0])
