"""How long the first page of a fresh process takes, and how much it loads, beside another revision.

    python tests/benchmarks/bench_start.py [REVISION]

Both are run in turns with the same packages, so that only their ratio matters.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from started import first_page

RUNS = 5


def main(revision="HEAD"):
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(before), revision], check=True)
        try:
            pairs = [(first_page(before), first_page(ROOT)) for _ in range(RUNS)]
        finally:
            subprocess.run([*git, "remove", "--force", str(before)], check=True)
    for what in ("cpu", "wall"):
        first, second = (median(run[what] for run in runs) for runs in zip(*pairs, strict=True))
        print(f"{what} seconds, median of {RUNS}: {revision} {first:.2f}, now {second:.2f}, ratio {second / first:.2f}")
    old, new = (set(run["modules"]) for run in pairs[-1])
    others = sorted(name for name in new ^ old if not name.startswith("workbench"))
    print(
        f"modules: {revision} {len(old)}, now {len(new)}; of other packages in one only: {', '.join(others) or 'none'}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
