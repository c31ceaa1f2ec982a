"""The card on planted cases: a model that looks at a known patch, its true maps, and maps that are wrong in a known
way."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import nn

from workbench.attribution.engine import attribute
from workbench.evidence.card import assess
from workbench.evidence.finding import advantage, limit
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
EDGE = 128
PATCH = np.s_[80:107, 16:43]
MASK = np.zeros((EDGE, EDGE), bool)
MASK[PATCH] = True
IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (EDGE, EDGE, 3), dtype=np.uint8))
TRUE = ("saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "occlusion")
JUDGED = {"deletion", "insertion", "randomisation", "sensitivity", "relevance_mass", "relevance_rank", "pointing"}


class Reads(nn.Module):
    """Class 1 is the brightness or the edges on the patch: a fixed filter, rectified, summed there and nowhere else."""

    def __init__(self, what):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.gate = nn.Parameter(torch.from_numpy(MASK).float()[None, None] / 100)
        across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
        filters = {"edges": [across, -across, across.T, -across.T], "brightness": [torch.full((3, 3), 1 / 9)] * 4}
        with torch.no_grad():
            self.conv.weight.copy_(torch.stack(filters[what])[:, None].expand(4, 3, 3, 3))
            self.conv.bias.fill_(3.0 if what == "brightness" else 0.0)

    def forward(self, x):
        score = (self.conv(x).relu() * self.gate).sum((1, 2, 3))
        return torch.stack([torch.zeros_like(score), score], 1)


def smooth_image():
    """A soft ground, with stripes and light on the patch, and as much of both elsewhere."""
    ground = gaussian_filter(np.random.default_rng(1).normal(size=(EDGE, EDGE)), 8)
    ground = 110 + 12 * ground / ground.std()
    for place in (PATCH, np.s_[20:47, 70:97]):
        ground[place] += 40 + 30 * np.sign(np.sin(np.arange(27) * 1.5))
    return Image.fromarray(np.repeat(ground.clip(0, 255).astype(np.uint8)[..., None], 3, 2))


@pytest.mark.parametrize("what", ["brightness", "edges"])
@pytest.mark.parametrize("method", ["integrated_gradients", "saliency", "occlusion"])
def test_a_map_on_the_patch_is_not_blamed_for_what_the_model_reads_there(what, method):
    """A blurred patch is as bright as before, and pixels that are removed one by one make edges."""
    net, image = wrap(Reads(what)), smooth_image()
    right = attribute(net, image, method, 1)
    inside = right.ranking.clip(0)[MASK].sum() / right.ranking.clip(0).sum()
    assert inside > 0.6
    card = assess(net, image, right, checks=["deletion", "insertion", "infidelity"])
    assert card["deletion"].verdict == "holds"
    assert "fails" not in card.verdicts.values()
    moved = assess(net, image, with_values(right, np.roll(right.values, (-60, 54), (1, 2))), checks=["deletion"])
    assert moved["deletion"].verdict == "fails"


def test_a_map_off_the_patch_does_not_rank_above_one_on_it():
    """Where the gate follows the last convolution, Grad-CAM spreads over places that the score does not depend on."""
    net, image = wrap(Reads("edges")), smooth_image()
    made = {"integrated_gradients": {}, "grad_cam": {"layer": "conv"}}
    maps = [attribute(net, image, name, 1, **more) for name, more in made.items()]
    wide = with_values(maps[1], np.roll(maps[1].values, (-60, 54), (1, 2)))
    names = ["deletion", "insertion", "infidelity"]
    fails = [list(assess(net, image, m, checks=names).verdicts.values()).count("fails") for m in (maps[0], wide)]
    assert fails[0] == 0 < fails[1]


class OnPatch(nn.Module):
    """Class 1 is a sum over the patch of rectified colour features; its last weights are zero everywhere else."""

    def __init__(self, seed=0, patch=True):
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.conv = nn.Conv2d(3, 4, 1)
        self.head = nn.Linear(4 * EDGE * EDGE, 2)
        with torch.no_grad():
            self.conv.weight.copy_(torch.randn(4, 3, 1, 1, generator=rng))
            self.conv.bias.zero_()
            weights = torch.zeros(2, 4, EDGE, EDGE)
            where = PATCH if patch else np.s_[:, :]
            weights[1, :, *where] = (0.5 + torch.rand(weights[1, :, *where].shape, generator=rng)) / 100
            self.head.weight.copy_(weights.flatten(1))
            self.head.bias.zero_()

    def forward(self, x):
        return self.head(self.conv(x).relu().flatten(1))


def wrap(model):
    return load_classifier(model.eval(), size=(EDGE, EDGE), device="cpu")


@pytest.fixture(scope="module")
def clf():
    return wrap(OnPatch())


@pytest.fixture(scope="module")
def true_map(clf):
    return attribute(clf, IMAGE, "integrated_gradients", 1)


def with_values(attribution, values):
    return dataclasses.replace(
        attribution, values=np.ascontiguousarray(np.broadcast_to(values, attribution.values.shape), np.float32)
    )


@pytest.mark.parametrize("method", TRUE)
def test_the_true_map_holds_everywhere(clf, method):
    card = assess(clf, IMAGE, attribute(clf, IMAGE, method, 1), MASK, budget="full")
    verdicts = {finding.name: finding.verdict for finding in card if finding.verdict != "not applicable"}
    signed = set() if method in ("saliency", "smoothgrad") else {"infidelity"}
    promised = {"integrated_gradients": {"completeness"}, "smoothgrad": {"repeatability"}}.get(method, set())
    expected = JUDGED | signed | promised
    assert verdicts == dict.fromkeys(expected, "holds"), card.verdicts


def test_the_true_map_holds_at_a_glance(clf, true_map):
    card = assess(clf, IMAGE, true_map, MASK)
    assert {f.verdict for f in card} == {"holds", "not applicable"}
    assert card["deletion"].value > 0.3
    assert card["relevance_mass"].value == pytest.approx(1, abs=1e-3)
    assert card["infidelity"].value == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_map_fails(clf, true_map, seed):
    noise = np.random.default_rng(seed).normal(size=true_map.values.shape) * true_map.values.std()
    card = assess(clf, IMAGE, with_values(true_map, noise), MASK, budget="full", seed=seed)
    failed = {name for name, verdict in card.verdicts.items() if verdict == "fails"}
    assert failed >= {
        "completeness",
        "randomisation",
        "relevance_mass",
        "relevance_rank",
        "pointing",
    }
    assert {name for name, verdict in card.verdicts.items() if verdict == "holds"} <= {"deletion", "insertion"}


def test_random_maps_of_coarse_blocks_hold_no_oftener_than_chance(clf, true_map):
    """Such a map lies on the patch by luck now and then, so that pixel noise would be beaten far more often than once
    in twenty."""
    held = 0
    for seed in range(20):
        blocks = np.kron(np.random.default_rng(seed).normal(size=(8, 8)), np.ones((16, 16)))
        card = assess(clf, IMAGE, with_values(true_map, blocks), MASK, seed=seed, checks=["deletion"])
        held += card["deletion"].verdict == "holds"
    assert held <= 3


def test_a_map_beside_the_patch_fails(clf, true_map):
    moved = np.roll(true_map.values, (-30, 30), axis=(1, 2))
    card = assess(clf, IMAGE, with_values(true_map, moved), MASK, budget="full")
    assert card["completeness"].verdict == "holds", "the sum knows nothing of places"
    for name in ("randomisation", "pointing"):
        assert card[name].verdict == "fails"
    for name in ("deletion", "insertion", "relevance_mass", "relevance_rank"):
        assert card[name].verdict in ("fails", "doubtful")
    for name in ("relevance_mass", "relevance_rank"):
        assert card[name].value < 0.05
    for name in ("deletion", "insertion"):
        assert card[name].low < 0, "some random order does as well"


def test_the_map_of_another_model_fails(clf):
    """A map of the same net with random weights, passed off as this one's."""
    card = assess(
        clf, IMAGE, attribute(wrap(OnPatch(seed=7, patch=False)), IMAGE, "integrated_gradients", 1), MASK, budget="full"
    )
    assert card["randomisation"].verdict == "fails"
    assert card["completeness"].verdict == "fails", "the sum is that of the other model's score"
    assert card["sensitivity"].verdict == "not applicable", "nothing can be said of a map that the model does not give"
    assert card["relevance_mass"].verdict == "fails"


