"""From letting the threshold go until its figures are on the Defects page, in a real browser, with 20,000 images.

    python tests/benchmarks/bench_defects.py [--drags 20] [--images 20000]

The images are tiny files, and the scores beside the solar-cell model are drawn at random: what is measured is the page.
A drag ends with the mouse button; two clocks run until then: until sentence and table show the new threshold, and until
the run of the page is over and its charts and groups are drawn. Each is that of a warm page, after one drag that does
not count.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from browsing import FLAGS, IDLE, NAMES, served
from tables import table

from workbench.catalog import home
from workbench.models.folder import read_spec, spec_key
from workbench.predictions.table import DecisionRule, Predictions

TARGET = 0.3
CLASSES = ("functional", "defective")
WATCH = """(svg) => {
  const text = (node) => node ? node.innerText : "";
  window.let_go = 0;
  svg.addEventListener("pointerup", () => { window.let_go = performance.now(); window.shown = 0; }, true);
  const look = () => {
    if (window.let_go && !window.shown) {
      const readout = text(svg.parentElement.querySelector(".readout"));
      const counts = [...readout.matchAll(/([\\d,]+) of [\\d,]+ defects escape/g)].map((m) => m[1]);
      const row = [...document.querySelectorAll('[data-testid="stTable"] tr')]
        .find((r) => text(r).startsWith("escapes"));
      const cells = row ? [...row.querySelectorAll("td")].map(text).slice(-counts.length) : [];
      const at = Number(svg.getAttribute("aria-valuenow")).toFixed(4);
      const said = [...document.querySelectorAll("p")].some((p) => text(p).startsWith("Parts with a score of " + at));
      if (said && cells.join() === counts.join()) window.shown = performance.now();
    }
    requestAnimationFrame(look);
  };
  look();
}"""


def written(folder, count):
    """A manifest of tiny images, and a model with scores for them."""
    rng = np.random.default_rng(0)
    names, labels = (
        [f"{i // 1000}/{i}.png" for i in range(count)],
        np.where(rng.random(count) < 0.3, *reversed(CLASSES)),
    )
    for number, name in enumerate(names):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.frombuffer(number.to_bytes(12, "big"), np.uint8).reshape(2, 2, 3)).save(path)
    splits = rng.choice(["train", "validation", "test"], count, p=[0.2, 0.3, 0.5])
    attributes = {
        "camera": rng.choice(list("ABCD"), count),
        "line": rng.choice([f"line {i}" for i in range(12)], count),
    }
    listed = pd.DataFrame({"image": names, "label": labels, "split": splits, **attributes})
    listed.to_csv(folder / "images" / "manifest.csv", index=False)
    scores = np.where(labels == "defective", rng.beta(4, 1.5, count), rng.beta(1.2, 6, count))
    model = shutil.copytree(home() / "assets" / "models" / "solar-cells", folder / "model")
    spec = read_spec(model)
    made = table(labels, np.where(scores >= 0.5, *reversed(CLASSES)), attributes, classes=CLASSES, positive="defective")
    probabilities = np.stack([1 - scores, scores], axis=1).astype(np.float32)
    rule = DecisionRule(tuple(spec.classes), spec.positive, spec.threshold)
    frame = made.frame.assign(name=names, split=splits)
    Predictions(frame, probabilities, np.log(probabilities + 1e-9), rule, spec_key(model, spec)).save(
        model / "predictions.parquet"
    )
    return model, folder / "images" / "manifest.csv"


def drag(page, to):
    """Drag the line to `to`; seconds until the figures, and until all of the page, are there."""
    slider = page.locator('svg[role="slider"]')
    box, at = slider.bounding_box(), float(slider.get_attribute("aria-valuenow"))
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + at * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + to * box["width"], middle, steps=4)
    page.mouse.up()
    page.wait_for_function("window.shown", timeout=60_000)
    page.evaluate("window.idleSince = null")
    page.wait_for_function(IDLE)
    figures, end = page.evaluate("[window.shown - window.let_go, window.idleSince - window.let_go]")
    return figures / 1000, max(end, figures) / 1000


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--drags", type=int, default=20)
    asked.add_argument("--images", type=int, default=20_000)
    given = asked.parse_args()
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        model, images = written(folder, given.images)
        settings = os.environ | {"WORKBENCH_CACHE": str(folder / "cache")}
        with served(folder, settings, "--model", model, "--images", images) as (address, _):
            page = playwright.chromium.launch(executable_path=browser, args=FLAGS).new_page(
                viewport={"width": 1440, "height": 1000}
            )
            page.set_default_timeout(240_000)
            page.goto(f"{address}/defects?choose=hand")
            page.wait_for_selector('svg[role="slider"]')
            page.wait_for_function(IDLE)
            page.locator('svg[role="slider"]').evaluate(WATCH)
            places = np.random.default_rng(1).permutation(np.linspace(0.1, 0.9, given.drags + 1))
            times = np.array([drag(page, float(to)) for to in places])[1:]
    print(
        f"{given.images:,} images, {given.drags} drags, target {1000 * TARGET:.0f} ms\n\n| until | median ms | range"
        " |\n|---|---:|---|"
    )
    for name, taken in zip(("figures", "all of the page"), 1000 * times.T, strict=True):
        print(f"| {name} | {statistics.median(taken):.0f} | {taken.min():.0f} to {taken.max():.0f} |")


if __name__ == "__main__":
    main()
