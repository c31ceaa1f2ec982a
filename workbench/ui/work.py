"""Long work for pages: bounded caches, progress with time left, a way to stop, and no traceback on the page."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import sys
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

import streamlit as st

from workbench import render
from workbench.errors import LONGEST, InputError
from workbench.images import ImageItem, ImageSet, contact_sheet
from workbench.methods import METHODS
from workbench.predictions import Predictions
from workbench.ui import audits, choice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from workbench.attribution import Attribution
    from workbench.audit import Audit, Summaries
    from workbench.audit import Progress as AuditProgress
    from workbench.evidence import Finding

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
PATIENCE = 0.4
"""Seconds before a progress bar shows: quicker work would only make it flash."""
log = logging.getLogger("workbench")


class Shelf:
    """Results of all sessions by digest, bounded in bytes, the least recently used thrown out first."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable) -> Any:
        """What stands under `key`, or None."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep `value`, which takes `size` bytes."""
        with self._lock:
            self._held -= self._kept.pop(key, (None, 0))[1]
            self._kept[key] = value, size
            self._held += size
            while self._held > self._limit and len(self._kept) > 1:
                self._held -= self._kept.popitem(last=False)[1][1]


@st.cache_resource(show_spinner=False)
def _shelf(name: str, limit: int) -> Shelf:
    return Shelf(limit)


def maps() -> Shelf:
    """Attributions, 256 MB at most."""
    return _shelf("maps", 256 * 2**20)


def pictures() -> Shelf:
    """Thumbnails and pictures, 128 MB at most."""
    return _shelf("pictures", 128 * 2**20)


@contextlib.contextmanager
def troubles() -> Iterator[None]:
    """Show what the user can mend as one sentence, and anything else as one sentence with a number to find it in the log."""
    try:
        yield
    except InputError as error:
        st.error(choice.plain(error, 2 * LONGEST), icon=":material/error:")
    except Exception:
        number = uuid.uuid4().hex[:8]
        log.exception("error %s", number)
        st.error(
            f"Something went wrong that should not have (number {number}; the server's log has the details). "
            "Your choices are kept: choose another picture or reload the page.",
            icon=":material/bug_report:",
        )


def guarded(function: Callable[P, R]) -> Callable[P, R | None]:
    """`troubles` around a function: fragments need their own, for they run again without the app around them."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R | None:
        with troubles():
            return function(*args, **kwargs)
        return None

    return inside


class Stoppable:
    """Work that shows its progress in a place of the page and can be stopped by a button there.

    Attributes:
        stopped: Whether the user stopped this work: then it must not start again by itself.
    """

    def __init__(self, label: str, key: str) -> None:
        self._label, self._key = label, f"stop {key}"
        self._place, self._started = st.empty(), time.monotonic()
        self._bar: Any = None
        self._drawn = 0.0
        self.stopped = self._key in _stopped()
        if self.stopped:
            with self._place.container(horizontal=True, vertical_alignment="center"):
                st.caption(f"{label}: stopped.")
                st.button("Go on", key=f"go {key}", icon=":material/play_arrow:", on_click=self._resume)

    def __call__(self, done: int, total: int) -> None:
        """Report progress. A click on Stop ends the work inside this call."""
        now = time.monotonic()
        if now - self._started < PATIENCE or now - self._drawn < 0.15:
            return
        self._drawn = now
        if self._bar is None:
            with self._place.container(horizontal=True, vertical_alignment="center"):
                self._bar = st.progress(0.0)
                st.button("Stop", key=self._key, icon=":material/stop:", on_click=self._stop)
        left = (now - self._started) / done * (total - done) if done else 0
        ahead = f", about {max(round(left), 1)} s left" if done else ""
        self._bar.progress(min(done / total, 1.0), text=f"{self._label}: {done:,} of {total:,}{ahead}")

    def done(self) -> None:
        """Clear the place."""
        if not self.stopped:
            self._place.empty()

    def _stop(self) -> None:
        _stopped().add(self._key)

    def _resume(self) -> None:
        _stopped().discard(self._key)


def _stopped() -> set[str]:
    """The works that this session's visitor stopped."""
    found: set[str] = st.session_state.setdefault("stopped works", set())
    return found


