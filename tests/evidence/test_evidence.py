"""The card's own promises: figures equal to their formulas, the same for a seed, in chunks, stoppable, and the model
left as it was."""

import dataclasses

import numpy as np
import pytest
import torch
from captum.metrics import infidelity
from examined import IMAGE, MASK, PIXELS, SIZE, Fuse, make, png, state
from torch import nn

import workbench as wb
from workbench.attribution.engine import attribute
from workbench.attribution.job import CHUNK
from workbench.errors import InputError
from workbench.evidence.card import CHECKS, assess, examine
from workbench.evidence.case import pooled, strength
from workbench.evidence.finding import Finding
from workbench.evidence.location import agreement
from workbench.evidence.reliance import Evidence
from workbench.evidence.stability import redraw
from workbench.images.item import ImageItem
from workbench.models.loading import load_classifier
from workbench.stats.ranks import spearman

torch.set_num_threads(1)


MASK[5:15, 10:30] = True


@pytest.fixture
def clf():
    return make()


def plain(card):
    return [(f.name, f.verdict, f.value, f.low, f.high, f.chance, f.reason) for f in card]


def test_the_public_names_lead_here(clf):
    att = wb.attribute(clf, IMAGE, "saliency", "b")
    card = wb.assess(clf, IMAGE, att, mask=MASK)
    assert isinstance(card, wb.Evidence)
    assert list(card.verdicts) == list(CHECKS)
    assert (card.method, card.target, card.classifier, card.budget, card.seed) == ("saliency", 1, clf.key, "quick", 0)
    assert len(card) == len(CHECKS) == len(list(card))


