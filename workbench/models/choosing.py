"""Which of the tensors of a checkpoint are a network's: below what they lie, and which copy is meant."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from workbench.errors import InputError

Tensors = Mapping[str, Tensor]
COMPUTED = ("num_batches_tracked", "relative_position_index", "attn_mask", "total_ops", "total_params", "n_averaged")
"""Tensors that an architecture computes itself or that only training reads."""
_WRAPPED = re.compile(r"(?<![^./])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_AVERAGE = re.compile(r"(?<![a-z])(ema|averaged?|swa|teacher)(?![a-z])")
_RUNNING = re.compile(r"(?<![a-z])(student|online|current|raw|source)(?![a-z])")
_TRAINING = re.compile(
    r"(.*_)?(loss|losses|loss_fn|loss_function|criterion|metrics?|acc|accuracy|auroc|f1|confmat)\d*(_.*)?"
    r"|(train|val|valid|validation|test)_.*"
)
_RECORDS = re.compile(r"(optimizer|optim|opt|scheduler|lr_|loops|rng|scaler|amp|hyper_param|args|config)")
AVERAGES, PLAIN, OTHERS, RUNNING = range(4)
"""In this order of preference copies are taken, as `timm` takes its own."""


def unwrapped(tensors: Tensors, own: Iterable[str]) -> dict[str, Tensor]:
    """The tensors without the names that torch's own wrappers put between others, where the network has none."""
    if any(_WRAPPED.search(name) for name in own):
        return dict(tensors)
    return {_WRAPPED.sub("", name): tensor for name, tensor in tensors.items()}


def below(tensors: Tensors, choice: str, file: str) -> dict[str, Tensor]:
    """The tensors that lie below `choice`, the name of a dict of the checkpoint or of a module in it.

    Raises:
        InputError: None do.
    """
    if not choice:
        return dict(tensors)
    wanted = f".{choice.replace('/', '.').strip('.')}."
    places = {name: f".{name.replace('/', '.')}" for name in tensors}
    chosen = {name: tensors[name] for name, place in places.items() if place.startswith(wanted)} or {
        name: tensors[name] for name, place in places.items() if wanted in place
    }
    if not chosen:
        tops = dict.fromkeys(re.split(r"[/.]", name)[0] for name in tensors if not is_record(name))
        raise InputError(
            f"{file} holds no weights {choice!r}: set state to one of {', '.join(list(tops)[:8])}, or leave it out."
        )
    return chosen


def roots(tensors: Tensors, names: Iterable[str]) -> dict[str, set[str]]:
    """Beginnings of the tensors' names, each with those of a network's `names` that follow it; the fullest first."""
    own, by_root = set(names), defaultdict[str, set[str]](set)
    for given in tensors:
        if is_record(given):
            continue
        starts = [0, *(match.end() for match in re.finditer(r"[./]", given))]
        for start in starts:
            if given[start:].replace("/", ".") in own:
                by_root[given[:start]].add(given[start:].replace("/", "."))
    return dict(sorted(by_root.items(), key=lambda entry: (-len(entry[1]), len(entry[0]))))


def is_record(name: str) -> bool:
    """Whether a tensor of a checkpoint belongs to its optimiser or the like."""
    top, dict_within, _ = name.partition("/")
    return bool(dict_within and _RECORDS.match(top.lower()))


def is_training(name: str) -> bool:
    """Whether a tensor, by the name of its outermost module, serves a loss or a metric."""
    return bool(_TRAINING.fullmatch(name.partition(".")[0].lower())) or is_computed(name)


def is_computed(name: str) -> bool:
    """Whether the network computes this tensor itself, or only training reads it."""
    return name.rpartition(".")[2] in COMPUTED


def preference(root: str, tensors: Tensors) -> tuple[int, int]:
    """How gladly the copy of the weights below `root` is taken; less is better."""
    name = root.lower()
    if "ema_state_dict" in name and any(other.startswith("message_hub/") for other in tensors):
        return RUNNING, 0  # mmengine keeps the average under "state_dict", and the others here
    if _AVERAGE.search(name.replace("_", "-")):
        exact = ("state_dict_ema/", "model_ema/")
        return AVERAGES, next((i for i, word in enumerate(exact) if name.startswith(word)), len(exact))
    if _RUNNING.search(name.replace("_", "-")):
        return RUNNING, 0
    return (PLAIN, 0) if not root or name.startswith("state_dict/") else (PLAIN, 1) if name == "model/" else (OTHERS, 0)


def module_of(name: str) -> str:
    """What holds a tensor, by its name."""
    return name[: max(name.rfind("."), name.rfind("/"), 0)]


def title(root: str) -> str:
    """What to call the copy below `root`, as `state` takes it."""
    return root.rstrip("./").replace("/", ".") or "the file itself"


def preferred(copies: Sequence[str], tensors: Tensors, file: str, same: bool) -> str:
    """The copy to take of those that fit.

    Args:
        copies: Their roots.
        tensors: All of the checkpoint.
        file: What sentences call it.
        same: Whether all copies hold the same numbers.

    Raises:
        InputError: Nothing says which is meant, and they differ.
    """
    ranks = {root: preference(root, tensors) for root in copies}
    best = [root for root in copies if ranks[root] == min(ranks.values())]
    if len(best) > 1 and not same:
        raise InputError(
            f"{file} holds {len(best)} copies of the weights that differ ({', '.join(map(title, best[:6]))}): say with"
            f' state = "{title(best[0])}" which one is meant.'
        )
    return best[0]


def equal(first: Tensors, second: Tensors) -> bool:
    """Whether two sets of tensors hold the same numbers."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
