"""Cards of models as others make them: the same verdicts whatever the form of the answer, and the true cause where one
cannot be given."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

import workbench as wb
from workbench.attribution import attribute
from workbench.errors import InputError
from workbench.evidence import LEAN, rating, stubbornness

EDGE = 32


class Patch(nn.Module):
    """The brightness of a patch through one convolution and a mask, which are all weights; answered in some form."""

    def __init__(self, form: str = "two", edge: int = EDGE, channels: int = 3, even: bool = False) -> None:
        super().__init__()
        self.form, self.conv = form, nn.Conv2d(channels, 2, 1)
        place = torch.zeros(1, 1, edge, edge)
        place[..., edge // 2 : edge * 3 // 4, edge // 8 : edge * 3 // 8] = 1
        self.mask = nn.Parameter(place if not even else torch.ones_like(place), requires_grad=False)
        with torch.no_grad():
            self.conv.weight.fill_(1 / (2 * channels))
            self.conv.bias.copy_(torch.tensor([2.0, 2.0 if even else 2.1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = (self.conv(x).relu() * self.mask).sum((1, 2, 3)) / self.mask.sum()
        v = 4 * seen - 16.5
        two = torch.stack([-v / 2, v / 2], 1)
        forms = {
            "two": two,
            "softmax": two.softmax(1),
            "one": v[:, None],
            "bare": v,
            "sigmoid": v.sigmoid()[:, None],
            "tiny": two * 1e-5,
            "step": torch.stack([torch.zeros_like(v), (v > 0).to(v)], 1),
            "grain": two * (1 + 0 * _grain(x).sqrt()[:, None]),
            "constant": torch.stack([0 * v + 1, 0 * v - 1], 1),
        }
        return forms[self.form]


def _grain(x: torch.Tensor) -> torch.Tensor:
    """By how much the smoothest 7 x 7 pixels are rougher than a tenth of the roughest, (N,)."""
    rough = functional.avg_pool2d((x[..., 1:] - x[..., :-1]).abs(), 7, 1).flatten(1)
    return rough.amin(1) - rough.amax(1) / 10


def classifier(form: str = "two", edge: int = EDGE, **more: object) -> wb.Classifier:
    torch.set_num_threads(1)
    channels = int(more.pop("channels", 3))  # type: ignore[call-overload]
    dtype = more.pop("dtype", torch.float32)
    model = Patch(form, edge, channels, bool(more.pop("even", False))).to(dtype).eval()  # type: ignore[call-overload]
    grey = {"mean": [0.5], "std": [0.25]} if channels == 1 else {"mean": [0.5] * 3, "std": [0.25] * 3}
    return wb.load_classifier(model, size=(edge, edge), device="cpu", **grey)  # type: ignore[arg-type]


def image(edge: int = EDGE) -> Image.Image:
    """Grey with a little noise, and brighter on the patch."""
    pixels = np.full((edge, edge), 100.0) + np.random.default_rng(0).normal(0, 8, (edge, edge))
    pixels[edge // 2 : edge * 3 // 4, edge // 8 : edge * 3 // 8] += 70
    return Image.fromarray(np.repeat(pixels.clip(0, 255).astype(np.uint8)[..., None], 3, 2))


def carded(clf: wb.Classifier, method: str = "integrated_gradients", edge: int = EDGE) -> wb.Evidence:
    return wb.assess(clf, image(edge), attribute(clf, image(edge), method, 1))


@pytest.fixture(scope="module")
def plain() -> wb.Evidence:
    return carded(classifier("one"))


@pytest.mark.parametrize(
    "more",
    [
        {"form": "one"}, {"form": "bare"}, {"form": "sigmoid"}, {"form": "two"},
        {"form": "one", "channels": 1}, {"form": "one", "dtype": torch.float64},
    ],
    ids=str,
)  # fmt: skip
def test_the_form_of_the_answer_changes_no_verdict(more: dict[str, object], plain: wb.Evidence) -> None:
    """A score of half the size, of one channel for three, or in double precision is the same score."""
    card = carded(classifier(**more))  # type: ignore[arg-type]
    assert card.verdicts == plain.verdicts
    for name in ("deletion", "insertion", "infidelity"):
        assert card[name].value == pytest.approx(plain[name].value, abs=0.02), name
    assert rating(card).word == LEAN


@pytest.mark.parametrize("more", [{"form": "softmax"}, {"edge": 16}, {"form": "one", "dtype": torch.bfloat16}], ids=str)
def test_a_true_map_of_other_forms_and_sizes_fails_nothing(more: dict[str, object]) -> None:
    edge = int(more.get("edge", EDGE))  # type: ignore[call-overload]
    card = carded(classifier(**more), edge=edge)  # type: ignore[arg-type]
    assert "fails" not in card.verdicts.values()
    assert rating(card).holds >= 2
    assert all(f.value is None or np.isfinite(f.value) for f in card)


def test_weights_that_cannot_be_drawn_otherwise_are_no_veto() -> None:
    """Each tensor of one value: drawn from its own mean and spread it stays, and the map with it."""
    card = carded(classifier(even=True), "saliency")
    assert card["randomisation"].verdict == "not applicable"
    assert "one value only" in card["randomisation"].reason


def test_scores_that_move_too_little_are_not_said_to_stand_still() -> None:
    card = carded(classifier("tiny"))
    for name in ("deletion", "insertion"):
        assert card[name].verdict == "fails"
        assert "too little to matter" in card[name].reason
    assert "changes the score too little to matter" in card["infidelity"].reason
    still = carded(classifier("constant"), "occlusion")
    assert "does not change the score" in still["infidelity"].reason
    assert rating(still).word != LEAN


def test_a_score_that_is_no_number_once_covered_is_the_cause_told() -> None:
    """A model that takes the root of how rough an image is answers with NaN where a smooth square is laid on it."""
    card = carded(classifier("grain"), "input_x_gradient")
    for name in ("deletion", "insertion", "infidelity"):
        assert card[name].verdict == "not applicable", name
        assert "not a number" in card[name].reason, name
    assert rating(card).word != LEAN


def test_a_threshold_in_the_model_is_named_or_gives_no_green() -> None:
    clf = classifier("step")
    with pytest.raises(InputError, match="a comparison such as x > 0"):
        attribute(clf, image(), "integrated_gradients", 1)
    card = carded(clf, "occlusion")
    assert rating(card).word != LEAN
    asked = stubbornness(clf, clf.input(image()), attribute(clf, image(), "occlusion", 1), tuple(card))
    assert all(trial.word != LEAN for trial in asked.trials)


def test_segmentation_is_refused_with_its_shape() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x)

    with pytest.raises(InputError, match=r"\(1, 2, 32, 32\)"):
        wb.load_classifier(Dense().eval(), size=(EDGE, EDGE), device="cpu")


def test_a_map_in_other_units_keeps_every_verdict_but_that_on_its_sum(plain: wb.Evidence) -> None:
    """Captum's infidelity without its normalisation grows with the square of the map (captum #613)."""
    clf = classifier("one")
    made = attribute(clf, image(), "integrated_gradients", 1)
    card = wb.assess(clf, image(), dataclasses.replace(made, values=made.values * 100))
    for name in ("deletion", "insertion", "infidelity", "randomisation"):
        assert card[name].value == pytest.approx(plain[name].value, abs=1e-4), name
    assert (plain["completeness"].verdict, card["completeness"].verdict) == ("holds", "fails")
    assert rating(card).word != LEAN
