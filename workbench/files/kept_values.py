"""Results on disk that stand for themselves: dataclasses of numbers, texts, arrays and tables as checked JSON.

Nothing in a file names code: it says which of the dataclasses that the reader hands in a record is, and no other.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.files.disk import read_file

if TYPE_CHECKING:
    import pandas as pd

LARGEST_KEPT, LARGEST_ARRAY = 64 * 2**20, 256 * 2**20
"""Bytes of a file that are read, and of an array in it."""
NUMBERS_KEPT = "biuf"
"""Kinds of arrays that are kept as they are; of others the values are, one by one."""
Record = dict[str, Any]


def write_value(path: Path, value: object) -> None:
    """Write a result, in one step; without room on the disk nothing is kept.

    Raises:
        TypeError: It holds something that cannot be written.
    """
    text = json.dumps(_written(value))
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as file:
            file.write(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
        os.replace(file.name, path)


def read_value(path: Path, *types: type) -> Any:
    """A result as it was written; None where there is none, or the file is damaged or holds something else.

    Args:
        path: Of the file.
        types: The dataclasses that may stand in it, that of the result first.
    """
    try:
        digest, _, text = read_file(path, LARGEST_KEPT).decode("utf-8").partition("\n")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            return None
        result = _read(json.loads(text), {known.__name__: known for known in types})
    except (OSError, ValueError, TypeError, KeyError, RecursionError, zlib.error):
        return None
    return result if isinstance(result, types[0]) else None


def _written(value: object) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return _written(value.item())
    if isinstance(value, np.ndarray):
        return {"array": _array(value)}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_written(part) for part in value]}
    if isinstance(value, Mapping):
        return {"mapping": [[_written(name), _written(part)] for name, part in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _written(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"record": type(value).__name__, "fields": fields}
    if type(value).__name__ == "DataFrame":
        columns = [[str(name), str(column.dtype), _array(column.to_numpy())] for name, column in value.items()]  # type: ignore[attr-defined]
        return {"table": columns}
    raise TypeError(f"a {type(value).__name__} cannot be kept")


def _array(values: NDArray[Any]) -> Record:
    if values.dtype.kind not in NUMBERS_KEPT:
        return {"values": [_written(part) for part in values.ravel().tolist()], "shape": values.shape}
    packed = base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 1)).decode("ascii")
    return {"dtype": values.dtype.str, "shape": values.shape, "packed": packed}


def _read(value: Any, types: Mapping[str, type]) -> Any:
    if not isinstance(value, dict):
        return value
    if "record" in value:
        return types[value["record"]](**{name: _read(part, types) for name, part in value["fields"].items()})
    ((kind, content),) = value.items()
    if kind == "array":
        return _read_array(content, types)
    if kind == "table":
        return _read_table(content, types)
    parts = [(_read(name, types), _read(part, types)) for name, part in content] if kind == "mapping" else [
        _read(part, types) for part in content
    ]  # fmt: skip
    return {"mapping": dict, "list": list, "tuple": tuple}[kind](parts)


def _read_array(content: Record, types: Mapping[str, type]) -> NDArray[Any]:
    shape = tuple(content["shape"])
    if "values" in content:
        result = np.empty(len(content["values"]), dtype=object)
        result[:] = [_read(part, types) for part in content["values"]]
        return result.reshape(shape)
    dtype = np.dtype(content["dtype"])
    if dtype.kind not in NUMBERS_KEPT:
        raise ValueError(f"expected numbers, got {dtype}")
    data = zlib.decompressobj().decompress(base64.b64decode(content["packed"], validate=True), LARGEST_ARRAY)
    return np.frombuffer(data, dtype).reshape(shape).copy()


def _read_table(content: list[Any], types: Mapping[str, type]) -> pd.DataFrame:
    import pandas as pd

    columns = {
        name: (_read_array(column, types), object if kind == "object" else None) for name, kind, column in content
    }
    return pd.DataFrame({name: pd.Series(values, dtype=dtype) for name, (values, dtype) in columns.items()})
