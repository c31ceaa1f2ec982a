"""Make the results that come with the package, by pressing on each page below what a visitor would press.

    python docs/known.py [FOLDER | --cards]

FOLDER holds what was computed, so that a run that was stopped goes on; without one it is a temporary folder. `make
known` calls it. It takes an hour or more on two cores, most of it for maps; what it writes is in `assets/known/`, laid
out as a cache. With `--cards` nothing is computed: what ships is written into the cards of the models.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from workbench import catalog
from workbench.files import CheckResult
from workbench.ui import warm

if TYPE_CHECKING:
    from workbench.training import Reason

MODELS = ("solar-cells", "solar-cells-random")
"""Those of the catalog whose results are shipped, each with its own image set."""
METALS = ("metal-sound", "metal-shortcut")
"""Those of which only what their cards tell is shipped: the league of methods, which takes a quarter of an hour of a
core and more for the solar cells, the search for shortcuts, and the checks of a sample of maps."""
Visit = tuple[str, dict[str, str], str]
VISITS: tuple[Visit, ...] = (
    ("data", {}, ""),
    ("reliability", {}, ""),
    ("reliability", {"corrupted": "200"}, ""),
    ("overview", {}, "Compute what is not yet known"),
)
"""Pages, their links, and the beginning of the label of the buttons that are pressed there. The larger sample of
corrupted images is what `workbench check` asks, so that the Overview says the same."""
LEAGUE: Visit = ("explain", {"method": "saliency"}, "Which method suits this model?")
SEARCH_ICON = ":material/playlist_play:"
"""That of the buttons that start a search, as `workbench.ui.progress.offer` draws them."""
PATIENCE = 6 * 3600
FACTS = "image-facts.sqlite"


def offers(at: AppTest, label: str) -> list[Button]:
    """The searches that a page offers, the one for all of it first."""
    return [b for b in at.button if b.proto.icon == SEARCH_ICON and b.label.startswith(label)]


def looked(model: str, visit: Visit) -> None:
    """Open a page about a model, and press until it offers no search any more."""
    page, link, begins = visit
    at = AppTest.from_file(catalog.home() / "workbench" / "app.py", default_timeout=PATIENCE)
    at.switch_page(f"../pages/{page}.py")
    for name, value in {"model": model, **link}.items():
        at.query_params[name] = value
    at.run()
    pressed: set[str] = set()
    while left := offers(at, begins):
        if at.exception or at.error or left[0].label in pressed:
            raise SystemExit(f"{model}: {left[0].label} came to nothing: {[*at.exception, *at.error]}")
        started, label = time.monotonic(), left[0].label
        left[0].click().run()
        pressed.add(label)
        print(f"{model}: {label}: {time.monotonic() - started:.0f} s", flush=True)


def take(cache: Path, folder: Path) -> None:
    """Put what a cache holds of results in the place of what a folder held."""
    shutil.rmtree(folder, ignore_errors=True)
    for pattern in ("results/*.json", "maps/*.json", "families/*.parquet"):
        for path in sorted(cache.glob(pattern)):
            (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / path.parent.name / path.name)
    base = sqlite3.connect(cache / FACTS)
    base.execute("VACUUM INTO ?", (str(folder / FACTS),))
    base.close()


def said(model: str) -> list[CheckResult]:
    """What Reliability knows of a model by long studies: of heads on frozen features, and of corruption."""

    def page() -> None:
        import streamlit as st

        from workbench.reliability import FIT_CHECKS, fit_of, fit_results
        from workbench.ui import runs, url
        from workbench.ui.reliability import corruption, fit
        from workbench.ui.reliability.scope import Scope

        url.begin("reliability")
        view = runs.current_view()
        assert view.predictions is not None
        scope = Scope(view.model, view.images, view.predictions)
        record = fit.record_of(scope)
        study = fit.known_study(scope, record)
        assert study is not None
        fits = fit_results(fit_of(scope.predictions, record), study, record)
        headline, *others = corruption.known(scope)
        limits = [line for line in others if line.check.startswith("corruption limit")]
        st.session_state["said"] = [*(line for line in fits if line.check in FIT_CHECKS[1:3]), headline, *limits]
        st.session_state["asked"] = scope.model.ref

    found: list[CheckResult] = asked(page, model, model)
    return found


def reasons(model: str) -> list[Reason]:
    """What is known of why a model decides so: by the search for shortcuts, the league and the checks of its maps."""

    def page() -> None:
        import streamlit as st

        from workbench.cues import cue_results, error_words
        from workbench.evidence import errors_sentence, league_errors, league_result
        from workbench.training import Reason
        from workbench.ui import findings, league, runs, url
        from workbench.ui.bias import shortcuts
        from workbench.ui.overview import asking

        url.begin("overview")
        view = runs.current_view()
        scope = findings.scope_of(view)
        assert scope is not None
        search, held = shortcuts.known(scope), league.known(view)
        st.session_state["said"] = [
            Reason("What it goes by: the search for shortcuts", cue_results(search) if search else (), error_words()),
            Reason(
                "Which method suits it: the league of methods",
                [league_result(*held)] if held else (),
                errors_sentence(league_errors()),
            ),
            Reason("Whether its maps hold: the evidence of a sample", asking.maps_known(asking.held(scope))),
        ]
        st.session_state["asked"] = view.model.ref

    found: list[Reason] = asked(page, model, catalog.load_catalog().models[model].images or "")
    return found


def asked(page: Callable[[], None], model: str, images: str) -> Any:
    """What a page leaves under "said", of a model of the catalog and a set."""
    at = AppTest.from_function(page, default_timeout=PATIENCE)
    for name, value in {"model": model, "set": images}.items():
        at.query_params[name] = at.session_state[name] = value
    at.run()
    if at.exception or at.session_state["asked"] != model:
        raise SystemExit(f"{model} was not asked about: {at.exception}")
    return at.session_state["said"]


def searched(model: str) -> None:
    """Look for shortcuts of a model, and hold a sample of its maps against it."""

    def page() -> None:
        import streamlit as st

        from workbench.ui import findings, runs, url
        from workbench.ui.bias import shortcuts
        from workbench.ui.overview import asking

        url.begin("overview")
        view = runs.current_view()
        scope = findings.scope_of(view)
        assert scope is not None
        shortcuts.search(scope)
        asking.look_at_maps(asking.held(scope))
        st.session_state["said"], st.session_state["asked"] = None, view.model.ref

    asked(page, model, catalog.load_catalog().models[model].images or "")


def cards() -> None:
    """Write what ships into the cards of the models."""
    from workbench.training import with_reasons, with_studies

    warm.torch_ready = lambda: True
    for model in (*MODELS, *METALS):
        path = catalog.shared(f"models/{model}") / "MODEL_CARD.md"
        text = with_reasons(path.read_text(encoding="utf-8"), reasons(model))
        path.write_text(with_studies(text, said(model)) if model in MODELS else text, encoding="utf-8")


def main(work: Path) -> None:
    """Make all of it, with what is computed kept in a folder."""
    os.environ |= {"WORKBENCH_CACHE": str(work), "WORKBENCH_JOURNAL": str(work / "journal.sqlite")}
    target = catalog.shipped()
    catalog.SHIPPED_IN = "none"  # what came before is not taken for what is true now
    warm.torch_ready = lambda: True
    for model, visit in [*itertools.product(MODELS, VISITS), *((model, LEAGUE) for model in METALS)]:
        looked(model, visit)
    for model in METALS:
        searched(model)
    take(work, target)
    catalog.SHIPPED_IN = target.name
    cards()
    files = [path for path in target.rglob("*") if path.is_file()]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 2**20:.1f} MB in {target.name}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--cards"]:
        cards()
    elif sys.argv[1:]:
        main(Path(sys.argv[1]).absolute())
    else:
        with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
            main(Path(folder))
