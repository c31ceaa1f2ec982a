"""What is chosen: the model, the image set and the picture, from the URL, the sidebar, uploads and the command line."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from workbench.catalog import IMAGES_VARIABLE, MODEL_VARIABLE, load_catalog, scheme, stored_path
from workbench.digests import file_digest
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet
from workbench.modelfolder import read_spec, spec_key, weights_path
from workbench.predictions import DecisionRule
from workbench.preprocessing import Preprocessing
from workbench.ui import session, sets
from workbench.ui.text import plain, seen

if TYPE_CHECKING:
    from workbench.classifier import Classifier


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
        preprocessing: How a picture becomes its input.
        folder: With `model.toml`, and perhaps stored predictions and a model card.
        size: Of the weights in bytes, where they are a file.
    """

    ref: str
    title: str
    about: str
    source: str
    key: str
    rule: DecisionRule
    preprocessing: Preprocessing
    folder: Path | None = None
    size: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, object]:
        """What every result of this model depends on, as ingredients of a key."""
        return {"model": self.key, "rule": self.rule}


def local() -> bool:
    """Whether only people at this machine can reach the app: then what they type may name folders of it."""
    return expected(st.get_option("server.address")).local


def own(kind: str) -> dict[str, Any]:
    """What this session uploaded, by name: "models", "sets", "pictures" or "concepts". No other session sees it."""
    store: dict[str, Any] = st.session_state.setdefault(f"own {kind}", {})
    return store


def keep(kind: str, name: str, value: Any, size: int) -> None:
    """Keep what was uploaded for as long as the session lasts.

    Raises:
        InputError: This visitor's uploads would take too much memory.
    """
    sizes: dict[tuple[str, str], int] = st.session_state.setdefault("own sizes", {})
    most = OWN_MODELS if kind == "models" else OWN_PICTURES
    others = sum(taken for key, taken in sizes.items() if key != (kind, name) and (key[0] == "models") == (kind == "models"))
    if others + size > most:
        raise InputError(
            f"{name} takes {size / 2**20:,.0f} MB, and {others / 2**20:,.0f} of the {most / 2**20:,.0f} MB for your uploads are used: "
            "press “Forget my uploads” under “Bring your own”, or upload less."
        )
    sizes[kind, name] = size
    own(kind)[name] = value


def _forget() -> None:
    """Drop all that this session uploaded, and choose something else where it was chosen."""
    for key, kind in (("model", "models"), ("set", "sets")):
        if st.session_state.get(key) in own(kind):
            st.query_params.pop(key, None)
    for kind in ("models", "sets", "pictures", "concepts"):
        own(kind).clear()
    st.session_state["own sizes"] = {}
    st.session_state["forgotten"] = {file.file_id for file in st.session_state.get("picture upload") or ()}


def model() -> ModelChoice:
    """The chosen model.

    Raises:
        InputError: It cannot be loaded.
    """
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
    found: Classifier | None = session.own("models").get(choice.ref)
    return found or _ruled(_load(choice.ref, choice.key if choice.folder else _file_key(choice.ref)), choice.rule)


def other(ref: str) -> Classifier:
    """Another model of the catalog that lies in a folder, loaded."""
    folder = Path(load_catalog().models[ref].ref)
    spec = read_spec(folder)
    return _ruled(_load(ref, spec_key(folder, spec)), DecisionRule(tuple(spec.classes), spec.positive, spec.threshold))


def _ruled(loaded: Classifier, rule: DecisionRule) -> Classifier:
    """The same network under a rule that may have been edited since it was loaded; the lock stays one."""
    return loaded if loaded.rule == rule else dataclasses.replace(loaded, rule=rule)


def _file_key(ref: str) -> str:
    """The digest of the file that a reference names; empty where it names none."""
    if scheme(ref) or not (session.local() or _given(ref)):
        return ""
    path = stored_path(ref)
    return file_digest(path) if path.is_file() else ""


