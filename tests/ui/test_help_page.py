"""The documentation in the app: every page of docs/ is a topic, each stands without markers, images or dead links, and
"What does this mean?" leads there."""

import re
from urllib.parse import parse_qs

import pytest

from workbench.catalog import home
from workbench.ui import help

TOPICS = sorted(p.relative_to(home() / "docs").with_suffix("").as_posix() for p in (home() / "docs").rglob("*.md"))
HOSTILE = (
    "../README",
    "/etc/passwd",
    "index.md",
    "models",
    "",
    "x" * 10_000,
    "![x](http://a) $7*7$ :material/bolt:",
    "\0",
)


@pytest.fixture(scope="module")
def shown(page_class):
    """What each topic looks like, as Markdown."""
    at = page_class(home() / "workbench" / "app.py", default_timeout=240)
    at.switch_page("../pages/help.py")
    texts = {}
    for topic in TOPICS:
        at.query_params["topic"] = topic
        at.query_params["model"] = "everyday"
        at.run().sound("Help")
        assert at.selectbox(key="topic").value == topic
        assert not at.info
        (texts[topic],) = [element.value for element in at.main.markdown]
    return texts


def without_code(text):
    return re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.DOTALL | re.MULTILINE)


def test_every_page_of_the_documentation_is_a_topic_in_the_contents():
    assert len(TOPICS) > 20
    assert sorted(help.contents()) == TOPICS
    assert len({(section, help.title(topic)) for topic, section in help.contents().items()}) == len(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_stands_below_the_title_without_markers_or_images(shown, topic):
    text = without_code(shown[topic])
    assert shown[topic].partition("\n")[0].replace("`", "") == f"## {help.title(topic)}"
    assert not re.search(r"^# |^---$", text, re.MULTILINE)
    assert not re.search(r"<!--|<br>|<[a-z]+ |!\[|\$", text)


@pytest.mark.parametrize("topic", TOPICS)
def test_links_of_a_topic_lead_to_topics_and_keep_the_model(shown, topic):
    for target in re.findall(r"\]\(([^)]+)\)", without_code(shown[topic])):
        if not target.startswith(("#", "https://")):
            query = parse_qs(target.partition("#")[0].removeprefix("?"), strict_parsing=True)
            assert query["topic"][0] in TOPICS
            assert query["model"] == ["everyday"]


def test_a_link_within_the_documentation_keeps_its_heading(shown):
    assert "(?model=everyday&topic=models%2Findex)" in shown["python-api"]
    assert "topic=methods#which-method-suits-which-model)" in shown["troubleshooting"]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: name[:12])
def test_a_topic_that_is_not_there_is_told_in_a_sentence(visit, name):
    at = visit("help", topic=name).sound("Help")
    assert at.said() == ["There is no help on the topic that this link asks for: choose another one."]
    assert at.selectbox(key="topic").value == "index"
    assert at.selectbox(key="topic").select("bias").run().sound("Help").query_params["topic"] == "bias"
    assert not at.info


@pytest.mark.parametrize("page", ["overview", "explain", "bias"])
def test_what_does_this_mean_leads_to_the_topic_of_its_page(visit, page):
    at = visit(page, **({"method": "saliency"} if page == "explain" else {})).sound()
    more = {link.proto.label: link.proto for link in at.get("page_link") if link.proto.label.startswith("More: ")}
    topic = parse_qs(more[f"More: {help.title(page)}"].query_string.lstrip("?"))["topic"]
    assert topic == [page]
    if page == "explain":
        assert "topic=methods" in more["More: Methods and checks"].query_string


def test_subjects_with_a_topic_of_their_own_exist():
    for subject, topic in help.SUBJECTS.items():
        assert (home() / "assets" / "help" / f"{subject}.md").exists()
        assert topic in TOPICS
