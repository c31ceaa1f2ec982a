"""Studies for tests: a published attribute study, and decisions that are made up."""

import numpy as np

from workbench.agreement.ratings import read_ratings
from workbench.agreement.study_plan import NO_MAPS, WITH_MAPS, Part, StudyPlan

# The attribute study of the AIAG's "Measurement systems analysis", 4th edition, Table III-C 1: for each of 50 parts
# three trials of the appraisers A, B and C, and the reference; 1 accepts the part, 0 rejects it.
AIAG_ROWS = """
111 111 111 1|111 111 111 1|000 000 000 0|000 000 000 0|000 000 000 0|110 110 100 1|111 111 101 1|111 111 111 1
000 000 000 0|111 111 111 1|111 111 111 1|000 000 010 0|111 111 111 1|110 111 100 1|111 111 111 1|111 111 111 1
111 111 111 1|111 111 111 1|111 111 111 1|111 111 111 1|110 101 010 1|001 010 110 0|111 111 111 1|111 111 111 1
000 000 000 0|010 000 001 0|111 111 111 1|111 111 111 1|111 111 111 1|000 001 000 0|111 111 111 1|111 111 111 1
111 111 111 1|001 001 011 0|111 111 111 1|110 111 101 1|000 000 000 0|111 111 111 1|000 000 000 0|111 111 111 1
111 111 111 1|000 000 000 0|101 111 110 1|111 111 111 1|000 000 000 0|111 111 111 1|111 111 111 1|000 000 000 0
111 111 111 1|000 000 000 0
"""


def aiag_csv():
    """That study as a CSV."""
    lines = ["inspector,part,trial,answer,reference"]
    for part, row in enumerate(AIAG_ROWS.replace("\n", "|").strip("|").split("|"), 1):
        *trials, reference = row.split()
        for name, answers in zip("ABC", trials, strict=True):
            lines += [f"{name},{part},{trial},{answer},{reference}" for trial, answer in enumerate(answers, 1)]
    return "\n".join(lines).encode()


def decided(rows, columns="inspector,part,trial,answer,reference", **settings):
    """Ratings from lines of a CSV."""
    return read_ratings("\n".join([columns, *rows]).encode(), "answers.csv", **settings)


def parts_of(many):
    """Parts of which every other one is defective, and every fourth lies near the threshold."""
    return tuple(Part(f"{i}.png", f"{i:064d}", i % 2 == 0, i % 4 == 0, i / many) for i in range(many))


def plan(parts=8, inspectors=("Ada", "Ben"), trials=2, arms=(NO_MAPS, WITH_MAPS), **changes):
    """A plan over `parts_of`."""
    fields = {
        "title": "Line 3", "inspectors": inspectors, "trials": trials, "arms": arms, "method": "grad_cam", "washout": 0,
        "seed": 5, "model": "m", "model_name": "Model", "set_name": "Set", "positive": ("bad",),
        "planned": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return StudyPlan(**{**fields, "parts": changes.pop("own", None) or parts_of(parts), **changes})


def simulated(seed, parts, trials, right, right_with=None, inspectors=2):
    """A study in which each decision is right with a chance of its own part, in both arms."""
    rng = np.random.default_rng(seed)
    defect = np.arange(parts) % 2 == 0
    ease = rng.beta(12 * right, 12 * (1 - right), parts)
    lines = []
    for name in range(inspectors):
        for arm, chance in ((NO_MAPS, right), (WITH_MAPS, right if right_with is None else right_with)):
            for trial in range(trials):
                hit = rng.random(parts) < np.clip(ease + chance - right, 0, 1)
                for part in range(parts):
                    answer = "reject" if hit[part] == defect[part] else "pass"
                    truth = "reject" if defect[part] else "pass"
                    session = 2 * trial + 1 + ((part + (arm == WITH_MAPS)) % 2)
                    lines.append(f"I{name},{part},{trial + 1},{answer},{truth},{arm},{session}")
    return decided(lines, "inspector,part,trial,answer,reference,arm,session")
