"""Model files as the native libraries save them, with random weights of a size that matters and tiny shapes; each with
what its own library says of an image."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

CLASSES = ("good", "scratched", "dented")
Native = Callable[[Image.Image], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Made:
    """A file or folder.

    Attributes:
        form: Its format.
        family: Its architecture.
        path: Where it lies.
        native: What its own library answers for an image, logits of shape (K,).
        keywords: What `load_classifier` must be told.
    """

    form: str
    family: str
    path: Path
    native: Native
    keywords: dict[str, Any] = dataclasses.field(default_factory=dict)


def picture(seed: int = 0, size: tuple[int, int] = (70, 50)) -> Image.Image:
    """An image with coarse and fine structure, (width, height)."""
    chance = np.random.default_rng(seed)
    coarse = Image.fromarray(chance.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    fine = chance.integers(-25, 26, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(coarse).astype(int) + fine).clip(0, 255).astype(np.uint8))


def lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model with weights that make its answers differ from image to image, in evaluation mode."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                fan = max(1, parameter[0].numel())
                parameter.copy_(torch.randn(parameter.shape, generator=chance) * (2 / fan) ** 0.5)
            elif parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape, generator=chance) * 0.05)
        for name, buffer in model.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5, generator=chance)
            elif name.endswith("running_mean"):
                buffer.normal_(0, 0.1, generator=chance)
    return model.eval()


def settled(model: nn.Module, x: torch.Tensor) -> nn.Module:
    """The model with the statistics of its batch normalisation taken from inputs, and a last layer that lets its
    answers differ."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        if norms:
            for module in norms:
                module.momentum = 1.0
            model.train()(x)
        spread = model.eval()(x).logits.std(0).mean().item()
        [*_, last] = [module for module in model.modules() if isinstance(module, nn.Linear)]
        last.weight.mul_(min(max(0.5 / spread, 1), 1000))
    return model


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars and warnings of exporters and libraries."""
    import transformers

    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _vit(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "image_size": 32,
        "patch_size": 8,
        **more,
    }


_DINO = {name: value for name, value in _vit(mlp_ratio=2).items() if name != "intermediate_size"}
_WINDOWS = {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4}
_STAGES = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
_LEVIT = {
    "image_size": 64, "hidden_sizes": [16, 24, 32], "num_attention_heads": [1, 2, 2], "depths": [1, 1, 1],
    "key_dim": [8, 8, 8],
}  # fmt: skip
_MOBILE = {
    "hidden_sizes": [8, 12, 16], "neck_hidden_sizes": [4, 4, 8, 8, 12, 16, 32], "num_attention_heads": 2,
    "image_size": 64,
}  # fmt: skip

HUGGINGFACE: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "vit": ("ViT", _vit(), "ViT", {"size": {"height": 32, "width": 32}}),
    "deit": ("DeiT", _vit(), "DeiT", {"size": {"height": 36, "width": 36}, "crop_size": {"height": 32, "width": 32}}),
    "beit": ("Beit", _vit(out_indices=[1]), "Beit", {"size": {"height": 32, "width": 32}, "do_center_crop": False}),
    "swin": ("Swin", _WINDOWS, "ViT", {"size": {"height": 32, "width": 32}}),
    "swinv2": ("Swinv2", _WINDOWS, "ViT", {"size": {"height": 32, "width": 32}}),
    "convnext": ("ConvNext", _STAGES, "ConvNext", {"size": {"shortest_edge": 48}}),
    "convnextv2": ("ConvNextV2", _STAGES, "ConvNext", {"size": {"shortest_edge": 48}}),
    "resnet": (
        "ResNet",
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
        "ConvNext",
        {"size": {"shortest_edge": 48}},
    ),
    "efficientnet": (
        "EfficientNet",
        {"width_coefficient": 0.25, "depth_coefficient": 0.3, "image_size": 48, "hidden_dim": 320},
        "EfficientNet",
        {"size": {"height": 48, "width": 48}},
    ),
    "mobilenet_v1": (
        "MobileNetV1",
        {"depth_multiplier": 0.25, "image_size": 48},
        "MobileNetV1",
        {"size": {"shortest_edge": 54}, "crop_size": {"height": 48, "width": 48}},
    ),
    "mobilenet_v2": (
        "MobileNetV2",
        {"depth_multiplier": 0.25, "image_size": 48},
        "MobileNetV2",
        {"size": {"shortest_edge": 54}, "crop_size": {"height": 48, "width": 48}},
    ),
    "mobilevit": (
        "MobileViT",
        _MOBILE,
        "MobileViT",
        {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}},
    ),
    "regnet": (
        "RegNet",
        {"embedding_size": 8, **_STAGES, "groups_width": 4},
        "ConvNext",
        {"size": {"shortest_edge": 64}},
    ),
    "levit": ("Levit", _LEVIT, "Levit", {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}),
    "poolformer": (
        "PoolFormer",
        _STAGES,
        "PoolFormer",
        {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}},
    ),
    "dinov2": ("Dinov2", _DINO, "Bit", {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}),
    "dinov2_with_registers": (
        "Dinov2WithRegisters",
        _DINO,
        "Bit",
        {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}},
    ),
    "siglip": ("Siglip", {"vision_config": _vit()}, "Siglip", {"size": {"height": 32, "width": 32}}),
}
"""Families of transformers: the classes' first word, a tiny description, and the image processor with its settings."""


