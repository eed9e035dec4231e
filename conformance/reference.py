"""What the source answers: the reference that every later comparison is held against.

Everything that needs the source model is asked of it here, in one go, while it is loaded:
its answers in its own precision and in float64, how much its own rounding moves small
outputs, what it does at other shapes, which tokens it would generate, and how close it
came to deciding otherwise. What is asked in float64 comes last and together, because a large
model computes it with its own weights, widened for as long as that takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from conformance.shapes import answer_probes, answer_probes_in_float64, plan_probes
from conformance.tensors import Arrays, is_float

#: Further input sets for the noise of small outputs: an odd number has a plain median.
_NOISE_SETS = 9
_GENERATED_TOKENS = 8

Run = Callable[[Arrays], Arrays]


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
    entry = job.case.entry

    def run(feeds: Arrays) -> Arrays:
        return _answer(adapter, model, feeds)

    answers = [run(feeds) for feeds in sets]
    _check_repeatable(answers[0], run(sets[0]))
    data_sets = [
        DataSet(
            feeds,
            answer,
            None,
            adapter.margins(model, feeds) if isinstance(adapter, KnowsMargins) else None,
        )
        for feeds, answer in zip(sets, answers, strict=True)
    ]
    infos, probe_data = answer_probes(plan_probes(entry, sets, job.seed), run)
    generation = _generation(run, entry, sets[0])
    exact = _ask_in_float64(adapter, model, job, data_sets, probe_data)
    return Reference(
        data_sets=exact.data_sets,
        fp64_unavailable=exact.unavailable,
        # what is small is known only now, and the model is in its own precision again
        noise=further_noise([run(feeds) for feeds in exact.further], exact.answers, exact.small),
        probes=tuple(infos),
        probe_data=exact.probe_data,
        generation=generation,
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


@dataclass(frozen=True, slots=True)
class _Exact:
    """What the source answers in float64, or why it does not."""

    data_sets: list[DataSet]
    probe_data: dict[str, DataSet]
    unavailable: str | None
    #: Outputs with so few elements that their maximum may be luckily small, with further input
    #: sets that tell their noise, and the float64 answers to those.
    small: tuple[str, ...] = ()
    further: tuple[Arrays, ...] = ()
    answers: tuple[Arrays, ...] = ()


def _ask_in_float64(
    adapter: Adapter,
    model: Any,
    job: Job,
    data_sets: list[DataSet],
    probe_data: dict[str, DataSet],
) -> _Exact:
    """Ask everything that is asked in float64 in one go: ``model`` may have to lend its weights."""
    try:
        with adapter.in_float64(model) as wide:

            def run(feeds: Arrays) -> Arrays:
                return _answer(adapter, wide, _in_float64(feeds))

            exact, unavailable = _data_sets_in_float64(data_sets, run)
            if unavailable is not None:
                return _Exact(data_sets, probe_data, unavailable)
            small = small_outputs(exact)
            count = _NOISE_SETS if small else 0
            further = tuple(further_sets(job.case.entry, job.zoo_dir, job.seed, count))
            return _Exact(
                [replace(d, outputs_fp64=e) for d, e in zip(data_sets, exact, strict=True)],
                answer_probes_in_float64(probe_data, run),
                None,
                small,
                further,
                tuple(run(feeds) for feeds in further),
            )
    except Float64Unavailable as reason:
        return _Exact(data_sets, probe_data, str(reason))


def _data_sets_in_float64(data_sets: list[DataSet], run: Run) -> tuple[list[Arrays], str | None]:
    """The float64 answers to the data sets, and why they are no reference; None when they are."""
    try:
        exact = [run(data_set.inputs) for data_set in data_sets]
    except Exception as error:  # noqa: BLE001 - any failure of the fp64 copy means "no fp64", with its reason
        text = hide_secrets(" ".join(str(error).split()))
        return [], f"the float64 copy cannot run: {type(error).__name__}: {text[:200]}"
    return exact, _unlike([data_set.outputs for data_set in data_sets], exact)


def _answer(adapter: Adapter, model: Any, feeds: Arrays) -> Arrays:
    outputs = adapter.outputs(model, adapter.bind(model, feeds)())
    if not outputs:
        raise ReferenceRunError("the source model returned no outputs")
    return outputs


def _unlike(source: list[Arrays], answers: list[Arrays]) -> str | None:
    """Why float64 answers are no reference for the source's, or None when they are."""
    for number, (fp32, fp64) in enumerate(zip(source, answers, strict=True)):
        for name, array in fp32.items():
            if name not in fp64 or fp64[name].shape != array.shape:
                return f"in float64, output '{name}' of input set {number} has another shape"
            if is_float(array.dtype) and fp64[name].dtype != np.float64:
                return f"output '{name}' stays {fp64[name].dtype} in float64"
    return None


def _check_repeatable(first: Arrays, second: Arrays) -> None:
    """Refuse a source that answers the same question in two ways: no answer of it is a proof."""
    for name, array in first.items():
        again = second.get(name)
        equal_nan = is_float(array.dtype)
        if again is None or not np.array_equal(array, again, equal_nan=equal_nan):
            raise ReferenceRunError(
                f"the source's output '{name}' differs between two runs on the same inputs: "
                "is dropout on, or does the model draw random numbers?"
            )


def _generation(run: Run, entry: ZooEntry, traced: Arrays) -> Generation | None:
    """The tokens that a language model would generate, where its inputs can grow."""
    if entry.task != "text-generation" or 1 not in entry.dynamic_axes().get("input_ids", {}):
        return None
    return generate_greedily(run, traced, _GENERATED_TOKENS)


def _in_float64(feeds: Arrays) -> Arrays:
    return {
        name: array.astype(np.float64) if is_float(array.dtype) else array
        for name, array in feeds.items()
    }
