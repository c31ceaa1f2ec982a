"""The map of a set: neighbours stay neighbours, copies share a place, and order does not matter."""

import sys

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from workbench.errors import InputError
from workbench.quality import projection as module_function
from workbench.quality.projection import projection


def clusters(count=60, seed=0):
    rng = np.random.default_rng(seed)
    kind = np.arange(count) % 3
    return (np.eye(3, 20)[kind] * 9 + rng.normal(size=(count, 20))).astype(np.float32), kind


@pytest.fixture(scope="module")
def mapped():
    vectors, kind = clusters()
    return vectors, kind, projection(vectors)


def test_neighbours_stay_neighbours(mapped):
    vectors, kind, places = mapped
    assert places.shape == (60, 2)
    assert (places.min(), places.max()) == (0, 1)
    assert trustworthiness(vectors, places, n_neighbors=5) > 0.9
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(60) * 9
    assert (kind[apart.argmin(1)] == kind).all()
    assert module_function is projection


def test_order_and_copies_change_nothing(mapped):
    vectors, _, places = mapped
    order = np.random.default_rng(1).permutation(60)
    assert np.array_equal(projection(vectors[order]), places[order])
    twice = projection(np.concatenate([vectors, vectors[:7]]))
    assert np.array_equal(twice[:60], places)
    assert np.array_equal(twice[60:], places[:7])


def test_many_are_placed_among_landmarks(monkeypatch):
    monkeypatch.setattr(sys.modules["workbench.quality.projection"], "MOST_EMBEDDED", 60)
    vectors, kind = clusters(240)
    places = projection(vectors)
    assert np.isfinite(places).all()
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(240) * 9
    assert (kind[apart.argmin(1)] == kind).mean() > 0.97


@pytest.mark.parametrize("count", [1, 2, 3, 4, 11, 12, 13])
def test_small_sets(count):
    """Perplexity above the number of images, and graphs of four nodes that crash elsewhere."""
    assert np.isfinite(projection(clusters(count)[0])).all()


@pytest.mark.parametrize(
    "vectors",
    [np.ones((20, 5)), np.zeros((20, 5)), np.tile(np.eye(3, 5), (9, 1)), np.arange(20.0)[:, None], np.eye(30) * 1e30],
    ids=["alike", "zero", "three kinds", "one number", "huge"],
)
def test_strangers_embeddings_have_a_map(vectors):
    places = projection(vectors.astype(np.float32))
    assert np.isfinite(places).all()
    assert ((places >= 0) & (places <= 1)).all()


def test_what_cannot_be_read_has_no_place():
    vectors = clusters()[0]
    vectors[3], vectors[7, 2] = np.nan, np.inf
    places = projection(vectors)
    assert np.flatnonzero(np.isnan(places).any(1)).tolist() == [3, 7]
    for wrong in (np.full((4, 3), np.nan), np.zeros((4, 0)), np.zeros(4)):
        with pytest.raises(InputError):
            projection(wrong)


def test_it_can_be_stopped_between_rounds():
    class StopError(Exception):
        pass

    told = []

    def stop(done, total):
        told.append((done, total))
        if done == 1:
            raise StopError

    with pytest.raises(StopError):
        projection(clusters()[0], on_progress=stop)
    assert told == [(0, 4), (1, 4)]