def edges():
    """The size of the image's own gradient: an edge detector, (1, H, W)."""
    down, across = np.gradient(np.asarray(IMAGE.convert("L"), np.float32))
    return np.hypot(down, across)[None]


def test_an_edge_detector_passed_off_as_an_attribution_fails_randomisation(clf):
    card = assess(clf, IMAGE, with_values(attribute(clf, IMAGE, "saliency", 1), edges()), checks=["randomisation"])
    finding = card["randomisation"]
    assert finding.verdict == "fails"
    assert "another map" in finding.reason


def test_a_method_that_ignores_the_weights_fails_randomisation(clf, monkeypatch):
    """The harder case: the method itself is an edge detector, so that it gives the same map again on any weights."""
    from workbench.attribution import engine
    from workbench.attribution.job import Implementation

    blind = Implementation(lambda job: torch.from_numpy(edges())[None].expand_as(job.x) + 0 * job.forward(job.x).sum())
    monkeypatch.setattr(engine, "IMPLEMENTATIONS", engine.IMPLEMENTATIONS | {"saliency": blind})
    finding = assess(clf, IMAGE, attribute(clf, IMAGE, "saliency", 1), checks=["randomisation"])["randomisation"]
    assert (finding.verdict, finding.value) == ("fails", pytest.approx(1))
    np.testing.assert_allclose(finding.curves["grid"], 1)


