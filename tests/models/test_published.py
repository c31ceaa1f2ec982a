"""Published preprocessing, held against the publishers' own transforms, on every way in."""

import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config
from timm.models import get_pretrained_cfg
from torch import nn
from torchvision import models

import workbench as wb
from workbench.models import folder
from workbench.models.bounds import outline
from workbench.models.preprocessing import Preprocessing
from workbench.models.published import Published, from_timm, join, published

ODD = ((37, 211), (125, 83), (1, 1), (1, 7), (20, 30), (64, 64))
NAMES = models.list_models(module=models)


def noise(width, height, grey=False):
    levels = np.random.default_rng(width).integers(0, 256, (height, width, 1 if grey else 3), dtype=np.uint8)
    return Image.fromarray(np.broadcast_to(levels, (height, width, 3)).copy())


IMAGES = [*(noise(*size) for size in ODD), noise(61, 100, grey=True)]
LARGE = [*IMAGES, noise(500, 333), noise(224, 224), noise(640, 480), noise(333, 500)]


def recipes(**given):
    """timm's recipes that differ, with a name for each."""
    found = {}
    for name in timm.list_models():
        config = get_pretrained_cfg(name).to_dict()
        data = resolve_data_config(given, pretrained_cfg=config)
        found.setdefault(repr(sorted(data.items())), (name, data, config))
    return list(found.values())


def torchvision_recipes():
    """torchvision's, of all weights: those that differ, with the name of an architecture and its weights."""
    found = {}
    for name in NAMES:
        for weights in models.get_model_weights(name):
            found.setdefault(repr(weights.transforms()), (name, weights))
    return list(found.values())


def same(prep, transform, images):
    for image in images:
        ours, theirs = prep.normalise(prep.pixels(image)), transform(image).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6, err_msg=f"{image.size}")


def test_inputs_are_those_of_timm_for_every_way_to_resize_and_cut():
    """All crop fractions, modes and filters of all its networks, on a small input."""
    different = recipes(img_size=64, mean=[0.3, 0.4, 0.5], std=[0.2, 0.3, 0.4])
    assert len(different) > 30
    for name, data, config in different:
        fields = from_timm({**config, "mean": data["mean"], "std": data["std"]}, (64, 64))
        prep = Preprocessing(**fields)
        assert prep.size == (64, 64), name
        same(prep, create_transform(**data), IMAGES)


@pytest.mark.slow
def test_inputs_are_those_of_timm_for_every_network():
    for _, data, config in recipes():
        same(Preprocessing(**from_timm(config)), create_transform(**data), LARGE)


@pytest.mark.parametrize(("name", "weights"), torchvision_recipes(), ids=lambda value: getattr(value, "name", value))
def test_inputs_are_those_of_torchvision(name, weights):
    transform = weights.transforms()
    if transform.crop_size[0] > 300:
        pytest.skip("the slow test has it")
    fields = published(Torchvision(), f"torchvision:{name}", weights.url.rpartition("/")[2]).fields
    same(Preprocessing(**fields), transform, IMAGES)


@pytest.mark.slow
def test_inputs_are_those_of_torchvision_for_every_name():
    for name in NAMES:
        fields = published(Torchvision(), f"torchvision:{name}").fields
        same(Preprocessing(**fields), models.get_model_weights(name).DEFAULT.transforms(), LARGE[-3:])


class Torchvision(nn.Module):
    """What stands for a torchvision network where only its name counts."""

    __module__ = "torchvision.models"


def describe(path, state, text):
    path.mkdir()
    save_file(state, path / "model.safetensors")
    (path / "model.toml").write_text(f'weights = "model.safetensors"\nclasses = ["good", "bad"]\n{text}')
    return path


@pytest.fixture(scope="module")
def resnet():
    """A network whose recipe differs from what used to be assumed in everything."""
    torch.manual_seed(0)
    return timm.create_model("resnet10t", num_classes=2).eval()


