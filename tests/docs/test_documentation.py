"""The documentation holds all that the code has, and nothing in it is out of date or leads nowhere."""

import inspect
import os
import re
import subprocess
import sys
import tomllib

import documentation as read
import pytest
import yaml
from typer.main import get_command

import workbench as wb
from workbench.attribution.methods import METHODS
from workbench.catalog import Catalog
from workbench.cli import app
from workbench.images.decoding import FORMATS

PAGES = read.pages()
SOURCES = [path.read_text(encoding="utf-8") for path in read.CODE]
generate = read.generator()


def page(name):
    return PAGES[(read.DOCS / name).resolve()]


def params(command):
    return [max(parameter.opts, key=len) for parameter in command.params if parameter.opts[0].startswith("-")]


def test_every_method_and_check_is_documented():
    assert not read.missing(METHODS, page("methods.md").replace("<br>", " "))
    assert not read.missing(generate.CHECKS, page("methods.md").replace("<br>", " "))


def test_every_command_and_option_is_documented():
    text = page("command-line.md")
    names = generate.command_names(get_command(app))
    assert len(names) > 10
    assert not read.missing(names, text)
    for name in names:
        command = get_command(app)
        for word in name.split()[1:]:
            command = command.commands[word]
        help_text = re.search(rf"^### {name}\n(.*?)(?=^### |\Z)", text, re.DOTALL | re.MULTILINE)[1]
        assert not [option for option in params(command) if option not in help_text], name


def test_every_key_of_both_toml_files_is_documented():
    tables = {"preprocessing": generate.PreprocessingSpec, "limits": generate.LimitsSpec}
    tables["preprocessing.tiles"] = generate.TilesSpec
    keys = [key for key in generate.ModelSpec.model_fields if key not in tables]
    keys += [f"{name}.{key}" for name, kind in tables.items() for key in kind.model_fields]
    assert not read.missing(keys, page("model-toml.md"))
    both = {"models": generate.ModelEntry, "images": generate.ImagesEntry}
    assert {*both, "criteria"} == {*Catalog.model_fields}
    keys = [f"{name}.NAME.{key}" for name, kind in both.items() for key in kind.model_fields if key != "read"]
    keys += [f"images.NAME.read.{key}" for key in generate.ReadOptions.model_fields]
    keys += [f"criteria.{key}" for key in generate.Criteria.model_fields]
    assert not read.missing(keys, page("workbench-toml.md"))


def test_every_rule_of_a_gate_is_documented():
    tables = {name: generate._table_in(field.annotation) for name, field in generate.GateRules.model_fields.items()}
    keys = [key for key, kind in tables.items() if kind is None]
    keys += [f"{name}.{key}" for name, kind in tables.items() if kind for key in kind.model_fields]
    assert len(keys) > 20
    assert not read.missing(keys, page("gate.md"))


def test_every_page_of_the_app_has_a_page():
    names = sorted(path.stem for path in (read.ROOT / "pages").glob("*.py"))
    assert len(names) >= 6
    assert not [name for name in names if read.DOCS / f"{name}.md" not in PAGES]
    assert not [name for name in names if f"({name}.md)" not in page("index.md")]


def test_every_key_of_a_link_is_documented():
    keys = read.link_keys(SOURCES)
    assert {"model", "method", "class", "edit", "sort", "top", "threshold"} <= keys
    assert not read.missing(keys, page("links.md"))


def test_no_key_of_a_link_is_documented_that_is_gone():
    said = {
        key
        for row in re.findall(r"^\| (`.*?) \|", page("links.md"), re.MULTILINE)
        for key in re.findall(r"`(\w+)`", row)
    }
    assert said - read.link_keys(SOURCES) == set()


def test_every_environment_variable_is_documented():
    names = read.variables(SOURCES)
    assert "WORKBENCH_JOURNAL" in names
    assert not read.missing([*names, "RAY_ADDRESS"], page("command-line.md"))


def test_every_public_name_is_documented():
    assert not read.missing(wb.__all__, page("python-api.md"))
    assert {*generate.FUNCTIONS, *generate.RESULTS} == {*wb.__all__}


@pytest.fixture(scope="module")
def start():
    """The names that the examples of docstrings start from."""
    names = {"__name__": "documentation"}
    for body in read.runnable(page("python-api.md")):
        exec(body, names)
    return names


