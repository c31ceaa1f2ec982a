"""Widgets whose value stands in the address bar, by the names that links and the command line use.

Streamlit's own `bind="query-params"` writes the labels of the options into the address; these write their names, which
stay the same when a label is reworded. The rules: what the address says wins when it changed from outside (a link, the
back button); on another page an address that says nothing keeps what was chosen before; a value that is the default
stands in no address. A default that was never departed from is no choice: where it depends on what is shown, it follows
that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

from workbench.catalog import home
from workbench.texts import apart

BIAS, DATA, DEFECTS, EXPLAIN, JOURNAL, OVERVIEW, PROBE, RELIABILITY, REPORT = (
    home() / "pages" / f"{page}.py"
    for page in ("bias", "data", "defects", "explain", "journal", "overview", "probe", "reliability", "report")
)
SHARED = ("model", "label", "set", "image", "read", "dealt", "tour", "present")
LONGEST_VALUE = 500
T = TypeVar("T")


def begin(page: str) -> None:
    """Note which page this run draws, before any widget of it."""
    state = st.session_state
    if state.get("drawn page") != page:
        state["drawn page"] = page
        state["drawn keys"] = set()
        state["address says"] = bool(set(st.query_params) - set(SHARED))
        state["address names an image"] = "image" in st.query_params


def led_to_image() -> bool:
    """Whether this visit of the page began with a link to an image."""
    return bool(st.session_state["address names an image"])


def choose(key: str, value: str) -> None:
    """In a callback: make this the choice, also where it is the default of the moment."""
    st.query_params[key] = value


def link(**changed: str) -> Mapping[str, str]:
    """Query parameters for a link to a page that keeps model and image set."""
    query = {key: st.query_params[key] for key in ("model", "label", "set", "read", "dealt") if key in st.query_params}
    return query | changed


def named(name: str, words: Collection[str]) -> str:
    """What stands for a name among options that are also `words` of another meaning; two names never become one."""
    return f"={name}" if name in words or name.startswith("=") else name


def value(*, key: str) -> str:
    """A text that links and callbacks alone set; empty where none did."""
    return _bound(key, "", lambda raw: raw[0] if raw else None, lambda now: now)


def drop(key: str) -> None:
    """Take back what a `value` of this key says."""
    st.query_params.pop(key, None)
    st.session_state.update({key: "", f"kept {key}": "", f"url {key}": []})


def from_outside(*keys: str) -> bool:
    """Whether an address that was not written here, a link or the back button, says something of these keys."""
    said = {key: st.query_params.get_all(key) for key in keys}
    return any(raw and raw != st.session_state.get(f"url {key}", []) for key, raw in said.items())


def select(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: str | None = None,
    free: bool = False,
    stated: bool = False,
    format_func: Callable[[str], str] = str,
    **settings: Any,
) -> str:
    """A `st.selectbox`; with `free`, what the visitor types is taken too.

    A browser goes by the label of the option and keeps that of an earlier run, so it is told where the chosen one is
    reworded. A default that is `stated` stands in the address too: a server that knows less has another one.
    """
    default = options[0] if default is None else default

    def parse(raw: Sequence[str]) -> str | None:
        if raw and raw[0] in options:
            return raw[0]
        return raw[0][:LONGEST_VALUE] if free and raw and raw[0] else None

    if free and (now := _now(key, parse, default)) not in options:
        options = [*options, now]

    words = _words(options, format_func)

    def draw(now: str) -> str:
        text = words(now)
        value, before = st.session_state.get(f"label {key}", (now, text))
        if value == now and before != text:
            st.session_state[key] = now
        st.session_state[f"label {key}"] = now, text
        place = options.index(now)
        return str(
            st.selectbox(label, options, index=place, key=key, format_func=words, accept_new_options=free, **settings)
        )

    return _bound(key, default, parse, draw, stated)


def _words(options: Sequence[str], format_func: Callable[[str], str]) -> Callable[[str], str]:
    """`format_func` for widgets that know an option by its label: no two options have the same."""
    labels = dict(zip(options, apart(map(format_func, options)), strict=True))
    return lambda option: labels.get(option, option)


def segments(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: str,
    format_func: Callable[[str], str] = str,
    **settings: Any,
) -> str:
    """A `st.segmented_control` with exactly one choice."""
    words = _words(options, format_func)

    def parse(raw: Sequence[str]) -> str | None:
        return raw[0] if raw and raw[0] in options else None

    def draw(now: str) -> str:
        return str(
            st.segmented_control(label, options, default=now, key=key, format_func=words, required=True, **settings)
        )

    return _bound(key, default, parse, draw)


def grouped(
    groups: Mapping[str, Sequence[str]], *, key: str, default: str, format_func: Callable[[str], str] = str
) -> str:
    """Exactly one choice among options in named groups, a `st.segmented_control` each.

    Args:
        groups: The options of each group, by its name on the screen.
        key: In the address.
        default: One of the options.
        format_func: The words of an option.
    """

    def parse(raw: Sequence[str]) -> str | None:
        return raw[0] if raw and any(raw[0] in options for options in groups.values()) else None

    def pick(part: str) -> None:
        if (value := st.session_state[part]) is not None:  # a click on what is chosen already asks for nothing
            st.session_state[key] = value

    def draw(now: str) -> str:
        for title, options in groups.items():
            part = f"{key} {title}"
            st.session_state[part] = now if now in options else None
            st.segmented_control(
                title, options, key=part, format_func=format_func, on_change=pick, args=(part,), wrap=True
            )
        return now

    return _bound(key, default, parse, draw)


def outside(options: Sequence[str], *, key: str, default: str, draw: Callable[[str], object]) -> str:
    """A choice among options that `draw` shows by other means than a widget, and that reports with `choose`."""

    def parse(raw: Sequence[str]) -> str | None:
        return raw[0] if raw and raw[0] in options else None

    def shown(now: str) -> str:
        draw(now)
        return now

    return _bound(key, default, parse, shown)


def pills(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: Sequence[str],
    stated: bool = False,
    format_func: Callable[[str], str] = str,
    **settings: Any,
) -> list[str]:
    """A `st.pills` with any number of choices; none of them stands in the address as an empty value; `stated` as for
    `select`."""
    words = _words(options, format_func)

    def parse(raw: Sequence[str]) -> list[str] | None:
        values = [value for value in dict.fromkeys(raw) if value in options]
        return values if values or list(raw) == [""] else None

    def draw(now: list[str]) -> list[str]:
        return st.pills(label, options, default=now, key=key, format_func=words, selection_mode="multi", **settings)

    return _bound(key, list(default), parse, draw, stated)


def ticks(options: Mapping[str, str], *, key: str, default: Sequence[str]) -> list[str]:
    """A `st.checkbox` for each option, labelled with its words; none ticked stands in the address as an empty value."""
    state = st.session_state

    def parse(raw: Sequence[str]) -> list[str] | None:
        values = [value for value in options if value in raw]
        return values if values or list(raw) == [""] else None

    def tick() -> None:
        state[key] = [option for option in options if state.get(f"{key} {option}")]

    def draw(now: list[str]) -> list[str]:
        for option, words in options.items():
            state[f"{key} {option}"] = option in now
            st.checkbox(words, key=f"{key} {option}", on_change=tick)
        return now

    return _bound(key, list(default), parse, draw)


def several(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: Sequence[str],
    format_func: Callable[[str], str] = str,
    **settings: Any,
) -> list[str]:
    """A `st.multiselect`, whose choices keep the order in which they were made."""

    def parse(raw: Sequence[str]) -> list[str] | None:
        values = [value for value in dict.fromkeys(raw) if value in options]
        return values if values or list(raw) == [""] else None

    def draw(now: list[str]) -> list[str]:
        return list(st.multiselect(label, options, now, key=key, format_func=format_func, **settings))

    return _bound(key, list(default), parse, draw)


def slider(
    label: str, low: float, high: float, *, key: str, default: float, step: float, stated: bool = False, **settings: Any
) -> float:
    """A `st.slider` over whole numbers or decimals, as `default` is one; `stated` as for `select`."""
    kind = type(default)

    def parse(raw: Sequence[str]) -> float | None:
        try:
            value = kind(raw[0])
        except (ValueError, IndexError):
            return None
        return value if low <= value <= high else None

    def draw(now: float) -> float:
        return st.slider(label, low, high, now, step=step, key=key, **settings)

    return _bound(key, default, parse, draw, stated)


def number(label: str, low: float, high: float, *, key: str, default: float, step: float, **settings: Any) -> float:
    """A `st.number_input` over decimals."""

    def parse(raw: Sequence[str]) -> float | None:
        return _decimal(raw, low, high)

    def draw(now: float) -> float:
        return float(st.number_input(label, low, high, now, step=step, key=key, **settings))

    return _bound(key, default, parse, draw)


def optional(label: str, low: float, high: float, *, key: str, step: float, **settings: Any) -> float | None:
    """A `st.number_input` over decimals that may stay empty; empty is None, and is what an address without it says."""

    def parse(raw: Sequence[str]) -> float | None:
        return _decimal(raw, low, high)

    def draw(now: float | None) -> float | None:
        value = st.number_input(
            label, low, high, None, step=step, key=key, **settings
        )  # a field with a default cannot be emptied
        return None if value is None else float(value)

    return _bound(key, None, parse, draw)


def now(key: str, options: Sequence[str]) -> str:
    """What the `select` of this key shows, whose default is the first option, where it is drawn later or not at all."""
    return _now(key, lambda raw: raw[0] if raw and raw[0] in options else None, options[0])


def pages(count: int, *, key: str, default: int = 1, **settings: Any) -> int:
    """A `st.pagination` over `count` pages, from 1."""

    def parse(raw: Sequence[str]) -> int | None:
        valid = raw and len(raw[0]) < 10 and raw[0].isascii() and raw[0].isdigit() and int(raw[0]) > 0
        return min(int(raw[0]), count) if valid else None

    return _bound(key, default, parse, lambda now: st.pagination(count, default=now, key=key, **settings))


def _decimal(raw: Sequence[str], low: float, high: float) -> float | None:
    """The number that an address says, None where it says none within the bounds."""
    try:
        value = float(raw[0])
    except (ValueError, IndexError):
        return None
    return value if low <= value <= high else None


def _bound(
    key: str,
    default: T,
    parse: Callable[[Sequence[str]], T | None],
    draw: Callable[[T], T],
    stated: bool = False,
) -> T:
    """Draw the widget with its value as default: a browser that lost its state falls back to that and reports it."""
    state = st.session_state
    now = _now(key, parse, default)
    if key not in state or state[key] != now:
        state[key] = now
    state["drawn keys"].add(key)
    value = draw(now)
    texts = [] if value == default and not stated else _written(value)
    if texts != st.query_params.get_all(key):
        if texts:
            st.query_params[key] = texts
        else:
            st.query_params.pop(key, None)
    state[f"url {key}"], state[f"kept {key}"], state[f"default {key}"] = texts, value, default
    return value


def _now(key: str, parse: Callable[[Sequence[str]], T | None], default: T) -> T:
    """What the widget must show."""
    state, raw = st.session_state, st.query_params.get_all(key)
    last = state.get(f"kept {key}")
    follows = last is not None and last == state.get(f"default {key}") and state.get(key, last) == last
    if key not in state["drawn keys"]:
        value = parse(raw or ([] if state["address says"] or last is None or follows else _written(last)))
    elif raw != state.get(f"url {key}", []):
        value = parse(raw)
    elif follows:
        return default
    else:
        value = parse(_written(state.get(key, last)))
    return default if value is None else value


def _written(value: object) -> list[str]:
    if isinstance(value, list):
        return [str(part) for part in value] or [""]
    return [str(value)]
