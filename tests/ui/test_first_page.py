"""The first page stands before the heavy packages are loaded."""

from started import first_page
from test_architecture import HEAVY, ROOT


def test_the_first_page_loads_no_heavy_package():
    modules = set(first_page(ROOT)["modules"])
    assert {"workbench.ui.overview", "workbench.audit.reader", "pyarrow"} <= modules  # else it drew nothing
    assert modules & HEAVY == set()
    later = {f"workbench.{name}" for name in ("bias", "cli", "defects", "evidence", "probe", "training")}
    assert modules & later == set()
