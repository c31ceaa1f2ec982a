"""The sections of a report that are read off a dossier: the verdict, what it is about, figures, health, the journal."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from workbench.bias import breakdown, confusion
from workbench.catalog import load_catalog, read_text
from workbench.errors import InputError
from workbench.files import CheckResult, file_digest
from workbench.images import SPLITS
from workbench.journal import NoteEntry
from workbench.predictions import cases_of, groupable, headline, inspection, is_tested, known_defects
from workbench.report.blocks import (
    BLANK_CELL,
    Bars,
    Block,
    Cell,
    Facts,
    Grid,
    Heading,
    Listing,
    Prose,
    Words,
    number,
    of_frame,
    rate,
    said,
    spanned,
)
from workbench.report.checks import Standing
from workbench.report.matter import Matter
from workbench.stats import ENOUGH, FEW_UNITS

CARD_FILES = ("MODEL_CARD.md", "README.md")
LONGEST_CARD_SHOWN = 2**17
"""Bytes of a model card that are shown."""
MOST_ATTRIBUTES, MOST_NOTES = 4, 20
STATUS_SIGNS = {"ok": "✓", "fail": "✗", "watch": "!", "not yet known": "?"}
STATUS_TONES = {"ok": "good", "fail": "bad", "watch": "doubt", "not yet known": "doubt"}
HEALTH_OF_DATA = ("leaks", "labels", "support", "provenance")
HEALTH_OF_MODEL = ("fit", "calibration", "corruption", "drift")


def verdict(matter: Matter) -> Iterator[Block]:
    """The headline, and the twelve checks with figure, interval, criterion and sentence."""
    stands = matter.dossier.verdict
    yield Words("headline", stands.headline, stands.tone)
    rows = tuple(
        (
            Cell(each.check.title),
            Cell(f"{STATUS_SIGNS[each.status]} {each.status}", tone=STATUS_TONES[each.status]),
            _figure(each.result),
            said(each.criterion or "none is set"),
            said(_sentence(each)),
        )
        for each in stands.standings
    )
    columns = ("check", "status", "figure", "criterion", "what it says")
    yield Grid("checks", columns, rows, "The twelve checks. Intervals are of 95 %.")


def _figure(result: CheckResult | None) -> Cell:
    """A finding's figure in its own unit, with its interval and what it rests on."""
    if result is None or result.figure is None:
        return Cell("none" if result is not None else BLANK_CELL)
    figure = spanned(result.figure, result.low, result.high, ".4g", result.support or None)
    held = f", held against {result.threshold:.4g}" if result.threshold is not None else ""
    support = f"; on {result.support:,}" if result.support else ""
    return dataclasses.replace(figure, text=f"{figure.text}{held}{support}")


def _sentence(standing: Standing) -> str:
    text = standing.result.sentence if standing.result is not None else "Nobody looked yet."
    if (accepted := standing.accepted) is not None:
        text += f" Accepted by {accepted.name} until {accepted.until.isoformat()}: {accepted.reason}"
    return text


def unknown(matter: Matter) -> Iterator[Block]:
    """What is not known, and what was left out of this report."""
    standings = [each for each in matter.dossier.verdict.standings if each.status == "not yet known"]
    rows = tuple((Cell(each.check.title), said(_sentence(each))) for each in standings)
    if rows:
        yield Grid("checks not known", ("check", "why"), rows, "Checks of the twelve without an answer.")
    else:
        yield Words("checks not known", "Each of the twelve checks has an answer.")
    left = matter.left_out
    yield Words("left out", f"Left out of this report: {', '.join(left)}." if left else "No section was left out.")
    yield Words(
        "never known",
        "What no report of this kind can know: whether labels are true beyond what the checks look for, how the model"
        " does on images unlike these, and whether those who decided were who they said.",
    )


def purpose(matter: Matter) -> Iterator[Block]:
    """The model card's own words."""
    path = next((folder / name for folder in matter.folders for name in CARD_FILES if (folder / name).is_file()), None)
    if path is None:
        yield Words("card", "There is no model card: what the model was made for, and not for, is not known.", "doubt")
        return
    if path.stat().st_size > LONGEST_CARD_SHOWN:
        yield Words("card", f"The model card has over {LONGEST_CARD_SHOWN // 1024} KB and is not shown here.", "doubt")
        return
    yield Prose("card", read_text(path), "The model card's own words, which nobody checked here")


