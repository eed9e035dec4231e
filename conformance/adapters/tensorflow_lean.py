"""tf2onnx without its copies of the weights: the same model, in less time and memory.

tf2onnx 1.17 copies the graph with its weights before each of its optimizer passes, writes every
weight a second time into a message that nobody reads, and freezes a function by way of two more
functions that it throws away. What is left out here changes nothing of what it computes:
``docs/decisions/0007`` says why, and what it saves.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

_log = logging.getLogger(__name__)

#: What is called or replaced here, with the parameters that it must take.
_KNOWN = {
    "tf_loader.from_function": ("func", "input_names", "output_names", "large_model"),
    "tf_loader.convert_variables_to_constants_large_model": ("func",),
    "tf_loader.fix_freezing_errors_part2": ("graph_def",),
    "tf_loader.tf_optimize": ("input_names", "output_names", "graph_def"),
    "graph.Node.update_proto": ("self", "external_tensor_storage"),
    "graph.Node.is_const": ("self",),
    "graph.Node.get_body_graphs": ("self",),
    "graph.Graph.get_nodes": ("self",),
    "optimizer.optimize_graph": ("graph", "catch_errors"),
    "optimizer.copy.deepcopy": ("x", "memo"),
}


@contextmanager
def lean_tf2onnx() -> Iterator[None]:
    """Let tf2onnx convert without its copies of the weights, also where Keras calls it.

    A tf2onnx that is not built like the one known here works as it always does.
    """
    if not all(_takes(path, parameters) for path, parameters in _KNOWN.items()):
        _log.info("this tf2onnx is not the one known: it converts with all its copies")
        yield
        return
    from tf2onnx import graph, optimizer, tf_loader

    replaced: list[tuple[Any, str, Any]] = []
    try:
        for owner, name, new in (
            (tf_loader, "from_function", _freezing(tf_loader)),
            (graph.Node, "update_proto", _updating(graph.Node.update_proto)),
            (optimizer, "copy", SimpleNamespace(deepcopy=_copying(graph.Graph))),
        ):
            replaced.append((owner, name, getattr(owner, name)))
            setattr(owner, name, new)
        yield
    finally:
        for owner, name, stock in reversed(replaced):
            setattr(owner, name, stock)


def _takes(path: str, parameters: tuple[str, ...]) -> bool:
    """Whether tf2onnx has a function at ``path`` that takes ``parameters``."""
    module, *names = path.split(".")
    found: Any = import_module(f"tf2onnx.{module}")
    for name in names:
        found = getattr(found, name, None)
    return inspect.isfunction(found) and set(parameters) <= set(inspect.signature(found).parameters)


def _freezing(tf_loader: Any) -> Callable[..., Any]:
    """``tf_loader.from_function`` that makes no function of the frozen graph.

    The stock one turns the frozen graph into a function, prunes that into another, and takes its
    graph: both are copies with weights, which TensorFlow's context then keeps. The graph that
    goes into Grappler is the same here: pruned to what inputs and outputs need, with the shapes
    that TensorFlow infers.
    """
    stock = tf_loader.from_function

    def from_function(
        func: Any,
        input_names: list[str],
        output_names: list[str],
        large_model: bool = False,  # noqa: FBT001, FBT002 - tf2onnx calls it so
    ) -> Any:
        if large_model:
            return stock(func, input_names, output_names, large_model=True)
        try:
            return _frozen(tf_loader, func, input_names, output_names)
        except Exception:  # noqa: BLE001 - whatever it is, the stock way decides what becomes of it
            _log.info("frozen the stock way", exc_info=True)
        return stock(func, input_names, output_names)

    return from_function


def _frozen(tf_loader: Any, func: Any, input_names: list[str], output_names: list[str]) -> Any:
    import tensorflow as tf

    graph_def = tf_loader.convert_variables_to_constants_large_model(func)
    _prune(graph_def, {name.partition(":")[0] for name in (*input_names, *output_names)})
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        del graph_def
        annotated = graph.as_graph_def(add_shapes=True)
    del graph
    with tf.Graph().as_default():
        return tf_loader.tf_optimize(
            input_names, output_names, tf_loader.fix_freezing_errors_part2(annotated)
        )


def _prune(graph_def: Any, wanted: set[str]) -> None:
    """Leave the nodes called ``wanted``, and what they depend on.

    Raises:
        KeyError: when the graph lacks one.
    """
    nodes = {node.name: node for node in graph_def.node}
    kept: set[str] = set()
    reached = list(wanted)
    while reached:
        name = reached.pop()
        if name not in kept:
            kept.add(name)
            reached += [of.lstrip("^").partition(":")[0] for of in nodes[name].input]
    for index in reversed(range(len(graph_def.node))):
        if graph_def.node[index].name not in kept:
            del graph_def.node[index]


def _updating(stock: Callable[..., None]) -> Callable[..., None]:
    """``Node.update_proto`` that writes no constant's value into the node's message.

    A constant leaves tf2onnx as an initializer, made from the node's own attribute; its message
    is never read. Writing it costs a copy of each weight per pass, which protobuf does not free
    before the node itself.
    """

    def update_proto(self: Any, external_tensor_storage: Any = None) -> None:
        if self.is_const():
            del self.op.attribute[:]
        else:
            stock(self, external_tensor_storage)

    return update_proto


def _copying(graph_type: type) -> Callable[[Any], Any]:
    """``copy.deepcopy`` for the optimizer, whose copies of a graph share the constants' values.

    The optimizer copies a graph so that a pass that fails leaves it as it was. Passes give a
    constant another attribute, they never write into the one it has, except for the tensor's
    name, which is set again before every use. And of the two graphs only one lives on, so that
    no tensor comes to stand under two names.
    """

    def deepcopy(original: Any) -> Any:
        memo = {}
        if isinstance(original, graph_type):
            memo = {id(value): value for value in _values(original)}
        return copy.deepcopy(original, memo)

    return deepcopy


def _values(graph: Any) -> Iterator[Any]:
    """The attributes that hold the constants' values, also those of inner graphs."""
    for node in graph.get_nodes():
        if node.is_const() and "value" in node.attr:
            yield node.attr["value"]
        for body in (node.get_body_graphs() or {}).values():
            yield from _values(body)
