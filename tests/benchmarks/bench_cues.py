"""Planted cues and sound models: how often the search names, finds, and falsely accuses.

    python tests/benchmarks/bench_cues.py [OUT.jsonl] [--source SOURCE] [--first SEED] [--seeds N] [--nets FOLDER]
        [--planted-every N] [--beside N] [--minutes M] [--workers W] [--write]

Each line of OUT is one model; those that are there are not made again, and the networks are kept in a folder, beside it
unless told otherwise. A seed is four models of one network and station: two families of cue, planted and sound. 27
seeds are every family at every strength in every network, 81 the whole matrix of 162 planted and as many sound models,
and any few in a row are a fair sample of it. Workers take whole seeds, a thread each. The table is of all lines that
OUT holds; `--write` puts what the held-out seeds came to into
`RESULTS-cues.md` and, of synthetic parts, into `assets/cue-errors.json`, which the pages and `workbench shortcuts`
print beside their verdicts.

`--beside N` asks four other ways as well (`cues_beside.py`) about the models of every Nth pair of seeds;
`bench_cues_beside.py` makes a table of what they say.

SOURCE is a folder of magnetic tiles, "solar-cells" or a file of them (`photographs.py`); synthetic parts where it is
missing. Models of photographs learn the last stage of a pretrained network, and their units are photographs or modules.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from cues_beside import Asked, others
from cues_report import DECIDES, accused, table, write
from photographs import CLASSES, photographs
from photographs import named as shown_by
from planted_cues import (
    EDGES,
    EPOCHS,
    FAMILIES,
    LABELS,
    NETS,
    PRETRAINED,
    SIZE,
    TEST,
    TRAIN,
    Case,
    Laid,
    Parts,
    bare,
    grounded,
    laid,
    loaded,
    network,
    on_disk,
    place_of,
    trained,
    turned_by_truth,
)
from torch import nn

from workbench.cues import Search, search, study_of
from workbench.models import predict

STRENGTHS = 3
"""How many strengths of each cue are planted, strongest first."""
KEPT = ("name", "label", "called", "turned", "decoy", "to", "decoy to")
"""What is kept of each image that was edited, so that other rules can be tried on it."""


def cases(seeds: range, net: str | None = None, planted_every: int = 1) -> Iterator[Case]:
    """All models, seed by seed, so that whatever was run when it is stopped is a fair sample: a Latin square, in which
    each three seeds from a multiple of three have all families, networks, strengths and target classes, and each 27
    all of their combinations.

    Args:
        seeds: Of the networks.
        net: The network; by turns of `NETS` where missing.
        planted_every: In which share of seeds models are planted; with 3 there are three sound ones for each planted.
    """
    families, nets = list(FAMILIES), list(NETS)
    for seed in seeds:
        first, second, third, fourth = (seed // 3**place % 3 for place in range(4))
        own = net or nets[(first - second) % 3]
        for half in range(2):
            family = families[2 * ((first + second + fourth) % 3) + half]
            strength = (first + third + half) % STRENGTHS
            for planted in (True, False) if seed % 2 else (False, True):
                if not planted or (first + second + third) % planted_every == 0:
                    yield Case(family, strength, own, seed, planted)


def parts_of(case: Case, split: int, source: str) -> tuple[Parts, tuple[str, ...]]:
    """The images to train on (0) or to search (1), and the group of each where they come in groups."""
    return photographs(source, split, case.seed) if source else (bare(case.seed, split, (TRAIN, TEST)[split]), ())


def kept_net(case: Case, folder: Path, source: str = "") -> nn.Module:
    """The network of a case: read where it was kept, else trained and kept, so that others can be tried on it."""
    words = (case.family, case.strength, case.net, case.seed, "planted" if case.shortcut else "sound")
    parts, names = parts_of(case, 0, source)[0], classes_of(source)
    ground, epochs = network(case.net, len(names)), EPOCHS[case.shortcut][0]
    if not read(ground, path := folder / f"{case.net}-{case.seed}-{epochs}.pt"):
        ground = grounded(case.seed, case.net, Laid(*parts, np.zeros(len(parts[2]), bool), names), epochs)
        torch.save(ground.state_dict(), path)
    net = network(case.net, len(names))
    if not read(net, path := folder / f"{'-'.join(map(str, words)).replace(' ', '_')}.pt"):
        net = trained(case, laid(case, 0, parts, names), ground)
        torch.save(net.state_dict(), path)
    return net.eval()


def classes_of(source: str) -> tuple[str, ...]:
    """The classes of a source."""
    return CLASSES if source else LABELS


def read(net: nn.Module, path: Path) -> bool:
    """Whether the weights were kept; then the network has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        net.load_state_dict(torch.load(path, weights_only=True))
    return path.exists()


