"""Operators that ONNX's reference evaluator computes wrongly, or not in all cases.

Seen in onnx 1.23: ``GatherElements`` is made right here, and recurrent layers of which it
would read past something are refused.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np


@cache
def corrected_operators() -> tuple[type, ...]:
    """Implementations to use in place of the reference's own."""
    from onnx.reference.op_run import OpRun

    class GatherElements(OpRun):  # type: ignore[misc]  # onnx is not followed
        """The reference's own refuses indices that are smaller than the data."""

        op_domain = ""

        def _run(self, data: np.ndarray, indices: np.ndarray, axis: int = 0) -> Any:
            axis %= data.ndim
            within = tuple(
                slice(None) if number == axis else slice(size)
                for number, size in enumerate(indices.shape)
            )
            return (np.take_along_axis(data[within], indices, axis),)

    return (GatherElements,)


#: Activations that the reference's recurrent layers use, whatever the node says.
_ACTIVATIONS = {
    "GRU": [b"sigmoid", b"tanh"],
    "LSTM": [b"sigmoid", b"tanh", b"tanh"],
    "RNN": [b"tanh"],
}
#: Their input of sequence lengths, by position.
_SEQUENCE_LENGTHS = 4


def misread(node: Any) -> str | None:
    """What of a node the reference evaluator would read past without saying so."""
    usual = _ACTIVATIONS.get(node.op_type)
    if usual is None:
        return None
    if len(node.input) > _SEQUENCE_LENGTHS and node.input[_SEQUENCE_LENGTHS]:
        return "its sequence lengths"
    for attribute in node.attribute:
        given = [name.lower() for name in attribute.strings]
        ignored = {
            "activation_alpha": bool(attribute.floats),
            "activation_beta": bool(attribute.floats),
            "activations": given not in (usual, usual * 2),  # one direction or two
            "clip": True,
            "input_forget": attribute.i != 0,
        }
        if ignored.get(attribute.name):
            return f"its '{attribute.name}'"
    return None
