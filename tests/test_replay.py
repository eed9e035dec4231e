from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx  # noqa: TID253 - nearly every test here builds a model
import psutil  # noqa: TID253 - light enough for a test
import pytest
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253 - as above

from conformance.bundle import (
    BundleManifest,
    DataSet,
    ProbeInfo,
    digest_files,
    read_bundle,
    write_data_sets,
    write_manifest,
    write_probes,
)
from conformance.cli import main
from conformance.entry import ZooEntry
from conformance.execution.child import children
from conformance.model import Case, Verdict
from conformance.replay import Replay, find_model_folders
from conformance.replay.describe import describe

ONNX_DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
FLOAT = helper.make_tensor_type_proto(TensorProto.FLOAT, [None])
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"


def model(nodes, inputs, outputs, *, opset=18, domains=()):
    """A model; ``inputs`` and ``outputs`` map names to ONNX types."""
    values = [
        [helper.make_value_info(name, kind) for name, kind in side.items()]
        for side in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, "g", *values)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def tripler():
    """``y = x + x + x``."""
    nodes = [helper.make_node("Add", ["x", "x"], ["t"]), helper.make_node("Add", ["t", "x"], ["y"])]
    return model(nodes, {"x": FLOAT}, {"y": FLOAT})


def identity(kind, opset=18):
    return model(
        [helper.make_node("Identity", ["x"], ["y"])], {"x": kind}, {"y": kind}, opset=opset
    )


def put(folder, made, *data_sets):
    """Write a model folder; a data set is (inputs, outputs), lists of protobuf messages."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(made, folder / "model.onnx")
    for number, sides in enumerate(data_sets):
        data_set = folder / f"test_data_set_{number}"
        data_set.mkdir()
        for prefix, messages in zip(("input", "output"), sides, strict=True):
            for index, message in enumerate(messages):
                (data_set / f"{prefix}_{index}.pb").write_bytes(message.SerializeToString())
    return folder


def tensor(values, dtype="f4", name=""):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def put_tripler(folder, *answers):
    """A tripler with one data set per answer; the right answer is 3, 6."""
    return put(folder, tripler(), *(([tensor([1, 2])], [tensor(answer)]) for answer in answers))


@pytest.fixture(scope="module")
def executor():
    made = children()
    yield made
    made.close()


@pytest.fixture
def replay(executor):
    """Replays one folder with ONNX's own tolerance."""

    def run(root, **settings):
        (folder,) = find_model_folders(root)
        return Replay(executor, "cpu", **settings).run(folder)

    return run


# what passes and what does not ------------------------------------------------------------


