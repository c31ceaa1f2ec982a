"""All figures of the Bias page on 200,000 rows beside the bare pandas groupbys that only count the same cells.

    python tests/benchmarks/bench_bias.py

The rows are those of the solar-cell model, repeated. Every competitor is called once a round, and the ratio is taken
within a round.
"""

import dataclasses
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tables import solar

from workbench.bias.groups import compare
from workbench.bias.performance import breakdown

ROWS, ROUNDS = 200_000, 7
ATTRIBUTES = ("module type", "camera", "line")


def repeated():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(solar()), ROWS)
    camera, line = (rng.choice(np.array(list(values), dtype=object), ROWS) for values in ("ABC", "123456"))
    frame = solar().frame.iloc[rows].reset_index(drop=True).assign(camera=camera, line=line)
    return dataclasses.replace(
        solar(), frame=frame, probabilities=solar().probabilities[rows], logits=solar().logits[rows]
    )


def pandas_counts(table):
    for by in ("label", *ATTRIBUTES):
        table.frame.groupby([by, "label", "predicted"])["confidence"].agg(["size", "mean"])


def breakdowns(table):
    for by in ("label", *ATTRIBUTES):
        breakdown(table, by)


WORKS = {
    "4 breakdowns (label and 3 attributes), all figures and intervals": breakdowns,
    "comparison of 3 attributes in 9 figures, intervals and 27 tests": lambda table: compare(table, *ATTRIBUTES),
    "both": lambda table: (breakdowns(table), compare(table, *ATTRIBUTES)),
}


def timed(work, table):
    start = time.perf_counter()
    work(table)
    return time.perf_counter() - start


def main():
    table = repeated()
    print(f"{ROWS:,} rows\n\n| what | seconds | ratio to pandas counting: median (range) |\n|---|---:|---|")
    for name, work in WORKS.items():
        timed(work, table)
        pairs = [(timed(work, table), timed(pandas_counts, table)) for _ in range(ROUNDS)]
        ratios = [ours / theirs for ours, theirs in pairs]
        seconds = statistics.median(ours for ours, _ in pairs)
        print(
            f"| {name} | {seconds:.2f} | {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
