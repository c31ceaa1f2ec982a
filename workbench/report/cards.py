"""What is handed on beside a report for other programs: a model card's metadata, and the image set as Croissant."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from workbench.catalog import load_catalog, read_text, shared
from workbench.files import to_csv
from workbench.predictions import Predictions, cases_of, headline, inspection, known_defects
from workbench.report.dossier import Dossier
from workbench.report.html import TEMPLATES
from workbench.report.matter import Choices, Matter, matter_of
from workbench.texts import apart

if TYPE_CHECKING:
    from workbench.images import ImageSet
    from workbench.stats import Rate

VERIFIER, CROISSANT, IMAGE_TABLE, HUB_CARD = "verify_report.py", "croissant.json", "images.csv", "README.md"
HUB_TASK = "image-classification"
HUB_METRICS = {"accuracy": "accuracy", "AUC": "roc_auc", "recall": "recall", "precision": "precision"}
"""What the Hub calls these figures; others keep their own names."""
_FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_CROISSANT = "http://mlcommons.org/croissant/1.0"


def metadata_of(dossier: Dossier, choices: Choices) -> dict[str, str]:
    """Files by their names: `README.md` with the model card and its metadata (`model-index`), `.eval_results/NAME.yaml`
    in the newer form of the Hub, `croissant.json` and the table `images.csv` that it describes, and the stand-alone
    verifier.

    Figures are those of the test split, or of all images where there is none, which their names then say. An image
    without bytes that can be read has no digest.
    """
    matter = matter_of(dossier, choices, None)
    table = image_table(matter.images)
    return {
        HUB_CARD: _card(matter),
        f".eval_results/{_slug(matter.images.name)}.yaml": _eval_results(matter),
        CROISSANT: croissant(matter.images, choices.images, table),
        IMAGE_TABLE: table,
        VERIFIER: verifier(),
    }


def verifier() -> str:
    """The program that checks a report without the workbench."""
    return read_text(shared(TEMPLATES) / VERIFIER)


def _rates(matter: Matter) -> dict[str, Rate]:
    """The figures that are handed on."""
    table: Predictions = matter.predictions
    if not (matter.tested & table.frame["verdict"].notna().to_numpy(bool)).any():
        return {}
    rates = headline(table, matter.tested)
    if positive := known_defects(table):
        import dataclasses

        mistakes = inspection(dataclasses.replace(cases_of(table, matter.tested), positive=positive))
        rates |= {name: rate for name, rate in mistakes.items() if name in ("escape rate", "overkill rate")}
    return {name: rate for name, rate in rates.items() if rate.value is not None}


def _told(rate: Rate) -> str:
    span = "" if rate.low is None or rate.high is None else f", 95 % interval {rate.low:.4f} to {rate.high:.4f}"
    return f"{rate.support:,} images{rate.in_units()}{span}"


def _card(matter: Matter) -> str:
    """The card's own words below the metadata; what metadata they had gives way."""
    from huggingface_hub import EvalResult, ModelCardData

    name = matter.classifier.name
    results = [
        EvalResult(
            task_type=HUB_TASK,
            dataset_type=_slug(matter.images.name),
            dataset_name=matter.images.name,
            dataset_split=matter.split,
            dataset_revision=matter.images.key,
            metric_type=HUB_METRICS.get(each, each),
            metric_name=f"{each} ({_told(rate)})",
            metric_value=round(float(rate.value or 0), 6),
        )
        for each, rate in _rates(matter).items()
    ]
    data = ModelCardData(
        model_name=name, pipeline_tag=HUB_TASK, tags=["explainability-workbench"], eval_results=results or None
    )
    words = f"# {name}\n\nThere is no model card: what the model was made for is not known.\n"
    for folder in matter.folders:
        for card in ("MODEL_CARD.md", HUB_CARD):
            if (folder / card).is_file():
                words = _FRONT.sub("", read_text(folder / card))
                return f"---\n{data.to_yaml()}\n---\n\n{words.lstrip()}"
    return f"---\n{data.to_yaml()}\n---\n\n{words}"


def _eval_results(matter: Matter) -> str:
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = [
        EvalResultEntry(
            dataset_id=_slug(matter.images.name),
            task_id=_slug(name),
            value=round(float(rate.value or 0), 6),
            notes=f"{matter.split}; {_told(rate)}; images {matter.images.key}; model {matter.classifier.key}",
        )
        for name, rate in _rates(matter).items()
    ]
    return yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)


def image_table(images: ImageSet) -> str:
    """The set as CSV: a row an image with name, SHA-256 of its bytes, label, split and each attribute, groups too."""
    names = images.attribute_names
    header = ("image", "sha256", "label", "split", *apart(names, ("image", "sha256", "label", "split")))
    rows = (
        (item.name, item.readable_id, item.label, item.split, *(item.attributes.get(name) for name in names))
        for item in images
    )
    return to_csv(header, rows)


def croissant(images: ImageSet, ref: str, table: str) -> str:
    """The set as Croissant 1.0 (MLCommons 2024): a JSON-LD of what lies in `image_table`, with its digest.

    Args:
        images: The set.
        ref: What it was loaded by; a name of the catalog tells its licence.
        table: Its `image_table`.
    """
    entry = load_catalog().images.get(ref)
    header = table.partition("\r\n")[0]
    import csv

    columns = next(csv.reader([header]))
    about = entry.about if entry and entry.about else f"{len(images):,} images."
    content = {
        "@context": json.loads(read_text(shared(TEMPLATES) / CROISSANT)),
        "@type": "sc:Dataset",
        "conformsTo": _CROISSANT,
        "name": images.name,
        "description": about + (" Synthetic: generated, not photographed." if images.synthetic else ""),
        "identifier": images.key,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": IMAGE_TABLE,
                "name": IMAGE_TABLE,
                "contentUrl": IMAGE_TABLE,
                "encodingFormat": "text/csv",
                "sha256": hashlib.sha256(table.encode()).hexdigest(),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "images",
                "name": "images",
                "description": "One record an image.",
                "key": {"@id": "images/image"},
                "field": [_field(column) for column in columns],
            }
        ],
    }
    if entry and entry.licence:
        content["license"] = entry.licence
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _field(column: str) -> dict[str, object]:
    return {
        "@type": "cr:Field",
        "@id": f"images/{column}",
        "name": column,
        "dataType": "sc:Text",
        "source": {"fileObject": {"@id": IMAGE_TABLE}, "extract": {"column": column}},
    }


def _slug(name: str) -> str:
    """A name as it may stand in a path or an identifier."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "images"
