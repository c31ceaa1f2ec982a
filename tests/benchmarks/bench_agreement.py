"""How often the intervals of an agreement study hold the truth, over simulated studies of two inspectors.

    python tests/benchmarks/bench_agreement.py [--write]

Half of the parts are defective; a share of them is hard, where inspectors are right less often. Trials of one part are
decided independently, given the part; the truth is that of a study of 100,000 parts. `--write` keeps the table in
RESULTS.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from workbench.agreement.appraisal import exact_share, share_of_parts
from workbench.agreement.kappas import cohen, fleiss

STUDIES, MANY = 400, 100_000
SKILLS = {
    "good": (0.98, 0.2, 0.7),
    "fair": (0.95, 0.3, 0.75),
    "poor": (0.8, 0.3, 0.6),
    "no hard parts": (0.99, 0.0, 0.9),
}
SIZES = ((30, 1), (50, 3))
RESULTS, TITLE = Path(__file__).with_name("RESULTS.md"), "# Coverage of an agreement study"


def drawn(rng, skill, parts, trials):
    """The truth (N,), and what two inspectors say (2, T, N)."""
    easy, hard, right = skill
    defect = rng.random(parts) < 0.5
    chance = np.where(rng.random(parts) < hard, right, easy)
    hit = rng.random((2, trials, parts)) < chance
    return defect, np.where(hit, defect, ~defect)


def figures(defect, said):
    """The figures of a study."""
    trials, parts = said.shape[1:]
    units = np.tile(np.arange(parts), trials)
    first, second = (one.ravel().astype(np.intp) for one in said)
    rejected = said[0].sum(0)
    bad = np.tile(defect, trials)
    return {
        "kappa of two": cohen(first, second, units),
        "kappa of own trials": fleiss(np.stack([trials - rejected, rejected], 1)) if trials > 1 else None,
        "kappa, reference": cohen(first, bad.astype(np.intp), units),
        "effectiveness": exact_share((said[0] == defect).all(0)),
        "miss rate": share_of_parts(first[bad] == 0, units[bad]),
    }


def main():
    rng = np.random.default_rng(0)
    lines = ["| inspectors | parts x trials | figure | truth | coverage |", "|---|---|---|---:|---:|"]
    for name, skill in SKILLS.items():
        for parts, trials in SIZES:
            truth = figures(*drawn(rng, skill, MANY, trials))
            hits = {figure: 0 for figure, one in truth.items() if one is not None}
            for _ in range(STUDIES):
                for figure, one in figures(*drawn(rng, skill, parts, trials)).items():
                    if one is not None:
                        hits[figure] += one.value is None or one.low <= truth[figure].value <= one.high
            lines += [
                f"| {name} | {parts} x {trials} | {figure} | {truth[figure].value:.3f} | {hit / STUDIES:.3f} |"
                for figure, hit in hits.items()
            ]
            print("\n".join(lines[-len(hits) :]), flush=True)
    if "--write" in sys.argv:
        before = RESULTS.read_text(encoding="utf-8").partition(f"\n{TITLE}\n")[0].rstrip()
        said = f"{STUDIES:,} simulated studies each, nominal 95 %."
        RESULTS.write_text("\n".join([before, "", TITLE, "", said, "", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
