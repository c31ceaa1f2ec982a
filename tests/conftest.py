"""Fixtures that several test modules share: small images on disk and small networks."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: many small tests gain nothing from more
# Some hundred processes are started, each of which would otherwise compile torch and all else anew, for ten seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

import functools
import gc
import io
import re
import signal
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from workbench.errors import InputError
from workbench.files.folders import cache_folder

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest
    from torch import nn

    from workbench.ui.cache import Shelf

pytest.register_assert_rewrite("browsing", "inspected")

Write = Callable[..., Path]
Net = Callable[..., "nn.Sequential"]
Transformer = Callable[..., "nn.Module"]
Settings = Callable[[str], dict[str, object]]
Refusal = Callable[[Callable[[], object]], str]


def pytest_collection_finish() -> None:
    """What has been collected and imported by now stays until the end: the garbage collector, which would look through
    all of it again and again, takes a tenth of the time of all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def _only_the_built_in_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_CONFIG", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _a_cache_and_a_journal_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Sets that are drawn on first use are drawn once for all tests, and nothing is left in the user's cache or
    journal. What the package knows of its own sets is computed where a test does not ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("workbench.catalog.SHIPPED_IN", "none")
        patch.setenv("WORKBENCH_JOURNAL", str(tmp_path_factory.mktemp("journal") / "journal.sqlite"))
        yield


@pytest.fixture(autouse=True)
def _no_shortcut_stays_known(_a_cache_and_a_journal_of_our_own: None) -> Generator[None]:
    """What a test found about a model stands on every page of that model: not on those of the next test."""
    earlier = set(cache_folder().glob("results/*.json"))
    yield
    found = set(cache_folder().glob("results/*.json")) - earlier
    for path in found:
        path.unlink()
    if found and (cache := sys.modules.get("workbench.ui.cache")):
        cache.shelf.clear()


