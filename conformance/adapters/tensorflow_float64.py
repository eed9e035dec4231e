"""A TensorFlow graph that computes in float64 what it computed in float32.

The graph is rewritten, not the model: whatever traced it (Keras layers, a SavedModel, a
``tf.function``), its frozen form is data. Every type in it that says float32 is made to
say float64, in operators, function bodies and constants alike; the weights keep the values
that float32 gave them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from conformance.adapters.tensorflow_sources import constants_captured, in_short
from conformance.errors import Float64Unavailable

_SUFFIX = "_float64"


def widened(concrete: Any) -> Callable[..., list[Any]]:
    """A function like ``concrete`` that takes and returns float64 where it had float32.

    Args:
        concrete: a ``ConcreteFunction``; it is not changed.

    Returns:
        A function of the same inputs, by position, that returns the flat list of outputs.

    Raises:
        Float64Unavailable: when the graph holds state that cannot be frozen, or an operator
            that is not defined for float64.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    captured = constants_captured(concrete)
    try:
        frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
        graph_def = frozen.graph.as_graph_def()
        _rename_functions(graph_def)
        _widen(graph_def)
        imported = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(graph_def, name=""), []
        )
        function = imported.prune(
            [imported.graph.get_tensor_by_name(tensor.name) for tensor in frozen.inputs],
            [imported.graph.get_tensor_by_name(tensor.name) for tensor in frozen.outputs],
        )
        values = [
            _wide_constant(captured[tensor.name])
            for tensor in frozen.inputs
            if tensor.name in captured
        ]
    except Exception as error:
        raise Float64Unavailable(f"the graph has no float64 form: {in_short(error)}") from error
    return lambda *tensors: list(function(*tensors, *values))


def _rename_functions(graph_def: Any) -> None:
    """Give function bodies new names: TensorFlow knows the old ones with other types."""
    library = graph_def.library
    names = {function.signature.name for function in library.function}
    del library.gradient[:]

    def rename(message: Any) -> None:
        kind = message.DESCRIPTOR.name
        if kind == "NodeDef" and message.op in names:
            message.op += _SUFFIX
        elif kind in ("NameAttrList", "OpDef") and message.name in names:
            message.name += _SUFFIX
        for field, value in message.ListFields():
            for part in _messages(field, value):
                rename(part)

    rename(graph_def)


def _widen(message: Any) -> None:
    """Turn float32 into float64 (and complex64 into complex128) everywhere in ``message``."""
    if message.DESCRIPTOR.name == "TensorProto":
        _widen_tensor(message)
        return
    for field, value in message.ListFields():
        if field.enum_type is not None and field.enum_type.name == "DataType":
            if field.is_repeated:
                value[:] = [_wider(dtype) for dtype in value]
            else:
                setattr(message, field.name, _wider(value))
        for part in _messages(field, value):
            _widen(part)


def _messages(field: Any, value: Any) -> Iterable[Any]:
    """The messages that a field of a message holds, singly, in a list or as a map's values."""
    if field.message_type is None:
        return ()
    if field.message_type.GetOptions().map_entry:
        holds_messages = field.message_type.fields_by_name["value"].message_type is not None
        return value.values() if holds_messages else ()
    return value if field.is_repeated else (value,)


def _wider(dtype: int) -> int:
    from tensorflow.core.framework import types_pb2

    wider: dict[int, int] = {
        types_pb2.DT_FLOAT: types_pb2.DT_DOUBLE,
        types_pb2.DT_COMPLEX64: types_pb2.DT_COMPLEX128,
    }
    return wider.get(dtype, dtype)


def _wide_constant(tensor: Any) -> Any:
    import tensorflow as tf

    return tf.cast(tensor, tf.as_dtype(_wider(tensor.dtype.as_datatype_enum)))


def _widen_tensor(tensor: Any) -> None:
    import tensorflow as tf

    wider = _wider(tensor.dtype)
    if wider != tensor.dtype:
        array = tf.make_ndarray(tensor)
        tensor.CopyFrom(tf.make_tensor_proto(array, dtype=tf.as_dtype(wider), shape=array.shape))
