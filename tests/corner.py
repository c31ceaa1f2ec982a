"""A network whose answer rests on a place that is known."""

import torch
from torch import nn


class Corner(nn.Module):
    """Looks at the top left quadrant alone, and not at all where it is black."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(192, 2)

    def forward(self, x):
        return self.head(x[..., :8, :8].square().flatten(1))