def test_a_tree_passes_when_every_data_set_of_every_model_does(tmp_path, capsys):
    """Models at any depth are replayed, one line each, and the totals end the output."""
    put_tripler(tmp_path / "a", [3, 6], [3.001, 6])
    put_tripler(tmp_path / "deep" / "er" / "b", [3, 6])
    assert main(["replay", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"✓ pass {tmp_path}/a (2 data sets, worst 0.33 of limit)",
        f"✓ pass {tmp_path}/deep/er/b (1 data set, exact)",
        "2 models on cpu: ✓ 2 pass",
    ]


def test_one_wrong_data_set_fails_its_model_and_no_other(tmp_path, capsys):
    """The reason names data set, output, place, limit and both values; -q leaves out passes."""
    put_tripler(tmp_path / "a", [3, 6], [3, 6.5])
    put_tripler(tmp_path / "b", [3, 6])
    out = tmp_path / "out.json"
    assert main(["replay", str(tmp_path), "-q", "--json", str(out)]) == 1
    line, totals = capsys.readouterr().out.splitlines()
    assert line.startswith(f"✗ fail {tmp_path}/a: output 'y': test_data_set_1: error 0.5 at [1]")
    assert line.endswith("expected 6.5, actual 6")
    assert totals == "2 models on cpu: ✓ 1 pass, ✗ 1 fail"
    failed, passed = json.loads(out.read_text())["cases"]
    assert (failed["id"], failed["model"]) == (f"{tmp_path}/a", "a")
    assert (failed["verdict"], failed["stage"]) == ("fail", "parity")
    assert failed["parity"]["data_sets"] == 2
    assert failed["parity"]["outputs"][0]["max_abs"] == 0.5
    assert (passed["verdict"], passed["stage"], passed["reason"]) == ("pass", "parity", None)


def test_the_tolerance_of_foreign_models_can_be_given(tmp_path):
    """--rtol and --atol replace ONNX's defaults, in both directions."""
    put_tripler(tmp_path / "a", [3.001, 6])
    assert main(["replay", str(tmp_path)]) == 0
    assert main(["replay", str(tmp_path), "--rtol", "1e-5"]) == 1
    assert main(["replay", str(tmp_path), "--rtol", "0", "--atol", "0.01"]) == 0


def test_names_in_the_files_decide_and_their_order_where_there_are_none(tmp_path, replay):
    """Files in another order than the model's are matched by name, unnamed ones by place."""
    subtract = model(
        [helper.make_node("Sub", ["a", "b"], ["d"]), helper.make_node("Neg", ["a"], ["n"])],
        {"a": FLOAT, "b": FLOAT},
        {"d": FLOAT, "n": FLOAT},
    )
    five, two, three, negated = ([5.0], "a"), ([2.0], "b"), ([3.0], "d"), ([-5.0], "n")

    def given(*values, named):
        return [tensor(v, "f4", name if named else "") for v, name in values]

    named = (given(two, five, named=True), given(negated, three, named=True))
    unnamed = (given(five, two, named=False), given(three, negated, named=False))
    swapped = (given(two, five, named=False), given(three, negated, named=False))
    assert replay(put(tmp_path / "named", subtract, named)).verdict is Verdict.PASS
    assert replay(put(tmp_path / "unnamed", subtract, unnamed)).verdict is Verdict.PASS
    assert replay(put(tmp_path / "swapped", subtract, swapped)).verdict is Verdict.FAIL


def test_names_decide_between_tensors_and_sequences_too(tmp_path, replay):
    """A file is read as the type of the value that its name belongs to, not of its place."""
    sequence = helper.make_sequence_type_proto(FLOAT)
    at = helper.make_node("SequenceAt", ["s", "i"], ["y"])
    integer = helper.make_tensor_type_proto(TensorProto.INT64, [])
    made = model([at], {"s": sequence, "i": integer}, {"y": FLOAT})
    values = numpy_helper.from_list([np.array([1], "f4"), np.array([2], "f4")], "s")
    inputs = [tensor(1, "i8", "i"), values]
    found = replay(put(tmp_path / "a", made, (inputs, [tensor([2], "f4", "y")])))
    assert found.reason is None


# types --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype",
    ["f2", "f4", "f8", "i1", "i8", "u1", "u8", "?", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn,
     ml_dtypes.float8_e5m2],
)  # fmt: skip
def test_numbers_of_every_type_are_compared(tmp_path, replay, dtype):
    """The right values pass and one wrong element fails, whether or not NumPy has the type."""
    right, wrong = np.array([0, 1, 1]).astype(dtype), np.array([0, 1, 0]).astype(dtype)
    kind = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(right.dtype), [None])
    made = identity(kind, opset=19)
    good = put(
        tmp_path / "good", made, ([tensor(right, right.dtype)], [tensor(right, right.dtype)])
    )
    bad = put(tmp_path / "bad", made, ([tensor(right, right.dtype)], [tensor(wrong, right.dtype)]))
    assert replay(good).verdict is Verdict.PASS
    found = replay(bad)
    assert (found.verdict, found.stage) == (Verdict.FAIL, "parity")
    assert "[2]" in found.reason


@pytest.mark.parametrize("dtype", [ml_dtypes.int4, ml_dtypes.uint4])
def test_four_bit_integers_are_unpacked(tmp_path, replay, dtype):
    """Int4 goes in and comes out, an odd number of elements included."""
    values = np.array([1, 2, 7]).astype(dtype)
    small = helper.np_dtype_to_tensor_dtype(values.dtype)
    kind = helper.make_tensor_type_proto(small, [None])
    cast = model(
        [
            helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["f"], ["y"], to=small),
        ],
        {"x": kind},
        {"f": FLOAT, "y": kind},
        opset=21,
    )
    cast.ir_version = 10
    given, floats = tensor(values, dtype), tensor([1, 2, 7])
    wrong = tensor(np.array([1, 2, 6]), dtype)
    assert replay(put(tmp_path / "a", cast, ([given], [floats, given]))).verdict is Verdict.PASS
    found = replay(put(tmp_path / "b", cast, ([given], [floats, wrong])))
    assert "1 of 3 elements differ, the first at [2]: expected 6, actual 7" in found.reason


