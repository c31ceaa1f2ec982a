"""What a piece of work takes, measured in a process of its own: the process may die of it, and a limit ends what would
take too much."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CHILD = """
import json, resource, sys, time
{imports}
def megabytes(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) / 1024
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the highest use so far counts anew from here
before, started = megabytes("VmRSS"), time.perf_counter()
limit = int(megabytes("VmData") + {most}) * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
kind, said = "", ""
try:
    {call}
except BaseException as error:
    kind, said = type(error).__name__, str(error)
seconds = time.perf_counter() - started
apart = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([megabytes("VmHWM") - before, seconds, kind, said, apart]))
"""


@dataclass(frozen=True)
class Cost:
    """What a call took.

    Attributes:
        megabytes: The most memory beyond what the process held before the call.
        seconds: On the clock.
        kind: The name of the exception that it ended with, or "".
        said: That exception's message.
        apart: The most memory of any process that it started, in megabytes; 0 where it started none.
    """

    megabytes: float
    seconds: float
    kind: str
    said: str
    apart: float


def cost(imports: str, call: str, *arguments: Path | str, most: int = 3000, timeout: float = 120) -> Cost:
    """The cost of `call` after `imports`; `arguments` are its `sys.argv[1:]`, and `most` the megabytes that it is
    given."""
    code = CHILD.format(imports=imports, call=call, most=most)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Cost(*json.loads(done.stdout.splitlines()[-1]))
