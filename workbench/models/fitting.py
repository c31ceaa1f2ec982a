"""Lay the weights of a file into a network, under the names that it gives them, and say what was done for it."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.models.choosing import (
    AVERAGES,
    Tensors,
    below,
    equal,
    is_computed,
    is_record,
    is_training,
    module_of,
    preference,
    preferred,
    roots,
    title,
    unwrapped,
)
from workbench.models.misfits import SizeError, check_kinds, misfit, precisions, wrong_width
from workbench.models.reading import Fact
from workbench.models.reshaping import moved_head, published, stored_size

MOST_ROOTS = 12
"""Places in a checkpoint that are tried."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """Weights under a network's own names.

    Attributes:
        tensors: By name; what a network computes itself may be missing.
        facts: How they were found.
        notes: What a reader must know of it.
    """

    tensors: Tensors
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()


def fit_weights(
    model: nn.Module, state: Tensors, name: str, *, by_order: bool = False, choice: str = "", resample: bool = True
) -> Fit:
    """Load weights into a model. Arguments, result and errors as `matched`."""
    fit = matched(model, state, name, by_order=by_order, choice=choice, resample=resample)
    model.load_state_dict(dict(fit.tensors), strict=False)
    return fit


def matched(
    model: nn.Module, state: Tensors, name: str, *, by_order: bool = False, choice: str = "", resample: bool = True
) -> Fit:
    """Weights under the names that a model gives them, wherever in a checkpoint and after whatever prefix they stand.

    Args:
        model: It may be one on "meta".
        state: The tensors of a file, as `read_weights` names them; found by name or, with `by_order`, by their order.
        name: What to call their file in a message.
        choice: Which copy of the weights to take, where a checkpoint holds several; the average of training where
            missing.
        resample: Whether to interpolate position embeddings of another size; otherwise `SizeError` tells the size.

    Raises:
        InputError: They do not fit; the message names the first that does not, or copies that nothing tells apart.
    """
    own = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, Tensor)}
    given = below(unwrapped(state, own), choice, name)
    if by_order:
        return _ordered(own, given, name, choice)
    place = _Place(model, own, given, name, resample)
    fits, reasons = dict[str, Fit](), list[InputError]()
    for root in place.near:
        try:
            fits[root] = place.fit(root)
        except InputError as error:
            reasons.append(error)
    if not fits:
        raise next((r for r in reasons if type(r) is not InputError), None) or (
            reasons[0] if reasons else misfit(own, given, next(iter(place.roots), ""), place.lead, name)
        )
    first = next(iter(fits.values()))
    best = preferred(list(fits), state, name, all(equal(first.tensors, fit.tensors) for fit in fits.values()))
    return dataclasses.replace(
        fits[best], facts=(_which(best, list(fits), state, name, bool(choice)), *fits[best].facts)
    )


class _Place:
    """A network's tensors beside those of a file; its names here are those after the beginning that all share."""

    def __init__(self, model: nn.Module, own: Tensors, given: Tensors, file: str, resample: bool) -> None:
        self.model, self.given, self.file, self.resample = model, given, file, resample
        self.lead = _shared(own)
        self.own = {name.removeprefix(self.lead): tensor for name, tensor in own.items()}
        self.needed = [name for name in self.own if not is_computed(name)]
        self.roots = roots(given, self.own)
        near = [root for root, names in self.roots.items() if 2 * len(names) >= len(self.needed)]
        self.near = near[:MOST_ROOTS]

    def fit(self, root: str) -> Fit:
        """The weights below `root`. Errors as `matched`."""
        inside = {name[len(root) :].replace("/", "."): name for name in self._ours(root) if name.startswith(root)}
        found = {name: self.given[inside[name]] for name in self.own.keys() & inside.keys()}
        found |= {name: found[other] for name, other in self._tied(found).items()}
        left = {
            name: self.given[name] for name in inside.values() if name[len(root) :].replace("/", ".") not in self.own
        }
        beside = {name: self.given[name] for name in self._beside(root)}
        facts = self._add_head(found, left, beside)
        if not self._is_exact(found, left, root):
            found, more = self._reshaped(found, left, root)
            facts += more
        check_kinds(self.own, found, self.file)
        unused = [name for name in (*left, *beside) if not is_computed(name)]
        facts += _told(unused, self.file) + _precision(found, self.file)
        return Fit({self.lead + name: tensor for name, tensor in found.items()}, tuple(facts), _noted(unused, root))

    def _ours(self, root: str) -> list[str]:
        """Names in the file but for those of optimisers and of other copies of the weights."""
        others = [other for other in self.near if not root.startswith(other) and other.startswith(_dict_of(root))]
        return [name for name in self.given if not is_record(name) and not name.startswith(tuple(others))]

    def _beside(self, root: str) -> list[str]:
        """Names that stand beside `root` in its dict, or in the dicts beside it where that holds nothing else."""
        place = _dict_of(root)
        names = [name for name in self._ours(root) if name.startswith(place) and not name.startswith(root)]
        if names or not place:
            return names
        place = _dict_of(place.removesuffix("/"))
        copies = tuple(copy for copy in self.near if copy)
        return [name for name in self._ours(root) if name.startswith(place) and not name.startswith(copies)]

    def _tied(self, found: Tensors) -> dict[str, str]:
        """For names that are missing, another of the same tensor: files keep those that a network shares once."""
        groups = defaultdict[int, list[str]](list)
        for name, tensor in self.model.named_parameters(remove_duplicate=False):
            groups[id(tensor)].append(name.removeprefix(self.lead))
        same = {name: [other for other in group if other in found] for group in groups.values() for name in group}
        return {name: same[name][0] for name in self.needed if name not in found and same.get(name)}

    def _add_head(self, found: dict[str, Tensor], left: dict[str, Tensor], beside: dict[str, Tensor]) -> list[Fact]:
        """Add the last layer where it stands under another name, and take it from what is left."""
        missing = [self.lead + name for name in self.needed if name not in found]
        spare = {name: tensor for name, tensor in (left | beside).items() if not is_training(_last_dict(name))}
        names = moved_head(self.model, missing, spare) if missing else None
        if names is None:
            self._check_head(missing, spare)
            return []
        for own, name in names.items():
            found[own.removeprefix(self.lead)] = spare[name]
            left.pop(name, None)
            beside.pop(name, None)
        module, place = next((module_of(own), module_of(name)) for own, name in names.items())
        return [
            Fact(
                "weights",
                f"the last layer, {module}, is {title(place)} in the file; layers without weights around it, such as a"
                " dropout or an activation, are not in a file of weights and are left out",
                self.file,
                "assumed",
                "architecture",
            )
        ]

    def _check_head(self, missing: list[str], spare: Tensors) -> None:
        """Refuse, by `InputError`, weights that lack nothing but the last layer and have another head instead."""
        modules = {module_of(name) for name in missing}
        if len(modules) == 1 and spare and isinstance(self.model.get_submodule(next(iter(modules))), nn.Linear):
            shown = ", ".join(map(title, list(spare)[:4]))
            raise InputError(
                f"{self.file} does not fit the architecture: its head is not the one layer {modules.pop()} but {shown};"
                " build the network as it was trained with a python: factory, or export it (torch.export, ONNX)."
            )

    def _is_exact(self, found: Tensors, left: Iterable[str], root: str) -> bool:
        strange = [name for name in left if not is_computed(name) and not _is_apart(name, root)]
        alike = all(name in found and found[name].shape == self.own[name].shape for name in self.needed)
        return alike and not strange

    def _reshaped(self, found: Tensors, left: Tensors, root: str) -> tuple[dict[str, Tensor], list[Fact]]:
        """What the publisher of the architecture makes of weights that do not fit as they are. Errors as `matched`."""
        wrong = {name: found[name] for name in found if found[name].shape != self.own[name].shape}
        if wrong and (error := wrong_width(self.own, wrong, self.file)):
            raise error
        size = stored_size(self.model, found)
        if size is not None and not self.resample:
            raise SizeError(f"{self.file} holds weights for inputs of {size[0]} x {size[1]} pixels.", size)
        whole = {**found, **{name[len(root) :]: tensor for name, tensor in left.items()}}
        made = published(self.model, whole) or {}
        strange = [name for name in made if name not in self.own and not is_computed(name)]
        if strange or not self._is_exact(made, (), root):
            raise misfit(self.own, whole, "", self.lead, self.file)
        value = (
            f"the position embeddings are interpolated from those for {size[0]} x {size[1]} pixels"
            if size is not None
            else f"tensors of another size are interpolated ({', '.join(sorted(wrong)[:3])})"
            if wrong
            else "names and shapes are converted"
        )
        left_names = [name for name in made if name in self.own]
        source = f"{type(self.model).__module__.partition('.')[0]}'s own function for this architecture"
        return {name: made[name] for name in left_names}, [Fact("weights", value, source, "published", "options")]


