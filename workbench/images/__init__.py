"""Images and sets of images: read from any layout, decoded safely, split, sampled, filled and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.images.archives import zip_tree
    from workbench.images.decoding import COPY, NOTES
    from workbench.images.deep import decode, raster_from, shown
    from workbench.images.fills import FILLS, RANDOM, cover_region, elsewhere, tile
    from workbench.images.item import (
        MAX_BYTES,
        SUFFIXES,
        BytesSource,
        FileSource,
        ImageItem,
        ImageSet,
        Source,
        image_from_bytes,
        image_from_file,
        read_source,
    )
    from workbench.images.layouts import LAYOUTS, images_from_zip, load_images, stamp, tree_of
    from workbench.images.levels import Editable, Pixels, alike, as_image, as_pixels, resized, shrunk
    from workbench.images.looks import Likeness, Training, appearance, training_looks
    from workbench.images.manifests import SYNTHETIC
    from workbench.images.masks import MASK_MARK, parts_of
    from workbench.images.options import (
        images_toml,
        options_flags,
        options_from,
        options_of,
        options_read,
        options_text,
    )
    from workbench.images.pieces import REGION_FILLS, Pieces, square_cells
    from workbench.images.raster import MOST_CHANNELS, Raster, raster_of, without_hint
    from workbench.images.report import Count, Finding, Guess, LeftOut, LoadReport, Question
    from workbench.images.samples import (
        SAMPLE,
        digest,
        draw_sample,
        evenly,
        pick,
        shuffle,
        stratify,
        stratify_items,
        testing_items,
    )
    from workbench.images.splits import SPLITS, Deal, deal
    from workbench.images.stamped_metal import NAME, SPLIT_SHARES, STAMPED, STORED, Plan, draw_parts
    from workbench.images.stamped_part import LABELS, draw
    from workbench.images.trees import Tree
    from workbench.images.words import split_of

__getattr__ = handed_on(
    __name__,
    {
        "looks": "Likeness Training appearance training_looks",
        "decoding": "COPY NOTES",
        "deep": "decode raster_from shown",
        "raster": "MOST_CHANNELS Raster raster_of without_hint",
        "fills": "FILLS RANDOM cover_region elsewhere tile",
        "item": (
            "BytesSource FileSource ImageItem ImageSet MAX_BYTES SUFFIXES Source"
            " image_from_bytes image_from_file read_source"
        ),
        "levels": "Editable Pixels alike as_image as_pixels resized shrunk",
        "layouts": "LAYOUTS images_from_zip load_images stamp tree_of",
        "manifests": "SYNTHETIC",
        "masks": "MASK_MARK parts_of",
        "options": "images_toml options_flags options_from options_of options_read options_text",
        "report": "Count Finding Guess LeftOut LoadReport Question",
        "archives": "zip_tree",
        "trees": "Tree",
        "pieces": "Pieces REGION_FILLS square_cells",
        "samples": "SAMPLE digest draw_sample evenly pick shuffle stratify stratify_items testing_items",
        "splits": "Deal SPLITS deal",
        "stamped_metal": "NAME Plan SPLIT_SHARES STAMPED STORED draw_parts",
        "stamped_part": "LABELS draw",
        "words": "split_of",
    },
)
