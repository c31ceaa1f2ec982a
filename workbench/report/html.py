"""One self-contained HTML file: no script, nothing loaded, every word escaped, the same bytes for the same input."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from workbench.catalog import read_text, shared
from workbench.report.blocks import Section, figures_of

if TYPE_CHECKING:
    from jinja2 import Environment
    from markdown_it import MarkdownIt
    from markupsafe import Markup

TEMPLATES = "report"
"""The folder of the assets with the template, its style and the stand-alone verifier."""
UNSEALED = "0" * 64
"""What stands for the file's own digest while it is computed."""
_SEAL = re.compile(r'(<meta name="workbench-report-sha256" content=")([^"]*)(">)')
_DEEPER = 3
"""Levels by which headings of other people's Markdown are lowered."""


def html_of(title: str, subject: str, sections: Sequence[Section], facts: Mapping[str, object]) -> str:
    """A report as HTML.

    Args:
        title: Its heading.
        subject: One line on what it is about.
        sections: What it holds; the first is on top.
        facts: What its file carries machine-readably beside its figures: choices, digests, versions.

    Returns:
        The file's text, with the digest of all of it in its head (`seal_of`).
    """
    from markupsafe import Markup

    style = read_text(shared(TEMPLATES) / "report.css").strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    text = (
        _environment()
        .get_template("report.html.jinja")
        .render(
            title=title,
            subject=subject,
            sections=sections,
            policy=Markup(policy),
            style=Markup(style),
            seal=UNSEALED,
            data=Markup(_data({**facts, "figures": figures_of(sections)})),
        )
    )
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") + "\n"
    return _SEAL.sub(rf"\g<1>{_digest(text)}\g<3>", text, count=1)


def seal_of(text: str) -> tuple[str, str]:
    """The digest that a report states of itself, "" where it states none, and the one that its text has."""
    found = _SEAL.search(text)
    if found is None:
        return "", _digest(text)
    return found[2], _digest(text[: found.start(2)] + UNSEALED + text[found.end(2) :])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _data(facts: Mapping[str, object]) -> str:
    """JSON that no HTML parser takes for anything else."""
    text = json.dumps(facts, ensure_ascii=True, allow_nan=False, sort_keys=True, indent=0)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(shared(TEMPLATES)), autoescape=True, undefined=StrictUndefined, finalize=_visible
    )
    made.globals |= {"prose": _prose, "base64": _base64}
    return made


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _visible(value: object) -> object:
    """Text whose signs cannot turn the direction of what follows, or hide."""
    if type(value) is not str or value.isprintable():
        return value
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in value)


def _prose(markdown: str) -> Markup:
    """Markdown of others as HTML: none of their HTML, images, links or styles, headings below those of the report."""
    from markupsafe import Markup

    parser = _markdown()
    tokens = parser.parse(str(_visible(markdown)))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _DEEPER, 6)}"
        token.attrs.pop("style", None)
    return Markup(parser.renderer.render(tokens, parser.options, {}))


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])
