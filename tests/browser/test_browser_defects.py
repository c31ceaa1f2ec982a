"""The whole journey of a quality engineer in a real browser: choose, drag, look into an escape, overrule it, verify,
export."""

import csv
import io
import json
import re

import pytest
from browsing import SLOW
from playwright.sync_api import expect

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
OWN_SERVER = True


def number(text, pattern):
    return float(re.search(pattern, text).group(1).replace(",", ""))


def test_from_a_ceiling_to_a_record_that_holds(visitor):
    view = visitor()
    page = view.open("/defects?model=solar-cells-random").page
    page.get_by_role("radio", name="Escape ceiling").click()
    view.settled()
    chosen = number(page.get_by_text("Parts with a score of").inner_text(), r"score of ([\d.]+)")
    expect(page.get_by_text("Chosen on the validation split")).to_be_visible()
    assert view.query()["choose"] == ["escape"]
    dragged = drag(view, to=0.4)
    assert dragged == pytest.approx(0.4, abs=0.01)
    assert abs(dragged - chosen) > 0.1
    assert view.query()["choose"] == ["hand"]

    page.get_by_role("radio", name="Decisions").click()
    view.settled()
    expect(view.current('img[alt^="Regions of "]')).to_have_count(1, timeout=SLOW)
    assert number(page.get_by_text("Parts with a score of").inner_text(), r"score of ([\d.]+)") == dragged
    escape = view.query()["image"][0]
    expect(
        page.get_by_role("heading", name=re.compile(r"^Passed \(score .*, though it is labelled defective"))
    ).to_be_visible()
    page.keyboard.press("n")
    view.settled()
    assert view.query()["image"][0] != escape
    page.keyboard.press("p")
    view.settled()
    assert view.query()["image"][0] == escape
    overrule(view, "Quinn", "A crack runs through the busbar.")

    page.get_by_role("link", name="Journal").click()
    view.settled()
    expect(page.get_by_text("Sound: 1 entry")).to_be_visible()
    name, data = view.download("Journal (CSV)")
    row = next(csv.DictReader(io.StringIO(data.decode())))
    assert (name, row["user"], row["image_name"], row["overruled"]) == ("journal.csv", "Quinn", escape, "defective")
    assert float(row["threshold"]) == pytest.approx(dragged, abs=5e-5)
    _, chain = view.download("Journal with its chain (JSON)")
    assert json.loads(chain)["entries"][0]["hash"] == page.locator("[data-testid=stCode]").inner_text().strip()


def drag(view, to):
    """Drag the threshold to a place of the histogram; the threshold that the page then speaks of."""
    expect(view.page.locator('svg[role="slider"]')).to_have_attribute("aria-valuenow", re.compile(r"\d"))
    view.page.locator('svg[role="slider"]').scroll_into_view_if_needed()
    box = view.page.locator('svg[role="slider"]').bounding_box()
    at = float(view.page.locator('svg[role="slider"]').get_attribute("aria-valuenow"))
    middle = box["y"] + box["height"] / 2
    view.page.mouse.move(box["x"] + at * box["width"], middle)
    view.page.mouse.down()
    view.page.mouse.move(box["x"] + (at + to) / 2 * box["width"], middle)
    view.page.mouse.move(box["x"] + to * box["width"], middle)
    readout = view.page.locator(".readout").inner_text()
    view.page.mouse.up()
    view.settled()
    assert readout == view.page.locator(".readout").inner_text()
    escapes = number(readout, r"Test split: ([\d,]+) of")
    assert (
        view.page.locator('[data-testid="stTable"] tr', has_text="escapes").locator("td").last.inner_text()
        == f"{escapes:.0f}"
    )
    return number(view.page.get_by_text("Parts with a score of").inner_text(), r"score of ([\d.]+)")


def name_oneself(view, who):
    view.page.get_by_label("Your name").fill(who)
    view.page.keyboard.press("Enter")
    expect(view.page.get_by_text(f"Deciding as {who}")).to_be_visible()
    view.settled()


