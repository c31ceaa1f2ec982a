"""How many methods suit one network in each form that torch saves it in, and why the rest do not."""

import pytest
import torch
from torch import nn

from workbench.attribution import METHODS, suits
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
SIZE = (32, 32)


def net():
    torch.manual_seed(1)
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    ).eval()


def module(folder):
    return net()


def exported(folder):
    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(net(), (torch.zeros(2, 3, *SIZE),), dynamic_shapes=({**batch},))
    torch.export.save(program, folder / "net.pt2")
    return folder / "net.pt2"


def traced(folder):
    torch.jit.save(torch.jit.trace(net(), torch.zeros(1, 3, *SIZE)), folder / "net.pt")
    return folder / "net.pt"


FORMS = {"module": (module, 19), "archive of torch.export": (exported, 16), "TorchScript": (traced, 11)}


@pytest.mark.parametrize("form", FORMS)
def test_so_many_methods_suit_a_form_and_each_of_the_rest_has_its_reason(form, tmp_path):
    make, least = FORMS[form]
    classifier = load_classifier(make(tmp_path), size=SIZE, device="cpu")
    reasons = [reason for method in METHODS if (reason := suits(classifier, method)) is not None]
    assert len(METHODS) - len(reasons) >= least, reasons
    words = "no attention modules|no anomaly map|calls ReLU as a function|cannot follow|TorchScript"
    assert all(any(word in reason for word in words.split("|")) for reason in reasons), reasons
