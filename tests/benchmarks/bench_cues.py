"""Planted cues and sound models: how often the search names, finds, and falsely accuses.

    python tests/benchmarks/bench_cues.py [OUT.jsonl] [--strengths N] [--seeds N] [--first SEED] [--minutes M]
        [--epochs N] [--workers N]

Each line of OUT is one model; those that are there are not made again, and the networks are kept in a folder beside it.
The table is of all lines that OUT holds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import torch
from planted_cues import (
    FAMILIES,
    LABELS,
    NETS,
    SIZE,
    TEST,
    TRAIN,
    Case,
    bare,
    laid,
    loaded,
    on_disk,
    place_of,
    trained,
    turned_by_truth,
)
from sklearn.metrics import roc_auc_score
from torch import nn

from workbench.cues import Search, search, study_of
from workbench.models import predict
from workbench.stats import SIGNIFICANT, Rate, wilson

DECIDES = 0.5
ROC_AT = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
NOT_SPARED = ("brightness", "darkness", "a colour cast towards red", "a colour cast towards blue")
"""Light, which falls on defects as well: putting it proves nothing for the good class."""
RIGHT_NAMES = {
    "background texture": ("texture", "contrast", "noise"),
    "blur": ("blur", "a lack of noise", "weak"),
    "exposure or cast": ("brightness", "cast"),
    "JPEG or noise": ("jpeg", "noise"),
}


def cases(strengths: int, seeds: range) -> list[Case]:
    """All models, dealt so that whatever was run when it is stopped is a fair sample: each round of a seed holds every
    family once, planted and sound, each with another strength and network than in the rounds beside it."""
    settings = list(itertools.product(range(strengths), NETS))
    return [
        Case(family, *settings[(turn + 4 * seed + 2 * number) % len(settings)], seed, shortcut)
        for turn, seed in itertools.product(range(len(settings)), seeds)
        for number, family in enumerate(FAMILIES)
        for shortcut in (True, False)
    ]


def kept_net(case: Case, folder: Path, epochs: int) -> nn.Module:
    """The network of a case: read where it was kept, else trained and kept, so that others can be tried on it."""
    words = (case.family, case.strength, case.net, case.seed, "planted" if case.shortcut else "sound")
    path = folder / f"{'-'.join(map(str, words)).replace(' ', '_')}.pt"
    if path.exists():
        net = NETS[case.net](len(LABELS))
        net.load_state_dict(torch.load(path, weights_only=True))
        return net.eval()
    net = trained(case, laid(case, 0, bare(case.seed, 0, TRAIN)), epochs)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), path)
    return net


def run(case: Case, nets: Path, epochs: int) -> dict[str, object]:
    """Train a model, search it, and note the truth beside what was said."""
    torch.set_num_threads(1)
    data = laid(case, 1, bare(case.seed, 1, TEST))
    classifier = loaded(kept_net(case, nets, epochs))
    turned, hosts = turned_by_truth(case, classifier, data)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        images = on_disk(Path(folder), data)
        predictions = predict(classifier, images)
        result = search(study_of(classifier, images.items, predictions, seed=case.seed))
        carry = {item.name: bool(has) for item, has in zip(images.items, data.carry, strict=True)}
        accuracy = float((predictions.frame["predicted"] == predictions.frame["label"]).mean())
        return {
            **vars(case),
            "target": case.target,
            "accuracy": accuracy,
            "turned": turned,
            "hosts": hosts,
            "seconds": time.perf_counter() - start,
            "power": result.power,
            "place": [end / SIZE for end in place_of(case.seed, (14, 12, 10)[case.strength])],
            "findings": lines_of(result, carry),
        }


def lines_of(result: Search, carry: dict[str, bool]) -> list[dict[str, object]]:
    """Each finding, and which share of the images that are said to carry the cue do."""
    lines = []
    for finding in result.findings:
        cue, proof = finding.cue, finding.transplant
        known = [carry[name] for name in cue.carriers if name in carry]
        ways = {key: way for key, way in (("put", proof.put), ("taken", proof.taken)) if way is not None}
        figures = {key: (way.flips.value, way.decoys.value, way.effect.value) for key, way in ways.items()}
        lines.append({
            "verdict": finding.verdict, "kind": cue.kind, "name": cue.name, "target": cue.target, "p": finding.p,
            "box": cue.box, "carriers": len(known), "carry": float(np.mean(known)) if known else None, **figures,
        })  # fmt: skip
    return lines


def accused(line: dict, target: str | None = None) -> list[dict]:
    """The findings that accuse, of one class where it is given."""
    return [f for f in line["findings"] if f["verdict"] in ("shortcut", "leans") and target in (None, f["target"])]


def score_of(line: dict) -> float:
    """How far the search is towards accusing a model: the largest effect, beyond its decoy's too, of a cue that is more
    than chance; 0 where there is none."""
    scores = [0.0]
    for finding in line["findings"]:
        hides = finding["target"] == "good" and finding["name"] in NOT_SPARED and finding["kind"] == "property"
        ways = [finding[key] for key in ("taken", "put") if key in finding and not (key == "put" and hides)]
        if finding["p"] <= SIGNIFICANT:
            scores += [min((flips or 0) - (decoys or 0), effect or 0) for flips, decoys, effect in ways]
    return max(scores)


def named(line: dict) -> bool:
    """Whether the first accusation of the class, as the page shows it, says rightly what and where the cue is."""
    found = accused(line, line["target"])
    if not found:
        return False
    first = found[0]
    if line["family"] == "fixed stamp":
        return first["box"] is not None and holds(first["box"], line)
    if line["family"] == "wandering mark":
        return first["kind"] == "mark" and (first["carry"] or 0) >= 0.75
    words = f"{first['kind']} {first['name']}".lower()
    return first["kind"] == "property" and any(word in words for word in RIGHT_NAMES[line["family"]])


def holds(box: Sequence[float], line: dict) -> bool:
    """Whether a box holds the middle of the stamp, and is no wider than half of the image a side."""
    edge = (14, 12, 10)[line["strength"]] / SIZE
    top, left = (start + edge / 2 for start in line["place"])
    small = box[2] - box[0] <= 0.5 and box[3] - box[1] <= 0.5
    return small and box[0] <= top <= box[2] and box[1] <= left <= box[3]


def share(hits: Sequence[bool]) -> str:
    """A share with its interval."""
    rate: Rate = wilson(sum(hits), len(hits))
    if rate.value is None:
        return "no model"
    return f"{sum(hits)} of {len(hits)}: {rate.value:.0%} ({rate.low:.0%} to {rate.high:.0%})"


def table(lines: Sequence[dict]) -> str:
    """What came of all models, as Markdown."""
    rows = ["| cue | models | decides | found | named rightly | sound models accused |", "|---|---:|---:|---|---|---|"]
    for family in (*FAMILIES, None):
        own = [line for line in lines if family in (None, line["family"])]
        planted = [line for line in own if line["shortcut"] and line["turned"] >= DECIDES]
        sound = [line for line in own if not line["shortcut"]]
        found, right = [bool(accused(m, m["target"])) for m in planted], [named(m) for m in planted]
        falsely = [bool(accused(m)) for m in sound]
        cells = (family or "all", len(own), len(planted), share(found), share(right), share(falsely))
        rows.append(f"| {' | '.join(map(str, cells))} |")
    planted = [bool(line["shortcut"]) for line in lines if not line["shortcut"] or line["turned"] >= DECIDES]
    scores = [score_of(line) for line in lines if not line["shortcut"] or line["turned"] >= DECIDES]
    if len(set(planted)) == 2:
        rows.append("\nROC of the largest effect that is more than chance (its limit, found, sound models accused):")
        rows += [f"AUC {roc_auc_score(planted, scores):.2f}; {curve(planted, scores)}."]
    seconds = [line["seconds"] for line in lines]
    rows.append(f"\nA search takes {np.median(seconds):.0f} s (median), at most {max(seconds):.0f} s, one thread each.")
    return "\n".join(rows)


def curve(planted: Sequence[bool], scores: Sequence[float]) -> str:
    """Points of the ROC, in words."""
    own = np.array(scores)
    hits, falsely = own[np.array(planted)], own[~np.array(planted)]
    return ", ".join(f"{at:.1f}: {(hits >= at).mean():.0%}, {(falsely >= at).mean():.0%}" for at in ROC_AT)


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", default="build/cues.jsonl", type=Path)
    parser.add_argument("--strengths", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    there = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {tuple(line[key] for key in ("family", "strength", "net", "seed", "shortcut")) for line in there}
    left = [
        case
        for case in cases(options.strengths, range(options.first, options.first + options.seeds))
        if tuple(vars(case).values()) not in done
    ]
    end = time.monotonic() + 60 * options.minutes
    with ProcessPoolExecutor(options.workers) as pool, options.out.open("a", encoding="utf-8") as file:
        nets = options.out.with_suffix("")
        running = [pool.submit(run, case, nets, options.epochs) for case in left]
        for number, future in enumerate(as_completed(running), 1):
            there.append(future.result())
            file.write(json.dumps(there[-1]) + "\n")
            file.flush()
            print(
                f"{number} of {len(left)}",
                *(there[-1][key] for key in ("family", "net", "shortcut", "turned")),
                flush=True,
            )
            if time.monotonic() > end:
                for future in running:
                    future.cancel()
                break
    print(table(there))


if __name__ == "__main__":
    main()
