"""Changes to an ONNX file, for miniatures that export something other than they should."""

from __future__ import annotations


def edit_graph(path, edit):
    """Have ``edit`` change the saved model's graph."""
    import onnx

    made = onnx.load(str(path))
    edit(made.graph)
    onnx.save(made, str(path))


def insert(path, name, op, *more, **attributes):
    """Put a node between what computes ``name`` and whoever reads it."""
    from onnx import helper

    before = f"{name}_before_{op}"

    def edit(graph):
        at, maker = next((i, n) for i, n in enumerate(graph.node) if name in n.output)
        maker.output[:] = [before if output == name else output for output in maker.output]
        graph.node.insert(at + 1, helper.make_node(op, [before, *more], [name], **attributes))

    edit_graph(path, edit)


def add_weight(path, name, array):
    """Add an initializer to the saved model."""
    from onnx import numpy_helper

    edit_graph(path, lambda graph: graph.initializer.append(numpy_helper.from_array(array, name)))


def declare(path, number, shape, kind="FLOAT"):
    """Declare another type for an output of the saved model."""
    from onnx import TensorProto, helper

    def edit(graph):
        name, element = graph.output[number].name, TensorProto.DataType.Value(kind)
        graph.output[number].CopyFrom(helper.make_tensor_value_info(name, element, shape))

    edit_graph(path, edit)
