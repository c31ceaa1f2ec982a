"""Where the audit of the chosen model over the chosen set lies, and what it holds."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

import streamlit as st

from workbench.audit import Audit, Summaries, open_audit, open_summaries
from workbench.audit.engine import OWNER
from workbench.audit.outputs import PREDICTIONS
from workbench.audit.store import ATTRIBUTIONS
from workbench.catalog import AUDIT_VARIABLE, cache_folder
from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.layouts import stamp
from workbench.predictions import Predictions
from workbench.ui import choice

SEEN = "seen.txt"


def folder_of(model: choice.ModelChoice, images: ImageSet) -> Path:
    """The folder of this model's audit of this set: the command line's, or one in the user's cache.

    What a visitor uploaded is audited in a folder of their session, which goes when the session does.
    """
    ref = choice.set_ref(model)
    if model.ref in choice.own("models") or ref in choice.own("sets"):
        if "own audits" not in st.session_state:
            st.session_state["own audits"] = tempfile.TemporaryDirectory(prefix="workbench-")
        return Path(st.session_state["own audits"].name, _digest(model.key, choice.token(images)))
    given = os.environ.get(AUDIT_VARIABLE)
    if given and _owned(Path(given), model, images):
        return Path(given)
    return cache_folder() / "audits" / _digest(model.key, ref, images.name)


def opened(model: choice.ModelChoice, images: ImageSet) -> Audit | None:
    """The audit of this very set by this very model and rule, where it is finished; None otherwise."""
    folder = folder_of(model, images)
    try:
        changed = (folder / PREDICTIONS).stat().st_mtime_ns
        seen = (folder / SEEN).read_text(encoding="utf-8") if (folder / SEEN).exists() else None
        found = _opened(str(folder), changed)
    except (OSError, InputError):
        return None
    if seen not in (None, _stamp(model)) or found.facts["set"] != images.key or found.predictions.rule != model.rule:
        return None
    return found if found.facts["model"] == model.key else None


def summaries(model: choice.ModelChoice, images: ImageSet, known: Predictions, method: str) -> Summaries | None:
    """The maps of a sample by one method, where they are of this set, this model and these predictions; None otherwise."""
    folder = folder_of(model, images)
    try:
        found = _summaries(str(folder), method, (folder / ATTRIBUTIONS / f"{method}.parquet").stat().st_mtime_ns)
    except (OSError, InputError):
        return None
    if found.facts.get("set") != images.key or found.facts.get("model") != model.key:
        return None
    called = known.frame.set_index("name")["predicted"].reindex(found.frame["name"])
    return found if (called.to_numpy() == found.frame["target"].to_numpy()).all() else None


def finished(model: choice.ModelChoice, images: ImageSet) -> None:
    """Note which state of the files the audit has seen: names and sizes alone do not tell when one is written over."""
    (folder_of(model, images) / SEEN).write_text(_stamp(model), encoding="utf-8")


def _stamp(model: choice.ModelChoice) -> str:
    ref = choice.set_ref(model)
    return "" if ref in choice.own("sets") else stamp(ref)


def _owned(folder: Path, model: choice.ModelChoice, images: ImageSet) -> bool:
    try:
        owner = json.loads((folder / OWNER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(owner, dict) and owner.get("model") == model.key and owner.get("set name") == images.name


@st.cache_resource(max_entries=4, show_spinner=False)
def _opened(folder: str, changed: int) -> Audit:
    return open_audit(Path(folder))


@st.cache_resource(max_entries=8, show_spinner=False)
def _summaries(folder: str, method: str, changed: int) -> Summaries:
    return open_summaries(Path(folder), method)


def _digest(*parts: str) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
