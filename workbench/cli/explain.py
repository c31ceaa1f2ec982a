"""`workbench explain`: one decision, into files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.images import ReadOption, load
from workbench.cli.meter import Meter
from workbench.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from workbench.attribution import Attribution
    from workbench.images import ImageItem
    from workbench.models import Classifier, Input


def explain(
    model: Annotated[
        str,
        typer.Option(help="As for run, or a file of weights with --architecture, or python:package.module:function."),
    ],
    image: Annotated[Path, typer.Option(help="The image file.")],
    method: Annotated[
        str, typer.Option(help="saliency, grad_cam, integrated_gradients, occlusion, ... (a wrong name lists all).")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write attribution.npz, overlay.png and manifest.json to.")],
    target: Annotated[
        str | None, typer.Option(help="Class to explain, by name or number; default: the predicted class.")
    ] = None,
    score: Annotated[str, typer.Option(help="logit, probability or margin.")] = "logit",
    against: Annotated[str | None, typer.Option(help="With --score margin: the other class.")] = None,
    baseline: Annotated[str | None, typer.Option(help="black, white, mean or blur.")] = None,
    layer: Annotated[
        str | None, typer.Option(help="For grad_cam; default: the last layer with a spatial output.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="For integrated_gradients: number of steps; default automatic.")
    ] = None,
    images: Annotated[str | None, typer.Option(help="An image set to compare with, for expected_gradients.")] = None,
    read: ReadOption = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting of the method, as key=value; may be repeated.")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="With a file of weights: timm:NAME, torchvision:NAME or python:...")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Of a model of several labels, the one to ask about.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Class names, separated by commas, or a text file with one a line.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Of CLIP and SigLIP: what is asked of each class, as 'a photo of a {}'.")
    ] = None,
) -> None:
    """Explain one decision and write the map, its overlay and a record of everything it depends on."""
    from workbench.attribution import METHODS
    from workbench.images import image_from_file

    if method not in METHODS:
        raise InputError(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
    if against is not None and score != "margin":
        raise InputError("--against names the other class of a margin: add --score margin.")
    shortcuts = {"baseline": baseline, "layer": layer, "n_steps": steps}
    params = {name: value for name, value in shortcuts.items() if value is not None} | _settings(setting or [])
    if images is not None:
        params["background"] = load(images, read)
    item = image_from_file(image)
    pixels = item.open()
    out.mkdir(parents=True, exist_ok=True)
    from workbench.models import load_classifier

    names = _class_names(classes)
    classifier = load_classifier(model, architecture=architecture, classes=names, label=label, prompt=prompt)
    asked = item if classifier.preprocessing.tiles else classifier.input(item, pixels)
    result = _map(classifier, asked, method, (target, against), score, params)
    _write(out, classifier, (item, asked, pixels), result, model)


def _map(
    classifier: Classifier,
    asked: ImageItem | Input,
    method: str,
    classes: tuple[str | None, str | None],
    score: str,
    params: Mapping[str, object],
) -> Attribution:
    """The map for a target and the class it is held against, each by name or number."""
    from workbench.attribution import attribute

    names = classifier.class_names
    target, against = (text if text is None or text in names or not text.isdecimal() else int(text) for text in classes)
    with Meter() as meter:
        return attribute(
            classifier,
            asked,
            method,
            target,
            score=score,  # type: ignore[arg-type]
            against=against,
            on_progress=meter,
            **params,  # type: ignore[arg-type]
        )


def _settings(pairs: Sequence[str]) -> dict[str, object]:
    """`key=value` pairs, numbers read as such."""
    settings: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set takes key=value, not {pair!r}: write for example --set samples=24.")
        settings[key.strip()] = _number(value.strip())
    return settings


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _class_names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    from workbench.catalog import read_text, stored_path
    from workbench.models import read_class_list

    if "," not in text and stored_path(text).is_file():
        return read_class_list(read_text(stored_path(text)), stored_path(text).name).names
    return [name.strip() for name in text.split(",")]


def _notes(classifier: Classifier, asked: ImageItem | Input) -> tuple[str, ...]:
    from workbench.images import without_hint
    from workbench.models import Input

    notes = asked.notes if isinstance(asked, Input) else ()
    return without_hint(notes) if classifier.preprocessing.range else notes


def _write(
    out: Path,
    classifier: Classifier,
    image: tuple[ImageItem, ImageItem | Input, Image.Image],
    result: Attribution,
    ref: str,
) -> None:
    """Write the three files for an image, as it was asked about and as it looks, and say what they show."""
    import json

    from workbench.attribution import METHODS, manifest, npz
    from workbench.drawing import overlay, to_png
    from workbench.models import predict

    item, asked, pixels = image
    table = predict(classifier, asked)
    temperature, notes = classifier.rule.temperature, list(classifier.notes)
    model = {"name": classifier.name, "ref": ref, "temperature": temperature, "notes": notes}
    record = manifest(result, item, classifier.class_names, table.probabilities[0], model)
    shown = overlay(pixels, result.on_image(), METHODS[result.method].signed)
    (out / "attribution.npz").write_bytes(npz({"values": result}))
    (out / "overlay.png").write_bytes(to_png(shown, record))
    (out / "manifest.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{item.name}: {table.frame['predicted'][0]} at {table.frame['confidence'][0]:.3f}")
    target = classifier.class_names[result.target]
    print(f"{METHODS[result.method].title} for {target}, {result.score} {result.output:.4g}")
    if result.relative_delta is not None:
        print(f"The map's sum misses the change of the score by {result.relative_delta:.2%}")
    for note in (*classifier.notes, *_notes(classifier, asked)):
        print(note)
    print(f"Wrote attribution.npz, overlay.png and manifest.json to {out}")
