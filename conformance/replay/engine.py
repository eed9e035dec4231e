"""Replay model folders one after another, each in a process of its own.

ONNX Runtime is native code that is given files of any origin: what one model does to its
process, be it a crash or an endless loop, is that model's result and nobody else's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from conformance import runtime
from conformance.bundle import read_bundle
from conformance.errors import CorruptBundle, InputsError, ParityError, SessionError
from conformance.execution.child import Executor
from conformance.execution.contract import Spec, shorten
from conformance.execution.progress import Progress
from conformance.judging import parity_failure
from conformance.model import Stage, Verdict, from_json, to_json
from conformance.parity.compare import compare
from conformance.parity.terms import terms_for
from conformance.replay.compare import OutputResult, compare_values
from conformance.replay.folders import ModelFolder, data_set_folders
from conformance.replay.values import concise, declared, read_values, run_model

#: The tolerance of ONNX's own test runner.
ONNX_RTOL = 1e-3
ONNX_ATOL = 1e-7

_PRELOAD = ("numpy", "onnx", "onnxruntime", "conformance.replay")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one model folder."""

    #: The folder's path, as it was reached from the one that was asked for.
    id: str
    #: The folder's name.
    model: str
    provider: str
    verdict: Verdict
    #: Where it failed; None for a pass.
    stage: Stage | None = None
    reason: str | None = None
    #: How many data sets were compared.
    data_sets: int = 0
    outputs: tuple[OutputResult, ...] = ()

    @property
    def worst_ratio(self) -> float | None:
        """The largest error in terms of its limit; None when everything had to be equal."""
        ratios = [o.ratio for o in self.outputs if o.limit and o.ratio is not None]
        return max(ratios, default=None)


class Replay:
    """Replays folders on one provider by one tolerance; to be closed by its executor's owner."""

    def __init__(
        self,
        executor: Executor,
        provider: str,
        *,
        rtol: float = ONNX_RTOL,
        atol: float = ONNX_ATOL,
        timeout_s: float = 300.0,
    ) -> None:
        self._executor = executor
        self._provider = provider
        self._tolerance = {"rtol": rtol, "atol": atol}
        self._timeout_s = timeout_s

    def run(self, folder: ModelFolder) -> Replayed:
        """Replay one folder; never raises for what the folder holds."""
        path = str(folder.path)
        if folder.problem is not None:
            return self._failed(folder, Verdict.FAIL, Stage.LOAD, folder.problem)
        if not _is_text(path):
            reason = "the folder's path is not valid Unicode; rename it"
            return self._failed(folder, Verdict.FAIL, Stage.LOAD, reason)
        payload = {
            "label": path,
            "folder": str(folder.path.absolute()),
            "model": None if folder.model is None else folder.model.name,
            "provider": self._provider,
            **self._tolerance,
        }
        with tempfile.TemporaryDirectory(prefix="conformance-replay-") as workdir:
            completed = self._executor.run(
                Spec(
                    target=f"{__name__}:{'replay_bundle' if folder.ours else 'replay_foreign'}",
                    payload=payload,
                    workdir=Path(workdir),
                    progress=Path(workdir) / "progress.json",
                    timeout_s=self._timeout_s,
                    preload=_PRELOAD,
                )
            )
        if completed.failure is not None:
            failure = completed.failure
            return self._failed(folder, failure.verdict, failure.stage, failure.reason)
        found = from_json(_Found, completed.value)
        return Replayed(
            path,
            folder.path.absolute().name,
            self._provider,
            found.verdict,
            found.stage,
            found.reason,
            found.data_sets,
            found.outputs,
        )

    def _failed(self, folder: ModelFolder, verdict: Verdict, stage: Stage, reason: str) -> Replayed:
        name = folder.path.absolute().name
        return Replayed(str(folder.path), name, self._provider, verdict, stage, reason)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the process of one folder reports."""

    verdict: Verdict
    stage: Stage | None
    reason: str | None
    data_sets: int
    outputs: tuple[OutputResult, ...]

    @classmethod
    def of(cls, data_sets: int, outputs: Mapping[str, OutputResult]) -> Self:
        """Judge the outputs of a foreign folder."""
        problems = [o.problem for o in outputs.values() if o.problem is not None]
        found = tuple(outputs.values())
        if not problems:
            return cls(Verdict.PASS, None, None, data_sets, found)
        more = f" (and {len(problems) - 1} more outputs)" if len(problems) > 1 else ""
        reason = shorten(problems[0] + more)
        return cls(Verdict.FAIL, Stage.PARITY, reason, data_sets, found)


def replay_bundle(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Replay a bundle of this package: its own tolerance, its fp64 reference, our guards.

    Raises:
        SessionError: when the model cannot run.
        ParityError: when the bundle is not whole.
    """
    progress.enter(Stage.LOAD)
    try:
        bundle = read_bundle(Path(payload["folder"]))
        data_sets = list(bundle.data_sets())
    except CorruptBundle as error:
        raise ParityError(str(error)) from error
    if not data_sets:
        raise ParityError(f"{bundle.path} has no data sets: there is nothing to compare")
    progress.enter(Stage.SESSION)
    session = _session(bundle.model_path, payload["provider"])
    answers = [runtime.run(session, data_set.inputs) for data_set in data_sets]
    progress.enter(Stage.PARITY)
    terms = terms_for(bundle.manifest.case.entry, bundle.manifest)
    report = compare(data_sets, answers, terms)
    failure = parity_failure(report)
    outputs = tuple(
        OutputResult(o.name, o.max_abs, o.limit, o.ratio, o.problem or o.vacuous)
        for o in report.outputs
    )
    if failure is None:
        return to_json(_Found(Verdict.PASS, None, None, len(data_sets), outputs))
    found = _Found(failure.verdict, failure.stage, failure.reason, len(data_sets), outputs)
    return to_json(found)


