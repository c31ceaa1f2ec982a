"""What is chosen: the model, the image set and the image, from the URL, the sidebar, uploads and the command line."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from workbench.catalog import BESIDE_VARIABLE, IMAGES_VARIABLE, MODEL_VARIABLE, load_catalog, scheme, stored_path
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet
from workbench.models import (
    Preprocessing,
    content_key,
    is_hub,
    label_key,
    read_hub,
    read_spec,
    spec_key,
    thresholds_of,
    weights_path,
)
from workbench.predictions import NO_LIMITS, DecisionRule, Limits, one_against_rest
from workbench.ui import corrections, session, sets
from workbench.ui.text import plain, seen

if TYPE_CHECKING:
    from workbench.models import Classifier, ModelSpec


OF_LOGITS = ("timm:", "torchvision:", "huggingface")
"""Beginnings of the architectures that never answer with an anomaly score."""


@dataclasses.dataclass(frozen=True)
class ModelChoice:
    """What is known of the chosen model; where it comes from a folder, without loading torch.

    Attributes:
        ref: As in the URL.
        title: On the screen.
        about: One sentence.
        source: Where it comes from.
        key: Digest.
        rule: Classes, positive class and threshold.
        preprocessing: How an image becomes its input; None where only the loaded model can say.
        folder: With `model.toml`, and perhaps stored predictions and a model card.
        size: Of the weights in bytes, where they are a file.
        notes: What a reader must know before believing it.
        limits: The most mistakes that are acceptable, where its description says so.
        labels: All that it knows, where several can be true of one image.
        label: The one that is asked about; the rule is about it alone.
        scored: Whether it answers with an anomaly score; None where only the loaded model can say.
    """

    ref: str
    title: str
    about: str
    source: str
    key: str
    rule: DecisionRule
    preprocessing: Preprocessing | None
    folder: Path | None = None
    size: int | None = None
    notes: tuple[str, ...] = ()
    limits: Limits = NO_LIMITS
    labels: tuple[str, ...] = ()
    label: str | None = None
    scored: bool | None = False

    @property
    def identity(self) -> dict[str, object]:
        """What every result of this model depends on, as ingredients of a key."""
        return {"model": self.key, "rule": self.rule}


def model() -> ModelChoice:
    """The chosen model; of several labels, about the chosen one.

    Raises:
        InputError: It cannot be loaded.
    """
    whole = _whole()
    if not whole.labels:
        return whole
    column = max(whole.labels.index(label) if (label := st.session_state.get("label")) in whole.labels else 0, 0)
    label = whole.labels[column]
    return dataclasses.replace(
        whole,
        title=f"{whole.title}: {label}",
        key=label_key(whole.key, column),
        rule=whole.rule.about(column),
        label=label,
    )


def whole() -> ModelChoice:
    """The chosen model, about all that it knows. Errors as `model`."""
    return _whole()


def trusted(choice: ModelChoice) -> bool:
    """Whether the command line or the catalog names this model: then its description may name code."""
    return _given(choice.ref) or choice.ref in load_catalog().models


def labels() -> tuple[str, ...]:
    """The labels of the chosen model, of which one is asked about; none where its classes exclude each other."""
    try:
        return _whole().labels
    except InputError:  # the page says why
        return ()


def _whole() -> ModelChoice:
    ref = st.session_state.get("model") or default_model()
    entry = load_catalog().models.get(ref)
    folder = Path(entry.ref) if entry is not None else _typed_folder(ref)
    if ref in session.own("models"):
        return _from_classifier(ref, session.own("models")[ref], "uploaded in this session")
    if folder is not None and (folder / "model.toml").is_file():
        return _from_folder(ref, folder, entry.title if entry else "", entry.about if entry else "")
    sets.check_there(ref, here=session.local())
    return _from_classifier(ref, _load(ref, _file_key(ref)), seen(entry.ref if entry else ref))


def classifier(choice: ModelChoice) -> Classifier:
    """The chosen model, loaded; this is where torch comes in."""
    whole: Classifier | None = session.own("models").get(choice.ref)
    clf = whole or _load(choice.ref, choice.key if choice.folder else _file_key(choice.ref))
    return _ruled(clf if choice.label is None else clf.label(choice.label), choice.rule)


def scored(choice: ModelChoice) -> bool:
    """Whether a model answers with an anomaly score; loads it where its description does not say."""
    return classifier(choice).scored if choice.scored is None else choice.scored


def folder_key(ref: str) -> str:
    """The digest of a model of the catalog that lies in a folder, without loading it."""
    folder = Path(load_catalog().models[ref].ref)
    return spec_key(folder, read_spec(folder))


def other(ref: str) -> Classifier:
    """Another model that lies in a folder, loaded: one of the catalog, or the one that the command line names beside
    the first."""
    entry = load_catalog().models.get(ref)
    folder = Path(ref if entry is None else entry.ref)
    spec = read_spec(folder)
    return _ruled(_load(ref, spec_key(folder, spec)), _rule_of(spec))


def beside() -> Path | None:
    """The folder of another model to compare with, where the command line names one."""
    folder = os.environ.get(BESIDE_VARIABLE)
    return Path(folder) if folder else None


def _ruled(clf: Classifier, rule: DecisionRule) -> Classifier:
    """The same network under a rule that may have been edited since it was loaded; the lock stays one."""
    return clf if clf.rule == rule else dataclasses.replace(clf, rule=rule)


def _file_key(ref: str) -> str:
    """The digest of the file or folder that a reference names; empty where it names none."""
    if scheme(ref) or not (session.local() or _given(ref)):
        return ""
    path = stored_path(ref)
    if path.is_dir() and is_hub(path):
        return str(read_hub(path).key)
    return str(content_key(path)) if path.is_file() else ""


def images(choice: ModelChoice) -> ImageSet:
    """The chosen image set.

    Raises:
        InputError: It cannot be loaded.
    """
    result = _images(set_ref(choice))
    return result if choice.label is None else one_against_rest(result, choice.label, choice.labels)


def whole_images(choice: ModelChoice) -> ImageSet:
    """The chosen image set with all its labels, also where the model is asked about one. Errors as `images`."""
    return _images(set_ref(choice))


def _images(ref: str) -> ImageSet:
    return images_read(ref, corrections.text())


def images_read(ref: str, text: str) -> ImageSet:
    """An image set, read as `text` says, as in the address. Errors as `images`."""
    upload: sets.Upload | None = session.own("sets").get(ref)
    if upload is not None:
        return upload.images(text)
    sets.check_there(ref, here=session.local())
    return sets.shared(ref, trusted=trusted_set(ref), follow=given_set(ref), text=text)


def given_set(ref: str) -> bool:
    """Whether the command line named this set: then links in it are followed."""
    return ref == os.environ.get(IMAGES_VARIABLE)


def trusted_set(ref: str) -> bool:
    """Whether what this set's name says may be a path of this machine."""
    return given_set(ref) or (session.local() and scheme(ref) != "package")


