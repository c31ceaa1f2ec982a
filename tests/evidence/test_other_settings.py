"""Cards under other settings: which there are, that each is asked as if by hand, and how flips are counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.attribution import attribute
from workbench.evidence import Stubbornness, rating, stubbornness
from workbench.evidence.case import Case
from workbench.evidence.other_settings import BY_REMOVAL, JUDGED, OF_ANOTHER_MAP, Trial
from workbench.models import BASELINES

EDGE = 32
PATCH = np.zeros((EDGE, EDGE), bool)
PATCH[18:27, 4:13] = True


class Bright(nn.Module):
    """Class 1 is the brightness of a patch after two convolutions that change nothing, so that layers have maps."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(2, 2, 1)
        self.gate = nn.Parameter(torch.from_numpy(PATCH).float()[None, None] / 10)
        with torch.no_grad():
            self.first.weight.fill_(1 / 27)
            self.second.weight.fill_(0.5)
            self.first.bias.fill_(2.0)
            self.second.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = (self.second(self.first(x).relu()).relu() * self.gate).sum((1, 2, 3))
        return torch.stack([torch.zeros_like(score), score], 1)


@pytest.fixture(scope="module")
def clf() -> wb.Classifier:
    torch.set_num_threads(1)
    return wb.load_classifier(Bright().eval(), size=(EDGE, EDGE), device="cpu")


@pytest.fixture(scope="module")
def image() -> Image.Image:
    """Even light, which a blur leaves as bright as before: only the patch and its like elsewhere are brighter."""
    pixels = np.full((EDGE, EDGE), 90.0) + np.random.default_rng(0).normal(0, 3, (EDGE, EDGE))
    pixels[PATCH] += 70
    return Image.fromarray(np.repeat(pixels.clip(0, 255).astype(np.uint8)[..., None], 3, 2))


@pytest.fixture(scope="module")
def asked(clf: wb.Classifier, image: Image.Image) -> Stubbornness:
    made = attribute(clf, image, "integrated_gradients", 1)
    return stubbornness(clf, clf.input(image), made, tuple(wb.assess(clf, image, made)))


def test_every_other_defensible_setting_is_asked_once(asked: Stubbornness) -> None:
    settings = [(trial.kind, trial.value) for trial in asked.trials]
    assert settings == [
        *(("replacement", name) for name in ("flat", "blur", "elsewhere")),
        *(("draws", "1"), ("draws", "2")),
        *(("baseline", name) for name in BASELINES if name != "mean"),
        ("score", "probability"),
    ]
    assert len({trial.setting for trial in asked.trials}) == len(settings)


@pytest.mark.parametrize(("kind", "value"), [("draws", "1"), ("baseline", "black"), ("score", "probability")])
def test_a_setting_gives_what_a_card_of_its_own_gives(
    kind: str, value: str, asked: Stubbornness, clf: wb.Classifier, image: Image.Image
) -> None:
    (trial,) = (trial for trial in asked.trials if (trial.kind, trial.value) == (kind, value))
    more = {"draws": {}, "baseline": {"baseline": value}, "score": {"score": value}}[kind]
    made = attribute(clf, image, "integrated_gradients", 1, **more)
    checks = JUDGED if kind == "draws" else OF_ANOTHER_MAP
    card = wb.assess(clf, image, made, checks=checks, seed=int(value) if kind == "draws" else 0)
    assert dict(trial.verdicts) == card.verdicts
    if kind != "draws":  # the sum is that of the map in question, and not of the first
        assert trial.word == rating(card).word


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_replacement_alone_is_as_if_there_were_no_other(
    place: int, asked: Stubbornness, clf: wb.Classifier, image: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Case.fills.func  # type: ignore[attr-defined]
    monkeypatch.setattr(Case, "fills", property(lambda case: whole(case)[place : place + 1]))
    card = wb.assess(clf, image, attribute(clf, image, "integrated_gradients", 1), checks=BY_REMOVAL)
    assert dict(asked.trials[place].verdicts) == card.verdicts


def test_maps_of_other_seeds_and_layers_are_made_where_there_are_some(clf: wb.Classifier, image: Image.Image) -> None:
    noisy = attribute(clf, image, "smoothgrad", 1, samples=4, seed=7)
    layered = attribute(clf, image, "grad_cam", 1, layer="first")
    seeds, layers = (
        [(t.kind, t.value) for t in stubbornness(clf, clf.input(image), made, ()).trials] for made in (noisy, layered)
    )
    assert [pair for pair in seeds if pair[0] == "map seed"] == [("map seed", "8"), ("map seed", "9")]
    assert ("layer", "second") in layers
    assert not [pair for pair in layers if pair[0] in ("baseline", "map seed")]


def test_flips_are_counted_where_a_check_answers() -> None:
    made = Stubbornness(
        {"deletion": "holds", "infidelity": "doubtful"},
        "Lean on it",
        (
            Trial("replacement", "flat", {"deletion": "holds", "infidelity": "doubtful"}, "Lean on it", ""),
            Trial("replacement", "blur", {"deletion": "fails", "infidelity": "not applicable"}, "Not known", ""),
            Trial("draws", "1", {"deletion": "doubtful"}, "Lean on it", ""),
            Trial("layer", "a", {}, "", "That layer has no place."),
        ),
    )
    assert made.flips("deletion") == (2, 3)
    assert made.flips("infidelity") == (0, 1)
    assert made.turns == (1, 3)
    assert [row["deletion"] for row in made.rows] == ["holds", "holds", "fails", "doubtful", ""]
    assert made.rows[-1]["no map"] == "That layer has no place."


def test_what_progress_raises_stops_the_work(clf: wb.Classifier, image: Image.Image) -> None:
    class StoppedError(Exception):
        pass

    seen: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 1:
            raise StoppedError

    made = attribute(clf, image, "saliency", 1)
    with pytest.raises(StoppedError):
        stubbornness(clf, clf.input(image), made, (), on_progress=tell)
    assert seen[0] == (0, 6)
    assert seen[-1] == (1, 6)
