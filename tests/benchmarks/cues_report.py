"""What came of the search on planted and sound models: rates with their intervals, the ROC, and what is shipped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from planted_cues import EDGES, FAMILIES, SIZE
from sklearn.metrics import roc_auc_score, roc_curve

from workbench.cues import SEARCH_ERRORS
from workbench.cues.cue_findings import ALONE
from workbench.cues.transplant import LEAST_TRIED
from workbench.files import KINDS
from workbench.stats import SIGNIFICANT, Rate, wilson

HELD_OUT = 300
"""The first seed that set no limit of the search, and none of its parts."""
ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("RESULTS-cues.md")
ROC = TABLE.with_name("cues-roc.svg")
"""Of synthetic parts."""
SOUND = 0.8
"""A sound model that is right on fewer of its test images is no sound model, and is counted apart."""
DECIDES = 0.5
ROC_AT = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
RIGHT_NAMES = {
    "background texture": ("texture", "contrast", "noise"),
    "blur": ("blur", "a lack of noise", "weak"),
    "exposure or cast": ("brightness", "cast"),
    "JPEG or noise": ("jpeg", "noise"),
}


def accused(line: dict, target: str | None = None) -> list[dict]:
    """The findings that accuse, of one class where it is given."""
    return [f for f in line["findings"] if f["verdict"] in ("shortcut", "leans") and target in (None, f["target"])]


def score_of(line: dict) -> float:
    """At which limit of the effect the search would still accuse a model: the largest lower end, beyond its decoy's,
    of a cue that is more than chance, of ways that add no detail, and no more than what taking it away turns where that
    was tried, unless it is no property and turns half of those that it is put on; 0 where there is none."""
    scores = [0.0]
    for finding in line["findings"]:
        tried = {way for way in ("put", "taken") if len(finding.get(f"{way} each", ())) >= LEAST_TRIED}
        adding = {None: "", True: "put", False: "taken"}[finding["adds"]]
        ways = [finding[way] for way in tried if way != adding or len(tried) == 1]
        if finding["p"] <= SIGNIFICANT and ways:
            most = max(min((flips or 0) - (decoys or 0), low or 0) for flips, decoys, _, low in ways)
            decides = finding["kind"] != "property" and "put" in tried and (finding["put"][2] or 0) >= ALONE
            scores.append(min(most, finding["taken"][0] or 0) if "taken" in tried and not decides else most)
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
        return first["kind"] in ("mark", "concept") and not first["box"] and (first["carry"] or 0) >= 0.75
    words = f"{first['kind']} {first['name']}".lower()
    return first["kind"] == "property" and any(word in words for word in RIGHT_NAMES[line["family"]])


def holds(box: Sequence[float], line: dict) -> bool:
    """Whether a box holds the middle of the stamp, and is no wider than half of the image a side."""
    edge = EDGES[line["strength"]] / SIZE
    top, left = (start + edge / 2 for start in line["place"])
    small = box[2] - box[0] <= 0.5 and box[3] - box[1] <= 0.5
    return small and box[0] <= top <= box[2] and box[1] <= left <= box[3]


def counted(lines: Sequence[dict], *, apart: bool = False) -> list[dict]:
    """The models that count: those that go by their cue, and sound ones that are right often enough and of which the
    search could judge a class; of the sound ones those that are not right often enough, where `apart`."""
    kept = [line for line in lines if line["shortcut"] and line["turned"] >= DECIDES and not apart]
    sound = [line for line in lines if not line["shortcut"] and line["classes"]]
    return kept + [line for line in sound if (line["accuracy"] >= SOUND) != apart]


def share(hits: Sequence[bool]) -> str:
    """A share with its binomial interval."""
    rate: Rate = wilson(sum(hits), len(hits))
    if rate.value is None:
        return "no model"
    return f"{sum(hits)} of {len(hits)}: {rate.value:.0%} ({rate.low:.0%} to {rate.high:.0%})"


def table(lines: Sequence[dict]) -> str:
    """What came of all models, as Markdown."""
    head = ("cue", "models", "decides", "found", "named rightly", "sound models accused", "right too seldom, accused")
    rows = [f"| {' | '.join(head)} |", "|---|---:|---:|---|---|---|---|"]
    for family in (*FAMILIES, None):
        own = [line for line in lines if family in (None, line["family"])]
        planted = [line for line in counted(own) if line["shortcut"]]
        sound = [
            [bool(accused(line)) for line in counted(own, apart=apart) if not line["shortcut"]] for apart in (0, 1)
        ]
        found, right = [bool(accused(m, m["target"])) for m in planted], [named(m) for m in planted]
        cells = (family or "all", len(own), len(planted), *map(share, (found, right, *sound)))
        rows.append(f"| {' | '.join(map(str, cells))} |")
    both = counted(lines)
    if len({line["shortcut"] for line in both}) == 2:
        planted, scores = [bool(line["shortcut"]) for line in both], [score_of(line) for line in both]
        rows.append("\nROC of what a cue is shown to turn (limit, found, sound models accused), as in `cues-roc.svg`:")
        rows += [f"AUC {roc_auc_score(planted, scores):.2f}; {curve(planted, scores)}."]
    seconds = [line["seconds"] for line in lines if line["searched"]]
    accuracy = [line["accuracy"] for line in lines if not line["shortcut"]]
    right = f"Sound models are right on {np.median(accuracy):.0%} of their test images (median). " if accuracy else ""
    rows.append(
        f"\n{right}A search takes {np.median(seconds):.0f} s of processor (median), at most {max(seconds):.0f} s."
    )
    mute = sum(line["searched"] and not line["classes"] for line in lines)
    if mute:
        rows.append(f"Of {mute} models no class could be judged: too few images, or units of them, are called so.")
    return "\n".join(rows)


def asset(lines: Sequence[dict]) -> dict[str, object]:
    """What is shipped: the version of the search that was measured, and what it said of each held-out model."""
    models = []
    for line in counted(lines):
        told = {"images": images_of(line)} | {key: line[key] for key in ("family", "strength", "net", "seed")}
        told["planted"] = line["shortcut"]
        if line["shortcut"]:
            told |= {"found": bool(accused(line, line["target"])), "named": named(line)}
        else:
            told |= {"accused": bool(accused(line)), "by": sorted({f["kind"] for f in accused(line)})}
        models.append(told)
    facts = {"version": KINDS["shortcuts"].version, "held out from": HELD_OUT, "sound": SOUND, "decides": DECIDES}
    return {**facts, "models": models}


def images_of(line: dict) -> str:
    """On what images a model was tried, in words."""
    return "synthetic parts" if not line["source"] else f"photographs of {line['source']}"


def drawn(planted: Sequence[bool], scores: Sequence[float]) -> str:
    """The ROC as an SVG: planted models found against sound ones accused, at every limit of the score."""
    falsely, found, _ = roc_curve(planted, scores, drop_intermediate=False)
    points = " ".join(f"{40 + 200 * x:.1f},{220 - 200 * y:.1f}" for x, y in zip(falsely, found, strict=True))
    ticks = "".join(
        f'<text x="{40 + 2 * at}" y="236" text-anchor="middle">{at}</text>'
        f'<text x="34" y="{224 - 2 * at}" text-anchor="end">{at}</text>'
        for at in (0, 50, 100)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 260 262" font-family="sans-serif" font-size="10">'
        '<rect width="260" height="262" fill="white"/><rect x="40" y="20" width="200" height="200" fill="none"'
        f' stroke="#888"/><path d="M40 220L240 20" stroke="#bbb" stroke-dasharray="4"/>{ticks}'
        '<text x="140" y="252" text-anchor="middle">sound models accused, %</text>'
        '<text x="12" y="120" text-anchor="middle" transform="rotate(-90 12 120)">planted cues found, %</text>'
        f'<polyline points="{points}" fill="none" stroke="#1f5fa8" stroke-width="2"/></svg>\n'
    )


def write(lines: Sequence[dict]) -> None:
    """Keep what the held-out seeds came to: what the pages say, and the table of each sort of images."""
    held = [line for line in lines if line["seed"] >= HELD_OUT]
    text, path = TABLE.read_text(), ROOT / "assets" / SEARCH_ERRORS
    new, there = asset(held), json.loads(path.read_text())
    renewed = {images_of(line) for line in held}
    for name in renewed:
        before, after = text.split(f"<!-- {name} -->")
        own = table([line for line in held if images_of(line) == name])
        text = f"{before}<!-- {name} -->\n{own}\n<!-- end -->{after.split('<!-- end -->', 1)[1]}"
    if there["version"] == new["version"]:  # of other images, which this file of lines does not hold
        new["models"] += [one for one in there["models"] if one["images"] not in renewed]
    path.write_text(json.dumps(new, separators=(",", ":")).replace('{"images"', '\n{"images"') + "\n")
    TABLE.write_text(text)
    both = [line for line in counted(held) if not line["source"]]
    if len({line["shortcut"] for line in both}) == 2:
        ROC.write_text(drawn([bool(line["shortcut"]) for line in both], [score_of(line) for line in both]))


def curve(planted: Sequence[bool], scores: Sequence[float]) -> str:
    """Points of the ROC, in words."""
    own = np.array(scores)
    hits, falsely = own[np.array(planted)], own[~np.array(planted)]
    return ", ".join(f"{at:.2g}: {(hits >= at).mean():.0%}, {(falsely >= at).mean():.0%}" for at in ROC_AT)
