"""What is known of an image as one kind of value: text, number or yes and no, whatever its source."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
import math
import numbers
from collections.abc import Iterable

Scalar = str | int | float | bool
EXACT = 2**53
"""Whole numbers beyond this are text: as a column of floats, which gaps make of them, two of them might be one."""
LONGEST_TEXT = 200


def scalar(value: object) -> Scalar | None:
    """`value` as text, number or boolean; None where there is none (None, NaN, NaT, NA).

    Decimals become numbers, dates and times text as in ISO 8601, bytes text where they are UTF-8, lists and tables
    JSON. What has more than `LONGEST_TEXT` characters by then is cut and told apart by its digest.

        >>> scalar(float("nan")), scalar(decimal.Decimal("1.5")), scalar([1, "a"])
        (None, 1.5, '[1, "a"]')
    """
    if value is None or isinstance(value, str | bool):
        return value
    if type(value).__name__ in ("NaTType", "NAType"):  # pandas is not imported for them
        return None
    if isinstance(value, numbers.Integral):
        return int(value) if abs(int(value)) <= EXACT else str(int(value))
    if isinstance(value, numbers.Real | decimal.Decimal):
        number = float(value)
        return None if math.isnan(number) else number
    item = getattr(value, "tolist", None)  # NumPy's own kinds and arrays have it
    if callable(item) and type(value).__name__ != "datetime64":
        return scalar(item())
    return _short(_serialise(value))


def shown(value: object) -> str:
    """A value as it is read: a whole number with gaps in its column, which pandas holds as 3.0, is 3."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def apart(names: Iterable[str], reserved: Iterable[str] = ()) -> list[str]:
    """`names` as distinct labels, none of which is `reserved`: a second "a" becomes "a (2)"."""
    used, labels = set(reserved), []
    for name in names:
        label, number = name, 2
        while label in used:
            label, number = f"{name} ({number})", number + 1
        used.add(label)
        labels.append(label)
    return labels


def _serialise(value: object) -> str:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return f"{len(data):,} bytes (SHA-256 {hashlib.sha256(data).hexdigest()[:12]})"
    if isinstance(value, list | tuple | dict):
        try:
            return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_plain)
        except (TypeError, ValueError):  # keys of several kinds, a list within itself
            return str(value)
    return str(value)


def _plain(value: object) -> object:
    """What JSON has no form for."""
    return scalar(value)


def _short(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[: LONGEST_TEXT // 2]}… (SHA-256 {digest[:12]})"