def test_every_finding_says_what_it_found_what_that_means_and_where_it_comes_from(clf):
    card = assess(clf, IMAGE, attribute(clf, IMAGE, "smoothgrad", 1, samples=4), MASK)
    for finding in card:
        assert isinstance(finding, Finding)
        assert finding.reason.endswith((".", ".)"))
        assert finding.meaning.endswith(".")
        assert any(str(year) in finding.source for year in range(2016, 2026))
        if finding.verdict != "not applicable":
            assert any(c.isdigit() for c in finding.reason), "a verdict without its figure"
            assert finding.value is not None
            assert finding.meaning == CHECKS[finding.name].meaning[finding.verdict]
    assert {"holds", "doubtful", "fails"} == set.intersection(
        *(set(c.meaning) for c in CHECKS.values() if c.name != "sparsity")
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        card["deletion"].verdict = "holds"


@pytest.mark.parametrize("method", ["saliency", "smoothgrad", "integrated_gradients", "grad_cam", "occlusion"])
def test_a_seed_gives_the_same_card_bit_for_bit_and_another_seed_another(clf, method):
    settings = {"smoothgrad": {"samples": 6, "seed": 3}, "grad_cam": {"layer": "3"}, "occlusion": {"window": 0.5}}.get(
        method, {}
    )
    att = attribute(clf, IMAGE, method, 1, **settings)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = assess(clf, IMAGE, att, MASK, seed=4)
    assert torch.equal(torch.get_rng_state(), before), "the global generator is nobody's to move"
    torch.manual_seed(6)
    again = assess(clf, IMAGE, att, MASK, seed=4)
    assert plain(first) == plain(again)
    for one, other in zip(first, again, strict=True):
        assert (one.curves is None) == (other.curves is None)
        for name in one.curves or {}:
            np.testing.assert_array_equal(one.curves[name], other.curves[name])
    assert plain(first) != plain(assess(clf, IMAGE, att, MASK, seed=5))


def test_a_check_finds_the_same_alone_and_among_others(clf):
    att = attribute(clf, IMAGE, "integrated_gradients", 1)
    card = assess(clf, IMAGE, att, MASK)
    for name in CHECKS:
        alone = assess(clf, IMAGE, att, MASK, checks=[name])
        assert plain(alone) == [row for row in plain(card) if row[0] == name]


@pytest.mark.parametrize("budget", ["quick", "full"])
def test_never_more_than_a_chunk_at_once(clf, budget):
    att = attribute(clf, IMAGE, "integrated_gradients", 1, n_steps=11)
    Fuse.batches.clear()
    card = assess(clf, IMAGE, att, MASK, budget=budget)
    assert max(Fuse.batches) <= CHUNK
    assert card["deletion"].curves["map"].shape == ((13,) if budget == "quick" else (21,))
    assert sum(Fuse.batches) < (500 if budget == "quick" else 1500)


def test_the_model_is_left_as_it_was(clf):
    before = state(clf.model)
    assess(clf, IMAGE, attribute(clf, IMAGE, "grad_cam", 1, layer="1"), MASK)
    assert state(clf.model) == before


@pytest.mark.parametrize(
    "check", [c for c in CHECKS if c not in ("sparsity", "relevance_mass", "relevance_rank", "pointing")]
)
def test_stopping_leaves_the_model_as_it_was(clf, check):
    class Stopped(BaseException):
        pass

    def stop(done, total):
        if done >= min(2, total):
            raise Stopped

    att = attribute(clf, IMAGE, "smoothgrad", 1, samples=20)
    ig = attribute(clf, IMAGE, "integrated_gradients", 1)
    before = state(clf.model)
    Fuse.batches.clear()
    with pytest.raises(Stopped):
        assess(clf, IMAGE, ig if check == "completeness" else att, checks=[check], on_progress=stop)
    assert state(clf.model) == before
    assert sum(Fuse.batches) <= 6 * CHUNK, "it went on for long"
    assert clf.lock.acquire(blocking=False)
    clf.lock.release()


def test_progress_begins_at_nothing_grows_and_ends_at_all(clf):
    calls = []
    assess(
        clf,
        IMAGE,
        attribute(clf, IMAGE, "smoothgrad", 1),
        MASK,
        on_progress=lambda done, total: calls.append((done, total)),
    )
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert len({total for _, total in calls}) == 1
    assert (done[0], done[-1]) == (0, calls[0][1])
    assert len(set(done)) > 20


def test_findings_come_one_by_one_and_cost_nothing_before_they_are_asked_for(clf):
    att = attribute(clf, IMAGE, "saliency", 1)
    Fuse.batches.clear()
    findings = examine(clf, IMAGE, att, MASK)
    assert Fuse.batches == []
    assert next(findings).name == "completeness"
    assert next(findings).name == "deletion"
    asked = len(Fuse.batches)
    assert clf.lock.acquire(blocking=False), "nothing is held between two findings"
    clf.lock.release()
    findings.close()
    assert len(Fuse.batches) == asked


def test_what_does_not_apply_says_why(clf):
    given = attribute(clf, IMAGE, "integrated_gradients", 1, baseline=np.zeros((3, *SIZE), np.float32))
    cards = {
        "saliency": assess(clf, IMAGE, attribute(clf, IMAGE, "saliency", 1)),
        "smoothgrad": assess(clf, IMAGE, attribute(clf, IMAGE, "smoothgrad", 1, samples=4), checks=["infidelity"]),
        "given": assess(clf, IMAGE, given),
    }
    expected = {
        ("saliency", "completeness"): "does not promise",
        ("saliency", "repeatability"): "is deterministic",
        ("saliency", "infidelity"): "no sign",
        ("smoothgrad", "infidelity"): "reacts to a small change",
        ("saliency", "relevance_mass"): "no mask",
        ("saliency", "pointing"): "no mask",
        ("given", "randomisation"): "was given as an array",
        ("given", "sensitivity"): "was given as an array",
    }
    for (card, name), says in expected.items():
        assert cards[card][name].verdict == "not applicable"
        assert says in cards[card][name].reason
    assert cards["given"]["completeness"].verdict == "holds", "the map itself knows the change from that baseline"
    assert "blurred image" in cards["given"]["deletion"].reason
    assert cards["saliency"]["sparsity"].verdict == "not applicable"
    assert cards["saliency"]["sparsity"].value is not None


REFUSED = {
    "check": ({"checks": ["magic"]}, "choose from completeness"),
    "budget": ({"budget": "lavish"}, "choose quick or full"),
    "mask": ({"mask": np.ones((4, 4), bool)}, r"give one of shape \(33, 47\)"),
    "image": ({"item": IMAGE.resize((10, 10))}, "hand over the image"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_belong_together_is_refused_at_once(clf, case):
    given, says = REFUSED[case]
    call = {"item": IMAGE} | given
    with pytest.raises(InputError, match=says):
        examine(clf, call.pop("item"), attribute(clf, IMAGE, "saliency", 1), **call)
    with pytest.raises(InputError, match="model that the map explains"):
        assess(make_small(), IMAGE, attribute(clf, IMAGE, "saliency", 2))
    with pytest.raises(InputError, match="choose one of"):
        _ = Evidence((), "saliency", 0, "", "quick", 0)["deletion"]


def make_small():
    return load_classifier(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 24, 2)).eval(), size=SIZE, device="cpu")


def test_the_mask_of_the_item_is_used(clf):
    item = ImageItem("a.png", png(PIXELS), mask=png(MASK.astype(np.uint8) * 255))
    att = attribute(clf, item, "saliency", 1)
    names = ["relevance_mass", "relevance_rank", "pointing"]
    assert plain(assess(clf, item, att, checks=names)) == plain(assess(clf, IMAGE, att, MASK, checks=names))


def test_localisation_equals_its_formulas_on_the_pixels_of_the_image(clf):
    att = attribute(clf, IMAGE, "integrated_gradients", 1)
    card = assess(clf, IMAGE, att, MASK)
    seen = att.on_image().clip(0)
    area = MASK.mean()
    top = np.sort(seen.ravel())[-MASK.sum()]
    assert card["relevance_mass"].value == pytest.approx(seen[MASK].sum() / seen.sum(), rel=1e-4)
    assert card["relevance_rank"].value == pytest.approx((seen[MASK] >= top).sum() / MASK.sum(), abs=1e-6)
    assert card["pointing"].value == MASK.ravel()[seen.argmax()]
    for name in ("relevance_mass", "relevance_rank", "pointing"):
        assert card[name].chance == pytest.approx(area)


def test_only_what_the_model_sees_counts_for_chance():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2)).eval()
    clf = load_classifier(model, size=(16, 16), device="cpu", resize="crop")
    mask = np.zeros((33, 47), bool)
    mask[:, :7] = True  # cut off, for the middle 33 columns are seen
    att = attribute(clf, IMAGE, "input_x_gradient", 1)
    assert assess(clf, IMAGE, att, mask, checks=["pointing"])["pointing"].verdict == "not applicable"
    mask[:, :18] = True
    assert assess(clf, IMAGE, att, mask, checks=["pointing"])["pointing"].chance == pytest.approx(11 / 33)


