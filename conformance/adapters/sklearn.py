"""scikit-learn: estimators and pipelines, converted by skl2onnx.

scikit-learn computes in float64 whatever it is given, the converted graph in float32. So
the untouched estimator is the float64 reference, and the source "in float32" is a copy
whose fitted parameters are rounded to float32: what this alone does to the outputs is
noise that no float32 graph can avoid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from conformance.adapters.causes import in_short
from conformance.adapters.contract import Arrays, Job
from conformance.adapters.sklearn_conversion import (
    SklearnConversion,
    conversion_arguments,
)
from conformance.adapters.sklearn_margins import margins
from conformance.adapters.sklearn_outputs import Output, as_in_graph, method_of, outputs_of
from conformance.adapters.sklearn_rounding import rounded_to_float32
from conformance.errors import ExportError, LoadError
from conformance.model import FrameworkInfo
from conformance.sources.factory import build
from conformance.sources.local import model_path

_PICKLED = (".joblib", ".pkl", ".pickle")


@dataclass(frozen=True, slots=True)
class SklearnModel:
    """An estimator, the one that answers for it, and what is asked."""

    #: The untouched estimator: what is converted.
    estimator: Any
    #: The estimator that runs: with rounded parameters, or the untouched one in float64.
    answering: Any
    outputs: tuple[Output, ...]
    float64: bool = False


class SklearnAdapter:
    """See :class:`~conformance.adapters.contract.Adapter` and its ``KnowsMargins``."""

    info: ClassVar[FrameworkInfo] = FrameworkInfo(
        name="sklearn",
        exporters=("skl2onnx",),
        default_opset=22,
        opset_range=(11, 22),
        distributions=("scikit-learn", "skl2onnx", "skops"),
        extra="sklearn",
        preload=("sklearn.ensemble", "sklearn.pipeline", "skl2onnx", __name__),
        conversion=SklearnConversion,
    )

    def load(self, job: Job) -> SklearnModel:
        """Build or read a fitted estimator; a pickle only where the entry allows it."""
        from sklearn.base import BaseEstimator
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        source = job.case.entry.source
        if source.factory is not None:
            estimator = build(source, job.zoo_dir)
        elif source.path is not None:
            estimator = _read(
                model_path(source.path, job.zoo_dir), allow_pickle=source.allow_pickle
            )
        else:
            raise LoadError(f"scikit-learn models come from factory or path, not {source.kind}")
        if not isinstance(estimator, BaseEstimator):
            raise LoadError(f"the source gave a {type(estimator).__name__}, not an estimator")
        try:
            check_is_fitted(estimator)
        except NotFittedError as error:
            raise LoadError(f"{type(estimator).__name__} is not fitted: call fit first") from error
        raw_scores = getattr(job.conversion, "options", {}).get("raw_scores") is True
        return SklearnModel(
            estimator, rounded_to_float32(estimator), outputs_of(estimator, raw_scores=raw_scores)
        )

    def bind(self, model: SklearnModel, feeds: Mapping[str, np.ndarray]) -> Callable[[], list[Any]]:
        """Join the input columns into the one table that an estimator takes."""
        table = _table(model.estimator, feeds)
        methods = [method_of(model.answering, output) for output in model.outputs]
        return lambda: [method(table) for method in methods]

    def outputs(self, model: SklearnModel, result: list[Any]) -> Arrays:
        """Name the answers, in the shapes and (but for the reference) dtypes of the graph."""
        return {
            output.name: as_in_graph(answer, output, float64=model.float64)
            for output, answer in zip(model.outputs, result, strict=True)
        }

    @contextmanager
    def in_float64(self, model: SklearnModel) -> Iterator[SklearnModel]:
        """The untouched estimator: scikit-learn's own precision is float64."""
        yield replace(model, answering=model.estimator, float64=True)

    def margins(self, model: SklearnModel, feeds: Mapping[str, np.ndarray]) -> Arrays | None:
        """How close the trees came to another leaf; if there are any, they decide every output."""
        table = _table(model.estimator, feeds)
        narrowest = margins(model.estimator, rounded_to_float32(model.estimator), table)
        return None if narrowest is None else {o.name: narrowest for o in model.outputs}

    def export(self, model: SklearnModel, job: Job, feeds: Arrays, path: Path) -> None:
        """Convert the untouched estimator with skl2onnx."""
        from skl2onnx import convert_sklearn

        conversion = job.conversion
        if not isinstance(conversion, SklearnConversion):
            raise ExportError(f"{type(conversion).__name__} is not a SklearnConversion")
        wanted = [output.name for output in model.outputs]
        arguments = conversion_arguments(conversion, model.estimator, job, feeds)
        try:
            converted = convert_sklearn(model.estimator, **arguments)
            found = [output.name for output in converted.graph.output]
            if found != wanted and len(found) == len(wanted):
                # the names depend on the pipeline (variable1, GPmean, union): use ours
                renamed = [(name, None) for name in wanted]
                converted = convert_sklearn(model.estimator, **arguments, final_types=renamed)
        except Exception as error:
            kind = type(model.estimator).__name__
            raise ExportError(f"skl2onnx cannot convert {kind}: {in_short(error)}") from error
        _declare_opset(converted, job.case.opset)
        path.write_bytes(converted.SerializeToString())