@pytest.fixture
def write_image(tmp_path: Path) -> Write:
    """Writes an image of one colour below tmp_path and returns its path; `colour` may be an `Image` of your own
    instead."""

    def write(
        name: str, colour: str | int | tuple | Image.Image = "red", size: tuple[int, int] = (8, 6), mode: str = "RGB"
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = colour if isinstance(colour, Image.Image) else Image.new(mode, size, colour)
        image.save(path, quality=95)
        return path

    return write


@pytest.fixture
def tiny_net() -> Net:
    """Makes a seeded convolutional net that takes any size and answers with `outputs` logits."""

    def make(outputs: int = 2, channels: int = 3, seed: int = 0) -> nn.Sequential:
        import torch
        from torch import nn

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return nn.Sequential(
                nn.Conv2d(channels, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(4, outputs),
            )

    return make


@pytest.fixture(scope="session")
def tiny_transformer() -> Transformer:
    """Makes a seeded vision transformer, for methods that read attention: two blocks of two heads over patches of 8 x
    8, a class token."""

    def make(size: tuple[int, int], outputs: int = 3, dropout: float = 0.0) -> nn.Module:
        import torch
        from timm.models.vision_transformer import VisionTransformer
        from torch import nn

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(8)
            shape = {
                "img_size": size,
                "patch_size": 8,
                "embed_dim": 16,
                "depth": 2,
                "num_heads": 2,
                "num_classes": outputs,
            }
            model = VisionTransformer(**shape, attn_drop_rate=dropout)
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    nn.init.normal_(parameter, std=0.4)  # timm's own are so small that every patch looks alike
        return model

    return make


@pytest.fixture(scope="session")
def cheap() -> Settings:
    """Settings with which any method is done in a few evaluations; for methods that need one, with a background of
    three images."""
    import numpy as np

    from workbench.attribution.methods import METHODS
    from workbench.images.item import image_from_bytes

    few = {"samples": 20, "window": 0.25, "segments": 6}
    background = []
    for seed in range(3):
        buffer = io.BytesIO()
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(buffer, "PNG")
        background.append(image_from_bytes(buffer.getvalue(), f"{seed}.png"))

    def settings(method: str) -> dict[str, object]:
        found: dict[str, object] = {name: value for name, value in few.items() if name in METHODS[method].params}
        return found | ({"background": background} if METHODS[method].background else {})

    return settings


@pytest.fixture
def empty_shelves(monkeypatch: pytest.MonkeyPatch) -> dict[str, Shelf]:
    """Shelves of this test's own, by kind, so that nothing is known from another test."""
    from workbench.ui import cache

    shelves: dict[str, cache.Shelf] = {}
    monkeypatch.setattr(cache, "shelf", lambda kind: shelves.setdefault(kind, cache.Shelf(2**28)))
    return shelves


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """An uploaded model is tried in this process, by the same reader: for what is not about the process apart, whose
    start takes seconds."""
    from workbench.models import uploads
    from workbench.models.loading import tried

    def here(reader: str, data: bytes, *arguments: str, **limits: object) -> bytes:
        assert reader == "workbench.models.loading:tried"
        return tried(data, *arguments)

    monkeypatch.setattr(uploads, "read_apart", here)


@pytest.fixture
def refusal() -> Refusal:
    """Calls something that must end in an InputError and returns the message, checked to be one printable line and a
    sentence."""

    def refused(call: Callable[[], object]) -> str:
        with pytest.raises(InputError) as caught:
            call()
        message = str(caught.value)
        assert message.isprintable()
        assert message.endswith(".")
        assert ": " in message or " needs " in message, f"says what is wrong but not what to do: {message}"
        return message

    return refused


@pytest.fixture(scope="session")
def page_class() -> type[AppTest]:
    """Streamlit's simulated visitor, who can also tell what stands on the page."""
    from streamlit.components.v2 import manifest_scanner
    from streamlit.testing.v1 import AppTest

    from workbench.attribution.methods import METHODS

    titles = {method.title for method in METHODS.values()}
    # Each AppTest reads the metadata of every installed package for components: once is enough.
    manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)

    class Page(AppTest):
        @staticmethod
        def unescaped(text: str) -> str:
            """What a reader sees of escaped Markdown."""
            return re.sub(r"\\(.)", r"\1", text)

        def sound(self, title: str | None = None) -> Page:
            """This page, checked to show no traceback and no error, and perhaps its title."""
            assert not self.exception
            assert not self.error, self.said()
            if title:
                assert [t.value for t in self.title] == [title]
            return self

        def said(self) -> list[str]:
            """The messages on the page as a reader sees them."""
            return [self.unescaped(e.value) for kind in (self.error, self.warning, self.info) for e in kind]

        def maps(self) -> list[str]:
            """The methods whose maps stand on the page."""
            return [m.value.strip("*") for m in self.markdown if m.value.strip("*") in titles]

        def thumbnails(self) -> dict[str, object]:
            """The gallery's buttons by the names of their images."""
            return {self.unescaped(b.label).lstrip("✓✗ "): b for b in self.button if str(b.key).startswith("pick ")}

    return Page


@pytest.fixture
def visit(page_class: type[AppTest], monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens a page of the app by its address, as a first visitor does; torch counts as loaded."""
    from workbench.catalog import home
    from workbench.ui import warm

    for name in ("WORKBENCH_MODEL", "WORKBENCH_IMAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(warm, "torch_ready", lambda: True)

    def opened(page: str = "overview", /, **address: object) -> AppTest:
        at = page_class(home() / "workbench" / "app.py", default_timeout=240)
        if page != "overview":
            at.switch_page(f"../pages/{page}.py")
        at.query_params.update(address)
        return at.run()

    return opened


def pytest_configure() -> None:
    """Let interruptions through to what tests start: run in the background of a shell they are ignored, and children
    inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets a fixture's teardown know whether its test failed."""
    report = yield
    item.failed = getattr(item, "failed", False) or report.failed
    return report