def test_every_way_in_gives_timms_own_answer(tmp_path, resnet):
    state = resnet.state_dict()
    transform = create_transform(**resolve_data_config({}, model=resnet))
    image = noise(300, 211)
    with torch.inference_mode():
        expected = resnet(transform(image)[None])[0]
    folder = describe(tmp_path / "tiles", state, 'architecture = "timm:resnet10t"\n')
    file = folder / "model.safetensors"
    ways = (
        wb.load_classifier(folder, device="cpu"),
        wb.load_classifier(file, architecture="timm:resnet10t", classes=["good", "bad"], device="cpu"),
        wb.load_classifier(resnet, device="cpu"),
    )
    for clf in ways:
        np.testing.assert_allclose(clf.forward(clf.input(image).x[None])[0], expected, atol=1e-5)
        (fact,) = [fact for fact in clf.facts if fact.topic == "preprocessing"]
        words = "shorter side to 201, middle 176 x 176, bicubic, mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225"
        assert (fact.value, fact.how, fact.setting) == (words, "published", "preprocessing")
        assert fact.source.startswith("published with timm:resnet10t")


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "squeezenet1_1", "mobilenet_v3_small"])
def test_every_way_in_gives_torchvisions_own_answer(tmp_path, name):
    network = models.get_model(name, num_classes=2).eval()
    transform, image = models.get_model_weights(name).DEFAULT.transforms(), noise(300, 211)
    with torch.inference_mode():
        expected = network(transform(image)[None])[0]
    folder = describe(tmp_path / "tiles", network.state_dict(), f'architecture = "torchvision:{name}"\n')
    for clf in (wb.load_classifier(folder, device="cpu"), wb.load_classifier(network, device="cpu")):
        np.testing.assert_allclose(clf.forward(clf.input(image).x[None])[0], expected, atol=1e-5)
        assert [fact.source for fact in clf.facts if fact.topic == "preprocessing"] == [
            f"published with torchvision:{name} for IMAGENET1K_V1"
        ]


def test_what_model_toml_leaves_out_is_published_and_what_nobody_says_is_assumed(tmp_path, resnet):
    text = 'architecture = "timm:resnet10t"\n[preprocessing]\nsize = [96, 64]\n'
    clf = wb.load_classifier(describe(tmp_path / "a", resnet.state_dict(), text), device="cpu")
    same(clf.preprocessing, create_transform(**resolve_data_config({"input_size": (3, 96, 64)}, model=resnet)), IMAGES)
    mine, theirs = (fact for fact in clf.facts if fact.topic == "preprocessing")
    assert {mine.value, theirs.value.partition(", mean")[0]} == {
        "input 96 x 64",
        "shorter side to 109 x 73, middle 96 x 64, bicubic",
    }
    net = wb.load_classifier(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), size=(32, 32), device="cpu")
    told = {(fact.value, fact.how, fact.setting) for fact in net.facts if fact.topic == "preprocessing"}
    assert told == {
        ("stretched to 32 x 32, bilinear, mean 0.5, 0.5, 0.5, std 0.5, 0.5, 0.5", "assumed", "preprocessing"),
        ("input 32 x 32", "stated", "preprocessing.size"),
    }


def test_a_network_for_grey_images_averages_the_published_colours():
    net = timm.create_model("resnet10t", in_chans=1, num_classes=2)
    clf = wb.load_classifier(net, device="cpu")
    assert clf.preprocessing.mean == (pytest.approx((0.485 + 0.456 + 0.406) / 3, abs=1e-6),)
    assert clf.preprocessing.std == (pytest.approx((0.229 + 0.224 + 0.225) / 3, abs=1e-6),)
    assert ("assumed", "preprocessing.mean") in [(fact.how, fact.setting) for fact in clf.facts]
    grey = models.squeezenet1_1(num_classes=2)
    grey.features[0] = nn.Conv2d(1, 64, 3, 2)
    assert published(grey, "torchvision:squeezenet1_1").fields["std"] == (pytest.approx(0.226),)


def test_a_network_keeps_the_size_that_it_was_built_for():
    vit = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=2)
    prep = wb.load_classifier(vit, device="cpu").preprocessing
    same(prep, create_transform(**resolve_data_config({"img_size": 64}, model=vit)), IMAGES)
    for size, side in ((384, 384), (512, None), (224, 256)):
        large = outline(lambda size=size: models.vit_b_16(image_size=size))
        found = published(large, "torchvision:vit_b_16")
        assert (found.fields["size"], found.fields.get("resize_to")) == ((size, size), side)
    assert found.source == (
        "published with torchvision:vit_b_16 for IMAGENET1K_V1;"
        " IMAGENET1K_SWAG_E2E_V1 has size 384, resize_to 384, bicubic,"
        " IMAGENET1K_SWAG_LINEAR_V1 has resize_to 224, bicubic"
    )


def test_torchvisions_own_files_have_the_recipe_of_their_weights():
    net = outline(lambda: models.mobilenet_v2())
    assert published(net, "torchvision:mobilenet_v2").fields["resize_to"] == 232
    old = published(net, "torchvision:mobilenet_v2", "mobilenet_v2-b0353104.pth")
    assert (old.fields["resize_to"], old.source) == (256, "published with torchvision:mobilenet_v2 for IMAGENET1K_V1")


def test_a_network_that_may_normalise_by_itself_says_so():
    net = outline(lambda: models.googlenet(init_weights=False, aux_logits=False))
    (fact,) = published(net, "torchvision:googlenet").facts
    assert (fact.how, fact.setting) == ("assumed", "options.transform_input")


@pytest.mark.parametrize("name", ["resnet50", "wide_resnet50_2", "vgg11_bn", "efficientnet_b1", "regnet_y_400mf"])
def test_a_torchvision_network_without_its_name_is_recognised(name):
    net = outline(lambda: models.get_model(name, num_classes=7), short_lists=True)
    assert published(net) == published(net, f"torchvision:{name}")


