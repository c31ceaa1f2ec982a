"""Classifiers in folders of the Hugging Face hub, built by transformers or timm from a description and plain tensors.

Nothing is fetched and no code but these libraries' own is run: they are handed a description and tensors, never the
folder.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.models.architectures import FETCHING, build_with_weights
from workbench.models.bounds import check_options, check_parameters, outline
from workbench.models.hub import CONFIG, Hub
from workbench.models.published import STATED
from workbench.models.reading import Fact, How, Opened
from workbench.models.weights import read_weights

PROMPT = "a photo of a {}"
"""What a class name is put into for a model that is asked with texts."""
MOST_PROMPTS = 1000


def read_huggingface(
    hub: Hub, *, classes: Sequence[str] = (), prompt: str | None = None, trusted: bool = True
) -> Opened:
    """Build the model that a folder describes.

    Args:
        hub: The folder, read.
        classes: What a model that is asked with texts shall tell apart; others state their classes themselves.
        prompt: What each class is put into, at `{}`; "a photo of a {}" where missing.
        trusted: False for what came from a page.

    Raises:
        InputError: It cannot be built, or its weights do not fit.
    """
    if hub.kind == "timm":
        return _timm(hub, trusted=trusted)
    transformers = require_transformers()
    with _quiet(transformers):
        if hub.kind == "zero-shot":
            return _zero_shot(transformers, hub, classes, prompt, trusted=trusted)
        return _classifier(transformers, hub, trusted=trusted)


def require_transformers() -> Any:
    """The package transformers. Raises InputError where it is not installed."""
    try:
        import transformers
    except ImportError:
        raise InputError(
            "A Hugging Face folder needs the package transformers: run pip install 'explainability-workbench[hf]'."
        ) from None
    return transformers


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without the network, progress bars and warnings of the library, whose findings are told as facts."""
    from huggingface_hub import constants

    log, offline = logging.getLogger("transformers"), constants.HF_HUB_OFFLINE
    level, bars = log.level, transformers.utils.logging.is_progress_bar_enabled()
    try:
        constants.HF_HUB_OFFLINE = True
        log.setLevel(logging.CRITICAL)
        transformers.utils.logging.disable_progress_bar()
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        log.setLevel(level)
        if bars:
            transformers.utils.logging.enable_progress_bar()


def _classifier(transformers: Any, hub: Hub, *, trusted: bool) -> Opened:
    auto = transformers.models.auto.modeling_auto
    config = _config(transformers, hub)
    if type(config) not in auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        raise InputError(
            f"transformers {transformers.__version__} has no image classifier of the family"
            f" {hub.config['model_type']!r}: export the model to ONNX, or give its timm weights."
        )
    if hub.config["model_type"] == "timm_wrapper":
        _check_timm(str(hub.config.get("architecture")), hub.config.get("model_args") or {}, trusted=trusted)
    kind = transformers.models.auto.auto_factory._get_model_class(config, auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING)
    problem, width = hub.config.get("problem_type"), config.num_labels
    if width == 1 and problem == "single_label_classification":
        raise InputError(
            f"{CONFIG} names a single class among which one is chosen, so that every image has the same answer: give"
            " a model of two or more classes, or set problem_type."
        )
    several = hub.several or (problem == "multi_label_classification" and width > 1)
    model, facts = _filled(kind, config, hub, trusted=trusted)
    if isinstance(published := hub.config.get("pretrained_cfg"), dict):
        vars(model)["pretrained_cfg"] = {**published, STATED: CONFIG}
    if not hub.classes:
        facts = (*facts, Fact("classes", f"the file numbers its {width} classes", CONFIG, "stated", "classes"))
    return Opened(
        model,
        hub.key,
        hub.folder.name,
        classes=hub.classes,
        head="multilabel" if several else "logits",
        positive=hub.classes[1] if width == 1 and hub.classes else None,
        facts=(Fact("format", f"Hugging Face folder, {kind.__name__} of transformers", CONFIG, "stated"), *facts),
    )