def test_strings_must_be_equal(tmp_path, replay):
    """Text is compared as text, whatever its characters."""
    made = identity(helper.make_tensor_type_proto(TensorProto.STRING, [None]))
    given = tensor(["å", "b"], object)
    assert replay(put(tmp_path / "a", made, ([given], [given]))).verdict is Verdict.PASS
    found = replay(put(tmp_path / "b", made, ([given], [tensor(["å", "c"], object)])))
    assert "expected c, actual b" in found.reason


def test_sequences_are_compared_element_by_element(tmp_path, replay):
    """The element that differs is named, and so is another length."""
    made = identity(helper.make_sequence_type_proto(FLOAT))

    def sequence(*arrays):
        return numpy_helper.from_list([np.asarray(a, "f4") for a in arrays], "s")

    given = sequence([1, 2], [3])
    assert replay(put(tmp_path / "a", made, ([given], [given]))).verdict is Verdict.PASS
    found = replay(put(tmp_path / "b", made, ([given], [sequence([1, 2], [4])])))
    assert found.reason.startswith("output 'y': element [1]: error 1 at [0]")
    found = replay(put(tmp_path / "c", made, ([given], [sequence([1, 2])])))
    assert found.reason == "output 'y': it is a sequence of 2, expected a sequence of 1"


def test_an_empty_optional_is_a_value(tmp_path, replay):
    """None goes in and comes out; an optional that should be empty and is not is named."""
    made = identity(helper.make_optional_type_proto(FLOAT))
    empty = numpy_helper.from_optional(None, "o", TensorProto.FLOAT)
    full = numpy_helper.from_optional(np.array([1], "f4"), "o")
    assert replay(put(tmp_path / "a", made, ([full], [full]))).verdict is Verdict.PASS
    assert replay(put(tmp_path / "b", made, ([empty], [empty]))).verdict is Verdict.PASS
    assert replay(put(tmp_path / "c", made, ([], [empty]))).verdict is Verdict.PASS
    found = replay(put(tmp_path / "d", made, ([full], [empty])))
    assert found.reason == "output 'y': it is a tensor, expected empty"


def test_foreign_data_may_expect_nan_and_infinity(tmp_path, replay):
    """NaN and equal infinities pass where both sides have them, and only there."""
    made = identity(FLOAT)
    special = tensor([np.nan, np.inf, -np.inf, 1])
    assert replay(put(tmp_path / "a", made, ([special], [special]))).verdict is Verdict.PASS
    for number, other in enumerate(([0, np.inf, -np.inf, 1], [np.nan, -np.inf, -np.inf, 1])):
        found = replay(put(tmp_path / f"b{number}", made, ([special], [tensor(other)])))
        assert "1 of 4 elements are NaN or infinite on one side only" in found.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (tensor([[3, 6]]), "shape is (2,), expected (1, 2)"),
        (tensor([3, 6], "f8"), "dtype is float32, expected float64"),
    ],
)
def test_shape_and_dtype_must_be_equal(tmp_path, replay, answer, reason):
    """What NumPy would broadcast or convert is a difference here."""
    found = replay(put(tmp_path / "a", tripler(), ([tensor([1, 2])], [answer])))
    assert (found.verdict, found.reason) == (Verdict.FAIL, f"output 'y': {reason}")


# bundles of ours ----------------------------------------------------------------------------


def put_bundle(folder, answers, tolerance=None, made=None, **entry_fields):
    folder.mkdir(parents=True)
    onnx.save(made or tripler(), folder / "model.onnx")
    inputs = [np.array([1, 2], "f4"), np.array([3, 5], "f4")]
    sets = [
        DataSet({"x": x}, {"y": np.array(y, "f4")}, None)
        for x, y in zip(inputs, answers, strict=True)
    ]
    write_data_sets(folder, sets)
    entry = {
        "id": "m", "framework": "pytorch", "source": {"factory": "a.b:c"},
        "inputs": {"spec": {"x": {"shape": [2]}}},
    } | ({"tolerance": tolerance} if tolerance else {}) | entry_fields  # fmt: skip
    manifest = BundleManifest(
        case=Case(ZooEntry.model_validate(entry), "dynamo", 18, "fp32"),
        seed=0,
        versions={},
        inputs=("x",),
        outputs=("y",),
        data_sets=2,
        fp64_unavailable="made by hand",
        source_median_ns=None,
        export_seconds=1.0,
        size_bytes=1,
        nodes=2,
        peak_rss_bytes=None,
        files=digest_files(folder),
    )
    write_manifest(folder, manifest)
    return folder


