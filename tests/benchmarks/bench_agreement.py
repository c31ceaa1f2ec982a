"""How often the intervals of an agreement study hold the truth, over simulated studies of two inspectors.

    python tests/benchmarks/bench_agreement.py [--write]

Half of the parts are defective; a share of them is hard, where inspectors are right less often. Trials of one part are
decided independently, given the part; the truth is that of a study of 100,000 parts. With maps the same inspectors see
the same parts again and are right more often on the hard ones, by `HELP`, or not at all. Studies of which a figure does
not exist, such as a kappa where all decisions are alike, are counted apart. `--write` keeps the tables in
RESULTS-agreement.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from workbench.agreement.appraisal import exact_share, share_of_parts
from workbench.agreement.kappas import cohen, fleiss
from workbench.stats import mcnemar_of_units, paired_difference_of_units, wilson

STUDIES, MANY = 2_000, 100_000
SKILLS = {
    "good": (0.98, 0.2, 0.7),
    "fair": (0.95, 0.3, 0.75),
    "poor": (0.8, 0.3, 0.6),
    "no hard parts": (0.99, 0.0, 0.9),
}
SIZES = ((30, 1), (50, 3))
HELP = (0.0, 0.2)
RESULTS = Path(__file__).with_name("RESULTS-agreement.md")
HEAD = """# The agreement study, measured

By `tests/benchmarks/bench_agreement.py --write`: two simulated inspectors, half of the parts defective, some of them
hard; {studies:,} studies a row, so that a coverage of 95 % is told to one point (binomial, 95 %). Nominal are 95 %; the
intervals are made to hold at least that much, and are wider than they need be where mistakes are rare. "None" are
studies of which the figure does not exist, which count in no coverage.

"""


def drawn(rng, skill, parts, trials, more=0.0):
    """The truth (N,), and what two inspectors say (2, 2, T, N): without maps, with maps."""
    easy, hard, right = skill
    defect = rng.random(parts) < 0.5
    difficult = rng.random(parts) < hard
    chances = np.stack([np.where(difficult, right + added, easy) for added in (0.0, more)])
    hit = rng.random((2, 2, trials, parts)) < chances[:, None, None]
    return defect, np.where(hit, defect, ~defect)


def figures(defect, arms):
    """The figures of a study."""
    said = arms[0]
    trials, parts = said.shape[1:]
    units = np.tile(np.arange(parts), trials)
    first, second = (one.ravel().astype(np.intp) for one in said)
    rejected = said[0].sum(0)
    bad = np.tile(defect, trials)
    with_maps, without = ((arm == defect).ravel() for arm in arms[::-1])
    return {
        "kappa of two": cohen(first, second, units),
        "kappa of own trials": fleiss(np.stack([trials - rejected, rejected], 1)) if trials > 1 else None,
        "kappa, reference": cohen(first, bad.astype(np.intp), units),
        "effectiveness": exact_share((said[0] == defect).all(0)),
        "miss rate": share_of_parts(first[bad] == 0, units[bad]),
        "false-alarm rate": share_of_parts(first[~bad] == 1, units[~bad]),
        "right with maps less without": paired_difference_of_units(with_maps, without, np.tile(units, 2)),
    }


def alarmed(defect, arms):
    """Whether McNemar's test says that maps change how often both are right."""
    with_maps, without = ((arm == defect).ravel() for arm in arms[::-1])
    units = np.tile(np.arange(arms.shape[-1]), 2 * arms.shape[2])
    return mcnemar_of_units(with_maps, without, units) < 0.05


def power(rng, skill, parts, trials, more):
    """In which share of the studies it says so."""
    return np.mean([alarmed(*drawn(rng, skill, parts, trials, more)) for _ in range(STUDIES)])


def coverage(rng, skill, parts, trials):
    """A row a figure: the truth, how often the interval holds it, and of how many studies it does not exist."""
    truth = figures(*drawn(rng, skill, MANY, trials, HELP[1]))
    held = {figure: [] for figure, one in truth.items() if one is not None}
    for _ in range(STUDIES):
        for figure, one in figures(*drawn(rng, skill, parts, trials, HELP[1])).items():
            if one is not None and one.value is not None:
                held[figure].append(one.low <= truth[figure].value <= one.high)
    for figure, hits in held.items():
        share = wilson(sum(hits), len(hits))
        ends = f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})"
        yield f"| {figure} | {truth[figure].value:.3f} | {ends} | {STUDIES - len(hits)} |"


def main():
    rng = np.random.default_rng(0)
    lines = ["| inspectors | parts x trials | figure | truth | coverage | none |", "|---|---|---|---:|---:|---:|"]
    tests = ["| inspectors | parts x trials | maps change nothing | maps help on hard parts |", "|---|---|---:|---:|"]
    for name, skill in SKILLS.items():
        for parts, trials in SIZES:
            rows = [f"| {name} | {parts} x {trials} {row}" for row in coverage(rng, skill, parts, trials)]
            said = [
                np.mean([alarmed(*drawn(rng, skill, parts, trials, more)) for _ in range(STUDIES)]) for more in HELP
            ]
            lines += rows
            tests.append(f"| {name} | {parts} x {trials} | {said[0]:.3f} | {said[1]:.3f} |")
            print("\n".join([*rows, tests[-1]]), flush=True)
    if "--write" in sys.argv:
        below = ["", "How often McNemar's test of maps against none says p < .05:", "", *tests, ""]
        RESULTS.write_text(HEAD.format(studies=STUDIES) + "\n".join([*lines, *below]), encoding="utf-8")


if __name__ == "__main__":
    main()
