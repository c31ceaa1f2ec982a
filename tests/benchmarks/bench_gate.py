"""The gate on planted regressions and on equal trainings: how often it fails, passes, or cannot tell.

    python tests/benchmarks/bench_gate.py [OUT.jsonl] [--draws N] [--pool P] [--minutes M]

A pool of trainings of one recipe and of twins that go by a stamp is trained once; each draw takes 500 new parts, an old
model, two further trainings as the null, and asks about another training and about regressions planted in that: of the
preprocessing one that is stated and one that hides in the network. Draws from the 41st on ask about the other training
alone: how often a gate fails wrongly needs more of them. Each line of OUT is one draw; those that are there are not
made again. The table is of all lines that OUT holds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gated

from workbench.report import Eligible, GateSide, gate
from workbench.report.gate_rules import GateRules
from workbench.stats import wilson

STAMPED = (0.005, 0.995)
"""In training of the twins and in the images of the test, so that going by the stamp costs no accuracy there."""
IMAGES = 500
RULES = GateRules.model_validate(
    {
        "preprocessing": {"same": True},
        "churn": {"ceiling": 0.03},
        "accuracy": {"margin": 0.05},
        "escapes": {"ceiling": 0.1, "margin": 0.05},
        "overkill": {"ceiling": 0.1, "margin": 0.05},
        "groups": {"by": "camera", "margin": 0.1},
        "calibration": {"error": 0.06},
        "reasons": {"margin": 0.2, "images": 40, "null": ["a", "b"]},
    }
)


ASKED_FOR_REASONS = ("equal training", "shortcut twin")
ALL_CASES = 40
"""Draws that ask about the regressions too."""
PLAIN = RULES.model_copy(update={"reasons": None})
"""For slips that show in decisions: what two models go by is asked of the other training and of the twin alone."""


def pool(size: int, folder: Path) -> tuple[list[nn.Module], list[nn.Module]]:
    """Trainings of one recipe, and half as many twins; kept as weights in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for kind, count, stamped in (("sound", size, (0.5, 0.5)), ("twin", size // 2, STAMPED)):
        nets = []
        for seed in range(count):
            path, net = folder / f"{kind}-{seed}.pt", gated.network()
            if not path.exists():
                torch.save(gated.trained(0 if kind == "sound" else 1, seed, stamped).state_dict(), path)
            net.load_state_dict(torch.load(path, weights_only=True))
            nets.append(net.eval())
        made.append(nets)
    return made[0], made[1]


def run(draw: int, sound: list[nn.Module], twins: list[nn.Module]) -> dict[str, object]:
    """One draw: the outcome of each case, rule by rule."""
    rng = np.random.default_rng(draw)
    old, first, second, equal = (sound[place] for place in rng.permutation(len(sound))[:4])
    cases = {
        "equal training": equal,
        "shortcut twin": twins[int(rng.integers(len(twins)))],
        "RGB swapped": gated.Swapped(equal),
        "other resize, hidden": gated.Shrunk(equal, 20),
        "other resize, stated": equal,
        "one group ruined": gated.Ruined(equal),
        "miscalibrated": gated.Scaled(equal, 0.2),
    }
    images = gated.image_set(20_000 + draw, IMAGES, STAMPED)
    counted, null = Eligible(images.items, {}, ()), [gated.loaded(net) for net in (first, second)]
    before = side("old", old, images)
    line: dict[str, object] = {"draw": draw, "accuracy": {"old": accuracy(before)}}
    for name, net in list(cases.items())[: None if draw < ALL_CASES else 1]:
        stated = {"resize": "shorter", "resize_to": 36} if name == "other resize, stated" else {}
        start, new = time.process_time(), side(name, net, images, **stated)
        rules = RULES if name in ASKED_FOR_REASONS else PLAIN
        result = gate(before, new, images, counted, rules, null=null)
        line["accuracy"][name] = accuracy(new)  # type: ignore[index]
        line[name] = {
            "outcome": result.outcome,
            "seconds": time.process_time() - start,
            "rules": {r.rule: (r.outcome, r.figure, r.least, r.most) for r in result.rulings},
        }
    return line


def side(name: str, net: nn.Module, images: object, **preprocessing: object) -> GateSide:
    """A network as one side of a gate."""
    classifier = gated.loaded(net, **preprocessing)
    return GateSide(name, classifier, gated.said(classifier, images))


def accuracy(one: GateSide) -> float:
    """Its share of right decisions."""
    frame = one.predictions.frame
    return float((frame["predicted"] == frame["label"]).mean())


def table(lines: list[dict]) -> str:
    """How often each case fails, passes, or cannot be told, with which rules."""
    head = "| case | draws | fails | passes | not enough | accuracy less the old | rules that fail | seconds |"
    rows = [head, "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name in [key for key in lines[0] if key not in ("draw", "accuracy")]:
        asked = [line for line in lines if name in line]
        outcomes = [line[name]["outcome"] for line in asked]
        fails = wilson(outcomes.count("fail"), len(outcomes))
        lost = [line["accuracy"][name] - line["accuracy"]["old"] for line in asked]
        rules = {}
        for line in asked:
            for rule, values in line[name]["rules"].items():
                rules[rule] = rules.get(rule, 0) + (values[0] == "fail")
        which = ", ".join(f"{rule} {count}" for rule, count in rules.items() if count)
        seconds = np.mean([line[name]["seconds"] for line in asked])
        rows.append(
            f"| {name} | {len(outcomes)} | {fails.count} ({fails.value:.2f}, {fails.low:.2f} to {fails.high:.2f})"
            f" | {outcomes.count('pass')} | {outcomes.count('not enough')}"
            f" | {100 * np.mean(lost):+.1f} points ({100 * min(lost):+.1f} to {100 * max(lost):+.1f})"
            f" | {which} | {seconds:.1f} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Make what is missing, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", nargs="?", type=Path, default=Path("build/bench_gate.jsonl"))
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--pool", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(row) for row in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {line["draw"] for line in lines}
    missing = [draw for draw in range(options.draws) if draw not in done]
    sound, twins = pool(options.pool, options.out.parent / "gate-pool") if missing else ([], [])
    for draw in missing:
        if time.monotonic() - start > 60 * options.minutes:
            break
        lines.append(run(draw, sound, twins))
        with options.out.open("a") as file:
            file.write(json.dumps(lines[-1]) + "\n")
    if lines:
        print(table(lines))


if __name__ == "__main__":
    main()
