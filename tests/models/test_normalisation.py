"""Which mean and std can be meant, and which make every image answer alike."""

import pytest
import timm
import torch
from timm.models import get_pretrained_cfg
from torchvision import models

import workbench as wb
from workbench.errors import InputError
from workbench.models.normalisation import check_statistics
from workbench.models.preprocessing import Preprocessing
from workbench.models.processors import DEFAULTS

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def times(numbers, factor):
    return tuple(number * factor for number in numbers)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        (MEAN, STD),
        ((0.0,) * 3, (1.0,) * 3),
        ((0.5,) * 3, (1.0,) * 3),
        ((0.0,) * 3, (1 / 255,) * 3),  # counts
        ((0.0,), (1 / 65535,)),  # of 16 bits
        ((0.4077, 0.4579, 0.485), (1 / 255,) * 3),  # Caffe
        ((0.1307,), (0.3081,)),  # MNIST, whose std is above its mean
        ((0.02,), (0.05,)),  # a dark set
        ((0.95,), (0.03,)),  # a bright one
        ((1.0,) * 3, (1.0,) * 3),  # black at -1, white at 0
        ((0.1, 0.2, 0.3), (0.5,) * 3),
    ],
)
def test_what_somebody_can_have_trained_with_is_taken(mean, std):
    check_statistics(mean, std)


def test_all_that_is_published_is_taken():
    for name in timm.list_models():
        config = get_pretrained_cfg(name).to_dict()
        check_statistics(config["mean"], config["std"])
    for name in models.list_models(module=models):
        for weights in models.get_model_weights(name):
            check_statistics(weights.transforms().mean, weights.transforms().std)
    for values in DEFAULTS.values():
        check_statistics(values["image_mean"], values["image_std"])


@pytest.mark.parametrize(
    ("mean", "std", "reason"),
    [
        (times(MEAN, 255), times(STD, 255), r"mean 0\.485, 0\.456, 0\.406; std 0\.229, 0\.224, 0\.225\)\.$"),
        (times(MEAN, 255), STD, r"divided by 255 \(mean 0\.485, 0\.456, 0\.406; std 0\.229"),
        (MEAN, times(STD, 255), r"divided by 255 \(mean 0\.485, 0\.456, 0\.406; std 0\.229"),
        ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0), r"mean 0\.4076, 0\.458, 0\.485; std 0\.003922"),
        ((127.5,), (127.5,), r"turn black into -1 and white into -0\.9922, so that every image answers alike"),
        (times(MEAN, 100), times(STD, 100), r"or by 100 if they are percentages"),
        ((48.5,), (0.229,), "percentages"),
        (STD, MEAN, r"ImageNet's exchanged: set mean to 0\.485, 0\.456, 0\.406 and std to 0\.229"),
        ((0.26862954, 0.26130258, 0.27577711), (0.48145466, 0.4578275, 0.40821073), "CLIP's exchanged"),
        ((-3.0,), (1.0,), r"turn black into 3 and white into 4.*as in mean 0\.485"),
        ((0.5,), (0.0,), "above 0, as it is divided by"),
        ((0.5,), (-0.2,), "above 0"),
        ((float("nan"),), (0.2,), "a number"),
        ((0.5,), (float("inf"),), "a number"),
        ((0.5,), (1e-8,), "which no model is trained on"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_numbers_that_were(mean, std, reason):
    with pytest.raises(InputError, match=reason):
        Preprocessing(mean=mean, std=std)


def test_a_slip_in_the_order_of_colours_is_noted():
    """Numbers that stand in the order of OpenCV, for a model that is given red first."""
    turned = {"mean": MEAN[::-1], "std": STD[::-1]}
    assert Preprocessing(**turned).doubt.endswith('set channels = "bgr" if it was trained so, or else turn them round.')
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    assert Preprocessing(**turned).doubt in wb.load_classifier(net, device="cpu", **turned).notes
    assert not Preprocessing(**turned, channels="bgr").doubt
    assert not Preprocessing(mean=MEAN, std=STD).doubt
    assert not Preprocessing().doubt
    assert Preprocessing(mean=MEAN, std=MEAN).doubt.startswith("std 0.485, 0.456, 0.406 repeats ImageNet's mean")