def huggingface(folder: Path, name: str, *, several: bool = False, shards: bool = False, binary: bool = False) -> Made:
    """A folder of transformers with a classification head."""
    import transformers

    first, settings, processor, sizes = HUGGINGFACE[name]
    with quiet():
        config = getattr(transformers, f"{first}Config")(**settings)
        config.id2label = dict(enumerate(CLASSES))
        config.label2id = {label: index for index, label in enumerate(CLASSES)}
        config.problem_type = "multi_label_classification" if several else None
        model = lively(getattr(transformers, f"{first}ForImageClassification")(config))
        side = (settings.get("vision_config") or settings).get("image_size", 64)
        model = settled(model, torch.randn(8, 3, side, side, generator=torch.Generator().manual_seed(0)))
        prepare = getattr(transformers, f"{processor}ImageProcessor")(**sizes)
        model.save_pretrained(folder, **({"max_shard_size": "8KB"} if shards else {}))
        if binary:
            torch.save(model.state_dict(), folder / "pytorch_model.bin")
            (folder / "model.safetensors").unlink()
        prepare.save_pretrained(folder)

    def native(image: Image.Image) -> np.ndarray:
        with quiet(), torch.inference_mode():
            own = transformers.AutoImageProcessor.from_pretrained(folder)
            return model(**own(image, return_tensors="pt")).logits[0].numpy()

    kind = "sharded" if shards else "pytorch_model.bin" if binary else "several labels" if several else ""
    return Made("Hugging Face", f"{name}, {kind}" if kind else name, folder, native)


def zero_shot(folder: Path, name: str) -> Made:
    """A folder of CLIP or SigLIP, asked with class names."""
    import tokenizers
    import transformers

    words = ["<pad>", "<s>", "</s>", "<unk>", "a", "photo", "of", "part", *CLASSES]
    texts = {"vocab_size": len(words), "max_position_embeddings": 16, "pad_token_id": 0, "bos_token_id": 1}
    texts |= {"eos_token_id": 2, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    texts |= {"num_attention_heads": 2, "projection_size": 16, "projection_dim": 16}
    first = {"clip": "CLIP", "siglip": "Siglip"}[name]
    with quiet():
        kind = getattr(transformers, f"{first}Config")
        pixels = _vit(projection_dim=16)
        config = kind(text_config=texts, vision_config=pixels, **({"projection_dim": 16} if name == "clip" else {}))
        model = lively(getattr(transformers, f"{first}Model")(config))
        model.save_pretrained(folder)
        size = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
        plain = {"size": {"height": 32, "width": 32}}
        getattr(transformers, f"{first}ImageProcessor")(**(size if name == "clip" else plain)).save_pretrained(folder)
        core = tokenizers.Tokenizer(tokenizers.models.WordLevel(dict(zip(words, range(99), strict=False)), "<unk>"))
        core.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        core.post_processor = tokenizers.processors.TemplateProcessing(
            "<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=core, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
        )
        tokenizer.save_pretrained(folder)

    def native(image: Image.Image) -> np.ndarray:
        with quiet(), torch.inference_mode():
            own = transformers.AutoImageProcessor.from_pretrained(folder)
            padding = {"padding": "max_length", "max_length": 16} if name == "siglip" else {"padding": True}
            tokens = tokenizer([f"a photo of a {label} part" for label in CLASSES], return_tensors="pt", **padding)
            keys = ("input_ids", "attention_mask")
            asked = {key: tokens[key] for key in keys}
            return model(**asked, **own(image, return_tensors="pt")).logits_per_image[0].numpy()

    keywords = {"classes": list(CLASSES), "prompt": "a photo of a {} part"}
    return Made("Hugging Face", f"{name}, asked with texts", folder, native, keywords)


def timm_hub(folder: Path, architecture: str, *, wrapped: bool = False, **options: Any) -> Made:
    """A folder that timm pushes to the hub, or transformers with timm inside."""
    import timm

    model = lively(timm.create_model(architecture, num_classes=3, **options))
    side = options.get("img_size", 64)
    published = dict(model.pretrained_cfg) | {"input_size": (3, side, side), "crop_pct": 0.9, "num_classes": 3}
    published = {name: value for name, value in published.items() if isinstance(value, str | int | float | tuple)}
    with quiet():
        if wrapped:
            import transformers

            table = {"architecture": architecture, "model_args": options, "pretrained_cfg": published}
            table |= {"num_classes": 3, "label_names": list(CLASSES)}
            config = transformers.TimmWrapperConfig.from_dict(table)
            outer = transformers.TimmWrapperForImageClassification(config)
            outer.timm_model.load_state_dict(model.state_dict())
            outer.save_pretrained(folder)
        else:
            timm.models.save_for_hf(model, folder, model_config={"pretrained_cfg": published, "label_names": CLASSES},
                                    model_args=options or None, safe_serialization=True)  # fmt: skip

    def native(image: Image.Image) -> np.ndarray:
        config = timm.data.resolve_data_config({}, pretrained_cfg=published)
        with torch.inference_mode():
            return model(timm.data.create_transform(**config)(image)[None])[0].numpy()

    return Made("timm inside transformers" if wrapped else "timm on the hub", architecture, folder, native)
