from __future__ import annotations

import numpy as np
import onnx  # noqa: TID253 - graphs are made here
import pytest
from graph_cases import branching, chain

from conformance.errors import CorruptBundle
from conformance.graph.load import load_model
from conformance.graph.types import tensor_dtypes


def test_external_data_is_loaded(tmp_path):
    """Weights beside the file are in the model's memory afterwards."""
    model = chain()
    wanted = onnx.numpy_helper.to_array(model.graph.initializer[0])
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0)
    (tmp_path / "elsewhere").mkdir()
    loaded = load_model(tmp_path / "m.onnx")
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(loaded.graph.initializer[0]), wanted)


def test_file_that_is_no_model_is_named(tmp_path):
    """A damaged file is an error of ours that names it."""
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    with pytest.raises(CorruptBundle, match=r"m\.onnx holds no ONNX model"):
        load_model(tmp_path / "m.onnx")


def test_dtypes_of_inner_tensors_are_inferred():
    """Tensors that no one declared have a dtype too, in whichever way weights are given."""
    assert tensor_dtypes(chain())["squashed"] == np.float32
    dtypes = tensor_dtypes(branching())
    assert dtypes["positive"] == np.bool_
    assert dtypes["y"] == np.float32
