"""Transformers as the library of that name builds them: their layers in place, their attention by its formulas."""

import numpy as np
import pytest
import torch
from plain_nets import noise_image
from torch.nn import functional

from workbench.attribution import layer_facts
from workbench.attribution.capture import choose_layer
from workbench.attribution.engine import attribute
from workbench.errors import InputError
from workbench.models.loading import load_classifier

transformers = pytest.importorskip("transformers")
torch.set_num_threads(1)
SIZE = (64, 64)
COMMON = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 64, "patch_size": 8}
MODELS = {
    "ViT": (1, {"intermediate_size": 64}),
    "DeiT": (2, {"intermediate_size": 64}),
    "Dinov2": (1, {}),
    "Dinov2WithRegisters": (5, {"num_register_tokens": 4}),
}
"""How many tokens stand before those of the image, and what else each is built with."""


def build(kind):
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**COMMON, **MODELS[kind][1], num_labels=3)
    model = getattr(transformers, f"{kind}ForImageClassification")(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def plain(model, x, target, weighted):
    """Both formulas from the matrices that the library itself hands out; which tokens are read, from the gradient."""
    model.set_attn_implementation("eager")
    answer = model(x.clone().requires_grad_(), output_attentions=True)
    slopes = torch.autograd.grad(answer.logits[0, target], answer.attentions)
    flow = one = torch.eye(slopes[0].shape[-1])
    for matrix, slope in zip(answer.attentions, slopes, strict=True):
        if weighted:
            flow = flow + (matrix * slope)[0].clamp(min=0).mean(0).detach() @ flow
        else:
            flow = (matrix[0].mean(0).detach() + one) / 2 @ flow
    model.set_attn_implementation("sdpa")
    return flow - one if weighted else flow


@pytest.mark.parametrize("kind", MODELS)
def test_its_attention_is_read_by_value_and_left_as_it_was(kind):
    model, prefix = build(kind), MODELS[kind][0]
    clf = load_classifier(model, size=SIZE, device="cpu")
    x = clf.prepare(noise_image(size=SIZE))[None]
    for method, weighted in (("attention_rollout", False), ("gradient_attention", True)):
        hooks = [len(module._forward_hooks) for module in model.modules()]
        found = attribute(clf, noise_image(size=SIZE), method, 1).values
        assert [len(module._forward_hooks) for module in model.modules()] == hooks
        flow = plain(model, x, 1, weighted)
        fits = []
        for readers in ([0], list(range(prefix, len(flow))), list(range(len(flow))), [0, *range(prefix, len(flow))]):
            grid = flow[readers].mean(0)[prefix:].reshape(1, 1, 8, 8)
            expected = functional.interpolate(grid, SIZE, mode="bilinear")[0].numpy()
            fits.append(np.abs(found - expected).max() / np.abs(expected).max())
        assert min(fits) < 1e-4, fits
        assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("kind", MODELS)
def test_its_tokens_lie_in_their_places_and_the_facts_say_so(kind):
    clf = load_classifier(build(kind), size=SIZE, device="cpu")
    prefix = MODELS[kind][0]
    inner = {grid.prefix for name, grid in clf.grids.items() if ".layer" in name and grid.layout == "tokens"}
    assert inner == {prefix}
    offered, tokens = layer_facts(clf)
    assert f"{sum(grid.calls == 1 for grid in clf.grids.values())} layers keep" in offered.value
    assert choose_layer(clf, None) in offered.value
    assert tokens.value.startswith(f"{prefix} token")
    assert (tokens.source, tokens.setting) == ("measured by the corner test", "prefix_tokens")


def test_attention_within_windows_is_refused_as_that():
    config = transformers.SwinConfig(image_size=64, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 2])
    model = transformers.SwinForImageClassification(config).eval()
    clf = load_classifier(model, size=SIZE, device="cpu")
    with pytest.raises(InputError, match="stays within windows"):
        attribute(clf, noise_image(size=SIZE), "attention_rollout", 1)
    assert choose_layer(clf, None) == "swin.layernorm"