def model_and_images(matter: Matter) -> Iterator[Block]:
    """Which model and which images, each with its digest."""
    classifier, images = matter.classifier, matter.images
    rule = classifier.rule
    yield Heading("model", "The model", anchor="model")
    when = "the most probable class is the decision"
    if rule.positive is not None and rule.threshold is not None:
        when = f"{rule.positive} from a probability of {rule.threshold:.6g}"
    facts = {
        "Name": said(classifier.name),
        "Digest (SHA-256 of weights and preprocessing)": said(classifier.key),
        "Classes": said(", ".join(classifier.class_names[:30])),
        "Number of classes": number(len(classifier.class_names)),
        "Parameters": number(classifier.parameters),
        "Decision": Cell(when, rule.threshold),
        "Temperature": number(rule.temperature, ".6g"),
        "Input": said(classifier.preprocessing.words({"size", "resize", "interpolation", "channels"})),
    }
    files = {f"SHA-256 of {path.name}": said(file_digest(path)) for path in model_files(matter.folders)}
    yield Facts("model facts", tuple({**facts, **files}.items()))
    for place, note in enumerate(classifier.notes[:MOST_NOTES], 1):
        yield Words(f"model note {place}", note, "doubt")
    yield from _images(matter)
    if images.notes:
        yield Words("set notes", " ".join(images.notes[:MOST_NOTES]))


def model_files(folders: Sequence[Path]) -> list[Path]:
    """The files of a model's folder that decide what it answers, or tell of it."""
    patterns = ("*.safetensors", "*.toml", "*.onnx", "*.pt", "*.pth", "config.json", "training.json", *CARD_FILES)
    return [
        path
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.is_file() and any(fnmatch(path.name, pattern) for pattern in patterns)
    ]


def _images(matter: Matter) -> Iterator[Block]:
    images = matter.images
    entry = load_catalog().images.get(matter.choices.images)
    yield Heading("images", "The images", anchor="images")
    facts = {
        "Name": said(images.name),
        "Images": number(len(images)),
        "Digest (SHA-256 of images, masks, labels, splits and attributes)": said(images.key),
        "Synthetic": said("yes: generated, not photographed" if images.synthetic else "not said to be"),
        "Licence": said(entry.licence if entry else ""),
        "With a mask": number(sum(item.mask is not None for item in images)),
        "Independence": said(matter.independence),
    }
    yield Facts("set facts", tuple(facts.items()))
    count = Counter((item.label, item.split) for item in images)
    splits = [split for split in (*SPLITS, None) if any(key[1] == split for key in count)]
    labels = sorted({key[0] for key in count}, key=lambda label: (label is None, str(label)))
    rows = tuple(
        (
            Cell("(no label)" if label is None else label),
            *(number(count[label, split]) for split in splits),
            number(sum(count[label, split] for split in splits)),
        )
        for label in labels
    )
    titles = ("class", *(split or "no split" for split in splits), "all")
    yield Grid("counts", titles, rows, "Images by class and split.")


def operating(matter: Matter) -> Iterator[Block]:
    """How good, with what uncertainty; what escapes at the threshold; and which class is taken for which."""
    table, rows = matter.predictions, matter.tested
    if not is_tested(table):
        yield Words("split", f"There is no test split: these figures are of {matter.split}, optimistic where the model"
                    " was trained on them.", "doubt")  # fmt: skip
    positive = known_defects(table)
    try:
        cases = cases_of(table, rows)
    except InputError as error:
        yield Words("none", str(error), "doubt")
        return
    yield Heading("figures title", f"Figures on {matter.split}", anchor="figures")
    yield Bars("figures", "Each with its 95 % interval", tuple((n, rate(r)) for n, r in headline(table, rows).items()))
    yield Words("independence", matter.independence)
    yield Heading("escapes title", "What escapes, and what is rejected for nothing", anchor="escapes")
    if positive:
        import dataclasses

        mistakes = inspection(dataclasses.replace(cases, positive=positive))
        yield Bars("mistakes", f"Defects are: {', '.join(positive)}", tuple((n, rate(r)) for n, r in mistakes.items()))
    else:
        yield Words("mistakes", "Which classes are defects is not known: no escape rate can be told.", "doubt")
    counts = confusion(table, rows)
    names = counts.class_names[:30]
    cells = tuple(
        (Cell(name), *(number(int(value)) for value in counts.counts[row, : len(names)]))
        for row, name in enumerate(names)
    )
    yield Grid(
        "confusion", ("true class", *(f"called {name}" for name in names)), cells, "Confusion matrix, in images."
    )