def test_infidelity_is_captums_as_a_share_of_the_mean_squared_fall(clf):
    """On the same squares, asked for in the open; without normalisation the perfect map of a linear model misses
    nothing."""
    small = make_small()
    att = attribute(small, IMAGE, "input_x_gradient", 1)
    finding = assess(small, IMAGE, att, checks=["infidelity"])["infidelity"]
    foretold, falls = (torch.from_numpy(finding.curves[name]) for name in ("foretold", "falls"))
    pairs = iter(zip(foretold, falls, strict=True))

    def forecast(inputs):
        rows = [next(pairs) for _ in inputs]
        return torch.stack([p for p, _ in rows])[:, None], torch.stack([f for _, f in rows])[:, None]

    direct = infidelity(
        lambda f: -f[:, 0],
        forecast,
        torch.zeros(1, 1).double(),
        torch.ones(1, 1).double(),
        n_perturb_samples=32,
        normalize=True,
    )
    missed = direct.item() / (falls**2).mean().item()
    assert finding.value == pytest.approx(missed if (foretold * falls).sum() >= 0 else 2 - missed, abs=1e-6)
    assert 0.001 < finding.value < 2
    assert finding.chance == pytest.approx(1 - (falls.sum() ** 2 / (len(falls) * (falls**2).sum())).item())


def test_sensitivity_is_the_change_under_the_stated_noise():
    """Of a linear model, whose map is w times the input and moves by w times the noise."""
    small = make_small()
    att = attribute(small, IMAGE, "input_x_gradient", 1)
    weights = small.model[1].weight[1].detach().reshape(3, *SIZE).numpy()
    radius = 2.5 / 255 / np.array(small.preprocessing.std)[:, None, None]
    typical = (
        np.linalg.norm(weights * radius) / 3**0.5 / np.linalg.norm(att.values)
    )  # the root mean square of uniform noise
    assert assess(small, IMAGE, att, checks=["sensitivity"])["sensitivity"].value == pytest.approx(typical, rel=0.07)
    steady = assess(small, IMAGE, attribute(small, IMAGE, "saliency", 1), checks=["sensitivity"])["sensitivity"]
    assert (steady.verdict, steady.value) == ("holds", 0)


def test_a_background_is_handed_on_and_noise_is_laid_on_the_image_alone():
    """Of a linear model again: its map is w times the way from the background's mean, and moves by w times the noise
    only."""
    small = make_small()
    images = [
        ImageItem(f"{i}.png", png(np.random.default_rng(i).integers(0, 256, (20, 20, 3), dtype=np.uint8)))
        for i in range(1, 4)
    ]
    att = attribute(small, IMAGE, "expected_gradients", 1, background=images)
    assert "as background" in assess(small, IMAGE, att, checks=["sensitivity"])["sensitivity"].reason
    assert assess(small, IMAGE, att, checks=["sensitivity"], background=images)["sensitivity"].value < 0.2
    with pytest.raises(InputError, match="hand over the same images"):
        assess(small, IMAGE, att, checks=["randomisation"], background=images[1:])


