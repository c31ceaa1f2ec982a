"""What to take home: findings, tables and a manifest with what was decided, as `workbench data` writes them."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from workbench.catalog import load_catalog
from workbench.files import FINDINGS
from workbench.images import ImageSet
from workbench.quality import MANIFEST, Answers, Proposal, archive, fault_proposals, home_of, manifest
from workbench.ui import choice, dealt, draw, kin, logbook, selection, session, url
from workbench.ui.data import chosen, labels, summary
from workbench.ui.data.scope import Scope
from workbench.ui.progress import guarded

ZIP = "workbench-data.zip"
ALWAYS = ("support", "leaks")
"""Questions that are answered without being looked for, as far as they can be."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """Something that the manifest can hold.

    Attributes:
        words: What it is, with its count.
        changes: Image by image.
        decided: Whether a person has decided so: then it is ticked at first.
    """

    words: str
    changes: Sequence[Proposal]
    decided: bool


@st.fragment
@guarded
def section(scope: Scope, known: Answers) -> None:
    """What is decided, with a tick box each, the downloads, and the commands that read them.

    Args:
        scope: What the page speaks of.
        known: What is known of it by now.
    """
    pairs, wishes = kin.apart(scope.images), _wishes(scope, known)
    answers = known.by_question
    if not wishes and not pairs and not any(results for name, results in answers.items() if name not in ALWAYS):
        st.markdown(
            "**Nothing to take home yet**: nobody looked at these images, and nothing was decided. **Look for all of"
            " it** at the top of this page finds out what there is to decide; then findings, tables and a corrected"
            " manifest stand here."
        )
        return
    draw.meaning("data-export", "What is in these files?")
    if open_ones := [summary.SECTION_OF[name][0] for name, results in answers.items() if not results]:
        st.caption(f":material/radio_button_unchecked: Not in them, for nobody looked yet: {', '.join(open_ones)}.")
    if scope.model.label is not None:
        st.caption(
            ":material/info: This model knows several labels, and the page asks about one of them: so there is no"
            " manifest here, only findings and tables."
        )
        draw.download("Everything (zip)", lambda: archive(known.files), ZIP, "zip data")
        return
    ticked = _ticked(wishes)
    if pairs:
        some = "1 pair" if len(pairs) == 1 else f"{len(pairs):,} pairs"
        st.caption(f":material/call_split: Told apart by a person, and different parts in all of these files: {some}.")
    _downloads(scope, known, wishes, ticked)
    _commands(scope)


def _wishes(scope: Scope, known: Answers) -> dict[str, Wish]:
    """What the manifest can hold, by its key in the address; nothing without a change."""
    names, moves = selection.chosen(scope.images), known.moves
    broken = () if known.faults is None else fault_proposals(known.faults)
    picked = [] if names is None else [item.name for item in scope.images if item.name in names]
    changed = labels.relabelled(scope) if scope.model.label is None else []
    wishes = {
        "labels": Wish(f"Labels that people changed: {len(changed):,}", changed, True),
        "split": Wish(
            f"The grouped split, images that change sides: {len(moves):,}", moves, dealt.in_force(scope) is not None
        ),
        "broken": Wish(f"Leave out files that cannot be read: {len(broken):,}", broken, False),
        "selection": Wish(f"Leave out images selected on the map: {len(picked):,}", chosen.left_out(picked), False),
    }
    return {name: wish for name, wish in wishes.items() if wish.changes}


def _ticked(wishes: Mapping[str, Wish]) -> list[str]:
    """What the visitor wants the manifest to hold."""
    if not wishes:
        st.markdown("**Nothing is decided yet**: the manifest holds the set as it is, and what is proposed.")
        return []
    st.markdown("**What the manifest is to hold.** All else that was found is only proposed in it.")
    words = {name: wish.words for name, wish in wishes.items()}
    return url.ticks(words, key="take", default=[name for name, wish in wishes.items() if wish.decided])


def _downloads(scope: Scope, known: Answers, wishes: Mapping[str, Wish], ticked: Sequence[str]) -> None:
    root = home(scope)
    others = [change for name in ticked if name != "labels" for change in wishes[name].changes]
    wanted = "labels" in ticked or "labels" not in wishes

    def table() -> str:
        changed = labels.relabelled(scope) if wanted else []  # also what was decided since the page was drawn
        return manifest(scope.images, known.proposals, [*changed, *others], families=scope.families, root=root)

    def everything() -> bytes:
        return archive({MANIFEST: table(), **known.files})

    with st.container(horizontal=True, vertical_alignment="center", key="take-home"):
        draw.download("Everything (zip)", everything, ZIP, "zip data")
        draw.download("Manifest (CSV)", table, MANIFEST, "csv manifest")
        draw.download("Findings (JSON)", lambda: known.files[FINDINGS], FINDINGS, "json findings")


def home(scope: Scope) -> Path | None:
    """Where the table says that its paths begin: only where the visitor sits at the machine that holds the images."""
    if not session.local() or logbook.own(scope.model):
        return None
    folder = home_of(scope.images)
    return None if folder is None else folder.resolve()


def _commands(scope: Scope) -> None:
    """The commands that read the manifest, and the one that writes all of this."""
    at = MANIFEST if home(scope) is not None else f"FOLDER/{MANIFEST}"
    ref = choice.set_ref(scope.model)
    images = shlex.quote(ref) if ref in load_catalog().images else "IMAGES"
    model = shlex.quote(scope.model.ref) if scope.model.ref in load_catalog().models else "MODEL"
    st.code(
        f"workbench train {at} --out NEW-MODEL\n"
        f"workbench audit --model {model} --images {at} --out AUDIT\n"
        f"workbench data --images {images} --model {model} --out DIR  # writes all of these files",
        language="sh",
    )
    if home(scope) is not None:
        st.caption("The manifest says where the images lie: on this machine it can be read wherever you save it.")
        return
    masks = _masks(scope.images)
    st.caption(
        f"Put `{MANIFEST}` into the folder of the images, where the paths of its first column begin."
        + (f" {masks:,} masks are not in it: `workbench data` writes them beside the manifest." if masks else "")
    )


def _masks(images: ImageSet) -> int:
    return 0 if home_of(images) is not None else sum(item.mask is not None for item in images)
