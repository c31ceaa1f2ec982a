"""Corrections of how a set is read, taken home: what is written into workbench.toml is read back as it was."""

from __future__ import annotations

import pytest

from workbench.catalog import CONFIG_VARIABLE, ImagesEntry, ReadOptions, load_catalog
from workbench.sets import images_toml, options_from, options_text

ODD = 'é "quoted" = #x\\ y\t\x7f 训练'


@pytest.mark.parametrize(
    "options",
    [
        ReadOptions(),
        ReadOptions(layout="folders", root="a/b c", masks="masks/{stem}.png", mask_rule="128"),
        ReadOptions(splits={"dev": "validation", ODD: "none"}, labels={"0": "good", ODD: "", "a.b": ODD}),
        ReadOptions(columns={"image": "path", "label": ODD}, leave_out=("figures/*", ODD)),
        ReadOptions(window=(0.1, 65535.25)),
        ReadOptions(window=(-1234567.5, 4294967295)),
    ],
)
def test_options_outlive_the_way_through_a_link_and_through_a_catalog(tmp_path, monkeypatch, options):
    assert options_from(options_text(options)) == options
    entry = ImagesEntry(title=ODD, ref=str(tmp_path / "parts"), synthetic=True, read=options)
    (tmp_path / "own.toml").write_text(images_toml(ODD, entry), encoding="utf-8")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "own.toml"))
    assert load_catalog().images[ODD] == entry
