"""A folder as the Hugging Face hub keeps it: its `config.json` read and checked, without torch or code of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from workbench.catalog import is_inside, read_text
from workbench.errors import InputError
from workbench.files import file_digest
from workbench.models.shards import content_key

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
HUB_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Where the weights may lie, the first that is there."""
GRAPHS = ("model.onnx", "onnx/model.onnx")
"""Where Optimum puts a model that it exported, beside the same descriptions."""
Kind = Literal["transformers", "timm", "zero-shot", "onnx"]
ZERO_SHOT = frozenset({"clip", "siglip", "metaclip_2"})
"""Families that hold an image against texts."""
LONGEST_LIST, LARGEST_NUMBER, MOST_LAYERS = 30_000, 2**20, 1000
"""Bounds of a description that comes from a page: entries of one list or table, its numbers, its layers."""
DEEP = re.compile("(layers|depths?|blocks|repeats?|num_stages)$", re.IGNORECASE)
"""Names of settings that say how many layers there are."""
OTHER_TASKS = {
    "ObjectDetection": "finds objects",
    "Segmentation": "segments images",
    "PreTraining": "was only pretrained, without a head that names classes",
    "MaskedImageModeling": "was only pretrained, without a head that names classes",
    "DepthEstimation": "estimates depth",
    "Backbone": "is a backbone, without a head that names classes",
    "VideoClassification": "classifies videos",
    "AudioClassification": "classifies sounds",
    "SequenceClassification": "classifies texts",
    "CausalLM": "writes text",
    "ConditionalGeneration": "writes text",
    "QuestionAnswering": "answers questions",
}
"""What a model does whose class is named so."""


@dataclasses.dataclass(frozen=True)
class Hub:
    """What a folder says of its model.

    Attributes:
        folder: Where it lies.
        kind: Whether transformers or timm builds it, it is asked with texts, or ONNX Runtime runs it.
        config: Its `config.json`.
        processor: Its `preprocessor_config.json`; empty where there is none.
        weights: The file of weights, or the index of several.
        classes: The class names that it states.
        key: Digest of everything in the folder that decides what the model computes.
        several: Whether several classes can be true of one image.
    """

    folder: Path
    kind: Kind
    config: Mapping[str, Any]
    processor: Mapping[str, Any]
    weights: Path
    classes: tuple[str, ...]
    key: str
    several: bool = False


def is_hub(folder: Path) -> bool:
    """Whether a folder is laid out so; what is in it need not be right."""
    return (folder / CONFIG).is_file()


def read_hub(folder: Path, *, trusted: bool = True) -> Hub:
    """Read a folder's descriptions.

    Args:
        folder: With `config.json` and weights.
        trusted: False for what came from a page: then its numbers are bounded.

    Raises:
        InputError: Something is missing or damaged, or it is no image classifier that can be read without its own code.
    """
    config = _read_json(folder / CONFIG)
    processor = _read_json(folder / PROCESSOR) if (folder / PROCESSOR).is_file() else {}
    for name, table in ((CONFIG, config), (PROCESSOR, processor)):
        if "auto_map" in table or "custom_pipelines" in table:
            raise InputError(
                f"{name} asks for Python code of its own (auto_map), which is never run: export the model to ONNX, or"
                " save it with a class of transformers itself."
            )
    if not trusted:
        _check_numbers(config, CONFIG)
    kind = _kind(config)
    if (folder / "adapter_config.json").is_file():
        raise InputError(
            "The folder holds an adapter (adapter_config.json), whose base model lies elsewhere: merge it"
            " (merge_and_unload) and save the whole model."
        )
    weights = _weights(folder)
    if weights.suffix == ".onnx" and kind == "transformers":
        kind = "onnx"
    elif weights.suffix == ".onnx":
        raise InputError(f"{folder.name} holds {weights.name}: give that file itself rather than its folder.")
    paths = [folder / name for name in (CONFIG, PROCESSOR, "tokenizer.json") if (folder / name).is_file()]
    digests = [content_key(weights), *map(file_digest, paths)]
    digest = hashlib.sha256(" ".join(digests).encode()).hexdigest()
    classes = () if kind == "zero-shot" else _classes(config)
    labels = config.get("problem_type") == "multi_label_classification" and len(classes) > 1
    several = labels or (kind == "zero-shot" and config["model_type"] == "siglip")
    if len(classes) == 1:  # one number an image, for or against it
        classes = (f"not {classes[0]}", classes[0])
    return Hub(folder, kind, config, processor, weights, classes, digest, several)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(read_text(path))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is not valid JSON ({error}): copy the file again.") from None
    if not isinstance(table, dict):
        raise InputError(f"{path.name} holds no table of settings: copy the file again.")
    return table


