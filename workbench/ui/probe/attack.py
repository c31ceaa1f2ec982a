"""The view of attacks: how little noise flips the decision about this image, and how far the map moves with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.drawing import render
from workbench.images import ImageItem
from workbench.probe import ATTACKS, UNITS, Attacked, Least, least_epsilon, outcomes, random_flips, shift
from workbench.stats import Rate
from workbench.ui import choice, draw, results, url
from workbench.ui.cache import computed, slot
from workbench.ui.probe import robust
from workbench.ui.probe.conclusion import TILE, conclude
from workbench.ui.progress import Stoppable, guarded
from workbench.ui.text import plain
from workbench.ui.view import ImageView

if TYPE_CHECKING:
    from workbench.attribution import Attribution


@guarded
def section(view: ImageView) -> None:
    """The least epsilon that flips the decision, with the image before and after."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = url.select(
            "Attack",
            list(ATTACKS),
            key="attack",
            default="pgd",
            format_func=lambda name: ATTACKS[name].title,
            width=200,
        )
        draw.meaning(
            "adversarial-attack",
            "What is an adversarial attack?",
            method=ATTACKS[method].title,
            about=ATTACKS[method].about,
        )

    def make(progress: Stoppable) -> tuple[Least, Rate | None]:
        clf, image, norm = choice.classifier(view.model), results.ready(view), ATTACKS[method].norm
        least = least_epsilon(clf, image, method, on_progress=progress)
        return least, None if least.epsilon is None else random_flips(clf, image, norm, least.epsilon)

    place = slot("least epsilon", **view.model.identity, image=view.item.id, label=view.item.label, method=method)
    result = computed(place, ATTACKS[method].title, make, lambda entry: 2 * entry[0].attacked.clean.nbytes)
    if result is None:
        return
    least, random = result
    conclude(outcomes.of_attack(least, random, view.model.rule.class_names))
    _verdict(view, least)
    _images(view.item, least.attacked)
    _steps(least)
    st.header("How much the map changed", anchor=False)
    _maps(view, least.attacked)
    st.header("On the set", anchor=False)
    robust.section(view, method)


def _verdict(view: ImageView, least: Least) -> None:
    """What the ground truth makes of it, and how large the change is."""
    names, attack = view.model.rule.class_names, least.attacked
    was, now = (plain(names[int(state)]) for state in (attack.was, attack.now))  # type: ignore[call-overload]
    truth = plain(view.item.label) if view.item.label in names else None
    if least.epsilon is not None:
        st.markdown(_judged(was, now, truth))
    elif truth not in (None, was):
        st.markdown(f"The decision is wrong without an attack: the ground truth is {truth}.")
    first, second = attack.before[int(attack.was)], attack.after[int(attack.was)]  # type: ignore[call-overload]
    st.caption(
        f"P({was}): {first:.1%} before, {second:.1%} after. Largest change of a pixel {attack.linf} of 255, L2 norm"
        f" {attack.l2:.3f}; the last attack queried the model {attack.queries:,} times."
    )


def _judged(was: str, now: str, truth: str | None) -> str:
    """Whether a decision that flipped was an attack's work or a cure, by the ground truth."""
    if truth is None:
        return "The ground truth is not known, so neither decision can be called right or wrong."
    if truth == was:
        return f"The smallest change found that makes the decision wrong: the ground truth is {truth}."
    if truth == now:
        right = "The smallest change found that makes the decision **right**"
        return f"{right}: the ground truth is {truth}, so this corrects a mistake instead of causing one."
    return f"The decision is wrong before and after: the ground truth is {truth}."


def _images(item: ImageItem, attack: Attacked) -> None:
    """Clean, attacked, and the difference magnified so that its largest change is half of the scale."""
    difference = attack.attacked.astype(int) - attack.clean
    factor = max(int(127 / max(np.abs(difference).max(), 1)), 1)
    magnified = (127 + factor * difference).clip(0, 255).astype(np.uint8)
    panels = {"Before": attack.clean, "After": attack.attacked, f"Difference, {factor} times": magnified}
    with st.container(horizontal=True):
        for title, pixels in panels.items():
            with st.container(width=TILE):
                st.markdown(f"**{title}**")
                draw.image(Image.fromarray(pixels), f"{title}: {item.name}")
    stem = draw.stem(item.name)
    with st.container(horizontal=True):
        draw.download(
            "Attacked image (PNG)",
            lambda: Image.fromarray(attack.attacked),
            f"{stem}-{attack.method}.png",
            "png attacked",
        )
        draw.download(
            "Magnified difference (PNG)",
            lambda: Image.fromarray(magnified),
            f"{stem}-{attack.method}-difference.png",
            "png magnified",
        )
    st.caption("These are the model's input pixels, before normalisation.")


def _steps(least: Least) -> None:
    import pandas as pd

    with st.expander(f"Values of epsilon tried ({len(least.tried)})"):
        rows = [
            {"epsilon": f"{epsilon:g}", "decision": "flipped" if flipped else "held"}
            for epsilon, flipped in sorted(least.tried)
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Tried")
        unit = UNITS[ATTACKS[least.attacked.method].norm]
        st.caption(
            f"Found by doubling and halving in steps of {unit:g}. A smaller one might flip the decision too: success"
            " need not grow."
        )


def _maps(view: ImageView, attack: Attacked) -> None:
    """The map of the class that was decided on, before and after, on one scale."""
    method = url.select(
        "Map by",
        ["grad_cam", "integrated_gradients", "saliency"],
        key="map",
        format_func=lambda n: METHODS[n].title,
        width=230,
    )
    target = int(attack.was)  # type: ignore[call-overload]
    first = _map(view, attack.clean, method, target, "clean")
    second = None if first is None else _map(view, attack.attacked, method, target, attack.method)
    if first is None or second is None:
        return
    was, now = first.on_image(), second.on_image()
    scale, signed = render.scale_of([was, now], METHODS[method].signed), METHODS[method].signed
    with st.container(horizontal=True):
        for title, pixels, heat in (("Before", attack.clean, was), ("After", attack.attacked, now)):
            with st.container(width=TILE):
                overlay = render.overlay(Image.fromarray(pixels), heat, signed, scale.limit)
                alt = f"{title}: {METHODS[method].title} of {view.item.name}"
                draw.image(overlay, alt, caption=title)
        with st.container(width=TILE):
            change = shift(was, now)
            if np.isnan(change.spearman):
                st.caption("One of the maps is constant, so there is no order of pixels to compare.")
            else:
                st.metric(
                    "Rank correlation of the maps",
                    f"{change.spearman:.2f}",
                    help="Spearman's; 1: the same order of pixels.",
                )
                st.metric("Overlap of their top tenth", f"{change.overlap:.0%}", help="By chance a tenth of it.")
    draw.colour_bar(scale, f"{METHODS[method].unit}, one scale for both")


def _map(view: ImageView, pixels: np.ndarray, method: str, target: int, key: str) -> Attribution | None:
    result = results.map_of_pixels(view, Image.fromarray(pixels), ("attack", key), method, target, exact=True)
    if isinstance(result, str):
        st.info(plain(result, 600), icon=":material/block:")
        return None
    return result
