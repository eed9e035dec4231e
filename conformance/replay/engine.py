"""Replay model folders one after another, each in a process of its own.

ONNX Runtime is native code that is given files of any origin: what one model does to its
process, be it a crash or an endless loop, is that model's result and nobody else's.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from conformance import runtime
from conformance.bundle import MODEL, read_bundle
from conformance.certificate import certify, siblings
from conformance.errors import CorruptBundle, InputsError, LoadError, ParityError, SessionError
from conformance.evidence import ParityReport
from conformance.execution.child import Executor
from conformance.execution.contract import Spec
from conformance.execution.progress import Progress
from conformance.judging import parity_failure
from conformance.model import Stage, Verdict, from_json, to_json
from conformance.onnx_files import mistaken, read_model
from conformance.parity.terms import terms_for
from conformance.parity.tolerance import ONNX_ATOL, ONNX_RTOL
from conformance.replay.compare import OutputResult, compare_values
from conformance.replay.describe import Described, describe
from conformance.replay.folders import ModelFolder, data_problem, data_set_folders
from conformance.replay.mistakes import missing_operator
from conformance.replay.values import concise, declared, read_values, run_model

_PRELOAD = ("numpy", "onnx", "onnxruntime", "conformance.replay")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one model folder."""

    #: The folder's path, as it was reached from the one that was asked for.
    id: str
    about: Described
    provider: str
    verdict: Verdict
    #: Where it failed; for a pass, the last one completed.
    stage: Stage
    reason: str | None = None
    #: None when the model did not get as far as being compared.
    parity: ParityReport | None = None
    #: Nodes by the provider that ran them; known of bundles only.
    placement: dict[str, int] | None = None
    duration_s: float = 0.0

    @property
    def data_sets(self) -> int:
        """How many data sets were compared."""
        return 0 if self.parity is None else self.parity.data_sets

    @property
    def worst_ratio(self) -> float | None:
        """The largest error in terms of its limit; None when everything had to be equal."""
        outputs = () if self.parity is None else self.parity.outputs
        ratios = [o.ratio for o in outputs if o.limit and o.ratio is not None]
        return max(ratios, default=None)


