"""TCAV: a planted concept is found and others are not, chance stays chance, Captum's own figures, and the model left as
it was."""

from __future__ import annotations

import io
import random
import tempfile

import captum.concept
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import t
from sklearn.linear_model import SGDClassifier
from torch import nn

from workbench.images.item import BytesSource, ImageItem
from workbench.models.loading import load_classifier
from workbench.probe import concepts as module
from workbench.probe import directions
from workbench.probe.concepts import tcav
from workbench.stats.rates import mean_of

torch.set_num_threads(1)
SIDE = 20


def image(rng, stripes=False, bars=False, red=False):
    """Noise, perhaps with vertical stripes, horizontal bars or a red tint."""
    values = rng.normal(128, 25, (SIDE, SIDE, 3))
    wave = 45 * np.sign(np.sin(np.arange(SIDE) * 2 * np.pi / 4 + rng.uniform(0, 2 * np.pi)))
    values += wave[None, :, None] * stripes + wave[:, None, None] * bars + np.array([50, -25, -25]) * red
    return values.clip(0, 255).astype(np.uint8)


def item(name, values, label=None):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return ImageItem(name, BytesSource(buffer.getvalue()), label)


def shows(count, seed, **what):
    """Images that all show something, each with anything else by chance."""
    rng = np.random.default_rng(seed)
    some = [{kind: bool(rng.random() < 0.5) for kind in ("bars", "red")} | what for _ in range(count)]
    return [item(f"{seed}-{number}.png", image(rng, **kinds)) for number, kinds in enumerate(some)]


def net():
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 2)]
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3), nn.ReLU(), *pool)


@pytest.fixture(scope="module")
def striped():
    """A net trained to tell images with vertical stripes from others; bars and red tints come with both alike."""
    rng = np.random.default_rng(0)
    kinds = rng.random((400, 3)) < 0.5
    inputs = np.stack([image(rng, *row) for row in kinds]).transpose(0, 3, 1, 2)
    x, y = torch.from_numpy(inputs).float() / 127.5 - 1, torch.from_numpy(kinds[:, 0]).long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = net()
        adam = torch.optim.Adam(model.parameters(), 0.01)
        for step in range(120):
            rows = slice(step % 8 * 50, step % 8 * 50 + 50)
            adam.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            adam.step()
    assert (model(x).argmax(1) == y).float().mean() > 0.97
    model.zero_grad()
    return load_classifier(model, classes=("plain", "striped"), size=(SIDE, SIDE), mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "CONTROLS", 6)


def state(model):
    """All that must not change: weights, modes, what wants gradients, gradients and hooks."""
    modules = list(model.modules())
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in modules]
    values = {name: value.tolist() for name, value in model.state_dict().items()}
    return values, [m.training for m in modules], hooks, [(p.requires_grad, p.grad is None) for p in model.parameters()]


def ask(classifier, concepts=None, **settings):
    """Small tests of stripes, where nothing else is said."""
    concepts = {"stripes": shows(8, 1, stripes=True)} if concepts is None else concepts
    settings = {
        "images": shows(8, 4, stripes=True),
        "target": "striped",
        "background": shows(20, 5),
        "repeats": 2,
    } | settings
    return tcav(classifier, concepts, **settings)


def test_the_planted_concept_is_found_and_no_other(striped):
    """The layer knows red tints just as well, for here they are missing in the background."""
    concepts = {
        "stripes": shows(24, 1, stripes=True),
        "red": shows(24, 2, red=True),
        "nothing": shows(24, 3, red=False),
    }
    known = {"background": shows(80, 5, red=False), "layer": "2", "repeats": 5}
    found = tcav(striped, concepts, shows(20, 4, stripes=True), "striped", **known)
    frame = found.frame.set_index("concept")
    assert frame["verdict"].to_dict() == {
        "stripes": "matters, for the class",
        "red": "no more than chance",
        "nothing": "no more than chance",
    }
    stripes, red, nothing = (frame.loc[concept] for concept in concepts)
    assert (stripes["score"], stripes["low"], stripes["high"]) == pytest.approx((1, 1, 1), abs=0.05)
    assert stripes["p"] <= 0.001
    assert min(red["p"], nothing["p"]) > 0.2
    assert min(stripes["accuracy"], red["accuracy"]) >= 0.95
    assert nothing["accuracy"] < module.KNOWN
    assert stripes["why"] == "It raises the score of striped in 20 of 20, and more steeply than random directions do."
    assert red["why"].endswith("but no more steeply than random directions do.")
    assert nothing["why"].startswith("The layer does not encode it: a separator tells it from other images with ")
    assert (found.layer, found.target, found.images) == ("2", "striped", 20)
    other = tcav(striped, {"stripes": concepts["stripes"]}, shows(20, 6), "plain", **known).frame.iloc[0]
    assert (other["verdict"], other["score"]) == ("matters, against the class", 0)
    assert other["why"] == "It lowers the score of plain in 20 of 20, and more steeply than random directions do."