def test_a_bundle_is_judged_by_its_own_tolerance(tmp_path, replay, capsys):
    """What the entry of a bundle declares holds, not what others get; its line names the case."""
    answers = ([3.1, 6], [9, 15])
    loose = {"rtol": 0.05, "atol": 0, "reason": "a test"}
    assert replay(put_bundle(tmp_path / "a", answers, loose)).verdict is Verdict.PASS
    assert replay(put_bundle(tmp_path / "b", answers), rtol=1.0).verdict is Verdict.FAIL
    assert main(["replay", str(tmp_path / "a")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"✓ pass {tmp_path}/a [pytorch/m@dynamo-op18-fp32] (2 data sets")


def test_a_bundle_has_its_entrys_time(tmp_path, capsys):
    """The entry's timeout ends a bundle's model where the command names none, and 300 s others'."""
    answers = ([3, 6], [9, 15])
    put_bundle(tmp_path / "a", answers, made=endless(), timeout=1.5)
    assert main(["replay", str(tmp_path)]) == 1
    assert "took longer than its timeout of 1.5 s" in capsys.readouterr().out
    assert main(["replay", str(tmp_path), "--timeout", "1"]) == 1
    assert "took longer than its timeout of 1 s" in capsys.readouterr().out
    (foreign,) = find_model_folders(put_tripler(tmp_path / "b", [3, 6]))
    assert describe(foreign).timeout_s == 300


def test_a_bundle_has_its_entrys_memory(tmp_path, capsys):
    """What the zoo allows a model in a run, a replay allows it too."""
    put_bundle(tmp_path / "a", ([3, 6], [9, 15]), memory="1MiB")
    assert main(["replay", str(tmp_path)]) == 1
    assert "needed more than 1 MiB (limit) of memory" in capsys.readouterr().out


def test_a_bundle_is_certified_as_in_a_run(tmp_path, replay):
    """Its probes count as well: a model that is right on the data, and static, fails."""
    sliced = model(
        [
            helper.make_node("Constant", [], ["zero"], value=tensor([0], "i8")),
            helper.make_node("Constant", [], ["two"], value=tensor([2], "i8")),
            helper.make_node("Slice", ["x", "zero", "two"], ["s"]),
            helper.make_node("Add", ["s", "s"], ["t"]),
            helper.make_node("Add", ["t", "s"], ["y"]),
        ],
        {"x": FLOAT},
        {"y": FLOAT},
    )
    bundle = put_bundle(tmp_path / "a", ([3, 6], [9, 15]), made=sliced)
    assert replay(bundle).verdict is Verdict.PASS
    manifest = read_bundle(bundle).manifest
    x = np.array([1, 2, 5], "f4")
    write_probes(bundle, {"n-3": DataSet({"x": x}, {"y": x * 3}, None)})
    info = ProbeInfo("n-3", "size", "n", 3)
    made = replace(manifest, probes=(info,), files=digest_files(bundle))
    write_manifest(bundle, made)
    found = replay(bundle)
    assert (found.verdict, found.stage) == (Verdict.FAIL, "parity")
    assert "axis 'n' at size 3" in found.reason


def test_the_tensors_beside_a_bundle_are_no_models(tmp_path):
    """Margins and probes have data sets and no model of their own; none is replayed as one."""
    bundle = put_bundle(tmp_path / "a", ([3, 6], [9, 15]))
    for name in ("margins/test_data_set_0", "probes/test_data_set_0", "reference_fp64/x"):
        (bundle / name).mkdir(parents=True)
    put_tripler(bundle / "reduced", [3, 6])
    found = [folder.path.name for folder in find_model_folders(tmp_path)]
    assert found == ["a", "reduced"]


def test_the_guards_hold_for_bundles_only(tmp_path, replay):
    """An output that is NaN on both sides proves nothing of ours; foreign data may have it."""
    answers = ([3, 6], [9, 15])
    bundle = put_bundle(tmp_path / "a", answers)
    assert replay(bundle).verdict is Verdict.PASS
    nan = [tensor([np.nan, 1])]
    foreign = put(tmp_path / "b", tripler(), (nan, [tensor([np.nan, 3])]))
    assert replay(foreign).verdict is Verdict.PASS
    for data_set in ("test_data_set_0", "test_data_set_1"):
        for prefix, value in (("input", [np.nan, 1]), ("output", [np.nan, 3])):
            name = "x" if prefix == "input" else "y"
            message = tensor(value, "f4", name)
            (bundle / data_set / f"{prefix}_0.pb").write_bytes(message.SerializeToString())
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["files"] = {
        name: {"sha256": d.sha256, "size_bytes": d.size_bytes}
        for name, d in digest_files(bundle).items()
    }
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    assert replay(bundle).verdict is Verdict.VACUOUS


# bad input ----------------------------------------------------------------------------------


def _truncate(folder):
    file = folder / "test_data_set_0" / "input_0.pb"
    file.write_bytes(file.read_bytes()[:-3])


def _no_outputs(folder):
    (folder / "test_data_set_0" / "output_0.pb").unlink()


def _custom_op(folder):
    made = model([helper.make_node("Odd", ["x"], ["y"], domain="odd")], {"x": FLOAT}, {"y": FLOAT},
                 domains=["odd"])  # fmt: skip
    onnx.save(made, folder / "model.onnx")


def _no_model(folder):
    (folder / "model.onnx").write_text("not a model")


def _too_new(folder):
    made = tripler()
    made.ir_version = 99
    onnx.save(made, folder / "model.onnx")


def _two_models(folder):
    onnx.save(tripler(), folder / "other.onnx")


def _gap(folder):
    data_set = folder / "test_data_set_0"
    (data_set / "input_0.pb").rename(data_set / "input_1.pb")


def _no_input(folder):
    (folder / "test_data_set_0" / "input_0.pb").unlink()


def _extra_output(folder):
    data_set = folder / "test_data_set_0"
    (data_set / "output_1.pb").write_bytes((data_set / "output_0.pb").read_bytes())


def _wrong_kind(folder):
    (folder / "test_data_set_0" / "input_0.pb").write_bytes(b"")


def _empty_model(folder):
    (folder / "model.onnx").write_bytes(b"")


def _pointer(folder):
    (folder / "model.onnx").write_text(POINTER)


def _pointer_tensor(folder):
    (folder / "test_data_set_0" / "output_0.pb").write_text(POINTER)


def _page(folder):
    (folder / "model.onnx").write_text("<!DOCTYPE html>\n<html><title>Sign in</title></html>")


def _too_new_op(folder):
    made = model([helper.make_node("Odd", ["x"], ["y"], domain="com.microsoft")], {"x": FLOAT},
                 {"y": FLOAT}, domains=["com.microsoft"])  # fmt: skip
    onnx.save(made, folder / "model.onnx")


def _no_weights(folder):
    made = model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": FLOAT}, {"y": FLOAT})
    made.graph.initializer.append(tensor([1, 2], name="w"))
    onnx.save(made, folder / "model.onnx", save_as_external_data=True, location="w.data",
              size_threshold=0)  # fmt: skip
    (folder / "w.data").unlink()


def _elsewhere(folder):
    message = tensor([1, 2])
    message.ClearField("raw_data")
    message.data_location = TensorProto.EXTERNAL
    message.external_data.add(key="location", value="/etc/passwd")
    (folder / "test_data_set_0" / "input_0.pb").write_bytes(message.SerializeToString())


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_truncate, "test_data_set_0/input_0.pb holds no "),
        (_no_outputs, "test_data_set_0 has no output_0.pb"),
        (_custom_op, "model.onnx: ONNX Runtime refuses the model: .*odd:Odd"),
        (_custom_op, "operator 'Odd' of domain 'odd' is a custom op: register the library that"),
        (_too_new_op, "operator 'Odd' of domain 'com.microsoft' is not in this version"),
        (_empty_model, r"model\.onnx is empty$"),
        (_pointer, r"model\.onnx is a Git LFS pointer, not the file: run `git lfs pull`"),
        (_pointer_tensor, "test_data_set_0/output_0.pb is a Git LFS pointer"),
        (_page, r"model\.onnx is a web page, not the file: download it again"),
        (
            _no_weights,
            r"data of tensor 'w' is in 'w\.data', which cannot be read: No such",
        ),
        (_no_model, r"model\.onnx is (damaged|cut off).* no whole ONNX model"),
        (_too_new, r"refuses the model: \[ONNXRuntimeError\] : 1 : FAIL : Unsupported model IR"),
        (_two_models, r"the folder holds 2 \.onnx files \(model.onnx, other.onnx\)"),
        (_gap, "test_data_set_0/input_0.pb is missing"),
        (_no_input, "test_data_set_0 has no file for input 'x'"),
        (_extra_output, "test_data_set_0 holds 2 outputs, the model has 1"),
        (_wrong_kind, "test_data_set_0/input_0.pb holds no ONNX value"),
        (_elsewhere, "test_data_set_0/input_0.pb holds no ONNX value: .* another file"),
    ],
)
def test_bad_input_is_named_and_the_rest_is_replayed(tmp_path, capsys, damage, reason):
    """Each kind of damage is one failed line with file and reason; the next model passes."""
    damage(put_tripler(tmp_path / "a", [3, 6]))
    put_tripler(tmp_path / "b", [3, 6])
    assert main(["replay", str(tmp_path)]) == 1
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"✗ fail {tmp_path}/a: ")
    assert re.search(reason, first)
    assert second.startswith(f"✓ pass {tmp_path}/b")


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "test_data_set_1/output_0.pb"])
def test_a_damaged_bundle_is_never_replayed_as_a_foreign_folder(tmp_path, replay, name):
    """The file is named, also when it is the manifest that is damaged."""
    bundle = put_bundle(tmp_path / "a", ([3, 6], [9, 15]))
    file = bundle / name
    file.write_bytes(file.read_bytes()[:-4])
    found = replay(bundle)
    assert found.verdict is Verdict.FAIL
    assert str(file) in found.reason
    file.unlink()
    if name != "bundle.json":
        assert str(file) in replay(bundle).reason


