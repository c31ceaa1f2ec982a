"""Other people's text on the screen: as they typed it, reaching nothing, and without the server's folders."""

import re
from pathlib import Path

import pytest

from workbench.texts.escaping import escaped, prose, unlinked, without_folders

CARD = {
    "# Title\n\n- one\n\n| a | b |\n|:--|---|\n| 1 | `<x>` |": (
        "# Title\n\n- one\n\n| a | b |\n|:--|---|\n| 1 | `<x>` |"
    ),
    "![x](http://a/b.png)": r"\![x]\(http://a/b.png)",
    "[go](javascript:alert(1)) [r][ref]\n\n[ref]: http://a": (
        "[go]\\(javascript\\:alert(1)) [r]\\[ref]\n\n[ref]\\: http://a"
    ),
    "<img src=x> <http://a> $x$ :material/bolt: :red[x] at 12:30": (
        r"\<img src=x> \<http://a> \$x\$ \:material/bolt: \:red[x] at 12:30"
    ),
    "```\n<a> $x$\n```\n<b>": "```\n<a> $x$\n```\n\\<b>",
    "``` a`b\n![x](y)\n": "``` a`b\n\\![x]\\(y)\n",
    "- a\n  ```\n![x](y)": "- a\n  ```\n\\![x]\\(y)",
    r"\`![x](y)\` `` ![x](y) `": r"\`\![x]\(y)\` `` \![x]\(y) `",
    "www.a.example me@a.example": "www.a.example me@a.example",
}


@pytest.mark.parametrize(("card", "drawn"), CARD.items())
def test_a_model_card_keeps_its_form_and_reaches_nothing(card, drawn):
    assert prose(card).replace("\u2060", "") == drawn
    assert not re.search(r"://|www\.|@a", prose(re.sub("`.*?`", "", card)))


def test_an_address_in_a_name_is_no_link_and_reads_the_same():
    for text in ("http://a.example/x", "www.a.example", "me@a.example", "C:/x", "a:b"):
        assert unlinked(text).replace("\u2060", "") == text
        assert not re.search(r"://|www\.|@a", unlinked(text))
    assert escaped("a://b").replace("\u2060", "") == r"a\://b"


PATHS = {
    "There is no model.toml in /srv/models/casting: add one.": "There is no model.toml in casting: add one.",
    "'/srv/my models/x' is none": "'x' is none",
    "“/srv/my models/x” is none": "“x” is none",
    "/home/me/my sets/a.zip is damaged": "a.zip is damaged",
    "/home/me/my sets is a folder": "my sets is a folder",
    "a folder (/srv/d/e/)": "a folder (e)",
    r"C:\data\parts\x.png: bad": "x.png: bad",
    "a/b/c.png and/or 1/2, ./d/e, http://a/b/c": "a/b/c.png and/or 1/2, ./d/e, http://a/b/c",
}


@pytest.mark.parametrize(("text", "left"), PATHS.items())
def test_of_a_path_the_last_name_is_left(text, left):
    assert without_folders(text, [Path("/home/me/my sets"), Path("/home/me")]) == left
