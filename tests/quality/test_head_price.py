"""What whole parts on one side cost a head: planted features whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from planted import item, kin
from sklearn.metrics import roc_auc_score

from workbench.errors import InputError
from workbench.quality import head_price

WIDTH = 300


def exposures(parts=80, shots=5, signal=0.0, seed=0):
    """Parts shown several times: features that tell the part, and the label by as much as asked."""
    rng = np.random.default_rng(seed)
    items, rows, pairs = [], [], []
    for part in range(parts):
        label = "defective" if rng.random() < 0.4 else "good"
        own = rng.normal(size=WIDTH) + signal * (label == "defective")
        for shot in range(shots):
            items.append(item(f"p{part}s{shot}", None, label))
            rows.append(own + 0.1 * rng.normal(size=WIDTH))
            pairs += [(f"p{part}s0", f"p{part}s{shot}")] if shot else []
    return items, np.float32(rows), kin(items, pairs)


def test_a_head_that_knows_parts_only_is_found_out():
    items, features, families = exposures()
    price = head_price(items, features, families, ("defective",))
    assert (price.images, price.units, price.left_out) == (400, 80, ())
    assert price.by_image.auc.value > 0.9
    assert price.by_unit.auc.low < 0.5 < price.by_unit.auc.high
    assert price.by_image.escapes.value < 0.4
    assert price.by_unit.escapes.value > 0.6
    assert price.by_image.accuracy.groups == 5


def test_a_head_that_knows_the_defect_pays_nothing():
    items, features, families = exposures(signal=0.5)
    price = head_price(items, features, families, ("defective",))
    assert price.by_unit.auc.value > 0.97
    assert price.by_image.auc.value - price.by_unit.auc.value < 0.03


def test_figures_are_those_of_a_plain_loop():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.preprocessing import StandardScaler

    items, features, families = exposures(signal=0.1)
    price = head_price(items, features, families, ("defective",))
    order = np.argsort([i.id for i in items], kind="stable")
    x, y = features[order].astype(float), np.array([items[row].label == "defective" for row in order])
    group, _ = pd.factorize(np.array([items[row].name.split("s")[0] for row in order]))
    aucs, escapes = [], []
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(x, ~y, group):
        scale = StandardScaler().fit(x[train])
        head = LogisticRegression(C=0.01, max_iter=200).fit(scale.transform(x[train]), y[train])
        scores = head.predict_proba(scale.transform(x[test]))[:, 1]
        aucs.append(roc_auc_score(y[test], scores))
        good = scores[~y[test]]
        threshold = min(t for t in [*good, 2.0] if (good >= t).mean() <= 0.05)
        escapes.append((scores[y[test]] <= max(good[good < threshold])).mean())
    assert price.by_unit.auc.value == pytest.approx(np.mean(aucs), abs=0.01)
    assert price.by_unit.escapes.value == pytest.approx(np.mean(escapes), abs=0.02)


def test_order_does_not_matter_and_a_set_without_families_costs_nothing():
    items, features, families = exposures(parts=30)
    rng = np.random.default_rng(3)
    order = rng.permutation(len(items))
    first = head_price(items, features, families, ("defective",))
    second = head_price([items[i] for i in order], features[order], families, ("defective",))
    assert first.by_image == second.by_image
    assert first.by_unit == second.by_unit
    alone = head_price(items, features, None, ("defective",))
    assert alone.units == alone.images


def test_three_kinds_without_a_defect_have_an_accuracy_alone():
    rng = np.random.default_rng(0)
    items = [item(f"{n}", None, "abc"[n % 3]) for n in range(90)]
    features = rng.normal(size=(90, 8)) + np.arange(90)[:, None] % 3
    price = head_price(items, features)
    assert price.by_image.accuracy.value > 0.6
    assert price.by_image.auc.value is None
    assert set(price.table["figure"]) == {"accuracy"}


def test_rare_classes_are_left_out_and_said():
    items, features, families = exposures(parts=30)
    items += [item(f"x{n}", None, "rare", group="one") for n in range(12)] + [item("unlabelled", None, None)]
    features = np.concatenate([features, np.zeros((13, WIDTH), np.float32)])
    features[0] = np.nan
    price = head_price(items, features, families, ("defective", "rare"))
    assert price.left_out == ("rare",)
    assert price.images == 149


@pytest.mark.parametrize("groups", [1, 3])
def test_too_few_groups_have_no_price(groups):
    items = [item(f"{n}", None, "good" if n % 2 else "bad", group=n // 2 % groups) for n in range(60)]
    with pytest.raises(InputError, match="different parts or groups"):
        head_price(items, np.random.default_rng(0).normal(size=(60, 4)))


@pytest.mark.parametrize("width", [0, 4])
def test_images_that_cannot_be_read_have_no_price(width):
    items, _, families = exposures(parts=10)
    with pytest.raises(InputError, match="none can be read"):
        head_price(items, np.full((len(items), width), np.nan, np.float32), families)


def test_the_work_stops_where_progress_says_so():
    items, features, families = exposures(parts=30)
    seen = []

    def stop(done, total):
        seen.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        head_price(items, features, families, on_progress=stop)
    assert seen == [(0, 10), (1, 10), (2, 10), (3, 10)]
