"""Whole parts and groups on one side, whatever the order, as few moves as that takes."""

import random
from collections import Counter, defaultdict

import pytest
from planted import item, kin

from workbench.errors import InputError
from workbench.images import BytesSource, ImageItem
from workbench.quality import families, for_trained, grouped_split, leaks, manifest, split_proposals
from workbench.sets import load_images


def exposures(parts=60, shots=6):
    """Parts of three classes, each shown several times, the shots dealt to splits one by one."""
    rng, items, pairs = random.Random(1), [], []
    for part in range(parts):
        for shot in range(shots):
            split = rng.choices(["train", "validation", "test"], [60, 15, 25])[0]
            items.append(item(f"p{part}s{shot}", split, "abc"[part % 3]))
            pairs += [(f"p{part}s0", f"p{part}s{shot}")] if shot else []
    return items, kin(items, pairs)


def sides(split, key):
    found = defaultdict(set)
    for name, after in zip(split.frame["name"], split.frame["after"], strict=True):
        found[key(name)].add(after)
    return found


def test_every_part_stands_on_one_side_and_classes_keep_their_shares():
    items, families = exposures()
    split = grouped_split(items, families)
    assert {len(where) for where in sides(split, lambda name: name.split("s")[0]).values()} == {1}
    before, after = (Counter(zip(split.frame[when], split.frame["label"], strict=True)) for when in ("before", "after"))
    assert all(abs(before[key] - after[key]) <= 6 for key in before | after)  # as near as parts of six allow
    assert split.units == 60
    assert split.lacking == ()


def test_what_lies_in_one_split_stays_there():
    items = [item(f"t{n}", "train") for n in range(20)] + [item(f"e{n}", "test") for n in range(10)]
    split = grouped_split(items, kin(items, [("t0", "e0"), ("t1", "e1")]))
    assert set(split.moved["name"]) <= {"t0", "e0", "t1", "e1"}
    assert len(split.moved) == 2
    assert Counter(split.frame["after"]) == {"train": 20, "test": 10}
    assert set(zip(split.moved["before"], split.moved["after"], strict=True)) == {("train", "test"), ("test", "train")}
    assert "validation" not in set(split.frame["after"])  # the set has none, and none is invented


def test_a_part_moves_within_its_own_splits():
    """29 pairs on both sides take 29 moves, never two for one pair."""
    splits = [("train", "test"), ("test", "validation"), ("validation", "train")]
    items = [item(f"{n}{end}", splits[n % 3][end == "b"]) for n in range(29) for end in "ab"]
    items += [item(f"r{n}", ["train", "validation", "test"][n % 3]) for n in range(60)]
    split = grouped_split(items, kin(items, [(f"{n}a", f"{n}b") for n in range(29)]))
    assert len(split.moved) == 29


def test_names_and_order_do_not_matter():
    items, families = exposures()
    reordered = random.Random(5).sample(items, len(items))
    first, second = grouped_split(items, families), grouped_split(reordered, families)
    after = dict(zip(first.frame["name"], first.frame["after"], strict=True))
    assert after == dict(zip(second.frame["name"], second.frame["after"], strict=True))
    assert after != dict(zip(first.frame["name"], grouped_split(items, families, seed=1).frame["after"], strict=True))


def test_without_splits_the_whole_set_is_dealt_class_by_class():
    items = [item(f"{lot}-{n}", None, "good" if n % 2 else "bad", group=lot) for lot in range(40) for n in range(5)]
    split = grouped_split(items)
    assert {len(where) for where in sides(split, lambda name: name.split("-")[0]).values()} == {1}
    counts = Counter(split.frame["after"])
    assert abs(counts["train"] - 120) <= 5
    assert abs(counts["validation"] - 30) <= 5
    assert abs(counts["test"] - 50) <= 5
    assert not split.kept
    assert len(split.moved) == 200


def test_a_group_and_a_family_join_into_one_unit():
    items = [
        item("a", "train", group="x"),
        item("b", "train", group="x"),
        item("c", "test"),
        item("d", "test"),
        item("e", "test"),
    ]
    split = grouped_split(items, kin(items, [("b", "c")]))
    after = dict(zip(split.frame["name"], split.frame["after"], strict=True))
    assert after["a"] == after["b"] == after["c"]
    assert (after["d"], after["e"]) == ("test", "test")


