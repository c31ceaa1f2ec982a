"""Which names of classes mean a part without a defect."""

from __future__ import annotations

import re

GOOD = frozenset((
    "good", "ok", "okay", "pass", "passed", "functional", "normal", "free", "intact", "flawless", "healthy",
    "undamaged", "undefective",
    "accept", "accepted", "faultless", "io",
))  # fmt: skip
ELSEWHERE = frozenset((
    "良品", "良", "正常", "合格", "合格品", "好", "无缺陷", "無缺陷", "양품", "정상", "異常なし",
    "gut", "gutteil", "iO", "i.O.", "bon", "bonne", "conforme", "bueno", "buena", "buono", "goed", "годен",
))  # fmt: skip
"""Whole names in other languages."""
BAD = frozenset((
    "defect", "defects", "defective", "fault", "faults", "faulty", "damage", "damaged", "anomaly", "anomalies",
    "anomalous", "flaw",
    "flaws", "flawed",
))  # fmt: skip
NOT = frozenset(("no", "not", "non", "without", "nothing", "never"))


def reads_as_good(name: str) -> bool:
    """Whether a class is named so: good, OK, pass, functional, MT_Free, defect-free, no_defect, ..."""
    if name.strip() in ELSEWHERE or name.strip().lower() in ELSEWHERE:
        return True
    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name).lower()))
    if "free" in words:  # free of whatever it names
        return not words & NOT
    return bool(words & NOT) if words & BAD else bool(words & GOOD) and not words & NOT
