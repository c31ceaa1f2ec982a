"""Layouts that are never recognised, only told: what the files allow, and no name of a folder says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.images import AUTO, Guess, mask_of, parts_of
from workbench.sets.class_folders import class_folders, label_in
from workbench.sets.mask_pairs import is_empty
from workbench.sets.mask_paths import masks_by_pattern
from workbench.sets.pairs import pairs
from workbench.sets.readings import NO_MASKS, Reading
from workbench.sets.trees import Tree

SOUND, FLAWED = "good", "defective"


def names(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """Classes from the names of files, less the number at their end: `cat.0.jpg` is a cat."""
    if not asked:
        return None
    reading = _read(tree, options, "names", "a file's name less the number at its end is the class")
    reading.items = [replace(item, label=label_in(PurePosixPath(item.name))) for item in reading.items]
    return reading


def unlabelled(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """All images without a class."""
    if not asked:
        return None
    reading = _read(tree, options, "unlabelled", "no image has a class")
    reading.items = [replace(item, label=None) for item in reading.items]
    return reading


def defects(tree: Tree, options: ReadOptions, asked: bool) -> Reading | None:
    """Images are defective where their mask has anything inside, else good."""
    if not asked:
        return None
    reading = _read(tree, options, "defects", "an image is defective where its mask is not empty")
    parts = {item.name: parts_of(item.mask) for item in reading.items}
    if options.masks != AUTO:
        found = {} if options.masks == NO_MASKS else masks_by_pattern(tree, reading.items, options.masks)[0]
        parts = {name: tuple(found.get(name, {}).values()) for name in parts}
    empty = {name: not files or is_empty(mask_of(files, options.mask_rule)) for name, files in parts.items()}
    label = {True: SOUND, False: FLAWED, None: None}
    reading.items = [replace(item, label=label[empty[item.name]]) for item in reading.items]
    return reading


def _read(tree: Tree, options: ReadOptions, layout: str, why: str) -> Reading:
    """The images and masks of a tree as its folders say, for a layout that was told."""
    reading = pairs(tree, options, True) or class_folders(tree, options, True)
    assert reading is not None
    reading.layout, reading.why, reading.class_names = layout, f"told: {why}", ()
    reading.guesses = [guess for guess in reading.guesses if guess.topic != "labels"]
    reading.guesses.append(Guess("labels", why, "the layout says so", "stated", "layout"))
    reading.questions = [question for question in reading.questions if not question.option.startswith("label.")]
    return reading
