"""Where the outputs of the chosen model for the chosen set lie, and what they hold."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from workbench.attribution import METHODS
from workbench.audit import (
    ATTRIBUTIONS,
    OWNER,
    PREDICTIONS,
    Outputs,
    Summaries,
    basis,
    files,
    known_outputs,
    names_of,
    open_summaries,
    wait_until_free,
)
from workbench.catalog import AUDIT_VARIABLE, place_of
from workbench.files import DamagedError, Stamp, cache_folder, key, read_facts, stamp_of
from workbench.predictions import Predictions, with_families
from workbench.ui import choice, kin, session
from workbench.ui.cache import slot
from workbench.ui.view import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def folder_of(view: View) -> Path:
    """The folder of this model's audit of this set: the command line's, or one in the user's cache.

    What a visitor uploaded is audited in a folder of their session, which goes when the session does.
    """
    model, images = view.model, view.images
    ref = choice.set_ref(model)
    if model.ref in session.own("models") or ref in session.own("sets"):
        upload = session.own("sets").get(ref) or images
        if "own audits" not in st.session_state:
            st.session_state["own audits"] = tempfile.TemporaryDirectory(prefix="workbench-")
        return Path(st.session_state["own audits"].name, _folder_name(model.key, session.token(upload), images.name))
    path = os.environ.get(AUDIT_VARIABLE)
    if path and _owned(Path(path), view):
        return Path(path)
    return cache_folder() / "audits" / _folder_name(model.key, place_of(ref), images.name)


def _folder_name(model: str, images: str, name: str) -> str:
    return key("audit folder", model=model, set=images, name=name)[:24]


def outputs_of(view: View) -> Outputs:
    """What is known of the model's outputs for the set as it is now."""
    model, images = view.model, view.images
    folder = folder_of(view)
    others = [model.folder / PREDICTIONS] if model.folder else []
    source = [(path, _stamp(path)) for path in (*files(folder), *others)]
    found = kin.families_of(images)
    families = None if found is None else kin.family_key(images)
    place = slot("table", **model.identity, images=images.key, source=source, families=families)
    size = 4096 + 400 * len(images) + 8 * len(model.rule.class_names) * len(images)

    def made() -> Outputs:
        outputs = known_outputs(images, model.key, model.rule, folder, others)
        if found is None or outputs.predictions is None:
            return outputs
        return dataclasses.replace(outputs, predictions=with_families(outputs.predictions, found.by_name))

    return place.kept(made, lambda _: size)


def asked(view: View) -> str | None:
    """When a model was first asked about this set as far as the tables of answers here tell, ISO 8601; else None."""
    paths = [folder_of(view) / PREDICTIONS, *([view.model.folder / PREDICTIONS] if view.model.folder else [])]
    facts = [read_facts(path) for path in paths if path.is_file()]
    days = [each.get("created") for each in facts if each.get("set name") == view.images.name]
    return min((day for day in days if isinstance(day, str)), default=None)


def why(view: View, outputs: Outputs) -> str:
    """Why no figures are shown although the model was run over this set or one like it; empty where it never was."""
    model, images = view.model, view.images
    if outputs.damaged:
        names = ", ".join(path.name for path in outputs.damaged)
        return f"Stored results cannot be read: {names} is damaged. Compute them again; what can be read is kept."
    before = len(images) - outputs.missing
    if before and outputs.missing:
        return (
            f"{outputs.missing:,} of {len(images):,} images are new or have changed since the model ran over this set."
            " The stored figures no longer fit and are not shown. The others are kept: only these are computed."
        )
    if names_of([*outputs.own, *([model.folder / PREDICTIONS] if model.folder else [])]) & images.by_name.keys():
        return (
            "All of these images have changed since the model ran over them: files were overwritten or replaced. The "
            "stored figures no longer fit and are not shown."
        )
    return ""


def clear_damaged(outputs: Outputs) -> None:
    """Remove files of an audit that cannot be read; what comes with a model stays where it is."""
    for path in set(outputs.damaged) & set(outputs.own):
        with contextlib.suppress(OSError):
            path.unlink()


def embeddings(view: View, outputs: Outputs) -> NDArray[np.float32]:
    """What goes into the model's last layer, (N, D), a row for each of the table. Errors as `Outputs.embeddings`."""
    source = [(path, _stamp(path)) for path in (*outputs.own, *outputs.others)]
    place = slot("embeddings", **view.model.identity, images=view.images.key, source=source)
    return place.kept(outputs.embeddings, lambda made: made.nbytes)


def summaries(view: View, predictions: Predictions, method: str) -> Summaries | None:
    """The maps of a sample by one method, where they are of this set, this model and these predictions; None otherwise,
    and where their file is damaged. Those of this user go before those that come with the model."""
    for folder in (folder_of(view), *([view.model.folder] if view.model.folder else [])):
        path = folder / ATTRIBUTIONS / f"{method}.parquet"
        with contextlib.suppress(DamagedError):
            result = _summaries(str(folder), method, _stamp(path)) if path.is_file() else None
            if result is not None and _fits(view, result, predictions, method):
                return result
    return None


def _fits(view: View, maps: Summaries, predictions: Predictions, method: str) -> bool:
    """Whether maps are of this set, this model and these predictions."""
    facts = {"basis": basis(view.model.key, view.images, method), "set": view.images.key}
    if not facts.items() <= maps.facts.items():
        return False
    classes = predictions.frame.set_index("name")["predicted"].reindex(maps.frame["name"])
    return bool((classes.to_numpy() == maps.frame["target"].to_numpy()).all())


def unfit(view: View, method: str) -> str:
    """Why maps that were summed up before are not taken by `summaries`, which gave none; empty if there are none."""
    folder = folder_of(view)
    path = folder / ATTRIBUTIONS / f"{method}.parquet"
    if not path.is_file():
        return ""
    try:
        _summaries(str(folder), method, _stamp(path))
    except DamagedError:
        return f"{METHODS[method].title}: the stored maps ({path.name}) are damaged. Compute them again."
    return (
        "The stored maps no longer fit: images, labels, decisions or the background have changed. Maps that still fit"
        " are kept; only the rest is computed."
    )


def joined(folder: Path, count: Callable[[], int], total: int, progress: Callable[[int, int], None]) -> None:
    """Wait, with progress, until the run that works in a folder has ended."""
    while not wait_until_free(folder, 0.5):
        progress(min(count(), total), total)


def _owned(folder: Path, view: View) -> bool:
    try:
        owner = json.loads((folder / OWNER).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    facts = {"model": view.model.key, "set name": view.images.name}
    return isinstance(owner, dict) and facts.items() <= owner.items()


def _stamp(path: Path) -> Stamp | None:
    try:
        return stamp_of(path)
    except OSError:
        return None


@st.cache_resource(max_entries=8, show_spinner=False)
def _summaries(folder: str, method: str, stamp: Stamp | None) -> Summaries:
    return open_summaries(Path(folder), method)