class Replay:
    """Replays folders on one provider; to be closed by its executor's owner.

    Args:
        executor: that runs each model in a process of its own.
        provider: short name, such as ``cpu``.
        rtol: accepted relative error of folders that are no bundles of ours.
        atol: accepted absolute error of those.
        timeout_s: for each model; by default a bundle's own, and 300 s for the others.
    """

    def __init__(
        self,
        executor: Executor,
        provider: str,
        *,
        rtol: float = ONNX_RTOL,
        atol: float = ONNX_ATOL,
        timeout_s: float | None = None,
    ) -> None:
        self._executor = executor
        self._provider = provider
        self._tolerance = {"rtol": rtol, "atol": atol}
        self._timeout_s = timeout_s

    def run(self, folder: ModelFolder) -> Replayed:
        """Replay one folder; never raises for what the folder holds."""
        clock = time.perf_counter()
        about = describe(folder)
        problem = _problem(folder)
        if problem is None:
            found = self._found(folder, about)
        else:
            found = _Found(Verdict.FAIL, Stage.LOAD, problem)
        return Replayed(
            id=str(folder.path),
            about=about,
            provider=self._provider,
            verdict=found.verdict,
            stage=found.stage,
            reason=found.reason,
            parity=found.parity,
            placement=found.placement,
            duration_s=round(time.perf_counter() - clock, 6),
        )

    def _found(self, folder: ModelFolder, about: Described) -> _Found:
        payload = {
            "label": str(folder.path),
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
                    timeout_s=self._timeout_s or about.timeout_s,
                    preload=_PRELOAD,
                    memory_bytes=about.memory_bytes,
                )
            )
        if completed.failure is not None:
            failure = completed.failure
            return _Found(failure.verdict, failure.stage, failure.reason)
        return from_json(_Found, completed.value)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the process of one folder reports."""

    verdict: Verdict
    stage: Stage
    reason: str | None
    parity: ParityReport | None = None
    placement: dict[str, int] | None = None

    @classmethod
    def of(cls, report: ParityReport, placement: dict[str, int] | None = None) -> Self:
        """Judge a comparison."""
        failure = parity_failure(report)
        if failure is None:
            return cls(Verdict.PASS, Stage.PARITY, None, report, placement)
        return cls(failure.verdict, failure.stage, failure.reason, report, placement)


def _problem(folder: ModelFolder) -> str | None:
    """What can be told to be wrong with a folder without running anything."""
    if folder.problem is not None:
        return folder.problem
    if not _is_text(str(folder.path)):
        return "the folder's path is not valid Unicode; rename it"
    model = folder.model or folder.path / MODEL
    try:
        mistake = mistaken(model)
    except FileNotFoundError:
        return None  # a bundle's manifest is read first, and says what is missing
    except OSError as error:
        return f"{model.name} cannot be read: {error.strerror}"
    if mistake is not None:
        return f"{model.name} {mistake}"
    return None if folder.ours else data_problem(folder.path)


def replay_bundle(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Replay a bundle of this package: a certificate by its own terms, as in a run.

    Raises:
        LoadError: when the model is damaged, or names files that are not its own.
        SessionError: when the model cannot run.
        ParityError: when the bundle is not whole.
    """
    progress.enter(Stage.LOAD)
    try:
        bundle = read_bundle(Path(payload["folder"]))
        _require_own_files(bundle.model_path)
        for name in bundle.manifest.components:
            _require_own_files(bundle.component(name).model_path)
        data_sets = list(bundle.data_sets())
        if not data_sets:
            raise ParityError(f"{bundle.path} has no data sets: there is nothing to compare")
        progress.enter(Stage.SESSION)
        inputs = [data_set.inputs for data_set in data_sets]
        variant = bundle.manifest.case.variant
        with (
            _helpful(bundle.model_path),
            runtime.configured(bundle.manifest.case.entry.provider_options),
            runtime.with_kernels_for(variant, payload["provider"]),
        ):
            session, answers, placement = runtime.run_profiled(
                bundle.model_path, payload["provider"], inputs
            )
        progress.enter(Stage.PARITY)
        entry = bundle.manifest.case.entry
        terms = terms_for(entry, bundle.manifest)
        run = partial(runtime.run, session)
        others = siblings(bundle, entry, partial(runtime.runner, payload["provider"]))
        report = certify(bundle, data_sets, answers, run, terms, components=others)
    except CorruptBundle as error:
        raise ParityError(str(error)) from error
    return to_json(_Found.of(report, placement))


def replay_foreign(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Replay a folder of ONNX's test data by the tolerance of the payload.

    Raises:
        LoadError: when the model is damaged, or names files that are not its own.
        InputsError: when the test data cannot be read or does not fit the model.
        SessionError: when the model cannot run.
    """
    folder = Path(payload["folder"])
    model = folder / payload["model"]
    rtol, atol = payload["rtol"], payload["atol"]
    progress.enter(Stage.LOAD)
    _require_own_files(model)
    progress.enter(Stage.SESSION)
    with _helpful(model):
        session = runtime.create_session(model, payload["provider"])
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
            result = compare_values(name, want, answers[name], rtol, atol)
            if result.problem is not None and len(data_sets) > 1:
                result = replace(result, problem=f"{data_set.name}: {result.problem}")
            outputs[name] = outputs[name].worse(result) if name in outputs else result
    default = (rtol, atol) == (ONNX_RTOL, ONNX_ATOL)
    reason = f"no bundle of ours: {'what ONNX accepts' if default else 'as it was asked for'}"
    parities = tuple(result.parity(reason) for result in outputs.values())
    return to_json(_Found.of(ParityReport(parities, len(data_sets))))


def _require_own_files(model: Path) -> None:
    """Refuse a model before ONNX Runtime opens the files that it names."""
    try:
        read_model(model)
    except CorruptBundle as error:
        raise LoadError(str(error)) from error


@contextmanager
def _helpful(model: Path) -> Iterator[None]:
    """Have a refusal name the file, and what is missing where that can be told."""
    try:
        yield
    except SessionError as error:
        text = concise(str(error))
        advice = missing_operator(text)
        more = "" if advice is None else f"; {advice}"
        raise SessionError(f"{model.name}: {text}{more}") from error


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
