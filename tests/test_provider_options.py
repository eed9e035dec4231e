from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from zoo_cases import located

from conformance import runtime
from conformance.errors import SessionError
from conformance.evidence import LatencyResult
from conformance.machine import hardware_class, latency_software
from conformance.measuring import Earlier, unchanged
from conformance.provider_options import OPTIONS, as_onnx_runtime_reads, value_problem
from conformance.providers import PROVIDERS

onnx = pytest.importorskip("onnx")


def test_every_provider_has_a_table_whose_defaults_are_values_of_theirs():
    """No provider without one, and no default that the table itself would refuse."""
    assert OPTIONS.keys() == PROVIDERS.keys()
    for options in OPTIONS.values():
        for option in options.values():
            assert option.default is None or value_problem(option, option.default) is None


def test_no_option_names_a_file_or_a_library():
    """A bundle of somebody else's is replayed with its options."""
    words = {word for options in OPTIONS.values() for name in options for word in name.split("_")}
    assert words.isdisjoint({"path", "paths", "dir", "file", "lib", "library", "name"})


def test_options_are_told_in_the_words_of_onnx_runtime():
    """Booleans as the provider spells them, a mapping as JSON of texts, entries of the session."""
    own, entries = as_onnx_runtime_reads(
        "openvino", {"disable_dynamic_shapes": True, "load_config": {"CPU": {"NUM_STREAMS": 2}}}
    )
    assert own == {
        "disable_dynamic_shapes": "true",
        "load_config": '{"CPU": {"NUM_STREAMS": "2"}}',
    }
    assert entries == {}
    assert as_onnx_runtime_reads("cuda", {"use_tf32": False}) == ({"use_tf32": "0"}, {})
    own, entries = as_onnx_runtime_reads("cpu", {"set_denormal_as_zero": True})
    assert (own, entries) == ({}, {"session.set_denormal_as_zero": "1"})


@pytest.mark.parametrize(
    ("provider", "options", "reason"),
    [
        ("cuda", {"nonsense": 1}, "cuda has no option 'nonsense'"),
        ("openvino", {"num_streams": 0}, "must be at least 1"),
        ("openvino", {"precision": "FP8"}, "must be one of FP32, FP16, ACCURACY"),
        ("openvino", {"load_config": {"CPU": {"CACHE_DIR": "/"}}}, "tell 'CPU' of 'CACHE_DIR'"),
    ],
)
def test_what_a_provider_does_not_have_is_refused(provider, options, reason):
    """Also where no zoo was read: a bundle's entry is data of somebody else's."""
    with pytest.raises(ValueError, match=reason):
        as_onnx_runtime_reads(provider, options)


def test_a_session_is_told_what_the_entry_says(tmp_path):
    """Told to approximate Gelu, the CPU does; before and afterwards it does not."""
    path = gelu(tmp_path)
    feeds = {"x": np.linspace(-3, 3, 7, dtype="f4")}

    def answer():
        return runtime.run(runtime.create_session(path, "cpu"), feeds)["y"]

    exact = answer()
    with runtime.configured({"cpu": {"enable_gelu_approximation": True}}):
        approximate = answer()
    assert 1e-5 < np.abs(approximate - exact).max() < 1e-2
    assert np.array_equal(answer(), exact)
    with (
        runtime.configured({"cpu": {"nonsense": True}}),
        pytest.raises(SessionError, match="cpu has no option 'nonsense'"),
    ):
        answer()


def gelu(folder):
    """A model of one operator of which ONNX Runtime has an approximation."""
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [7]) for n in ("x", "y")]
    nodes = [helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")]
    graph = helper.make_graph(nodes, "g", *([value] for value in values))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(folder / "m.onnx"))
    return folder / "m.onnx"


def test_a_latency_with_other_options_is_measured_again():
    """The same bundle on the same machine, told otherwise, is another measurement."""
    entry = located("Honest").case.entry
    then = LatencyResult(
        provider="cpu", median_ns=1, p95_ns=1, session_create_ns=1, first_run_ns=1, runs=1,
        intra_op_threads=1, source_median_ns=None, speedup=None, hardware=hardware_class(),
        software=latency_software(),
    )  # fmt: skip
    earlier = Earlier(run="earlier", latency=then, key="key", model_digest=None)
    assert unchanged(earlier, entry, "key") is not None
    told = entry.model_copy(update={"provider_options": {"cpu": {"set_denormal_as_zero": True}}})
    assert unchanged(earlier, told, "key") is None
    same = replace(then, provider_options={"set_denormal_as_zero": True})
    assert unchanged(replace(earlier, latency=same), told, "key") is not None
