"""A `preprocessor_config.json` of transformers as preprocessing, without transformers: what its image processors do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from workbench.errors import InputError
from workbench.models.published import Published

FILE = "preprocessor_config.json"
RESAMPLE = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""Filters by Pillow's numbers, which the files give."""
_HALF, _IMAGENET, _CLIP = (
    {"image_mean": mean, "image_std": std}
    for mean, std in (
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    )
)
_SHORT = {"square": False, "do_center_crop": True}
DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "Beit": {**_HALF, "size": 224, "crop_size": 224, "resample": 3},
        "Bit": {**_CLIP, **_SHORT, "size": 224, "crop_size": 224, "resample": 3},
        "Blip": {**_CLIP, "size": 384, "resample": 3},
        "CLIP": {**_CLIP, **_SHORT, "size": 224, "crop_size": 224, "resample": 3},
        "ChineseCLIP": {**_CLIP, **_SHORT, "size": 224, "crop_size": 224, "resample": 3},
        "ConvNext": {**_HALF, "square": False, "size": 384, "crop_pct": 224 / 256, "resample": 3},
        "DINOv3ViT": {**_IMAGENET, "size": 224},
        "DeiT": {**_HALF, "size": 256, "crop_size": 224, "do_center_crop": True, "resample": 3},
        "EfficientNet": {**_HALF, "size": 346, "crop_size": 289, "resample": 3, "include_top": True},
        "Levit": {**_IMAGENET, **_SHORT, "size": 224, "crop_size": 224, "resample": 3},
        "MobileNetV1": {**_HALF, **_SHORT, "size": 256, "crop_size": 224},
        "MobileNetV2": {**_HALF, **_SHORT, "size": 256, "crop_size": 224},
        "MobileViT": {**_HALF, **_SHORT, "size": 224, "crop_size": 256, "resample": 3, "do_flip_channel_order": True},
        "PPLCNet": {
            "image_mean": (0.406, 0.456, 0.485),
            "image_std": (0.225, 0.224, 0.229),
            "size": 256,
            "crop_size": 224,
            "do_center_crop": True,
            "resize_short": 256,
            "size_divisor": 1,
        },
        "PoolFormer": {**_IMAGENET, **_SHORT, "size": 224, "crop_size": 224, "crop_pct": 0.9, "resample": 3},
        "Pvt": {**_IMAGENET, "size": 224, "resample": 3},
        "Segformer": {**_IMAGENET, "size": 512},
        "Siglip": {**_HALF, "square": False, "size": {"height": 224, "width": 224}, "resample": 3},
        "ViT": {**_HALF, "size": 224},
    }
)
"""What transformers 5 takes where a file does not say, by the first part of the image processor's name; `square` is
how it reads a size of one number."""
ALWAYS = {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255, "resample": 2}
FAMILIES = MappingProxyType(
    {
        **dict.fromkeys(("data2vec-vision",), "Beit"),
        **dict.fromkeys(("dinov2", "dinov2_with_registers", "focalnet", "hiera"), "Bit"),
        **dict.fromkeys(("convnextv2", "cvt", "regnet", "resnet"), "ConvNext"),
        **dict.fromkeys(("dinat", "ijepa", "swiftformer", "swin", "swinv2", "vit_msn"), "ViT"),
        "align": "EfficientNet",
        "dinov3_convnext": "DINOv3ViT",
        "dinov3_vit": "DINOv3ViT",
        "metaclip_2": "CLIP",
        "mobilevitv2": "MobileViT",
        "pp_lcnet": "PPLCNet",
        "pvt_v2": "Pvt",
    }
)
"""Image processors by a `model_type`, where the names differ."""
REASONS = MappingProxyType(
    {
        "Perceiver": "cuts an image before it resizes it",
        "Siglip2": "gives its model patches, as many as an image's shape asks for",
        "TextNet": "keeps each image's shape, so that inputs differ in size",
        "ImageGPT": "turns pixels into the numbers of colour clusters",
        "Donut": "turns and pads pages",
    }
)
"""What image processors do that preprocessing here cannot express."""


