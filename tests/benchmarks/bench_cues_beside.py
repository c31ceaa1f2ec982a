"""The search beside four other ways on the same models, from the lines that `bench_cues.py --beside` wrote.

    python tests/benchmarks/bench_cues_beside.py CUES.jsonl [CUES.jsonl ...] [--write]

`--write` puts the table of the held-out seeds, one for each sort of images, into `RESULTS-cues.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bench_cues import lines_in
from cues_report import HELD_OUT, TABLE, accused, counted, images_of, named, score_of, share
from sklearn.metrics import roc_auc_score

FALSELY = 0.05
"""The share of sound models that each may accuse where all are compared alike."""
HEAD = (
    "way",
    "accuses what goes by the cue",
    "named rightly",
    "sound models accused",
    "ROC AUC",
    "named rightly where at most 5 % of these sound models may be accused",
    "s of processor",
)


def table(lines: Sequence[dict]) -> str:
    """All ways beside each other on the models that count and that all were asked about, as Markdown."""
    both = [line for line in counted(lines) if line.get("said")]
    planted = np.array([line["shortcut"] for line in both], bool)
    told = f"{planted.sum()} models that go by the cue, {(~planted).sum()} sound ones."
    if not 0 < planted.sum() < len(both):
        return told
    said = [{"this search": search_said(line), **line["said"]} for line in both]
    rows = [f"{told}\n", f"| {' | '.join(HEAD)} |", "|---|---|---|---|---:|---|---:|"]
    for way in said[0]:
        rows.append(f"| {way} | {' | '.join(cells_of([one[way] for one in said], planted))} |")
    return "\n".join(rows)


def cells_of(said: Sequence[dict], planted: np.ndarray) -> tuple[str, ...]:
    """A row of the table: what one way said of each model, which were `planted` (M,)."""
    score, right = np.array([one["score"] for one in said]), np.array([bool(one["named"]) for one in said])
    own = np.array([bool(one["accused"]) for one in said])
    least = np.sort(score[~planted])[::-1][int(FALSELY * (~planted).sum())]
    judges = all(one["accused"] is not None for one in said)
    verdicts = (share(own[planted].tolist()), share((own & right)[planted].tolist()), share(own[~planted].tolist()))
    return (
        *(verdicts if judges else ("no verdict of its own", "", "")),
        f"{roc_auc_score(planted, score):.2f}",
        share(((score > least) & right)[planted].tolist()),
        f"{np.median([one['seconds'] for one in said]):.1f}",
    )


def search_said(line: dict) -> dict[str, object]:
    """What the search said of a model, as the others say it."""
    return {"score": score_of(line), "accused": bool(accused(line)), "named": named(line), "seconds": line["seconds"]}


def main() -> None:
    """Print the table of each sort of images, and keep those of the held-out seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cues", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    lines = [line for path in options.cues for line in lines_in(path)]
    text = TABLE.read_text()
    for name in sorted({images_of(line) for line in lines}):
        own = [line for line in lines if images_of(line) == name and (line["seed"] >= HELD_OUT or not options.write)]
        print(f"{name}: {table(own)}")
        if options.write:
            before, after = text.split(f"<!-- beside: {name} -->")
            text = f"{before}<!-- beside: {name} -->\n{table(own)}\n<!-- end -->{after.split('<!-- end -->', 1)[1]}"
    if options.write:
        TABLE.write_text(text)


if __name__ == "__main__":
    main()
