"""Classifiers: loaded without running anybody's code, asked under one lock, with their preprocessing and their rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.models.architectures import build
    from workbench.models.class_lists import read_class_list
    from workbench.models.classifier import Classifier, answers, ask, forwards, predict, tile_logits, untouched
    from workbench.models.compressed import CHEAPER, cheaper, stored
    from workbench.models.fitting import fit_weights
    from workbench.models.folder import (
        WEIGHTS,
        ModelSpec,
        label_key,
        model_toml,
        read_spec,
        spec_key,
        thresholds_of,
        weights_path,
    )
    from workbench.models.grids import Grid, is_attention
    from workbench.models.heads import HEADS, read_answer
    from workbench.models.hub import is_hub, read_hub
    from workbench.models.inputs import Askable, Input
    from workbench.models.loading import load_classifier, load_file, load_folder
    from workbench.models.placement import Placement
    from workbench.models.preprocessing import BASELINES, BATCH, Preprocessing
    from workbench.models.reading import TOPICS, Fact, Opened
    from workbench.models.rereading import reread, settings_toml
    from workbench.models.settings import Settings
    from workbench.models.shards import content_key
    from workbench.models.temperature_toml import temperature_lines, tempered_toml
    from workbench.models.tiles import cut_tile, tile_weights
    from workbench.models.uploads import upload_model
    from workbench.models.weights import read_weights

__getattr__ = handed_on(
    __name__,
    {
        "architectures": "build",
        "class_lists": "read_class_list",
        "classifier": "Classifier answers ask forwards predict tile_logits untouched",
        "compressed": "CHEAPER cheaper stored",
        "fitting": "fit_weights",
        "folder": "WEIGHTS ModelSpec label_key model_toml read_spec spec_key thresholds_of weights_path",
        "grids": "Grid is_attention",
        "heads": "HEADS read_answer",
        "hub": "is_hub read_hub",
        "inputs": "Askable Input",
        "loading": "load_classifier load_file load_folder",
        "placement": "Placement",
        "preprocessing": "BASELINES BATCH Preprocessing",
        "reading": "TOPICS Fact Opened",
        "rereading": "reread settings_toml",
        "settings": "Settings",
        "shards": "content_key",
        "temperature_toml": "temperature_lines tempered_toml",
        "tiles": "cut_tile tile_weights",
        "uploads": "upload_model",
        "weights": "read_weights",
    },
)
