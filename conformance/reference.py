"""What the source answers: the reference that every later comparison is held against.

Everything that needs the source model is asked of it here, in one go, while it is loaded:
its answers in its own precision and in float64, how much its own rounding moves small
outputs, what it does at other shapes, which tokens it would generate, and how close it
came to deciding otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydantic

from conformance.adapters import adapter_for
from conformance.adapters.contract import Adapter, Job, KnowsMargins
from conformance.bundle import DataSet, Generation, ProbeInfo
from conformance.entry import ZooEntry
from conformance.errors import ExportError, Float64Unavailable, ReferenceRunError
from conformance.evidence import Noise
from conformance.generation import generate_greedily
from conformance.inputs import further_sets
from conformance.model import Case, from_json
from conformance.parity.noise import further_noise, small_outputs
from conformance.redaction import hide_secrets
from conformance.shapes import answer_probes, plan_probes
from conformance.tensors import Arrays

#: Further input sets for the noise of small outputs: an odd number has a plain median.
_NOISE_SETS = 9
_GENERATED_TOKENS = 8


@dataclass(frozen=True, slots=True)
class Reference:
    """Everything the source was asked, with its answers."""

    data_sets: list[DataSet]
    fp64_unavailable: str | None
    noise: dict[str, Noise]
    probes: tuple[ProbeInfo, ...]
    probe_data: dict[str, DataSet]
    generation: Generation | None

    @property
    def outputs(self) -> list[str]:
        """The source's output names, in order."""
        return list(self.data_sets[0].outputs)


def ask_source(adapter: Adapter, model: Any, job: Job, sets: list[Arrays]) -> Reference:
    """Ask the source everything that its conversion will be asked.

    Args:
        adapter: of the source's framework.
        model: as the adapter loaded it.
        job: the conversion that is under way.
        sets: the input sets; the first is the one that is traced.

    Raises:
        ReferenceRunError: when the source gives no outputs, or other ones when asked again.
        InputsError: when an input factory fails on another seed.
    """
    entry, source = job.case.entry, _Source(adapter, model)
    answers = [source.run(feeds) for feeds in sets]
    _check_repeatable(answers[0], source.run(sets[0]))
    source.find_float64(sets, answers)
    fp64 = source.fp64_answers
    data_sets = [
        DataSet(
            feeds,
            answer,
            fp64[number] if fp64 else None,
            adapter.margins(model, feeds) if isinstance(adapter, KnowsMargins) else None,
        )
        for number, (feeds, answer) in enumerate(zip(sets, answers, strict=True))
    ]
    run_fp64 = source.run_fp64 if fp64 else None
    infos, probe_data = answer_probes(plan_probes(entry, sets, job.seed), source.run, run_fp64)
    return Reference(
        data_sets=data_sets,
        fp64_unavailable=source.fp64_unavailable,
        noise=_noise(source, job),
        probes=tuple(infos),
        probe_data=probe_data,
        generation=_generation(source, entry, sets[0]),
    )


def open_source(payload: Mapping[str, Any]) -> tuple[Adapter, Job]:
    """The adapter and the job that a process was given: ``case``, ``zoo_dir`` and so on.

    Raises:
        LoadError: when the adapter cannot be found.
        ExportError: when the entry's ``conversion`` is not the adapter's.
    """
    case = from_json(Case, payload["case"])
    entry, zoo_dir = case.entry, Path(payload["zoo_dir"])
    adapter = adapter_for(entry.framework, zoo_dir)
    try:
        conversion = adapter.info.conversion.model_validate(entry.conversion)
    except pydantic.ValidationError as error:
        raise ExportError(f"'conversion' of '{entry.id}' is not valid: {error}") from error
    job = Job(
        case=case,
        conversion=conversion,
        zoo_dir=zoo_dir,
        cache_dir=Path(payload["cache_dir"]),
        offline=payload["offline"],
        seed=payload["seed"],
    )
    return adapter, job


class _Source:
    """The source model in its own precision and, where it can, in float64."""

    def __init__(self, adapter: Adapter, model: Any) -> None:
        self._adapter = adapter
        self._model = model
        self._model_fp64: Any = None
        self.fp64_answers: list[Arrays] | None = None
        self.fp64_unavailable: str | None = None

    def run(self, feeds: Arrays) -> Arrays:
        outputs = self._adapter.outputs(self._model, self._adapter.bind(self._model, feeds)())
        if not outputs:
            raise ReferenceRunError("the source model returned no outputs")
        return outputs

    def run_fp64(self, feeds: Arrays) -> Arrays:
        bound = self._adapter.bind(self._model_fp64, _in_float64(feeds))
        return self._adapter.outputs(self._model_fp64, bound())

    def find_float64(self, sets: list[Arrays], answers: list[Arrays]) -> None:
        """Answer the sets in float64, or find out why that cannot be had."""
        try:
            self._model_fp64 = self._adapter.in_float64(self._model)
        except Float64Unavailable as reason:
            self.fp64_unavailable = str(reason)
            return
        try:
            fp64 = [self.run_fp64(feeds) for feeds in sets]
        except Exception as error:  # noqa: BLE001 - any failure of the fp64 copy means "no fp64", with its reason
            text = hide_secrets(" ".join(str(error).split()))
            self.fp64_unavailable = (
                f"the float64 copy cannot run: {type(error).__name__}: {text[:200]}"
            )
            return
        self.fp64_unavailable = _unlike(answers, fp64)
        if self.fp64_unavailable is None:
            self.fp64_answers = fp64


def _unlike(source: list[Arrays], answers: list[Arrays]) -> str | None:
    """Why float64 answers are no reference for the source's, or None when they are."""
    for number, (fp32, fp64) in enumerate(zip(source, answers, strict=True)):
        for name, array in fp32.items():
            if name not in fp64 or fp64[name].shape != array.shape:
                return f"in float64, output '{name}' of input set {number} has another shape"
            if array.dtype.kind == "f" and fp64[name].dtype != np.float64:
                return f"output '{name}' stays {fp64[name].dtype} in float64"
    return None


def _check_repeatable(first: Arrays, second: Arrays) -> None:
    """Refuse a source that answers the same question in two ways: no answer of it is a proof."""
    for name, array in first.items():
        again = second.get(name)
        equal_nan = array.dtype.kind == "f"
        if again is None or not np.array_equal(array, again, equal_nan=equal_nan):
            raise ReferenceRunError(
                f"the source's output '{name}' differs between two runs on the same inputs: "
                "is dropout on, or does the model draw random numbers?"
            )


def _noise(source: _Source, job: Job) -> dict[str, Noise]:
    """Rounding noise of outputs with so few elements that their maximum may be luckily small."""
    if source.fp64_answers is None:
        return {}
    names = small_outputs(source.fp64_answers)
    if not names:
        return {}
    more = further_sets(job.case.entry, job.zoo_dir, job.seed, _NOISE_SETS)
    return further_noise(
        [source.run(feeds) for feeds in more], [source.run_fp64(feeds) for feeds in more], names
    )


def _generation(source: _Source, entry: ZooEntry, traced: Arrays) -> Generation | None:
    """The tokens that a language model would generate, where its inputs can grow."""
    if entry.task != "text-generation" or 1 not in entry.dynamic_axes().get("input_ids", {}):
        return None
    return generate_greedily(source.run, traced, _GENERATED_TOKENS)


def _in_float64(feeds: Arrays) -> Arrays:
    return {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array
        for name, array in feeds.items()
    }
