"""Image processors of transformers, read from their file, held against transformers itself."""

import json

import numpy as np
import pytest
from PIL import Image

from workbench.errors import InputError
from workbench.models.preprocessing import Preprocessing
from workbench.models.processors import DEFAULTS, FAMILIES, from_processor

SIZES = ((37, 211), (51, 34), (1, 1), (1, 7), (20, 30), (64, 64))
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CASES = [
    *((kind, {}) for kind in DEFAULTS),
    ("ViT", {**IMAGENET, "size": 31}),
    ("ViT", {"size": [40, 60], "resample": 3}),
    ("ViT", {"do_center_crop": True, "crop_size": 31, "size": 50, "resample": 1}),
    ("ViT", {"do_normalize": False, "size": 40}),
    ("ViT", {"do_rescale": False, "image_mean": [123.7, 116.3, 103.5], "image_std": [58.4, 57.1, 57.4], "size": 40}),
    ("DeiT", {"size": {"height": 41, "width": 52}, "crop_size": {"height": 30, "width": 37}}),
    ("Beit", {"do_center_crop": True, "size": 50, "crop_size": 40, "resample": 2}),
    ("ConvNext", {"size": {"shortest_edge": 60}, "crop_pct": 0.95}),
    ("ConvNext", {"size": 33, "resample": 2}),
    ("Bit", {**IMAGENET, "size": {"shortest_edge": 51}, "crop_size": {"height": 40, "width": 40}}),
    ("CLIP", {"size": 45, "crop_size": 40}),
    ("CLIP", {"size": {"shortest_edge": 41}, "crop_size": {"height": 30, "width": 50}}),
    ("Siglip", {"size": {"height": 48, "width": 64}}),
    ("EfficientNet", {"rescale_offset": True, "rescale_factor": 1 / 127.5, "size": 40, "include_top": False}),
    ("EfficientNet", {"image_std": [0.478, 0.473, 0.474], "size": 40, "resample": 0}),
    ("MobileNetV2", {"size": 45, "crop_size": 40}),
    ("MobileViT", {"do_flip_channel_order": False, "size": 40, "crop_size": 44, "resample": 2}),
    ("MobileViT", {"size": 40, "crop_size": 36}),
    ("PoolFormer", {"size": {"height": 40, "width": 60}, "crop_size": 40}),
    ("Levit", {"size": 40, "crop_size": 40}),
    ("DINOv3ViT", {"resample": 3, "size": {"height": 50, "width": 31}}),
]


@pytest.fixture(scope="module")
def processors():
    return pytest.importorskip("transformers").AutoImageProcessor


@pytest.fixture(scope="module")
def images():
    draw = np.random.default_rng(0)
    return [Image.fromarray(draw.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in SIZES]


@pytest.mark.parametrize(("kind", "more"), CASES)
def test_inputs_are_those_of_transformers(processors, images, tmp_path, kind, more):
    config = {"image_processor_type": f"{kind}ImageProcessor", **more}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    theirs, ours = processors.from_pretrained(tmp_path), Preprocessing(**from_processor(config).fields)
    assert type(theirs).__name__ == config["image_processor_type"]
    for image in images:
        expected = np.asarray(theirs(image, return_tensors="np")["pixel_values"][0])
        np.testing.assert_allclose(ours.normalise(ours.pixels(image)), expected, rtol=0, atol=1e-6)


def test_a_file_without_a_name_goes_by_the_type_of_the_model(processors, images, tmp_path):
    auto = pytest.importorskip("transformers.models.auto.image_processing_auto").IMAGE_PROCESSOR_MAPPING_NAMES
    theirs = {name: auto[name]["torchvision"].removesuffix("ImageProcessor") for name in FAMILIES if name in auto}
    assert {name: FAMILIES[name] for name in theirs} == theirs
    assert len(theirs) > 15
    for name in ("vit", "deit", "beit", "efficientnet", "mobilenet_v1", "levit", "siglip", "clip", "segformer"):
        assert from_processor({}, name).source == (
            f"transformers' defaults for {auto[name]['torchvision'].removesuffix('ImageProcessor')}"
        )
    old = {"feature_extractor_type": "ViTFeatureExtractor", "size": 32}
    assert from_processor(old) == from_processor({"image_processor_type": "ViTImageProcessorFast", "size": 32})


def test_the_source_tells_what_the_file_does_not_say():
    whole = {"image_processor_type": "ViTImageProcessor", "size": 32, "resample": 2, **IMAGENET}
    assert (from_processor(whole).source, from_processor(whole).how) == ("preprocessor_config.json", "stated")
    part = {name: value for name, value in whole.items() if name != "image_mean"}
    assert from_processor(part).source.endswith("and transformers' defaults for ViT where it is silent")
    assert from_processor(part).how == "published"


def test_a_grey_model_takes_one_number():
    fields = from_processor({"image_processor_type": "ViTImageProcessor", "size": 32}, channels=1).fields
    assert (fields["mean"], fields["std"]) == ((0.5,), (0.5,))
    assert Preprocessing(**fields).pixels(Image.new("RGB", (9, 9))).shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"image_processor_type": "Siglip2ImageProcessor"}, "gives its model patches"),
        ({"image_processor_type": "PerceiverImageProcessor"}, "cuts an image before it resizes it"),
        ({"image_processor_type": "MyOwnProcessor", "auto_map": {}}, "MyOwnProcessor is none whose .* never run"),
        ({"size": 32}, "of a model without model_type is none"),
        ({"image_processor_type": "ViTImageProcessor", "do_resize": False}, "do_resize = false"),
        ({"image_processor_type": "ViTImageProcessor", "resample": 5}, "'hamming', which transformers cannot"),
        ({"image_processor_type": "ViTImageProcessor", "resample": 9}, "numbered 0 to 5"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"longest_edge": 32}}, "longest_edge 32"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"height": 32}}, "none that transformers reads"),
        ({"image_processor_type": "CLIPImageProcessor", "do_center_crop": False}, "inputs differ in size"),
        ({"image_processor_type": "ViTImageProcessor", "do_pad": True, "pad_size": {"height": 9}}, "do_pad"),
        ({"image_processor_type": "ViTImageProcessor", "image_mean": [0.1, 0.2]}, "2 numbers for image_mean"),
        ({"image_processor_type": "ViTImageProcessor", "image_std": "wide"}, "must be numbers"),
        ({"image_processor_type": "ViTImageProcessor", "rescale_factor": 0}, "rescale_factor"),
    ],
)
def test_what_cannot_be_expressed_is_refused_with_the_reason(config, reason):
    with pytest.raises(InputError, match=reason):
        from_processor(config)
