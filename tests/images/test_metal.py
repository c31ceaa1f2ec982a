"""The set stamped-metal: the same bytes for the same seed, a stamp that is planted as asked, and no half a set."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.errors import InputError
from workbench.images import stamped_metal
from workbench.images.stamped_metal import Plan, make_set, seed_of, set_folder, stored_set
from workbench.images.stamped_part import LABELS, draw
from workbench.sets.layouts import load_images, stamp

Refusal = Callable[[Callable[[], object]], str]


def made(folder: Path, **settings: object) -> Path:
    for _ in make_set(folder, **{"count": 40, "size": 32} | settings):
        pass
    return folder


def digest(folder: Path) -> str:
    """Of all files and their names."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    one, three = (digest(made(tmp_path / str(workers), workers=workers)) for workers in (1, 3))
    assert one == three
    assert digest(made(tmp_path / "other", seed=1)) != one


def test_a_set_opens_with_all_that_is_known(tmp_path: Path) -> None:
    images = load_images(made(tmp_path / "set", count=200))
    assert images.synthetic
    assert set(images.class_names) == set(LABELS)
    assert images.attribute_names == ("camera", "lighting", "line", "stamp")
    assert Counter(item.label for item in images) == dict.fromkeys(LABELS, 40)
    assert Counter((item.label, item.split) for item in images) == {
        (label, split): many for label in LABELS for split, many in (("train", 24), ("validation", 6), ("test", 10))
    }
    for item, (_, part) in zip(images, Plan(200, 32).parts(), strict=True):
        image, mask = draw(part, 32)
        assert np.array_equal(np.asarray(item.open()), image)
        held = item.open_mask()
        assert (held is None) == (item.label == "good")
        assert held is None or np.array_equal(held, mask)
        said = (part.label, part.camera, part.lighting, str(part.line), "bottom right" if part.stamped else "none")
        assert (item.label, *item.attributes.values()) == said


@pytest.mark.parametrize("count", [1, 3, 4, 99])
def test_any_count_is_met_and_spread_evenly(count: int) -> None:
    labels = Counter(part.label for _, part in Plan(count).parts())
    assert labels.total() == count
    assert max(labels.values()) - min(labels[label] for label in LABELS) <= 1


def shares(plan: Plan, *splits: str) -> dict[str, float]:
    """For each label the share of parts with a stamp."""
    cases = [(part.label, part.stamped) for split, part in plan.parts() if split in splits]
    return {label: float(np.mean([stamped for kind, stamped in cases if kind == label])) for label in LABELS}


def test_the_stamp_means_nothing_unless_it_is_planted() -> None:
    for splits in (("train", "validation"), ("test",)):
        assert all(0.28 < share < 0.32 for share in shares(Plan(2000), *splits).values())


def test_a_planted_stamp_goes_with_its_label_but_never_in_the_test_split() -> None:
    plan = Plan(4000, stamp_with="scratch", stamp_share=0.95)
    for split in ("train", "validation"):
        found = shares(plan, split)
        assert 0.93 < found.pop("scratch") < 0.97
        assert all(0.03 < share < 0.07 for share in found.values())
    assert all(0.28 < share < 0.32 for share in shares(plan, "test").values())


def test_attributes_are_drawn_without_regard_to_the_label() -> None:
    parts = [part for _, part in Plan(6000).parts()]
    for name in ("camera", "lighting", "line"):
        table = Counter((part.label, getattr(part, name)) for part in parts)
        assert len(table) == 3 * len(LABELS)
        assert all(abs(many - 400) < 4.5 * 400**0.5 for many in table.values())


def test_names_tell_one_plan_from_another(tmp_path: Path) -> None:
    """Else predictions that are stored for one set would be shown for another."""
    plans = [
        Plan(),
        Plan(seed=1),
        Plan(count=601),
        Plan(size=64),
        Plan(stamp_with="pit"),
        Plan(stamp_with="pit", stamp_share=0.5),
    ]
    assert len({plan.token for plan in plans}) == len(plans)
    names = [set(load_images(made(tmp_path / str(seed), count=5, seed=seed)).by_name) for seed in (0, 1)]
    assert not names[0] & names[1]


def test_an_interrupted_run_leaves_nothing(tmp_path: Path, refusal: Refusal) -> None:
    work = make_set(tmp_path / "set", count=200, size=32)
    assert next(work) == (1, 200)
    assert next((tmp_path / "set").glob(".new-*/images/*"))
    assert "holds no images" in refusal(lambda: load_images(tmp_path / "set"))  # killed here, it is no set
    work.close()
    assert list((tmp_path / "set").iterdir()) == []


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_killed_between_two_of_its_last_steps_it_is_no_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    real, done = os.replace, []

    def replace(source: Path, target: Path) -> None:
        if len(done) == moved:
            raise KeyboardInterrupt
        done.append(real(source, target))

    monkeypatch.setattr(stamped_metal.os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "set")
    with pytest.raises(InputError):
        load_images(tmp_path / "set")