def test_copies_of_a_file_go_together_without_families():
    copy = BytesSource(b"same")
    items = [ImageItem("1", copy, "good", None, "train"), ImageItem("2", copy, "bad", None, "test")]
    items += [item(f"r{n}", "train" if n % 2 else "test") for n in range(6)]
    split = grouped_split(items)
    assert split.frame["after"][0] == split.frame["after"][1]


def test_images_without_a_split_count_as_training_images_beside_others():
    items = [item("a", None), item("b", "test"), item("c", "test"), item("d", "train"), item("e", "test")]
    split = grouped_split(items, kin(items, [("a", "b")]))
    after = dict(zip(split.frame["name"], split.frame["after"], strict=True))
    assert after["a"] == after["b"]


def test_a_class_of_one_part_trains_and_is_said_to_lack_elsewhere():
    items = [item(f"g{n}", None, "good") for n in range(30)] + [
        item(f"r{n}", None, "rare", group="one") for n in range(9)
    ]
    split = grouped_split(items)
    assert set(split.frame.loc[split.frame["label"] == "rare", "after"]) == {"train"}
    assert split.lacking == (("validation", "rare"), ("test", "rare"))


def test_one_part_cannot_be_dealt():
    items = [item(f"a{n}", "train" if n else "test", group="x") for n in range(9)]
    with pytest.raises(InputError, match="fewer than three different parts or groups"):
        grouped_split(items)


def test_a_file_that_cannot_be_read_is_a_unit_of_its_own(tmp_path):
    from workbench.images import image_from_file

    path = tmp_path / "gone.png"
    path.write_bytes(b"x")
    lost = image_from_file(path)
    path.unlink()
    items = [lost, *(item(f"r{n}", None) for n in range(5))]
    assert len(grouped_split(items).frame) == 6


def test_the_manifest_of_a_split_is_read_as_it_is(tmp_path, write_image):
    for number in range(30):
        split = "train" if number % 3 else "test"
        write_image(f"{split}/{'good' if number % 2 else 'bad'}/{number}.png", (number * 8, 90, 255 - number * 8))
    write_image("train/good/copy of 9.png", (72, 90, 183))  # the file of test/good/9.png
    images = load_images(tmp_path)
    found = families(images)
    split = grouped_split(images, found)
    moves = split_proposals(split)
    assert len(moves) == 1
    other = moves[0].why.removeprefix("belongs with ").removesuffix(", which stands in another split")
    assert {moves[0].image, other} == {"test/good/9.png", "train/good/copy of 9.png"}
    path = tmp_path / "grouped-split.csv"
    path.write_text(manifest(images, accepted=moves, families=found), encoding="utf-8", newline="")
    again = load_images(path)
    after = dict(zip(split.frame["name"], split.frame["after"], strict=True))
    assert {item.name: item.split for item in again} == after
    assert {item.name: item.label for item in again} == {item.name: item.label for item in images}
    assert leaks(again, families(again)).leaking == ()
    assert leaks(images, found).leaking != ()


def test_no_part_that_was_trained_on_becomes_a_test_of_the_trained_model():
    """Held against a plain count, image by image: whatever the deal says, nothing is a test image whose part was in
    training or chose a threshold, and nothing becomes one that was none."""
    items, families = exposures()
    split = grouped_split(items, families)
    before, part = {i.name: i.split for i in items}, {i.name: i.name.split("s")[0] for i in items}
    seen = defaultdict(set)
    for name, where in before.items():
        seen[part[name]].add(where)
    counts = dict(zip(split.frame["name"], for_trained(split), strict=True))
    after = dict(zip(split.frame["name"], split.frame["after"], strict=True))
    assert set(counts.values()) >= {"train"}
    for name, now in counts.items():
        if "train" in seen[part[name]] or after[name] == "train":
            assert now == "train"
        elif "validation" in seen[part[name]] or after[name] == "validation":
            assert now == "validation"
        else:
            assert now == before[name] == "test"


def test_images_without_a_split_count_as_trained_on():
    items = [item(f"n{n}") for n in range(3)] + [item(f"t{n}", "train") for n in range(3)]
    items += [item(f"e{n}", "test") for n in range(6)]
    split = grouped_split(items, kin(items, [("n0", "e0")]))
    counts = dict(zip(split.frame["name"], for_trained(split), strict=True))
    assert (counts["n0"], counts["e0"]) == ("train", "train")
    assert [counts[f"e{n}"] for n in range(1, 6)] == ["test"] * 5
