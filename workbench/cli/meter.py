"""A line of progress for commands that take a while."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from workbench.texts import duration


class Meter:
    """A line of progress: rewritten in place on a terminal, a new one every tenth elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to `stream`; where missing, to a terminal on stderr only."""
        self.terminal = (stream or sys.stderr).isatty()
        self.stream = (stream or sys.stderr) if stream or self.terminal else None
        self.stage, self.first, self.start, self.last = "", 0, 0.0, -1

    def __call__(self, done: int, total: int, what: str = "") -> None:
        """Say that `done` of `total` steps of the stage that `what` begins with are done."""
        stage = what.partition(",")[0]
        if stage != self.stage or self.start == 0:
            self.stage, self.first, self.start, self.last = stage, done, time.monotonic(), -1
        share = 10 * done // max(total, 1)
        if self.stream is None or (not self.terminal and share == self.last):
            return
        self.last = share
        spent, steps = time.monotonic() - self.start, done - self.first
        remaining = f", {duration(spent / steps * (total - done))} left" if steps else ""
        line = f"{done} of {total}{remaining}{f': {what}' if what else ''}"
        self.stream.write(f"\r\x1b[2K{line}" if self.terminal else f"{line}\n")
        self.stream.flush()

    def report(self, stage: str, done: int, total: int) -> None:
        """The same, for work that says first at what stage it is."""
        self(done, total, stage)

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        if self.terminal and self.last >= 0 and self.stream:
            self.stream.write("\r\x1b[2K")
            self.stream.flush()