def from_processor(config: Mapping[str, Any], model_type: str = "", channels: int = 3) -> Published:
    """What an image processor of transformers does to an image, as fields of `PreprocessingSpec`.

    Args:
        config: The contents of `preprocessor_config.json`.
        model_type: That of `config.json`, which says what processor is meant where the file does not.
        channels: Colours that the model takes, `num_channels` of `config.json`.

    Raises:
        InputError: It does what cannot be expressed, with what that is.

    Example:
        >>> from workbench.models.processors import from_processor
        >>> from_processor({"image_processor_type": "ViTImageProcessor", "size": 32}).fields["size"]
        (32, 32)
    """
    kind = _kind(config, model_type)
    stated = {name: value for name, value in config.items() if value is not None}
    values: dict[str, Any] = ALWAYS | {"square": True} | dict(DEFAULTS[kind]) | stated
    fields = _geometry(kind, values) | _statistics(kind, values, channels)
    fields["interpolation"] = _resample(values["resample"])
    fields["backend"] = "float" if kind == "DINOv3ViT" else "tensor"
    if kind == "PPLCNet" or (kind == "MobileViT" and values["do_flip_channel_order"]):
        fields["channels"] = "bgr"
    silent = [name for name in ("size", "resample", "image_mean", "image_std") if name not in stated]
    source = FILE if not silent else f"{FILE}, and transformers' defaults for {kind} where it is silent"
    whole = f"transformers' defaults for {kind}"
    return Published(fields, source if stated else whole, "published" if silent else "stated")


def _kind(config: Mapping[str, Any], model_type: str) -> str:
    """The first part of the image processor's name."""
    name = config.get("image_processor_type") or config.get("feature_extractor_type")
    if isinstance(name, str):
        kind = name
        for end in ("Fast", "Pil", "ImageProcessor", "FeatureExtractor"):
            kind = kind.removesuffix(end)
    else:
        name = f"of a {model_type or 'model without model_type'}"
        same = {entry.lower(): entry for entry in (*DEFAULTS, *REASONS)}
        kind = FAMILIES.get(model_type) or same.get(model_type.replace("_", "").lower(), "")
    if kind in REASONS:
        raise InputError(
            f"The image processor {name} {REASONS[kind]}, which preprocessing here cannot: give [preprocessing] in a"
            " model.toml if another way does as well."
        )
    if kind not in DEFAULTS:
        raise InputError(
            f"The image processor {name} is none whose preprocessing is known here, and its own code is never run:"
            " give [preprocessing] in a model.toml."
        )
    return kind


def _geometry(kind: str, values: Mapping[str, Any]) -> dict[str, object]:
    """How an image is resized and cut."""
    if not values["do_resize"]:
        raise InputError(f"{FILE} has do_resize = false, so that inputs differ in size: give [preprocessing] size.")
    if values.get("do_pad") and values.get("pad_size"):
        raise InputError(
            f"{FILE} pads images on the right and below (do_pad), which preprocessing here cannot: give [preprocessing]"
            " in a model.toml."
        )
    size = _sides(values["size"], square=values["square"])
    crops = values.get("do_center_crop") and kind != "Segformer"
    crop = _sides(values["crop_size"], square=True) if crops and values.get("crop_size") else None
    window = None if crop is None else (crop["height"], crop["width"])
    short = size.get("shortest_edge")
    if kind == "ConvNext":
        return _of_convnext(size, values["crop_pct"], window)
    if kind == "PPLCNet" and window and values["resize_short"] and values["size_divisor"] == 1:
        return {"resize": "shorter", "resize_to": (values["resize_short"],) * 2, "size": window}
    if "longest_edge" in size or "max_height" in size or kind == "PPLCNet":
        raise InputError(
            f"{FILE} resizes to {_words(size)}, which preprocessing here cannot: give [preprocessing] in a model.toml."
        )
    if kind == "PoolFormer":
        size = {name: int(side / values["crop_pct"]) for name, side in size.items()}
        short = size.get("shortest_edge") or (size["height"] if size["height"] == size["width"] else None)
    if kind == "Levit" and short:
        short = int(256 / 224 * short)
    if short is None:
        whole = size["height"], size["width"]
        return {"resize": "both", "resize_to": whole, "size": window or whole}
    if window is None:
        raise InputError(
            f"{FILE} resizes the shorter side to {short} and cuts nothing, so that inputs differ in size: give"
            " [preprocessing] size and resize in a model.toml."
        )
    return {"resize": "shorter", "resize_to": short, "size": window}


