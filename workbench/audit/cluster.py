"""The engine for a Ray cluster, or for a real one that Ray starts on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from workbench.audit.chunk import Chunk, Reading, compute, read
from workbench.errors import InputError
from workbench.images import BytesSource, FileSource, ImageItem, read_source
from workbench.models import BATCH

if TYPE_CHECKING:
    from workbench.models import Classifier

TASK = 4 * BATCH
"""Images a task."""
Sent = ImageItem | str
"""An image as a worker gets it, or why it cannot be read."""


def outputs(classifier: Classifier, items: Sequence[ImageItem], digests: set[str]) -> Iterator[Chunk]:
    """Ask the model about images, a task of `TASK` at a time, in the order in which the tasks end.

    Digests are made by tasks as well, some way ahead, so that what is known, or comes twice, is not computed. Images in
    files are read where the task runs, so a cluster needs them at the same path on every machine; others are sent.

    Args:
        classifier: The model; it is sent to each worker once.
        items: The images of a whole set.
        digests: Those that need no computing; those that are computed are added.

    Raises:
        InputError: Ray is not installed, or the model cannot be sent to another process.
    """
    ray, seen = _ray(), set(digests)
    starts = iter(range(0, len(items), TASK))
    with _session(ray), _workers(ray, classifier, -(-len(items) // TASK)) as (workers, model):
        digester = ray.remote(num_cpus=0)(_digests)
        queue: deque[tuple[int, list[Sent], Any]] = deque()
        running: dict[Any, Any] = {}
        idle = deque(workers * 2)  # a second task waits beside the one that runs
        while True:
            while len(queue) < 2 * len(workers) and (start := next(starts, None)) is not None:
                batch = [_sendable(item) for item in items[start : start + TASK]]
                queue.append((start, batch, digester.remote(batch)))
            while queue and idle:
                start, batch, reference = queue.popleft()
                ids = _result(ray, reference)
                inputs = [None if i in digests else item for i, item in zip(ids, batch, strict=True)]
                worker = idle.popleft()
                running[worker.work.remote(model, start, inputs, ids, seen.intersection(ids))] = worker
                seen.update(i for i in ids if i is not None)
            if not running:
                return
            task = ray.wait(list(running), num_returns=1)[0][0]
            idle.append(running.pop(task))
            chunk: Chunk = _result(ray, task)
            if chunk.table is not None:
                digests.update(chunk.table.column("id").to_pylist())
            yield chunk


class _Worker:
    """A process with a copy of the model, fetched for its first task, so that Ray can replace it."""

    def __init__(self) -> None:
        self.classifier: Classifier | None = None

    def work(
        self, model: list[Any], start: int, inputs: Sequence[Sent | None], ids: Sequence[str | None], seen: set[str]
    ) -> Chunk:
        """As `compute`, for images of which those that are None are known by their `ids`."""
        if self.classifier is None:
            import ray

            from workbench.models import Classifier

            self.classifier = Classifier(**ray.get(model[0]), lock=threading.RLock())
        images = [_read(self.classifier, item, digest) for item, digest in zip(inputs, ids, strict=True)]
        return compute(self.classifier, start, images, seen)


def _read(classifier: Classifier, item: Sent | None, digest: str | None) -> Reading:
    if item is None:
        return Reading(digest)
    return Reading(error=item) if isinstance(item, str) else read(classifier, item, ())


def _digests(items: Sequence[Sent]) -> list[str | None]:
    digests: list[str | None] = []
    for item in items:
        try:
            digests.append(None if isinstance(item, str) else item.id)
        except InputError:
            digests.append(None)
    return digests


def _sendable(item: ImageItem) -> Sent:
    """The image without what only this process has: an open archive, a folder to start from."""
    if isinstance(item.source, FileSource):
        return ImageItem(item.name, FileSource(item.source.path.absolute()))
    try:
        return ImageItem(item.name, BytesSource(read_source(item.source, item.name)))
    except InputError as error:
        return str(error)


def _ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray starts: nothing is sent to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what Ray else warns of at each start
    try:
        import ray
    except ImportError:
        raise InputError(
            "The engine 'ray' needs Ray: run pip install 'explainability-workbench[cluster]', or use the local one."
        ) from None
    return ray


@contextlib.contextmanager
def _session(ray: Any) -> Iterator[None]:
    """With Ray running: one that runs already in this process is left as it is."""
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS", "local")
    own: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    logging.getLogger("ray").setLevel(logging.ERROR)  # at each start it tells of its token, its dashboard, its address
    try:
        ray.init(address, configure_logging=False, log_to_driver=False, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"Ray cannot be reached at {address!r} ({error}): correct RAY_ADDRESS, or use the local engine."
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _workers(ray: Any, classifier: Classifier, most: int) -> Iterator[tuple[list[Any], list[Any]]]:
    """One worker a processor of the kind that the model uses, at most one a task; and the model for them."""
    fields = {
        field.name: getattr(classifier, field.name) for field in dataclasses.fields(classifier) if field.name != "lock"
    }
    try:
        model = ray.put(fields)
    except Exception as error:  # whatever the parts of a model raise that cannot leave their process
        raise InputError(
            f"This model cannot be sent to other processes ({type(error).__name__}): use the local engine."
        ) from error
    kind, needs = ("GPU", {"num_gpus": 1}) if classifier.device.type == "cuda" else ("CPU", {"num_cpus": 1})
    count = max(1, min(most, int(ray.cluster_resources().get(kind, 1))))
    actor = ray.remote(_Worker).options(max_restarts=2, max_task_retries=2, **needs)
    workers = [actor.remote() for _ in range(count)]
    try:
        yield workers, [model]
    finally:
        for worker in workers:
            ray.kill(worker)


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise error.cause from None
        raise
    except ray.exceptions.RayActorError as error:
        raise InputError(
            f"A worker of Ray could not start or died ({str(error).splitlines()[0]}): "
            "see that every machine has this package, the code of the model and enough memory."
        ) from None
