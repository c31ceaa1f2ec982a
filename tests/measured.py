"""What a piece of work takes, measured in a process of its own: the process may die of it, and a limit ends what would
take too much."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PARENT = """
import json, os, resource, signal, sys, time, traceback
{imports}
def megabytes(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) / 1024
def measured(call, most, timeout):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the highest use so far counts anew from here
    before, started = megabytes("VmRSS"), time.perf_counter()
    limit = int(megabytes("VmData") + most) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    signal.alarm(timeout)
    kind, said = "", ""
    try:
        exec(call, globals())
    except BaseException as error:
        kind, said = type(error).__name__, str(error)
    seconds = time.perf_counter() - started
    apart = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return json.dumps([megabytes("VmHWM") - before, seconds, kind, said, apart])
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the call prints is no answer
for line in sys.stdin:
    call, sys.argv[1:], most, timeout = json.loads(line)
    if not (child := os.fork()):
        try:
            print(measured(call, most, timeout), file=out, flush=True)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=out, flush=True)
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


@functools.cache
def _parent(imports: str) -> subprocess.Popen[str]:
    """A process that has imported, and forks for each call: to import takes longer than most calls."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", PARENT.format(imports=imports)], **pipes)


def cost(imports: str, call: str, *arguments: Path | str, most: int = 3000, timeout: int = 120) -> Cost:
    """The cost of `call` after `imports`; `arguments` are its `sys.argv[1:]`, and `most` the megabytes that it is
    given."""
    parent = _parent(imports)
    print(json.dumps([call, [*map(str, arguments)], most, timeout]), file=parent.stdin, flush=True)
    answer = parent.stdout.readline()
    if answer.startswith("["):
        assert parent.stdout.readline() == "0\n"
        return Cost(*json.loads(answer))
    raise AssertionError(f"the process ended with {answer.strip() or parent.poll()}: what it said stands in the output")
