"""Where a reviewer's twelve questions are answered in a report, and what auditors ask for by their own headings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from workbench.report.blocks import Block, Heading, Links, Section, Words

REVIEWER: tuple[tuple[str, str, str], ...] = (
    ("Which model is this?", "cards", "model"),
    ("On what was it measured?", "cards", "images"),
    ("How good is it, with what uncertainty?", "operating", "figures"),
    ("For whom is it worse?", "groups", "groups"),
    ("What escapes?", "operating", "escapes"),
    ("Where does it look?", "looks", "looks"),
    ("Can the maps be believed?", "looks", "maps"),
    ("Is the set sound?", "health", "data"),
    ("Will it hold?", "health", "hold"),
    ("Who decided what?", "journal", "journal"),
    ("What is not known?", "unknown", "unknown"),
    ("How do I check this?", "made", "check"),
)
"""Each question with the section and the anchor that answer it."""
NOT_HERE = ""
AUDITORS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "EU AI Act (Regulation 2024/1689), Annex IV": (
        ("1, general description and intended purpose", "purpose", "purpose"),
        ("2, development: design, training data and their provenance", "cards", "cards"),
        ("2(g), validation and testing: accuracy, robustness, impact on groups", "operating", "operating"),
        ("3, limitations, accuracy for groups, foreseeable unintended outcomes", "groups", "groups"),
        ("4, appropriateness of the performance metrics", "verdict", "verdict"),
        ("5, risk management system", NOT_HERE, ""),
        ("6, changes through the lifecycle", "journal", "journal"),
        ("7 and 8, standards applied, declaration of conformity", NOT_HERE, ""),
        ("9, evaluation after it was placed on the market", "health", "hold"),
    ),
    "EU GMP Annex 22, draft of July 2025": (
        ("Intended use", "purpose", "purpose"),
        ("Acceptance criteria", "verdict", "verdict"),
        ("Test data", "cards", "images"),
        ("Independence of the test data", "health", "data"),
        ("Test execution", "made", "made"),
        ("Explainability", "looks", "looks"),
        ("Confidence", "health", "hold"),
        ("Operation: change control, monitoring, human review", "journal", "journal"),
    ),
    "ISO/IEC TS 6254, explainability of AI systems": (
        ("Explanations of single decisions", "decisions", "decisions"),
        ("Explanations of the model as a whole", "looks", "looks"),
        ("Whether explanations can be relied on", "looks", "maps"),
        ("Objectives of each stakeholder", NOT_HERE, ""),
    ),
    "Model card (Mitchell et al. 2019)": (
        ("Model details", "cards", "model"),
        ("Intended use", "purpose", "purpose"),
        ("Factors", "groups", "groups"),
        ("Metrics", "operating", "figures"),
        ("Evaluation data, training data", "cards", "images"),
        ("Quantitative analyses", "groups", "groups"),
        ("Ethical considerations", NOT_HERE, ""),
        ("Caveats and recommendations", "unknown", "unknown"),
    ),
}
"""What each asks for, and where it is answered; nowhere where the section is empty."""


def questions(sections: Sequence[Section]) -> Iterator[Block]:
    """The twelve questions, each with a link."""
    yield Links("asked", _found(REVIEWER, sections))


def index(sections: Sequence[Section]) -> Iterator[Block]:
    """What auditors ask for."""
    yield Heading("auditors title", "Where auditors find what they ask for", anchor="auditors")
    yield Words("auditors", "Where each is answered here, as far as it is. This is an index, no claim of compliance.")
    for title, rows in AUDITORS.items():
        yield Heading(f"{title} title", title)
        yield Links(title, _found(rows, sections))


def _found(rows: Sequence[tuple[str, str, str]], sections: Sequence[Section]) -> tuple[tuple[str, str, str], ...]:
    """Questions, each with the title and the anchor where it is answered."""
    titles = {section.name: section.title for section in sections}
    anchors = {block.anchor for section in sections for block in section.blocks} | titles.keys()
    found = []
    for question, section, anchor in rows:
        if section == NOT_HERE:
            found.append((question, "not answered by this report", ""))
        elif section not in titles:
            found.append((question, "left out of this report", ""))
        else:
            found.append((question, titles[section], anchor if anchor in anchors else section))
    return tuple(found)