def _config(transformers: Any, hub: Hub) -> Any:
    family = hub.config["model_type"]
    if family not in transformers.CONFIG_MAPPING:
        raise InputError(
            f"transformers {transformers.__version__} does not know the family {family!r}: install a newer transformers"
            " or export the model to ONNX."
        )
    table = {name: value for name, value in hub.config.items() if name not in ("dtype", "torch_dtype")}
    try:
        config = transformers.CONFIG_MAPPING[family].from_dict(table, attn_implementation="eager")
    except Exception as error:  # each family's description checks itself and raises its own kinds
        raise InputError(f"{CONFIG} is not valid for the family {family!r} ({_short(error)}): correct it.") from error
    config.return_dict = True
    config.output_attentions = config.output_hidden_states = False
    return config


def _filled(kind: Any, config: Any, hub: Hub, *, trusted: bool) -> tuple[nn.Module, tuple[Fact, ...]]:
    """The network with its weights, all of them from the file."""

    def make() -> nn.Module:
        return kind(config)

    if not trusted:
        check_parameters(_made(lambda: outline(make), hub), hub.folder.name)
    state = read_weights(hub.weights)
    model, report = _made(
        lambda: kind.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True, dtype=torch.float32
        ),
        hub,
    )
    if missing := sorted(report["missing_keys"]):
        raise InputError(
            f"{hub.weights.name} does not hold {missing[0]} ({len(missing)} of the weights of {kind.__name__} are"
            " missing), which would be random: give the fine-tuned model, not its base."
        )
    if wrong := sorted(str(key[0] if isinstance(key, tuple) else key) for key in report["mismatched_keys"]):
        raise InputError(
            f"{hub.weights.name} holds {wrong[0]} in another shape than {CONFIG} says: copy both from one folder."
        )
    spare = sorted(report["unexpected_keys"])
    unused = f"; {len(spare)} tensors of the file belong to no part of it ({spare[0]} ...)" if spare else ""
    fact = Fact("weights", f"{len(state)} tensors as float32{unused}", hub.weights.name, "stated")
    return model.eval(), (fact,)


def _made(make: Callable[[], Any], hub: Hub) -> Any:
    try:
        with torch.random.fork_rng(devices=[]):
            return make()
    except InputError:
        raise
    except Exception as error:  # of the library's own code, for a description that nothing can be built from
        raise InputError(
            f"{hub.folder.name} cannot be built from its {CONFIG} and {hub.weights.name} ({_short(error)}): copy the"
            " whole folder again, or export the model to ONNX."
        ) from error


def _short(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:160]