def set_ref(choice: ModelChoice) -> str:
    """The chosen image set's name, as in the URL."""
    return st.session_state.get("set") or default_set(choice.ref)


def image(image_set: ImageSet, fallback: Callable[[], str]) -> ImageItem:
    """The chosen image: the URL's, or else that of `fallback`."""
    name = str(st.query_params.get("image") or st.session_state.get("image name") or "")
    item: ImageItem | None = session.own("images").get(name) or image_set.by_name.get(name)
    if item is None:
        if name and name != st.session_state.get("image name"):  # else it was chosen here, before another set was
            st.info(f"The image “{plain(name)}” in this link is not in {plain(image_set.name)}. Another one is shown.")
        item = image_set.by_name[fallback()]
    choose_image(item.name)
    return item


def choose_image(name: str) -> None:
    """Make `name` the chosen image, in the URL too."""
    st.session_state["image name"] = name
    if st.query_params.get("image") != name:
        st.query_params["image"] = name


def default_model() -> str:
    """The command line's model, or else the catalog's first."""
    return os.environ.get(MODEL_VARIABLE) or next(iter(load_catalog().models))


def default_set(model_ref: str) -> str:
    """The command line's image set, or else the one that belongs to the model, or else the catalog's first."""
    catalog = load_catalog()
    entry = catalog.models.get(model_ref)
    return os.environ.get(IMAGES_VARIABLE) or (entry.images if entry and entry.images else next(iter(catalog.images)))


def _from_folder(ref: str, folder: Path, title: str, about: str) -> ModelChoice:
    spec = read_spec(folder)
    weights = weights_path(folder, spec)
    return ModelChoice(
        ref=ref,
        title=title or spec.title or folder.name,
        about=about or spec.about,
        source=f"{folder.name}/model.toml, {spec.architecture}",
        key=spec_key(folder, spec),
        rule=_rule_of(spec),
        preprocessing=Preprocessing(**spec.preprocessing.model_dump()) if spec.preprocessing.complete else None,
        folder=folder,
        size=weights.stat().st_size,
        limits=Limits(**spec.limits.model_dump()),
        labels=tuple(spec.classes) if spec.head == "multilabel" else (),
        scored=spec.head == "anomaly" if spec.head or spec.architecture.startswith(OF_LOGITS) else None,
    )


def _rule_of(spec: ModelSpec) -> DecisionRule:
    if spec.head == "multilabel":
        thresholds = thresholds_of(spec.classes, spec.thresholds)
        return DecisionRule(tuple(spec.classes), thresholds=thresholds, temperature=spec.temperature)
    return DecisionRule(tuple(spec.classes), spec.positive, spec.threshold, temperature=spec.temperature)


def _from_classifier(ref: str, clf: Classifier, source: str) -> ModelChoice:
    return ModelChoice(
        ref,
        clf.name,
        "",
        source,
        clf.key,
        clf.rule,
        clf.preprocessing,
        notes=clf.notes,
        limits=clf.limits,
        labels=clf.class_names if clf.head.several else (),
        scored=clf.scored,
    )


def _typed_folder(ref: str) -> Path | None:
    """The folder that the command line or a visitor at this machine named, if it is one."""
    if scheme(ref) or not (session.local() or _given(ref)):
        return None
    folder = stored_path(ref)
    return folder if folder.is_dir() else None


def _given(ref: str) -> bool:
    """Whether the command line named this model: then it is trusted."""
    return ref in (os.environ.get(MODEL_VARIABLE), os.environ.get(BESIDE_VARIABLE))


@st.cache_resource(max_entries=4, show_spinner=False)
def _load(ref: str, key: str) -> Classifier:
    """A shared classifier; `key` makes a changed folder a new one."""
    from workbench.models import load_classifier, load_file, load_folder

    if (folder := _typed_folder(ref)) is not None and ref not in load_catalog().models:
        return load_folder(folder, trusted=_given(ref))
    if session.local() and not scheme(ref) and ref not in load_catalog().models and stored_path(ref).is_file():
        return load_file(stored_path(ref), trusted=_given(ref))
    if ref.startswith(("timm:", "torchvision:")) and not (session.local() or _given(ref)):
        raise InputError(f"There is no model named {ref!r} here: choose one of {', '.join(load_catalog().models)}.")
    return load_classifier(ref, trusted=_given(ref))
