"""Hold a model in evaluation mode while it is asked, and give it back as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn

_HOOKS = tuple(name for name, table in vars(nn.Module()).items() if name.endswith("_hooks") and table is not None)


def set_evaluating(model: nn.Module) -> None:
    """Put a model into evaluation mode, even one from `torch.export`, whose mode is part of its graph."""
    try:
        model.eval()
    except NotImplementedError:
        for module in model.modules():
            module.training = False


@contextlib.contextmanager
def held(model: nn.Module) -> Iterator[None]:
    """A model in evaluation mode whose weights ask for no gradients; afterwards its modes, gradients and hooks are as
    before. What torch compiled of it rests meanwhile: compiled code passes hooks by."""
    modules = list(model.modules())
    modes = [module.training for module in modules]
    tables = [table for module in modules for name in _HOOKS if isinstance(table := vars(module).get(name), dict)]
    hooks = [dict(table) if table else {} for table in tables]
    wanted = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    compiled = [(module, call) for module in modules if (call := vars(module).get("_compiled_call_impl")) is not None]
    if any(modes):
        set_evaluating(model)
    for parameter, _, _ in wanted:
        parameter.requires_grad_(False)
    for module, _ in compiled:
        module._compiled_call_impl = None
    try:
        yield
    finally:
        for module, call in compiled:
            module._compiled_call_impl = call
        for module, mode in zip(modules, modes, strict=True):
            if module.training != mode:
                module.training = mode
        for table, before in zip(tables, hooks, strict=True):
            if table != before:
                table.clear()
                table.update(before)
        for parameter, requires_grad, grad in wanted:
            parameter.requires_grad_(requires_grad)
            parameter.grad = grad
