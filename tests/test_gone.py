"""Work whose visitor is gone ends: long work on a real server, whose page is closed in the middle of it."""

import os
import time
from pathlib import Path

import pytest
from visiting import Visitor, launched

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this system does not tell what a process takes"
)
WORK = {
    "a map": ("explain", "method=occlusion&window=0.05"),
    "checks": ("explain", "method=saliency&evidence=full"),
    "regions": ("probe", "view=regions"),
    "an attack": ("probe", "view=attack&attack=square&model=solar-cells-random"),
}
ENDS_WITHIN = 20
"""Seconds; a step between two reports takes one or two on a busy machine."""


def seconds_of(process):
    """The processor time that a process took."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_busy(process):
    before = seconds_of(process)
    time.sleep(2)
    return seconds_of(process) - before > 0.2


def until_idle(process, within):
    ends = time.monotonic() + within
    while is_busy(process):
        assert time.monotonic() < ends, "it goes on"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with launched(folder, OMP_NUM_THREADS="1", WORKBENCH_CACHE=str(folder / "cache")) as (port, process):
        first = Visitor(port, "explain", "method=saliency")  # loads the packages and the model
        list(first.messages(3))
        until_idle(process, 200)
        first.socket.close()
        yield port, process


@pytest.mark.parametrize("work", WORK)
def test_work_ends_when_its_page_is_closed(server, work):
    port, process = server
    visitor = Visitor(port, *WORK[work])
    drawn = (m.delta.new_element for m in visitor.messages(60) if m.HasField("delta"))
    bars = (element.progress for element in drawn if element.HasField("progress"))
    # On a busy machine the set is read with a bar of its own
    first = next(bar for bar in bars if not bar.text.startswith("Reading the images"))
    assert first.value < 60, "it has far to go"
    visitor.socket.close()
    until_idle(process, ENDS_WITHIN)