def endless():
    """A loop that does not end."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["v", "v"], ["w"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [None]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [None]),
        ],
    )
    nodes = [
        helper.make_node("Constant", [], ["true"], value=tensor(True, "?")),
        helper.make_node("Loop", ["", "true", "x"], ["y"], body=body),
    ]
    return model(nodes, {"x": FLOAT}, {"y": FLOAT})


def test_a_model_that_does_not_end_is_stopped(tmp_path, capsys):
    """The timeout ends one model, and the next one is replayed."""
    put(tmp_path / "a", endless(), ([tensor([1])], [tensor([1])]))
    put_tripler(tmp_path / "b", [3, 6])
    assert main(["replay", str(tmp_path), "--timeout", "2"]) == 1
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"✗ fail {tmp_path}/a: took longer than its timeout of 2 s")
    assert second.startswith(f"✓ pass {tmp_path}/b")


@pytest.mark.skipif(sys.platform != "linux", reason="finds the child as a grandchild")
def test_a_crash_of_the_runtime_is_its_models_failure(tmp_path):
    """A segmentation fault in one model's process leaves the replay and the next model whole."""
    put(tmp_path / "a", endless(), ([tensor([1])], [tensor([1])]))
    put_tripler(tmp_path / "b", [3, 6])
    executor = children()
    results = []

    def work():
        replay = Replay(executor, "cpu")
        results.extend(replay.run(folder) for folder in find_model_folders(tmp_path))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        crashed = False
        while not crashed and time.monotonic() < deadline:
            time.sleep(0.05)
            for server in list(executor._servers.values()):
                for child in psutil.Process(server._process.pid).children():
                    if child.cpu_times().user > 0.3:  # it is in the loop by now
                        os.kill(child.pid, signal.SIGSEGV)
                        crashed = True
        thread.join(60)
    finally:
        executor.close()
    assert [result.verdict for result in results] == [Verdict.FAIL, Verdict.PASS]
    assert "SIGSEGV" in results[0].reason


