"""The folder's front door hands its names on without loading torch."""

import ast
import inspect
import subprocess
import sys

import pytest

from workbench import training


def test_every_name_is_handed_on_and_no_other() -> None:
    imports = [node for node in ast.walk(ast.parse(inspect.getsource(training))) if isinstance(node, ast.ImportFrom)]
    names = [name.name for node in imports if str(node.module).startswith("workbench.training.") for name in node.names]
    assert names
    assert all(getattr(training, name) is not None for name in names)
    with pytest.raises(AttributeError, match="no attribute 'cards'"):
        _ = training.cards


def test_importing_the_folder_does_not_load_torch() -> None:
    code = "import sys, workbench.training; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
