"""Whether the league of methods names the right one: networks that provably read one place, and ones of random weights.

    python tests/benchmarks/bench_league.py FILE [--seeds 9 11 13] [--random 400] [--workers 2] [--write]

On a planted network it is known which methods are right: those whose positive values lie on the place that the score
depends on. Even seeds set what `workbench/evidence/league_null.py` and `contest.py` hold fixed; odd ones are held out.
Each network is a line of FILE, named after the code that it depends on, so that a run that was stopped goes on; they
come in turns of all kinds, so that a part of them is a fair sample. What a league comes to is told of the kept maps.
`--write` keeps the tables in `RESULTS-league.md` and what the page says of it in `assets/league-errors.json`.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import hashlib
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NETS = ROOT / "build" / "league" / "nets"
DECISIONS, WEIGHED = 16, 8
"""Decisions of a league, and of how many of them, that show the cue, the maps are weighed."""
AT_RANDOM = 10
"""Networks of random weights, of each kind and family."""
LEARNED = 0.9
"""Share of the images that a planted network must decide rightly: else it does not read what was planted."""
SHOWN = ("bright", "two", "colour", "texture", "edges")
"""What the images show that networks of random weights are asked about."""
SOURCES = [
    *(ROOT / "workbench" / "evidence" / f"{name}.py" for name in ("contest", "entrants", "league_null")),
    *(HERE / f"card_{name}.py" for name in ("images", "nets")),
]


def fingerprint() -> str:
    """Digest of the code that a line depends on."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network: planted, with gradients that were faked, or of random weights ("fresh" as they are initialised,
    "redrawn" as spread as trained ones). `cue` is what the images show."""

    kind: str
    family: str
    cue: str
    seed: int

    @property
    def planted(self) -> bool:
        """Whether it is known which place it reads."""
        return self.kind in ("planted", "faked")


def subjects(seeds: list[int], first: int) -> list[Subject]:
    """All networks, in turns of all kinds."""
    from card_nets import CUES, FAMILIES, LATE

    at_random = [
        Subject(kind, family, SHOWN[number % len(SHOWN)], first + number)
        for number in range(AT_RANDOM)
        for kind in ("fresh", "redrawn")
        for family in FAMILIES
    ]
    planted = [
        Subject("planted", family, cue, seed)
        for seed in seeds
        for cue in CUES
        for family in FAMILIES
        if cue != "nothing" and (cue != "late" or family in LATE)
    ]
    faked = [Subject("faked", family, "bright", seed) for seed in seeds for family in FAMILIES]
    return _in_turns(*(_shuffled(part, seeds[0]) for part in (planted, faked, at_random)))


def _shuffled(part: list[Subject], seed: int) -> list[Subject]:
    return [part[at] for at in np.random.default_rng(seed).permutation(len(part))]


def _in_turns(*parts: list[Subject]) -> list[Subject]:
    """All of them, so that of each part as large a share has come at any point."""
    places = [((at + 0.5) / len(part), number, at) for number, part in enumerate(parts) for at in range(len(part))]
    return [parts[number][at] for _, number, at in sorted(places)]


def line_of(subject: Subject) -> dict[str, object]:
    """The maps of one network's league, beside what is true of it."""
    import torch
    from card_nets import Spec

    from workbench.evidence import league
    from workbench.evidence.league_null import by_chance, by_random_weights
    from workbench.models import predict

    torch.set_num_threads(1)
    spec = Spec(subject.family, subject.cue, subject.seed)
    images, arrays = _images(spec)
    classifier, sound = _network(subject, spec, arrays[0])
    predictions = predict(classifier, images)
    told = predictions.logits[:, 1] > predictions.logits[:, 0]
    right = float((told == (predictions.frame["label"] == "cue").to_numpy()).mean())
    line: dict[str, object] = {"subject": dataclasses.asdict(subject), "code": fingerprint(), "right": right}
    if subject.planted and right < LEARNED:
        return line
    if not subject.planted:  # maps change nothing where the decisions have nothing to do with the labels
        line["by_chance"] = by_chance(predictions.frame)
        line["by_random"] = by_random_weights(classifier, images, predictions)
        if max(line["by_chance"], line["by_random"] or 0) > 0.05:  # type: ignore[call-overload]
            return line
    result = league(classifier, images, predictions, target="cue", many=DECISIONS)
    line |= {"frame": json.loads(result.frame.to_json(orient="split", index=False))}
    line |= {"by_chance": result.by_chance, "by_random": result.by_random}
    if subject.planted:
        line["shares"] = _shares(classifier, images, arrays, spec, sound, result)
    return line