def map_key(
    model: choice.ModelChoice, images: ImageSet, item: ImageItem, method: str, aim: Mapping[str, Any], params: Mapping[str, Any]
) -> Hashable:
    """All that a map depends on."""
    background = choice.token(images) if METHODS[method].background else None
    return model.key, item.id, method, background, tuple(sorted(aim.items(), key=str)), tuple(sorted(params.items(), key=str))


def computed(key: Hashable, label: str, stop: str, make: Callable[[Stoppable], T], size: Callable[[T], int]) -> T | None:
    """A result from the shelf, or computed with progress and kept; None where the user stopped it.

    Args:
        key: All that the result depends on.
        label: What is said while it is computed.
        stop: Names the work for the button that stops it, which stops this result alone: a page may show several like it.
        make: Computes it, given the progress to report to.
        size: What the result takes on the shelf, in bytes.
    """
    found: T | None = maps().get(key)
    if found is None:
        progress = Stoppable(label, f"{stop} {hash(key)}")
        if progress.stopped:
            return None
        found = make(progress)
        maps().put(key, found, size(found))
        progress.done()
    return found


def attribution(
    model: choice.ModelChoice, images: ImageSet, item: ImageItem, method: str, aim: Mapping[str, Any], params: Mapping[str, Any]
) -> Attribution | str | None:
    """The map, from the shelf or computed with progress; a sentence where the method refuses; None where the user stopped it."""

    def make(progress: Stoppable) -> Attribution | str:
        from workbench.attribution import attribute

        loaded = choice.classifier(model)
        background = background_of(images) if METHODS[method].background else None
        try:
            return attribute(loaded, item, method, **aim, **params, background=background, on_progress=progress)
        except InputError as error:
            return str(error)

    key = map_key(model, images, item, method, aim, params)
    return computed(key, METHODS[method].title, f"{method} {item.id[:12]}", make, _map_size)


def map_of_pixels(
    model: choice.ModelChoice, item: ImageItem, picture: Image.Image, edits: Hashable, method: str, target: int
) -> Attribution | str | None:
    """As `attribution`, of the logit of a class, for a picture in memory: that of `item` after some edits."""

    def make(progress: Stoppable) -> Attribution | str:
        from workbench.attribution import attribute

        try:
            return attribute(choice.classifier(model), picture, method, target, on_progress=progress)
        except InputError as error:
            return str(error)

    key = ("edited map", model.key, item.id, picture.size, edits, method, target)
    return computed(key, METHODS[method].title, f"edited {method} {item.id[:12]}", make, _map_size)


def _map_size(found: Attribution | str) -> int:
    return 1024 if isinstance(found, str) else found.values.nbytes + 1024


def background_of(images: ImageSet) -> list[ImageItem]:
    """The pictures that stand for the set: its training split, or all of it where it has none."""
    return [item for item in images if item.split == "train"] or list(images)


def findings(
    model: choice.ModelChoice, images: ImageSet, item: ImageItem, found: Attribution, budget: Literal["quick", "full"]
) -> list[Finding] | None:
    """What the checks find about a map, from the shelf or computed with progress; None where the user stopped them."""

    def make(progress: Stoppable) -> list[Finding]:
        from workbench.evidence import examine

        background = background_of(images) if METHODS[found.method].background else None
        return list(examine(choice.classifier(model), item, found, background=background, budget=budget, on_progress=progress))

    key = ("findings", budget, map_key(model, images, item, found.method, {"target": found.target, "score": found.score}, found.params))
    return computed(key, "Checking", f"findings {budget} {found.method} {item.id[:12]}", make, lambda kept: 64 * 1024)


def known_predictions(model: choice.ModelChoice, images: ImageSet) -> Predictions | None:
    """Predictions that need no computing."""
    stored = choice.stored_predictions(model, images)
    if stored is not None:
        return stored
    audit = audits.opened(model, images)
    return None if audit is None else audit.predictions


def audited(model: choice.ModelChoice, images: ImageSet) -> Audit | None:
    """The audit of the whole set, run with progress where it is not there; None where the user stopped it.

    What an interrupted run computed is kept, so that the next one goes on where it was.
    """
    from workbench.audit import run

    found = audits.opened(model, images)
    if found is None:
        steps = run(choice.classifier(model), images, audits.folder_of(model, images))
        if _ran(f"Auditing {len(images):,} pictures", f"audit {images.key[:12]}", steps):
            audits.finished(model, images)
            found = audits.opened(model, images)
    return found