def overrule(view, who, why):
    image = view.query()["image"][0]
    name_oneself(view, who)
    view.page.get_by_role("button", name="Overrule").click()
    view.page.get_by_label("Or in your own words").fill(why)
    view.page.get_by_role("button", name="Save").click()
    expect(view.page.get_by_text(f"Entry 1 recorded: {image}")).to_be_visible()
    view.settled()
    expect(view.page.get_by_role("radio", name="Overruled (1)")).to_be_visible()


PAIRS = """() => {
  window.pairs = new Set();
  const look = () => {
    const place = document.querySelector(".st-key-work-place");
    const image = place?.querySelector("img")?.alt.replace("Regions of ", ""), heading = place?.querySelector("h2");
    if (image && heading) window.pairs.add(JSON.stringify([image, heading.innerText]));
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
HOLD = """() => new Promise(done => {
  const press = () => document.body.dispatchEvent(
    new KeyboardEvent("keydown", {key: "a", code: "KeyA", keyCode: 65, which: 65, bubbles: true}));
  const held = setInterval(press, 30);
  setTimeout(() => { clearInterval(held); done(); }, 2500);
})"""


@pytest.mark.journey
def test_three_decisions_by_keys_alone_without_a_scroll(visitor):
    """The queue as a reviewer works through it: at most nine keys, all in sight, each entry as it was decided, and no
    verdict ever beside another image than its own."""
    view = visitor(viewport={"width": 1440, "height": 900}).open("/defects?view=decisions&queue=escapes")
    page, decided, verdicts, keys = view.page, [], [], 0
    name_oneself(view, "Quinn")
    page.evaluate(PAIRS)
    for strokes, person in ((["a"], None), (["o", "1"], "defective"), (["o", "2"], "defective")):
        expect(page.get_by_role("button", name="Agree")).to_be_in_viewport(ratio=1)
        expect(page.locator(".st-key-work-place img")).to_be_in_viewport(ratio=1)
        expect(page.locator(".st-key-work-place h2")).to_be_in_viewport(ratio=1)
        decided.append((view.query()["image"][0], person))
        verdicts.append((decided[-1][0], page.locator(HEADING).inner_text()))
        for stroke in strokes:
            if stroke.isdigit():
                expect(page.get_by_role("button", name="The defect is visible.")).to_be_in_viewport(ratio=1)
            page.keyboard.press(stroke)
            keys += 1
        expect(page.get_by_text(re.compile(rf"Entry \d+ recorded: {decided[-1][0]}"))).to_be_visible()
        view.settled()
    assert keys <= 9
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop + scrollY") == 0
    verdicts.append((view.query()["image"][0], page.locator(HEADING).inner_text()))
    assert (
        set(verdicts[1:]) <= {tuple(json.loads(pair)) for pair in page.evaluate("[...window.pairs]")} <= set(verdicts)
    )

    view.open("/journal")
    _, data = view.download("Journal (CSV)")
    rows = list(csv.DictReader(io.StringIO(data.decode())))[-3:]
    assert [(row["image_name"], row["overruled"] or None) for row in rows] == decided
    assert {(row["user"], row["verdict"]) for row in rows} == {("Quinn", "pass")}
    assert [row["reason"] for row in rows] == [
        "", "The defect is visible.", "The defect is faint, but it is there.",
    ]  # fmt: skip


@pytest.mark.slow  # counts on a machine that keeps pace with a held key
def test_a_key_that_is_held_decides_one_image(visitor):
    view = visitor().open("/defects?view=decisions&queue=near")
    name_oneself(view, "Quinn")
    view.page.wait_for_timeout(500)
    view.page.evaluate(HOLD)
    view.settled()
    expect(view.page.get_by_text(re.compile("Near the threshold: [12] of .*, 1 decided"))).to_be_visible()


HEADING = ".st-key-work-place h2"
SLIDER = 'svg[role="slider"]'


def threshold(view):
    """The threshold that the page speaks of."""
    return number(view.page.get_by_text("Parts with a score of").inner_text(), r"score of ([\d.]+)")


@pytest.mark.journey
def test_the_threshold_is_moved_by_keys(visitor):
    view = visitor().open("/defects?choose=hand&threshold=0.4")
    slider = view.page.locator(SLIDER)
    slider.focus()
    for keys, to in (
        (["ArrowRight"] * 3, 0.403),
        (["ArrowLeft", "ArrowDown"], 0.401),
        (["ArrowUp", "Shift+ArrowRight"], 0.412),
        (["PageDown", "PageDown"], 0.392),
        (["Shift+PageUp"], 0.492),
        (["End", "ArrowRight"], 1.0),
        (["ArrowLeft"], 0.999),
        (["Home", "ArrowLeft"], 0.0),
    ):
        for key in keys:
            view.page.keyboard.press(key)
        assert float(slider.get_attribute("aria-valuenow")) == pytest.approx(to)
        expect(view.page.get_by_text(f"Parts with a score of {to:.4f} or more")).to_be_visible()
        view.settled()
        assert float(slider.get_attribute("aria-valuenow")) == pytest.approx(to), (
            "the answer left the line where it was put"
        )
    assert view.query()["threshold"] == ["0.0"]
    assert slider.evaluate("svg => svg.getRootNode().activeElement === svg"), "the next key goes on from here"


@pytest.mark.journey
def test_a_line_that_is_held_is_not_torn_away_by_an_answer(visitor):
    view = visitor().open("/defects?choose=hand&threshold=0.4")
    expect(view.page.locator(SLIDER)).to_have_attribute("aria-valuenow", re.compile(r"\d"))
    box = view.page.locator(SLIDER).bounding_box()
    middle = box["y"] + box["height"] / 2
    view.page.mouse.move(box["x"] + 0.4 * box["width"], middle)
    view.page.mouse.down()
    view.page.mouse.move(box["x"] + 0.6 * box["width"], middle)
    view.page.mouse.up()
    view.page.mouse.down()  # before the page has followed
    expect(view.page.get_by_text(re.compile("with a score of 0.6"))).to_be_visible()
    view.settled()
    view.page.mouse.move(box["x"] + 0.8 * box["width"], middle)
    assert float(view.page.locator(SLIDER).get_attribute("aria-valuenow")) == pytest.approx(0.8, abs=0.005)
    view.page.mouse.up()
    expect(view.page.get_by_text(re.compile(r"with a score of 0\.(79|80)"))).to_be_visible()


@pytest.mark.journey
def test_the_line_counts_what_the_table_counts(visitor):
    """The readout follows in the browser, the table comes from the app; also between two places of the line."""
    view = visitor().open("/defects?choose=cost&axis=odds")
    for way in ("Lowest cost", "Escape ceiling", "Overkill ceiling", "The model's own"):
        view.page.get_by_role("radio", name=way).click()
        view.settled()
        cells = view.page.locator('[data-testid="stTable"]').first.locator("tr")
        for row, pattern in (
            ("escapes", r"([\d,]+) of [\d,]+ defects escape"),
            ("overkill", r"([\d,]+) of [\d,]+ good parts rejected"),
        ):
            shown = cells.filter(has=view.page.get_by_text(row, exact=True)).locator("td").all_inner_texts()
            assert re.findall(pattern, view.page.locator(".readout").inner_text()) == shown[-2:]


@pytest.mark.journey
def test_a_link_restores_what_was_looked_at(visitor):
    settings = (
        "choose=hand&threshold=0.3&review=90&view=decisions&queue=near&on=validation&map=layer_cam&layer=map&fill=mean"
    )
    costs = "escape_cost=25.0&overkill_cost=2.0&prior=1.5"
    view = visitor().open(f"/defects?{settings}&{costs}")
    expect(view.current('img[alt^="LayerCAM of "]')).to_have_count(1, timeout=SLOW)
    view.page.get_by_role("button", name="Next", exact=False).first.click()
    view.settled()
    address, sentence = view.page.url, view.page.locator(HEADING).inner_text()
    other = visitor().open(address)
    expect(other.page.locator(HEADING)).to_have_text(sentence, timeout=SLOW)
    other.page.get_by_role("button", name="Change the rule").click()
    assert other.settled().query() == view.query()
    expect(other.page.get_by_text("the threshold in the band is 0.3000")).to_be_visible()
    for key, shown in (("map", "by LayerCAM"), ("review", "90 %"), ("on", "Validation split")):
        expect(other.page.locator(f".st-key-{key} input")).to_have_value(shown)
    other.page.get_by_role("radio", name="Threshold", exact=True).click()
    other.settled()
    for key, shown in (("escape_cost", "25.00"), ("overkill_cost", "2.00"), ("prior", "1.5")):
        expect(other.page.locator(f".st-key-{key} input")).to_have_value(shown)
    share = other.page.locator(".st-key-prior input")
    share.fill("")
    share.press("Enter")
    other.settled()
    expect(share).to_have_value("")
    expect(other.page.get_by_text("a line with the same share of defects as these images")).to_be_visible()
    assert "prior" not in other.query()
    share.fill("0")
    share.press("Enter")
    other.settled()
    assert "prior" not in other.query(), "none at all is no share that a cost can be reckoned for"


@pytest.mark.journey
def test_letters_that_are_typed_turn_no_page(visitor):
    view = visitor().open("/defects?view=decisions")
    name_oneself(view, "Noa")
    shown = view.query()["image"]
    view.page.get_by_label("Note (optional)").click()
    view.page.keyboard.type("no panel, pinned on a map, 1 of 2")
    view.settled()
    assert view.query()["image"] == shown
    expect(view.page.get_by_label("Note (optional)")).to_have_value("no panel, pinned on a map, 1 of 2")


@pytest.mark.journey
def test_two_visitors_see_what_the_other_wrote(visitor):
    one, other = visitor(), visitor()
    for view, who in ((one, "Ada"), (other, "Ben")):
        name_oneself(view.open("/defects?view=decisions&queue=overkill"), who)
    image = one.query()["image"]
    assert image == other.query()["image"]
    for view in (one, other):
        view.page.keyboard.press("a")
        expect(view.page.get_by_text(re.compile(r"Entry \d+ recorded"))).to_be_visible()
        view.settled()
    one.page.keyboard.press("p")
    expect(one.page.get_by_text(re.compile(r"Entry \d+, .* Ben: reject"))).to_be_visible(timeout=SLOW)
    one.open("/journal")
    expect(one.page.get_by_text(re.compile(r"Sound: \d+ entries"))).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [pytest.param("light", 1440, marks=pytest.mark.journey), ("dark", 400)])
def test_the_pages_fit_every_screen(visitor, scheme, width):
    view = visitor(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for address in (
        "/defects?review=95&axis=odds",
        "/defects?view=decisions&map=grad_cam&review=90",
        "/defects?view=masks",
        "/journal",
    ):
        view.open(address)
        wide = view.page.evaluate(
            "[document.documentElement, document.querySelector('[data-testid=stMain]')].map(e => [e.scrollWidth,"
            " e.clientWidth])"
        )
        assert all(scroll <= client for scroll, client in wide), f"{address} scrolls sideways: {wide}"
    view.open("/defects")
    box = view.page.locator(".value").bounding_box()
    assert box["height"] > 11, "the threshold is large enough to read"
    ink = view.page.locator(SLIDER).evaluate("svg => getComputedStyle(svg.querySelector('.tick')).fill")
    ground = view.page.locator('[data-testid="stApp"]').evaluate("app => getComputedStyle(app).backgroundColor")
    light = [sum(map(float, re.findall(r"[\d.]+", colour)[:3])) > 382 for colour in (ink, ground)]
    assert light == ([False, True] if scheme == "light" else [True, False])