def run(case: Case, nets: Path, source: str = "", *, beside: bool = False) -> dict[str, object]:
    """Train a model, search it where its cue decides or it has none, and note the truth beside what was said, by four
    other ways too where `beside`."""
    (parts, groups), names = parts_of(case, 1, source), classes_of(source)
    data = laid(case, 1, parts, names, groups)
    start = time.process_time()
    classifier = loaded(kept_net(case, nets, source), names)
    training = time.process_time() - start
    turned, hosts = turned_by_truth(case, classifier, data)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        images = on_disk(Path(folder), data)
        predictions = predict(classifier, images)
        counts = not case.shortcut or turned >= DECIDES
        result = search(study_of(classifier, images.items, predictions, seed=case.seed)) if counts else None
        carry = {item.name: bool(has) for item, has in zip(images.items, data.carry, strict=True)}
        seconds = time.process_time() - start
        asked = Asked(case, classifier, data, images, predictions)
        accuracy = float((predictions.frame["predicted"] == predictions.frame["label"]).mean())
        return {
            **vars(case),
            "source": source and shown_by(source),
            "target": names[case.seed % len(names)],
            "accuracy": accuracy,
            "turned": turned,
            "hosts": hosts,
            "training": training,
            "searched": counts,
            "seconds": seconds,
            "power": result.power if result else None,
            "classes": list(result.classes) if result else [],
            "place": [end / SIZE for end in place_of(case.seed, EDGES[case.strength])],
            "findings": lines_of(result, carry) if result else [],
            "said": others(asked) if beside and result else {},
        }


def lines_of(result: Search, carry: dict[str, bool]) -> list[dict[str, object]]:
    """Each finding, and which share of the images that are said to carry the cue do."""
    lines = []
    for finding in result.findings:
        cue, proof = finding.cue, finding.transplant
        known = [carry[name] for name in cue.carriers if name in carry]
        tried = (("put", proof.put), ("taken", proof.taken), ("suppressed", proof.suppressed))
        ways = {key: way for key, way in tried if way is not None}
        figures = {
            key: (way.flips.value, way.decoys.value, way.effect.value, way.effect.low) for key, way in ways.items()
        }
        each = {f"{key} each": way.frame[list(KEPT)].round(3).values.tolist() for key, way in ways.items()}
        lines.append({
            "verdict": finding.verdict, "kind": cue.kind, "name": cue.name, "target": cue.target, "p": finding.p,
            "box": cue.box, "adds": cue.adds, "carriers": len(known), "carry": float(np.mean(known)) if known else None,
            **figures, **each,
        })  # fmt: skip
    return lines


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", default="build/cues.jsonl", type=Path)
    parser.add_argument("--source", default="")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--nets", type=Path)
    parser.add_argument("--planted-every", type=int, default=1)
    parser.add_argument("--beside", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    seeds = range(options.first, options.first + options.seeds)
    end = time.monotonic() + 60 * options.minutes  # the same clock in every process
    work = partial(run_seed, options=options, end=end)
    if options.workers == 1:
        list(map(work, seeds))
    else:
        with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
            list(pool.map(work, seeds))
    there = lines_in(options.out)
    print(table(there) if there else "no model")
    if options.write:
        write(there)


def lines_in(out: Path) -> list[dict]:
    """The models that a file holds; none where there is no file."""
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def run_seed(seed: int, options: argparse.Namespace, end: float) -> None:
    """Run the models of a seed that a file does not hold, and write each into it at once, until the time is over."""
    torch.set_num_threads(1)
    out, nets = options.out, options.nets or options.out.with_suffix("")
    done = {tuple(line[key] for key in ("family", "strength", "net", "seed", "shortcut")) for line in lines_in(out)}
    for case in cases(range(seed, seed + 1), PRETRAINED if options.source else None, options.planted_every):
        if tuple(vars(case).values()) in done or time.monotonic() > end:
            continue
        line = run(case, nets, options.source, beside=bool(options.beside) and seed // 2 % options.beside == 0)
        with out.open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(line) + "\n")
        said = [(f["verdict"], f["name"], f["target"]) for f in accused(line)]
        words = "planted" if case.shortcut else "sound"
        print(*(case.family, case.net, case.seed, words, line["accuracy"], line["turned"], said), flush=True)


if __name__ == "__main__":
    main()