def _shares(
    classifier: object, images: object, arrays: list[NDArray[np.uint8]], spec: object, sound: object, result: object
) -> dict[str, dict[str, list[float | None]]]:
    """Of each entrant, on images that show the cue: shares on the place of the positive values, of the absolute ones,
    and of the strongest pixels, as many as the place has."""
    from card_nets import as_input, truth

    from workbench.attribution import attribute

    asked = set(result.frame["name"])  # type: ignore[attr-defined]
    shown = [
        (item, truth(spec, sound, as_input(array[None])))  # type: ignore[arg-type]
        for item, array in zip(images, arrays, strict=True)  # type: ignore[call-overload]
        if item.name in asked and item.label == "cue"
    ]
    shares = {}
    for entrant in result.entrants:  # type: ignore[attr-defined]
        parts: dict[str, list[float | None]] = {"positive": [], "absolute": [], "strongest": []}
        for item, place in [pair for pair in shown if pair[1].any()][:WEIGHED]:
            try:
                made = attribute(classifier, item, entrant.method, "cue", background=images, **dict(entrant.settings))
            except Exception:  # it has no rank in the league either
                continue
            strongest = np.argsort(-made.ranking.ravel(), kind="stable")[: int(place.sum())]
            for name, values in (("positive", made.ranking.clip(0)), ("absolute", np.abs(made.heatmap()))):
                total = float(values.sum(dtype=np.float64))
                parts[name].append(float(values[place].sum(dtype=np.float64)) / total if total else 0.0)
            parts["strongest"].append(float(place.ravel()[strongest].mean()))
        shares[entrant.title] = parts
    return shares


def _network(subject: Subject, spec: object, image: NDArray[np.uint8]) -> tuple[object, object]:
    """The network as a classifier, and the module whose place is known."""
    import card_maps
    import torch
    from card_nets import Reader, Spec, as_input, trained, trunk, truth, wrapped
    from torch import nn

    from workbench.evidence.stability import redraw

    if subject.kind == "fresh":
        torch.manual_seed(subject.seed)
        model = Reader([nn.Identity()], [trunk(subject.family, 3)]).eval()
        return wrapped(model), model
    if subject.kind == "redrawn":
        model = copy.deepcopy(trained(Spec(subject.family, "bright", 2 * (subject.seed % 2)), NETS).model)
        model.fronts[0] = nn.Identity()
        owners = [module for module in model.modules() if any(True for _ in module.parameters(recurse=False))]
        redraw(owners, torch.Generator().manual_seed(subject.seed))
        return wrapped(model.eval()), model
    classifier = trained(spec, NETS)
    if subject.kind == "faked":
        place = truth(spec, classifier.model, as_input(image[None]))
        return card_maps.faked(classifier, place, image, subject.seed), classifier.model
    return classifier, classifier.model


def _images(spec: object) -> tuple[object, list[NDArray[np.uint8]]]:
    """A set of images, every other one with the cue, and their pixels. Of two cues of their own no image shows both, so
    that one label can be right."""
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
        there[1:] &= not there[0]
        pixels, buffer = drawn(rng, scene, there), io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        label = "cue" if there[0] else "other cue" if there[1:].any() else "none"
        items.append(ImageItem(f"{number:03}.png", BytesSource(buffer.getvalue()), label=label, split="test"))
        arrays.append(pixels)
    return ImageSet("planted", tuple(items)), arrays


def collected(path: Path, wanted: list[Subject], workers: int) -> list[dict[str, object]]:
    """The lines of all networks, read where they are there and made otherwise, in turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mark, there = fingerprint(), [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []
    known = {json.dumps(line["subject"]): line for line in there if line["code"] == mark}
    missing = [one for one in wanted if json.dumps(dataclasses.asdict(one)) not in known]
    with path.open("a") as file:
        for line in _made(missing, workers):
            file.write(json.dumps(line) + "\n")
            file.flush()
            known[json.dumps(line["subject"])] = line
    names = [json.dumps(dataclasses.asdict(one)) for one in wanted]
    return [known[name] for name in names if name in known]


def _made(missing: list[Subject], workers: int) -> Iterator[dict[str, object]]:
    if workers == 1:
        yield from map(line_of, missing)
        return
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawned) as pool:
        for done in as_completed([pool.submit(line_of, one) for one in missing]):
            yield done.result()


def main() -> None:
    """Do the networks that are missing and print the tables; keep them where asked."""
    from league_table import TABLE, asset_of, text_of

    from workbench.catalog import shared
    from workbench.evidence.league_rates import LEAGUE_ERRORS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[9, 11, 13])
    parser.add_argument("--random", type=int, default=400, help="the first seed of random weights")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--known", action="store_true", help="compute nothing: of the lines that are there")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    wanted = subjects(given.seeds, given.random)
    if given.known:
        lines = [json.loads(text) for text in given.file.read_text().splitlines()]
    else:
        lines = collected(given.file, wanted, given.workers)
    text = text_of(lines)
    print(text)
    if given.write:
        TABLE.write_text(text + "\n")
        shared(LEAGUE_ERRORS).write_text(asset_of(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
