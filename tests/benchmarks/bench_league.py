"""Whether the league of methods names the right one: networks that provably read one place, and ones of random weights.

    python tests/benchmarks/bench_league.py [--seeds 1 3] [--write]

On a planted network the true order of the methods is known: by the share of a map's values that lie on the place that
the score depends on. Even seeds set the levels of `workbench/evidence/contest.py`; odd ones, here, are held out.
Resumable: each network is a line of `build/league/leagues.jsonl`, named after the code that it depends on.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "league"
TABLE = HERE / "RESULTS-league.md"
DECISIONS, WEIGHED = 16, 8
"""Decisions of a league, and of how many of them the maps are weighed."""
PAIRS, RANDOM = 30, 24
ENTERING = (
    "saliency", "grad_cam", "layer_cam", "eigen_cam", "input_x_gradient", "smoothgrad", "feature_ablation",
    "expected_gradients", "integrated_gradients", "occlusion",
)  # fmt: skip
"""Methods that enter, with their other settings and layers."""
ALIKE = 1e-3
"""Shares of a map nearer than this are equal: gradient methods lie wholly on the place, up to rounding."""
INTRODUCTION = """\
By `bench_league.py --write`: networks that provably read one place, on images that set no level of the league; with
gradients that were faked; and networks of random weights, of which half are initialised as usual and half have weights
as spread as trained ones. A map's share on the place is that of its absolute values; shares that differ by less than
.001 are equal. The league of a network that was planted but learned nothing (no decision turns) puts forward none."""
SOURCES = [
    *(ROOT / "workbench" / "evidence" / f"{name}.py" for name in ("contest", "entrants", "league_run", "league_order")),
    *(HERE / f"card_{name}.py" for name in ("images", "nets")),
]


def fingerprint() -> str:
    """Digest of the code that an outcome depends on."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network: planted, with gradients that were faked, or of random weights ("fresh" as they are initialised,
    "redrawn" as spread as trained ones)."""

    kind: str
    family: str
    cue: str
    seed: int


def subjects(seeds: list[int]) -> list[Subject]:
    """All networks."""
    from card_nets import CUES, FAMILIES, LATE

    planted = [
        Subject("planted", family, cue, seeds[0])
        for cue in CUES
        for family in FAMILIES
        if cue != "nothing" and (cue != "late" or family in LATE)
    ]
    faked = [Subject("faked", family, "bright", seeds[0]) for family in FAMILIES]
    at_random = [
        Subject(kind, family, "bright", seed)
        for kind in ("fresh", "redrawn")
        for family in FAMILIES
        for seed in range(100, 100 + RANDOM // 8)
    ]
    return [*planted, *faked][:PAIRS] + at_random


def outcome(subject: Subject) -> dict[str, object]:
    """What the league says of one network, beside what is true of it."""
    import torch
    from card_nets import Spec, as_input, truth

    from workbench.attribution import attribute
    from workbench.evidence import league, league_sentence, standings
    from workbench.models import predict

    torch.set_num_threads(1)
    spec = Spec(subject.family, subject.cue, subject.seed)
    images, arrays = _images(spec)
    classifier, sound = _network(subject, spec, arrays[0])
    predictions = predict(classifier, images)
    result = league(classifier, images, predictions, target="cue", many=DECISIONS, methods=ENTERING)
    table = standings(result)
    row: dict[str, object] = dataclasses.asdict(subject) | {
        "outcome": table.outcome,
        "sentence": league_sentence(result, table),
        "turned": table.turned,
        "by_chance": result.by_chance,
        "leads": {one.entrant.title: [one.lead.value, one.lead.low, one.lead.high, one.p_chance] for one in table.rows},
        "alike": [one.entrant.title for one in table.as_good],
    }
    if subject.kind in ("fresh", "redrawn"):
        return row
    named = set(result.frame["name"])
    places = [
        (item, place)
        for item, array in zip(images, arrays, strict=True)
        if item.name in named and (place := truth(spec, sound, as_input(array[None]))).any()
    ][:WEIGHED]
    shares = {}
    for one in table.rows:
        entrant, parts = one.entrant, []
        for item, place in places:
            made = attribute(classifier, item, entrant.method, "cue", background=images, **dict(entrant.settings))
            values = np.abs(made.heatmap()).astype(np.float64)
            parts.append(values[place].sum() / values.sum() if values.any() else 0.0)
        shares[entrant.title] = float(np.mean(parts))
    return row | {"shares": shares}


def _network(subject: Subject, spec: object, image: NDArray[np.uint8]) -> tuple[object, object]:
    """The network as a classifier, and the module whose place is known."""
    import card_maps
    import torch
    from card_nets import Reader, as_input, trained, trunk, truth, wrapped
    from torch import nn

    from workbench.evidence.stability import redraw

    if subject.kind == "fresh":
        torch.manual_seed(subject.seed)
        model = Reader([nn.Identity()], [trunk(subject.family, 3)]).eval()
        return wrapped(model), model
    if subject.kind == "redrawn":
        model = copy.deepcopy(trained(dataclasses.replace(spec, seed=subject.seed % 4), BUILD / "nets").model)  # type: ignore[type-var]
        model.fronts[0] = nn.Identity()
        owners = [module for module in model.modules() if any(True for _ in module.parameters(recurse=False))]
        redraw(owners, torch.Generator().manual_seed(subject.seed))
        return wrapped(model.eval()), model
    classifier = trained(spec, BUILD / "nets")
    if subject.kind == "faked":
        place = truth(spec, classifier.model, as_input(image[None]))
        return card_maps.faked(classifier, place, image, subject.seed), classifier.model
    return classifier, classifier.model


def _images(spec: object) -> tuple[object, list[NDArray[np.uint8]]]:
    """A set of images, every other one with the cue, and their pixels."""
    import io

    from card_images import Scene, drawn
    from card_nets import patches
    from PIL import Image

    from workbench.images import BytesSource, ImageItem, ImageSet

    rng = np.random.default_rng([spec.seed, 77])  # type: ignore[attr-defined]
    scene, heads = Scene(spec.cue, patches(spec)), 2 if spec.cue == "apart" else 1  # type: ignore[attr-defined]
    items, arrays = [], []
    for number in range(3 * DECISIONS):
        there = rng.random(heads) < 0.5
        there[0] = number % 2 == 0
        pixels, buffer = drawn(rng, scene, there), io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        label = "cue" if there[0] else "none"
        items.append(ImageItem(f"{number:03}.png", BytesSource(buffer.getvalue()), label=label, split="test"))
        arrays.append(pixels)
    return ImageSet("planted", tuple(items)), arrays


def collected(seeds: list[int]) -> list[dict[str, object]]:
    """The outcomes of all networks, read where they are there and made otherwise."""
    path, mark = BUILD / "leagues.jsonl", fingerprint()
    BUILD.mkdir(parents=True, exist_ok=True)
    there = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {json.dumps(row["subject"]): row["outcome"] for row in there if row["code"] == mark}
    rows = []
    with path.open("a") as file:
        for subject in subjects(seeds):
            name = json.dumps(dataclasses.asdict(subject))
            if name not in known:
                known[name] = outcome(subject)
                line = {"subject": dataclasses.asdict(subject), "code": mark, "outcome": known[name]}
                file.write(json.dumps(line) + "\n")
                file.flush()
            rows.append(known[name])
    return rows


def in_top_two(row: dict[str, object], alike: float = ALIKE) -> bool:
    """Whether the winner's maps lie on the place as much as those of the second best, or more, but for `alike`."""
    shares, leads = row["shares"], row["leads"]
    winner = next(iter(leads))  # type: ignore[call-overload]
    return bool(shares[winner] >= sorted(shares.values())[-2] - alike)  # type: ignore[index,attr-defined]


