"""Images and sets of images: decoded safely, split, sampled, filled and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.images.arrays import MAGIC
    from workbench.images.corrupting import corrupt, unsuited
    from workbench.images.corruption_kinds import CORRUPTIONS, IMAGENET_C, OF_LINE, SEVERITIES, Corruption, kinds_of
    from workbench.images.decoding import COPY, FORMATS, NOTES, heard, open_with
    from workbench.images.deep import decode, decode_mask, raster_from, shown
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
        no_images,
        read_source,
    )
    from workbench.images.levels import Editable, Pixels, alike, as_image, as_pixels, resized, shrunk
    from workbench.images.looks import Likeness, Training, appearance, training_looks
    from workbench.images.mask_report import judge, ruled
    from workbench.images.mask_rules import AUTO, check_rule
    from workbench.images.mask_turns import orientation_of
    from workbench.images.masks import MASK_MARK, MASKS_SEEN, MaskSource, doubtful, evenly_spread, mask_of, parts_of
    from workbench.images.pieces import REGION_FILLS, Pieces, square_cells
    from workbench.images.raster import MOST_CHANNELS, Raster, raster_of, without_hint
    from workbench.images.report import SHOWN, Count, Finding, Guess, LeftOut, LoadReport, Question
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
    from workbench.images.splits import SHARES, SPLITS, Deal, deal
    from workbench.images.stamped_metal import (
        NAME,
        SPLIT_SHARES,
        STAMPED,
        STORED,
        Plan,
        draw_parts,
        seed_of,
        set_folder,
        stored_set,
    )
    from workbench.images.stamped_part import LABELS, draw
    from workbench.images.tiffs import MAGICS, pages_alike

__getattr__ = handed_on(
    __name__,
    {
        "tiffs": "MAGICS pages_alike",
        "mask_rules": "AUTO check_rule",
        "mask_report": "judge ruled",
        "arrays": "MAGIC",
        "looks": "Likeness Training appearance training_looks",
        "corrupting": "corrupt unsuited",
        "corruption_kinds": "Corruption CORRUPTIONS IMAGENET_C kinds_of OF_LINE SEVERITIES",
        "decoding": "COPY FORMATS NOTES heard open_with",
        "deep": "decode decode_mask raster_from shown",
        "mask_turns": "orientation_of",
        "raster": "MOST_CHANNELS Raster raster_of without_hint",
        "fills": "FILLS RANDOM cover_region elsewhere tile",
        "item": (
            "BytesSource FileSource ImageItem ImageSet MAX_BYTES SUFFIXES Source image_from_bytes"
            " image_from_file no_images read_source"
        ),
        "levels": "Editable Pixels alike as_image as_pixels resized shrunk",
        "masks": "MASK_MARK MaskSource MASKS_SEEN doubtful evenly_spread mask_of parts_of",
        "report": "Count Finding Guess LeftOut LoadReport Question SHOWN",
        "pieces": "Pieces REGION_FILLS square_cells",
        "samples": "SAMPLE digest draw_sample evenly pick shuffle stratify stratify_items testing_items",
        "splits": "SHARES Deal SPLITS deal",
        "stamped_metal": "NAME Plan SPLIT_SHARES STAMPED STORED draw_parts seed_of set_folder stored_set",
        "stamped_part": "LABELS draw",
    },
)
