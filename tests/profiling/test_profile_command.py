"""The command on real models: what it finds, what it refuses, and what it writes."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from onnx import TensorProto, numpy_helper  # noqa: TID253 - test data is made here
from profile_cases import HOSTILE, heavy, model, nested, node, saved

from conformance.adapters import catalog
from conformance.bundle import BundleManifest, digest_files, write_manifest
from conformance.cache import bundle_key
from conformance.cache.folders import bundle_folder
from conformance.cli import main
from conformance.zoo import read_zoo

SCHEMA = json.loads(files("conformance").joinpath("schemas/profile.schema.json").read_text("utf-8"))
ZOO = """\
models:
  - id: tiny
    framework: pytorch
    source: {factory: "made:tiny"}
    inputs: {spec: {x: {shape: [2, 3]}}}
    opsets: [17, 18]
  - id: moving
    framework: transformers
    source: {hub: "somebody/something"}
    inputs: {spec: {x: {shape: [2, 3]}}}
"""
CASE = "pytorch/tiny@dynamo-op18-fp32"


def sines():
    return model([node("Sin", ["x"], ["y"], "wave", name="sine")], ["batch", 3])


def bundle(folder, made, case):
    """A bundle of ``made``, with one data set of two rows."""
    saved(folder, made)
    data = folder / "test_data_set_0"
    data.mkdir()
    array = numpy_helper.from_array(np.ones((2, 3), "f4"), "x")
    (data / "input_0.pb").write_bytes(array.SerializeToString())
    manifest = BundleManifest(
        case=case,
        seed=0,
        versions={},
        inputs=("x",),
        outputs=("y",),
        data_sets=1,
        fp64_unavailable=None,
        source_median_ns=None,
        export_seconds=1.0,
        size_bytes=1,
        nodes=1,
        peak_rss_bytes=None,
        files=digest_files(folder),
    )
    write_manifest(folder, manifest)
    return folder


@pytest.fixture
def zoo(tmp_path):
    """A zoo file, whose cases are not in any cache."""
    path = tmp_path / "zoo.yaml"
    path.write_text(ZOO)
    return path


@pytest.fixture
def profiled(capsys):
    """The profile of a model as JSON, checked against its schema."""

    def run(*arguments):
        assert main(["profile", *map(str, arguments), "--json", "-"]) == 0
        found = json.loads(capsys.readouterr().out)
        jsonschema.validate(found, SCHEMA)
        return found

    return run


@pytest.fixture
def refused(capsys):
    """What a command says on standard error, and its exit code."""

    def run(*arguments):
        code = main(["profile", *map(str, arguments)])
        return code, capsys.readouterr().err

    return run


# what it finds ---------------------------------------------------------------------------------


def test_the_node_that_takes_the_time_comes_first_with_its_module(tmp_path, profiled):
    """A product of 134 million operations dominates three nodes that do next to nothing."""
    found = profiled(saved(tmp_path, heavy()))
    first = found["nodes"][0]
    assert (first["node"], first["module"], first["source"]) == ("product", "block.ffn", "net.py:7")
    assert first["share"] > 0.5
    assert found["operators"][0]["op_type"] == "MatMul"
    assert first["outputs"] == ["float[512,512]"]


@pytest.mark.parametrize("made", [heavy, nested])
def test_the_parts_are_no_more_than_the_whole(tmp_path, profiled, made):
    """Nodes, operators and the rest add up to the runs exactly, loops and branches included."""
    found = profiled(saved(tmp_path, made()), "--runs", 5)
    outside = found["outside"]
    for parts in (found["nodes"], found["operators"]):
        assert sum(part["total_ns"] for part in parts) + outside["total_ns"] == found["total_ns"]
        assert sum(part["share"] for part in parts) + outside["share"] == pytest.approx(1, abs=1e-4)
    assert outside["total_ns"] >= 0
    assert (found["runs"], found["warm_up_runs"]) == (5, 3)


def test_a_loops_body_is_shown_inside_it(tmp_path, profiled):
    """Five executions a run, under the Loop's name; the branch that is not taken is not there."""
    nodes = profiled(saved(tmp_path, nested()))["nodes"]
    product = next(n for n in nodes if n["op_type"] == "MatMul")
    assert (product["calls"], product["inside"], product["module"]) == (5.0, ["loop"], "cell")
    loop = next(n for n in nodes if n["op_type"] == "Loop")
    assert (loop["calls"], loop["module"]) == (1.0, "rnn")
    assert {n["op_type"] for n in nodes if n["inside"] == ["choice"]} == {"Relu"}


