from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hostile_models import ZEROS, adder, external, graph_model, put
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253 - nearly every test needs it

from conformance.errors import CheckError, CorruptBundle
from conformance.execution.child import children
from conformance.model import Stage, Verdict
from conformance.onnx_check import check_model
from conformance.onnx_files import read_model
from conformance.replay import Replay, find_model_folders


@pytest.fixture(scope="module")
def replayed():
    """Replays the one model folder below a path, in a child process."""
    executor = children()
    replay = Replay(executor, "cpu", timeout_s=60)
    yield lambda path: replay.run(next(iter(find_model_folders(path))))
    executor.close()


@pytest.fixture
def folder(tmp_path):
    """A folder beside which there are four floats of somebody else."""
    (tmp_path / "secret").write_bytes(ZEROS.tobytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def refusal(folder, **told):
    """Why a model with external data is refused when it is read."""
    made = put(folder / "made", adder(external(**told)))
    with pytest.raises(CorruptBundle) as error:
        read_model(made / "model.onnx")
    return str(error.value)


def test_a_model_with_its_own_data_is_read_and_passes(folder, replayed):
    """What is refused below is refused for what is wrong with it, not for being external."""
    made = put(folder / "made", adder(external("weights.bin", offset="0", length="16")))
    (made / "weights.bin").write_bytes(ZEROS.tobytes())
    assert read_model(made / "model.onnx").graph.node[0].op_type == "Add"
    assert replayed(made).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("../secret", "leads out of the folder"),
        ("a/../../secret", "leads out of the folder"),
        ("/etc/passwd", "not relative to the folder"),
        ("C:/secret", "not relative to the folder"),
        ("..\\secret", "not relative to the folder"),
        ("weights\x00.bin", "characters that are not seen"),
        ("weights\u202enib.bin", "characters that are not seen"),
        ("*/_ORT_MEM_ADDR_/*", "cannot be read: No such file"),
        ("absent.bin", "cannot be read: No such file"),
        ("", "is not named"),
    ],
)
def test_a_location_outside_the_folder_is_refused(folder, location, reason):
    """The tensor, the file and the reason are named, whatever way out the name takes."""
    text = refusal(folder, location=location)
    assert text.startswith("model.onnx: the data of tensor 'weights' ")
    assert reason in text


@pytest.mark.parametrize("kind", ["symlink", "hard link", "folder link", "pipe", "folder"])
def test_what_is_no_file_of_the_folder_is_refused(folder, kind):
    """Links lead elsewhere and a pipe never ends: none of them is opened."""
    made, location = folder / "made", "weights.bin"
    made.mkdir()
    place = made / location
    if kind == "symlink":
        place.symlink_to("../../secret")
    elif kind == "hard link":
        place.hardlink_to(folder.parent / "secret")
    elif kind == "folder link":
        (made / "sub").symlink_to("../..")
        location = "sub/secret"
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    expected = {
        "symlink": "a symbolic link",
        "hard link": "a hard link",
        "folder link": "a symbolic link",
    }.get(kind, "no regular file")
    assert expected in refusal(folder, location=location)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"length": "12"}, "its shape [4] needs 16"),
        ({"length": "1000000"}, "its shape [4] needs 16"),
        ({"offset": "8"}, "bytes 8 to 24 of 'weights.bin', which has 16"),
        ({"offset": "-16"}, "the offset '-16', which is no number"),
        ({"length": "9" * 5000}, "which is no number"),
        ({"offset": "٣"}, "which is no number"),
    ],
)
def test_a_range_that_the_file_does_not_have_is_refused(folder, told, reason):
    """Offset and length are held against the tensor's shape and the file's size."""
    (folder / "made").mkdir()
    (folder / "made" / "weights.bin").write_bytes(ZEROS.tobytes())
    assert reason in refusal(folder, location="weights.bin", **told)


