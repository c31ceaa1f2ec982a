"""Training is seeded, resumes exactly, and gives back the moving average."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from workbench.training.loop import Progress, Recipe, augment, fit, one_cycle

torch.set_num_threads(1)
RECIPE = Recipe(epochs=3, sizes=(8, 12), batch=5, rate=0.01, seed=7)


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


@pytest.fixture(scope="module")
def data():
    """Twelve images of 14 x 14 pixels: dark ones and light ones."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(12) % 2
    images = torch.randint(0, 100, (12, 3, 14, 14), generator=generator) + 150 * labels.view(-1, 1, 1, 1)
    return images.to(torch.uint8), F.one_hot(labels, 2).float()


def trained(data, recipe=RECIPE, seed=0, checkpoint=None):
    model = net(seed)
    steps = list(fit(model, *data, recipe, checkpoint))
    return model, steps


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(data):
    model, steps = trained(data)
    torch.rand(100)  # whatever was drawn before does not matter
    again, more = trained(data)
    assert same(model, again)
    assert steps == more
    assert not same(model, trained(data, dataclasses.replace(RECIPE, seed=8))[0])


def test_progress_counts_every_step(data):
    model, steps = trained(data)
    assert [step.done for step in steps] == list(range(1, 10))
    assert {step.total for step in steps} == {9}
    assert [step.epoch for step in steps] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert all(step.loss > 0 for step in steps)
    assert isinstance(steps[0], Progress)
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize("stopped_in", [2, 3])
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(data, tmp_path, stopped_in):
    path = tmp_path / "run.pt"
    whole, steps = trained(data)
    running = fit(net(), *data, RECIPE, path)
    for step in running:
        if step.epoch == stopped_in:
            break  # in the middle of an epoch, whose first step is lost
    running.close()
    torch.manual_seed(999)
    resumed, rest = trained(data, seed=5, checkpoint=path)
    assert rest == [step for step in steps if step.epoch >= stopped_in]
    assert same(resumed, whole)
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_a_finished_run_is_not_run_again(data, tmp_path):
    path = tmp_path / "run.pt"
    whole, _ = trained(data, checkpoint=path)
    again, steps = trained(data, seed=5, checkpoint=path)
    assert steps == []
    assert same(again, whole)
    assert not again.training


def test_the_result_is_the_moving_average(data):
    recipe = dataclasses.replace(RECIPE, averaging=0.8)
    model, average = net(), None
    for _ in fit(model, *data, recipe):
        now = model[0].weight.detach().clone()
        average = now if average is None else 0.8 * average + 0.2 * now
    torch.testing.assert_close(model[0].weight.detach(), average, atol=1e-6, rtol=1e-5)
    assert (now - average).abs().max() > 1e-4, "the average is not just the last step"


def test_it_learns(data):
    model, steps = trained(data, dataclasses.replace(RECIPE, epochs=30, mixup=0.0, averaging=0.5, rate=0.05))
    images, targets = data
    with torch.inference_mode():
        found = model(images.float() / 127.5 - 1).argmax(1)
    assert torch.equal(found, targets.argmax(1))
    assert sum(step.loss for step in steps[-9:]) < sum(step.loss for step in steps[:9])


def test_sizes_share_out_the_epochs():
    assert [Recipe(epochs=6, sizes=(8, 12, 16)).size_at(e) for e in range(6)] == [8, 8, 12, 12, 16, 16]
    assert [Recipe(epochs=4, sizes=(8, 12, 16)).size_at(e) for e in range(4)] == [8, 8, 12, 16]
    assert Recipe(epochs=1, sizes=(8, 12)).size_at(0) == 8


def test_images_grow_during_training(data):
    seen = []
    model = net()
    model[0].register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape[1:])))
    list(fit(model, *data, RECIPE))
    assert seen == [(3, 8, 8)] * 6 + [(3, 12, 12)] * 3


@pytest.mark.parametrize("size", [5, 14, 40])
@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation_keeps_shape_and_range(size, channels):
    images = torch.randint(0, 256, (64, channels, 14, 14), dtype=torch.uint8)
    found = augment(images, size, torch.Generator().manual_seed(0))
    assert found.shape == (64, channels, size, size)
    assert found.dtype == torch.float32
    assert found.min() >= -1
    assert found.max() <= 1
    assert torch.equal(found, augment(images, size, torch.Generator().manual_seed(0)))
    assert not torch.equal(found, augment(images, size, torch.Generator().manual_seed(1)))


def test_augmentation_turns_and_flips_about_the_middle():
    """A bright quarter comes to lie in each of the four corners, and mostly stays a quarter."""
    images = torch.zeros(200, 1, 16, 16, dtype=torch.uint8)
    images[:, :, :8, :8] = 255
    found = augment(images, 16, torch.Generator().manual_seed(3))[:, 0]
    corners = torch.stack([found[:, a : a + 6, b : b + 6].mean((1, 2)) for a in (1, 9) for b in (1, 9)], 1)
    assert set(corners.argmax(1).tolist()) == {0, 1, 2, 3}
    ranked = corners.sort(1).values
    assert (ranked[:, 3] - ranked[:, 2]).min() > 0.5, "exactly one corner is bright in every image"


