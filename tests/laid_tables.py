"""Tables that list the images of a set."""

from __future__ import annotations

import json

from laid import Case

from workbench.catalog import ReadOptions

AB = {"a.png": "photo", "b.png": "photo"}
ONE_EACH = {"good": 1, "bad": 1}
COCO = {
    "images": [{"id": n, "file_name": f"{n}.png"} for n in range(1, 5)],
    "categories": [{"id": 1, "name": "dent"}, {"id": 7, "name": "crack"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1},
        {"id": 2, "image_id": 1, "category_id": 1},
        {"id": 3, "image_id": 2, "category_id": 7},
        {"id": 4, "image_id": 3, "category_id": 7},
        {"id": 5, "image_id": 3, "category_id": 1},
    ],
}
SEVERAL = ReadOptions(several="leave_out")

CASES = (
    Case(
        "manifest.csv",
        {
            "manifest.csv": "image,label,split,mask\nimg/a.png,good,train,\nimg/b.png,bad,test,masks/b.png\n",
            "img/a.png": "photo",
            "img/b.png": "photo",
            "img/c.png": "photo",
            "masks/b.png": "mask",
        },
        labels=ONE_EACH,
        splits={"train": 1, "test": 1},
        masks=1,
        left_out=1,
        layout="manifest",
    ),
    Case(
        "labels.csv, semicolons, `sep=;`",
        {"labels.csv": "sep=;\r\nFilename;Class\r\na.png;good\r\nb.png;bad\r\nlost.png;bad\r\n", **AB},
        labels=ONE_EACH,
        splits={"": 2},
        layout="manifest",
    ),
    Case(
        "labels.txt without a header",
        {"labels.txt": "images/a.png good\nimages/b.png bad\n", "images/a.png": "photo", "images/b.png": "photo"},
        labels=ONE_EACH,
        splits={"": 2},
        layout="manifest",
    ),
    Case(
        "Hugging Face imagefolder, metadata.csv by split",
        {
            "train/metadata.csv": "file_name,label\na.png,good\nb.png,bad\n",
            "train/a.png": "photo",
            "train/b.png": "photo",
            "test/metadata.csv": "file_name,label\na.png,good\n",
            "test/a.png": "photo",
            "README.md": "a card",
        },
        labels={"good": 2, "bad": 1},
        splits={"train": 2, "test": 1},
        left_out=1,
        layout="manifest",
    ),
    Case(
        "metadata.jsonl with numbers and classes.txt",
        {
            "metadata.jsonl": '{"file_name": "a.png", "label": 0}\n{"file_name": "b.png", "label": 1, "box": [1, 2]}\n',
            "classes.txt": "good\nbad\n",
            **AB,
        },
        labels=ONE_EACH,
        splits={"": 2},
        layout="manifest",
    ),
    Case(
        "Kaggle, train.csv and test.csv, names without endings",
        {
            "train.csv": "id,breed\n1a,collie\n2b,boxer\n3c,boxer\n",
            "test.csv": "id\n4d\n",
            "sample_submission.csv": "id,breed\n4d,boxer\n",
            "train/1a.jpg": "photo",
            "train/2b.jpg": "photo",
            "train/3c.jpg": "photo",
            "test/4d.jpg": "photo",
        },
        labels={"collie": 1, "boxer": 2, "": 1},
        splits={"train": 3, "test": 1},
        left_out=1,
        layout="manifest",
    ),
    Case(
        "one column a class (ISIC)",
        {
            "GroundTruth.csv": "image,MEL,NV\nISIC_1,1.0,0.0\nISIC_2,0.0,1.0\nISIC_3,0.0,1.0\n",
            "images/ISIC_1.jpg": "photo",
            "images/ISIC_2.jpg": "photo",
            "images/ISIC_3.jpg": "photo",
        },
        labels={"MEL": 1, "NV": 2},
        splits={"": 3},
        layout="manifest",
    ),
    Case(
        "paths of another machine",
        {
            "dataset.tsv": "path\tclass\tis_valid\n"
            "C:\\data\\set\\img\\good\\a.png\tgood\tFalse\nC:\\data\\set\\img\\bad\\a.png\tbad\tTrue\n",
            "img/good/a.png": "photo",
            "img/bad/a.png": "photo",
        },
        labels=ONE_EACH,
        splits={"train": 1, "validation": 1},
        layout="manifest",
    ),
    Case(
        "a table against folders",
        {
            "labels.csv": "image,label\ngood/a.png,good\ngood/b.png,bad\nbad/c.png,bad\n",
            "good/a.png": "photo",
            "good/b.png": "photo",
            "bad/c.png": "photo",
        },
        labels={"good": 1, "bad": 2},
        splits={"": 3},
        layout="manifest",
        asks=("layout",),
    ),
    Case(
        "class folders with a log",
        {
            "good/a.png": "photo",
            "bad/b.png": "photo",
            "results.csv": "epoch,loss\n1,0.5\n2,0.4\n",
        },
        labels=ONE_EACH,
        splits={"": 2},
        left_out=1,
    ),
    Case(
        "COCO, by split",
        {
            "annotations/instances_train2017.json": json.dumps(COCO),
            "annotations/instances_val2017.json": json.dumps(
                COCO | {"images": [{"id": 9, "file_name": "9.png"}], "annotations": [{"image_id": 9, "category_id": 7}]}
            ),
            **{f"train2017/{n}.png": "photo" for n in range(1, 5)},
            "val2017/9.png": "photo",
        },
        labels={"dent": 1, "crack": 2, "": 1},
        splits={"train": 3, "validation": 1},
        left_out=1,
        layout="manifest",
        options=SEVERAL,
    ),
    Case(
        "two tables that differ",
        {
            "labels.csv": "image,label\na.png,good\nb.png,bad\n",
            "annotations.csv": "image,label\na.png,good\nb.png,good\n",
            **AB,
        },
        labels={"good": 2},
        splits={"": 2},
        left_out=1,
        layout="manifest",
        asks=("table",),
    ),
    Case(
        "a table beside images and masks",
        {
            "labels.csv": "image,label\n1.png,good\n2.png,bad\n",
            "images/1.png": "photo",
            "images/2.png": "photo",
            "masks/2_mask.png": "mask",
        },
        labels=ONE_EACH,
        splits={"": 2},
        masks=1,
        layout="manifest",
    ),
    Case(
        "a manifest a lot",
        {
            "lot1/manifest.csv": "image,label\na.png,good\n",
            "lot1/a.png": "photo",
            "lot2/manifest.csv": "image,label\na.png,bad\nb.png,good\n",
            "lot2/a.png": "photo",
            "lot2/b.png": "photo",
        },
        labels={"good": 2, "bad": 1},
        splits={"": 3},
        layout="manifest",
    ),
    Case(
        "Roboflow, _classes.csv by split",
        {
            "train/_classes.csv": "filename, dent, good\na.jpg, 1, 0\nb.jpg, 0, 1\n",
            "train/a.jpg": "photo",
            "train/b.jpg": "photo",
            "valid/_classes.csv": "filename, dent, good\nc.jpg, 0, 1\n",
            "valid/c.jpg": "photo",
        },
        labels={"dent": 1, "good": 2},
        splits={"train": 2, "validation": 1},
        layout="manifest",
    ),
    Case(
        "Roboflow, COCO by split",
        {
            "train/_annotations.coco.json": json.dumps(
                COCO | {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "category_id": 1}]}
            ),
            "train/a.jpg": "photo",
            "test/_annotations.coco.json": json.dumps(
                COCO | {"images": [{"id": 1, "file_name": "b.jpg"}], "annotations": [{"image_id": 1, "category_id": 7}]}
            ),
            "test/b.jpg": "photo",
            "README.roboflow.txt": "exported",
        },
        labels={"dent": 1, "crack": 1},
        splits={"train": 1, "test": 1},
        left_out=1,
        layout="manifest",
    ),
    Case(
        "a table in UTF-16 in a folder of its own",
        {
            "annotations/labels.csv": "file\tklasse\timg\na.png\tgut\tx\nb.png\tkaputt\ty\n".encode("utf-16"),
            "images/a.png": "photo",
            "images/b.png": "photo",
            "labels.xlsx": "PK",
        },
        labels={"gut": 1, "kaputt": 1},
        splits={"": 2},
        left_out=1,
        layout="manifest",
        options=ReadOptions(columns={"label": "klasse"}),
    ),
    Case(
        "a table without a column of labels, but with others",
        {
            "export.csv": "image,inspector,surface\na.jpg,anna,smooth\nb.jpg,bert,rough\nc.jpg,anna,rough\n",
            **dict.fromkeys(("a.jpg", "b.jpg", "c.jpg"), "photo"),
        },
        labels={"": 3},
        splits={"": 3},
        layout="manifest",
        asks=("column.label",),
    ),
    Case(
        "a table without a column of labels, told which it is",
        {
            "export.csv": "image,inspector,surface\na.jpg,anna,smooth\nb.jpg,bert,rough\nc.jpg,anna,rough\n",
            **dict.fromkeys(("a.jpg", "b.jpg", "c.jpg"), "photo"),
        },
        labels={"smooth": 1, "rough": 2},
        splits={"": 3},
        layout="manifest",
        options=ReadOptions(columns={"label": "surface"}),
    ),
    Case(
        "numbers of images without their zeros, a choice of an annotator",
        {
            "labels.csv": "id,choice\n1,good\n2,bad\n3,good\n",
            **dict.fromkeys(("img/001.jpg", "img/002.jpg", "img/003.jpg"), "photo"),
        },
        labels={"good": 2, "bad": 1},
        splits={"": 3},
        layout="manifest",
    ),
    Case(
        "columns of yes, no and not sure, one table a split",
        {
            "train.csv": "Path,Age,Dent,Pit\ntrain/a.jpg,40,1.0,\ntrain/b.jpg,50,-1.0,1.0\n",
            "valid.csv": "Path,Age,Dent,Pit\nvalid/c.jpg,60,1.0,1.0\nvalid/d.jpg,30,0.0,1.0\n",
            **dict.fromkeys(("train/a.jpg", "train/b.jpg", "valid/c.jpg", "valid/d.jpg"), "photo"),
        },
        labels={"Dent": 1, "Pit": 2},
        splits={"train": 2, "validation": 1},
        left_out=1,
        layout="manifest",
        asks=("several",),
    ),
)
