"""Data sets of Hugging Face: images in the cells of Parquet files, read where they lie."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from laid import photo

from workbench.catalog import ReadOptions
from workbench.images.item import ImageSet
from workbench.sets.cells import CellSource
from workbench.sets.layouts import load_images

Refusal = Callable[[Callable[[], object]], str]
NAMES = ["good", "crack", "dent"]
FEATURES = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
SHARD = "data/train-0000{}-of-00002.parquet"


def shard(path: Path, first: int, count: int, names: bool = True) -> None:
    """A shard as `datasets` writes it: row `i` holds the photo of seed `i` and the label `i % 3`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": photo(n), "path": f"{n}.png" if names else None} for n in range(first, first + count)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    labels = [n % 3 for n in range(first, first + count)]
    table = pa.table({"image": pa.array(images, kind), "label": pa.array(labels, pa.int64())})
    about = json.dumps({"info": {"features": FEATURES}})
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), path, row_group_size=4)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of training images and one of test images."""
    folder = tmp_path_factory.mktemp("hub")
    shard(folder / SHARD.format(0), 0, 10)
    shard(folder / SHARD.format(1), 10, 10)
    shard(folder / "data/test-00000-of-00001.parquet", 20, 5, names=False)
    (folder / "README.md").write_text("a card")
    return folder


@pytest.fixture(scope="module")
def images(hub: Path) -> ImageSet:
    return load_images(hub)


def test_the_shards_are_one_set_with_the_names_of_its_classes(images: ImageSet, hub: Path) -> None:
    assert len(images) == 25
    assert images.class_names == tuple(NAMES)
    assert [item.label for item in images] == [NAMES[n % 3] for n in range(25)] or len({*images.by_name}) == 25
    by_split = {split: [i for i in images if i.split == split] for split in ("train", "test")}
    assert [len(items) for items in by_split.values()] == [20, 5]
    report = images.report
    assert report is not None
    assert report.used + sum(len(group.names) for group in report.left_out) == report.listed == 4
    assert report.questions == ()
    assert images.by_name["data/train-00001-of-00002/13.png"].label == NAMES[13 % 3]
    assert images.by_name["data/test-00000-of-00001/000002"].label == NAMES[21 % 3]


def test_each_image_is_the_bytes_that_were_written_in_any_order(images: ImageSet) -> None:
    seeds = {f"data/train-0000{n // 10}-of-00002/{n}.png": n for n in range(20)}
    seeds |= {f"data/test-00000-of-00001/{n - 19:06d}": n for n in range(20, 25)}
    names = list(seeds)
    random.Random(0).shuffle(names)
    for name in names:
        source, expected = images.by_name[name].source, photo(seeds[name])
        assert isinstance(source, CellSource)
        assert source.size == len(expected)
        assert source.read() == expected
        assert images.by_name[name].id == hashlib.sha256(expected).hexdigest()
    assert images.items[0].open().size == (16, 16)


def test_a_pass_in_order_reads_each_batch_once(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.files import parquet_images

    monkeypatch.setattr(parquet_images, "BATCH", 2)
    read: list[int] = []
    plain = parquet_images._bytes
    items = load_images(hub).items
    monkeypatch.setattr(parquet_images, "_bytes", lambda batch: read.append(len(batch)) or plain(batch))
    for item in items:
        item.source.read()
    assert sum(read) == 25
    assert max(read) <= 2


def test_the_same_in_a_zip_and_in_one_file(hub: Path, images: ImageSet, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "hub.zip", "w") as archive:
        for path in hub.rglob("*.*"):
            archive.write(path, path.relative_to(hub))
    packed = load_images(tmp_path / "hub.zip")
    assert [(item.name, item.label, item.split, item.id) for item in packed] == [
        (item.name, item.label, item.split, item.id) for item in images
    ]
    alone = load_images(hub / SHARD.format(0))
    assert [(item.label, item.id) for item in alone] == [
        (NAMES[n % 3], hashlib.sha256(photo(n)).hexdigest()) for n in range(10)
    ]


def test_a_column_of_bytes_alone_a_mask_and_an_empty_cell(tmp_path: Path) -> None:
    table = pa.table(
        {
            "img": pa.array([photo(1), None, photo(3)], pa.binary()),
            "mask": pa.array([photo(4), None, None], pa.binary()),
            "label": [-1, 0, 1],
            "camera": ["A", "B", "C"],
        }
    )
    pq.write_table(table, tmp_path / "parts.parquet")
    images = load_images(tmp_path)
    first, third = images
    assert (first.source.read(), third.source.read()) == (photo(1), photo(3))
    assert (first.label, third.label) == ("-1", "1")
    assert first.mask is not None
    assert first.mask.read() == photo(4)
    assert third.mask is None
    assert dict(third.attributes) == {"camera": "C"}
    assert images.report is not None
    assert "row 2" in images.report.findings[0].sentence


def test_no_label_is_minus_one_where_classes_have_names(tmp_path: Path) -> None:
    shard(tmp_path / "test.parquet", 0, 2)
    table = pq.read_table(tmp_path / "test.parquet")
    table = table.set_column(1, "label", pa.array([-1, 2], pa.int64())).replace_schema_metadata(table.schema.metadata)
    pq.write_table(table, tmp_path / "test.parquet")
    assert [item.label for item in load_images(tmp_path)] == [None, "dent"]


def test_two_columns_of_classes_are_asked_for(tmp_path: Path) -> None:
    feature = {"names": NAMES, "_type": "ClassLabel"}
    about = json.dumps({"info": {"features": {"coarse_label": feature, "fine_label": feature}}})
    table = pa.table({"img": [photo(n) for n in range(4)], "coarse_label": [0, 0, 1, 1], "fine_label": [2, 1, 0, 0]})
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), tmp_path / "train.parquet")
    report = load_images(tmp_path).report
    assert report is not None
    assert [question.option for question in report.questions] == ["column.label"]
    options = ReadOptions(columns={"label": "fine_label"})
    answered = load_images(tmp_path, options=options)
    assert answered.report is not None
    assert answered.report.questions == ()
    assert [item.label for item in answered] == ["dent", "crack", "good", "good"]


def test_a_file_that_changes_or_is_damaged_is_one_sentence(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "train.parquet"
    shard(path, 0, 4)
    (item, *_) = load_images(tmp_path)
    data = bytearray(path.read_bytes())
    shard(path, 5, 4)
    assert "changed since it was read" in refusal(item.source.read)
    data[40:400] = bytes(360)
    path.write_bytes(data)
    assert "train.parquet" in refusal(lambda: load_images(path))
    (tmp_path / "train.parquet").write_bytes(data[:200])
    assert "not a Parquet file" in refusal(lambda: load_images(path))