def images(choice: ModelChoice) -> ImageSet:
    """The chosen image set.

    Raises:
        InputError: It cannot be loaded.
    """
    ref = set_ref(choice)
    if ref in session.own("sets"):
        found: ImageSet = session.own("sets")[ref]
        return found
    sets.check_there(ref, here=session.local())
    trusted = ref == os.environ.get(IMAGES_VARIABLE) or (session.local() and scheme(ref) != "package")
    return sets.shared(ref, trusted=trusted)


def set_ref(choice: ModelChoice) -> str:
    """The chosen image set's name, as in the URL."""
    return st.session_state.get("set") or default_set(choice.ref)


def image(found: ImageSet, fallback: Callable[[], str]) -> ImageItem:
    """The chosen picture: the URL's, or else that of `fallback`."""
    name = str(st.query_params.get("image") or st.session_state.get("image name") or "")
    item: ImageItem | None = session.own("pictures").get(name) or found.by_name.get(name)
    if item is None:
        if name and name != st.session_state.get("image name"):  # else it was chosen here, before another set was
            st.info(f"The image “{plain(name)}” in this link is not in {plain(found.name)}. Another one is shown.")
        item = found.by_name[fallback()]
    choose_image(item.name)
    return item


def choose_image(name: str) -> None:
    """Make `name` the chosen picture, in the URL too."""
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


def sidebar() -> None:
    """The pickers that every page shows, and the way to bring one's own."""
    catalog = load_catalog()
    typed = "You can also type timm:NAME, torchvision:NAME or the path of a folder." if local() else None
    models = list(dict.fromkeys([default_model(), *catalog.models, *own("models")]))
    _strange_link("model", models)
    with st.sidebar:
        chosen = url.select(
            "Model",
            models,
            key="model",
            free=local(),
            format_func=lambda ref: catalog.models[ref].title if ref in catalog.models else seen(ref),
            help=typed,
            on_change=_follow_model,
        )
        sets = list(dict.fromkeys([default_set(chosen), *catalog.images, *own("sets")]))
        _strange_link("set", sets)
        url.select(
            "Image set",
            sets,
            key="set",
            free=local(),
            format_func=lambda ref: catalog.images[ref].title if ref in catalog.images else seen(ref),
            help="You can also type the path of a folder, a zip or a manifest." if local() else None,
        )
        with st.expander("Bring your own", icon=":material/upload:"):
            _uploads()
    for trouble in st.session_state.pop("upload troubles", ()):
        st.error(plain(trouble, 2 * LONGEST), icon=":material/error:")


def _strange_link(key: str, options: Sequence[str]) -> None:
    """Say so where a link names what this visitor cannot have, rather than show something else without a word."""
    named = st.query_params.get(key)
    if named and named not in options and not local():
        other = "model" if key == "model" else "image set"
        st.info(sets.gone(named) or f"The {other} “{plain(named)}” in this link does not exist here. Another one is in use.")


def take_pictures(uploader: str) -> None:
    """Callback of a picture uploader: keep what came, choose the last, and say what is wrong with the rest."""
    for file in st.session_state[uploader] or ():
        if file.file_id in st.session_state.get("forgotten", ()):  # an uploader hands over its older files again
            continue

        def take(file: Any = file) -> None:
            item = image_from_bytes(file.getvalue(), PurePosixPath(file.name).name)
            name, kept = f"yours/{item.name}", own("pictures")
            while name in kept and kept[name].id != item.id:  # another picture that is called the same
                name = f"{name} again"
            keep("pictures", name, dataclasses.replace(item, name=name), file.size)
            choose_image(name)

        _trying(take)


def _follow_model() -> None:
    """A newly chosen model brings its image set along; one without leaves what is there."""
    entry = load_catalog().models.get(st.session_state.get("model") or "")
    own_set = entry.images if entry is not None else None
    if own_set or st.session_state.get("set"):
        url.choose("set", own_set or st.session_state["set"])


