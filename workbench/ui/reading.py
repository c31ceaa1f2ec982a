"""How the model was read: each assumption with its source, and a form that reads it otherwise for this session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.errors import LONGEST, InputError
from workbench.models import TOPICS, read_spec
from workbench.ui import choice, draw, facts, session, sets, url, warm
from workbench.ui.text import plain

if TYPE_CHECKING:
    from workbench.models import Classifier, Fact, ModelSpec

_FIELDS = ("resize", "channels", "size", "mean", "std")
NONE = "(none)"


def link() -> None:
    """One line that leads to the panel, from any page."""
    st.page_link(
        url.OVERVIEW,
        label="How this model was read",
        icon=":material/fact_check:",
        query_params=url.link(reading="open"),
    )


def is_open() -> bool:
    """Whether a link or a change asks for the panel; then it stands first on the page."""
    return st.query_params.get("reading") == "open" or choice.whole().ref in _changes()


def section() -> None:
    """The panel of the Overview page."""
    first = is_open()
    with st.expander("How this model was read", icon=":material/fact_check:", expanded=first, key=f"as read {first}"):
        if warm.torch_ready():
            _panel(choice.whole())
        else:
            st.caption(warm.LOADING)


def _panel(model: choice.ModelChoice) -> None:
    from workbench.models import settings_toml

    clf, spec = choice.classifier(model), _spec(model)
    for trouble in st.session_state.pop("reading troubles", ()):
        st.error(plain(trouble, 2 * LONGEST), icon=":material/error:")
    if change := _changes().get(model.ref):
        st.success(f"Read otherwise than before: {plain(change['words'])}. {plain(change['image'], LONGEST)}")
        st.button("Read as before", on_click=_choose, args=(change["before"],), icon=":material/undo:")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        assumed = sum(fact.how == "assumed" for fact in clf.facts)
        st.markdown(
            f"**{assumed} of {len(clf.facts)} {'is' if assumed == 1 else 'are'} assumed**: check these first."
            if assumed
            else "Nothing is assumed."
        )
        draw.meaning("how-read", "What does this mean?")
    st.html(_table((*clf.facts, *_of_layers(clf))))
    _form(model, clf)
    draw.download("model.toml with these settings", lambda: settings_toml(clf, spec), "model.toml", "reading toml")


def _of_layers(clf: Classifier) -> tuple[Fact, ...]:
    """What is known of its layers, once somebody asked: it takes passes of the model."""
    from workbench.attribution import layer_facts

    asked = st.session_state.setdefault("layers asked", set())
    if clf.key not in asked and not st.button(
        "Check its layers", icon=":material/layers:", help="Which layers maps may look at, by changing one corner."
    ):
        return ()
    asked.add(clf.key)
    with st.spinner("Changing one corner of an image, to see which layers follow ..."):
        return layer_facts(clf)


def _table(found: tuple[Fact, ...]) -> str:
    """What was understood, the assumed first, by topic."""
    order = sorted(found, key=lambda fact: TOPICS.index(fact.topic))
    return facts.table((fact.topic, fact.value, fact.source, fact.setting, fact.how) for fact in order)


def _form(model: choice.ModelChoice, clf: Classifier) -> None:
    from workbench.models import HEADS

    prep, names = clf.preprocessing, [NONE, *clf.class_names]
    with st.form("reading"), st.container():
        st.markdown("**Read it otherwise**, for this session")
        with st.grid(3, min_column_width=180, gap="small"):
            st.selectbox("Head", HEADS, HEADS.index(clf.head.kind), key=_key(clf, "head"))
            st.text_input("Output (place or name)", _text(clf.head.output), key=_key(clf, "output"))
            st.selectbox("Positive class", names, names.index(clf.positive or NONE), key=_key(clf, "positive"))
            st.text_input("Size (height, width)", _text(prep.size), key=_key(clf, "size"))
            modes = ["stretch", "crop", "pad", "shorter", "longer", "both"]
            st.selectbox("Resize", modes, modes.index(prep.resize), key=_key(clf, "resize"))
            if isinstance(prep.channels, str) and len(prep.mean) == 3:
                st.selectbox("Channels", ["rgb", "bgr"], ["rgb", "bgr"].index(prep.channels), key=_key(clf, "channels"))
            st.text_input("Mean", _text(prep.mean), key=_key(clf, "mean"))
            st.text_input("Std", _text(prep.std), key=_key(clf, "std"))
            prefix = _text(clf.prefix_tokens)
            st.text_input("Prefix tokens", prefix, key=_key(clf, "prefix tokens"), placeholder="measured")
            if model.folder is not None and any("also holds" in fact.value for fact in clf.facts):
                st.text_input("State (which weights)", "", key=_key(clf, "state"), placeholder="as it is")
        st.form_submit_button("Read the model so", on_click=_apply, args=(model, clf), type="primary")


def _key(clf: Classifier, name: str) -> str:
    """A widget's: of this very reading, or it would keep what another model's form says."""
    return f"read {name} {clf.key[:16]}"


def _asked_of(clf: Classifier, name: str) -> str | None:
    value: str | None = st.session_state.get(_key(clf, name))
    return value.strip() if isinstance(value, str) else value


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{number:.6g}" for number in value)
    return "" if value is None else str(value)


def _apply(model: choice.ModelChoice, clf: Classifier) -> None:
    """Callback of the form: the model read anew, kept for this session and chosen."""
    from workbench.models import reread

    try:
        asked = _asked(clf)
        state = _asked_of(clf, "state") or ""
        base = _other_weights(model, state) if state else clf
        words = ", ".join(_words(asked | ({"state": state} if state else {})))
        if base is clf and not asked:
            return
        result = reread(base, trusted=session.local(), **asked)
        compared = _compared(model, clf, result)
        name = f"{sets.YOUR}{model.ref.removeprefix(sets.YOUR)}, {words}"
        weights = sum(tensor.nbytes for tensor in result.model.state_dict().values() if hasattr(tensor, "nbytes"))
        session.keep("models", name, result, 0 if model.ref in session.own("models") else weights)
        if spec := _spec(model):
            session.keep("descriptions", name, spec.model_copy(update={"state": state or spec.state}))
        _changes()[name] = {"words": words, "before": model.ref, "image": compared}
        _choose(name, choice.set_ref(model))
    except InputError as error:
        st.session_state.setdefault("reading troubles", []).append(str(error))


def _asked(clf: Classifier) -> dict[str, Any]:
    """The settings of the form that differ from the model's. Raises InputError for what is no number."""
    prep = clf.preprocessing
    given = {name: _asked_of(clf, name) or "" for name in ("head", "output", "positive", "prefix tokens", *_FIELDS)}
    asked: dict[str, Any] = {}
    if given["head"] != clf.head.kind:
        asked["head"] = given["head"]
    if given["output"] != _text(clf.head.output):
        asked["output"] = int(given["output"]) if given["output"].isdecimal() else given["output"]
    if given["positive"] not in (clf.positive, NONE):
        asked["positive"] = given["positive"]
    if given["prefix tokens"] and given["prefix tokens"] != _text(clf.prefix_tokens):
        asked["prefix_tokens"] = int(_numbers("prefix tokens", given["prefix tokens"])[0])
    fields: dict[str, object] = {
        name: given[name] if name in ("resize", "channels") else _numbers(name, given[name])
        for name in _FIELDS
        if _asked_of(clf, name) is not None and given[name] != _text(getattr(prep, name))
    }
    return asked | ({"preprocessing": fields} if fields else {})


