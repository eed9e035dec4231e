"""What a model takes, read from the model itself, in the process of its framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.adapters.contract import Job
from conformance.detection.signature import Signature
from conformance.detection.sklearn_inputs import sklearn_signature
from conformance.detection.tensorflow_inputs import tensorflow_signature
from conformance.detection.torch_inputs import torch_signature
from conformance.detection.transformers_inputs import transformers_signature
from conformance.errors import InputsError
from conformance.execution.progress import Progress
from conformance.model import Stage, to_json
from conformance.reference import open_source
from conformance.sources.fetching import source_folder


def read_signature(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The :class:`Signature` of the source that ``payload`` names, as a target of a process.

    Raises:
        LoadError: when the model cannot be read.
        InputsError: when it does not tell what it takes; the message says what to write instead.
    """
    progress.enter(Stage.LOAD)
    adapter, job = open_source(payload)
    return to_json(_signature(adapter, job))


def _signature(adapter: Any, job: Job) -> Signature:
    framework = job.case.entry.framework
    if framework == "transformers":
        return _of_transformers(job)
    model = adapter.load(job)
    match framework:
        case "sklearn":
            return sklearn_signature(model.estimator)
        case "tensorflow":
            return tensorflow_signature(model)
        case "pytorch":
            return torch_signature(model.source, model.parameters)
    raise InputsError(f"what models of '{framework}' take cannot be detected: write a manifest")


def _of_transformers(job: Job) -> Signature:
    """From the configuration alone: the weights need not be read for it."""
    source = job.case.entry.source
    folder = source_folder(source, job.zoo_dir, job.cache_dir, offline=job.offline)
    return transformers_signature(folder, run_code=source.trust_remote_code)
