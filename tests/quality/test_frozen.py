"""Features of a network that never saw the labels: once for each file, kept, resumed."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.errors import InputError
from workbench.files import cache_folder
from workbench.images import FileSource, ImageItem
from workbench.models import load_classifier
from workbench.quality import frozen_features, known_features


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def net(tiny_net):
    fields = {"classes": ["a", "b"], "size": (16, 16), "mean": [0.5] * 3, "std": [0.5] * 3}
    return load_classifier(tiny_net(), name="tiny", **fields)


@pytest.fixture
def items(tmp_path):
    rng = np.random.default_rng(0)
    made = []
    for i in range(70):
        path = tmp_path / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
        made.append(ImageItem(path.name, FileSource(path)))
    return made


def test_features_are_what_goes_into_the_last_layer(net, items):
    made = frozen_features(items, net=net)
    assert (made.shape, made.dtype) == ((70, 4), np.float32)
    body = copy.deepcopy(net.model).eval()[:-1]
    with torch.no_grad():
        plain = [body(net.prepare(item)[None])[0].numpy() for item in items]
    np.testing.assert_allclose(made, plain, rtol=1e-5, atol=1e-6)


def test_a_stopped_run_keeps_what_it_has_and_goes_on_there(net, items):
    seen = []

    def stop(done, total):
        seen.append((done, total))
        raise KeyboardInterrupt

    assert known_features(items, net) is None
    with pytest.raises(KeyboardInterrupt):
        frozen_features(items, stop, net)
    assert seen == [(32, 70)]
    later = []
    whole = frozen_features(items, lambda *step: later.append(step), net)
    assert later == [(64, 70), (70, 70)]
    np.testing.assert_array_equal(known_features(items[::-1], net), whole[::-1])


def test_copies_cost_nothing_and_what_cannot_be_read_has_none(net, items, tmp_path):
    (tmp_path / "torn.png").write_bytes(items[0].source.path.read_bytes()[:100])
    odd = [dataclasses.replace(items[0], name="copy"), ImageItem("torn", FileSource(tmp_path / "torn.png")),
           ImageItem("gone", FileSource(tmp_path / "gone.png"))]  # fmt: skip
    made = frozen_features([items[0], *odd], net=net)
    np.testing.assert_array_equal(made[0], made[1])
    assert np.isnan(made[2:]).all()
    assert known_features([items[0], *odd], net) is not None, "a file that cannot be read is not waited for"


def test_a_damaged_store_is_begun_anew(net, items):
    first = frozen_features(items[:3], net=net)
    (path,) = (cache_folder() / "frozen").glob("*.sqlite")
    path.write_bytes(b"no database, but long enough to look like one" * 50)
    np.testing.assert_array_equal(frozen_features(items[:3], net=net), first)


def test_another_network_has_other_features(net, tiny_net, items):
    fields = {"classes": ["a", "b"], "size": (16, 16), "mean": [0.5] * 3, "std": [0.5] * 3}
    other = load_classifier(tiny_net(seed=1), name="tiny", **fields)
    assert not np.allclose(frozen_features(items, net=net), frozen_features(items, net=other))


def test_no_images_are_refused(net):
    with pytest.raises(InputError, match="no images"):
        frozen_features([], net=net)
