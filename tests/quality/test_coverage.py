"""What a set does not cover: distances held against a plain loop, planted holes found, and silence where none is."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from workbench.errors import InputError
from workbench.quality import RANK, coverage, coverage_results

SIDES = {"train": 120, "test": 60}


def kinds(seed, *, hole=0, copies=1, hidden=(), sides=None):
    """Vectors of five kinds of images in both splits; the last `hole` test images are of a sixth kind, and kinds that
    are `hidden` are not in the test split. Each part is shown `copies` times."""
    rng, sides = np.random.default_rng(seed), sides or SIDES
    centres = np.abs(rng.normal(size=(6, 32)))
    split = np.repeat(list(sides), list(sides.values()))
    kind = rng.integers(0, 5, len(split))
    kind[(split == "test") & np.isin(kind, hidden)] = 0
    kind[len(kind) - hole :] = 5 if hole else kind[len(kind) - hole :]
    own = np.maximum(centres[kind] + rng.normal(size=(len(split), 32)) * 0.5, 0)
    vectors = np.repeat(own, copies, 0) + rng.normal(size=(len(split) * copies, 32)) * 0.01 * (copies > 1)
    names = [f"{i}.png" for i in range(len(vectors))]
    frame = pd.DataFrame({"name": names, "split": np.repeat(split, copies).astype(object)})
    if copies > 1:
        frame["group"] = np.repeat(np.arange(len(split)), copies)
    return frame, vectors


def plain(frame, vectors, row, pool):
    """The distance to the `RANK`-th nearest part of the rows `pool`, by a loop."""
    long = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    part = frame["group"].tolist() if "group" in frame else list(range(len(frame)))
    least = {}
    for other in pool:
        if part[other] != part[row]:
            away = float(np.sqrt(((long[other] - long[row]) ** 2).sum()))
            least[part[other]] = min(least.get(part[other], np.inf), away)
    return sorted(least.values())[RANK - 1]


@pytest.mark.parametrize("copies", [1, 3])
def test_distances_are_those_of_a_plain_loop(copies):
    frame, vectors = kinds(0, copies=copies, sides={"train": 40, "validation": 5, "test": 10})
    order = np.random.default_rng(1).permutation(len(frame))
    frame, vectors = frame.iloc[order].reset_index(drop=True), vectors[order]
    found = coverage(frame, vectors)
    pool = np.flatnonzero(frame["split"] == "train")
    for row in range(0, len(frame), 7):
        assert found.frame["distance"][row] == pytest.approx(plain(frame, vectors, row, pool), abs=1e-5)
        near = frame.index[frame["name"] == found.frame["nearest"][row]][0]
        assert frame["split"][near] == "train"
        if copies > 1:
            assert frame["group"][near] != frame["group"][row]


def test_a_kind_that_training_lacks_is_found_and_what_is_drawn_alike_is_not():
    alarms = 0
    for seed in range(20):
        frame, vectors = kinds(seed, hole=8)
        found = coverage(frame, vectors)
        assert found.gap
        assert found.frame["outside"].to_numpy()[-8:].sum() >= 5
        assert found.outside.count <= 8 + 4
        alarms += coverage(*kinds(seed)).gap
    assert alarms <= 4  # of 20, where 5 % is promised: more has a chance of 0.3 %


@pytest.mark.slow
@pytest.mark.parametrize("copies", [1, 6])
def test_what_is_drawn_alike_is_silent_as_often_as_promised(copies):
    found = [coverage(*kinds(seed, copies=copies, sides={"train": 200, "test": 100})) for seed in range(200)]
    assert sum(line.gap for line in found) <= 16
    assert sum(line.untested_gap for line in found) <= 16


def test_training_that_no_test_image_reaches_is_found():
    found = coverage(*kinds(3, hidden=(4,), sides={"train": 150, "test": 80}))
    assert found.untested_gap
    assert not found.gap
    assert {line.check: line.verdict for line in coverage_results(found)} == {
        "coverage": "ok",
        "coverage accuracy": "unknown",
        "coverage untested": "warn",
    }


def test_copies_in_training_do_not_shrink_its_reach():
    """With six images of each part, a radius among images would be that between copies, and all else out of reach."""
    frame, vectors = kinds(5, copies=6, sides={"train": 60, "test": 40})
    found = coverage(frame, vectors)
    assert not found.gap
    assert (found.outside.support, found.outside.groups) == (240, 40)
    assert coverage(frame.drop(columns="group"), vectors).outside.count > 2 * found.outside.count


def test_chance_is_the_exact_tail_and_accuracy_is_counted_by_hand():
    frame, vectors = kinds(7, hole=30, sides={"train": 150, "test": 90})
    frame["verdict"] = [["right", "wrong", "right", None][i % 4] for i in range(len(frame))]
    found = coverage(frame, vectors)
    out, train = found.frame["outside"].to_numpy(), (frame["split"] == "train").to_numpy()
    own = int((found.frame["distance"][train] > found.radius).sum())
    cells = [[int(out.sum()), int((~train).sum() - out.sum())], [own, int(train.sum()) - own]]
    assert found.p == pytest.approx(fisher_exact(cells, alternative="greater").pvalue)
    for rate, rows in ((found.right_outside, out), (found.right_inside, ~out & ~train)):
        assert rate.count == int(((frame["verdict"] == "right") & rows).sum())
        assert rate.support == int((frame["verdict"].notna() & rows).sum())
    first = coverage_results(found)[0]
    assert first.verdict == "warn"
    distance = found.frame.set_index("name")["distance"]
    assert list(first.images) == sorted(first.images, key=lambda name: -distance[name])


def strangers():
    """Inputs on which other tools crash, or answer with a figure that means nothing."""
    frame, vectors = kinds(0, sides={"train": 40, "test": 40})
    yield "all alike", frame, np.ones_like(vectors), 0
    yield "all zero", frame, np.zeros_like(vectors), 0
    yield "copies of ten images", frame, np.tile(vectors[:10], (8, 1)), 0
    yield "one number", frame, vectors[:, :1], None
    broken = vectors.copy()
    broken[3], broken[45] = np.nan, np.inf
    yield "not finite", frame, broken, None
    yield "huge", frame, vectors * 1e30, None


@pytest.mark.parametrize(
    ("what", "frame", "vectors", "count"), strangers(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_strangers_embeddings(what, frame, vectors, count):
    found = coverage(frame, vectors.astype(np.float32))
    assert not found.gap, what
    assert count is None or found.outside.count == count
    assert found.outside.support == 40 - (what == "not finite")
    assert all(line.verdict in ("ok", "unknown") for line in coverage_results(found))


@pytest.mark.parametrize(
    ("splits", "why"),
    [
        ([None] * 80, "training split"),
        (["test"] * 80, "training split"),
        (["train"] * 80, "test or validation"),
        (["train"] * 29 + ["test"] * 51, "29 independent images"),
    ],
)
def test_what_cannot_be_told_is_said_to_be_unknown(splits, why):
    found = coverage(pd.DataFrame({"name": map(str, range(80)), "split": np.array(splits, object)}), np.eye(80))
    assert why in found.reason
    assert {line.verdict for line in coverage_results(found)} == {"unknown"}
    assert not found.frame["outside"].any()


def test_an_embedding_of_other_images_is_refused():
    frame, vectors = kinds(0)
    with pytest.raises(InputError, match="does not belong"):
        coverage(frame, vectors[1:])


def test_stopping_leaves_at_the_next_step():
    class StopError(Exception):
        pass

    def stop(done, total):
        assert 0 < done <= total
        raise StopError

    with pytest.raises(StopError):
        coverage(*kinds(0), on_progress=stop)
