"""Simpson's paradox on the table that made it famous, on planted ones, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from tables import solar, table, with_attributes

from workbench.bias.simpson import simpson

# Bickel, Hammel and O'Connell 1975, "Sex bias in graduate admissions: data from Berkeley", the six largest departments:
# admitted and rejected men, admitted and rejected women.
BERKELEY = {"A": (512, 313, 89, 19), "B": (353, 207, 17, 8), "C": (120, 205, 202, 391), "D": (138, 279, 131, 244)}
BERKELEY |= {"E": (53, 138, 94, 299), "F": (22, 351, 24, 317)}


def counted(cells, first="man", second="woman"):
    """A table of parts, each called bad or not, from hits and misses of two groups in each stratum."""
    predicted, group, stratum = [], [], []
    for name, (a, b, c, d) in cells.items():
        predicted += ["bad"] * a + ["good"] * b + ["bad"] * c + ["good"] * d
        group += [first] * (a + b) + [second] * (c + d)
        stratum += [name] * (a + b + c + d)
    return table(["bad"] * len(predicted), predicted, {"group": group, "line": stratum})


def test_berkeley() -> None:
    found = simpson(counted(BERKELEY), "group", "recall", within="line")
    assert (found.first, found.second) == ("man", "woman")
    assert found.overall[0] == pytest.approx(1198 / 2691 - 557 / 1835)
    assert found.overall[1] > 0.1
    assert found.inside[0] < 0
    assert found.inside[2] > -0.01  # within departments women are not clearly ahead
    assert found.kind == "explained"
    assert "man" in found.warning
    assert "each line" in found.warning
    assert found.frame["stratum"].tolist() == list("ABCDEF")
    assert found.frame["first support"].tolist() == [825, 560, 325, 417, 191, 373]


def test_a_gap_is_weighted_as_by_mantel_and_haenszel() -> None:
    found = simpson(counted(BERKELEY), "group", "recall", within="line")
    weights, gaps = [], []
    for a, b, c, d in BERKELEY.values():
        weights.append((a + b) * (c + d) / (a + b + c + d))
        gaps.append(a / (a + b) - c / (c + d))
    assert found.inside[0] == pytest.approx(np.average(gaps, weights=weights), abs=1e-12)
    assert found.frame["gap"].tolist() == pytest.approx(gaps)
    assert found.frame["weight"].tolist() == pytest.approx(np.array(weights) / np.sum(weights))


def test_the_intervals_are_those_of_drawing_the_cases_again() -> None:
    cells = {"1": (90, 30, 40, 10), "2": (20, 60, 45, 55)}
    found = simpson(counted(cells), "group", "recall", within="line")
    counts = np.array(list(cells.values()))  # hits and misses of the first, hits and misses of the second
    drawn = np.empty((20_000, 2, 4))
    rng = np.random.default_rng(0)
    for part in (slice(0, 2), slice(2, 4)):
        cell = counts[:, part].ravel()
        drawn[..., part] = rng.multinomial(cell.sum(), cell / cell.sum(), len(drawn)).reshape(len(drawn), 2, 2)
    a, b, c, d = np.moveaxis(drawn, 2, 0)
    overall = a.sum(1) / (a + b).sum(1) - c.sum(1) / (c + d).sum(1)
    weight = (a + b) * (c + d) / (a + b + c + d)
    inside = ((a / (a + b) - c / (c + d)) * weight).sum(1) / weight.sum(1)
    flip = 1 if found.first == "man" else -1
    for span, values in ((found.overall, overall), (found.inside, inside), (found.shift, overall - inside)):
        assert (span[2] - span[1]) / 2 == pytest.approx(1.96 * values.std(), rel=0.04)
        assert span[0] == pytest.approx(flip * values.mean(), abs=0.005)


def test_each_kind_has_its_name() -> None:
    turned = {"1": (800, 100, 95, 5), "2": (30, 70, 450, 450)}
    found = simpson(counted(turned), "group", "recall", within="line")
    assert found.kind == "reversed"
    assert "lower" in found.warning
    same = {"1": (160, 40, 120, 80), "2": (80, 120, 40, 160)}
    found = simpson(counted(same), "group", "recall", within="line")
    assert (found.kind, found.warning) == (None, None)
    assert found.inside[0] == pytest.approx(found.overall[0]) == pytest.approx(0.2)


def test_a_gap_that_the_mix_hides_is_told() -> None:
    # Group a is better on each line but has more of the hard one, so that overall both are alike.
    cells = {"easy": (190, 10, 640, 160), "hard": (520, 280, 70, 130)}
    found = simpson(counted(cells, "a", "b"), "group", "recall", within="line")
    assert abs(found.overall[0]) < 0.01
    assert found.kind == "hidden"
    assert "hides" in found.warning


def test_the_pair_with_a_paradox_is_found_among_others() -> None:
    pairs = [
        counted({"1": (150, 50, 152, 48), "2": (60, 140, 58, 142)}, "x", "y"),
        counted({"1": (800, 100, 95, 5), "2": (30, 70, 450, 450)}, "u", "v"),
    ]
    labels = [label for part in pairs for label in part.frame["label"]]
    predicted = [call for part in pairs for call in part.frame["predicted"]]
    attributes = {name: [value for part in pairs for value in part.frame[name]] for name in ("group", "line")}
    found = simpson(table(labels, predicted, attributes), "group", "recall", within="line")
    assert found.kind is not None
    assert {"u", "v"} & {found.first, found.second}


def test_where_the_mix_is_alike_nothing_is_claimed() -> None:
    rng = np.random.default_rng(0)
    claimed = 0
    for _ in range(200):
        camera = rng.choice(np.array(["A", "B"], dtype=object), len(solar()))
        claimed += simpson(with_attributes(solar(), camera=camera), "camera").kind is not None
    assert claimed <= 10
    assert simpson(solar(), "module type").kind is None


def test_a_thousand_classes_are_strata_like_two() -> None:
    rng = np.random.default_rng(1)
    classes = tuple(f"class {i}" for i in range(1000))
    labels = rng.choice(classes, 8000)
    predicted = np.where(rng.random(8000) < 0.8, labels, rng.choice(classes, 8000))
    many = table(labels, predicted, {"camera": rng.choice(["A", "B"], 8000)}, classes=classes, positive=None)
    found = simpson(many, "camera")
    assert (found.kind, len(found.frame)) == (None, len(set(labels)))
    assert found.inside[0] == pytest.approx(found.overall[0], abs=0.01)


def test_groups_without_a_common_stratum_cannot_be_held_together() -> None:
    found = simpson(counted({"1": (60, 40, 0, 0), "2": (0, 0, 30, 70)}), "group", "recall", within="line")
    assert np.isnan(found.inside[0])
    assert found.kind is None
    assert found.overall[0] == pytest.approx(0.3)
    assert simpson(counted({"1": (60, 40, 10, 5)}), "group", "recall", within="line") is None


def test_what_has_no_strata_is_refused(refusal) -> None:
    assert "share" in refusal(lambda: simpson(solar(), "module type", "AUC"))
    assert "module type" in refusal(lambda: simpson(solar(), "module type", within="module type"))
    assert "'speed'" in refusal(lambda: simpson(solar(), "module type", "speed"))