def table_of(rows: list[dict[str, object]]) -> str:
    """The outcomes as Markdown."""
    from workbench.stats import wilson

    planted = [row for row in rows if "shares" in row]
    at_random = [row for row in rows if "shares" not in row]
    named = [row for row in planted if row["outcome"] == "best"]
    hits = [row for row in named if in_top_two(row)]
    lines = []
    for title, count, total in (
        ("planted: a method is put forward", len(named), len(planted)),
        ("planted: one is, and it is in the true top two", len(hits), len(planted)),
        ("the same, of those for which one is put forward", len(hits), len(named)),
        ("the same, where shares within .01 are equal", sum(in_top_two(row, 0.01) for row in named), len(named)),
        ("random weights: no method is put forward", sum(r["outcome"] != "best" for r in at_random), len(at_random)),
        ("random weights: because no decision turns", sum(_still(r) for r in at_random), len(at_random)),
        ("random weights: the best map beats chance, although", sum(_beats(r) for r in at_random), len(at_random)),
    ):
        rate = wilson(count, total)
        low, high = 100 * (rate.low or 0), 100 * (rate.high or 0)
        lines.append(f"| {title} | {count} of {total} | {low:.0f} to {high:.0f} % |")
    head = "| what | networks | 95 % interval |\n|---|---|---|\n" + "\n".join(lines)
    return f"{head}\n\n{_each(planted)}\n\n{_each_random(at_random)}"


def _still(row: dict[str, object]) -> bool:
    return bool(row["turned"] < 0.1 * DECISIONS)  # type: ignore[operator]


def _beats(row: dict[str, object]) -> bool:
    return bool(next(iter(row["leads"].values()))[3] <= 0.05)  # type: ignore[attr-defined]


def _each(rows: list[dict[str, object]]) -> str:
    lines = ["| network | winner | lead | on the place | most on the place | in the top two | as good |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        shares, leads = row["shares"], row["leads"]
        winner = next(iter(leads))  # type: ignore[call-overload]
        value, low, high, _ = leads[winner]  # type: ignore[index]
        named = winner if row["outcome"] == "best" else f"({row['outcome']}: {winner})"
        lines.append(
            f"| {row['kind']} {row['family']} {row['cue']} | {named} | {value:.2f} ({low:.2f} to {high:.2f}) |"
            f" {shares[winner]:.2f} | {max(shares.values()):.2f} | {'yes' if in_top_two(row) else 'no'} |"  # type: ignore[index,attr-defined]
            f" {len(row['alike'])} of {len(leads) - 1} |"  # type: ignore[arg-type]
        )
    return "\n".join(lines)


def _each_random(rows: list[dict[str, object]]) -> str:
    lines = ["| random weights | outcome | decisions that turn | p of the labels | largest lead |"]
    lines.append("|---|---|---|---|---|")
    for row in rows:
        winner, (value, _, _, p) = next(iter(row["leads"].items()))  # type: ignore[attr-defined]
        chance = "" if row["by_chance"] is None else f"{row['by_chance']:.2g}"
        lines.append(
            f"| {row['kind']} {row['family']} {row['seed']} | {row['outcome']} | {row['turned']} of {DECISIONS} |"
            f" {chance} | {winner}: {value:.2f} (p = {p:.1g}) |"
        )
    return "\n".join(lines)


def main() -> None:
    """Do the networks that are missing and print the table; keep it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    text = table_of(collected(given.seeds))
    print(text)
    if given.write:
        TABLE.write_text(f"# Whether the league names the right method\n\n{INTRODUCTION}\n\n{text}\n")


if __name__ == "__main__":
    main()