@pytest.mark.parametrize("name", wb.__all__)
def test_the_example_of_a_public_name_runs(name, start):
    document = generate.document_of(name)
    assert f"wb.{name}" in document or name in generate.RESULTS
    assert not read.failed_examples(document, start)


@pytest.mark.parametrize("name", generate.FUNCTIONS)
def test_the_docstring_of_a_public_function_is_complete(name):
    document = generate.document_of(name)
    arguments = [
        str(parameter).partition(":")[0] for parameter in inspect.signature(getattr(wb, name)).parameters.values()
    ]
    assert {*generate.entries(document, "Args")} >= {argument.partition("=")[0] for argument in arguments} - {
        "class_names"
    }
    assert generate.section(document, "Returns")
    assert generate.section(document, "Raises")


def test_every_image_format_is_documented():
    said = page("images/index.md") + (read.ROOT / "README.md").read_text(encoding="utf-8")
    assert not [name for name in FORMATS if name.lower() not in said.lower().replace(" ", "")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(read.ROOT)))
def test_a_page_is_up_to_date_and_leads_somewhere(path):
    text = PAGES[path]
    assert generate.regenerated(text) == text, "run make docs"
    assert not read.broken_links(path, text)
    assert not read.strange_shell(text)
    if path.parent == read.ROOT:  # the others speak of the reader's own files
        assert not read.gone_paths(text)
    kinds = {"architecture": generate.ModelSpec, "models": Catalog, "images": Catalog, "accuracy": generate.GateRules}
    assert not read.wrong_toml(text, kinds)


def test_the_layer_rule_is_the_one_that_is_held():
    text = page("../ARCHITECTURE.md")
    said = re.search(r"^    pages >.*?\n\n", text, re.DOTALL | re.MULTILINE)[0]
    order = tuple(tuple(names.split(", ")) for names in " ".join(said.split()).split(" > "))
    assert order == read.order()
    drawn = [label for label in re.findall(r'\["(.*?)(?:<br>.*?)?"\]', text) if label != "..."]
    assert {name for label in drawn for name in re.findall(r"\w+", label)} == {
        name for names in order for name in names
    }


WITH_CODE = [path for path, text in PAGES.items() if read.blocks(text, "python") and path.name != "python-api.md"]


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: str(path.relative_to(read.ROOT)))
def test_the_python_of_a_page_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for body in read.blocks(PAGES[path], "python"):
        compile(body, str(path), "exec")
    names = {"__name__": "documentation"}
    for body in read.runnable(PAGES[path]):
        exec(compile(body, str(path), "exec"), names)


def test_the_headings_of_troubleshooting_are_messages_of_ours():
    assert not read.unknown_messages(page("troubleshooting.md"), read.messages(SOURCES))


def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    subprocess.run(command, cwd=read.ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=True)
    built = [path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html")]
    assert len(built) > 20
    loaded = re.compile(r"""(?:<link[^>]*href|<(?:script|img|iframe)[^>]*src)=["'](?:https?:)?//[^"']+""")
    assert not [found for page in built for found in loaded.findall(page)]


def test_the_site_leads_to_every_page():
    nav = yaml.safe_load((read.ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    listed = re.findall(r"[\w/-]+\.md", str(nav))
    assert sorted(listed) == sorted(
        str(path.relative_to(read.DOCS)) for path in PAGES if path.is_relative_to(read.DOCS)
    )


def test_the_readme_is_short_and_names_every_command():
    text = PAGES[read.ROOT / "README.md"]
    assert len(text.splitlines()) <= 150
    assert not [name for name in get_command(app).commands if f"`{name}`" not in text]


def test_news_fragments_are_well_formed_and_the_change_log_takes_them():
    for path in (read.ROOT / "changes").glob("*"):
        if path.name not in ("README.md", "template.md.jinja"):
            assert not read.wrong_fragment(path, path.read_text(encoding="utf-8"))
    settings = tomllib.loads((read.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    assert tuple(kind["directory"] for kind in settings["type"]) == read.KINDS
    assert settings["start_string"] in PAGES[read.ROOT / "CHANGELOG.md"]


def test_the_citation_names_the_version():
    assert yaml.safe_load((read.ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == wb.__version__
