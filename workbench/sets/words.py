"""Words in which people name the parts of a set: its splits, and folders of images, of masks and of other things."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from workbench.catalog import ReadOptions

SPLIT_WORDS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Words that say it without doubt."""
SPLIT_TOKENS = SPLIT_WORDS | {
    word: split
    for split, text in {
        "train": (
            "trn trainset trainingset traindata trainingdata trainimages trainval trainingsdaten entrainement"
            " entraînement apprentissage entrenamiento 训练 训练集 訓練 학습 훈련"
        ),
        "validation": (
            "dev devset valset validset validationset validationdata valdata validate validierung validierungsdaten"
            " 验证 验证集 検証 검증"
        ),
        "test": (
            "tst testset testingset testdata testimages testdaten eval evaluation holdout heldout 测试 测试集"
            " テスト 테스트"
        ),
    }.items()
    for word in text.split()
}
SECOND_MEANINGS = {"eval": "validation", "evaluation": "validation", "holdout": "validation", "dev": "test"}
"""What words that have two meanings mean where another folder beside them has the first."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


IMAGE_TOKENS = _set(
    "images image imgs img jpegimages jpeg jpegs jpg jpgs png pngs bmp photos photo pics pic pictures picture data"
    " dataset datasets raw frames input inputs all files bilder leftimgbit 图片 图像"
)
MASK_TOKENS = _set(
    "mask masks gt gts groundtruth ground truth annotation annotations annot annots anno annos ann label labels seg"
    " segs segmentation segmentations segmentationclass segmentationobject segmentationmasks matte mattes masken"
    " gtfine gtcoarse 标注"
)
ASIDE_TOKENS = _set(
    "heatmap heatmaps prediction predictions pred preds output outputs overlay overlays visualization visualizations"
    " visualisation visualisations viz vis bbox bboxes xml xmls json thumbnails thumbs checkpoints logs docs figures"
    " result results plots figs assets notebooks scripts"
)
MINOR_TOKENS = (
    IMAGE_TOKENS
    | MASK_TOKENS
    | _set("set sets split subset x y public private stage full mini ds cls classification samples part dir patches")
)
"""What stands beside a word of a split and does not change its meaning."""
COPY_TOKENS = _set(
    "original originals orig resized resize rescaled scaled aug augmented augmentation augmentations cropped crops"
    " processed preprocessed normalized normalised gray grey grayscale greyscale enhanced denoised thumbnails thumbs"
    " px x"
)
"""In names of folders that hold the same images, made or treated otherwise."""
LOT_TOKENS = _set(
    "lot lots ds batch batches day days date week month year session sessions run runs cam camera cameras part parts"
    " line shift series exp serie seq sequence video clip patient subject group fold charge los deep sub subfolder"
    " jan feb mar apr may jun jul aug sep oct nov dec"
)


@lru_cache(maxsize=2**14)
def tokens(word: str) -> tuple[str, ...]:
    """A name's words and numbers in lower case: `trainSet_2017b` is train, set, 2017, b."""
    text = unicodedata.normalize("NFC", word)
    text = re.sub(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])", " ", text)
    return tuple(re.findall(r"[^\W\d_]+|\d+", text.casefold()))


def split_of(word: str, options: ReadOptions) -> str | None:
    """The split that a folder's name or a table's word means, by the options and then by the usual words."""
    if (given := options.splits.get(word)) is not None:
        return None if given == "none" else given
    return usual_split(word)


@lru_cache(maxsize=2**14)
def usual_split(word: str) -> str | None:
    """The split that a word means where nobody says otherwise."""
    parts = tokens(word)
    if (whole := SPLIT_TOKENS.get("".join(parts))) is not None:
        return whole
    rest = [part for part in parts if part not in SPLIT_TOKENS and part not in MINOR_TOKENS and not part.isdigit()]
    return None if rest else split_within(word)


def split_within(word: str) -> str | None:
    """The one split that a name speaks of, whatever else it says: train of `train_dogs`."""
    splits = {SPLIT_TOKENS[part] for part in tokens(word) if part in SPLIT_TOKENS}
    return splits.pop() if len(splits) == 1 else "train" if splits == {"train", "validation"} else None


def beside_split(word: str) -> str:
    """What a name says apart from a split: good of `train_good`, A of `testA`."""
    text = re.sub(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])", " ", unicodedata.normalize("NFC", word))
    return " ".join(part for part in re.findall(r"[^\W\d_]+|\d+", text) if part.casefold() not in SPLIT_TOKENS)


def is_plain_split(word: str) -> bool:
    """Whether the word means a split without doubt, as train or Validation."""
    return word.strip().lower() in SPLIT_WORDS


def role_of(word: str) -> str:
    """What a folder of this name holds, whatever the set is about: "images", "masks", "aside" (heatmaps, predictions
    and the like), or "" where the name says nothing of the kind.
    """
    parts = [part for part in tokens(word) if not part.isdigit()]
    for role, words in (("images", IMAGE_TOKENS), ("masks", MASK_TOKENS), ("aside", ASIDE_TOKENS)):
        if parts and ("".join(parts) in words or all(part in words for part in parts)):
            return role
    return ""


def is_copy(word: str) -> bool:
    """Whether a folder of this name holds images of the set in another form: `resized_224`, `aug`, `256x256`."""
    parts = tokens(word)
    return (
        bool(parts)
        and all(part in COPY_TOKENS | IMAGE_TOKENS or part.isdigit() for part in parts)
        and (any(part in COPY_TOKENS for part in parts) or role_of(word) == "images")
    )


def is_lot(word: str) -> bool:
    """Whether a folder of this name says when or where its images were taken, not what they show."""
    parts = tokens(word)
    synset = re.fullmatch(r"n\d{8}", word) is not None
    return not synset and all(part.isdigit() or part in LOT_TOKENS or len(part) == 1 for part in parts)


def is_dated(word: str) -> bool:
    """Whether a name says so in words or as a date; a number or letter alone may be a class."""
    parts = tokens(word)
    return is_lot(word) and (any(part in LOT_TOKENS for part in parts) or len(parts) > 2)


def same_name(word: str) -> str:
    """What is the same for names that differ in case, in spaces or in how accents are written alone."""
    return " ".join(re.split(r"[\s_-]+", unicodedata.normalize("NFKC", word).strip().casefold()))
