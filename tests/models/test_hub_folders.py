"""Folders of the Hugging Face hub that people hand in by mistake or half copied: each refused with its reason, and
nothing of them run."""

import json
import pickle
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from zoo import CLASSES, huggingface, timm_hub, zero_shot

from workbench.models.folder import read_spec
from workbench.models.hub import read_hub
from workbench.models.loading import load_classifier, load_folder

torch.set_num_threads(1)


@pytest.fixture
def vit(tmp_path):
    return huggingface(tmp_path / "vit", "vit").path


def change(folder, name="config.json", **settings):
    path = folder / name
    table = json.loads(path.read_text()) | settings
    path.write_text(json.dumps({key: value for key, value in table.items() if value is not ...}))


def opened(folder, **keywords):
    return load_classifier(folder, device="cpu", **keywords)


REFUSED = {
    "code": ({"auto_map": {"AutoModel": "evil.Net"}}, "auto_map"),
    "a base": ({"architectures": ["ViTModel"]}, "base model without a head"),
    "pretraining": ({"architectures": ["ViTForMaskedImageModeling"]}, "only pretrained"),
    "a detector": ({"architectures": ["DetrForObjectDetection"], "model_type": "detr"}, "finds objects"),
    "segments": ({"architectures": ["SegformerForSemanticSegmentation"]}, "segments images"),
    "language": ({"architectures": ["BertForSequenceClassification"], "model_type": "bert"}, "classifies texts"),
    "a base by family": ({"architectures": ..., "model_type": "dinov3_vit"}, "no image classifier of the family"),
    "an unknown family": ({"model_type": "vit9"}, "does not know the family"),
    "regression": ({"problem_type": "regression"}, "estimate a number"),
    "quantised": ({"quantization_config": {"load_in_8bit": True}}, "quantised for one library"),
    "holes": ({"id2label": {"0": "a", "2": "b", "3": "c"}}, "does not name the classes 0 to 2"),
    "more classes": ({"id2label": {str(i): f"c{i}" for i in range(5)}}, "cannot be built"),
    "nothing": ({"model_type": ..., "architectures": ...}, "neither model_type"),
    "another shape": ({"hidden_size": 32}, "cannot be built"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_finished_classifier_is_refused(vit, refusal, case):
    settings, says = REFUSED[case]
    change(vit, **settings)
    assert says in refusal(lambda: opened(vit))


def test_a_missing_head_is_never_made_up(vit, refusal):
    state = load_file(vit / "model.safetensors")
    save_file({name: part for name, part in state.items() if "classifier" not in name}, vit / "model.safetensors")
    assert "does not hold classifier.bias" in refusal(lambda: opened(vit))


def test_files_that_are_missing_damaged_or_elsewhere_are_named(vit, refusal, tmp_path):
    (vit / "adapter_config.json").write_text("{}")
    assert "adapter" in refusal(lambda: opened(vit))
    (vit / "adapter_config.json").unlink()
    (vit / "config.json").write_text("{")
    assert "config.json is not valid JSON" in refusal(lambda: opened(vit))
    sharded = huggingface(tmp_path / "parts", "vit", shards=True).path
    change(sharded, "model.safetensors.index.json", weight_map={"a": "../model.safetensors"})
    assert "outside of its folder" in refusal(lambda: opened(sharded))
    (vit / "model.safetensors").unlink()
    (vit / "config.json").write_text('{"model_type": "vit"}')
    assert "no weights" in refusal(lambda: opened(vit))
    (vit / "tf_model.h5").write_bytes(b"x")
    assert "another framework" in refusal(lambda: opened(vit))


def test_no_code_in_a_folder_is_run(vit, tmp_path, refusal):
    marker = tmp_path / "the code ran"

    class Payload:
        def __reduce__(self):
            return type(marker).touch, (marker,)

    (vit / "pytorch_model.bin").write_bytes(pickle.dumps(Payload()))
    (vit / "model.safetensors").unlink()
    refusal(lambda: opened(vit))
    assert not marker.exists()


def test_nothing_is_asked_of_the_network(tmp_path, monkeypatch):
    import socket

    def deny(*_, **__):
        raise AssertionError("the network was asked")

    folder = huggingface(tmp_path / "vit", "vit").path
    clip = zero_shot(tmp_path / "clip", "clip")
    monkeypatch.setattr(socket.socket, "connect", deny)
    monkeypatch.setattr(socket, "getaddrinfo", deny)
    assert opened(folder).class_names == CLASSES
    assert opened(clip.path, **clip.keywords).class_names == CLASSES


def test_a_stranger_s_numbers_are_bounded(vit, refusal):
    assert load_folder(vit, trusted=False).class_names == CLASSES
    change(vit, num_hidden_layers=10**9)
    assert "'num_hidden_layers'" in refusal(lambda: load_folder(vit, trusted=False))
    change(vit, num_hidden_layers=2, hidden_size=2**19, intermediate_size=2**19)
    assert "million parameters" in refusal(lambda: load_folder(vit, trusted=False))


def test_one_output_is_for_or_against_its_label(vit):
    state = load_file(vit / "model.safetensors")
    head = {name: part[:1].clone() if "classifier" in name else part for name, part in state.items()}
    save_file(head, vit / "model.safetensors")
    change(vit, id2label={"0": "defect"}, label2id={"defect": 0})
    clf = opened(vit)
    assert (clf.class_names, clf.positive) == (("not defect", "defect"), "defect")
    assert clf.forward(torch.zeros(1, 3, 32, 32)).shape == (1, 2)


def test_texts_need_classes_a_prompt_that_holds_them_and_a_tokenizer(tmp_path, refusal):
    made = zero_shot(tmp_path, "clip")
    assert "needs class names" in refusal(lambda: opened(made.path))
    assert "must hold {} once" in refusal(lambda: opened(made.path, classes=["a", "b"], prompt="a photo"))
    plain, asked = (opened(made.path, classes=list(CLASSES), prompt=text) for text in (None, "a photo of a {} part"))
    assert plain.key != asked.key
    assert [fact.how for fact in plain.facts if fact.setting == "prompt"] == ["assumed"]
    assert [fact.how for fact in asked.facts if fact.setting == "prompt"] == ["stated"]
    (tmp_path / "tokenizer.json").unlink()
    assert "no tokenizer.json" in refusal(lambda: opened(made.path, classes=["a", "b"]))


def test_a_model_toml_says_the_rest(vit):
    (vit / "model.toml").write_text(
        'architecture = "huggingface"\nweights = "model.safetensors"\npositive = "dented"\nthreshold = 0.3\n'
    )
    clf, plain = opened(vit), read_hub(vit)
    assert read_spec(vit).classes == list(CLASSES) == list(plain.classes)
    assert (clf.positive, clf.rule.threshold, clf.preprocessing.size) == ("dented", 0.3, (32, 32))
    before = clf.key
    change(vit, layer_norm_eps=1e-3)
    assert opened(vit).key != before


def test_timm_fetches_nothing_that_a_folder_names(tmp_path, refusal):
    folder = timm_hub(tmp_path, "test_resnet").path
    assert opened(folder).class_names == CLASSES
    change(folder, model_args={"checkpoint_path": "/etc/passwd"})
    assert "'checkpoint_path'" in refusal(lambda: opened(folder))
    change(folder, model_args={}, architecture="hf-hub:somebody/net")
    assert "timm" in refusal(lambda: opened(folder))


def test_without_the_extra_it_says_which(vit, refusal, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "explainability-workbench[hf]" in refusal(lambda: opened(vit))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (vit / "net.onnx").write_bytes(b"x")
    assert "explainability-workbench[onnx]" in refusal(lambda: opened(vit / "net.onnx"))
