"""Occlusion, ablation, LIME and KernelSHAP: Captum's maps, exact where they can be, on superpixels that mean
something."""

import captum.attr as captum
import numpy as np
import pytest
import torch
from captum._utils.models.linear_model import SkLearnRidge
from PIL import Image
from torch import nn

from workbench.attribution import perturbations
from workbench.attribution.engine import attribute
from workbench.attribution.incremental import PATCHED_CHUNK, Scorer, suits
from workbench.attribution.job import CHUNK, Job
from workbench.attribution.methods import METHODS
from workbench.attribution.patched import Patched
from workbench.attribution.result import Score
from workbench.attribution.superpixels import superpixels
from workbench.errors import InputError
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
SIZE = (24, 36)
OVER_SUPERPIXELS = ["feature_ablation", "lime", "kernel_shap"]
FITTED = ["lime", "kernel_shap"]


def blotches(size=(60, 40), seed=0, spots=12):
    """An image of coloured rectangles."""
    random = np.random.default_rng(seed)
    pixels = np.full((size[1], size[0], 3), 128, np.uint8)
    for _ in range(spots):
        top, left = random.integers(0, size[1] - 8), random.integers(0, size[0] - 8)
        pixels[top : top + random.integers(6, 16), left : left + random.integers(6, 20)] = random.integers(0, 256, 3)
    return Image.fromarray(pixels)


IMAGE = blotches()


class Linear(nn.Module):
    """Two logits, the second of which is w * x + c; it notes how many inputs came at a time."""

    def __init__(self, gain=1.0, size=SIZE, channels=3):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.w = nn.Parameter(gain * torch.randn(channels, *size, generator=generator))
        self.batches = []

    def forward(self, x):
        self.batches.append(len(x))
        out = (x * self.w).sum((1, 2, 3)) + 0.5
        return torch.stack([torch.zeros_like(out), out], 1)


def wrap(model, size=SIZE, **settings):
    return load_classifier(model.eval(), size=size, device="cpu", **settings)


@pytest.fixture
def linear():
    return wrap(Linear())


def parts_of(clf, image, segments=50):
    """The superpixels of an image, (H, W)."""
    x = clf.prepare(image)[None]
    job = Job(METHODS["lime"], Score("logit", 1), lambda z: z[:, 0, 0, 0], x, None, None, {"segments": segments}, clf)
    return superpixels(job)[0, 0].numpy()


def sums(values, parts):
    return np.bincount(parts.ravel(), weights=values.sum(0).ravel())


@pytest.mark.parametrize("baseline", ["mean", "white", "blur"])
@pytest.mark.parametrize("method", OVER_SUPERPIXELS)
def test_on_a_linear_model_a_superpixel_has_what_its_pixels_add_up_to(linear, method, baseline):
    x = linear.prepare(IMAGE).numpy()
    way = linear.model.w.detach().numpy() * (x - linear.preprocessing.baseline(baseline, IMAGE))
    parts = parts_of(linear, IMAGE, 30)
    expected = sums(way, parts)
    found = attribute(linear, IMAGE, method, 1, baseline=baseline, segments=30)
    slack = 0.1 if method == "lime" else 1e-3  # the ridge's penalty shrinks
    np.testing.assert_allclose(sums(found.values, parts), expected, atol=slack * np.abs(expected).max())
    if method == "kernel_shap":
        assert found.change == pytest.approx(expected.sum(), rel=1e-4)
        assert abs(found.relative_delta) < 1e-3
    else:
        assert found.delta is None
    for part in range(parts.max() + 1):
        assert np.ptp(found.values[:, parts == part]) == 0, "one superpixel, one value"


@pytest.mark.parametrize("method", FITTED)
def test_a_faint_score_has_the_same_map_but_fainter(method):
    """Captum's own LIME answers with nothing but zeros here."""
    full, faint = (attribute(wrap(Linear(gain)), IMAGE, method, 1).values for gain in (1, 1e-4))
    np.testing.assert_allclose(faint, full * 1e-4, atol=1e-3 * np.abs(full).max() * 1e-4)
    assert np.abs(full).max() > 0


def nets():
    return {
        "timm:resnet18": ((64, 80), 0.25, True),
        "torchvision:mobilenet_v2": ((96, 64), 0.25, True),
        "torchvision:densenet121": ((128, 128), 0.5, True),
        "torchvision:vgg11": ((64, 64), 0.25, True),
        "torchvision:mobilenet_v3_small": ((64, 64), 0.25, False),
        "timm:vit_tiny_patch16_224": ((224, 224), 0.5, False),
    }


@pytest.fixture(scope="module")
def loaded():
    """Makes a classifier of the table above, once."""
    made = {}

    def load(name):
        if name not in made:
            made[name] = load_classifier(name, size=nets()[name][0], device="cpu")
            made[name].model.eval()  # for Captum's sake
        return made[name]

    return load


