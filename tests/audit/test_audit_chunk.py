"""What goes into a model's last layer, taken from the one forward pass that gives the logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.audit.reader import open_audit
from workbench.audit.runner import run
from workbench.images.item import image_from_file
from workbench.models.classifier import untouched


class Functional(nn.Module):
    """Its last layer is a product of matrices that no hook sees."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.matrix = nn.Linear(12, 5), nn.Parameter(torch.randn(5, 3))

    def forward(self, x):
        return self.body(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)).relu() @ self.matrix


class Named(nn.Module):
    """Its last layer is given its input by name, and another layer with as many outputs runs before it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head, self.first = nn.Linear(12, 3), nn.Linear(12, 3)

    def forward(self, x):
        x = nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)
        return self.head(input=x * self.first(x).mean(1, keepdim=True).sigmoid())


@pytest.fixture
def items(write_image):
    noise = np.random.default_rng(0)
    from PIL import Image

    return [
        image_from_file(write_image(f"{i}.png", Image.fromarray(noise.integers(0, 256, (40, 50, 3), np.uint8))))
        for i in range(3)
    ]


def embeddings(model, items, folder, **settings):
    images = wb.ImageSet("set", tuple(items))
    classifier = wb.load_classifier(model, device="cpu", **settings)
    forwards = []
    classifier.model.register_forward_hook(lambda *_: forwards.append(1))
    list(run(classifier, images, folder))
    assert len(forwards) == 1, "one pass gives both"
    found = open_audit(folder)
    readable = found.predictions.frame["error"].isna()
    return (
        classifier,
        torch.stack([classifier.prepare(item) for item, ok in zip(items, readable, strict=True) if ok]),
        found,
    )


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet", "test_mambaout"])
def test_it_is_what_timm_calls_the_features_before_the_logits(name, items, tmp_path) -> None:
    classifier, x, audit = embeddings(f"timm:{name}", items, tmp_path / "out", size=(64, 64))
    with untouched(classifier), torch.inference_mode():
        model = classifier.model
        expected = model.forward_head(model.forward_features(x), pre_logits=True)
    assert audit.embeddings() == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)
    assert len(np.unique(audit.embeddings().round(4), axis=0)) == 3


def test_it_goes_into_the_last_linear_layer_of_torchvision(items, tmp_path) -> None:
    classifier, x, audit = embeddings("torchvision:shufflenet_v2_x0_5", items, tmp_path / "out", size=(64, 64))
    found = torch.from_numpy(audit.embeddings())
    with untouched(classifier), torch.inference_mode():
        assert torch.allclose(classifier.model.fc(found), classifier.logits(x), rtol=1e-4, atol=1e-5)


def test_it_is_averaged_over_places_where_the_last_layer_is_a_convolution(items, tmp_path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 7, 3), nn.ReLU(), nn.Conv2d(7, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    _, x, audit = embeddings(model, items, tmp_path / "out", size=(16, 16))
    with torch.inference_mode():
        assert audit.embeddings() == pytest.approx(model[:2](x).mean((2, 3)).numpy(), abs=1e-6)


def test_the_layer_that_runs_last_counts_not_the_one_that_is_listed_last(items, tmp_path) -> None:
    _, x, audit = embeddings(Named(), items, tmp_path / "out", size=(16, 16))
    model = Named()
    with torch.inference_mode():
        flat = nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)
        assert audit.embeddings() == pytest.approx(
            (flat * model.first(flat).mean(1, keepdim=True).sigmoid()).numpy(), abs=1e-6
        )


def test_a_single_logit_has_one_too(items, tmp_path, tiny_net) -> None:
    _, _, audit = embeddings(tiny_net(1), items, tmp_path / "out", size=(16, 16))
    assert audit.embeddings().shape == (3, 4)
    assert audit.predictions.logits.shape == (3, 2)


def test_an_exported_model_has_one_where_its_layers_are_known(items, tmp_path, tiny_net) -> None:
    net, path = tiny_net(3).eval(), tmp_path / "net.pt2"
    torch.export.save(
        torch.export.export(net, (torch.zeros(2, 3, 16, 16),), dynamic_shapes=({0: torch.export.Dim("n")},)), path
    )
    _, x, audit = embeddings(path, items, tmp_path / "out")
    with torch.inference_mode():
        assert audit.embeddings() == pytest.approx(net[:5](x).numpy(), abs=1e-6)


def test_a_model_without_a_last_layer_has_none_and_says_so(items, tmp_path, refusal) -> None:
    _, _, audit = embeddings(Functional(), items, tmp_path / "out", size=(16, 16))
    assert "does not end in a linear layer" in refusal(audit.embeddings)
    assert np.isfinite(audit.predictions.logits).all()


def test_an_image_that_cannot_be_read_has_no_embedding_and_no_hook_is_left(items, tmp_path, tiny_net) -> None:
    items[1].source.path.write_bytes(b"no image")
    model = tiny_net(3)
    _, _, audit = embeddings(model, items, tmp_path / "out", size=(16, 16))
    assert np.isnan(audit.embeddings()).all(axis=1).tolist() == [False, True, False]
    assert not any(module._forward_pre_hooks for module in model.modules())
