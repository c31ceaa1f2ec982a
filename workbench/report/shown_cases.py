"""The sections that ask the model: where it looks over a sample, and single decisions with their maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from workbench.audit import ATTRIBUTIONS, Summaries, basis, look, open_summaries
from workbench.bias import focus, maps_of, mean_maps
from workbench.errors import InputError
from workbench.predictions import all_scores, judgeable, known_defects, mistakes, near, verdict_of
from workbench.report.blocks import Block, Cell, Grid, Heading, Images, Words, number, said, spanned
from workbench.report.matter import Matter

if TYPE_CHECKING:
    from PIL import Image

    from workbench.attribution import Attribution
    from workbench.images import ImageItem

LOOKED_SAMPLE = 60
"""Images whose maps are summed up where no audit holds maps."""
SHOWN_OF_EACH = 2
"""Decisions of each kind that are shown where none are chosen."""
DECISION_EDGE, MAP_EDGE = 360, 192
"""Pixels of the longer side of an image shown."""


def looks(matter: Matter) -> Iterator[Block]:
    """Mean maps by decided class, and the share of attribution in each region with its interval."""
    from workbench.attribution import METHODS
    from workbench.drawing import render

    results = matter.dossier.results.get("maps", ())
    yield Heading("maps title", "Can the maps be believed?", anchor="maps")
    for place, result in enumerate(results, 1):
        yield Words(f"maps {place}", result.sentence)
    if not results:
        yield Words("maps", "Not yet known: no map was held against the model over a sample.", "doubt")
    if matter.method is None:
        yield Words("none", "No quick method of maps suits this model: where it looks is not known.", "doubt")
        return
    try:
        maps = maps_of(_summaries(matter, matter.method), matter.predictions)
    except InputError as error:
        yield Words("none", f"Where it looks is not known. {error}", "doubt")
        return
    title = METHODS[matter.method].title
    yield Words("sample", f"{title} on {len(maps.frame):,} images, drawn evenly over classes and splits; each explains"
                " the class decided on.")  # fmt: skip
    drawn = []
    for name, (heat, count) in mean_maps(maps).items():
        values = heat.repeat(MAP_EDGE // heat.shape[0], 0).repeat(MAP_EDGE // heat.shape[1], 1)
        scale = render.scale_of([values], signed=False)
        from workbench.images import as_image

        drawn.append((render.to_png(as_image(scale.colours(values))), f"Called {name}: mean of {count:,} maps"))
    yield Images("mean maps", tuple(drawn))
    rows = tuple(
        (
            Cell(f"{row['group']}, {row['region']}"),
            spanned(row["share"], row["low"], row["high"], ".1%"),
            number(row["area"], ".1%"),
            number(row["support"]),
        )
        for row in focus(maps).to_dict("records")
    )
    yield Grid("regions", ("called, region", "share of attribution", "an even map has", "images"), rows, title)


def _summaries(matter: Matter, method: str) -> Summaries:
    """The maps of a sample: those that came with the audit or the model, else drawn now and kept beside the audit."""
    subject = matter.dossier.subject
    wanted = {"basis": basis(subject.classifier.key, subject.images, method), "set": subject.images.key}
    for folder in (subject.answers.folder, *matter.folders):
        if (folder / ATTRIBUTIONS / f"{method}.parquet").is_file():
            result = open_summaries(folder, method)
            if wanted.items() <= result.facts.items():
                return result
    folder = subject.out / "looks"
    with closing(
        look(subject.classifier, subject.images, subject.predictions, folder, method, sample=LOOKED_SAMPLE)
    ) as steps:
        for step in steps:
            subject.report("drawing maps", step.done, step.total)
    return open_summaries(folder, method)


def chosen(matter: Matter) -> list[int]:
    """Rows of the decisions that are shown: those chosen, else the gravest escapes, overkill and what is nearest.

    Raises:
        InputError: A chosen image is not in the set.
    """
    table = matter.predictions
    if matter.choices.decisions:
        if strange := [name for name in matter.choices.decisions if name not in table.by_name]:
            raise InputError(f"There is no image {strange[0]!r} in {matter.images.name}: name images as the set does.")
        return [table.by_name[name] for name in matter.choices.decisions]
    rows = judgeable(table, matter.tested)
    positive = known_defects(table)
    if not positive:
        sure = np.where(table.frame["verdict"].to_numpy() == "wrong", table.frame["confidence"].to_numpy(float), -1)
        return [
            row for row in rows[np.argsort(-sure[rows], kind="stable")][: 3 * SHOWN_OF_EACH].tolist() if sure[row] >= 0
        ]
    scores, kinds = all_scores(table, positive), mistakes(table)
    at = table.rule.threshold if table.rule.threshold is not None else 0.5
    found: list[int] = []
    for among, order in (
        (kinds[rows] == "escape", scores[rows]),
        (kinds[rows] == "overkill", -scores[rows]),
        (near(scores[rows], at), np.abs(scores[rows] - at)),
    ):
        places = rows[among][np.argsort(order[among], kind="stable")].tolist()
        found += [row for row in places if row not in found][:SHOWN_OF_EACH]
    return found


def decisions(matter: Matter) -> Iterator[Block]:
    """Each decision with its image, map, evidence and nearest training images."""
    rows = chosen(matter)
    if not matter.choices.decisions:
        few = f"the {SHOWN_OF_EACH} gravest"
        rule = (
            f"Chosen by a rule, of {matter.split}: {few} escapes, {few} overkill and the {SHOWN_OF_EACH} nearest to the"
            " threshold, or the surest mistakes where no class is known to be good."
        )
        yield Words("rule", rule)
    if not rows:
        yield Words("none", "No decision is of these kinds.")
    for done, row in enumerate(rows, 1):
        yield from _decision(matter, row)
        matter.dossier.subject.report("explaining decisions", done, len(rows))


def _decision(matter: Matter, row: int) -> Iterator[Block]:
    name = str(matter.predictions.frame["name"].iloc[row])
    item = matter.images.by_name[name]
    yield Heading(f"{name} title", name)
    label = matter.predictions.frame["label"].iloc[row]
    truth = f" Labelled {label}." if label else " It has no label."
    yield Words(f"{name} decision", f"{verdict_of(matter.predictions, row).sentence}{truth}")
    try:
        shown_images, evidence = _explained(matter, item, str(matter.predictions.frame["predicted"].iloc[row]))
    except InputError as error:
        yield Words(f"{name} map", f"There is no map. {error}", "doubt")
        return
    yield Images(f"{name} images", (*shown_images, *_nearest(matter, row)))
    yield evidence


def _explained(matter: Matter, item: ImageItem, target: str) -> tuple[list[tuple[bytes, str]], Block]:
    """The image, its map, and the evidence that the map is held against."""
    from workbench.attribution import METHODS, attribute
    from workbench.drawing import render
    from workbench.evidence import CHECKS, assess

    image, fitted = item.open(), None
    fitted, _ = render.fit(image, DECISION_EDGE)
    images = [(render.to_png(fitted), "The image")]
    if matter.method is None:
        raise InputError("No quick method of maps suits this model: ask for one on Explain.")
    result = attribute(matter.classifier, item, matter.method, target, background=matter.images)
    images.append((render.to_png(_overlaid(fitted, result)), f"{METHODS[matter.method].title} for {target}"))
    card = assess(matter.classifier, item, result, background=matter.images)
    rows = tuple(
        (
            Cell(CHECKS[each.name].title),
            Cell(each.verdict),
            spanned(each.value, each.low, each.high, ".3g"),
            said(each.reason),
        )
        for each in card
        if each.verdict != "not applicable"
    )
    return images, Grid(f"{item.name} evidence", ("check of the map", "verdict", "figure", "why"), rows, "Evidence.")


def _overlaid(image: Image.Image, result: Attribution) -> Image.Image:
    """The map over an image of any size."""
    from PIL import Image as Pillow

    from workbench.attribution import METHODS
    from workbench.drawing import render

    heat = np.asarray(Pillow.fromarray(result.on_image()).resize(image.size, Pillow.Resampling.BILINEAR))
    return render.overlay(image, heat, METHODS[result.method].signed)


def _nearest(matter: Matter, row: int) -> Iterator[tuple[bytes, str]]:
    """The nearest labelled training image of each kind, in what goes into the model's last layer."""
    from workbench.drawing import render
    from workbench.stats import nearest

    frame = matter.predictions.frame
    training = (frame["split"] == "train").to_numpy(bool) & frame["verdict"].notna().to_numpy(bool)
    vectors = matter.vectors
    if vectors is None or not training.any():
        return
    positive = known_defects(matter.predictions)
    kinds = {
        "Nearest defect that trained": frame["label"].isin(positive),
        "Nearest good": ~frame["label"].isin(positive),
    }
    for title, among in kinds.items() if positive else [("Nearest image that trained", frame["label"].notna())]:
        found = nearest(vectors, row, training & among.to_numpy(bool))
        if found is not None:
            other = matter.images.by_name[str(frame["name"].iloc[found[0]])]
            small, _ = render.fit(other.open(), DECISION_EDGE)
            yield render.to_png(small), f"{title}: {other.name}, {other.label}, similarity {found[1]:.2f}"
