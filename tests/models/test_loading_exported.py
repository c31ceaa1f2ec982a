"""Models in archives of torch.export: loaded with their names, at any batch size, and never from a stranger."""

import copy
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.export import Dim

from workbench.attribution.engine import attribute
from workbench.attribution.matrix import suits
from workbench.errors import InputError
from workbench.images.item import image_from_bytes
from workbench.models.classifier import predict, untouched
from workbench.models.exported import Exported
from workbench.models.loading import load_classifier, load_folder

torch.set_num_threads(1)
SIZE = (16, 20)
CLASSES = ["ok", "bad", "odd"]
IMAGE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (33, 47, 3), dtype=np.uint8))


class Net(nn.Module):
    def __init__(self, named=False, channels=3):
        super().__init__()
        torch.manual_seed(3)
        self.stem = nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.shift = nn.Parameter(torch.randn(1, 6, 1, 1))
        self.down = nn.Conv2d(6, 8, 3, stride=2)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, 3)
        self.named = named

    def forward(self, x):
        h = torch.relu(self.down(self.stem(x) + self.shift))
        out = self.head(self.drop(h.mean((2, 3))))
        return {"logits": out, "features": h} if self.named else out


BATCHES = {"one": (1, None), "any": (2, {0: Dim.AUTO}), "up to four": (2, {0: Dim("n", min=1, max=4)})}


def export(path, model, batch="any", size=SIZE, channels=3):
    count, dynamic = BATCHES.get(batch) or (batch, None)
    shapes = None if dynamic is None else (dynamic,)
    torch.export.save(torch.export.export(model, (torch.randn(count, channels, *size),), dynamic_shapes=shapes), path)
    return path


@pytest.fixture(scope="module", params=BATCHES)
def pair(request, tmp_path_factory):
    """The classifier from an archive, and the one that it was made from."""
    model = Net(named=request.param == "one").eval()
    path = export(tmp_path_factory.mktemp("exported") / "model.pt2", model, request.param)
    return load_classifier(path, classes=CLASSES, device="cpu"), load_classifier(
        model, classes=CLASSES, size=SIZE, device="cpu"
    )


def test_it_answers_as_its_source_for_any_number_of_images(pair):
    clf, source = pair
    for count in (1, 3, 9):
        x = torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(count))
        torch.testing.assert_close(clf.logits(x), source.logits(x), atol=1e-5, rtol=1e-5)
    assert clf.class_names == tuple(CLASSES)
    assert clf.preprocessing.size == SIZE


def test_methods_give_the_maps_of_its_source(pair):
    clf, source = pair
    cases = {
        "saliency": {},
        "integrated_gradients": {"n_steps": 20},
        "smoothgrad": {"samples": 12},
        "occlusion": {"window": 0.5},
    }
    cases |= {"grad_cam": {"layer": "stem"}}
    for method, settings in cases.items():
        found, expected = (attribute(one, IMAGE, method, "bad", **settings).values for one in pair)
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()), err_msg=method)
        assert expected.std() > 0
    assert list(clf.layers) == [name for name in source.layers if name in clf.layers]
    assert {"stem", "stem.0", "down"} <= clf.layers.keys()
    assert "no ReLU module" in suits(clf, "guided_backprop") or "as a function" in suits(clf, "guided_backprop")
    assert "cannot follow" in suits(clf, "deeplift")