def _kind(config: Mapping[str, Any]) -> Kind:
    """Who builds the model; an InputError where it is no image classifier."""
    if isinstance(config.get("architecture"), str) and "model_type" not in config:
        return "timm"
    family, names = config.get("model_type"), config.get("architectures")
    named = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
    if not isinstance(family, str):
        raise InputError(
            f"{CONFIG} names neither model_type (transformers) nor architecture (timm), so that it cannot be told what"
            " it belongs to: copy the folder again, or describe the model in a model.toml."
        )
    if config.get("quantization_config"):
        raise InputError(
            f"{CONFIG} describes weights that are quantised for one library (quantization_config): save the model as it"
            " was before."
        )
    if family in ZERO_SHOT and "ImageClassification" not in named:
        return "zero-shot"
    if "ImageClassification" not in named and (task := next((t for t in OTHER_TASKS if t in named), None)):
        raise InputError(f"The model {OTHER_TASKS[task]} ({named}): give an image classifier.")
    if named.endswith("Model"):
        raise InputError(
            f"The folder holds a base model without a head that names classes ({named}): give the one that was"
            " fine-tuned to classify images."
        )
    _check_problem(config)
    return "transformers"


def _check_problem(config: Mapping[str, Any]) -> None:
    problem = config.get("problem_type")
    if problem == "regression":
        raise InputError(
            f"The model was trained to estimate a number (problem_type is regression in {CONFIG}): give one that"
            " classifies images."
        )
    if problem not in (None, "single_label_classification", "multi_label_classification"):
        raise InputError(f"{CONFIG} names the unknown problem_type {str(problem)[:60]!r}: correct it.")


def _weights(folder: Path) -> Path:
    path = next((folder / name for name in (*HUB_FILES, *GRAPHS) if (folder / name).is_file()), None)
    if path is None:
        others = [name for name in ("tf_model.h5", "flax_model.msgpack") if (folder / name).is_file()]
        raise InputError(
            f"{folder.name} holds {others[0]}, weights of another framework: save the model from PyTorch as"
            " model.safetensors."
            if others
            else f"{folder.name} has a {CONFIG} but no weights: put {HUB_FILES[0]} beside it."
        )
    cached = folder.parent.name == "snapshots"  # the hub's own cache holds links
    if not cached and not is_inside(path, folder):
        raise InputError(f"The weights {path.name} lie outside of the folder: put the file itself there.")
    return path


def _classes(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Class names in the order of the outputs; empty where the file only numbers them."""
    table = config.get("id2label")
    if isinstance(table, dict) and table:
        try:
            numbered = {int(index): str(name) for index, name in table.items()}
        except ValueError:
            raise InputError(f"id2label in {CONFIG} has keys that are not numbers: correct them.") from None
        if sorted(numbered) != list(range(len(numbered))):
            raise InputError(
                f"id2label in {CONFIG} does not name the classes 0 to {len(numbered) - 1}, each once: correct it."
            )
        names = tuple(numbered[index] for index in range(len(numbered)))
        return () if all(re.fullmatch(r"LABEL_\d+", name) for name in names) else names
    published = config.get("pretrained_cfg")
    listed = config.get("label_names") or (published.get("label_names") if isinstance(published, dict) else None)
    return tuple(map(str, listed)) if isinstance(listed, list) else ()


def _check_numbers(value: object, name: str) -> None:
    """Refuse numbers and lists that would make building the model endless."""
    if isinstance(value, dict | list):
        if len(value) > LONGEST_LIST:
            raise InputError(f"{CONFIG} from a page may not list {len(value):,} entries ({name}): shorten it.")
        parts = value.items() if isinstance(value, dict) else ((name, part) for part in value)
        for inner, part in parts:
            _check_numbers(part, str(inner))
        return
    most = MOST_LAYERS if DEEP.search(name) else LARGEST_NUMBER
    if isinstance(value, int | float) and abs(value) > most:
        raise InputError(f"{CONFIG} from a page may not set {name[:60]!r} to {value}: the limit is {most:,}.")
