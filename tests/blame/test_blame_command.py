"""``conformance blame``, as a person types it, on a history of real runs."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files

import jsonschema
import pytest

from conformance.cli import main

NOW = version("onnxruntime")
SCHEMA = json.loads(files("conformance").joinpath("schemas/blame.schema.json").read_text("utf-8"))


@pytest.fixture
def blame(past, capsys):
    """Run ``conformance blame``: exit code, stdout, stderr."""

    def run(*arguments):
        where = ("--report", str(past.reports), "--cache-dir", str(past.cache))
        return main(["blame", *arguments, *where]), *capsys.readouterr()

    return run


def test_only_the_runtime_moved(blame, past, tmp_path):
    """The same bytes, another version in the record, and the failure shows under the new one."""
    past.retell(onnxruntime="1.30.0")
    code, out, err = blame("steady", "--json", str(tmp_path / "blame.json"))
    assert code == 0
    assert out.splitlines()[0] == (
        "Steady/steady@mini-op18-fp32-cpu: converter output byte-identical; "
        f"regressed by onnxruntime 1.30.0 -> {NOW}"
    )
    assert f"replaying the old bundle under onnxruntime {NOW}" in err
    assert out.splitlines()[-1] == (
        "  told by what differs, not confirmed: --environments replays under "
        f"onnxruntime 1.30.0 and {NOW}"
    )
    told = json.loads((tmp_path / "blame.json").read_text())
    jsonschema.validate(told, SCHEMA)
    assert told["attribution"]["side"] == "runtime"
    assert told["turned"] == "red"
    assert [p["name"] for p in told["environment"]["packages"]] == ["onnxruntime"]
    assert told["replayed"] == {"onnxruntime": NOW, "old_red": True, "new_red": True}


def test_the_schema_of_what_it_writes_knows_the_reports():
    """What both schemas define is the same in both."""
    report = json.loads(
        files("conformance").joinpath("schemas/report.schema.json").read_text("utf-8")
    )
    shared = SCHEMA["$defs"].keys() & report["$defs"].keys()
    assert "export" in shared
    assert {name: SCHEMA["$defs"][name] for name in shared} == {
        name: report["$defs"][name] for name in shared
    }


def test_only_the_converter_moved(blame, past):
    """The nodes that differ are named, with the packages that convert."""
    past.retell(onnx="1.0.0")
    code, out, _ = blame("worsened")
    assert code == 0
    told = out.splitlines()[0].partition(": ")[2]
    assert told.startswith(
        "converter changed: 1 node differs (Gemm changed: constant 1), onnx 1.0.0 -> "
    )
    assert out.splitlines()[-1] == "  confirmed by replaying"


def test_both_moved_and_the_old_model_is_well(blame, past):
    """The runtime moved too, but the old model passes under the new one: the converter it is."""
    past.retell(onnx="1.0.0", onnxruntime="1.30.0")
    code, out, _ = blame("worsened")
    assert code == 0
    assert f"; the old model passes under onnxruntime {NOW} too" in out.splitlines()[0]
    assert out.splitlines()[0].partition(": ")[2].startswith("converter changed: 1 node differs")


def test_renamed_nodes_are_no_change(blame, past):
    """Another file, the same graph: the runtime is to blame."""
    past.retell(onnxruntime="1.30.0")
    code, out, _ = blame("renaming")
    assert code == 0
    assert out.splitlines()[0].partition(": ")[2] == (
        f"converter output the same but for names; regressed by onnxruntime 1.30.0 -> {NOW}"
    )


def test_an_evicted_bundle_cannot_be_compared(blame, past):
    """Digests that differ may be names alone: nothing is claimed."""
    past.retell(onnxruntime="1.30.0")
    past.forget_old_bundles()
    code, out, _ = blame("worsened")
    assert code == 1
    assert out.splitlines()[0].partition(": ")[2] == (
        "cannot be told: the old bundle is no longer in the cache"
    )


def test_an_evicted_bundle_of_the_same_model_is_no_loss(blame, past):
    """The digests of the records tell that the model is the same."""
    past.retell(onnxruntime="1.30.0")
    past.forget_old_bundles()
    code, out, _ = blame("steady")
    assert code == 0
    assert f"byte-identical; regressed by onnxruntime 1.30.0 -> {NOW}" in out


def test_a_failure_that_does_not_show_is_no_proof(blame, past):
    """The runtime's version moved, but under the new one the model passes here."""
    past.retell(onnxruntime="1.30.0")
    lines = [json.loads(line) for line in past.first.read_text().splitlines()]
    failing = [json.loads(line) for line in past.second.read_text().splitlines()]
    exports = {li["ref"]["id"]: li["export"] for li in lines if li["kind"] == "record"}
    for line in failing:
        if line["kind"] == "record":
            line["export"] = exports[line["ref"]["id"]]
    past.second.write_text("".join(json.dumps(line) + "\n" for line in failing))
    code, out, _ = blame("worsened")
    assert code == 1
    assert f"it passes here under onnxruntime {NOW}, as it then did not" in out


def test_other_hardware_is_told(blame, past):
    """Nothing but the machine is another one."""
    past.retell(machine={"cpu": "abacus"})
    code, out, _ = blame("steady")
    assert code == 0
    assert "converter output byte-identical; regressed by the machine (cpu abacus -> " in out


def test_neither_moved(blame, past):
    """What is left is named: here the commit, which holds the limits of the zoo."""
    past.retell(commit="c0ffee" * 6)
    code, out, _ = blame("steady")
    assert code == 0
    assert "onnxruntime and the machine are those of then; what differs: commit c0ffeec0ffee" in out


def test_a_case_that_was_always_red_has_no_turn(blame):
    """Nobody is blamed where no run is known that was well."""
    code, _, err = blame("steady")
    assert code == 2
    assert "was red in each of the 2 runs" in err


def test_two_runs_that_are_named_are_compared(blame, past):
    """Also where nothing turned."""
    code, out, _ = blame("steady", "--from", past.first.stem, "--to", "latest")
    assert code == 0
    assert "converter output byte-identical" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing",), "judged 'nothing': name a row, a case or a model"),
        (("steady", "--from", "1999"), "'1999' is no run"),
    ],
)
def test_what_is_not_there_is_refused(blame, arguments, told):
    """A case or a run that is not known."""
    code, _, err = blame(*arguments)
    assert code == 2
    assert told in err