def test_a_folders_name_cannot_steer_the_terminal(tmp_path, capsys):
    """Control characters in names are spelled out, line feeds too."""
    put_tripler(tmp_path / "a\x1b[2J\nb", [3, 6])
    assert main(["replay", str(tmp_path)]) == 0
    assert rf"{tmp_path}/a\x1b[2J\nb (1 data set" in capsys.readouterr().out


# finding folders ----------------------------------------------------------------------------


def test_folders_are_found_as_the_tree_is_walked(tmp_path):
    """By number within names, past links that lead in circles, and without reading ahead."""
    for number in (10, 9, 1):
        put_tripler(tmp_path / f"m{number}", [3, 6])
    (tmp_path / "m9" / "loop").symlink_to(tmp_path)
    walk = find_model_folders(tmp_path)
    assert next(walk).path.name == "m1"
    put_tripler(tmp_path / "m9" / "reduced", [3, 6])  # made after the walk began, before m9
    assert [f.path.relative_to(tmp_path).as_posix() for f in walk] == ["m9", "m9/reduced", "m10"]


def test_data_sets_without_a_model_are_no_success(tmp_path, capsys):
    """Test data whose model is missing fails instead of being skipped."""
    (put_tripler(tmp_path / "a", [3, 6]) / "model.onnx").unlink()
    assert main(["replay", str(tmp_path)]) == 1
    assert "the folder holds no .onnx file" in capsys.readouterr().out