def _of_convnext(size: Mapping[str, int], share: float, window: tuple[int, int] | None) -> dict[str, object]:
    """ConvNeXt's own rule: below 384 pixels an image is cut, from there on it is stretched."""
    short = size.get("shortest_edge")
    if short is None or window not in (None, (short, short)):
        raise InputError(f"{FILE} resizes as ConvNeXt does to {_words(size)}, which transformers refuses: correct it.")
    if short >= 384:
        return {"resize": "both", "resize_to": (short, short), "size": (short, short)}
    return {"resize": "shorter", "resize_to": int(short / share), "size": (short, short)}


def _sides(size: object, *, square: bool) -> dict[str, int]:
    """A size in any of the forms that the files know, as a dict."""
    if isinstance(size, int) and not isinstance(size, bool):
        return {"height": size, "width": size} if square else {"shortest_edge": size}
    if isinstance(size, list | tuple) and len(size) == 2:
        size = {"height": size[0], "width": size[1]}
    if isinstance(size, Mapping):
        sides = {str(name): value for name, value in size.items() if value is not None}
        whole = all(isinstance(value, int) and not isinstance(value, bool) and value > 0 for value in sides.values())
        if whole and ({"height", "width"} <= sides.keys() or sides.keys() & {"shortest_edge", "longest_edge"}):
            return sides
        if whole and {"max_height", "max_width"} <= sides.keys():
            return sides
    raise InputError(f"{FILE} gives the size {size!r}, which is none that transformers reads: correct it.")


def _words(size: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in size.items())


def _resample(number: object) -> str:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(RESAMPLE):
        raise InputError(f"{FILE} gives the filter resample = {number!r}: Pillow's are numbered 0 to 5.")
    if number > 3:
        raise InputError(
            f"{FILE} resizes with the filter {RESAMPLE[number]!r}, which transformers cannot use on tensors either:"
            " give [preprocessing] interpolation in a model.toml."
        )
    return RESAMPLE[number]


def _statistics(kind: str, values: Mapping[str, Any], channels: int) -> dict[str, object]:
    """Mean and std for pixels in 0 .. 1 that do what rescaling, the offset and normalising do to counts."""
    normalises = values["do_normalize"] and kind != "MobileViT"
    mean, std = (
        _numbers(values[name], name, channels) if normalises else (default,) * channels
        for name, default in (("image_mean", 0.0), ("image_std", 1.0))
    )
    if kind == "PPLCNet":  # exchanges the colours after it normalises
        mean, std = mean[::-1], std[::-1]
    white = 255 * (_numbers(values["rescale_factor"], "rescale_factor", 1)[0] if values["do_rescale"] else 1.0)
    if kind == "EfficientNet":
        if values.get("rescale_offset") and values["do_rescale"]:
            mean = tuple(m + 1 for m in mean)
        if values["include_top"]:  # divides once more
            again = _numbers(values["image_std"], "image_std", channels)
            std = tuple(s * t for s, t in zip(std, again, strict=True))
    return {"mean": tuple(_exact(m / white) for m in mean), "std": tuple(_exact(s / white) for s in std)}


def _exact(number: float) -> float:
    """Without the last digits, which 255 * (1 / 255) adds."""
    return float(f"{number:.12g}")


def _numbers(value: object, name: str, channels: int) -> tuple[float, ...]:
    given = list(value) if isinstance(value, list | tuple) else [value]
    numbers = [float(n) for n in given if isinstance(n, int | float) and not isinstance(n, bool)]
    if len(numbers) != len(given):
        raise InputError(f"{FILE} gives {name} = {value!r}: it must be numbers.")
    if len(set(numbers)) == 1:
        numbers = numbers[:1] * channels
    if len(numbers) != channels or (name == "rescale_factor" and numbers[0] == 0):
        raise InputError(
            f"{FILE} gives {len(numbers)} numbers for {name} ({value!r}), and the model takes {channels} channels:"
            " correct it, or give [preprocessing] mean and std in a model.toml."
        )
    return tuple(numbers)