def test_random_concepts_matter_as_rarely_as_said(striped, monkeypatch):
    """A t-test of repeats against random pairs, as is usual, calls a third of them significant."""
    monkeypatch.setattr(module, "CONTROLS", 10)
    background, images = shows(50, 5), shows(12, 4, stripes=True)
    p = [
        ask(striped, {"x": shows(12, 100 + n)}, images=images, background=background, repeats=2, seed=n)
        .frame["p"]
        .iloc[0]
        for n in range(20)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.1
    assert min(p) < 0.5  # it does not call everything chance either


@pytest.fixture
def watched(monkeypatch):
    """What Captum is given and answers: activations of both sides, the separator's seed, figures."""
    seen, genuine = [], captum.concept.TCAV.interpret

    def spy(self, inputs, sets, **named):
        found = genuine(self, inputs, sets, **named)
        if "activation" in found["0-1"]:
            seen.append(
                ([concept.data_iter[0] for concept in sets[0]], self.classifier._seed, found["0-1"]["activation"])
            )
        return found

    monkeypatch.setattr(captum.concept.TCAV, "interpret", spy)
    return seen


def slowly(classifier, sides, images, seed):
    """Captum's figures from the whole model at its deepest layer, for the inputs of both sides of a separator."""
    concepts = [captum.concept.Concept(n, str(n), [inputs]) for n, inputs in enumerate(sides)]
    with tempfile.TemporaryDirectory() as folder:
        whole = captum.concept.TCAV(
            classifier.model, "4", classifier=directions._Separator(seed), save_path=folder, judged=False
        )
        return whole.interpret(images.clone().requires_grad_(), [concepts], target=1)["0-1"]["4"]


def test_figures_are_captums_on_the_whole_model(striped, quick, watched):
    own, background, images = shows(10, 1, stripes=True), shows(20, 5), shows(9, 4, stripes=True)
    found = ask(striped, {"stripes": own}, images=images, background=background)
    inputs, asked = (torch.stack([striped.prepare(one) for one in items]) for items in (own + background, images))
    values, inner = striped.model[:5](inputs).flatten(1).detach(), striped.model[:5](asked).detach().requires_grad_()
    slopes = torch.autograd.grad(striped.model[5:](inner)[:, 1].sum(), inner)[0].flatten(1).numpy()
    assert (len(watched), found.layer) == (2 + 6, "4")  # the deepest
    for number, (pair, seed, figures) in enumerate(list(watched)):
        rows = [[int((values - value).abs().sum(1).argmin()) for value in side] for side in pair]
        assert len({*rows[0], *rows[1]}) == 20
        assert (
            set(rows[0]) == set(range(10)) if number < 2 else min(rows[0]) >= 10
        )  # random concepts are of the background
        assert min(rows[1]) >= 10
        expected = slowly(striped, [inputs[side] for side in rows], asked, seed)
        assert figures["sign_count"].tolist() == expected["sign_count"].tolist()
        assert figures["magnitude"].tolist() == pytest.approx(expected["magnitude"].tolist(), rel=1e-4)
        fitted = SGDClassifier(alpha=0.01, random_state=seed).fit(torch.cat(pair).numpy(), [0] * 10 + [1] * 10).coef_[0]
        assert float(figures["magnitude"][0]) == pytest.approx(
            float((slopes @ -fitted).mean() / np.linalg.norm(fitted)), rel=1e-3
        )


def test_the_table_is_made_of_captums_figures(striped, quick, watched):
    found = ask(striped)
    line = found.frame.iloc[0]
    steep, shares = (
        np.array([float(figures[kind][0]) for *_, figures in watched]) for kind in ("magnitude", "sign_count")
    )
    assert line["slope"] == pytest.approx(steep[:2].mean())
    assert line["random slope"] == pytest.approx(np.sqrt((steep[2:] ** 2).mean()))
    assert line["p"] == pytest.approx(2 * t.sf(abs(line["slope"]) / line["random slope"], 6))
    assert (line["score"], line["random score"]) == pytest.approx((shares[:2].mean(), shares[2:].mean()))
    assert found.scores["stripes"].tolist() == pytest.approx(shares[:2].tolist())
    assert found.random["stripes"].tolist() == pytest.approx(shares[2:].tolist())


def test_the_interval_is_students_and_p_is_holms(striped, quick):
    concepts = {"x": shows(8, 2, red=True), "stripes": shows(8, 1, stripes=True), "y": shows(8, 3)}
    found = ask(striped, concepts, repeats=4, layer="1")
    for line in found.frame.itertuples():
        rate = mean_of(found.scores[line.concept])
        assert (line.low, line.high) == pytest.approx((max(rate.low, 0), min(rate.high, 1)))
    raw = 2 * t.sf((found.frame["slope"].abs() / found.frame["random slope"]).to_numpy(), 6)
    order, expected, highest = np.argsort(raw), np.zeros(3), 0.0
    for place, number in enumerate(order):
        highest = expected[number] = max(highest, min(1.0, (3 - place) * raw[number]))
    assert found.frame["p"].tolist() == pytest.approx(expected.tolist())
    assert sorted(expected) != pytest.approx(sorted(raw))


def test_the_same_seed_gives_the_same_and_no_global_generator_is_touched(striped, quick):
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    one = ask(striped)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    random.seed(2)
    np.random.seed(2)
    torch.manual_seed(2)
    assert ask(striped).frame.equals(one.frame)
    assert ask(striped, seed=1).frame["slope"].iloc[0] != one.frame["slope"].iloc[0]
    more = ask(striped, {"stripes": shows(8, 1, stripes=True), "later": shows(8, 2)}).frame
    assert more["slope"].iloc[0] == one.frame["slope"].iloc[0]  # a concept that is added changes nothing in the others


@pytest.mark.parametrize("stop", [1, 3, 9])
def test_the_model_is_left_as_it_was_also_when_stopped(striped, quick, stop, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    striped.model.train()
    striped.model[0].weight.requires_grad_(False)
    before, steps = state(striped.model), []
    ask(striped, on_progress=lambda *step: steps.append(step))
    assert state(striped.model) == before
    assert steps == [(0, 44), (8, 44), (24, 44), (28, 44), *((36 + n, 44) for n in range(8)), (44, 44)]

    def halt(done, total):
        if done >= steps[stop][0]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(striped, on_progress=halt)
    assert state(striped.model) == before
    assert list(tmp_path.iterdir()) == []
    striped.model[0].weight.requires_grad_(True)


def test_images_that_cannot_be_read_or_are_the_concepts_own_do_not_count(striped, quick):
    broken, own = ImageItem("broken.png", BytesSource(b"nothing")), shows(12, 1, stripes=True)
    concepts = {"few": [*own[:7], broken], "own": own, "more": [broken, *own[:9]]}
    found = ask(striped, concepts, background=[*own, *shows(17, 5), broken])
    frame = found.frame.set_index("concept")
    assert frame["images"].to_dict() == {"few": 7, "own": 12, "more": 9}
    assert frame["size"].to_dict() == {
        "few": 0,
        "own": 8,
        "more": 9,
    }  # of 17 others half, of 17 and 3 of its own kind all nine
    assert frame.loc["few", "verdict"] == "too few"
    assert frame.loc["few", "why"] == "Only 7 of its images can be read: give 8 or more."
    assert np.isnan(frame.loc["few", "score"])
    assert frame.loc["own", "p"] <= 1
    same = ask(striped, {"own": own}, background=[*own, *shows(15, 5)]).frame.iloc[0]
    assert (same["verdict"], same["why"]) == (
        "too few",
        "Only 15 images of the background are not its own: give 16 or more.",
    )


def test_at_most_so_many_images_are_looked_at(striped, quick, monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 18)
    monkeypatch.setattr(directions, "TRAINED_ON", 8)
    found = ask(striped, {"stripes": shows(20, 1, stripes=True)}, images=shows(19, 4, stripes=True))
    assert (found.images, found.frame["images"].iloc[0], found.frame["size"].iloc[0]) == (18, 18, 8)


def test_what_cannot_be_tested_is_refused(striped, refusal, monkeypatch):
    eight = shows(8, 1)
    assert "There is no concept" in refusal(lambda: ask(striped, {}))
    assert "The concept dots has 7 images" in refusal(lambda: ask(striped, {"dots": eight[:7]}))
    assert "7 images of the class" in refusal(lambda: ask(striped, images=eight[:7]))
    assert "15 background images" in refusal(lambda: ask(striped, background=shows(15, 5)))
    assert "1 repeats" in refusal(lambda: ask(striped, repeats=1))
    assert "no class 'dotted'" in refusal(lambda: ask(striped, target="dotted"))
    assert "no layer 'x'" in refusal(lambda: ask(striped, layer="x"))
    broken = ImageItem("broken.png", BytesSource(b"nothing"))
    assert "Only 7 of the class's images" in refusal(lambda: ask(striped, images=[*eight[:7], broken]))
    monkeypatch.setattr(module, "MOST_ACTIVATIONS", 100)
    assert "choose a later layer" in refusal(lambda: ask(striped))


class Deaf(nn.Module):
    """Its score does not depend on what its only layer gives."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 3)

    def forward(self, x):
        return self.layer(x).mean((2, 3)) * 0 + x.mean((1, 2, 3))[:, None]


def test_a_layer_without_a_slope_is_refused(refusal):
    deaf = load_classifier(Deaf(), classes=("plain", "striped"), size=(SIDE, SIDE))
    assert "does not depend on the layer layer" in refusal(lambda: ask(deaf, layer="layer"))


def test_the_first_of_two_classes_with_one_logit_has_the_opposite_slopes(quick):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = nn.Sequential(*net()[:-1], nn.Linear(12, 1))
    single = load_classifier(model, classes=("plain", "striped"), size=(SIDE, SIDE))
    plain, striped = ask(single, target="plain").frame.iloc[0], ask(single, target="striped").frame.iloc[0]
    assert plain["slope"] == pytest.approx(-striped["slope"])
    assert plain["slope"] != 0