def replay_foreign(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Replay a folder of ONNX's test data by the tolerance of the payload.

    Raises:
        InputsError: when the test data cannot be read or does not fit the model.
        SessionError: when the model cannot run.
    """
    folder = Path(payload["folder"])
    model = folder / payload["model"]
    progress.enter(Stage.SESSION)
    session = _session(model, payload["provider"])
    outputs: dict[str, OutputResult] = {}
    data_sets = data_set_folders(folder)
    for data_set in data_sets:
        progress.enter(Stage.INPUTS)
        feeds, expected = _read_data_set(session, data_set)
        progress.enter(Stage.SESSION)
        try:
            answers = run_model(session, feeds)
        except SessionError as error:
            raise SessionError(f"{data_set.name}: {error}") from error
        progress.enter(Stage.PARITY)
        for name, want in expected.items():
            result = compare_values(name, want, answers[name], payload["rtol"], payload["atol"])
            if result.problem is not None and len(data_sets) > 1:
                result = OutputResult(
                    name,
                    result.max_abs,
                    result.limit,
                    result.ratio,
                    f"{data_set.name}: {result.problem}",
                )
            outputs[name] = outputs[name].worse(result) if name in outputs else result
    return to_json(_Found.of(len(data_sets), outputs))


def _session(model: Path, provider: str) -> Any:
    try:
        return runtime.create_session(model, provider)
    except SessionError as error:
        raise SessionError(f"{model.name}: {concise(str(error))}") from error


def _read_data_set(session: Any, data_set: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What to feed and what to expect; every input that needs a value and every output."""
    inputs, outputs = declared(session.get_inputs()), declared(session.get_outputs())
    defaults = declared(session.get_overridable_initializers())
    feeds = read_values(data_set, "input", inputs, defaults)
    for value in inputs:
        if value.name not in feeds:
            if not value.type.startswith("optional("):
                raise InputsError(f"{data_set.name} has no file for input '{value.name}'")
            feeds[value.name] = None
    expected = read_values(data_set, "output", outputs)
    if not expected:
        raise InputsError(f"{data_set.name} has no output_0.pb: there is nothing to compare")
    if missing := [value.name for value in outputs if value.name not in expected]:
        listed = ", ".join(f"'{name}'" for name in missing)
        raise InputsError(f"{data_set.name} has no file for output {listed}")
    return feeds, expected


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
