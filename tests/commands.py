"""The command line, called as a function."""

from __future__ import annotations

import pytest

from workbench import cli


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(ended.value.code)