def _shared(own: Iterable[str]) -> str:
    """The outermost modules that all names begin with."""
    lead = ""
    modules = [name.split(".")[:-1] for name in own]
    for level in zip(*modules, strict=False):
        if len(set(level)) > 1:
            break
        lead += f"{level[0]}."
    return lead


def _dict_of(name: str) -> str:
    return name[: name.rfind("/") + 1]


def _last_dict(name: str) -> str:
    return name[name.rfind("/") + 1 :]


def _is_apart(name: str, root: str) -> bool:
    """Whether a tensor below `root` is none of the network's: it serves a loss or a metric, or lies in another dict."""
    return is_training(name[len(root) :]) or (not root and "/" in name)


def _which(best: str, copies: list[str], state: Tensors, file: str, chosen: bool) -> Fact:
    """Which copy of the weights was taken, and what else there is."""
    others = [title(root) for root in copies if root != best]
    value = f"taken from {title(best)}" if best else "each tensor by its own name"
    if not others:
        return Fact("weights", value, file, "stated", "state")
    average = preference(best, state)[0] == AVERAGES
    value += (", the moving average of training" if average else "") + f"; the file also holds {', '.join(others)}"
    return Fact("weights", value, "state" if chosen else "the rule of timm", "stated" if chosen else "assumed", "state")


