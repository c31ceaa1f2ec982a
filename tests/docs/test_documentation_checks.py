"""The checks of the documentation see what is wrong: each is shown one offender."""

from pathlib import Path

import documentation as read
import pytest

from workbench.catalog import Catalog


def test_a_name_that_stands_nowhere_is_named():
    assert read.missing(["here", "there", "heading"], "# heading\n\n`here` and there") == ["there"]


def test_a_path_that_is_gone_is_named():
    text = "`workbench/errors.py` `errors.py` `cli/` `cli/explain.py:explain` `pages/NAME.py`"
    text += "`tests/gone.py` `cli/explain.py:gone`"
    assert read.gone_paths(text) == ["tests/gone.py is not there", "cli/explain.py has no gone"]


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    (tmp_path / "other.md").write_text("# A heading, `with` code\n")
    text = "[a](other.md) [b](other.md#a-heading-with-code) [c](gone.md) [d](other.md#gone) ![e](gone.png) [f](https://example.com)"
    problems = read.broken_links(tmp_path / "page.md", text)
    assert [problem.split(" leads to ")[1].split(",")[0] for problem in problems] == [
        "gone.md",
        "the heading gone of other.md",
        "gone.png",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("workbench explode", "no command"),
        ("workbench run --gone 1", "--gone"),
        ("workbench audit --model a", "--images"),
        ("workbench run --port many", "--port"),
        ("workbench journal gone", "no command"),
        ("make nothing", "make has no nothing"),
        ("curl example.com", "curl"),
        (".venv/bin/pytest tests/gone.py", "tests/gone.py"),
    ],
)
def test_a_command_that_does_not_exist_is_named(line, problem):
    (found,) = read.strange_shell(f"```sh\n{line}\n```\n")
    assert problem in found


@pytest.mark.parametrize(
    "span", ["workbench explode", "workbench run --gone", "workbench journal gone", "make nothing"]
)
def test_a_command_in_the_text_that_does_not_exist_is_named(span):
    assert read.strange_shell(f"Type `{span}`.")


def test_commands_that_exist_are_not_named():
    text = "```sh\nworkbench run --port 80  # as root\nA=1 make run PORT=1\npip install x\n```\n"
    text += "`workbench journal verify --expect X` `make run`"
    assert read.strange_shell(text) == []


def test_a_generated_part_that_fell_behind_differs():
    generate = read.generator()
    text = "a\n<!-- generated: checks -->\nold\n<!-- /generated: checks -->\nb\n"
    once = generate.regenerated(text)
    assert once != text
    assert once.startswith("a\n<!-- generated: checks -->\n| Check |")
    assert once.endswith("<!-- /generated: checks -->\nb\n")
    assert generate.regenerated(once) == once


def test_toml_that_is_not_valid_is_named():
    kinds = {"models": Catalog}
    assert read.wrong_toml('```toml\n[models.a]\ntitle = "A"\nref = "a"\n```\n', kinds) == []
    assert "ref" in read.wrong_toml('```toml\n[models.a]\ntitle = "A"\n```\n', kinds)[0]
    assert "no file of ours" in read.wrong_toml("```toml\nother = 1\n```\n", kinds)[0]


def test_keys_of_links_are_read_wherever_they_stand():
    source = """
KEY, OTHER = "constant", "of something else"
def drawn(label, key):
    return url.select(label, [], key=key)
drawn("a", "given")
url.slider("b", 0, 1, key="plain")
st.button("c", key="no key of a link")
st.query_params.get("asked")
st.query_params.get_all(KEY)
st.query_params["set"] = 1
sides = (("Top", 0), ("Left", 70))
[url.slider(name, 0, 100, key=name.lower(), default=at) for name, at in sides]
"""
    assert read.link_keys([source]) == {"constant", "given", "plain", "asked", "set", "top", "left"}


def test_variables_are_read_from_texts():
    assert read.variables(['A, B = "WORKBENCH_ONE", "WORKBENCH_TWO and more"']) == {"WORKBENCH_ONE"}


def test_a_heading_that_is_no_message_is_named():
    known = read.messages(['raise InputError(f"{name} is empty ({size} bytes): " "copy it again.", f"{all}")'])
    text = "### ... is empty (... bytes): copy it again.\n\n### ... is full.\n\n### Odd\n\nNo message, but common.\n"
    assert read.unknown_messages(text, known) == ["... is full."]


def test_an_example_that_fails_or_is_not_there_is_named():
    assert not read.failed_examples("Words.\n\n>>> x + 1\n3\n", {"x": 2})
    assert "Expected" in read.failed_examples(">>> x + 1\n4\n", {"x": 2})
    assert "NameError" in read.failed_examples(">>> y\n4\n", {"x": 2})
    assert "no example" in read.failed_examples("Words.", {})


def test_python_that_needs_more_is_not_run():
    text = "```python\n# needs: a model\nfail\n```\n```python\nx = 1\n```\n"
    assert read.runnable(text) == ["x = 1\n"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("new.md", "News.", "not called"),
        ("new.nonsense.md", "News.", "not called"),
        ("New one.added.md", "News.", "not called"),
        ("new.added.md", "", "is empty"),
        ("new.added.md", "News", "full stop"),
        ("new.added.md", "- News.", "bullet"),
        ("new.added.md", "News.\n\nMore.", "paragraph"),
    ],
)
def test_a_fragment_that_is_not_well_formed_is_named(name, text, problem):
    assert any(problem in found for found in read.wrong_fragment(Path(name), text))