def _numbers(name: str, text: str) -> tuple[float, ...] | tuple[int, ...]:
    try:
        values = [float(part) for part in text.strip("[]() ").split(",")]
    except ValueError:
        raise InputError(f"{name} needs numbers with commas between them, not {text[:40]!r}.") from None
    return tuple(map(int, values)) if name == "size" else tuple(values)


def _words(asked: Mapping[str, Any]) -> list[str]:
    flat = {**asked, **asked.get("preprocessing", {})}
    return [f"{name} = {_text(value)}" for name, value in flat.items() if name != "preprocessing"]


def _other_weights(model: choice.ModelChoice, state: str) -> Classifier:
    """The model with other weights of its checkpoint."""
    from workbench.models import Settings, load_folder

    if model.folder is None:
        raise InputError("Other weights are read from a folder: give its path.")
    return load_folder(model.folder, Settings(state=state), trusted=choice.trusted(model))


def _compared(model: choice.ModelChoice, before: Classifier, after: Classifier) -> str:
    """What each says of one image of the set. Raises InputError where the answer is not what the head says."""
    from workbench.models import ask

    images = choice.whole_images(model)
    name = str(st.session_state.get("image name") or "")
    item = images.by_name.get(name) or (images.items[0] if len(images) else None)
    if item is None:
        return ""
    said = []
    for clf in (before, after):
        shares = ask(clf, [item])[0]
        said.append(f"{clf.class_names[int(shares.argmax())]} with {shares.max():.1%}")
    return f"{item.name}: {said[0]} before, {said[1]} now."


def _choose(name: str, image_set: str | None = None) -> None:
    url.choose("model", name)
    if image_set:
        url.choose("set", image_set)


def _changes() -> dict[str, dict[str, str]]:
    """What was changed of each model of this session."""
    changes: dict[str, dict[str, str]] = st.session_state.setdefault("rereadings", {})
    return changes


def _spec(model: choice.ModelChoice) -> ModelSpec | None:
    if model.folder is not None:
        return read_spec(model.folder)
    spec: ModelSpec | None = session.own("descriptions").get(model.ref)
    return spec