class Wrapped(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.loss = net, nn.CrossEntropyLoss()

    def forward(self, x):
        return self.net(x)


def test_a_wrapped_network_keeps_its_recipe(resnet):
    plain = published(resnet)
    for wrapped in (nn.DataParallel(resnet), nn.Sequential(resnet, nn.Softmax(1)), torch.compile(resnet)):
        assert published(wrapped) == plain
    inside = published(Wrapped(Wrapped(resnet)))
    assert (inside.fields, inside.how) == (plain.fields, "assumed"), "it may normalise by itself"
    assert inside.source == f"{plain.source}, which it is built on"
    assert published(nn.Sequential(nn.BatchNorm2d(3), resnet)) == Published(), "what normalises first has no recipe"
    assert published(nn.ModuleList([resnet, models.squeezenet1_1()])) == Published(), "two recipes are none"


def test_a_network_of_more_channels_has_no_published_colours():
    clf = wb.load_classifier(timm.create_model("resnet10t", in_chans=4, num_classes=2), device="cpu")
    assert clf.preprocessing.mean == clf.preprocessing.std == (0.5,) * 4
    assert ("mean 0.5, 0.5, 0.5, 0.5, std 0.5, 0.5, 0.5, 0.5", "assumed") in [(f.value, f.how) for f in clf.facts]


def test_what_nobody_publishes_is_told_as_assumed():
    assert published(nn.Linear(2, 2)) == Published()
    own = models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1])
    assert published(own) == Published()


@pytest.mark.parametrize(
    ("voices", "expected"),
    [
        ([{"size": (9, 9), "resize_to": 12, "crop": 0.75}, {"size": (6, 6)}], {"size": (6, 6), "resize_to": None}),
        ([{"resize": "shorter", "crop": 0.75}, {"resize": "stretch"}], {"resize": "stretch", "crop": 1.0}),
        ([{"resize": "shorter", "crop": 0.75}, {"resize": "shorter"}], {"resize": "shorter", "crop": 0.75}),
        ([{"resize": "both", "backend": "tensor", "resize_to": 9}, {"resize": "pad"}], {"backend": "pillow"}),
        ([{"crop": 0.75, "resize_to": 9}, {"crop": 0.5}], {"crop": 0.5, "resize_to": None}),
        ([{"channels": "bgr"}, {"mean": (0.5,), "std": (0.5,)}], {"channels": "rgb"}),
        ([{"mean": (0.1,)}, {"mean": None}], {"mean": (0.1,)}),
    ],
)
def test_the_later_voice_goes_before_the_earlier_and_its_refinements(voices, expected):
    joined = join([Published(fields) for fields in voices])
    assert {name: joined[name][0] for name in expected} == expected


def test_the_key_of_a_folder_follows_whoever_fills_in_what_it_leaves_out(tmp_path, resnet, monkeypatch):
    silent = describe(tmp_path / "a", resnet.state_dict(), 'architecture = "timm:resnet10t"\n')
    whole = 'size = [8, 8]\nresize = "stretch"\ninterpolation = "bilinear"\nmean = [0.5]\nstd = [0.5]\n'
    said = describe(tmp_path / "b", resnet.state_dict(), f'architecture = "timm:x"\n[preprocessing]\n{whole}')
    specs = [folder.read_spec(path) for path in (silent, said)]
    assert [spec.preprocessing.complete for spec in specs] == [False, True]
    before = [folder.spec_key(path, spec) for path, spec in zip((silent, said), specs, strict=True)]
    monkeypatch.setattr(folder.metadata, "version", lambda name: "99")
    after = [folder.spec_key(path, spec) for path, spec in zip((silent, said), specs, strict=True)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True]


def test_a_hub_folder_of_timm_goes_by_its_own_description(tmp_path, resnet):
    """As timm writes it for the hub: trained with other colours and another way to crop than what timm publishes."""
    own = {"mean": [0.4, 0.5, 0.3], "std": [0.2, 0.3, 0.2], "crop_mode": "squash", "crop_pct": 0.9}
    config = {"architecture": "resnet10t", "num_classes": 2, "pretrained_cfg": {"input_size": [3, 64, 64], **own}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(resnet.state_dict(), tmp_path / "model.safetensors")
    clf = wb.load_classifier(tmp_path, device="cpu")
    same(
        clf.preprocessing,
        create_transform(**resolve_data_config({}, pretrained_cfg=config["pretrained_cfg"])),
        IMAGES[:2],
    )
    (fact,) = [fact for fact in clf.facts if fact.topic == "preprocessing"]
    assert (fact.source, fact.how) == ("config.json", "stated")
    assert fact.value.startswith("both sides to 71 x 71, middle 64 x 64, ")
