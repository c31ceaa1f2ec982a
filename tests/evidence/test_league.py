"""The league of methods: held against plain loops, and against networks that read one place alone."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

import workbench as wb
from workbench.errors import InputError
from workbench.evidence import League, league, league_result, league_rows, league_sentence, standings
from workbench.evidence.contest import SHARES_SHOWN, bout
from workbench.evidence.entrants import entrants_of
from workbench.evidence.league_null import _nearness, by_chance, by_random_weights
from workbench.evidence.league_order import REDRAWN
from workbench.images import BytesSource, ImageItem, ImageSet
from workbench.models import Classifier, predict

EDGE, PLACE = 32, slice(4, 12)
CHEAP = ("saliency", "input_x_gradient", "integrated_gradients")


class Reader(nn.Module):
    """Logits (N, 2): how bright one square is, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.zeros(1, 3, EDGE, EDGE)
        weight[:, :, PLACE, PLACE] = 0.05
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        score = (x * self.weight).sum((1, 2, 3))
        return torch.stack([torch.zeros_like(score), score], 1)


class Elsewhere(Reader):
    """The same, with a gradient that points away from the square: its term is zero on images of whole grey levels."""

    def forward(self, x: Tensor) -> Tensor:
        turns = 2 * torch.pi * 255 * (x.double() * 0.25 + 0.5)
        term = torch.sin(turns)[:, :, 20:, 20:].sum((1, 2, 3)) / 100
        logits = super().forward(x)
        return torch.stack([logits[:, 0], logits[:, 1] + term.to(x.dtype)], 1)


def classifier_of(model: nn.Module) -> Classifier:
    return wb.load_classifier(
        model.eval(), class_names=["dark", "bright"], size=(EDGE, EDGE), mean=[0.5] * 3, std=[0.25] * 3, device="cpu"
    )