def _uploads() -> None:
    st.file_uploader(
        "A model: zip of model.toml and its .safetensors",
        type="zip",
        key="model upload",
        on_change=lambda: _trying(_take_model),
        help="The README shows a model.toml. Uploads are never executed; pickled models are refused.",
    )
    st.file_uploader(
        "Images: zip of class folders, MVTec AD, or with a manifest.csv",
        type="zip",
        key="set upload",
        on_change=lambda: _trying(_take_set),
        help="Folders named after classes, the MVTec AD layout, or manifest.csv with the columns image, label, split, mask and any others.",
    )
    st.caption("Uploads stay in this browser session; no link and no other visitor can see them.")
    if st.session_state.get("own sizes"):
        st.button("Forget my uploads", on_click=_forget, width="stretch")


def _take_model() -> None:
    from workbench.uploads import model_from_zip

    file = st.session_state["model upload"]
    if file is None:
        return
    loaded = model_from_zip(file.getvalue(), file.name)
    name = f"{sets.YOUR}{file.name}"
    keep("models", name, loaded, sum(tensor.nbytes for tensor in loaded.model.state_dict().values()))
    st.session_state["model"] = name


def _take_set() -> None:
    file = st.session_state["set upload"]
    if file is None:
        return
    name = f"{sets.YOUR}{file.name}"
    found = images_from_zip(file.getvalue(), file.name)
    keep("sets", name, dataclasses.replace(found, name=name), file.size + ITEM_BYTES * len(found))
    st.session_state["set"] = name


def _trying(work: Callable[[], None]) -> None:
    """Run a callback; what the user can mend is told at the top of the page instead of ending the session's run."""
    try:
        with wanted(_stay):
            work()
    except InputError as error:
        st.session_state.setdefault("upload troubles", []).append(str(error))


def _stay() -> None:
    """End what is read for a visitor who has left."""
    context = get_script_run_ctx(suppress_warning=True)
    if runtime.exists() and context is not None and not runtime.get_instance().is_active_session(context.session_id):
        st.stop()


def _from_folder(ref: str, folder: Path, title: str, about: str) -> ModelChoice:
    spec = read_spec(folder)
    weights = weights_path(folder, spec)
    return ModelChoice(
        ref=ref,
        title=title or spec.title or folder.name,
        about=about or spec.about,
        source=f"{folder.name}/model.toml, {spec.architecture}",
        key=spec_key(folder, spec),
        rule=DecisionRule(tuple(spec.classes), spec.positive, spec.threshold),
        preprocessing=Preprocessing(**spec.preprocessing.model_dump()),
        folder=folder,
        size=weights.stat().st_size,
    )


def _from_classifier(ref: str, loaded: Classifier, source: str) -> ModelChoice:
    return ModelChoice(ref, loaded.name, "", source, loaded.key, loaded.rule, loaded.preprocessing, notes=loaded.notes)


def _typed_folder(ref: str) -> Path | None:
    """The folder that the command line or a visitor at this machine named, if it is one."""
    if scheme(ref) or not (session.local() or _given(ref)):
        return None
    folder = stored_path(ref)
    return folder if folder.is_dir() else None


def _given(ref: str) -> bool:
    """Whether the command line named this model: then it is trusted."""
    return ref == os.environ.get(MODEL_VARIABLE)


@st.cache_resource(max_entries=4, show_spinner=False)
def _load(ref: str, key: str) -> Classifier:
    """A shared classifier; `key` makes a changed folder a new one."""
    from workbench.loading import load_classifier, load_folder

    if (folder := _typed_folder(ref)) is not None and ref not in load_catalog().models:
        return load_folder(folder, trusted=_given(ref))
    if ref.startswith(("timm:", "torchvision:")) and not (session.local() or _given(ref)):
        raise InputError(f"There is no model named {ref!r} here: choose one of {', '.join(load_catalog().models)}.")
    return load_classifier(ref, trusted=_given(ref))
