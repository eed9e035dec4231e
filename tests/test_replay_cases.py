"""The cases that a replay writes: their shape, their names, and when they can be read."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import onnx  # noqa: TID253 - light enough for a test
import pytest
from onnx import helper  # noqa: TID253 - as above
from test_replay import FLOAT, endless, identity, model, put, put_bundle, put_tripler, tensor

import conformance
from conformance.cli import main
from conformance.replay import CasesFile
from conformance.replay.header import Header, read_header

SCHEMA = json.loads((Path(conformance.__file__).parent / "schemas/report.schema.json").read_text())
CASE_SCHEMA = {"$defs": SCHEMA["$defs"], "$ref": "#/$defs/case"}


def replayed(tmp_path, *arguments):
    """The cases of a replay of ``tmp_path``."""
    out = tmp_path.parent / f"{tmp_path.name}.json"
    main(["replay", str(tmp_path), "--json", str(out), "-q", *arguments])
    written = json.loads(out.read_text())
    assert list(written) == ["schema_version", "cases"]
    assert written["schema_version"] == SCHEMA["properties"]["schema_version"]["const"]
    return written["cases"]


def test_a_bundles_case_is_one_of_report_json(tmp_path):
    """It fits the published definition, and carries the certificate of its own terms."""
    put_bundle(tmp_path / "1c04dd", ([3, 6], [9, 15]), task="tripling", tags=["small"])
    put_bundle(tmp_path / "84fc2a", ([3, 6], [9, 16]))
    passed, failed = replayed(tmp_path)
    for case in (passed, failed):
        jsonschema.validate(case, CASE_SCHEMA)
        assert case["placement"] == {"CPUExecutionProvider": 2}
    identity_of = ("id", "model", "framework", "task", "tags", "exporter", "opset", "variant")
    assert [passed[name] for name in identity_of] == [
        f"{tmp_path}/1c04dd", "m", "pytorch", "tripling", ["small"], "dynamo", 18, "fp32",
    ]  # fmt: skip
    assert (passed["verdict"], passed["stage"], passed["reason"]) == ("pass", "parity", None)
    assert (failed["verdict"], failed["parity"]["outputs"][0]["worst"]["data_set"]) == ("fail", 1)
    assert failed["export"]["nodes"] == 2


@pytest.mark.parametrize("kind", ["passes", "fails", "refused", "no model", "sequence", "strings"])
def test_a_foreign_case_has_null_for_what_nobody_knows(tmp_path, kind):
    """However it ends, a folder of others fits the definition too."""
    place = put_tripler(tmp_path / "test_triple", [3, 6 if kind == "passes" else 7], [3, 6])
    if kind == "refused":
        (place / "model.onnx").write_text("not a model")
    elif kind == "no model":
        (place / "model.onnx").unlink()
    elif kind == "sequence":
        values = onnx.numpy_helper.from_list([np.ones(2, "f4")], "s")
        made = identity(helper.make_sequence_type_proto(FLOAT))
        put(tmp_path / "test_triple" / "deeper", made, ([values], [values]))
    elif kind == "strings":
        text = helper.make_tensor_type_proto(onnx.TensorProto.STRING, [None])
        given = ([tensor(["a"], object)], [tensor(["b"], object)])
        put(tmp_path / "test_triple" / "deeper", identity(text), given)
    for case in replayed(tmp_path):
        jsonschema.validate(case, CASE_SCHEMA)
        assert case["variant"] is None
        assert case["latency"] is None
        assert case["task"] is None


def test_the_command_in_a_case_repeats_it(tmp_path, capsys):
    """``repro`` replays this folder and no other, with the tolerance that was given."""
    place = put_tripler(tmp_path / "a b", [3.001, 6])
    put_tripler(tmp_path / "c", [3, 7])
    case, _ = replayed(tmp_path, "--rtol", "1e-5", "--atol", "0.002")
    capsys.readouterr()
    words = shlex.split(case["repro"])
    assert words[0] == "conformance"
    assert "--rtol 1e-05 --atol 0.002" in case["repro"]
    assert main(words[1:]) == 0
    assert str(place) in capsys.readouterr().out


def test_names_and_headers_are_all_there_is_to_go_by(tmp_path, monkeypatch):
    """The folder's name is the model, the file tells producer and opset, ``.`` has a name too."""
    made = identity(FLOAT, opset=17)
    made.producer_name = "skl2onnx"
    put(tmp_path / "opset17" / "test_forest", made, ([tensor([1])], [tensor([1])]))
    plain = identity(FLOAT, opset=16)
    put(tmp_path / "test_plain", plain, ([tensor([1])], [tensor([1])]))
    (tmp_path / "test_plain" / "model.onnx").rename(tmp_path / "test_plain" / "resnet50.onnx")
    forest, other = replayed(tmp_path)
    assert [forest[n] for n in ("model", "framework", "exporter", "opset")] == [
        "test_forest", "sklearn", "skl2onnx", 17,
    ]  # fmt: skip
    assert [other[n] for n in ("model", "framework", "exporter", "opset")] == [
        "test_plain", None, None, 16,
    ]  # fmt: skip
    monkeypatch.chdir(tmp_path / "test_plain")
    main(["replay", ".", "--json", str(tmp_path / "here.json")])
    (here,) = json.loads((tmp_path / "here.json").read_text())["cases"]
    assert (here["id"], here["model"]) == (".", "test_plain")