def direct(clf, method, x, zero, parts):
    """What Captum itself says."""
    parts = torch.from_numpy(parts)[None, None]
    if method == "feature_ablation":
        return captum.FeatureAblation(clf.model).attribute(x, zero, target=1, feature_mask=parts)
    torch.manual_seed(7)
    if method == "kernel_shap":
        return captum.KernelShap(clf.model).attribute(x, zero, target=1, feature_mask=parts, n_samples=60)

    def closeness(one, other, kept, **_):
        """LIME's own: the cosine distance between the vectors of zeros and ones."""
        ones = torch.ones_like(kept).float()
        return torch.exp(-((1 - torch.cosine_similarity(kept.float(), ones)) ** 2) / (2 * 0.25**2))

    method = captum.Lime(clf.model, SkLearnRidge(alpha=1.0), closeness)
    return method.attribute(x, zero, target=1, feature_mask=parts, n_samples=60)


@pytest.mark.parametrize("name", nets())
def test_occlusion_is_captums_whether_all_is_computed_or_only_rectangles(loaded, name):
    clf, (size, share, patched) = loaded(name), nets()[name]
    image = blotches(size[::-1], seed=1)
    x = clf.prepare(image)[None]
    window = tuple(round(n * share) for n in size)
    expected = captum.Occlusion(clf.model).attribute(
        x,
        target=1,
        sliding_window_shapes=(3, *window),
        strides=(3, *(n // 2 for n in window)),
        baselines=torch.zeros_like(x),
    )
    found = attribute(clf, image, "occlusion", 1, window=share).values
    spread = expected.max() - expected.min()
    np.testing.assert_allclose(found, expected[0].numpy(), atol=min(1e-5, 1e-2 * spread.item()))
    assert suits(clf) == patched, "the way it was done is not the one that this case is about"


@pytest.mark.parametrize("name", ["timm:resnet18", "torchvision:mobilenet_v2", "torchvision:mobilenet_v3_small"])
@pytest.mark.parametrize("method", OVER_SUPERPIXELS)
def test_methods_over_superpixels_are_captums(loaded, name, method):
    clf, (size, _, _) = loaded(name), nets()[name]
    image = blotches(size[::-1], seed=1)
    x = clf.prepare(image)[None]
    parts = parts_of(clf, image, 16)
    settings = {"samples": 60, "seed": 7} if method in FITTED else {}
    found = attribute(clf, image, method, 1, segments=16, **settings).values
    expected = direct(clf, method, x, torch.zeros_like(x), parts)[0].numpy()
    whole = found * 3 * np.bincount(parts.ravel())[parts]
    np.testing.assert_allclose(whole, np.broadcast_to(expected, whole.shape), atol=min(1e-5, 1e-2 * np.ptp(expected)))


@pytest.mark.parametrize("method", FITTED)
def test_a_seed_gives_the_same_map_whatever_the_global_generators_say_and_leaves_them_alone(linear, method):
    torch.manual_seed(123)
    np.random.seed(123)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    one = attribute(linear, IMAGE, method, 1, seed=4, samples=150).values
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    torch.manual_seed(9)
    np.random.seed(9)
    np.testing.assert_array_equal(attribute(linear, IMAGE, method, 1, seed=4, samples=150).values, one)
    curved = wrap(nn.Sequential(Linear(), nn.Tanh()))
    first, other = (attribute(curved, IMAGE, method, 1, seed=seed, samples=150).values for seed in (4, 5))
    assert np.abs(first - other).max() > 1e-6 * np.abs(first).max()


def progress(clf, method, **params):
    """What the progress of a map says: how many inputs were asked about in each pass, and the totals."""
    calls = []
    attribute(clf, IMAGE, method, 1, on_progress=lambda *call: calls.append(call), **params)
    assert calls[0][0] == 0
    return np.diff([done for done, _ in calls]).tolist(), {total for _, total in calls}


@pytest.mark.parametrize("method", OVER_SUPERPIXELS)
def test_inputs_come_in_chunks_and_the_count_is_true(method):
    model = Linear()
    clf = wrap(model)
    model.batches.clear()
    params = {"samples": 123} if method in FITTED else {}
    asked, totals = progress(clf, method, segments=30, **params)
    assert max(model.batches) == CHUNK
    assert len(asked) - asked.count(CHUNK) <= 2, "only the image itself and the last chunk are smaller"
    assert totals == {sum(asked)} == {123 if method in FITTED else 1 + parts_of(clf, IMAGE, 30).max() + 1}
    assert 0 <= sum(model.batches) - sum(asked) <= 2, "beside the map only the scores of the image and of the baseline"


def test_rectangles_come_in_larger_chunks_but_wide_ones_as_whole_inputs(loaded):
    clf = loaded("timm:resnet18")
    suits(clf)
    for share, passes in ((0.25, [1, PATCHED_CHUNK, PATCHED_CHUNK, PATCHED_CHUNK, 1]), (0.6, [1, 8, 1])):
        sizes = []
        handle = clf.model.register_forward_pre_hook(lambda module, inputs, sizes=sizes: sizes.append(type(inputs[0])))
        try:
            asked, totals = progress(clf, "occlusion", window=share)
        finally:
            handle.remove()
        assert asked == passes
        assert totals == {sum(passes)}
        assert sizes.count(Patched) == (len(passes) - 1 if share < 0.5 else 0)


def test_wide_rectangles_never_fill_more_than_a_chunk(loaded):
    clf = loaded("timm:resnet18")
    x = clf.prepare(IMAGE)[None]
    sizes = []
    job = Job(
        METHODS["occlusion"],
        Score("logit", 1),
        lambda z: sizes.append(len(z)) or z.sum((1, 2, 3)),
        x,
        None,
        None,
        {},
        clf,
    )
    scorer = Scorer(job)
    inputs = torch.zeros(scorer.chunk, *x.shape[1:])
    torch.testing.assert_close(scorer(inputs), inputs.sum((1, 2, 3)))
    assert sizes == [1, CHUNK, CHUNK]


@pytest.mark.parametrize("method", ["occlusion", "feature_ablation"])
def test_what_is_the_baseline_already_is_not_asked_about(method):
    """A white image with one dark spot, on a white baseline: only what covers the spot can change the score."""
    image = Image.new("RGB", (36, 24), "white")
    image.paste((30, 60, 90), (2, 2, 7, 8))
    model = Linear()
    clf = wrap(model)
    model.batches.clear()
    calls = []
    found = attribute(clf, image, method, 1, baseline="white", on_progress=lambda *call: calls.append(call))
    assert 1 < sum(model.batches) < 0.4 * calls[-1][1]
    assert calls[-1][0] == calls[-1][1]
    assert np.abs(found.values[:, 12:, 16:]).max() == 0
    assert np.abs(found.values[:, 2:8, 2:7]).min() > 0


def test_the_baseline_itself_has_an_empty_map_for_one_look():
    model = Linear()
    clf = wrap(model)
    model.batches.clear()
    assert not attribute(clf, Image.new("RGB", (9, 9), "white"), "occlusion", 1, baseline="white").values.any()
    assert sum(model.batches) <= 2


@pytest.mark.parametrize("kind", ["blotches", "noise", "flat"])
@pytest.mark.parametrize("segments", [10, 50])
def test_there_are_about_as_many_superpixels_as_asked_for_and_each_hangs_together(kind, segments):
    """Noise is where SLIC at its usual setting ends up with a single one."""
    from skimage.measure import label

    noise = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    image = {
        "blotches": blotches((130, 90)),
        "noise": Image.fromarray(noise),
        "flat": Image.new("RGB", (13, 9), "red"),
    }[kind]
    parts = parts_of(wrap(Linear(size=(90, 130)), (90, 130)), image, segments)
    assert 0.6 * segments < parts.max() + 1 < 1.4 * segments
    assert np.bincount(parts.ravel()).min() > 0
    assert label(parts, background=-1, connectivity=2).max() == parts.max() + 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_small_defect_has_a_superpixel_of_its_own(mode):
    spot = Image.new("RGB", (96, 96), (120, 120, 120))
    spot.paste((230, 230, 230), (40, 50, 49, 58))
    grey = {"mean": (0.5,), "std": (0.5,)} if mode == "L" else {}
    clf = wrap(Linear(size=(96, 96), channels=1 if mode == "L" else 3), (96, 96), **grey)
    parts = parts_of(clf, spot)
    inside = parts[50:58, 40:49]
    own = np.bincount(inside.ravel()).argmax()
    assert (inside == own).mean() > 0.9
    assert (parts == own).sum() < 1.3 * inside.size
    found = attribute(clf, spot, "feature_ablation", 1)
    assert found.values.shape == (1 if mode == "L" else 3, 96, 96)


REFUSED = {
    "too few samples": (
        {"samples": 40, "segments": 30},
        r"cannot tell \d+ superpixels apart by 40 samples: give at least \d+",
    ),
    "a single superpixel": ({"segments": 1}, "raise segments"),
    "no segments": ({"segments": 0}, "a whole number from 1 up"),
    "no samples": ({"samples": 0}, "a whole number from 1 up"),
}


@pytest.mark.parametrize("method", FITTED)
@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_no_more_than_a_guess_is_refused(linear, method, case, refusal):
    settings, says = REFUSED[case]
    with pytest.raises(InputError, match=says):
        attribute(linear, IMAGE, method, 1, **settings)
    refusal(lambda: attribute(linear, IMAGE, method, 1, **settings))


def test_one_superpixel_can_still_be_ablated(linear):
    found = attribute(linear, IMAGE, "feature_ablation", 1, segments=1)
    x = linear.prepare(IMAGE)
    assert found.values.sum() == pytest.approx((linear.model.w * x).sum().item(), rel=1e-4)


@pytest.mark.parametrize("method", [m for m in METHODS if METHODS[m].family == "perturbation"])
def test_every_perturbation_method_is_done_here(method):
    assert method in perturbations.IMPLEMENTATIONS
