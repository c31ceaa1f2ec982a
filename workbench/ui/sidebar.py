"""What every page shows at its side: the pickers of model and image set, and the uploads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import streamlit as st
from streamlit import Page, runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from workbench.catalog import load_catalog
from workbench.errors import LONGEST, InputError
from workbench.files import wanted
from workbench.images import LoadReport, image_from_bytes
from workbench.sets import Tree
from workbench.ui import choice, corrections, dealt, help, lost, reading, session, sets, url, visitors
from workbench.ui.loading import notice, unread
from workbench.ui.text import plain, seen

ITEM_BYTES = 1024
"""What a set takes for each image that it lists, besides the zip."""


def pages(sections: Mapping[str, Sequence[Page]]) -> None:
    """The pages by section; Streamlit's own list of them is none to a screen reader."""
    with st.sidebar.container(key="pages"):
        for section, links in sections.items():
            st.caption(section)
            for link in links:
                st.page_link(link)
        st.divider()


def sidebar() -> None:
    """The pickers that every page shows, and the way to bring one's own."""
    catalog = load_catalog()
    hint = "You can also type timm:NAME, torchvision:NAME or the path of a folder." if session.local() else None
    models = list(dict.fromkeys([choice.default_model(), *catalog.models, *session.own("models")]))
    _strange_link("model", models)
    with st.sidebar:
        chosen = url.select(
            "Model",
            models,
            key="model",
            free=session.local(),
            format_func=lambda ref: catalog.models[ref].title if ref in catalog.models else seen(ref),
            help=hint,
            on_change=_follow_model,
        )
        if labels := choice.labels():
            url.select(
                "Label",
                labels,
                key="label",
                help="Several labels can be true of one image. Each is a question of its own, with its own threshold.",
            )
        reading.link()
        images = _image_set(chosen)
        with st.expander("Bring your own", icon=":material/upload:"):
            if session.local():
                lost.folders()
            _uploads()
    for trouble in st.session_state.pop("upload troubles", ()):
        st.error(plain(trouble, 2 * LONGEST), icon=":material/error:")
    lost.lead_back(chosen, images)
    unread.lead_on(images)


def _image_set(model: str) -> str:
    """The picker of the image set, and the way to how it was read."""
    entries = load_catalog().images
    offered = list(dict.fromkeys([choice.default_set(model), *entries, *session.own("sets")]))
    _strange_link("set", offered)
    outside = url.from_outside("set", corrections.QUERY)
    images = url.select(
        "Image set",
        offered,
        key="set",
        free=session.local(),
        format_func=lambda ref: entries[ref].title if ref in entries else seen(ref),
        help="You can also type the path of a folder, a zip or a table." if session.local() else None,
    )
    corrections.follow(images, outside=outside)
    dealt.follow()
    notice.link("How they were read (corrected)" if corrections.text() else notice.TITLE)
    return images


def _strange_link(key: str, options: Sequence[str]) -> None:
    """Say so where a link names what this visitor cannot have, rather than show something else without a word."""
    value = st.query_params.get(key)
    if value and value not in options and not session.local():
        other = "model" if key == "model" else "image set"
        st.info(
            sets.gone(value) or f"The {other} “{plain(value)}” in this link does not exist here. Another one is in use."
        )


def take_images(uploader: str) -> None:
    """Callback of an image uploader: keep what came, choose the last, and say what is wrong with the rest."""
    for file in st.session_state[uploader] or ():
        if file.file_id in st.session_state.get("forgotten", ()):  # an uploader hands over its older files again
            continue

        def take(file: Any = file) -> None:
            item = image_from_bytes(file.getvalue(), PurePosixPath(file.name).name)
            name, mine = f"yours/{item.name}", session.own("images")
            while name in mine and mine[name].id != item.id:  # another image that is called the same
                name = f"{name} again"
            session.keep("images", name, dataclasses.replace(item, name=name), file.size)
            choice.choose_image(name)

        _trying(take)


def _follow_model() -> None:
    """A newly chosen model brings its image set along; one without leaves what is there."""
    entry = load_catalog().models.get(st.session_state.get("model") or "")
    own_set = entry.images if entry is not None else None
    if own_set or st.session_state.get("set"):
        url.choose("set", own_set or st.session_state["set"])


def _uploads() -> None:
    if session.local():
        st.markdown("**Upload**")
    st.file_uploader(
        "A model: .onnx, or a zip of a Hugging Face folder or of model.toml and its weights",
        type=["zip", "onnx"],
        key="model upload",
        on_change=lambda: _trying(_take_model),
        help=(
            "A Hugging Face folder holds config.json, preprocessor_config.json and model.safetensors. Uploads are never"
            " executed; pickled models are refused."
        ),
    )
    st.file_uploader(
        "Images: a zip of a folder in any layout that is known",
        type="zip",
        key="set upload",
        on_change=lambda: _trying(_take_set),
        help=(
            f"Known layouts: {', '.join(title for title, _ in help.layouts().values())}. Whatever was not understood"
            " is asked, and can be corrected."
        ),
    )
    st.caption(
        f"Uploads stay in this browser, through reloads and in all its tabs, until {visitors.minutes():g} minutes after"
        " the last is closed; no other visitor can see them."
    )
    if session.has_uploads():
        st.button("Forget my uploads", on_click=session.forget, width="stretch")


def _take_model() -> None:
    from workbench.models import upload_model

    file = st.session_state["model upload"]
    if file is None:
        return
    model, description = upload_model(file.getvalue(), file.name)
    name = f"{sets.YOUR}{file.name}"
    session.keep("models", name, model, sum(tensor.nbytes for tensor in model.model.state_dict().values()))
    session.keep("descriptions", name, description)
    url.choose("model", name)


def _take_set() -> None:
    file = st.session_state["set upload"]
    if file is None:
        return
    name = f"{sets.YOUR}{file.name}"
    upload = sets.Upload(file.getvalue(), file.name)
    tree = upload.tree()
    report = _report(upload, tree)
    session.keep("sets", name, upload, file.size + ITEM_BYTES * len(tree.files))
    st.session_state["set"] = name
    url.drop(corrections.QUERY)
    if report is not None and (report.questions or report.findings or report.left_out):
        st.session_state[notice.JUST_UPLOADED] = name


def _report(upload: sets.Upload, tree: Tree) -> LoadReport | None:
    """What was read of an upload; None where it cannot be read as it is, but holds images: then the page asks how.

    Raises:
        InputError: It holds no images.
    """
    try:
        return upload.images().report
    except InputError:
        if not tree.images():
            raise
        return None


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
