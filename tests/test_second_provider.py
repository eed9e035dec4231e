"""Provider truth on a real second provider: needs the ONNX Runtime wheel with OpenVINO."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

onnxruntime = pytest.importorskip("onnxruntime")

ADAPTER = '''
from miniatures import Honest


class Scaled(Honest):
    """Ends in an operator of ai.onnx.ml, which OpenVINO does not have."""

    def outputs(self, model, result):
        return {"y": 2 * result}

    def export(self, model, job, feeds, path):
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        float2 = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])
        float3 = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
        scaler = helper.make_node(
            "Scaler", ["linear"], ["y"], domain="ai.onnx.ml", offset=[0.0, 0.0], scale=[2.0, 2.0]
        )
        weight, bias = (numpy_helper.from_array(a, n) for n, a in vars(model).items())
        graph = helper.make_graph(
            [helper.make_node("Gemm", ["x", "weight", "bias"], ["linear"]), scaler],
            "scaled", [float3], [float2], [weight, bias],
        )
        opsets = [helper.make_opsetid("", job.case.opset), helper.make_opsetid("ai.onnx.ml", 3)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
'''

pytestmark = pytest.mark.skipif(
    "OpenVINOExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="this onnxruntime has no OpenVINO: run tox -e openvino",
)


def test_a_provider_that_ran_part_of_the_graph_is_told(pytester):
    """The row says which share of the nodes the provider ran; a whole one says nothing."""
    shutil.copy(Path(__file__).parent / "miniatures.py", pytester.path)
    pytester.makepyfile(scaled=ADAPTER)
    pytester.makeini("[pytest]\n")
    entry = (
        "  - id: {id}\n    framework: {framework}\n    source: {{factory: 'miniatures:unused'}}\n"
        "    exporters: [mini]\n    opsets: [18]\n    providers: [openvino]\n"
        "    inputs: {{spec: {{x: {{shape: [batch, 3]}}}}, sets: [{{batch: 4}}, {{batch: 7}}]}}\n"
    )
    models = [("whole", "miniatures:Honest"), ("part", "scaled:Scaled")]
    text = "models:\n" + "".join(entry.format(id=i, framework=f) for i, f in models)
    (pytester.path / "zoo.yaml").write_text(text)
    result = pytester.runpytest_subprocess("--zoo", "zoo.yaml", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=6)
    report = json.loads((pytester.path / "reports" / "report.json").read_text())
    whole, part = (case["placement"] for case in report["cases"])
    assert set(whole) == {"OpenVINOExecutionProvider"}
    assert part == {"OpenVINOExecutionProvider": 1, "CPUExecutionProvider": 1}
    result.stdout.fnmatch_lines(["*50% of*nodes*"])
    page = (pytester.path / "reports" / "index.html").read_text()
    assert page.count("50% of nodes, 1 fell back") >= 1


def test_options_of_an_entry_reach_the_provider(pytester):
    """A device that is not there is a failure that names it; the row says what was told."""
    shutil.copy(Path(__file__).parent / "miniatures.py", pytester.path)
    pytester.makeini("[pytest]\n")
    entry = (
        "  - id: {id}\n    framework: miniatures:Honest\n"
        "    source: {{factory: 'miniatures:unused'}}\n"
        "    exporters: [mini]\n    opsets: [18]\n    providers: [openvino]\n"
        "    provider_options: {{openvino: {options}}}\n"
        "    inputs: {{spec: {{x: {{shape: [batch, 3]}}}}, sets: [{{batch: 4}}, {{batch: 7}}]}}\n"
    )
    told = {
        "exact": "{device_type: CPU, num_of_threads: 1}",
        "absent": "{device_type: GPU}",
    }
    text = "models:\n" + "".join(entry.format(id=i, options=o) for i, o in told.items())
    (pytester.path / "zoo.yaml").write_text(text)
    pytester.runpytest_subprocess("--zoo", "zoo.yaml", "-p", "no:cacheprovider")
    report = json.loads((pytester.path / "reports" / "report.json").read_text())
    exact, absent = report["cases"]
    assert exact["verdict"] == "pass", exact["reason"]
    assert exact["provider_options"] == {"device_type": "CPU", "num_of_threads": 1}
    assert exact["latency"]["provider_options"] == exact["provider_options"]
    assert (absent["verdict"], absent["stage"]) == ("fail", "session")
    assert "did not start with device_type=GPU" in absent["reason"]
    page = (pytester.path / "reports" / "index.html").read_text()
    assert "device_type=CPU, num_of_threads=1" in page


def test_its_rows_join_the_report_of_a_run_on_the_cpu(pytester):
    """One report with both providers' rows, each with its own verdict, placement and latency."""
    shutil.copy(Path(__file__).parent / "miniatures.py", pytester.path)
    pytester.makeini("[pytest]\n")
    (pytester.path / "zoo.yaml").write_text(
        "models:\n  - id: honest\n    framework: miniatures:Honest\n"
        "    source: {factory: 'miniatures:unused'}\n    exporters: [mini]\n    opsets: [18]\n"
        "    inputs: {spec: {x: {shape: [batch, 3]}}, sets: [{batch: 4}, {batch: 7}]}\n"
    )
    cache = ("--zoo-cache-dir", "cache")
    pytester.runpytest_subprocess("--zoo", "zoo.yaml", "-p", "no:cacheprovider", *cache)
    command = [sys.executable, "-m", "conformance.cli", "replay", "--run", "latest"]
    command += ["--provider", "openvino", "--cache-dir", "cache"]
    subprocess.run(command, cwd=pytester.path, check=True)
    cases = json.loads((pytester.path / "reports" / "report.json").read_text())["cases"]
    placements = {case["provider"]: set(case["placement"]) for case in cases}
    assert placements == {
        "cpu": {"CPUExecutionProvider"},
        "openvino": {"OpenVINOExecutionProvider"},
    }
    assert all(case["verdict"] == "pass" and case["latency"]["median_ns"] for case in cases)