def test_flipping_really_happens():
    """An L-shape has another handedness after a flip, which no turn gives it."""
    images = torch.zeros(200, 1, 16, 16, dtype=torch.uint8)
    images[:, :, :8, :8], images[:, :, :8, 8:] = 255, 128
    found = augment(images, 16, torch.Generator().manual_seed(3))[:, 0]
    around = torch.stack([found[:, a : a + 5, b : b + 5].mean((1, 2)) for a, b in ((2, 2), (2, 9), (9, 9), (9, 2))], 1)
    brightest, second = around.topk(2, 1).indices.T
    handed = (second - brightest) % 4
    assert set(handed.tolist()) == {1, 3}
    assert 60 < (handed == 1).sum() < 140


class Onlooker:
    """Ends the training after some epochs, and remembers what it saw."""

    def __init__(self, most=99):
        self.most, self.seen = most, []

    @property
    def ended(self):
        return len(self.seen) >= self.most

    def look(self, average, loss):
        average(torch.zeros(4, 3, 8, 8))  # moves the statistics of whoever leaves it in training mode
        self.seen.append((average[0].weight.detach().clone(), loss))

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


def test_a_watch_sees_each_epochs_average_and_mean_loss(data):
    watch, model = Onlooker(), net()
    steps = list(fit(model, *data, RECIPE, watch=watch))
    assert [loss for _, loss in watch.seen] == [
        pytest.approx(sum(s.loss for s in steps[i : i + 3]) / 3) for i in (0, 3, 6)
    ]
    assert torch.equal(watch.seen[-1][0], model[0].weight)
    assert not torch.equal(watch.seen[0][0], watch.seen[1][0])


def test_a_watch_ends_the_training_and_is_resumed(data, tmp_path):
    steps = list(fit(net(), *data, RECIPE, tmp_path / "run.pt", watch=Onlooker(2)))
    assert [step.epoch for step in steps] == [1, 1, 1, 2, 2, 2]
    ended = Onlooker(2)
    assert list(fit(net(), *data, RECIPE, tmp_path / "run.pt", watch=ended)) == []
    assert len(ended.seen) == 2
    longer = Onlooker(3)
    assert {step.epoch for step in fit(net(), *data, RECIPE, tmp_path / "run.pt", watch=longer)} == {3}


def test_an_order_decides_which_images_are_shown(data):
    seen, model = [], net()
    model[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].mean((1, 2, 3)) > 0))
    light = torch.arange(12)[data[1][:, 1] == 1]
    recipe = dataclasses.replace(RECIPE, mixup=0.0)
    steps = list(fit(model, *data, recipe, order=lambda generator: light[torch.randint(6, (8,), generator=generator)]))
    assert [step.total for step in steps] == [6] * 6, "two steps of five and three in each of three epochs"
    assert torch.cat(seen).all()
    assert [len(part) for part in seen[:2]] == [5, 3]


# Few steps, and losses that are no numbers


@pytest.mark.parametrize("steps", range(1, 13))
def test_a_schedule_of_any_length_has_a_rate_at_every_step(steps):
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule, rates = one_cycle(optimizer, 1.0, steps), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert all(math.isfinite(rate) and 0 < rate <= 1 for rate in rates)
    assert max(rates) >= 0.5, "so that a run of a single step learns something"
    top = rates.index(max(rates))
    assert rates[top:] == sorted(rates[top:], reverse=True)


@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
@pytest.mark.parametrize("batch", [1, 2, 3, 5, 12, 64])
def test_any_product_of_epochs_and_steps_is_trained(data, epochs, batch):
    images, targets = data
    recipe = dataclasses.replace(RECIPE, epochs=epochs, batch=batch, sizes=(8,))
    before = net()
    model, count = net(), -(-5 // batch)
    steps = list(fit(model, images[:5], targets[:5], recipe))
    assert [step.done for step in steps] == list(range(1, epochs * count + 1))
    assert not same(model, before)
    assert all(value.isfinite().all() for value in model.state_dict().values())


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_a_loss_that_is_no_number_ends_the_training_in_a_sentence(data, tmp_path, refusal, broken):
    class Broken(nn.Module):
        """Answers as its net does until the sixth batch, in the second epoch."""

        def __init__(self):
            super().__init__()
            self.net, self.seen = net(), 0

        def forward(self, x):
            self.seen += 1
            out = self.net(x)
            if self.seen < 6:
                return out
            return out * float("nan") if broken == "loss" else out + (self.net[0].weight * 0).sum().sqrt()

    path = tmp_path / "run.pt"
    message = refusal(lambda: list(fit(Broken(), *data, RECIPE, path)))
    assert "epoch 2, step 3" in message
    assert "another seed" in message
    kept = torch.load(path, weights_only=True)["model"]
    assert all(value.isfinite().all() for value in kept.values()), "the checkpoint is of the epoch before"
