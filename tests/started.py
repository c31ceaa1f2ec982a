"""The first page of a fresh process, and what it loads."""

import json
import os
import subprocess
import sys

CODE = """
import json, sys, time
from streamlit.testing.v1 import AppTest
from workbench.ui import warm
warm.warm_up = lambda: None
cpu, wall = time.process_time(), time.perf_counter()
at = AppTest.from_file("workbench/app.py", default_timeout=300).run()
assert not at.exception, at.exception
took = time.process_time() - cpu, time.perf_counter() - wall
print(json.dumps({"cpu": took[0], "wall": took[1], "modules": sorted(sys.modules)}))
"""


def first_page(root):
    """Seconds of the Overview of the shipped model in a checkout ("cpu", "wall"), and the names of all "modules" then.

    What is imported in the background is left out.
    """
    own = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=root, env=own, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