class ZeroShot(nn.Module):
    """An image held against one text a class: logits are the scaled cosine similarities, as the model was trained on.

    The texts' embeddings are computed once; the part of the model that reads texts is dropped.
    """

    def __init__(self, model: nn.Module, texts: Tensor) -> None:
        super().__init__()
        self.model = model
        scale, bias = model.logit_scale, getattr(model, "logit_bias", None)
        self.register_buffer("texts", (texts / texts.norm(dim=-1, keepdim=True)).detach())
        self.register_buffer("scale", scale.detach().exp())  # type: ignore[operator]
        self.register_buffer("bias", torch.zeros(()) if bias is None else bias.detach())
        del model.text_model
        if hasattr(model, "text_projection"):
            del model.text_projection

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of inputs (N, C, H, W)."""
        embedding = _pooled(self.model.get_image_features(pixel_values=x))  # type: ignore[operator]
        embedding = embedding / embedding.norm(dim=-1, keepdim=True)
        return embedding @ self.texts.T * self.scale + self.bias


def _pooled(out: Any) -> Tensor:
    return out if isinstance(out, Tensor) else out.pooler_output


def _zero_shot(transformers: Any, hub: Hub, classes: Sequence[str], prompt: str | None, *, trusted: bool) -> Opened:
    if not classes:
        raise InputError(
            f"{hub.folder.name} tells apart whatever it is asked about, so it needs class names: give them with"
            " --classes, or as classes in a model.toml beside it."
        )
    if len(classes) > MOST_PROMPTS:
        raise InputError(f"A model that is asked with texts takes {MOST_PROMPTS:,} classes at most: shorten the list.")
    template = PROMPT if prompt is None else prompt
    if template.count("{}") != 1:
        raise InputError(f"The prompt {template[:80]!r} must hold {{}} once, where the class name goes: correct it.")
    config = _config(transformers, hub)
    kind = transformers.MODEL_MAPPING[type(config)]
    model, facts = _filled(kind, config, hub, trusted=trusted)
    texts = _embedded(transformers, hub, model, [template.replace("{}", name) for name in classes])
    how: How = "assumed" if prompt is None else "stated"
    return Opened(
        ZeroShot(model, texts).eval(),
        hashlib.sha256(f"{hub.key} {template} {list(classes)}".encode()).hexdigest(),
        hub.folder.name,
        classes=tuple(classes),
        head="multilabel" if hub.several else "logits",
        facts=(
            Fact("format", f"Hugging Face folder, {kind.__name__} of transformers, asked with texts", CONFIG, "stated"),
            *facts,
            Fact("classes", f"each class is asked about as {template!r}", "model.toml", how, "prompt"),
        ),
    )


def _embedded(transformers: Any, hub: Hub, model: nn.Module, texts: list[str]) -> Tensor:
    """One embedding a text, (K, D)."""
    limit = min(int(model.config.text_config.max_position_embeddings), 512)  # type: ignore[union-attr,arg-type]
    padding: bool | str = "max_length" if hub.config["model_type"] == "siglip" else True
    if not (hub.folder / "tokenizer.json").is_file():
        raise InputError(
            f"{hub.folder.name} holds no tokenizer.json, which the class names are read with: save the tokenizer there"
            " (AutoTokenizer.from_pretrained(...).save_pretrained(folder))."
        )
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            hub.folder, local_files_only=True, trust_remote_code=False, config=model.config
        )
        tokens = tokenizer(texts, padding=padding, truncation=True, max_length=limit, return_tensors="pt")
        with torch.inference_mode():
            return _pooled(model.get_text_features(**tokens)).clone()  # type: ignore[operator]
    except Exception as error:  # of the tokenizer's own format
        raise InputError(
            f"The tokenizer in {hub.folder.name} cannot be used ({_short(error)}): save it there again."
        ) from error


def _check_timm(name: str, options: Mapping[str, Any], *, trusted: bool) -> None:
    import timm

    if ":" in name or not timm.is_model(name):
        raise InputError(
            f"timm {timm.__version__} has no model {name!r}, which {CONFIG} names: install a newer timm, or correct it."
        )
    if fetching := sorted(FETCHING & options.keys()):
        raise InputError(f"{CONFIG} may not set the option {fetching[0]!r}, which fetches other weights: remove it.")
    if not trusted:
        check_options(options)


def _timm(hub: Hub, *, trusted: bool) -> Opened:
    name, options = str(hub.config["architecture"]), dict(hub.config.get("model_args") or {})
    _check_timm(name, options, trusted=trusted)
    width = hub.config.get("num_classes") or len(hub.classes)
    if not width:
        raise InputError(
            f"The folder holds a backbone without a head that names classes (num_classes is 0 in {CONFIG}): give the"
            " fine-tuned model."
        )
    chosen = {**options, "num_classes": width}
    opened = build_with_weights(
        f"timm:{name}", (), read_weights(hub.weights), hub.weights.name, trusted=trusted, options=chosen
    )
    model = opened.model
    published = hub.config.get("pretrained_cfg")
    if isinstance(published, Mapping):
        own = getattr(model, "pretrained_cfg", None)
        vars(model)["pretrained_cfg"] = {**(own if isinstance(own, Mapping) else {}), **published, STATED: CONFIG}
    fact = Fact("format", f"Hugging Face folder, {name} of timm", CONFIG, "stated")
    return dataclasses.replace(
        opened, key=hub.key, name=hub.folder.name, classes=hub.classes, head="logits", facts=(fact, *opened.facts)
    )