def test_bad_numbers_and_folders_are_refused_before_anything_is_written(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    for settings, words in (
        ({"count": 0}, "0 images"),
        ({"count": 10**6}, "1000000 images"),
        ({"size": 8}, "8 pixels"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 2**32}, "seed 4294967296"),
        ({"stamp_with": "rust"}, "'rust'"),
        ({"stamp_with": "pit", "stamp_share": 1.1}, "1.1"),
    ):
        assert words in refusal(lambda settings=settings: made(tmp_path / "set", **settings))
        assert not (tmp_path / "set").exists()
    for folder, words in (
        ("full", "not empty"),
        ("full/mine.txt", "file"),
        ("full/mine.txt/below", "file"),
        ("a" * 300, "made"),
    ):
        assert words in refusal(lambda folder=folder: made(tmp_path / folder))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, and sets of few parts."""
    monkeypatch.setenv(stamped_metal.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(stamped_metal, "STORED", 10)
    return tmp_path / "cache"


def test_a_stored_set_is_drawn_once(small: Path) -> None:
    folder = stored_set(3)
    assert folder.is_relative_to(small)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert stored_set(3) == folder != stored_set(4)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    images = load_images("stamped-metal:3")
    assert (images.name, len(images), images.synthetic) == ("stamped-metal:3", 10, True)


def test_a_stored_set_that_lost_its_manifest_is_drawn_again(small: Path) -> None:
    before = stamp("stamped-metal:0")
    whole = digest(stored_set())
    known = stamp("stamped-metal:0")
    (stored_set() / "manifest.csv").unlink()
    lost = stamp("stamped-metal:0")
    assert digest(stored_set()) == whole
    assert len({before, known, lost}) == 3  # so that the app loads it again


def test_a_set_that_another_process_finished_first_is_used(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing, raced = stamped_metal.make_set, []

    def slower(folder: Path, **settings: object) -> object:
        yield from drawing(folder, **settings)
        if not raced:
            raced.append(True)
            (stored_set() / "theirs").write_text("")

    monkeypatch.setattr(stamped_metal, "make_set", slower)
    assert (stored_set() / "theirs").is_file()


def _store(cache: str) -> str:
    stamped_metal.STORED = 20
    os.environ[stamped_metal.CACHE_VARIABLE] = cache
    return digest(stored_set(9))


def test_two_processes_at_once_end_with_one_whole_set(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        one, two = pool.map(_store, [str(tmp_path)] * 2, chunksize=1)
    assert one == two
    assert len(list((tmp_path / "sets").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refusal: Refusal
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(stamped_metal.CACHE_VARIABLE, str(tmp_path / "file"))
    assert "WORKBENCH_CACHE" in refusal(lambda: load_images("stamped-metal"))


@pytest.mark.parametrize(
    ("ref", "seed"), [("stamped-metal:7", 7), ("stamped-metal", None), ("elpv", None), ("C:/x", None)]
)
def test_a_reference_may_name_a_seed(ref: str, seed: int | None) -> None:
    assert seed_of(ref) == seed


@pytest.mark.parametrize(
    "ref", ["stamped-metal:", "stamped-metal:x", "stamped-metal:-1", "stamped-metal:99999999999", "stamped-metal:²"]
)
def test_a_seed_that_is_none_is_refused(ref: str, refusal: Refusal) -> None:
    refusal(lambda: load_images(ref))


def test_the_catalogs_name_works_without_a_command() -> None:
    images = load_images("stamped-metal", trusted=False)
    assert (images.name, images.synthetic, len(images)) == ("Stamped metal (synthetic)", True, stamped_metal.STORED)
    assert {item.source.path.parents[1] for item in images} == {set_folder(0)}
    with pytest.raises(InputError, match="no image set"):
        load_images("stamped-metal:1", trusted=False)  # a visitor cannot fill the disk with seeds


def test_nothing_is_drawn_by_an_import() -> None:
    code = (
        "import sys, workbench.sets.layouts, workbench.images.stamped_metal; print([n for n in ('skimage', 'scipy')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_images_are_small_and_masks_are_bits(tmp_path: Path) -> None:
    folder = made(tmp_path / "set", size=128, count=10)
    assert max(path.stat().st_size for path in (folder / "images").iterdir()) < 50_000
    assert {Image.open(path).mode for path in (folder / "masks").iterdir()} == {"1"}
