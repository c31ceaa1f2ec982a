"""The one way to name a result after all that it depends on.

Every cached or stored result has a kind, and every kind says here what it depends on, which version of its computation
made it, and how much room its shelf has. `key` refuses a call that leaves an ingredient out, so that a figure, map or
verdict never stands for something else.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Set
from pathlib import PurePath
from types import MappingProxyType

import numpy as np

UNNAMED_AT_DEFAULT: Mapping[str, bool] = MappingProxyType({"unnamed at default": True})
"""Metadata of a field that is younger than keys of its dataclass: at its default it changes none."""
MODEL = ("model", "rule")
"""Digest of weights and preprocessing, and the rule from probabilities to classes (classes, positive, threshold)."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of result.

    Attributes:
        needs: The names of its ingredients.
        version: Raised whenever its computation gives other values for the same ingredients.
        megabytes: What results of the kind take on its shelf at most; nothing to those on disk.
    """

    needs: tuple[str, ...]
    version: int = 1
    megabytes: int = 24


def _kind(*needs: str, version: int = 1, megabytes: int = 24) -> Kind:
    return Kind(needs, version, megabytes)


_AIM = ("method", "aim", "settings", "background")
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        # of one image
        "map": _kind(*MODEL, "image", *_AIM, version=3, megabytes=256),
        "edited image": _kind("image", "edge", "edits"),
        "edited levels": _kind(*MODEL, "image", "edge", "edits", megabytes=48),
        "levels": _kind("model", "image", "edge", megabytes=48),
        "shown values": _kind("image", "size", "bands", megabytes=64),
        "edited map": _kind(*MODEL, "image", "size", "edits", "method", "target", version=2, megabytes=64),
        "edited prediction": _kind(*MODEL, "image", "size", "edits"),
        "findings": _kind(*MODEL, "image", "mask", *_AIM, "budget", version=3),
        "stubbornness": _kind(*MODEL, "image", "mask", *_AIM, "budget", version=2, megabytes=4),
        "prediction": _kind(*MODEL, "item"),
        "smallest region": _kind(*MODEL, "image", "aim", "fill", "grid", megabytes=64),
        "sweep": _kind(*MODEL, "image", "slider"),
        "least epsilon": _kind(*MODEL, "image", "label", "method", version=2, megabytes=64),
        "covered margin": _kind(*MODEL, "image", "method", "classes"),
        "filled regions": _kind(*MODEL, "image", "regions", "fill", "positive"),
        "compared map": _kind(*MODEL, "image", "method", "target", megabytes=64),
        "influence": _kind(*MODEL, "images", "families", "image", "target", version=3),
        "thumbnail": _kind("image", "edge", megabytes=64),
        "thumbnail as PNG": _kind("image", "edge"),
        "fitted image": _kind("image", "edge", megabytes=120),
        "photograph": _kind("image", megabytes=123),
        "mask": _kind("image", "mask"),
        # of a set
        "table": _kind(*MODEL, "images", "source", "families", megabytes=256),
        "embeddings": _kind(*MODEL, "images", "source", megabytes=168),
        "file order": _kind("images", "names", version=2, megabytes=4),
        "grouping": _kind("table"),
        "bias figure": _kind("table", "split", "figure"),
        "reordered": _kind("table", megabytes=1),
        "leaks": _kind("images", "families", "table", "similar", megabytes=16),
        "grouped split": _kind("images", "families", megabytes=8),
        "dealt table": _kind("table", "split", megabytes=32),
        "head price": _kind("images", "families", "positive", "features", megabytes=2),
        "small map": _kind(*MODEL, "image", "method", "target", megabytes=16),
        "repeated maps": _kind(*MODEL, "images", "method", "target", megabytes=16),
        "repeats": _kind("families", "table", megabytes=16),
        "appearances": _kind("images"),
        "image measures": _kind("images", "table", "split"),
        "reliability figure": _kind("table", "figure", megabytes=6),
        "head study": _kind(*MODEL, "images", "families", "dealt", "record", "features", megabytes=2),
        "shortcuts": _kind(*MODEL, "images", "items", "units", "kinds", version=8, megabytes=14),
        "refit": _kind(*MODEL, "images", "items", "units", "cue", megabytes=4),
        "covering": _kind(*MODEL, "table", "split", "region", "target", "fill", "chosen", "others"),
        "defects figure": _kind("table", "positive", "chosen on", "figure"),
        "localisation": _kind(*MODEL, "images", "table", "positive", "chosen on", "method"),
        "localisation rows": _kind(*MODEL, "images", "table", "positive", "chosen on", "method", megabytes=128),
        "swept set": _kind(*MODEL, "images", "items", "many", "slider", "families"),
        "swept images": _kind(*MODEL, "images", "slider"),
        "robustness": _kind(*MODEL, "images", "items", "method", "check", "families"),
        "robustness rows": _kind(*MODEL, "images", "items", "method", "check"),
        "concepts": _kind(*MODEL, "images", "target", "concepts", "examples"),
        "versus": _kind(*MODEL, "second", "images", "items", "table"),
        "moved maps": _kind(*MODEL, "second", "images", "items", "method", "families"),
        "moved rows": _kind(*MODEL, "second", "images", "items", "method"),
        "cheaper copy": _kind(*MODEL, "how", megabytes=256),
        "set facts": _kind("images", megabytes=72),
        "image faults": _kind("images", "families", "report"),
        "giveaways": _kind("images", "measures", "families", "target", megabytes=16),
        "set features": _kind("model", "images", megabytes=128),
        "coverage": _kind(*MODEL, "images", "predicted", "families", "features", megabytes=32),
        "projection": _kind("features", "pixels", megabytes=16),
        "map points": _kind("images", "table", "families", "features", "tint", "reach", megabytes=32),
        "support": _kind("images", "table", "families", "promise", "by", megabytes=8),
        "label issues": _kind(*MODEL, "images", "predicted", "families", "features", megabytes=32),
        "label costs": _kind("images", "table", "families", "limits", megabytes=8),
        "corruption": _kind(*MODEL, "images", "families", "table", "kinds", "many", version=2, megabytes=6),
        "corrupted evidence": _kind(*MODEL, "images", "kind", "severity", megabytes=8),
        "map study": _kind(*MODEL, "images", "families", "table", "card", version=2, megabytes=1),
        "league": _kind(*MODEL, "images", "families", "table", "asked", version=3, megabytes=4),
        "image digests": _kind("images", megabytes=4),
        "drift": _kind(*MODEL, "images", "families", "table", "new", "maps", version=2, megabytes=4),
        "model appraiser": _kind(*MODEL, "plan", megabytes=1),
        "report": _kind(
            *MODEL, "images", "families", "table", "journal", "choices", "criteria", "day", "beside", megabytes=24
        ),
        # of the journal
        "latest entries": _kind("journal", "head", "model"),
        "corrected labels": _kind("journal", "head", "images"),
        "label decisions": _kind("journal", "head", megabytes=8),
        "pairs apart": _kind("journal", "head", "images", megabytes=4),
        # on disk
        "outputs": _kind("model", version=2, megabytes=0),
        "families": _kind("images", "apart", version=3, megabytes=64),
        "image facts": _kind("image", megabytes=0),
        "transplant": _kind(*MODEL, "images", "explored", "units", "seed", "cue", version=5, megabytes=0),
        "frozen features": _kind("model", megabytes=0),
        "rated map": _kind(*MODEL, "image", "mask", "method", "settings", "card", megabytes=0),
        "corrupted answers": _kind("model", "image", megabytes=0),
        "league round": _kind(*MODEL, "image", "method", "aim", "settings", "background", megabytes=0),
        "audit folder": _kind("model", "set", "name", megabytes=0),
        "map summary": _kind("model", "method", "score", "background", version=2, megabytes=0),
    }
)


def key(kind: str, /, **ingredients: object) -> str:
    """The name of a result: SHA-256 in hex over its kind, the version of its computation and every ingredient.

    Args:
        kind: One of `KINDS`.
        ingredients: All that the kind needs, and nothing else. Text, numbers, None, arrays, paths, dataclasses, and
            sequences, sets and mappings of those; whatever has an attribute `key` of its own stands for that.

    Raises:
        TypeError: An ingredient is missing or is not of the kind, or is of a type that has no one way to be written
            down.

    Example:
        >>> from workbench.files.keys import key
        >>> key("thumbnail", image="ab12", edge=160) == key("thumbnail", image="ab12", edge=161)
        False
    """
    needs = KINDS[kind]
    if ingredients.keys() != set(needs.needs):
        raise TypeError(f"a result of the kind {kind!r} depends on {needs.needs}, not on {tuple(ingredients)}")
    digest = hashlib.sha256(repr((kind, needs.version)).encode())
    for name in needs.needs:
        digest.update(f"\0{name}\0{unique_text(ingredients[name])}".encode())
    return digest.hexdigest()


def unique_text(value: object) -> str:
    """A value as text that no other value has.

    Raises:
        TypeError: Its type has no one way to be written down.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(named := getattr(value, "key", None), str):
        return f"{type(value).__name__}={named}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field: getattr(value, field.name) for field in dataclasses.fields(value)}
        return unique_text({field.name: part for field, part in fields.items() if not _unnamed(field, part)})
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"array:{value.dtype}:{value.shape}:{hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()}"
    if isinstance(value, PurePath):
        return f"path:{value}"
    if isinstance(value, Mapping):
        return _join("mapping", sorted(f"{unique_text(name)}->{unique_text(part)}" for name, part in value.items()))
    if isinstance(value, Set):
        return _join("set", sorted(map(unique_text, value)))
    if isinstance(value, list | tuple):
        return _join("sequence", map(unique_text, value))
    raise TypeError(f"a {type(value).__name__} has no one way to be written down: name what it stands for")


def _unnamed(field: dataclasses.Field[object], value: object) -> bool:
    return UNNAMED_AT_DEFAULT.items() <= field.metadata.items() and value == field.default


def _join(kind: str, parts: Iterable[str]) -> str:
    return f"{kind}[{','.join(f'{len(part)}:{part}' for part in parts)}]"
