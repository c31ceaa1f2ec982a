"""The documentation in the app: a topic is a page of docs/, named by its path without the ending."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlencode

import streamlit as st

from workbench.catalog import home
from workbench.ui import url

START = "index"
SUBJECTS = {
    "attribution-method": "methods",
    "evidence": "methods",
    "card-errors": "methods",
    "agreement": "methods",
    "league": "methods",
}
"""The topics of those subjects of "What does this mean?" that belong to another topic than the page they stand on."""
_FENCE = re.compile(r"^(```.*?^```$)", re.DOTALL | re.MULTILINE)
_LEFT_OUT = re.compile(r"\A---\n.*?^---\n|<!--.*?-->\n?|!\[[^\]]*\]\([^)]*\)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[((?:`[^`]*`|[^\]`])*)\]\(([^)\s]+)\)")
_ADDRESS = re.compile(r"https?://|#")


def more(subject: str) -> None:
    """A link to the topic of a subject of "What does this mean?"."""
    topic = SUBJECTS.get(subject) or st.session_state["drawn page"] or "overview"
    page = home() / "pages" / "help.py"
    st.page_link(page, label=f"More: {title(topic)}", icon=":material/menu_book:", query_params=url.link(topic=topic))


def choose() -> str:
    """The list of contents; the topic to show, and a word where the address asks for one that does not exist."""
    sections = contents()
    if st.query_params.get("topic", START) not in sections:
        st.info("There is no help on the topic that this link asks for: choose another one.", icon=":material/info:")

    def words(topic: str) -> str:
        return f"{section}: {title(topic)}" if (section := sections[topic]) else title(topic)

    return url.select("Topic", list(sections), key="topic", format_func=words)


def text(topic: str) -> str:
    """The text of a topic as Markdown that stands below a title, its links turned to those of the app.

    Raises:
        KeyError: There is no such topic.
    """
    parts = _FENCE.split(_LEFT_OUT.sub("", texts()[topic]))
    return "".join(part if part.startswith("```") else _linked(part, topic) for part in parts)


def _linked(part: str, topic: str) -> str:
    """Markdown without blocks of code: headings a level deeper, links within the documentation as addresses of the app;
    links out of it, to files that are not shipped, as plain text."""

    def link(found: re.Match[str]) -> str:
        words, target = found.groups()
        if _ADDRESS.match(target):
            return found[0]
        path, hash_, heading = target.partition("#")
        name = posixpath.normpath(posixpath.join(posixpath.dirname(topic), path)).removesuffix(".md")
        return f"[{words}](?{urlencode(url.link(topic=name))}{hash_}{heading})" if name in texts() else words

    deeper = re.sub("^#", "##", part.replace("<br>", " "), flags=re.MULTILINE)
    return _LINK.sub(link, deeper)


@cache
def title(topic: str) -> str:
    """What a topic is called."""
    return texts()[topic].removeprefix("# ").partition("\n")[0].replace("`", "")


@cache
def contents() -> Mapping[str, str]:
    """The section that each topic belongs to, in order: the first topic, which has none, links to all others."""
    sections = {START: ""}
    for part in texts()[START].split("\n## ")[1:]:
        section, _, body = part.partition("\n")
        for _, target in _LINK.findall(body):
            if (topic := target.removesuffix(".md")) in texts():
                sections.setdefault(topic, section)
    return sections


@cache
def texts() -> Mapping[str, str]:
    """The pages of docs/, by topic."""
    folder = home() / "docs"
    paths = sorted(folder.rglob("*.md"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path.read_text(encoding="utf-8") for path in paths}


@cache
def layouts() -> Mapping[str, tuple[str, str]]:
    """The layouts of image sets that have a topic: its title and an example, by topic."""
    result: dict[str, tuple[str, str]] = {}
    for _, target in _LINK.findall(texts()["images/index"].partition("\n## ")[0]):
        topic = f"images/{target.removesuffix('.md')}"
        if topic in texts() and (example := _FENCE.search(texts()[topic])):
            result.setdefault(topic, (title(topic), example[0]))
    return result
