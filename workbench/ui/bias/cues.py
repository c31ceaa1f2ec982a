"""What the search for shortcuts found: the verdict with its power, accused cues and their proof, all that was tried."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from workbench.bias import Conclusion, chance, interval
from workbench.cues import (
    CUE_VERDICTS,
    ENOUGH_POWER,
    HANGS,
    LEAST_CALLED,
    MATTERS,
    Cost,
    Finding,
    Search,
    Turned,
    advice_of,
    carriers_of,
    class_verdict,
    conclusions_of,
    costs_of,
    error_words,
    power_words,
    trials_table,
    tried_table,
    unsearched_words,
)
from workbench.files import frame_csv
from workbench.images import Pixels, as_image
from workbench.quality import manifest
from workbench.ui import draw, url
from workbench.ui.bias import images, refits, tables
from workbench.ui.bias.scope import Scope
from workbench.ui.text import plain

SIGNS = {
    "proven": ":material/report:",
    "none": ":material/check_circle:",
    "too few": ":material/data_usage:",
    "chance": ":material/help:",
    "open": ":material/search_off:",
}
THUMBNAILS = 12
LONGEST_NAMES = 1200
INSIDE_WORDS = "Suppressing it in the model's last feature layer, against others of the same energy"
WAY_WORDS = ("Putting it on images that are called otherwise", "Taking it from images that are called so")


def section(scope: Scope, search: Search) -> None:
    """The verdict, the accused cues one at a time, the classes, and all that was tried."""
    for line in conclusions_of(search):
        _verdict(line)
    st.caption(_looked_at(scope, search))
    st.caption(error_words())
    with st.container(horizontal=True):
        meaning()
    if search.accused:
        _accused(scope, search)
    with st.expander("By class, all that was tried, and what was not looked for", expanded=not search.accused):
        _classes(search)
        _unsearched(search)
        _concepts(search)
        _all(scope, search)


def meaning() -> None:
    """What the verdicts mean, and how they are made."""
    power, matters = f"{ENOUGH_POWER:.0%}", f"{MATTERS:.0%}"
    draw.meaning("shortcut", "What is a shortcut?", least=LEAST_CALLED, power=power, matters=matters)


def _verdict(line: Conclusion) -> None:
    """A line in its colour: green only where nothing was found and something would have been."""
    show = {"proven": st.error, "none": st.success, "open": st.warning}.get(line.verdict, st.info)
    show(f"**{line.lead}:** {plain(line.sentence, LONGEST_NAMES)}", icon=SIGNS[line.verdict])


def _looked_at(scope: Scope, search: Search) -> str:
    """Which images the verdict is about, and where something is accused also what it says of the rest."""
    parts = [f"{search.images:,} images were looked at, of: {scope.where}. Half of them, about, proposed cues."]
    if search.accused:
        parts += [power_words(search), unsearched_words(search)]
    return plain(" ".join(parts), LONGEST_NAMES)


def _accused(scope: Scope, search: Search) -> None:
    """One accused cue with all that is known of it."""
    names = {f"{finding.cue.target}: {finding.cue.name}": finding for finding in search.accused}
    chosen = url.select("Cue", list(names), key="cue", width=360) if len(names) > 1 else next(iter(names))
    finding = names[chosen]
    with st.container(border=True, key="accused cue"):
        st.subheader(plain(f"“{finding.cue.target}” by {finding.cue.name}"), anchor=False)
        with st.grid(2, min_column_width=260):
            for words_of, way in zip(WAY_WORDS, (finding.transplant.put, finding.transplant.taken), strict=True):
                _way(words_of, way)
            if finding.transplant.suppressed is not None:
                _way(INSIDE_WORDS, finding.transplant.suppressed)
        st.caption(f"{chance(finding.p)} after correction for {len(search.findings)} cues that were tried.")
        _shown(finding)
        _cost(search, finding)
        st.markdown(f"**What to do.** {plain(advice_of(finding), LONGEST_NAMES)}")
        refits.section(scope, finding)
        _carriers(scope, finding)
        _downloads(scope, search, finding)


def _way(label: str, way: Turned | None) -> None:
    with st.container(border=True, gap="xsmall", height="stretch"):
        st.markdown(f"**{label}**")
        if way is None or not way.enough:
            count = 0 if way is None else len(way.frame)
            st.caption(f"Too few images, or units of them, could be edited to say: {count}.")
            return
        st.metric("turns", f"{100 * (way.flips.value or 0):.0f} %", label_visibility="collapsed")
        st.caption(
            f"of their decisions: {interval(way.flips)}; a decoy turns {interval(way.decoys)}."
            f" {draw.support(way.flips)}."
        )


def _shown(finding: Finding) -> None:
    """Before and after beside each other, and the cue itself."""
    cue, trial = finding.cue, finding.transplant
    done = "with it put on" if trial.put is not None else "with it taken away"
    shown = [("As it is", trial.before), (f"The same {done}", trial.after), ("The cue", cue.crop)]
    with st.grid(3, min_column_width=200, key="before and after"):
        for caption, pixels in shown:
            if pixels is not None:
                with st.container(gap="xsmall"):
                    draw.image(as_image(pixels), caption)
                    st.caption(caption)
    if cue.level is not None:
        own, others = cue.level
        st.caption(
            plain(f"{own:.3g} in images called “{cue.target}”, {others:.3g} in the others ({cue.unit or 'measured'}).")
        )


def _cost(search: Search, finding: Finding) -> None:
    """What it costs at the working threshold, as far as labels say."""
    costs = costs_of(search, finding)
    lines = [_cost_words(cost) for cost in costs]
    if not lines:
        why = "no class is known to be good" if search.good is None else "the images that were tried have no labels"
        lines = [f"not known, for {why}."]
    st.markdown("**Cost at the working threshold**\n\n" + "\n".join(f"- {line}" for line in lines))


def _cost_words(cost: Cost) -> str:
    who, what = ("defective", "pass") if cost.mistake == "escape" else ("good", "are rejected")
    return (
        f"Of {draw.support(cost.before, f'{who} images')} that were tried, {interval(cost.before)} {what} as they are,"
        f" {interval(cost.after)} with it {cost.edit}, {interval(cost.decoys)} with a decoy."
    )


def _carriers(scope: Scope, finding: Finding) -> None:
    """The images that carry it, the clearest first, each leading to Explain."""
    rows = {name: row for row, name in enumerate(scope.predictions.frame["name"])}
    places = np.array([rows[name] for name in finding.cue.carriers if name in rows], np.intp)
    if len(places):
        count = min(len(places), THUMBNAILS)
        st.markdown(f"**Images that carry it**, {count} of the {len(places):,} that proposed it, the clearest first")
        images.row(scope, places[:THUMBNAILS], "cue")


def _downloads(scope: Scope, search: Search, finding: Finding) -> None:
    stem, trial = f"bias-cue-{search.findings.index(finding) + 1}-{scope.stem}", finding.transplant
    with st.container(horizontal=True):
        if trial.before is not None and trial.after is not None:
            before, after = trial.before, trial.after
            draw.download("Before and after (PNG)", lambda: _pair(before, after), f"{stem}.png", "png cue")
        carriers = carriers_of(search, scope.images)
        if carriers is not None:
            draw.download(
                "Images that carry cues (CSV)",
                lambda: manifest(carriers),
                f"bias-cues-{scope.stem}.csv",
                "csv carriers",
            )


def _pair(before: Pixels, after: Pixels) -> Image.Image:
    """Both beside each other."""
    left, right = as_image(before), as_image(after)
    pair = Image.new("RGB", (2 * left.width, left.height))
    pair.paste(left, (0, 0))
    pair.paste(right.resize(left.size), (left.width, 0))
    return pair


def _classes(search: Search) -> None:
    """A line for each class: a class without a verdict is not left out."""
    import pandas as pd

    rows, stayed = [], {line.target: interval(line.stayed) if line.known else "unknown" for line in search.followed}
    for name in search.class_names:
        own = search.of(name)
        rows.append(
            {
                "class": name,
                "verdict": class_verdict(search, name),
                "cues tried": len(own),
                "called so without its defect": stayed.get(name, ""),
                "accused": ", ".join(finding.cue.name for finding in own if finding.accused),
            }
        )
    st.subheader("By class", anchor=False)
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Verdict by class")


def _unsearched(search: Search) -> None:
    st.subheader("Not looked for", anchor=False)
    lines = [f"- **{plain(line.what)}**: {plain(line.why, 400)}" for line in search.unsearched]
    st.markdown("\n".join(lines) or "Each kind of cue was looked for, in each class.")
    st.caption("What no proposer thinks of, and what no image of the sample shows, is not found either.")


def _concepts(search: Search) -> None:
    """Crops of what the last feature layer sees, without a verdict: some direction decides in every model."""
    own = [finding for finding in search.findings if finding.cue.kind == "concept" and finding.cue.crop is not None]
    if "concept" not in search.kinds or not search.classes:
        return
    st.subheader("What its last feature layer sees", anchor=False)
    if not own:
        st.caption(
            "On none of the directions that matter most to a class do"
            f" {100 * HANGS:.0f} % of its explored decisions hang, but for such as lie on masked defects alone."
        )
        return
    st.caption(
        "Directions on which decisions hang within the model, by crops where each is strongest. That is what a class is"
        " told by, its defects too, and no accusation: only the image shows whether a crop decides."
    )
    with st.grid(3, min_column_width=220):
        for finding in own:
            cue, inside = finding.cue, finding.transplant.suppressed
            with st.container(gap="xsmall"):
                if cue.crop is not None:
                    draw.image(as_image(cue.crop), f"Crops of what is seen in images called “{cue.target}”")
                hang = "" if inside is None else f" {interval(inside.flips)} of its decisions turn without it there"
                beside = "" if inside is None else f", {interval(inside.decoys)} without others of the same energy."
                words_of = f"“{cue.target}”:{hang}{beside} In the image: {CUE_VERDICTS[finding.verdict].lower()}."
                st.caption(plain(words_of, LONGEST_NAMES))


def _all(scope: Scope, search: Search) -> None:
    """All that was tried, in figures."""
    import pandas as pd

    st.subheader("All that was tried", anchor=False)
    rows = []
    for finding in search.findings:
        tried = finding.transplant
        put, taken, inside = (
            "" if way is None else f"{interval(way.flips)}, decoy {interval(way.decoys)}"
            for way in (tried.put, tried.taken, tried.suppressed)
        )
        facts = {"cue": finding.cue.name, "class": finding.cue.target, "verdict": CUE_VERDICTS[finding.verdict]}
        turns = {"put on turns": put, "taken away turns": taken, "suppressed in the layer turns": inside}
        rows.append({**facts, **turns, "p adjusted": chance(finding.p)})
    if not rows:
        st.caption(
            "Nothing: no cue was proposed." if search.classes else "Nothing: too few images are called of any class."
        )
        return
    tables.wide(pd.DataFrame(rows), "All cues that were tried")
    with st.container(horizontal=True):
        tables.csv("All cues (CSV)", tried_table(search), f"bias-cues-tried-{scope.stem}")
        trials = f"bias-cues-images-{scope.stem}.csv"
        draw.download("Each image (CSV)", lambda: frame_csv(trials_table(search)), trials, "csv trials")
