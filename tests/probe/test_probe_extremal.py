"""Extremal perturbation, on a model that reads a known patch: its masks lie there, and have the area that was asked
for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.models.loading import load_classifier
from workbench.models.preprocessing import Preprocessing
from workbench.probe.extremal import extremal
from workbench.probe.minimal import smallest

torch.set_num_threads(1)
HEIGHT, WIDTH = 64, 96
INSIDE = np.zeros((HEIGHT, WIDTH), bool)
INSIDE[20:44, 30:54] = True
PREPROCESSING = {"stretch": (40, 48), "crop": (48, 48), "pad": (56, 56)}


class OnPatch(nn.Module):
    """The log-odds of "hit" rise with the contrast inside of a patch, to 3 on the image, from nearly -3 without any."""

    def __init__(self, reads: np.ndarray, seen: torch.Tensor, flat: bool = False) -> None:
        super().__init__()
        self.reads = nn.Parameter(torch.from_numpy(reads / reads.sum()).float())
        self.most, self.flat = float(self.contrast(seen[None]).detach()), flat

    def contrast(self, x):
        return ((x[..., 1:] - x[..., :-1]).square().mean(1) * self.reads[:, 1:]).sum((1, 2))

    def forward(self, x):
        z = 6 * self.contrast(x) / self.most - 3
        out = torch.stack([torch.zeros_like(z), z], 1)
        return out.detach() if self.flat else out


def reader(resize="stretch", flat=False):
    settings = {"size": PREPROCESSING[resize], "resize": resize, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    made = Preprocessing(**settings)
    reads = made.placement(image()).to_input(INSIDE)
    model = OnPatch(reads, torch.from_numpy(made.pixels(image())), flat)
    return load_classifier(model, class_names=("miss", "hit"), device="cpu", **settings), reads


def image() -> Image.Image:
    return Image.fromarray(
        np.kron(np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8), np.ones((4, 4, 1), np.uint8))
    )


@pytest.mark.parametrize("variant", ["preserve", "delete"])
@pytest.mark.parametrize("resize", PREPROCESSING)
def test_the_mask_lies_on_the_patch(resize, variant):
    model, reads = reader(resize)
    share = float(reads.mean())
    found = extremal(model, image(), variant=variant, areas=(share / 2, share), iterations=110)
    assert found.before > 0.8
    assert found.blurred < 0.2
    masks = [found.placement.to_original(mask) for mask in found.masks]
    assert [mask.shape for mask in masks] == [(HEIGHT, WIDTH)] * 2
    for mask in masks:
        assert mask[INSIDE].sum() / mask.sum() > 0.6
    assert masks[1][INSIDE].mean() > 0.6
    assert (found.scores[1] > 0.5) if variant == "preserve" else (found.scores[1] < 0.5)


def test_it_agrees_with_the_smallest_region():
    model, _ = reader()
    gone = smallest(model, image(), aim="flip", fill="blur", cells=8)
    found = extremal(model, image(), variant="delete", areas=(gone.area,), iterations=110)
    mask = found.placement.to_original(found.masks[0])
    assert gone.inside[INSIDE].sum() / gone.inside.sum() > 0.6
    assert mask[INSIDE].sum() / mask.sum() > 0.6


def test_masks_are_as_large_as_asked_for_smooth_and_the_same_again():
    model, _ = reader()
    areas = (0.1, 0.3)
    found, again = (extremal(model, image(), areas=areas, iterations=110) for _ in range(2))
    assert found.areas == areas
    assert found.masks.mean((1, 2)) == pytest.approx(areas, rel=0.35)
    assert ((found.masks > 0.8) | (found.masks < 0.2)).mean() > 0.6
    assert np.abs(np.diff(found.masks, axis=2)).max() < 0.5
    assert found.masks.min() >= 0
    assert found.masks.max() <= 1
    assert (found.masks == again.masks).all()


def test_more_area_keeps_more():
    model, _ = reader()
    found = extremal(model, image(), areas=(0.02, 0.1, 0.25), iterations=110)
    assert (np.diff(found.scores) > 0).all()


def test_the_class_may_be_chosen():
    model, _ = reader()
    assert extremal(model, image(), areas=(0.1,), iterations=1).target == 1
    miss = extremal(model, image(), target="miss", areas=(0.1,), iterations=1)
    assert miss.target == 0
    assert miss.before < 0.2


def test_the_model_is_left_as_it_was_and_the_work_may_be_stopped():
    model, _ = reader()
    model.model.train()
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extremal(model, image(), areas=(0.1,), iterations=9, on_progress=stop)
    assert told == [(1, 9), (2, 9), (3, 9)]
    assert model.model.training
    assert all(p.requires_grad and p.grad is None for p in model.model.parameters())


def test_what_cannot_be_done_is_refused(refusal):
    model, _ = reader()
    assert "areas" in refusal(lambda: extremal(model, image(), areas=(0.1, 1.5)))
    assert "areas" in refusal(lambda: extremal(model, image(), areas=()))
    assert "preserve or delete" in refusal(lambda: extremal(model, image(), variant="keep"))
    assert "no class 'pot'" in refusal(lambda: extremal(model, image(), target="pot"))
    assert "no gradient" in refusal(lambda: extremal(reader(flat=True)[0], image(), areas=(0.1,), iterations=2))
