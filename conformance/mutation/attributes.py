"""Changes of what a node is told: flags, choices, numbers, axes, windows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from conformance.mutation.subject import (
    LARGE_EPSILON,
    NodeAt,
    Site,
    Subject,
    at_node,
    attributes,
    label,
    set_attribute,
)

_REDUCTIONS = (
    "ReduceMean",
    "ReduceSum",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceSumSquare",
)
#: Op type to its flags (0 or 1) with their defaults. Flags without an effect on values that
#: are free of ties or negative numbers (``select_last_index``, ``fmod``) are left out.
_FLAGS: dict[str, dict[str, int]] = {
    "Gemm": {"transA": 0, "transB": 0},
    "CumSum": {"exclusive": 0, "reverse": 0},
    "Trilu": {"upper": 1},
    "TopK": {"largest": 1},
    "MaxPool": {"ceil_mode": 0},
    "AveragePool": {"ceil_mode": 0, "count_include_pad": 0},
    "GRU": {"linear_before_reset": 0},
    "Attention": {"is_causal": 0},
    "RotaryEmbedding": {"interleaved": 0},
    "ArgMax": {"keepdims": 1},
    "ArgMin": {"keepdims": 1},
    **{op: {"keepdims": 1} for op in _REDUCTIONS},
}
#: Attributes with a closed set of words, the default first: each is replaced by the next.
_WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("LSTM", "direction"): ("forward", "reverse"),
    ("GRU", "direction"): ("forward", "reverse"),
    ("RNN", "direction"): ("forward", "reverse"),
    ("Gelu", "approximate"): ("none", "tanh"),
    ("Resize", "mode"): ("nearest", "linear", "cubic"),
    ("Resize", "coordinate_transformation_mode"): ("half_pixel", "align_corners", "asymmetric"),
    ("Pad", "mode"): ("constant", "edge", "reflect"),
    ("StringNormalizer", "case_change_action"): ("NONE", "LOWER"),
    ("TfIdfVectorizer", "mode"): ("TF", "IDF", "TFIDF"),
    ("Normalizer", "norm"): ("MAX", "L1", "L2"),
    ("LinearClassifier", "post_transform"): ("NONE", "LOGISTIC", "SOFTMAX"),
    ("TreeEnsembleClassifier", "post_transform"): ("NONE", "LOGISTIC", "SOFTMAX"),
    ("TreeEnsembleRegressor", "aggregate_function"): ("SUM", "AVERAGE", "MIN", "MAX"),
    ("SVMClassifier", "kernel_type"): ("LINEAR", "RBF"),
    ("SVMRegressor", "kernel_type"): ("LINEAR", "RBF"),
}
#: Float attributes that are a number of the computation, with the default where one exists.
_NUMBERS: dict[tuple[str, str], float] = {
    ("LeakyRelu", "alpha"): 0.01,
    ("Elu", "alpha"): 1.0,
    ("Celu", "alpha"): 1.0,
    ("Selu", "gamma"): 1.0507,
    ("HardSigmoid", "alpha"): 0.2,
    ("HardSigmoid", "beta"): 0.5,
    ("Gemm", "alpha"): 1.0,
    ("ThresholdedRelu", "alpha"): 1.0,
    ("LayerNormalization", "epsilon"): 1e-5,
    ("RMSNormalization", "epsilon"): 1e-5,
    ("BatchNormalization", "epsilon"): 1e-5,
    ("InstanceNormalization", "epsilon"): 1e-5,
    ("GroupNormalization", "epsilon"): 1e-5,
}
#: Op type to the default of its ``axis``.
_AXIS: dict[str, int] = {
    "Softmax": -1,
    "LogSoftmax": -1,
    "Concat": 0,  # always given
    "Gather": 0,
    "GatherElements": 0,
    "ScatterElements": 0,
    "Split": 0,
    "ArgMax": 0,
    "ArgMin": 0,
    "TopK": -1,
    "OneHot": -1,
    "LpNormalization": -1,
    "DequantizeLinear": 1,
}
#: Op types that take their axes as an input, and which one.
_AXES_INPUT = {
    **dict.fromkeys((*_REDUCTIONS, "Squeeze", "Unsqueeze", "CumSum"), 1),
    "Slice": 3,
    "Pad": 3,
}
_UPPER_OR_LOWER = {b"SAME_UPPER": "SAME_LOWER", b"SAME_LOWER": "SAME_UPPER"}
_WINDOWED = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool")


def flip_attribute(subject: Subject) -> Iterator[Site]:
    """Turn a flag over, take another word of a choice, or make a number ten times as large."""
    for at, node in subject.nodes:
        given = attributes(node)
        for name, default in _FLAGS.get(node.op_type, {}).items():
            old = given.get(name, default)
            if name == "count_include_pad" and not any(given.get("pads", ())):
                continue  # there is no padding to count
            yield _setting(at, node, name, old, 1 - old)
        for (op, name), words in _WORDS.items():
            word = given.get(name, words[0].encode())
            if op == node.op_type and word.decode() in words:
                new = words[(words.index(word.decode()) + 1) % len(words)]
                yield _setting(at, node, name, word.decode(), new)
        for (op, name), number in _NUMBERS.items():
            if op == node.op_type:
                old = given.get(name, number)
                new = max(old * 10, LARGE_EPSILON) if name == "epsilon" else old * 10
                yield _setting(at, node, name, round(old, 12), new)


def change_axis(subject: Subject) -> Iterator[Site]:
    """Work along the axis before or after, or transpose two other axes."""
    for at, node in subject.nodes:
        given = attributes(node)
        if node.op_type in _AXIS:
            old = given.get("axis", _AXIS[node.op_type])
            rank = subject.rank(node.input[0])
            for new in (old - 1, old + 1):
                if rank is None or (-rank <= new < rank and (new - old) % rank):
                    yield _setting(at, node, "axis", old, new)
        elif node.op_type == "Transpose" and len(given.get("perm", ())) > 1:
            yield from _transposed(at, node, list(given["perm"]))
        elif node.op_type in _AXES_INPUT and len(given.get("axes", ())):
            old = list(given["axes"])
            yield _setting(at, node, "axes", old, [*old[:-1], old[-1] - 1])
        elif len(node.input) > _AXES_INPUT.get(node.op_type, 1 << 30):
            name = node.input[_AXES_INPUT[node.op_type]]
            if name in subject.places:
                target = f"axes of {label(node)} one less"
                yield subject.edit(subject.places[name], target, lambda axes: axes - 1)


def shift_window(subject: Subject) -> Iterator[Site]:
    """Move a convolution or pooling by one position, or exchange its strides."""
    for at, node in subject.nodes:
        if node.op_type not in _WINDOWED:
            continue
        given = attributes(node)
        pads, strides = list(given.get("pads", ())), list(given.get("strides", ()))
        ends = len(pads) // 2
        for axis in range(ends):
            step = 1 if pads[ends + axis] else -1
            new = list(pads)
            new[axis] += step
            new[ends + axis] -= step
            if min(new) >= 0:
                yield _setting(at, node, "pads", pads, new)
        if strides != strides[::-1]:
            yield _setting(at, node, "strides", strides, strides[::-1])
        uneven = any(size % 2 == 0 for size in given.get("kernel_shape", ()))
        if given.get("auto_pad") in _UPPER_OR_LOWER and (uneven or max(strides, default=1) > 1):
            old = given["auto_pad"]
            yield _setting(at, node, "auto_pad", old.decode(), _UPPER_OR_LOWER[old])


def _transposed(at: NodeAt, node: Any, perm: list[int]) -> Iterator[Site]:
    for first, second in ((-2, -1), (0, 1)):
        new = list(perm)
        new[first], new[second] = new[second], new[first]
        if first >= 0 and len(perm) <= 2:  # noqa: PLR2004 - then both pairs are the same one
            continue
        yield _setting(at, node, "perm", perm, new)


def _setting(at: NodeAt, node: Any, name: str, old: Any, new: Any) -> Site:
    target = f"{label(node)}: {name} {old} -> {round(new, 12) if _is_number(new) else new}"
    return at_node(at, target, partial(_set, name=name, value=new))


def _is_number(value: Any) -> bool:
    return isinstance(value, float)


def _set(node: Any, *, name: str, value: Any) -> bool:
    set_attribute(node, name, value)
    return True