def groups(matter: Matter) -> Iterator[Block]:
    """The figures by class, and by each attribute of the set."""
    table, rows = matter.predictions, matter.tested
    of_groups = _groups_said(matter)
    yield Words("worst group", of_groups or "Whether a group is worse than another was not looked for.")
    for by in ("label", *groupable(table)[:MOST_ATTRIBUTES]):
        try:
            result = breakdown(table, by, rows=rows)
        except InputError as error:
            yield Words(f"by {by}", f"By {by}: {error}")
            continue
        figures = [name for name in result.figures if name != "mean confidence"]
        lines = tuple(
            (
                Cell(str(name)),
                Cell("enough" if enough else f"under {ENOUGH} images or {FEW_UNITS} units: too few to say"),
                *(rate(result.rates(figure)[str(name)], percent=figure != "AUC") for figure in figures),
            )
            for name, enough in zip(result.frame["group"], result.frame["enough"], strict=True)
        )
        title = "class" if by == "label" else by
        yield Heading(f"by {by} title", f"By {title}")
        caption = f"Split: {result.split}. Worst first. Each interval holds for itself, not for all rows together."
        yield Grid(f"by {by}", (title, "support", *figures), lines[:100], caption)


def _groups_said(matter: Matter) -> str:
    return " ".join(result.sentence for result in matter.dossier.results.get("worst group", ()))


def shortcuts(matter: Matter) -> Iterator[Block]:
    """What was found by putting cues on images and taking them away."""
    yield from _results(matter, ("shortcut",))


def health(matter: Matter) -> Iterator[Block]:
    """Whether the set is sound, and whether the model will hold."""
    yield Heading("data title", "Is the set sound?", anchor="data")
    yield from _results(matter, HEALTH_OF_DATA)
    yield Heading("model title", "Will it hold?", anchor="hold")
    yield from _results(matter, HEALTH_OF_MODEL)
    yield Heading("tables title", "The tables behind it")
    for name in sorted(matter.dossier.tables):
        yield of_frame(name, matter.dossier.tables[name])


def _results(matter: Matter, checks: Sequence[str]) -> Iterator[Block]:
    by_name = {each.check.name: each for each in matter.dossier.verdict.standings}
    for name in checks:
        results = matter.dossier.results.get(name, ())
        title = by_name[name].check.title
        yield Heading(f"{name} title", title)
        if not results:
            yield Words(name, "Not yet known: nobody looked.", "doubt")
            continue
        rows = tuple((Cell(each.check), Cell(each.verdict), _figure(each), Cell(each.sentence)) for each in results)
        yield Grid(name, ("question", "verdict", "figure", "what was found"), rows, title)


def journal(matter: Matter) -> Iterator[Block]:
    """Who decided what about this model and these images, and where the chain ends."""
    head = matter.head
    if head is None:
        yield Words("none", "There is no journal here: who decided what is not known.", "doubt")
        return
    yield Facts("head", (("Entries in the journal", number(head.count)), ("Hash of the last one", said(head.hash))))
    yield from _results(matter, ("overruled",))
    if not matter.records:
        yield Words("entries", "No entry is about this model or these images.")
        return
    latest = matter.records[-matter.most_entries :]
    caption = f"The last {len(latest)} of {len(matter.records):,} entries about this model or these images."
    rows = tuple(
        (
            number(each.number, "d"),
            Cell(str(each.time)),
            said(each.user),
            said(each.image_name if hasattr(each, "image_name") else ""),
            said(_decided(each)),
            said(each.reason),
        )
        for each in latest
    )
    yield Grid("entries", ("number", "time (UTC)", "who", "about", "what", "why"), rows, caption)


def _decided(entry: object) -> str:
    if isinstance(entry, NoteEntry):
        to = f" to {entry.to}" if entry.to else ""
        return f"{entry.about}: {entry.said}{to}"
    overruled = getattr(entry, "overruled", None)
    verdict_said = getattr(entry, "verdict", "")
    return f"{verdict_said}, overruled: it is {overruled}" if overruled else f"{verdict_said}, agreed"


def made(matter: Matter) -> Iterator[Block]:
    """How it was computed, the command that makes it again, and how a reader checks it."""
    choices = matter.choices
    yield Words(
        "how",
        "Every figure was computed from the model's answers for these images. The same model, images, journal and"
        " releases give the same file, byte by byte.",
    )
    yield Listing("command", choices.command)
    yield Heading("check title", "How to check this", anchor="check")
    yield Listing("verify", "workbench report --verify FILE.html" + choices.asked_for)
    yield Words(
        "verify means",
        "This computes every figure again, draws the maps of the decisions shown again, and names what differs. Of the"
        " study of maps it makes some again, says how many, and takes the others as its machine holds them; likewise"
        " answers of the model, label issues, heads and the search for shortcuts, and says so. What it cannot compute"
        " again: the notes, the model card's own words beyond their file, and the releases that it was made with."
        " Without the workbench, verify_report.py (Python's standard library alone) checks the digest of this file, of"
        " images and weights that you have, and the chain of an exported journal.",
    )
    rows = tuple((name, said(release)) for name, release in sorted(matter.versions.items()))
    yield Facts("releases", rows)
