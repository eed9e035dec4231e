from __future__ import annotations

import pytest
from onnx import helper  # noqa: TID253 - graphs are made here

from conformance.graph.metadata import location, scopes

TRACE = """File "/home/me/project/model.py", line 41, in forward
    return self.act(x)
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/activation.py", line 12, in forward
    return F.gelu(x)"""


def node(name="n", trace=None, names=None, doc=""):
    made = helper.make_node("Gelu", ["x"], ["y"], name=name, doc_string=doc)
    for key, value in (("stack_trace", trace), ("name_scopes", names)):
        if value is not None:
            made.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=value)
    return made


def test_torch_node_is_located_by_module_and_own_source_line():
    """The innermost line outside torch is named, with the innermost module around it."""
    given = node(trace=TRACE, names="['', 'encoder', 'encoder.act', 'gelu']")
    assert location(given) == "encoder.act, model.py:41"
    assert scopes(given) == ("encoder", "encoder.act")


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (node(doc=TRACE), "model.py:41"),
        (node(name="model/dense/MatMul"), "model/dense"),
        (node(name="/encoder/layer.0/MatMul"), "encoder.layer.0"),
        (node(name="/read/read.4/Conv"), "read.4"),
        (node(name="Conv__37"), None),
        (
            node(
                trace='File "torch/fx/passes/runtime_assert.py", line 24, in f',
                names="['_empty_nn_module_stack_from_metadata_hook', 'sym_size']",
            ),
            None,
        ),
        (node(names="[unreadable"), None),
    ],
    ids=[
        "doc string",
        "tensorflow",
        "torchscript",
        "torchscript sequential",
        "plain name",
        "made up by torch",
        "damaged",
    ],
)
def test_location_by_what_the_exporter_wrote_down(given, where):
    """Doc strings and node names serve where there is no metadata; nothing is made up."""
    assert location(given) == where
