"""What the Bias page says of what a model goes by: found with its proof, not proven, cleared with its power, or not
looked for."""

import dataclasses
import functools
import re

import numpy as np
import pytest
from bias_page import headline
from one_cue import CORNER

from workbench.cues import Cue, Finding, Followed, Search, Transplant, Turned, Unsearched, error_words
from workbench.cues.transplant_store import Past
from workbench.stats import mean_of, share
from workbench.ui import cache
from workbench.ui.bias import shortcuts

pytest_plugins = ["one_cue"]
METAL = {"model": "metal-shortcut", "set": "stamped-metal"}
CLASSES = ("good", "scratch", "pit", "stain", "dent")


@pytest.fixture
def visit(visit):
    return functools.partial(visit, "bias", **METAL)


def turned(flips, decoys, count=40):
    """What an edit does to `count` scratched parts that pass as good: so many are called scratch then."""
    import pandas as pd

    own, decoy = (np.arange(count) < number for number in (flips, decoys))
    columns = {
        "name": [f"{i}.png" for i in range(count)],
        "label": "scratch",
        "called": "good",
        "turned": own.astype(float),
        "decoy": decoy.astype(float),
        "to": np.where(own, "scratch", "good"),
        "decoy to": np.where(decoy, "scratch", "good"),
        "unit": np.arange(count),
        "masked": True,
    }
    return Turned(pd.DataFrame(columns), share(own), share(decoy), mean_of(own * 1.0 - decoy), 0.001)


def finding(verdict, name="blur", target="scratch", put=None, taken=None, **cue):
    images = tuple(np.full((20, 20, 3), value, np.uint8) for value in (60, 200))
    facts = {"carriers": ("images/0005.png",), "crop": images[1], **cue}
    made = Cue(cue.pop("kind", "property"), name, target, Past(), **{k: v for k, v in facts.items() if k != "kind"})
    return Finding(Transplant(made, put, taken, *images), 0.004, verdict)


def made(*findings, power=0.97, unsearched=(), classes=("good", "scratch"), followed=()):
    return Search(tuple(findings), classes, ("place",), tuple(unsearched), 150, power, CLASSES, tuple(followed))


@pytest.fixture
def shown(visit, monkeypatch):
    """The page on a search of one's own."""

    def opened(search, **address):
        monkeypatch.setattr(shortcuts, "known", lambda scope: search)
        return fine(visit(**address))

    return opened


def fine(at):
    """A page without a fault: what is red on it is a finding."""
    assert not at.exception
    assert all("Shortcut" in e.value or "Relies on" in e.value for e in at.error), at.said()
    return at


def texts(at):
    return at.unescaped("\n".join(e.value for kind in (at.markdown, at.caption, at.subheader) for e in kind))


def test_the_planted_cue_is_found_by_the_button_and_shown_with_its_proof(visit, one_cue):
    at = visit().sound()
    assert "Shortcuts:** not looked for yet." in headline(at)
    fine(at.button(key="search shortcuts").click().run())
    first = headline(at).splitlines()[0]
    assert f"Shortcut found:** the model calls an image “scratch” by {CORNER}: " in first
    told = re.search(
        r"taking it from images that are called so turns (\d+) % \(\d+ to \d+\) of the decisions,"
        r" a decoy (\d+) % \(\d+ to \d+\), in (\d+) images",
        first,
    )
    flips, decoy, count = map(int, told.groups())
    assert flips > decoy
    assert count >= 20
    assert [e.value for e in at.error if f"by {CORNER}" in at.unescaped(e.value)], "red, and with the claim"
    assert not at.success
    text = texts(at)
    assert f"“scratch” by {CORNER}" in text
    assert re.search(r"Of \d+ good images that were tried, .* are rejected as they are, .* with it put on", text)
    assert "Images that carry it" in text
    assert error_words() in text
    links = [e for e in at.get("page_link") if "sure" in e.value and "image=" in e.proto.query_string]
    assert len(links) >= 10
    assert "chance, had it been proposed" in text
    assert "Not looked for: the class “stain”" in text
    fine(next(b for b in at.button if b.label == "Fit the last layer anew").click().run())
    fitted = next(d.value for d in at.dataframe if d.value.columns[0] == "decided by").set_index("decided by")
    assert fitted.index[0] == "the model"
    assert fitted.index[2] == "last layer fitted on labels with and without the cue alike"
    words = re.search(r"fitted anew on (\d+) images", texts(at))
    assert words
    assert int(words[1]) > 300
    cache.shelf.clear()
    at = visit()
    assert headline(at).splitlines()[0] == first, "it stands after a restart"
    assert words[0] in texts(at), "and so does the last layer"


def test_a_link_starts_the_search_and_one_for_another_model_does_not(visit, one_cue):
    at = fine(visit(shortcuts="on"))
    assert f"by {CORNER}" in headline(at)
    at = visit(model="metal-sound").sound()
    assert "not looked for yet" in headline(at)


def test_green_only_where_a_cue_would_have_been_proven(shown):
    clear = finding("clear", put=turned(1, 1))
    missing = Unsearched("the class “pit”", "It needs 20 images.")
    at = shown(made(clear, unsearched=[missing]))
    (green,) = at.success
    assert "none proven, 1 cues of 2 classes tried in 150 images" in green.value
    assert "proven with 97 % chance, had it been proposed" in green.value
    assert "Not looked for: the class “pit”" in at.unescaped(green.value)
    for other in (made(clear, power=0.79), made(finding("looks", put=turned(20, 18))), made(classes=(), power=None)):
        at = shown(other)
        assert not at.success
        assert not at.error
        assert any("Shortcuts" in e.value for e in at.info)
    at = shown(made(clear, power=0.41))
    assert any("the images are too few" in e.value and "41 % chance" in e.value for e in at.info)


