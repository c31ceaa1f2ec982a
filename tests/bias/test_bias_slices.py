"""Slices: a planted bad cluster is found and described, and random features show none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import hypergeom
from tables import solar, table

from workbench.bias.slices import slices


def planted(size: int = 3000, seed: int = 0):
    """Features (N, 64) with six clusters; in one the model is wrong 40 % of the time, elsewhere 5 %, and camera B took
    most of it."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, 6, size)
    features = rng.normal(size=(6, 64))[cluster] * 2 + rng.normal(size=(size, 64))
    bad = cluster == 3
    wrong = rng.random(size) < np.where(bad, 0.4, 0.05)
    labels = np.where(rng.random(size) < 0.5, "good", "bad")
    predicted = np.where(wrong, np.where(labels == "good", "bad", "good"), labels)
    camera = np.where(rng.random(size) < np.where(bad, 0.9, 0.2), "B", "A")
    return (
        features.astype(np.float32),
        table(labels, predicted, {"camera": camera, "serial": np.arange(size)}),
        bad,
        features,
    )


def test_a_planted_bad_cluster_is_first_and_described() -> None:
    features, predictions, bad, raw = planted()
    found = slices(features, predictions, clusters=6)
    worst = found.slices[0]
    assert worst.significant
    assert not any(s.significant for s in found.slices[1:])
    assert bad[worst.members].mean() > 0.99
    assert len(worst.members) > 0.95 * bad.sum()
    assert worst.error.low < 0.4 < worst.error.high
    trait = worst.traits[0]
    assert (trait.attribute, trait.value) == ("camera", "B")
    assert trait.share == pytest.approx(0.9, abs=0.04)
    assert trait.lift == pytest.approx(trait.share / trait.overall)
    assert trait.support == (predictions.frame["camera"][worst.members] == "B").sum()
    assert "serial" not in {t.attribute for s in found.slices for t in s.traits}
    distance = np.linalg.norm(raw[worst.members] - raw[bad].mean(0), axis=1)
    assert distance[:20].mean() < 0.9 * distance.mean()


def test_by_default_the_bad_cluster_is_found_in_parts() -> None:
    features, predictions, bad, _ = planted(seed=1)
    found = slices(features.reshape(-1, 8, 8), predictions)
    assert len(found.slices) == 16
    accused = [s for s in found.slices if s.significant]
    assert accused
    assert all(bad[s.members].mean() > 0.95 for s in accused)
    assert sum(len(s.members) for s in accused) > 0.8 * bad.sum()


def test_random_features_accuse_nobody() -> None:
    rng = np.random.default_rng(0)
    accused = described = 0
    for seed in range(100):
        rows = np.zeros(len(solar()), bool)
        rows[rng.choice(len(rows), 800, replace=False)] = True
        found = slices(rng.normal(size=(len(rows), 8)), solar(), rows=rows, clusters=8, seed=seed)
        accused += any(s.significant for s in found.slices)
        described += any(s.traits for s in found.slices[:1])
    assert accused <= 11  # the binomial 99 % bound of 5 in 100
    assert described <= 11


def test_the_frame_says_what_the_slices_hold() -> None:
    features, predictions, _, _ = planted(size=1200)
    rows = np.arange(1200) < 900
    features[5] = np.nan
    found = slices(features, predictions, rows=rows, clusters=5)
    frame, wrong = found.frame, (predictions.frame["verdict"] == "wrong").to_numpy()
    assert frame["support"].sum() == found.error.support == 899
    assert frame["errors"].sum() == found.error.count == wrong[rows].sum() - wrong[5]
    assert (found.codes[~rows] == -1).all()
    assert found.codes[5] == -1
    for number, part in enumerate(found.slices):
        assert sorted(part.members) == np.flatnonzero(found.codes == number).tolist()
        assert frame["error rate"][number] == pytest.approx(wrong[part.members].mean())
        assert part.p == pytest.approx(
            hypergeom.sf(part.error.count - 1, 899, found.error.count, len(part.members)), rel=1e-6
        )
    assert frame["error rate low"].is_monotonic_decreasing
    assert found.split == "test"
    again = slices(features, predictions, rows=rows, clusters=5)
    assert (again.codes == found.codes).all()


def test_many_images_are_clustered_in_batches() -> None:
    features, predictions, bad, _ = planted(size=6000)
    found = slices(features, predictions, clusters=12)
    accused = np.isin(found.codes, [i for i, s in enumerate(found.slices) if s.significant])
    assert bad[accused].mean() > 0.95
    assert accused.sum() > 0.7 * bad.sum()


def test_what_cannot_be_clustered_is_refused(refusal) -> None:
    predictions = table(["good"] * 100, ["good"] * 100)
    assert "60" in refusal(
        lambda: slices(np.random.default_rng(0).normal(size=(100, 3)), predictions, rows=np.arange(100) < 50)
    )
    assert "same" in refusal(lambda: slices(np.ones((100, 3)), predictions))
    with pytest.raises(ValueError, match="100"):
        slices(np.ones((3, 2)), predictions)
    perfect = slices(np.random.default_rng(0).normal(size=(100, 3)), predictions)
    assert not any(s.significant for s in perfect.slices)
    assert dataclasses.astuple(perfect.error)[:3] == (0, 0, perfect.error.high)