@pytest.mark.parametrize(("samples", "verdict"), [(1, "doubtful"), (400, "holds")])
def test_repeatability_is_the_change_with_another_seed(clf, samples, verdict):
    att = attribute(clf, IMAGE, "smoothgrad", 1, samples=samples, seed=8, noise=1.0)
    other = attribute(clf, IMAGE, "smoothgrad", 1, samples=samples, seed=9, noise=1.0)
    change = np.linalg.norm(att.values - other.values) / np.linalg.norm(att.values)
    finding = assess(clf, IMAGE, att, checks=["repeatability"])["repeatability"]
    assert finding.value == pytest.approx(change)
    assert finding.verdict == verdict


def test_sparsity_is_the_gini_index(clf):
    att = attribute(clf, IMAGE, "saliency", 1)
    values = strength(att.values).ravel().astype(float)
    direct = np.abs(values[:, None] - values[None]).mean() / (2 * values.mean())
    assert assess(clf, IMAGE, att, checks=["sparsity"])["sparsity"].value == pytest.approx(direct)
    for made, gini in ((np.ones((3, *SIZE)), 0.0), (np.eye(1, 3 * 16 * 24, 5).reshape(3, *SIZE), 1 - 1 / (16 * 24))):
        fake = dataclasses.replace(att, values=made.astype(np.float32))
        assert assess(clf, IMAGE, fake, checks=["sparsity"])["sparsity"].value == pytest.approx(gini, abs=1e-6)


def test_pooling_takes_means():
    np.testing.assert_allclose(
        pooled(np.arange(16 * 16.0).reshape(16, 16)), np.arange(256.0).reshape(8, 2, 8, 2).mean((1, 3))
    )
    assert pooled(np.ones((4, 20))).shape == (4, 8)


def test_agreement_is_a_rank_correlation_matrix_of_the_maps_of_one_image(clf):
    maps = [attribute(clf, IMAGE, name, 1) for name in ("saliency", "input_x_gradient", "saliency")]
    names, matrix = agreement(maps)
    assert names == ["saliency", "input_x_gradient", "saliency (2)"]
    np.testing.assert_allclose(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), 1)
    assert matrix[0, 2] == pytest.approx(1)
    assert matrix[0, 1] == pytest.approx(spearman(pooled(strength(maps[0].values)), pooled(strength(maps[1].values))))
    with pytest.raises(InputError, match="no map"):
        agreement([])
    with pytest.raises(InputError, match="different images"):
        agreement([maps[0], attribute(clf, IMAGE.resize((20, 20)), "saliency", 1)])


def test_weights_are_drawn_anew_at_their_own_mean_and_spread():
    torch.manual_seed(1)
    layer = nn.Linear(200, 100)
    with torch.no_grad():
        layer.weight.mul_(3).add_(0.5)
    before = layer.weight.detach().clone()
    redraw([layer], torch.Generator().manual_seed(0))
    assert spearman(before.numpy(), layer.weight.detach().numpy()) == pytest.approx(0, abs=0.03)
    assert layer.weight.mean().item() == pytest.approx(before.mean().item(), abs=0.01)
    assert layer.weight.std().item() == pytest.approx(before.std().item(), rel=0.03)


def test_deletion_replaces_by_the_baseline_and_begins_and_ends_at_the_scores(clf):
    att = attribute(clf, IMAGE, "integrated_gradients", 1, baseline="black", score="probability")
    card = assess(clf, IMAGE, att, checks=["deletion", "insertion"])
    assert "baseline (black)" in card["deletion"].reason
    blank = torch.from_numpy(clf.preprocessing.baseline("black", IMAGE))[None]
    clf.model.eval()
    empty = clf.logits(blank).softmax(1)[0, 1].item()
    for name, ends in (("deletion", (att.output, empty)), ("insertion", (empty, att.output))):
        curves = card[name].curves
        assert (curves["map"][0], curves["map"][-1]) == (
            pytest.approx(ends[0], abs=1e-6),
            pytest.approx(ends[1], abs=1e-6),
        )
        np.testing.assert_allclose(curves["random"][:, 0], ends[0], atol=1e-6)
        assert curves["random"].shape == (20, len(curves["random_share"]))


def test_a_margin_is_examined_against_its_own_class(clf):
    att = attribute(clf, IMAGE, "integrated_gradients", "a", score="margin", against="c")
    card = assess(clf, IMAGE, att)
    assert card["completeness"].verdict == "holds"
    assert card["randomisation"].curves["pixels"][0] == 1
    assert card["deletion"].curves["map"][0] == pytest.approx(att.output, abs=1e-5)
