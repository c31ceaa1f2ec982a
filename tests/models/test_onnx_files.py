"""ONNX files of other days and makers: old opsets, tables at the end, several outputs, external weights; and those that
must be refused, each with its reason."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from zoo import picture
from zoo_graphs import onnx_file, prepared

from workbench.attribution.engine import attribute
from workbench.models.compressed import cheaper
from workbench.models.loading import load_classifier, load_file

torch.set_num_threads(1)
CHANCE = np.random.default_rng(0)


def constant(name, *shape, lift=0.0):
    return numpy_helper.from_array((CHANCE.normal(size=shape) * 0.3 + lift).astype(np.float32), name)


def saved(path, nodes, weights, opset=17, outputs=("y",), shape=("n", 3, 16, 16), kind=TensorProto.FLOAT, domains=()):
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs], weights,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


CONV = helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1])
HEAD = [helper.make_node("Flatten", ["p"], ["f"]), helper.make_node("Gemm", ["f", "m"], ["y"], transB=1)]
WEIGHTS = [constant("w", 4, 3, 3, 3), constant("m", 2, 4)]
POOL = helper.make_node("GlobalMaxPool", ["c"], ["p"])


def test_operators_of_old_opsets_are_followed(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], auto_pad="SAME_UPPER", strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "a", "v"], ["n"]),
        helper.make_node("Slice", ["n"], ["k"], axes=[2, 3], starts=[0, 1], ends=[100, -1]),
        helper.make_node("Dropout", ["k"], ["d"]),
        helper.make_node("Clip", ["d"], ["r"], min=0.0, max=6.0),
        helper.make_node("GlobalMaxPool", ["r"], ["p"]),
        *HEAD[:1],
        helper.make_node("BatchNormalization", ["f", "s", "b", "a", "v"], ["g"]),
        helper.make_node("Gemm", ["g", "m", "q"], ["y"], transB=1),
    ]
    norm = [
        constant("q", 2),
        constant("s", 4, lift=1),
        constant("b", 4),
        constant("a", 4),
        numpy_helper.from_array(np.ones(4, "f4"), "v"),
    ]
    clf = load_classifier(saved(tmp_path / "old.onnx", nodes, [*WEIGHTS, *norm], opset=8), device="cpu")
    assert not clf.model.refusals
    x = torch.randn(3, 3, 16, 16)
    followed = clf.model(x.clone().requires_grad_())
    torch.testing.assert_close(followed.detach(), clf.model(x), atol=1e-5, rtol=1e-5)
    assert attribute(clf, picture(), "grad_cam", 0).values.any()


def test_a_table_at_the_end_gives_its_class_names_and_its_softmax_its_logits(tmp_path):
    nodes = [CONV, POOL, HEAD[0], helper.make_node("Gemm", ["f", "m"], ["z"], transB=1)]
    nodes.append(helper.make_node("Softmax", ["z"], ["s"], axis=1))
    nodes.append(helper.make_node("ZipMap", ["s"], ["y"], domain="ai.onnx.ml", classlabels_strings=["good", "bad"]))
    path = saved(tmp_path / "table.onnx", nodes, WEIGHTS, domains=("ai.onnx.ml",))
    proto = onnx.load(path)
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    rows = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.STRING, number))
    proto.graph.output[0].CopyFrom(helper.make_value_info("y", rows))
    onnx.save(proto, path)
    clf = load_classifier(path, device="cpu")
    assert clf.class_names == ("good", "bad")
    assert clf.head.kind == "logits"
    assert clf.forward(torch.randn(4, 3, 16, 16)).exp().sum(1).std() > 1e-3  # not probabilities


def test_several_outputs_are_chosen_by_name(tmp_path, refusal):
    nodes = [CONV, POOL, *HEAD, helper.make_node("Gemm", ["f", "m"], ["z"], transB=1, alpha=2.0)]
    path = saved(tmp_path / "two.onnx", nodes, WEIGHTS, outputs=("y", "z"))
    assert "several outputs ('y'" in refusal(lambda: load_classifier(path, device="cpu"))
    x = torch.randn(2, 3, 16, 16)
    one, two = (load_classifier(path, device="cpu", output=name).forward(x) for name in ("y", "z"))
    torch.testing.assert_close(one * 2, two)


def test_a_batch_of_four_is_filled_up(tmp_path):
    path = saved(tmp_path / "four.onnx", [CONV, POOL, *HEAD], WEIGHTS, shape=(4, 3, 16, 16))
    clf = load_classifier(path, device="cpu")
    x = torch.randn(6, 3, 16, 16)
    out = clf.forward(x)
    torch.testing.assert_close(out, torch.cat([clf.forward(part) for part in x.split(1)]), atol=1e-6, rtol=1e-5)


def test_an_unknown_operator_leaves_predictions_and_perturbation_with_its_name_as_the_reason(tmp_path, refusal):
    nodes = [CONV, helper.make_node("NonZero", ["c"], ["i"]), POOL, *HEAD]
    clf = load_classifier(saved(tmp_path / "odd.onnx", nodes, WEIGHTS), device="cpu")
    assert attribute(clf, picture(), "occlusion", 0, window=0.5).values.any()
    for method in ("saliency", "grad_cam", "attention_rollout"):
        assert "its operator NonZero is not known here" in refusal(lambda m=method: attribute(clf, picture(), m, 0))
    assert any("NonZero" in fact.value for fact in clf.facts)


def test_a_copy_that_is_made_cheaper_answers_with_its_own_weights(tmp_path, refusal):
    clf = load_classifier(saved(tmp_path / "net.onnx", [CONV, POOL, *HEAD], WEIGHTS), device="cpu")
    x = torch.randn(2, 3, 16, 16)
    change = (cheaper(clf, "int4").forward(x) - clf.forward(x)).abs().max()
    assert 1e-3 < change < 1
    odd = saved(tmp_path / "odd.onnx", [CONV, helper.make_node("NonZero", ["c"], ["i"]), POOL, *HEAD], WEIGHTS)
    assert "held by ONNX Runtime" in refusal(lambda: cheaper(load_classifier(odd, device="cpu"), "int4"))


def test_weights_beside_the_file_are_part_of_the_key_and_must_be_there(tmp_path, refusal):
    made = onnx_file(tmp_path, "plain")
    proto = onnx.load(made.path)
    path = tmp_path / "outside.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="outside.onnx.data", size_threshold=0)
    clf = load_classifier(path, device="cpu", **made.keywords)
    np.testing.assert_allclose(
        clf.model(torch.from_numpy(prepared(picture())))[0].numpy(), made.native(picture()), 1e-5
    )
    data = path.with_name("outside.onnx.data")
    changed = bytearray(data.read_bytes())
    changed[3] ^= 1
    data.write_bytes(changed)
    assert load_classifier(path, device="cpu", **made.keywords).key != clf.key
    data.unlink()
    assert "'outside.onnx.data', which is not beside it" in refusal(lambda: load_classifier(path, device="cpu"))
    proto = onnx.load(path, load_external_data=False)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../secret" if entry.key == "location" else entry.value
    onnx.save(proto, tmp_path / "climbs.onnx")
    assert "outside of its folder" in refusal(lambda: load_classifier(tmp_path / "climbs.onnx", device="cpu"))


REFUSED = {
    "own domain": ([helper.make_node("Magic", ["x"], ["y"], domain="my.ops")], {"domains": ("my.ops",)}, "my.ops"),
    "a table of numbers": ([helper.make_node("Identity", ["x"], ["y"])], {"shape": ("n", 12)}, "2 dimensions"),
    "whole numbers": ([helper.make_node("Identity", ["x"], ["y"])], {"kind": TensorProto.INT64}, "type int64"),
    "a detector": ([helper.make_node("RoiAlign", ["x", "w", "m"], ["y"])], {}, "finds objects"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_classifier_of_images_is_refused(tmp_path, refusal, case):
    nodes, keywords, says = REFUSED[case]
    path = saved(tmp_path / "net.onnx", nodes, WEIGHTS, **keywords)
    assert says in refusal(lambda: load_classifier(path, device="cpu"))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 40], ids=["empty", "text", "damaged"])
def test_damaged_files_are_refused(tmp_path, refusal, content):
    (tmp_path / "net.onnx").write_bytes(content)
    refusal(lambda: load_classifier(tmp_path / "net.onnx", device="cpu"))


def test_a_stranger_s_file_is_bounded(tmp_path, refusal, monkeypatch):
    path = saved(tmp_path / "net.onnx", [CONV, POOL, *HEAD], WEIGHTS)
    assert load_file(path, trusted=False).class_names == ("class 0", "class 1")
    monkeypatch.setattr("workbench.models.onnx_file.MOST_PARAMETERS", 100)
    assert "million parameters" in refusal(lambda: load_file(path, trusted=False))


def test_what_a_file_does_not_say_of_its_statistics_is_assumed(tmp_path):
    torch.onnx.export(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval(),
        (torch.zeros(1, 1, 16, 16),),
        tmp_path / "grey.onnx",
        dynamo=False,
    )
    classifier = load_classifier(tmp_path / "grey.onnx", device="cpu")
    assert classifier.preprocessing.mean == (0.5,)
    (how,) = [fact.how for fact in classifier.facts if "mean 0.5" in fact.value]
    assert how == "assumed"
