"""TensorFlow and Keras, converted by tf2onnx or by Keras' own exporter (which uses it).

Source and export share one traced function, so what is timed and compared is the compiled
graph that TensorFlow itself would serve, not Keras' eager layers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from conformance.adapters.contract import Arrays, Job
from conformance.adapters.tensorflow_conversion import (
    TensorFlowConversion,
    convert,
    signature_of,
)
from conformance.adapters.tensorflow_float64 import widened
from conformance.adapters.tensorflow_sources import TensorFlowModel, as_model, read
from conformance.errors import LoadError, ReferenceRunError
from conformance.model import FrameworkInfo
from conformance.sources.factory import build
from conformance.sources.fetching import source_folder


class TensorFlowAdapter:
    """See :class:`~conformance.adapters.contract.Adapter`."""

    info: ClassVar[FrameworkInfo] = FrameworkInfo(
        name="tensorflow",
        exporters=("tf2onnx", "keras"),
        default_opset=18,
        opset_range=(14, 18),
        distributions=("tensorflow", "keras", "tf2onnx"),
        extra="tensorflow",
        preload=("tensorflow", "keras", "tf2onnx", "tf2onnx.convert", __name__),
        conversion=TensorFlowConversion,
    )

    def load(self, job: Job) -> TensorFlowModel:
        """Build or read a Keras model, SavedModel, ``tf.function`` or ``tf.Module``.

        Raises:
            LoadError: when the source gives none of them, or one that cannot be traced.
            InfraError: when it cannot be fetched.
        """
        _settle()
        source = job.case.entry.source
        if source.kind in {"path", "kaggle", "url"}:
            folder = source_folder(source, job.zoo_dir, job.cache_dir, offline=job.offline)
            loaded = read(folder, run_code=source.allow_pickle)
        elif source.factory is not None:
            loaded = build(source, job.zoo_dir)
            if isinstance(loaded, str | os.PathLike):
                loaded = read(Path(loaded), run_code=source.allow_pickle)
        else:
            raise LoadError(
                f"TensorFlow models come from factory, path, kaggle or url, not {source.kind}"
            )
        return as_model(loaded, signature_of(job.conversion))

    def bind(self, model: TensorFlowModel, feeds: Mapping[str, np.ndarray]) -> Callable[[], Any]:
        """Convert ``feeds`` to tensors and return a call of the compiled graph.

        Raises:
            ReferenceRunError: when names or dtypes are not those of the model.
        """
        import tensorflow as tf

        names = [spec.name for spec in model.inputs]
        if set(names) != set(feeds):
            raise ReferenceRunError(
                f"the model's inputs are {names}, the input set holds {list(feeds)}: name them "
                "alike, if need be with 'conversion: input_signature'"
            )
        for spec in model.inputs:
            if spec.dtype != tf.as_dtype(feeds[spec.name].dtype):
                raise ReferenceRunError(
                    f"input '{spec.name}' of the model is {spec.dtype.name}, "
                    f"the input set holds {feeds[spec.name].dtype}"
                )
        tensors = [tf.constant(feeds[name]) for name in names]
        return lambda: model.run(*tensors)

    def outputs(self, model: TensorFlowModel, result: Any) -> Arrays:
        """The tensors of the model's answer, by the names of its outputs."""
        return {
            name: np.asarray(tensor) for name, tensor in zip(model.outputs, result, strict=True)
        }

    @contextlib.contextmanager
    def in_float64(self, model: TensorFlowModel) -> Iterator[TensorFlowModel]:
        """The same graph in float64, with the weights that float32 gave it.

        Raises:
            Float64Unavailable: when TensorFlow has no such graph.
        """
        import tensorflow as tf

        wider = {tf.float32: tf.float64, tf.complex64: tf.complex128}
        specs = tuple(
            tf.TensorSpec(spec.shape, wider.get(spec.dtype, spec.dtype), name=spec.name)
            for spec in model.inputs
        )
        run = widened(model.run)
        yield replace(model, inputs=specs, call=run, run=run)

    def export(self, model: TensorFlowModel, job: Job, feeds: Arrays, path: Path) -> None:
        """Convert with ``tf2onnx`` or ``keras``, as the case says.

        Raises:
            ExportError: when that fails, or the entry asks for what it cannot do.
        """
        convert(model, job, feeds, path)


def _settle() -> None:
    """One thread, no GPU, no chatter: before TensorFlow is used, if it was not yet."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    # a used TensorFlow refuses new settings; the child of a case never used it before
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.set_visible_devices([], "GPU")
