"""Families by size, held against a count by hand."""

from planted import item, kin

from workbench.quality import family_sizes


def test_the_largest_comes_first_with_its_weakest_grade_splits_and_labels():
    items = [item("a0", "train", "good"), item("b0", "test", "good"), item("a1", "test", "bad"), item("a2", "train")]
    items += [item("b1", "test", "good"), item("c0", None, None), item("alone", "train", "good")]
    found = kin(items, [("a0", "a1", "same file"), ("a0", "a2", "same part"), ("b0", "b1", "same image")])
    first, second = family_sizes(found, items).to_dict("records")
    labels = ", ".join(sorted({i.label for i in items if i.name in ("a0", "a1", "a2")}))
    assert first == {"family": "a0", "images": 3, "grade": "same part", "splits": "train, test", "labels": labels,
                     "names": ["a0", "a1", "a2"]}  # fmt: skip
    assert (second["family"], second["images"], second["grade"]) == ("b0", 2, "same image")
    assert (second["splits"], second["labels"]) == ("test", "good")


def test_images_alone_make_no_row():
    items = [item(f"{n}", None, None) for n in range(3)]
    assert family_sizes(kin(items, []), items).empty