# usage --------------------------------------------------------------------------------------


def test_nothing_found_is_an_error(tmp_path, capsys):
    """A replay that checked nothing says what it looked for, and does not look green."""
    out = tmp_path / "out.json"
    assert main(["replay", str(tmp_path), "--json", str(out)]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path) in error
    assert "test_data_set_N" in error
    assert json.loads(out.read_text()) == {"schema_version": 1, "cases": []}


def test_an_empty_folder_beside_a_full_one_is_an_error_too(tmp_path, capsys):
    """A folder that was named and held nothing is not covered by one that passed."""
    put_tripler(tmp_path / "full" / "a", [3, 6])
    (tmp_path / "empty").mkdir()
    assert main(["replay", str(tmp_path / "full"), str(tmp_path / "empty")]) == 2
    assert f"no model found in {tmp_path / 'empty'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["{here}", "--provider", "qnn"], "has no QNNExecutionProvider"),
        (["{here}/missing"], "missing is not a folder"),
        (["{here}", "--json", "{here}/no/such/out.json"], "out.json cannot be written"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, error):
    """Absent provider, missing folder, unwritable file: said before any model runs."""
    put_tripler(tmp_path / "a", [3, 6])
    assert main(["replay", *(a.format(here=tmp_path) for a in arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert error in captured.err


@pytest.mark.parametrize(
    "arguments", [["--provider", "gpu"], ["--rtol", "-1"], ["--atol", "nan"], ["--timeout", "0"]]
)
def test_values_out_of_range_are_refused(tmp_path, arguments):
    """An unknown provider, a negative or NaN tolerance and no time at all are wrong usage."""
    with pytest.raises(SystemExit, match="2"):
        main(["replay", str(tmp_path), *arguments])


def test_a_replay_imports_no_framework(tmp_path):
    """The command runs to its end with every framework's import forbidden."""
    put_tripler(tmp_path / "a", [3, 6])
    put_bundle(tmp_path / "b", ([3, 6], [9, 15]))
    for name in ("torch", "tensorflow", "keras", "transformers", "sklearn"):
        (tmp_path / "no").mkdir(exist_ok=True)
        (tmp_path / "no" / f"{name}.py").write_text("raise RuntimeError('imported')\n")
    done = subprocess.run(
        [sys.executable, "-m", "conformance.cli", "replay", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'no'}{os.pathsep}{Path.cwd()}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 models on cpu: ✓ 2 pass" in done.stdout


def test_data_of_onnx_itself_replays(executor):
    """ONNX's own models with sequences and operators pass on the runtime that is installed."""
    names = [*(f"test_sequence_model{n}" for n in range(1, 9)), "test_shrink", "test_sign_model"]
    replay = Replay(executor, "cpu")
    found = {
        folder.path.name: replay.run(folder).reason
        for folder in find_model_folders(ONNX_DATA / "simple")
        if folder.path.name in names
    }
    assert found == dict.fromkeys(names)