def test_the_randomised_net_is_held_against_by_layers(clf, true_map):
    """The head alone holds the place of the patch: the map is gone as soon as that is drawn anew."""
    curves = assess(clf, IMAGE, true_map, checks=["randomisation"])["randomisation"].curves
    assert curves["layers"].tolist() == [0, 1, 2]
    assert curves["pixels"][0] == 1
    assert (np.abs(curves["pixels"][1:]) < 0.2).all()


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "holds"), (1.03, "doubtful"), (1.2, "fails"), (-1.0, "fails")])
def test_a_broken_completeness_is_found(clf, true_map, factor, verdict):
    """Although the map carries the delta of when it was made."""
    finding = assess(clf, IMAGE, with_values(true_map, true_map.values * factor), checks=["completeness"])[
        "completeness"
    ]
    assert finding.verdict == verdict
    assert finding.value == pytest.approx(abs(factor - 1), abs=0.005)


def test_a_map_of_the_opposite_sign_foretells_nothing(clf, true_map):
    """Captum's normalisation alone would turn it round and call it perfect."""
    card = assess(clf, IMAGE, with_values(true_map, -true_map.values), checks=["infidelity"], budget="full")
    assert card["infidelity"].verdict == "fails"
    assert card["infidelity"].value == pytest.approx(2, abs=0.01)


def small_net(seed):
    torch.manual_seed(seed)
    layers = (
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 64, 2),
    )
    return load_classifier(nn.Sequential(*layers).eval(), size=(16, 16), device="cpu")


def test_chance_seldom_holds():
    """At most about one random map in twenty, fine-grained or in blocks, seems better than random to deletion or
    insertion."""
    held = cases = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        image = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        clf = small_net(seed)
        fine = rng.normal(size=(3, 16, 16))
        values = fine if seed % 2 else np.kron(fine[:, :4, :4], np.ones((4, 4)))
        fake = with_values(attribute(clf, image, "saliency", 1), values)
        fake = dataclasses.replace(fake, method="input_x_gradient")
        card = assess(clf, image, fake, checks=["deletion", "insertion"], seed=seed)
        held += sum(verdict == "holds" for verdict in card.verdicts.values())
        cases += len(card)
    assert cases == 80
    assert held <= 5


def test_a_map_of_a_score_that_rests_on_nothing_fails(clf, true_map):
    net = OnPatch()
    with torch.no_grad():
        net.head.weight.zero_()
    card = assess(wrap(net), IMAGE, true_map, checks=["deletion", "insertion"])
    assert set(card.verdicts.values()) == {"fails"}
    assert "rests on no place" in card["deletion"].reason


def test_ties_are_dealt_in_areas_and_not_in_specks():
    """Neighbours of a map that is zero but for a patch stand next to each other, as in the random orders."""
    from workbench.evidence.removal import order_of

    values = np.where(MASK, 1.0, 0.0)
    order = order_of(values, np.random.default_rng(0))
    assert sorted(order.ravel()) == list(range(order.size))
    assert order[MASK].max() == MASK.sum() - 1
    late = order >= order.size // 2
    assert (late[:, 1:] == late[:, :-1]).mean() > 0.9


def test_the_random_orders_are_as_smooth_as_the_map():
    """Held by the correlation of neighbours: of pixel noise it is none, of blocks it is high, and so it is of their
    opponents."""
    from workbench.evidence.removal import alike

    rng = np.random.default_rng(0)
    fine = rng.normal(size=(64, 64))
    for values in (fine, np.kron(fine[:8, :8], np.ones((8, 8)))):
        found = [np.corrcoef(a[:, 1:].ravel(), a[:, :-1].ravel())[0, 1] for a in (values, alike(values, rng))]
        assert found[1] == pytest.approx(found[0], abs=0.1)


