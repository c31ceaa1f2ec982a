"""Which operation made a value, by its record for gradients."""

from __future__ import annotations

from typing import Any

LAST = {
    "SigmoidBackward0": "sigmoid",
    "SoftmaxBackward0": "softmax",
    "AddmmBackward0": "linear",
    "MmBackward0": "linear",
    "LinearBackward0": "linear",
    "MkldnnConvolutionBackward0": "linear",
    "ConvolutionBackward0": "linear",
    "MeanBackward1": "linear",
    "AddBackward0": "linear",
    "LogSoftmaxBackward0": "linear",
}
"""What computed an answer last, by the name of its record for gradients."""
PASSED_ON = ("View", "Squeeze", "Unsqueeze", "Reshape", "To", "Select", "Unsafe", "Slice")


def maker(node: Any) -> str:
    """What a record for gradients says of who made a value, through views, and through stacks that agree."""
    while node is not None and node.name().startswith(PASSED_ON):
        node = node.next_functions[0][0] if node.next_functions else None
    if node is None:
        return ""
    if not node.name().startswith(("Stack", "Cat")):
        return LAST.get(node.name(), "")
    parts = {maker(part) for part, _ in node.next_functions if part is not None}
    return "linear" if "linear" in parts else parts.pop() if len(parts) == 1 else ""
