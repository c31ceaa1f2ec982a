"""How often the evidence card errs: planted networks that provably read one place, right maps of them and wrong ones.

    python tests/benchmarks/bench_card.py [--seeds 0 1 2 3] [--workers 1] [--write]

Even seeds are for setting thresholds, odd ones are held out and give the figures; `--write` puts those into
`assets/card-errors.json`, which the page prints beside its verdicts. Resumable: each case is a line of
`build/card/cases.jsonl`, named after all that it depends on.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.evidence import Finding

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "card"
ASSET = ROOT / "assets" / "card-errors.json"
TABLE = HERE / "RESULTS-card.md"
INTRODUCTION = """\
By `bench_card.py --write`, on networks and images (odd seeds) that set no limit of a check. Each figure has its 95 %
interval, networks taken as units, and its counts. "Nothing fails, wrong map" is a wrong map that passed; "fails, right
map" a false alarm. Wrong maps are made by a method, so that making them again does not tell."""
SOURCES = [
    *(
        ROOT / "workbench" / "evidence" / f"{name}.py"
        for name in ("case", "faithfulness", "finding", "removal", "stability")
    ),
    *(HERE / f"card_{name}.py" for name in ("images", "maps", "nets")),
]
SEEDS = (0, 1, 2, 3)


def fingerprint() -> str:
    """Digest of the code that a case's outcome depends on."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:16]


def specs(seeds: list[int]) -> list[tuple[str, str, int]]:
    """All networks of some seeds."""
    from card_nets import CUES, FAMILIES, LATE

    return [
        (family, cue, seed) for seed in seeds for cue in CUES for family in FAMILIES if cue != "late" or family in LATE
    ]


def cases(spec: tuple[str, str, int]) -> list[dict[str, object]]:
    """All maps of one network: what each is, and what the card says of it."""
    import torch

    torch.set_num_threads(1)
    return list(_cases(spec))


def _cases(named: tuple[str, str, int]) -> Iterator[dict[str, object]]:
    import card_maps
    from card_images import Scene, drawn
    from card_nets import Spec, as_input, patches, trained, truth

    from workbench.errors import InputError

    spec = Spec(*named)
    rng = np.random.default_rng([spec.seed, 11])
    classifier = trained(spec, BUILD / "nets")
    scene = Scene(spec.cue, patches(spec))
    shown = np.ones(2 if spec.cue == "apart" else 1, bool)
    image, other, *background = (drawn(rng, scene, shown if i < 2 else ~shown) for i in range(8))
    place = truth(spec, classifier.model, as_input(image[None]))
    rival = trained(Spec(spec.family, "bright" if spec.cue != "bright" else "edges", spec.seed), BUILD / "nets")
    around = card_maps.Around(other, 2 if spec.cue == "apart" else None, rival)
    for method in card_maps.METHODS_TRIED:
        try:
            yield _assessed(spec, classifier, image, place, "method", method, background)
        except InputError:
            continue
    for number, kind in enumerate(card_maps.WRONG):
        slot = card_maps.SLOTS[(number + spec.seed + len(spec.cue)) % len(card_maps.SLOTS)]
        if kind == "faked":
            slot = ("saliency", "input_x_gradient")[spec.seed // 2 % 2]
            model = card_maps.faked(classifier, place, image, spec.seed)
            yield _assessed(spec, model, image, place, kind, slot, background)
            continue
        if slot == "grad_cam" and spec.cue != "late":  # the others' first gate leaves no layer with a place of its own
            slot = "saliency"
        run = card_maps.wrong(kind, slot, around, place, spec.seed)
        if run is not None:
            with card_maps.planted(slot, run):
                yield _assessed(spec, classifier, image, place, kind, slot, background)


def _assessed(spec, classifier, image, place, kind, method, background) -> dict[str, object]:  # type: ignore[no-untyped-def]
    import card_maps
    from PIL import Image

    import workbench as wb
    from workbench.attribution import METHODS

    shown = Image.fromarray(image)
    settings = card_maps.SETTINGS.get(method, {})
    items = _items(background) if METHODS[method].background else None
    attribution = wb.attribute(classifier, shown, method, 1, background=items, **settings)
    truth = card_maps.kind_of(attribution, place)
    if kind != "method" and truth == "right":  # it lies where it should, and is still not the map of this image
        truth = "between"
    row: dict[str, object] = dataclasses.asdict(spec) | {"kind": kind, "method": method, "truth": truth}
    if truth in ("right", "wrong"):
        card = wb.assess(classifier, shown, attribution, background=items, seed=spec.seed)
        row["findings"] = {
            f.name: [f.verdict, f.value, f.low, f.high, f.chance, luck(f)]
            for f in card
            if f.verdict != "not applicable"
        }
    return row


def luck(finding: Finding) -> float | None:
    """The share of random orders that did as well as the map, where the check drew some."""
    if not finding.curves or "luck" not in finding.curves:
        return None
    return float((finding.curves["luck"] >= finding.value).mean())


def _items(images: list[NDArray[np.uint8]]) -> list[object]:
    import io

    from PIL import Image

    from workbench.images import BytesSource, ImageItem

    items = []
    for number, image in enumerate(images):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        items.append(ImageItem(f"{number}.png", BytesSource(buffer.getvalue())))
    return items


def collected(seeds: list[int], workers: int = 1) -> list[dict[str, object]]:
    """The cases of all networks, read where they are there and done otherwise."""
    path, mark = BUILD / "cases.jsonl", fingerprint()
    BUILD.mkdir(parents=True, exist_ok=True)
    there = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    rows = {tuple(row["spec"]): row["cases"] for row in there if row["code"] == mark}
    wanted = specs(seeds)
    missing = [spec for spec in wanted if spec not in rows]
    with ProcessPoolExecutor(workers) as pool, path.open("a") as file:
        for spec, made in zip(missing, pool.map(cases, missing), strict=True):
            rows[spec] = made
            file.write(json.dumps({"spec": spec, "code": mark, "cases": made}) + "\n")
            file.flush()
    return [case for spec in wanted for case in rows[spec]]


def main() -> None:
    """Do the cases that are missing and print the table; write the asset where asked."""
    from card_report import asset, table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = collected(given.seeds, given.workers)
    for title, part in (("tuning", 0), ("held out", 1)):
        some = [row for row in rows if int(row["seed"]) % 2 == part]
        if some:
            print(f"\n## {title}\n\n{table(some)}")
    if given.write:
        held = [row for row in rows if int(row["seed"]) % 2]
        text = json.dumps(asset(held), separators=(",", ":")).replace('{"family"', '\n{"family"')  # a line a network
        ASSET.write_text(text + "\n")
        TABLE.write_text(f"# How often the evidence card errs\n\n{INTRODUCTION}\n\n{table(held)}\n")


if __name__ == "__main__":
    main()
