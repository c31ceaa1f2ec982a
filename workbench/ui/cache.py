"""Results that all sessions share, a bounded shelf for each kind, named after all that they depend on."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from workbench.files import keys
from workbench.ui.progress import Stoppable

T = TypeVar("T")


class Shelf:
    """Results of one kind by key, bounded in bytes, the least recently used thrown out first.

    A result that is larger than the whole shelf stands beside it, in the place of the last such one, and throws nothing
    out.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._large: tuple[str, Any] = ("", None)

    def get(self, key: str) -> Any:
        """What stands under `key`, or None."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
            return self._large[1] if self._large[0] == key else None

    def put(self, key: str, value: Any, size: int) -> None:
        """Keep `value`, which takes `size` bytes."""
        with self._lock:
            self._held -= self._kept.pop(key, (None, 0))[1]
            if size > self._limit:
                self._large = key, value
                return
            self._kept[key] = value, size
            self._held += size
            while self._held > self._limit:
                self._held -= self._kept.popitem(last=False)[1][1]


@dataclasses.dataclass(frozen=True)
class Slot:
    """The place of one result.

    Attributes:
        kind: One of `workbench.files.keys.KINDS`.
        key: All that the result depends on, as `workbench.files.keys.key` names it.
    """

    kind: str
    key: str

    def get(self) -> Any:
        """The result, or None where it is not known."""
        return shelf(self.kind).get(self.key)

    def put(self, value: Any, size: int) -> None:
        """Keep the result, which takes `size` bytes."""
        shelf(self.kind).put(self.key, value, size)

    def kept(self, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The result, made and kept where it is not known; `size` says how many bytes it takes."""
        result: T | None = self.get()
        if result is None:
            result = make()
            self.put(result, size(result))
        return result


def slot(kind: str, /, **ingredients: object) -> Slot:
    """The place of the result of this kind that depends on these ingredients. Errors as `workbench.files.keys.key`."""
    return Slot(kind, keys.key(kind, **ingredients))


@st.cache_resource(show_spinner=False)
def shelf(kind: str) -> Shelf:
    """The shelf of a kind."""
    return Shelf(keys.KINDS[kind].megabytes * 2**20)


def computed(place: Slot, label: str, make: Callable[[Stoppable], T], size: Callable[[T], int]) -> T | None:
    """A result from its place, or computed with progress and kept; None where the user stopped it.

    Args:
        place: Where it is kept.
        label: What is said while it is computed.
        make: Computes it, given the progress to report to.
        size: What the result takes, in bytes.
    """
    result: T | None = place.get()
    if result is None:
        progress = Stoppable(label, f"{place.kind} {place.key[:16]}")
        if progress.stopped:
            return None
        result = make(progress)
        place.put(result, size(result))
        progress.done()
    return result