@pytest.mark.parametrize("data", [b"", b"not a model", b"\xff" * 99, b"\x12\x7f", b"\x12\x01\xff"])
def test_a_file_that_is_no_model_says_nothing(tmp_path, data):
    """Reading a header never fails for what is in the file."""
    (tmp_path / "a.onnx").write_bytes(data)
    assert read_header(tmp_path / "a.onnx") == Header(None, None)


def test_a_header_is_what_onnx_reads(tmp_path):
    """Producer and opset are those that the onnx package finds, whatever else is in the file."""
    made = model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": FLOAT}, {"y": FLOAT}, opset=15,
                 domains=["ai.onnx.ml", "com.microsoft"])  # fmt: skip
    made.graph.initializer.append(tensor(np.ones(9000), name="w"))
    made.producer_name = "pytorch"
    made.metadata_props.add(key="k", value="v" * 9000)
    onnx.save(made, tmp_path / "a.onnx")
    found = read_header(tmp_path / "a.onnx")
    assert (found.producer, found.opset, found.framework) == ("pytorch", 15, "pytorch")
    del made.opset_import[0]
    onnx.save(made, tmp_path / "a.onnx")
    assert read_header(tmp_path / "a.onnx").opset == 1


def test_cases_can_be_read_after_each_of_them(tmp_path):
    """The file is whole after every case, so no end of the process can spoil it."""
    file = tmp_path / "out.json"
    with file.open("wb") as stream:
        cases = CasesFile(stream)
        for count in range(4):
            assert json.loads(file.read_text()) == {
                "schema_version": 1,
                "cases": [{"id": number} for number in range(count)],
            }
            cases.add({"id": count})
        cases.close()
    assert len(json.loads(file.read_text())["cases"]) == 4


def test_a_pipe_gets_its_cases_once():
    """What cannot be taken back is written in order, and its end when it is closed."""

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    pipe = Pipe()
    cases = CasesFile(pipe)
    cases.add({"id": 1})
    cases.add({"id": 2})
    cases.close()
    assert json.loads(pipe.getvalue()) == {"schema_version": 1, "cases": [{"id": 1}, {"id": 2}]}


def test_a_killed_replay_leaves_what_it_had_found(tmp_path):
    """SIGKILL in the second model: the first one's case is there, and the file can be read."""
    put_tripler(tmp_path / "in" / "a", [3, 6])
    put(tmp_path / "in" / "b", endless(), ([tensor([1])], [tensor([1])]))
    out = tmp_path / "out.json"
    command = ["replay", str(tmp_path / "in"), "--json", str(out), "--timeout", "30"]
    started = subprocess.Popen(
        [sys.executable, "-m", "conformance.cli", *command],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout is not None
    assert "pass" in started.stdout.readline()
    time.sleep(0.2)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    started.stdout.close()
    (case,) = json.loads(out.read_text())["cases"]
    assert case["model"] == "a"
