"""What an entry may ask of skl2onnx, and how it is handed over."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, JsonValue

from conformance.adapters.contract import Arrays, Job
from conformance.entry import Conversion
from conformance.errors import ExportError, LoadError
from conformance.sources.factory import load_reference

#: Version of the domain of the classical operators; skl2onnx converts nothing to a later one.
_ML_OPSET = 3
_INPUT_TYPES = {
    "f": "FloatTensorType",
    "i": "Int64TensorType",
    "b": "BooleanTensorType",
    "O": "StringTensorType",
    "U": "StringTensorType",
}


class SklearnConversion(Conversion):
    """Parameters of ``skl2onnx.convert_sklearn``, under its own names.

    Custom converters, shape calculators and parsers are keyed by the estimator's class;
    classes and functions are written ``pkg.module:name``.
    """

    initial_types: tuple[tuple[str, str], ...] | str | None = None
    """Pairs of input name and type, such as ``[X, "FloatTensorType([None, 4])"]``, or the
    reference of a list of them. Default: as the input sets and the dynamic axes say."""
    target_opset: int | None = None
    """The case's opset, and no other; the entry's ``opsets`` set it."""
    name: str | None = None
    """Name of the ONNX graph; default: the entry's id."""
    doc_string: str = ""
    """Description stored in the ONNX model."""
    custom_conversion_functions: dict[str, str] = Field(default_factory=dict)
    """Estimator class to the function that converts it."""
    custom_shape_calculators: dict[str, str] = Field(default_factory=dict)
    """Estimator class to the function that computes the shapes of its outputs."""
    custom_parsers: dict[str, str] = Field(default_factory=dict)
    """Estimator class to the function that declares its outputs."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Options of the converters; ``step__option`` reaches into a pipeline. ``zipmap`` is false
    for classifiers unless given: probabilities are compared as an array."""


def conversion_arguments(
    conversion: SklearnConversion, estimator: Any, job: Job, feeds: Arrays
) -> dict[str, Any]:
    """Keyword arguments of ``skl2onnx.convert_sklearn`` for one case.

    Raises:
        ExportError: when the entry asks for something that does not exist or contradicts
            itself.
    """
    if conversion.target_opset not in (None, job.case.opset):
        raise ExportError(
            f"'target_opset' is {conversion.target_opset}, but this case is for opset "
            f"{job.case.opset}: leave it out, and list the opsets under 'opsets'"
        )
    double = [name for name, array in feeds.items() if array.dtype == np.float64]
    if double:
        raise ExportError(
            f"input '{double[0]}' is float64, in which the graph would be as precise as its "
            "reference: give float32 input sets"
        )
    return {
        "initial_types": _initial_types(conversion, job, feeds),
        "target_opset": {"": job.case.opset, "ai.onnx.ml": _ML_OPSET},
        "name": conversion.name or job.case.entry.id,
        "doc_string": conversion.doc_string,
        "options": _options(estimator, conversion.options),
        **_custom(conversion, job.zoo_dir),
    }


def last_step(estimator: Any) -> Any:
    """The estimator at the end of a pipeline, which decides what the pipeline answers."""
    from sklearn.pipeline import Pipeline

    return last_step(estimator.steps[-1][1]) if isinstance(estimator, Pipeline) else estimator


def classifies(estimator: Any) -> bool:
    """Whether the graph answers with labels: a selector such as RFE selects columns instead."""
    from sklearn.base import is_classifier
    from sklearn.feature_selection import SelectorMixin

    return is_classifier(estimator) and not isinstance(last_step(estimator), SelectorMixin)


def _initial_types(conversion: SklearnConversion, job: Job, feeds: Arrays) -> list[tuple[str, Any]]:
    from skl2onnx.common import data_types

    given = conversion.initial_types
    if given is None:
        dynamic = job.case.entry.dynamic_axes()
        return [
            (
                name,
                getattr(data_types, _INPUT_TYPES[array.dtype.kind])(
                    _shape(array, dynamic.get(name, {}))
                ),
            )
            for name, array in feeds.items()
        ]
    types = (
        list(_load(given, job.zoo_dir))
        if isinstance(given, str)
        else [(name, _parse_type(name, text)) for name, text in given]
    )
    names = [name for name, _ in types]
    if names != list(feeds):
        raise ExportError(f"'initial_types' names {names}, the input sets hold {list(feeds)}")
    return types


def _shape(array: np.ndarray, dynamic: Mapping[int, str]) -> list[int | None]:
    return [None if axis in dynamic else size for axis, size in enumerate(array.shape)]


def _parse_type(name: str, text: str) -> Any:
    """Read ``FloatTensorType([None, 4])`` without running it."""
    from skl2onnx.common import data_types

    known = sorted(kind for kind in dir(data_types) if kind.endswith("TensorType"))
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.keywords:
            kind, shape = call.func.id, [ast.literal_eval(argument) for argument in call.args]
            if kind in known:
                return getattr(data_types, kind)(*shape)
    except (SyntaxError, ValueError, TypeError):
        pass
    raise ExportError(
        f"'initial_types' of '{name}': '{text}' is not of the form FloatTensorType([None, 4]) "
        f"with one of {', '.join(known)}"
    )


def _options(estimator: Any, given: Mapping[str, JsonValue]) -> dict[Any, Any]:
    """The converters' options, with probabilities of classifiers as arrays."""
    from sklearn.svm import LinearSVC

    last = last_step(estimator)
    if isinstance(last, LinearSVC):
        # the one classifier that refuses 'zipmap', which a pipeline asks for by itself unless
        # its step has options of its own
        return {id(last): {name.rpartition("__")[2]: value for name, value in given.items()}}
    return {"zipmap": False, **given} if classifies(estimator) else dict(given)


def _custom(conversion: SklearnConversion, zoo_dir: Path) -> dict[str, dict[Any, Any]]:
    names = ("custom_conversion_functions", "custom_shape_calculators", "custom_parsers")
    return {
        name: {_load(kind, zoo_dir): _load(made, zoo_dir) for kind, made in pairs.items()}
        for name in names
        if (pairs := getattr(conversion, name))
    }


def _load(reference: str, zoo_dir: Path) -> Any:
    try:
        return load_reference(reference, zoo_dir)
    except LoadError as error:
        raise ExportError(f"'conversion': {error}") from error