def test_where_no_cue_was_proposed_that_is_said_and_nothing_is_cleared(shown):
    at = shown(made(power=None))
    assert not at.success
    assert any("no cue was proposed in 150 images, so none was tried" in e.value for e in at.info)
    frame = next(d.value for d in at.dataframe if d.value.columns[0] == "class").set_index("class")
    assert frame["verdict"][["good", "stain"]].tolist() == ["No cue proposed", "Not looked for"]


def test_a_class_that_is_decided_without_its_defect_is_not_cleared(shown):
    """Though no cue is accused, and the power is high."""
    import pandas as pd

    stayed, patched = share(np.arange(40) < 30), share(np.arange(40) < 2)
    line = Followed("scratch", stayed, patched, stayed, pd.DataFrame())
    at = shown(made(finding("clear", put=turned(1, 1)), followed=[line]))
    assert not at.success
    (told,) = [e.value for e in at.warning]
    assert "Not explained" in told
    assert "75 % (60 to 86) of 40 images called “scratch” still are with their defect patched away" in at.unescaped(
        told
    )
    frame = next(d.value for d in at.dataframe if d.value.columns[0] == "class").set_index("class")
    assert frame["verdict"]["scratch"] == "Not explained"
    assert frame["called so without its defect"]["scratch"] == "75 % (60 to 86)"


def test_each_class_has_its_verdict_and_none_is_left_out(shown):
    at = shown(
        made(
            finding("leans", put=turned(30, 2)),
            finding("clear", target="good", put=turned(1, 1)),
            finding("looks", target="pit", put=turned(20, 18)),
            classes=("good", "scratch", "pit"),
        )
    )
    frame = next(d.value for d in at.dataframe if d.value.columns[0] == "class")
    assert frame.set_index("class")["verdict"].to_dict() == {
        "good": "None proven",
        "scratch": "Relies on a cue",
        "pit": "Not proven",
        "stain": "Not looked for",
        "dent": "Not looked for",
    }
    tried = next(d.value for d in at.dataframe if d.value.columns[0] == "cue")
    assert tried["put on turns"].tolist() == ["75 % (60 to 86), decoy 5 % (1 to 17)", *tried["put on turns"][1:]]
    assert len(tried) == 3


def test_what_a_cue_costs_is_counted_at_the_threshold(shown):
    to_good = turned(30, 2)
    frame = to_good.frame.assign(called="scratch", to=np.where(to_good.frame["turned"] == 1, "good", "scratch"))
    frame["decoy to"] = np.where(frame["decoy"] == 1, "good", "scratch")
    put = dataclasses.replace(to_good, frame=frame)
    text = texts(shown(made(finding("shortcut", target="good", put=put))))
    low, high = (100 * getattr(share(np.arange(40) < 30), end) for end in ("low", "high"))
    assert (
        f"Of 40 defective images that were tried, 0 % (0 to 9) pass as they are, 75 % ({low:.0f} to {high:.0f}) with it"
        " put on, 5 % (1 to 17) with a decoy." in text
    )
    frame = frame.assign(label="a class that the model does not know")
    at = shown(made(finding("shortcut", target="good", put=dataclasses.replace(put, frame=frame))))
    assert "not known, for the images that were tried have no labels" in texts(at)


def test_a_link_restores_the_cue_that_is_shown(shown):
    search = made(finding("shortcut", put=turned(30, 2)), finding("shortcut", name="haze", put=turned(28, 1)))
    assert [e.value for e in shown(search).subheader if "by" in e.value] == ["“scratch” by blur"]
    at = shown(search, cue="scratch: haze")
    assert [e.value for e in at.subheader if "by" in e.value] == ["“scratch” by haze"]


def test_a_cue_without_a_mask_asks_a_person_and_levels_have_their_unit(shown):
    at = shown(made(finding("leans", put=turned(30, 2), level=(60.0, 91.5), unit="quality of JPEG")))
    text = texts(at)
    assert "someone who knows the part must say whether this belongs to “scratch”" in text
    assert "60 in images called “scratch”, 91.5 in the others (quality of JPEG)" in text
    assert "Too few images, or units of them, could be edited to say: 0" in text


def test_a_concept_is_shown_by_its_crops_with_what_hangs_on_it_and_no_accusation(shown):
    plain = finding("looks", name="what it sees", kind="concept", put=turned(30, 2))
    tried = dataclasses.replace(plain.transplant, suppressed=turned(24, 1))
    search = dataclasses.replace(made(dataclasses.replace(plain, transplant=tried)), kinds=("concept",))
    at = shown(search)
    words = (
        "“scratch”: 60 % (45 to 74) of its decisions turn without it there, 2 % (0 to 13) without others of the same"
    )
    assert f"{words} energy. In the image: not proven." in texts(at)
    assert not at.error
    none = texts(shown(dataclasses.replace(search, findings=())))
    assert "On none of the directions that matter most to a class do 20 % of its explored decisions hang" in none


def test_the_maps_of_classes_are_made_below(visit):
    at = visit(maps="saliency").sound()
    next(button for button in at.button if button.label == "Make the mean maps").click().run().sound()
    assert any("images**" in c.value or " images" in c.value for c in at.caption)
    assert [e for e in at.get("image") if any("mean map of scratch" in i.alt for i in e.proto.imgs)]