def _told(unused: list[str], file: str) -> list[Fact]:
    if not unused:
        return []
    shown = ", ".join(map(title, unused[:3])) + (f" and {len(unused) - 3:,} more" if len(unused) > 3 else "")
    return [Fact("weights", f"left out, as the architecture has none of that name: {shown}", file, "assumed")]


def _noted(unused: list[str], root: str) -> tuple[str, ...]:
    """A note where what is left out may have had a part in the answers."""
    odd = [title(name) for name in unused if not is_training(_last_dict(name)) and not is_training(name[len(root) :])]
    if not odd:
        return ()
    return (
        f"The file holds tensors that the architecture does not have ({', '.join(odd[:3])}): if they have a part in the"
        " answers, these are not the answers of the model that was saved.",
    )


def _precision(found: Tensors, file: str) -> list[Fact]:
    kinds = precisions(found, found)
    return [Fact("weights", f"{' and '.join(kinds)} in the file, computed in float32", file, "stated")] if kinds else []


def _ordered(own: Tensors, given: Tensors, file: str, choice: str) -> Fit:
    """Weights by their order, from the dict of the file that holds as many."""
    dicts = defaultdict[str, dict[str, Tensor]](dict)
    for name, tensor in given.items():
        if not is_record(name):
            dicts[_dict_of(name)][name] = tensor
    fits = {place: tensors for place, tensors in dicts.items() if len(tensors) == len(own)}
    if not fits:
        most = max(map(len, dicts.values()), default=0)
        raise InputError(
            f"{file} holds {most} tensors but the architecture has {len(own)}: they do not belong together."
        )
    first = list(next(iter(fits.values())).values())
    same = all(all(map(torch.equal, first, tensors.values())) for tensors in fits.values())
    best = preferred(list(fits), given, file, same)
    tensors = dict(zip(own, fits[best].values(), strict=True))
    if wrong := {name: tensor for name, tensor in tensors.items() if tensor.shape != own[name].shape}:
        raise wrong_width(own, wrong, file) or misfit(own, tensors, "", "", file)
    check_kinds(own, tensors, file)
    order = Fact("weights", "laid in by their order, whatever their names", "model.toml", "stated", "order")
    return Fit(tensors, (_which(best, list(fits), given, file, bool(choice)), order, *_precision(tensors, file)))
