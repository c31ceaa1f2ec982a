"""Tables of predictions with a training and a held-out side, planted: how often each side and class is right."""

import numpy as np
import pandas as pd

from workbench.predictions import DecisionRule, Predictions

CLASSES = ("good", "scratch", "pit")


def sided(rates, counts, *, classes=CLASSES[:2], seed=0, units=None, spread=0.0, train="train", ids=True):
    """A table whose decisions are right with a given chance.

    Args:
        rates: The chance of a right decision by split; by class too where it is a list.
        counts: Images of each class, by split.
        classes: All classes.
        seed: Of the draws.
        units: Images of a unit, all of one split and class; alone where missing.
        spread: How far, either way, a unit's own chance lies from its split's.
        train: What the training split is called.
        ids: Whether digests are known.
    """
    rng, rows = np.random.default_rng(seed), []
    for split, own in counts.items():
        for k, count in enumerate(own):
            rate = np.broadcast_to(rates[split], len(own))[k]
            for i in range(count):
                unit = i // (units or 1)
                rows.append((train if split == "train" else split, k, f"{split} {k} {unit}", rate))
    names = {unit: rng.choice((-1, 1)) for unit in dict.fromkeys(row[2] for row in rows)}
    chance = np.array([np.clip(rate + spread * names[unit], 0, 1) for _, _, unit, rate in rows])
    truth = np.array([row[1] for row in rows])
    right = rng.random(len(rows)) < chance
    called = np.where(right, truth, (truth + rng.integers(1, len(classes), len(rows))) % len(classes))
    sure = rng.uniform(0.6, 0.99, len(rows))
    probabilities = np.repeat(((1 - sure) / (len(classes) - 1))[:, None], len(classes), axis=1)
    probabilities[np.arange(len(rows)), called] = sure
    return table_of(
        [row[0] for row in rows], truth, probabilities, classes, [row[2] for row in rows] if units else None, ids
    )


def table_of(splits, truth, probabilities, classes, units=None, ids=True):
    """Predictions from splits (N,), classes as numbers (N,) and probabilities (N, K), with groups where given."""
    count, called = len(truth), np.asarray(probabilities).argmax(1)
    names = np.array(classes, dtype=object)
    frame = pd.DataFrame(
        {
            "name": [f"{i}.png" for i in range(count)],
            "id": [f"{i:016x}" if ids else None for i in range(count)],
            "label": pd.Series(names[truth], dtype=object),
            "split": pd.Series(list(splits), dtype=object),
            "group": pd.Series([f"part {i}" for i in range(count)] if units is None else list(units), dtype=object),
            "predicted": pd.Series(names[called], dtype=object),
            "confidence": np.asarray(probabilities).max(1),
            "unsure": False,
            "verdict": pd.Series(np.where(called == truth, "right", "wrong"), dtype=object),
            "error": pd.Series([None] * count, dtype=object),
        }
    )
    values = np.asarray(probabilities, np.float32)
    return Predictions(frame, values, np.log(values + 1e-9), DecisionRule(tuple(classes)), "model")


def recorded(table, chosen=("validation",)):
    """A record that says that the training split of a table is what trained the model."""
    from workbench.reliability.training_record import TrainingRecord

    of = {name: frozenset(table.frame.loc[table.frame["split"] == name, "id"]) for name in ("train", *chosen)}
    return TrainingRecord(
        of["train"], frozenset().union(*(of[name] for name in chosen)), "", pd.DataFrame(), None, "training.json"
    )
