"""Run a model over a whole image set, so that it can be stopped at any moment and taken up again."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
from collections.abc import Collection, Generator, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from workbench.attribution import METHODS
from workbench.audit.maps import summarise_sample
from workbench.audit.outputs import PARTS, PREDICTIONS, Index, own_files, provenance, write_predictions
from workbench.audit.parts import Parts, atomic_write, sweep
from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.predictions import Predictions

if TYPE_CHECKING:
    from workbench.models import Classifier

ENGINES: Mapping[str, str] = MappingProxyType({"local": "workbench.audit.local", "ray": "workbench.audit.cluster"})
"""Where the generator `outputs` of each engine is found."""
OWNER, LOCK = "audit.json", "audit.lock"


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far an audit has come.

    Attributes:
        stage: "images", then "attributions" where they are asked for.
        done: Images of this stage that are done, those of earlier runs among them.
        total: Images of this stage.
        errors: How many of those that are done cannot be read or explained.
        computed: How many of those that are done this run computed; the others were known.
    """

    stage: Literal["images", "attributions"]
    done: int
    total: int
    errors: int
    computed: int


def run(
    classifier: Classifier,
    images: ImageSet,
    folder: Path | str,
    *,
    attributions: str | None = None,
    sample: int = 200,
    seed: int = 0,
    engine: str = "local",
    given: Collection[str] = (),
) -> Generator[Progress, None, None]:
    """Ask a classifier about every image of a set, and write what it says to a folder that `open_audit` reads.

    What is computed depends on the weights, the preprocessing and the bytes of an image alone, and is kept by their
    digests: labels, splits, attributes and the threshold may change, and images come and go, without anything being
    computed twice. A run that is killed loses what it computed in the last seconds at most. A folder belongs to one
    model and to one set by its name; a further run brings its table up to date with the set as it is now.

    Args:
        classifier: The model.
        images: The images; one that cannot be read becomes a row with its reason.
        folder: Made where missing.
        attributions: The method whose maps are summed up for a sample of the images, a name in `METHODS`.
        sample: How many images that sample has at most (see `workbench.images.stratify`).
        seed: Which sample.
        engine: "local", or "ray" for the Ray cluster that the environment names, else one on this machine; the sample's
            maps are made on this machine in both cases.
        given: Digests of images whose outputs are kept elsewhere: they are not computed. Then no table is written, for
            the folder holds a part of it only, and there are no attributions.

    Yields:
        How far it has come. Closing the generator writes what is computed and ends the run.

    Raises:
        InputError: An unknown method or engine, a method that does not suit the model, a folder that belongs to another
            audit, that another process works on or that cannot be written.
    """
    if engine not in ENGINES:
        raise InputError(f"There is no engine {engine!r}: choose {' or '.join(ENGINES)}.")
    if attributions is not None and attributions not in METHODS:
        raise InputError(f"There is no method {attributions!r}: choose one of {', '.join(METHODS)}.")
    if sample < 1:
        raise InputError(f"A sample of {sample} images cannot be drawn: give a number from 1 up.")
    folder = Path(folder)
    with _lock(folder, classifier, images):
        yield from _predict(classifier, images, folder, engine, given)
        if attributions is not None and not given:
            predictions = Predictions.load(folder / PREDICTIONS)
            yield from _summarise(classifier, images, predictions, folder, attributions, sample, seed)


def look(
    classifier: Classifier,
    images: ImageSet,
    predictions: Predictions,
    folder: Path | str,
    method: str,
    *,
    sample: int = 200,
    seed: int = 0,
) -> Generator[Progress, None, None]:
    """Sum up maps of a sample of a set whose predictions are known already, as `run` does with `attributions`.

    Args:
        classifier: The model.
        images: The images.
        predictions: What the model says of them, a row each, in any order.
        folder: Made where missing; `open_summaries` reads it.
        method: A name in `METHODS`.
        sample: As for `run`.
        seed: As for `run`.

    Yields:
        How far it has come.

    Raises:
        InputError: As `run`.
    """
    folder = Path(folder)
    with _lock(folder, classifier, images):
        yield from _summarise(classifier, images, predictions, folder, method, sample, seed)


def _summarise(
    classifier: Classifier,
    images: ImageSet,
    predictions: Predictions,
    folder: Path,
    method: str,
    sample: int,
    seed: int,
) -> Iterator[Progress]:
    frame = predictions.frame.set_index("name", drop=False).loc[[item.name for item in images]].reset_index(drop=True)
    for done, total, errors, computed in summarise_sample(classifier, images, frame, folder, method, sample, seed):
        yield Progress("attributions", done, total, errors, computed)


def _predict(
    classifier: Classifier, images: ImageSet, folder: Path, engine: str, given: Collection[str]
) -> Iterator[Progress]:
    about = provenance(classifier, images)
    parts = Parts(folder / PARTS, {name: about[name] for name in ("workbench", "model", "outputs")})
    digests = {*Index(own_files(folder, classifier.key)).rows, *given}
    ids: list[str | None] = [None] * len(images)
    errors: dict[int, str] = {}
    done = computed = 0
    try:
        outputs = importlib.import_module(ENGINES[engine]).outputs
        with contextlib.closing(outputs(classifier, images.items, digests)) as chunks:
            for chunk in chunks:
                ids[chunk.start : chunk.start + len(chunk.ids)] = chunk.ids
                errors |= chunk.errors
                done += len(chunk.ids)
                if chunk.table is not None:
                    parts.put(chunk.table)
                    computed += len(chunk.table)
                yield Progress("images", done, len(images), len(errors), computed)
    finally:
        parts.flush()
    if not given:
        write_predictions(folder, images, ids, errors, classifier.rule, about)


class BusyError(InputError):
    """Another run writes to the folder of an audit at this moment."""


@contextlib.contextmanager
def _lock(folder: Path, classifier: Classifier, images: ImageSet) -> Iterator[None]:
    """Keep the folder for this run alone, after a check of whose it is.

    The operating system gives the lock back when the process ends, however it ends.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            f"Another audit is writing to {folder}: wait for it, stop it, or give another folder."
        ) from None
    except OSError as error:
        raise InputError(f"{folder} cannot be written to ({error.strerror or error}): give another folder.") from None
    try:
        _own(folder, classifier, images)
        sweep(folder)
        yield
    finally:
        lock.release()


def wait_until_free(folder: Path, seconds: float) -> bool:
    """Whether no run works in a folder any more within so many seconds."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / LOCK).acquire(timeout=seconds):
            return True
    except Timeout:
        return False
    except OSError:  # the folder is gone
        return True


def _own(folder: Path, classifier: Classifier, images: ImageSet) -> None:
    """Note whose the folder is, or refuse where it is another's."""
    path, owner = folder / OWNER, {"model": classifier.key, "model name": classifier.name, "set name": images.name}
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        with atomic_write(path) as unfinished:
            unfinished.write_text(json.dumps(owner, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path} cannot be read: give another folder, or remove this one to start again.") from None
    for what in ("model", "set name"):
        if not isinstance(earlier, dict) or earlier.get(what) != owner[what]:
            text = {"model": "another model", "set name": "another image set"}[what]
            name = earlier.get(f"{what.removesuffix(' name')} name") if isinstance(earlier, dict) else None
            raise InputError(
                f"{folder} holds an audit of {text} ({name}): give another folder, or remove this one to start again."
            )