def test_a_module_of_torch_is_found(tmp_path, profiled):
    """A dynamo export leads from the slowest node to the module and the line that wrote it."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = torch.nn.Linear(256, 2048)
            self.head = torch.nn.Linear(2048, 2)

        def forward(self, x):
            return self.head(self.wide(x).relu())

    exported = torch.onnx.export(Net().eval(), (torch.zeros(256, 256),), dynamo=True, verbose=False)
    exported.save(tmp_path / "net.onnx")
    first = profiled(tmp_path / "net.onnx", "--runs", 5)["nodes"][0]
    assert first["module"].split(",")[0] == "wide"
    assert first["source"].startswith("test_profile_command.py:")
    assert first["origins"]


# what it is run on -----------------------------------------------------------------------------


def test_made_inputs_take_the_sizes_that_are_given(tmp_path, profiled):
    """Named axes get size 1 or what is asked for; the same values every time."""
    file = saved(tmp_path, sines())
    assert profiled(file)["inputs"] == ["x: float32[1,3]"]
    found = profiled(file, "--size", "batch=7")
    assert found["inputs"] == ["x: float32[7,3]"]
    assert found["inputs_from"] == "made by the graph's signature, batch=7"


def test_the_data_set_beside_a_model_is_what_it_is_run_on(tmp_path, profiled, refused, zoo):
    """Of a bundle or of a bare folder; sizes that are given as well are a mistake."""
    (case,) = (c.case for c in read_zoo([zoo], catalog()).cases() if c.case.key == CASE)
    folder = bundle(tmp_path / "bundle", sines(), case)
    found = profiled(folder)
    assert (found["case"], found["inputs"]) == (CASE, ["x: float32[2,3]"])
    (folder / "bundle.json").unlink()
    assert profiled(folder)["inputs_from"] == "test_data_set_0"
    code, said = refused(folder, "--size", "batch=2")
    assert code == 1
    assert "has stored inputs with sizes of their own" in said


def test_a_case_is_found_in_the_cache(tmp_path, profiled, zoo):
    """By its key, and by the id that the report shows."""
    cases = {c.case.key: c for c in read_zoo([zoo], catalog()).cases()}
    located, cache = cases[CASE], tmp_path / "cache"
    key = bundle_key(located.case, catalog()["pytorch"], located.zoo_dir, 0)
    bundle(bundle_folder(cache, key), sines(), located.case)
    for name in (CASE, f"{CASE}-cpu"):
        found = profiled(name, "--zoo", zoo, "--cache-dir", cache)
        assert (found["case"], found["nodes"][0]["module"]) == (CASE, "wave")


# what it refuses -------------------------------------------------------------------------------


def test_a_case_that_is_not_converted_says_how_to(tmp_path, refused, zoo):
    """The message ends with the command that converts this case and nothing else."""
    code, said = refused(CASE, "--zoo", zoo, "--cache-dir", tmp_path)
    assert code == 2
    assert f"convert it: pytest --zoo {zoo} '{zoo}::test_export[{CASE}]'" in said


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("tiny", "has several cases, name one: pytorch/tiny@dynamo-op17-fp32, " + CASE),
        ("pytorch/tony@dynamo-op18-fp32", f"did you mean '{CASE}'?"),
        ("moving", "pin it, or name a bundle's folder"),
        ("absent.onnx", "absent.onnx does not exist"),
    ],
)
def test_what_cannot_be_found_is_named_with_the_next_step(tmp_path, refused, zoo, case, told):
    """Nothing is imported or run for a case that is not there."""
    code, said = refused(case, "--zoo", zoo, "--cache-dir", tmp_path)
    assert code == 2
    assert told in said


def test_an_id_without_a_zoo_says_so(tmp_path, refused):
    """A case cannot be looked up in a zoo that is not there."""
    code, said = refused(CASE, "--zoo", tmp_path / "none.yaml")
    assert code == 2
    assert "name one with --zoo" in said


def test_a_folder_needs_one_model(tmp_path, refused):
    """Two models in a folder are not guessed among."""
    saved(tmp_path, sines(), "a.onnx")
    saved(tmp_path, sines(), "b.onnx")
    code, said = refused(tmp_path)
    assert code == 2
    assert "has no bundle.json and not one .onnx file (a.onnx, b.onnx)" in said


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda file: file.write_bytes(b""), "is empty"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "no whole ONNX model"),
    ],
)
def test_a_damaged_model_is_named(tmp_path, refused, damage, told):
    """A file that is no model ends with what is wrong with it, not with a traceback."""
    file = saved(tmp_path, sines())
    damage(file)
    code, said = refused(file)
    assert code == 1
    assert told in said
    assert said.count("\n") == 1


def test_a_tampered_bundle_is_not_run(tmp_path, refused, zoo):
    """Every digest is verified before anything is loaded."""
    (case,) = (c.case for c in read_zoo([zoo], catalog()).cases() if c.case.key == CASE)
    folder = bundle(tmp_path / "bundle", sines(), case)
    (folder / "test_data_set_0" / "input_0.pb").write_bytes(b"other")
    code, said = refused(folder)
    assert code == 1
    assert "is damaged" in said


def test_inputs_that_cannot_be_made_ask_for_data(tmp_path, refused):
    """Strings have no values that a signature could tell."""
    file = saved(tmp_path, model([node("Identity", ["x"], ["y"])], [2], kind=TensorProto.STRING))
    code, said = refused(file)
    assert code == 1
    assert "put test_data_set_0/input_0.pb, ... beside the model" in said


def test_files_that_cannot_be_written_are_named(tmp_path, refused):
    """A folder that is not there is wrong usage."""
    out = tmp_path / "none" / "profile.html"
    code, said = refused(saved(tmp_path, sines()), "--html", out)
    assert code == 2
    assert f"{out} cannot be written" in said


# what it writes --------------------------------------------------------------------------------


def test_names_of_nodes_steer_no_terminal(tmp_path, capsys):
    """Control characters and line feeds in a name are spelled out; each node is one row."""
    made = model([node("Sin", ["x"], ["y"], name=HOSTILE)], [2])
    assert main(["profile", str(saved(tmp_path, made))]) == 0
    out = capsys.readouterr().out
    assert not {"\x1b", "\u202e"} & set(out)
    assert "\\x1b[31m" in out
    assert '"\\n' in out


def test_both_files_are_written_and_named(tmp_path, capsys):
    """The paths end the output, so that they can be opened."""
    page, data = tmp_path / "p.html", tmp_path / "p.json"
    arguments = ["profile", str(saved(tmp_path, heavy())), "--html", str(page), "--json", str(data)]
    assert main([*arguments, "--top", "2"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-2:] == [str(data), str(page)]
    assert "block.ffn, net.py:7" in out
    assert "2 more" in out
    found = json.loads(data.read_text())
    jsonschema.validate(found, SCHEMA)
    assert len(found["nodes"]) == 4
    assert "block.ffn" in page.read_text()


def test_no_profile_is_left_behind(tmp_path, monkeypatch, capsys):
    """What ONNX Runtime writes goes into a folder that is removed."""
    file = saved(tmp_path / "m", sines())
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(scratch)
    assert main(["profile", str(file), "--runs", "2"]) == 0
    left = {path.name for path in scratch.rglob("*")}
    assert left <= {".ses"}  # ONNX Runtime's own, whatever it is asked to do