def test_a_tensor_that_is_described_twice_is_refused(folder):
    """Of two locations, the one that is checked need not be the one that is opened."""
    tensor = external("weights.bin")
    tensor.external_data.add(key="location", value="../secret")
    made = put(folder / "made", adder(tensor))
    with pytest.raises(CorruptBundle, match="described twice"):
        read_model(made / "model.onnx")


@pytest.mark.parametrize("place", ["attribute", "subgraph", "function", "sparse"])
def test_tensors_are_found_wherever_a_model_can_hold_them(folder, place):
    """A constant in a branch or a function opens files like any initializer."""
    tensor = external("../secret")
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    model = graph_model([constant])
    if place == "subgraph":
        branch = helper.make_graph([constant], "b", [], [])
        model = graph_model(
            [helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)]
        )
    elif place == "function":
        opset = helper.make_opsetid("", 18)
        model = graph_model([helper.make_node("F", ["x"], ["y"], domain="d")])
        model.functions.append(helper.make_function("d", "F", ["x"], ["y"], [constant], [opset]))
    elif place == "sparse":
        sparse = model.graph.sparse_initializer.add(dims=[4])
        sparse.values.CopyFrom(tensor)
    made = put(folder / "made", model)
    with pytest.raises(CorruptBundle, match="leads out of the folder"):
        read_model(made / "model.onnx")


@pytest.mark.parametrize("dtype", [TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1])
def test_packed_types_need_half_a_byte_each(folder, dtype):
    """Five elements of four bits are three bytes: neither two nor five."""
    tensor = external("weights.bin", length="3")
    tensor.data_type, tensor.dims[0] = dtype, 5
    made = put(folder / "made", adder(tensor))
    (made / "weights.bin").write_bytes(b"\0\0\0")
    read_model(made / "model.onnx")
    tensor.external_data[1].value = "2"
    again = put(folder / "again", adder(tensor))
    (again / "weights.bin").write_bytes(b"\0\0\0")
    with pytest.raises(CorruptBundle, match="needs 3"):
        read_model(again / "model.onnx")


WHOLE = adder(numpy_helper.from_array(ZEROS, "weights")).SerializeToString()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (WHOLE[:-20], "is cut off"),
        (WHOLE[:40], "is cut off"),
        (b"<!DOCTYPE html><title>404", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "git lfs pull"),
        (b"PK\x03\x04 an archive", "is damaged"),
    ],
)
def test_a_damaged_model_is_named_for_what_it_is(folder, replayed, content, reason):
    """Both where it is read and in a replay's verdict."""
    made = put(folder / "made", adder(numpy_helper.from_array(ZEROS, "weights")))
    (made / "model.onnx").write_bytes(content)
    with pytest.raises(CorruptBundle, match=reason):
        read_model(made / "model.onnx")
    found = replayed(made)
    assert (found.verdict, found.stage) == (Verdict.FAIL, Stage.LOAD)
    assert reason in found.reason


def test_a_pipe_in_place_of_a_model_is_not_waited_for(folder):
    """Opening it would wait for a writer for ever: it is refused by what it is."""
    os.mkfifo(folder / "model.onnx")
    code = (
        "import sys; from pathlib import Path; from conformance.onnx_files import mistaken; "
        "print(mistaken(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(folder / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "no regular file" in done.stdout


def test_a_fresh_export_that_leads_out_of_its_folder_is_refused(folder):
    """The check stage refuses it before onnx opens what it names."""
    made = put(folder / "made", adder(external("../../secret")))
    with pytest.raises(CheckError, match=r"tensor 'weights' is in '\.\./\.\./secret'"):
        check_model(
            made / "model.onnx",
            opset=18,
            inputs={"x": np.zeros(4, "f4")},
            outputs=["y"],
            dynamic={},
        )


def test_a_replay_refuses_what_leads_out_of_the_folder(folder, replayed):
    """Its reason is ours, given before ONNX Runtime opens the file."""
    found = replayed(put(folder / "made", adder(external("../../secret"))))
    assert (found.verdict, found.stage) == (Verdict.FAIL, Stage.LOAD)
    assert "the data of tensor 'weights'" in found.reason