def summaries(model: choice.ModelChoice, images: ImageSet, known: Predictions, method: str) -> Summaries | None:
    """The maps of a sample of the set, summed up, made with progress where they are not there; None where the user stopped it."""
    from workbench.audit import look

    found = audits.summaries(model, images, known, method)
    if found is None:
        steps = look(choice.classifier(model), images, known, audits.folder_of(model, images), method)
        if _ran(METHODS[method].title, f"look {method} {images.key[:12]}", steps):
            found = audits.summaries(model, images, known, method)
    return found


def _ran(label: str, key: str, steps: Generator[AuditProgress, None, None]) -> bool:
    """Run to the end with progress; False where the user stopped it, now or before."""
    progress = Stoppable(label, key)
    if not progress.stopped:
        with contextlib.closing(steps):
            for step in steps:
                progress(step.done, step.total)
        progress.done()
    return not progress.stopped


def offer(label: str, key: str, run: Callable[[], object]) -> None:
    """A button that starts long work, which goes on through reruns; the page starts again once `run` returns anything but None."""
    if st.button(label, icon=":material/playlist_play:", key=key):
        st.session_state["running"] = key
    if st.session_state.get("running") == key:
        try:
            found = run()
        except Exception:
            st.session_state.pop("running")  # else it would start again, and fail again, with every click
            raise
        if found is not None:
            st.session_state.pop("running")
            st.rerun()


def offer_predictions(model: choice.ModelChoice, images: ImageSet, why: str) -> None:
    """A button that predicts the whole set."""
    key = f"audit {model.key[:12]} {images.key[:12]}"
    offer(f"Predict all {len(images):,} pictures{why}", key, lambda: audited(model, images))


def prediction(model: choice.ModelChoice, images: ImageSet, item: ImageItem, known: Predictions | None) -> tuple[Predictions, int]:
    """A table of predictions with the row of `item` in it: the known one, or computed for this picture alone."""
    if known is not None and images.by_name.get(item.name) is item:
        row = known.frame.index[known.frame["name"] == item.name][0]
        if known.frame["id"].loc[row] in (item.id, None):  # else the file is another one than when they were made
            return known, row
    key = ("prediction", model.key, item.id)
    found = maps().get(key)
    if found is None:
        from workbench.classifier import predict

        found = predict(choice.classifier(model), item)
        maps().put(key, found, 4096 + 8 * len(found.class_names))
    return found, 0


def asked(model: choice.ModelChoice, item: ImageItem, picture: Image.Image, edits: Hashable) -> NDArray[np.float32]:
    """The probabilities, (K,), for a picture in memory: that of `item` after some edits."""
    key = ("edited", model.key, item.id, picture.size, edits)
    found: NDArray[np.float32] | None = maps().get(key)
    if found is None:
        import numpy as np

        from workbench.classifier import ask

        found = ask(choice.classifier(model), [np.asarray(picture.convert("RGB"))])[0]
        maps().put(key, found, 4096 + found.nbytes)
    return found


def thumbnail(item: ImageItem, edge: int = 160) -> Image.Image | None:
    """A square thumbnail; None where the picture cannot be read."""
    try:
        key = ("thumbnail", item.id, edge)
    except InputError:
        return None
    found = pictures().get(key)
    if found is None:
        found = contact_sheet([item], edge)[0]
        if found is not None:
            pictures().put(key, found, edge * edge * 3)
    return found


def fitted(item: ImageItem, edge: int) -> Image.Image:
    """The picture with no side over `edge` pixels: decoded once, for a camera's picture takes a second each time."""
    key = ("fitted", item.id, edge)
    found: Image.Image | None = pictures().get(key)
    if found is None:
        found, _ = render.fitted(item.open(), edge)
        pictures().put(key, found, found.width * found.height * 3)
    return found


def torch_ready() -> bool:
    """Whether torch is loaded, so that asking the model is quick."""
    return "torch" in sys.modules and _warmed.is_set()


_warmed = threading.Event()


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Import the heavy packages in the background, once a server, while the visitor looks at the page."""

    def load() -> None:
        with contextlib.suppress(Exception):
            for name in ("captum.attr", "timm", "workbench.attribution", "workbench.loading"):
                importlib.import_module(name)
        gc.freeze()  # Streamlit collects garbage after every run of a page: half a million objects of torch take 0.3 s each time
        _warmed.set()

    threading.Thread(target=load, name="warm-up", daemon=True).start()