GAINS = {  # value, low, top: verdict, where chance is 0 and 0.1 is worth having
    (0.5, 0.2, 0.6): "holds",
    (0.5, 0.0, 0.6): "doubtful",
    (0.5, -0.2, 0.6): "doubtful",
    (0.05, 0.02, 0.12): "doubtful",
    (0.05, 0.02, 0.08): "fails",
    (-0.3, -0.5, -0.1): "fails",
}


@pytest.mark.parametrize("case", GAINS)
def test_a_gain_holds_above_luck_and_fails_below_use(case):
    value, low, top = case
    assert advantage(value, low=low, top=top, chance=0.0, useful=0.1) == GAINS[case]


@pytest.mark.parametrize(
    ("interval", "verdict"), [((0, 1), "holds"), ((0, 1.1), "doubtful"), ((1.9, 3), "doubtful"), ((2.1, 3), "fails")]
)
def test_a_loss_holds_up_to_what_is_good_and_fails_above_what_is_bad(interval, verdict):
    assert limit(interval, 1, 2) == verdict


class AllOrNothing(nn.Module):
    """Class 1 is sure as soon as a quarter of the patch is bright, like a saturated transformer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)
        self.gate = nn.Parameter(torch.from_numpy(MASK).float()[None, None])
        with torch.no_grad():
            self.conv.weight.fill_(1 / 3)
            self.conv.bias.zero_()

    def forward(self, x):
        share = ((self.conv(x) > 0.6) * self.gate).sum((1, 2, 3)) / self.gate.sum()
        score = 5 * (4 * share).clamp(max=1) + 0 * self.conv(x).sum((1, 2, 3))
        return torch.stack([torch.zeros_like(score), score], 1)


def test_a_map_whose_places_suffice_does_not_fail_because_none_of_them_is_needed():
    """Most of the patch marked, the rest last of all: the score stays until that last scrap is gone."""
    pixels = np.full((EDGE, EDGE), 60, np.uint8)
    pixels[MASK] = 230
    net, image = wrap(AllOrNothing()), Image.fromarray(np.repeat(pixels[..., None], 3, 2))
    most, scrap = MASK.copy(), MASK.copy()
    most[:, 33:43] = False
    scrap &= ~most
    values = np.where(most, 1.0, np.where(scrap, -9.0, 0.0))[None]
    right = with_values(attribute(net, image, "occlusion", 1), values)
    card = assess(net, image, right, checks=["deletion", "insertion"])
    assert card["insertion"].verdict == "holds"
    assert card["deletion"].verdict == "doubtful"
    assert card["deletion"].low < 0
    assert "others may do so too" in card["deletion"].reason
    assert assess(net, image, right, checks=["deletion"])["deletion"] == card["deletion"], "whatever else is asked"
    moved = assess(net, image, with_values(right, np.roll(values, (-60, 54), (1, 2))), checks=["deletion", "insertion"])
    assert "fails" in moved.verdicts.values()
    assert "holds" not in moved.verdicts.values()


def test_removed_regions_are_replaced_by_what_an_image_file_can_hold(true_map, clf):
    """Between whole grey levels a model that was built to deceive is another one."""
    from workbench.evidence.case import BUDGETS, Case, Meter

    case = Case(clf, clf.input(IMAGE), true_map, None, (), BUDGETS["quick"], 0, Meter([0], None))
    prep = clf.preprocessing
    for fill, raw in zip(case.whole_fills, case.fills, strict=True):
        levels = (fill.values[0].numpy() * np.array(prep.std)[:, None, None] + np.array(prep.mean)[:, None, None]) * 255
        np.testing.assert_allclose(levels, levels.round(), atol=1e-3)
        np.testing.assert_allclose(fill.values, raw.values, atol=0.51 / 255 / min(prep.std))


def test_a_score_that_moves_less_than_any_decision_rests_on_no_place(clf, true_map):
    net = OnPatch()
    with torch.no_grad():
        net.head.weight.mul_(2e-5)
    card = assess(wrap(net), IMAGE, true_map, checks=["deletion", "insertion"])
    assert set(card.verdicts.values()) == {"fails"}


def test_a_map_that_hardly_foretells_more_than_a_uniform_one_fails(clf, true_map):
    """Noise beside the patch; and the same map on the patch, whose forecasts are right."""
    moved = np.roll(true_map.values, (-40, 40), axis=(1, 2))
    wrong, right = (
        assess(clf, IMAGE, with_values(true_map, values), checks=["infidelity"], budget="full")["infidelity"]
        for values in (moved, true_map.values)
    )
    assert (wrong.verdict, right.verdict) == ("fails", "holds")
    assert wrong.low > 0.85 * wrong.chance