def drawn(number: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(number)
    pixels = rng.integers(90, 166, (EDGE, EDGE, 3))
    pixels[PLACE, PLACE] += 40 if number % 2 else -40
    return pixels.astype(np.uint8)


def planted(count: int = 24) -> ImageSet:
    items = []
    for number in range(count):
        buffer = io.BytesIO()
        Image.fromarray(drawn(number)).save(buffer, "PNG")
        label = "bright" if number % 2 else "dark"
        items.append(ImageItem(f"{number:02}.png", BytesSource(buffer.getvalue()), label=label, split="test"))
    return ImageSet("planted", tuple(items))


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return planted()


@pytest.fixture(scope="module")
def held(images: ImageSet) -> League:
    classifier = classifier_of(Reader())
    answers = predict(classifier, images)
    return league(classifier, images, answers, target="bright", methods=(*CHEAP, "occlusion"), many=16)


def test_a_bout_equals_a_plain_loop(images: ImageSet) -> None:
    classifier, item = classifier_of(Reader()), images.items[1]
    made = wb.attribute(classifier, item, "integrated_gradients", 1)
    result = bout(classifier, classifier.input(item), made, 7)
    x = torch.from_numpy(drawn(1)).permute(2, 0, 1).float()[None] / 255 * 4 - 2
    fill = x.mean((2, 3), keepdim=True).expand_as(x)
    weight = torch.zeros(EDGE, EDGE)
    weight[PLACE, PLACE] = 0.05
    from workbench.evidence.removal import regions

    ranks = np.argsort(np.argsort(-regions(made.heatmap()).ravel(), kind="stable")).reshape(EDGE, EDGE)
    for level, most, least in zip(SHARES_SHOWN, result.most[0, 0], result.least[0, 0], strict=True):
        cut = round(EDGE * EDGE * level)
        for kept, score in ((ranks < cut, most), (ranks >= EDGE * EDGE - cut, least)):
            shown = torch.where(torch.from_numpy(kept), x, fill)
            assert score == pytest.approx(float((shown[0] * weight).sum()), abs=1e-4)
    assert result.turns
    assert result.ends[0] == pytest.approx(float((x[0] * weight).sum()), abs=1e-4)


def test_a_constant_map_leads_by_nothing(images: ImageSet) -> None:
    classifier, item = classifier_of(Reader()), images.items[1]
    made = wb.attribute(classifier, item, "saliency", 1)
    flat = dataclasses.replace(made, values=np.ones_like(made.values))
    assert bout(classifier, classifier.input(item), flat, 0).leads[0].tolist() == [0, 0, 0]


def test_the_method_that_shows_the_place_wins(held: League) -> None:
    table = standings(held)
    assert table.outcome == "best"
    assert table.best is not None
    assert table.best.entrant.method in ("integrated_gradients", "input_x_gradient")
    assert table.best.lead.value is not None
    assert table.best.lead.value > 0.3
    assert table.decisions == 16
    assert held.split
    assert held.by_chance == pytest.approx(0.001)
    assert held.by_random == pytest.approx(0.05)
    behind = {row.entrant.title for row in table.rows if row.told_apart}
    assert "Saliency" in behind, "it marks the place on dark images, too, where it speaks against the class"
    assert "of 6 tried: the places" in league_sentence(held, table)
    assert league_result(held, table).verdict == "ok"


def test_where_gradients_point_elsewhere_occlusion_wins(images: ImageSet) -> None:
    classifier = classifier_of(Elsewhere())
    answers = predict(classifier, images)
    result = league(classifier, images, answers, target="bright", methods=(*CHEAP[:2], "occlusion"), many=16)
    table = standings(result)
    assert table.best is not None
    assert table.best.entrant.method == "occlusion"
    assert {row.entrant.method for row in table.rows if row.told_apart} >= {"saliency", "input_x_gradient"}


def test_a_model_that_looks_nowhere_has_no_method(images: ImageSet) -> None:
    model = Reader()
    nn.init.zeros_(model.weight)
    classifier = classifier_of(model)
    result = league(classifier, images, predict(classifier, images), target="bright", methods=CHEAP, many=16)
    table = standings(result)
    assert table.outcome == "nothing to explain"
    assert table.best is None
    assert (result.frame["lead"] == 0).all()
    assert not result.frame["turns"].any()
    assert "0 of 16 decisions turn" in league_sentence(result, table)
    assert league_result(result, table).verdict == "warn"


def test_stopped_work_goes_on(images: ImageSet, held: League, tmp_path: Path) -> None:
    classifier = classifier_of(Reader())
    answers, calls = predict(classifier, images), []

    def stop(done: int, total: int) -> None:
        calls.append((done, total))
        if done == 40:
            raise KeyboardInterrupt

    asked = {"target": "bright", "methods": (*CHEAP, "occlusion"), "many": 16, "folder": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        league(classifier, images, answers, **asked, on_progress=stop)  # type: ignore[arg-type]
    assert len(list(tmp_path.iterdir())) == 40
    assert calls[-1] == (40, 96 + REDRAWN)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    result = league(classifier, images, answers, **asked)  # type: ignore[arg-type]
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    same = ["name", "entrant", "lead", "chance", "passes", "turns", "error"]
    assert result.frame[same].equals(held.frame[same])


def test_each_map_is_kept_under_all_that_it_depends_on(images: ImageSet, tmp_path: Path) -> None:
    classifier = classifier_of(Reader())
    for target, some in (("bright", images), ("dark", images), ("bright", planted(20))):
        answers = predict(classifier, some)
        league(classifier, some, answers, target=target, methods=("expected_gradients",), many=1, folder=tmp_path)
    league(
        classifier, images, predict(classifier, images), target="bright", methods=("saliency",), many=1, folder=tmp_path
    )
    other = classifier_of(Elsewhere())
    league(other, images, predict(other, images), target="bright", methods=("saliency",), many=1, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("kind", ["map", "league round"])
def test_another_version_of_the_maps_is_held_anew(images: ImageSet, tmp_path: Path, monkeypatch, kind) -> None:
    from workbench.files import keys

    classifier = classifier_of(Reader())
    answers = predict(classifier, images)
    for version in (1, 2):
        newer = {**keys.KINDS, kind: dataclasses.replace(keys.KINDS[kind], version=90 + version)}
        monkeypatch.setattr(keys, "KINDS", newer)
        monkeypatch.setattr("workbench.evidence.league_run.KINDS", newer)
        league(classifier, images, answers, target="bright", methods=("saliency",), many=1, folder=tmp_path)
        assert len(list(tmp_path.iterdir())) == version


def test_who_enters() -> None:
    classifier = classifier_of(Reader())
    names = {entrant.method for entrant in entrants_of(classifier)}
    assert "lime" not in names
    assert "expected_gradients" not in names
    assert "kernel_shap" not in names
    assert "anomaly_map" not in names
    assert {entrant.title for entrant in entrants_of(classifier, ["occlusion", "lime"])} == {
        "Occlusion",
        "Occlusion (window 0.25)",
        "LIME",
    }
    with pytest.raises(InputError, match="no method 'guess'"):
        entrants_of(classifier, ["guess"])


def test_a_method_that_refuses_is_named_and_not_ranked(images: ImageSet) -> None:
    classifier = classifier_of(Reader())
    answers = predict(classifier, images)
    result = league(classifier, images, answers, target="bright", methods=("saliency", "attention_rollout"), many=12)
    table = standings(result)
    assert [row.entrant.method for row in table.rows] == ["saliency"]
    assert table.incomplete["Attention rollout"].startswith("no map of 12 of 12 decisions: Attention rollout does not")
    rows = league_rows(result, table)
    assert rows.set_index("method").loc["attention_rollout", "not_ranked"].startswith("no map")
    assert rows.set_index("method").loc["lime", "not_ranked"] == "did not enter"


def test_a_score_that_is_no_number_ranks_nobody(images: ImageSet) -> None:
    class Standardised(Reader):
        """Divides by the contrast of the image, which one colour has none of."""

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) / (x.amax((2, 3)) - x.amin((2, 3))).sum(1)[:, None]

    classifier = classifier_of(Standardised())
    result = league(classifier, images, predict(classifier, images), target="bright", methods=("saliency",), many=12)
    table = standings(result)
    assert (table.outcome, table.rows) == ("too few", ())
    assert "12 of 12 decisions: the model's score is not a number" in table.incomplete["Saliency"]


def test_whether_decisions_have_to_do_with_the_labels() -> None:
    import pandas as pd

    def frame(labels: list[str | None], called: list[str]) -> pd.DataFrame:
        return pd.DataFrame({"label": labels, "predicted": called, "error": None})

    right = ["a", "b"] * 20
    assert by_chance(frame(right, right)) == 0.001
    assert by_chance(frame(right, ["a"] * 40)) == 1.0
    assert by_chance(frame(["a"] * 40, right)) is None
    rng = np.random.default_rng(0)
    some = [by_chance(frame(right, rng.permutation(right).tolist())) or 0 for _ in range(40)]
    assert sum(p <= 0.05 for p in some) <= 6
    assert max(some) > 0.5
    units = frame(right, right).assign(group=["one"] * 20 + ["two"] * 20)
    assert (by_chance(units) or 0) < 0.05, "labels that differ within a unit are dealt within it"


class Pooled(nn.Module):
    """Logits (N, 2) of the mean brightness alone, which tells these images apart with any weight of the right sign."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.layer.weight, weight)

    def forward(self, x: Tensor) -> Tensor:
        score = self.layer(x[:, :, PLACE, PLACE].mean((1, 2, 3))[:, None])
        return torch.cat([torch.zeros_like(score), score], 1)


def test_a_model_is_held_against_copies_with_random_weights(images: ImageSet) -> None:
    """One weight is drawn around itself with a spread as large: copies with a larger one are nearer to the labels;
    asked again one copy after the other."""
    from workbench.evidence.stability import redraw

    classifier = classifier_of(Pooled(1.0))
    before = {name: values.clone() for name, values in classifier.model.state_dict().items()}
    told: list[tuple[int, int]] = []
    found = by_random_weights(classifier, images, predict(classifier, images), lambda *at: told.append(at))
    assert told == [(done, REDRAWN) for done in range(REDRAWN)]

    def brier(model: nn.Module) -> float:
        frame = predict(classifier_of(model), images).frame
        wrong = [row.confidence if row.label != row.predicted else 1 - row.confidence for row in frame.itertuples()]
        return 2 * sum(share**2 for share in wrong) / len(wrong)

    rng, as_good = torch.Generator().manual_seed(0), 0
    for _ in range(REDRAWN):
        copy = Pooled(1.0)
        redraw([copy.layer], rng)
        as_good += brier(copy) <= brier(Pooled(1.0))
    assert 4 < as_good < 15
    assert found == pytest.approx((1 + as_good) / (1 + REDRAWN))
    assert all(torch.equal(values, before[name]) for name, values in classifier.model.state_dict().items())


def test_a_model_of_random_weights_is_seldom_told_from_its_copies(images: ImageSet) -> None:
    found = []
    for seed in range(20):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * EDGE**2, 8), nn.Tanh(), nn.Linear(8, 2))
        classifier = classifier_of(model)
        found.append(by_random_weights(classifier, images, predict(classifier, images)) or 0)
    assert sum(p <= 0.05 for p in found) <= 4, "5 % of 20 are more than 4 once in 390 times"


def test_classes_count_alike_however_many_images_they_have() -> None:
    probabilities = np.array([[1.0, 0], [1, 0], [1, 0], [0.5, 0.5]])
    assert _nearness([0, 0, 0, 1], probabilities) == -0.25
    assert _nearness([1, 1, 1, 1], probabilities) == -(3 * 2 + 0.5) / 4


def test_what_cannot_be_held_against_copies(images: ImageSet) -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3))[:, :2]

    classifier = classifier_of(Fixed())
    assert by_random_weights(classifier, images, predict(classifier, images)) is None
    reader = classifier_of(Reader())
    part = dataclasses.replace(images, items=images.items[1:2] + images.items[5:])
    assert by_random_weights(reader, part, predict(reader, images)) == pytest.approx(1 / (1 + REDRAWN))
    one = ImageSet("one", tuple(item for item in images if item.label == "bright"))
    assert by_random_weights(reader, one, predict(reader, one)) is None
    lost = classifier_of(Pooled(1.0))
    answers = predict(lost, images)
    nn.init.constant_(lost.model.layer.weight, torch.inf)
    assert by_random_weights(lost, images, answers) == pytest.approx(1 / (1 + REDRAWN)), "no copy answers in numbers"
