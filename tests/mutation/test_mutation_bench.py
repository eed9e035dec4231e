from __future__ import annotations

import numpy as np
import pytest
from mutation_cases import model_of
from onnx import TensorProto, helper  # noqa: TID253 - models are made here

from conformance.errors import SessionError
from conformance.mutation import bench
from conformance.mutation.bench import Bench


def test_a_model_that_never_ends_is_stopped(tmp_path, monkeypatch):
    """A loop whose condition stays true is ended and counts as one that cannot be run."""
    monkeypatch.setattr(bench, "_RUN_LIMIT_S", 0.2)
    scalar = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["v", "one"], ["next"]),
        ],
        "body",
        [
            scalar("i", TensorProto.INT64, []),
            scalar("go", TensorProto.BOOL, []),
            scalar("v", TensorProto.FLOAT, []),
        ],
        [scalar("go_on", TensorProto.BOOL, []), scalar("next", TensorProto.FLOAT, [])],
    )
    loop = helper.make_node("Loop", ["", "true", "x"], ["y"], "loop", body=body)
    kind = (TensorProto.FLOAT, [])
    constants = {"true": np.array(True), "one": np.array(1, "f4")}
    model = model_of([loop], {"x": kind}, {"y": kind}, constants)
    with pytest.raises(SessionError, match="cannot run the model"):
        Bench(model, tmp_path, tmp_path, "cpu").answers(model, [{"x": np.array(0, "f4")}])