def _declare_opset(model: Any, opset: int) -> None:
    """Declare the opset that was asked for, once.

    skl2onnx declares the lowest one in which the operators it used have their present
    meaning, so the one asked for means the same; and it declares some domains twice.
    """
    from onnx import helper

    versions = {imported.domain: imported.version for imported in model.opset_import}
    versions[""] = opset
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*version) for version in versions.items())


def _read(path: Path, *, allow_pickle: bool) -> Any:
    if not path.is_file():
        raise LoadError(f"there is no file '{path}'")
    if path.suffix == ".skops":
        return _read_skops(path)
    if path.suffix not in _PICKLED:
        raise LoadError(f"'{path.name}' is none of .skops, {', '.join(_PICKLED)}")
    if not allow_pickle:
        raise LoadError(
            f"'{path.name}' is a pickle, which can run any code when it is loaded: save the "
            "model with skops.io.dump, or set 'allow_pickle: true' if you trust its author"
        )
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:
        raise LoadError(
            f"'{path.name}' cannot be unpickled: {type(error).__name__}: {error}"
        ) from error


def _read_skops(path: Path) -> Any:
    from skops import io

    try:
        untrusted = io.get_untrusted_types(file=path)
        if not untrusted:
            return io.load(path, trusted=[])
    except Exception as error:
        raise LoadError(
            f"'{path.name}' is no readable skops file: {type(error).__name__}: {error}"
        ) from error
    raise LoadError(
        f"'{path.name}' holds types that skops does not know to be safe: "
        f"{', '.join(sorted(untrusted))}; load it in a factory of yours that trusts them"
    )


def _first_step(estimator: Any) -> Any:
    from sklearn.pipeline import FeatureUnion, Pipeline

    if isinstance(estimator, Pipeline):
        return _first_step(estimator.steps[0][1])
    if isinstance(estimator, FeatureUnion):
        return _first_step(estimator.transformer_list[0][1])
    return estimator


def _table(estimator: Any, feeds: Mapping[str, np.ndarray]) -> Any:
    """The input columns side by side; text for a vectorizer as a list of documents."""
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

    columns = [
        array.astype(object if array.dtype.kind in "OU" else np.float64)
        if array.dtype.kind in "OUf"
        else array
        for array in feeds.values()
    ]
    if isinstance(_first_step(estimator), CountVectorizer | HashingVectorizer):
        return columns[0].ravel().tolist()
    if len(columns) == 1:
        return columns[0]
    mixed = any(column.dtype == object for column in columns)
    return np.concatenate([c.astype(object) if mixed else c for c in columns], axis=1)