def test_it_is_left_as_it_was_and_can_be_copied(pair):
    clf, _ = pair
    clf.model.train()
    try:
        before = [module.training for module in clf.model.modules()]
        attribute(clf, IMAGE, "grad_cam", 0, layer="down")
        with untouched(clf):
            assert not any(module.training for module in clf.model.modules())
        assert [module.training for module in clf.model.modules()] == before
        assert all(before)
    finally:
        clf.model.eval()
    x = torch.randn(2, 3, *SIZE)
    expected = clf.logits(x)
    other = copy.deepcopy(clf.model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert {name for name, _ in other.named_parameters()} >= {"shift", "stem.0.weight", "head.bias"}
    out = other(x)
    assert not (out["logits"] if isinstance(out, dict) else out).any()
    torch.testing.assert_close(clf.logits(x), expected)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_module_of_an_exported_program_in_memory_is_left_alone(batch):
    """`ExportedProgram.module()` refuses to be put into another mode."""
    shapes = None if batch == 1 else ({0: Dim.AUTO},)
    module = torch.export.export(Net().eval(), (torch.randn(batch, 3, *SIZE),), dynamic_shapes=shapes).module()
    clf = load_classifier(module, size=SIZE, device="cpu")
    before = [part.training for part in module.modules()]
    assert attribute(clf, IMAGE, "saliency", 0).values.any()
    assert [part.training for part in module.modules()] == before
    assert "No layer" in suits(clf, "grad_cam")


def test_one_that_cannot_be_taken_apart_runs_as_one_piece(tmp_path, monkeypatch):
    model = Net().eval()
    path = export(tmp_path / "model.pt2", model, "one")

    def broken(program):
        raise AssertionError("planted")

    monkeypatch.setattr(torch.export, "unflatten", broken)
    clf = load_classifier(path, device="cpu")
    assert isinstance(clf.model, Exported)
    assert not clf.model.layered
    x = torch.randn(5, 3, *SIZE)
    torch.testing.assert_close(clf.logits(x), model(x), atol=1e-5, rtol=1e-5)
    assert attribute(clf, IMAGE, "smoothgrad", 0, samples=9).values.any()
    assert "No layer" in suits(clf, "grad_cam")
    copy.deepcopy(clf.model)(x)


def test_a_wrongly_taken_apart_one_is_noticed(tmp_path, monkeypatch):
    path, unflatten = export(tmp_path / "model.pt2", Net().eval()), torch.export.unflatten

    def wrong(program):
        parts = unflatten(program)
        parts.head.register_forward_hook(lambda module, inputs, output: output + 1)
        return parts

    monkeypatch.setattr(torch.export, "unflatten", wrong)
    clf, x = load_classifier(path, device="cpu"), torch.ones(1, 3, *SIZE)
    assert not clf.model.layered
    torch.testing.assert_close(clf.logits(x), Net().eval()(x), atol=1e-5, rtol=1e-5)


def test_grey_images_and_their_size_are_read_from_the_archive(tmp_path):
    clf = load_classifier(
        export(tmp_path / "grey.pt2", Net(channels=1).eval(), channels=1, size=(24, 32)), device="cpu"
    )
    assert (clf.preprocessing.size, len(clf.preprocessing.mean)) == ((24, 32), 1)
    assert predict(clf, image_from_bytes(_png(), "a.png")).frame["predicted"].notna().all()


def _png():
    buffer = io.BytesIO()
    IMAGE.save(buffer, "PNG")
    return buffer.getvalue()


def test_the_key_tells_archives_with_the_same_weights_apart(tmp_path):
    class Other(Net):
        def forward(self, x):
            return self.head(torch.tanh(self.down(self.stem(x))).mean((2, 3)))

    paths = [export(tmp_path / f"{i}.pt2", model.eval()) for i, model in enumerate((Net(), Other()))]
    one, other, again = (load_classifier(path, device="cpu").key for path in (*paths, paths[0]))
    assert one == again != other


# Folders


def describe(folder, extra="", **fields):
    chosen = {"architecture": "exported", "weights": "model.pt2", "classes": CLASSES, "positive": "bad"} | fields
    (folder / "model.toml").write_text("\n".join(f"{k} = {json.dumps(v)}" for k, v in chosen.items()) + "\n" + extra)
    return folder


def test_a_folder_describes_one(tmp_path):
    export(tmp_path / "model.pt2", Net().eval())
    clf = load_classifier(
        describe(tmp_path, "[preprocessing]\nmean = [0.1, 0.2, 0.3]\nstd = [1.0, 1.0, 1.0]\n"), device="cpu"
    )
    assert (clf.class_names, clf.positive, clf.preprocessing.size) == (tuple(CLASSES), "bad", SIZE)
    assert clf.preprocessing.mean == (0.1, 0.2, 0.3)
    assert attribute(clf, IMAGE, "grad_cam", "bad", layer="down").values.any()


MISFITS = {
    "weights of another kind": ({"weights": "w.safetensors"}, "do not go together"),
    "another architecture": ({"architecture": "timm:resnet10t"}, "do not go together"),
    "order": ({"order": True}, "neither options nor weights by order"),
    "too few classes": ({"classes": ["ok", "bad"]}, "names 2 classes but the model answers with 3"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_folder_that_contradicts_itself_is_refused(tmp_path, refusal, case):
    fields, says = MISFITS[case]
    export(tmp_path / "model.pt2", Net().eval())
    (tmp_path / "w.safetensors").write_bytes(b"")
    assert says in refusal(lambda: load_folder(describe(tmp_path, **fields)))


# Hostile and unusable archives


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def planted(path, marker):
    """The archive with code among its sample inputs, where torch.export.load unpickles freely."""
    buffer = io.BytesIO()
    torch.save(Payload(marker), buffer)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, buffer.getvalue() if "sample_inputs" in name else data)


def test_an_archive_from_a_stranger_is_never_opened(tmp_path, refusal, monkeypatch):
    path, marker = export(tmp_path / "model.pt2", Net().eval()), tmp_path / "the code ran"
    planted(path, marker)
    monkeypatch.setattr(torch.export, "load", lambda *_, **__: pytest.fail("the archive was opened"))
    assert "can run code" in refusal(lambda: load_folder(describe(tmp_path), trusted=False))
    assert "no model named" in refusal(lambda: load_classifier(path, trusted=False))
    assert not marker.exists()


def test_why_strangers_are_kept_out(tmp_path):
    """When this fails torch has closed the hole, and the refusal above can be thought over."""
    path, marker = export(tmp_path / "model.pt2", Net().eval()), tmp_path / "the code ran"
    planted(path, marker)
    with pytest.raises(InputError, match="not an archive"):
        load_classifier(path, device="cpu")
    assert marker.exists()


@pytest.mark.parametrize("content", [b"", b"not a zip", pickle.dumps(3)], ids=["empty", "text", "pickle"])
def test_what_is_no_archive_is_refused(tmp_path, refusal, capfd, content):
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    assert "not an archive of torch.export" in refusal(lambda: load_classifier(path, device="cpu"))
    assert "Traceback" not in capfd.readouterr().err


def test_training_mode_fixed_batches_and_other_inputs_are_refused(tmp_path, refusal):
    path = tmp_path / "model.pt2"
    export(path, Net().train())
    assert "in training mode" in refusal(lambda: load_classifier(path, device="cpu"))
    export(path, Net().eval(), batch=3)
    assert "batches of exactly 3" in refusal(lambda: load_classifier(path, device="cpu"))
    torch.export.save(torch.export.export(nn.Linear(4, 2), (torch.randn(1, 4),)), path)
    assert "does not take one float32 input" in refusal(lambda: load_classifier(path, device="cpu"))
    export(path, Net().eval())
    assert "16 x 20" in refusal(lambda: load_classifier(path, size=(32, 32), device="cpu"))


class Quiet(nn.Module):
    """Turns gradients off around a part that turns them off itself, as anomalib's models do around their feature
    extractors."""

    def __init__(self, depth=1):
        super().__init__()
        self.conv, self.part, self.head = nn.Conv2d(3, 3, 3), Quiet(0) if depth else None, nn.Linear(3, 3)

    def forward(self, x):
        with torch.no_grad():
            h = self.part(x) if self.part else self.conv(x)
        return self.head(h.mean((2, 3))) if self.part else h


def test_an_archive_of_a_model_that_turns_gradients_off_is_told_how_to_be_made(tmp_path):
    with pytest.raises(InputError, match=r"export it again with torch\.export\.save, inside of torch\.no_grad\(\)"):
        load_classifier(export(tmp_path / "model.pt2", Quiet().eval()), device="cpu")
    with torch.no_grad():
        path = export(tmp_path / "again.pt2", Quiet().eval())
    assert load_classifier(path, device="cpu").class_names == ("class 0", "class 1", "class 2")
