"""Find a model, have the engine convert and prove it, and write it with its certificate."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.adapters import catalog
from conformance.bundle import MANIFEST, MODEL, Bundle, read_bundle
from conformance.cache import BundleCache
from conformance.cache.key import forget_digests
from conformance.detection import (
    Detected,
    Undetected,
    Wishes,
    convert_command,
    detect,
    not_here,
)
from conformance.engine import Engine
from conformance.errors import ConformanceError, CorruptBundle, InfraError, LoadError
from conformance.execution.child import Executor, children
from conformance.execution.contract import Completed, Spec
from conformance.locations import default_cache_dir
from conformance.model import Case, FrameworkInfo, Record, Stage, TestKind, TestRef, to_json
from conformance.requirements import missing_client, missing_requirements
from conformance.single.document import CERTIFICATE, Certificate, certificate_of, write_certificate
from conformance.single.exits import INFRA, LOAD, NOT_RUN, UNDETECTED, exit_code
from conformance.single.folder import check_output, write_folder
from conformance.single.steps import Listener, Reporter, Step
from conformance.sources.fetching import Fetched, fetch
from conformance.sources.spelling import Remote
from conformance.tasks import Settings, preloaded
from conformance.zoo import LocatedCase

_SIGNATURE_TIMEOUT_S = 300.0
_FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversion works, and how."""

    cache_dir: Path = field(default_factory=default_cache_dir)
    offline: bool = False
    seed: int = 0
    #: Keep what was converted, with the failure's folder, where it is not proven.
    keep_failed: bool = False
    #: Runs the processes, and is closed by its owner; by default one of this conversion's own.
    executor: Executor | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion that is proven, on disk."""

    #: The ONNX model; its external data lies beside it.
    model: Path
    certificate_file: Path
    certificate: Certificate


class ConversionFailed(ConformanceError):
    """There is no proven model; the message says at which stage, and why.

    Attributes:
        stage: at which it ended; None where nothing was begun.
        exit_code: of :data:`conformance.single.EXIT_CODES`.
        certificate: what was found out, where the engine ran.
    """

    def __init__(
        self,
        message: str,
        code: int,
        stage: Stage | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(message)
        self.exit_code = code
        self.stage = stage
        self.certificate = certificate


def convert(
    model: str,
    out: Path,
    wishes: Wishes | None = None,
    place: Place | None = None,
    listener: Listener | None = None,
) -> Conversion:
    """Convert ``model`` into the folder ``out``: ``model.onnx`` and ``certificate.json``.

    Args:
        model: a manifest (``file.yaml#id``), a local file or folder, a hub id, or a model of
            another place (:mod:`conformance.sources.spelling`).
        out: new, empty, or a former conversion, which is replaced when this one is proven.
        wishes: what is not to be detected.
        place: cache, seed, and what becomes of failures.
        listener: told of every step, from threads of ours.

    Raises:
        OutputRefused: when ``out`` is not to be written.
        ConversionFailed: when there is no proven model; ``out`` is as it was, unless failures
            are kept.
    """
    place = place or Place()
    check_output(out)
    forget_digests()
    reporter = Reporter(listener)
    try:
        with tempfile.TemporaryDirectory(prefix="conformance-convert-") as scratch:
            work = _Work(place, Path(scratch), reporter)
            try:
                return work.convert(model, out, wishes or Wishes())
            finally:
                work.close()
    finally:
        reporter.end()


class _Work:
    """One conversion: its processes and its scratch folder."""

    def __init__(self, place: Place, scratch: Path, reporter: Reporter) -> None:
        self._place = place
        self._scratch = scratch
        self._reporter = reporter
        self._offline = place.offline
        offline = {"HF_HUB_OFFLINE": "1"} if place.offline else {}
        self._executor: Executor = place.executor or children(offline)
        self._progress = scratch / "progress.json"

    def close(self) -> None:
        """End the processes that are ours."""
        if self._place.executor is None:
            self._executor.close()

    def convert(self, model: str, out: Path, wishes: Wishes) -> Conversion:
        """See :func:`convert`."""
        frameworks = _frameworks()
        detected = self._detected(model, wishes, frameworks)
        command = convert_command(model, wishes, self._place.seed)
        record, bundle = self._proven(command, detected, frameworks)
        certificate = certificate_of(detected, record, bundle, self._place.seed)
        if certificate.proven and bundle is not None:
            self._reporter.begin(Step.VERIFY)  # it may have been too short to be seen
            self._reporter.begin(Step.WRITE)
            write_folder(out, lambda folder: _fill(folder, certificate, bundle))
            return Conversion(out / MODEL, out / CERTIFICATE, certificate)
        if self._place.keep_failed:
            failures = self._scratch / "failures"
            write_folder(out, lambda folder: _fill(folder, certificate, bundle, failures))
        text = f"{record.verdict} at {record.stage}: {record.reason}"
        raise ConversionFailed(text, exit_code(record), record.stage, certificate)

    def _detected(
        self, model: str, wishes: Wishes, frameworks: Mapping[str, FrameworkInfo]
    ) -> Detected:
        def download(remote: Remote) -> Fetched:
            if missing := missing_client(remote.kind):
                raise ConversionFailed(f"not-run at load: {missing}", NOT_RUN, Stage.LOAD)
            self._reporter.begin(Step.DOWNLOAD)
            fetched = fetch(remote, self._place.cache_dir, offline=self._offline)
            # what was fetched is what is read: a branch that moves now would be two models
            self._offline = True
            self._reporter.begin(Step.LOAD)  # what it takes is read next
            return fetched

        self._reporter.begin(Step.DETECT)
        try:
            return detect(model, wishes, frameworks, self._ask, download)
        except Undetected as error:
            raise ConversionFailed(str(error), UNDETECTED) from error
        except LoadError as error:
            text = f"fail at load: {error}{not_here(model)}"
            raise ConversionFailed(text, LOAD, Stage.LOAD) from error
        except InfraError as error:
            text = f"infra-error at load: {error}{not_here(model)}"
            raise ConversionFailed(text, INFRA, Stage.LOAD) from error

    def _ask(self, located: LocatedCase, info: FrameworkInfo) -> Completed:
        """Have the model's signature read in a process of its framework."""
        if missing := missing_requirements(located.case.entry, info):
            raise ConversionFailed(f"not-run at load: {missing}", NOT_RUN, Stage.LOAD)
        workdir = self._scratch / "signature"
        workdir.mkdir()
        return self._executor.run(
            Spec(
                target="conformance.detection.reading:read_signature",
                payload={
                    "label": located.case.key,
                    "case": to_json(located.case),
                    "zoo_dir": str(located.zoo_dir),
                    "cache_dir": str(self._place.cache_dir),
                    "offline": self._offline,
                    "seed": self._place.seed,
                },
                workdir=workdir,
                progress=workdir / "progress.json",
                timeout_s=_SIGNATURE_TIMEOUT_S,
                preload=preloaded(info),
            )
        )

    def _proven(
        self, command: str, detected: Detected, frameworks: Mapping[str, FrameworkInfo]
    ) -> tuple[Record, Bundle | None]:
        self._reporter.begin(Step.LOAD)
        settings = Settings(
            cache_dir=self._place.cache_dir,
            workdir=self._scratch,
            progress=self._progress,
            offline=self._offline,
            require=False,
            seed=self._place.seed,
            failures_dir=self._scratch / "failures",
        )
        engine = Engine(settings, self._executor, frameworks)
        ref = _ref(command, detected)
        with self._reporter.watching(self._progress):
            record = engine.run(detected.located, ref)
        return record, self._bundle(record, detected)

    def _bundle(self, record: Record, detected: Detected) -> Bundle | None:
        """What was converted; in the run's own cache where the source can move."""
        if record.export is None:
            return None
        try:
            if record.export.bundle is not None:
                return BundleCache(self._place.cache_dir).find(record.export.bundle)
            return _bundle_of(detected.located.case, self._scratch / "unpinned")
        except (OSError, CorruptBundle) as error:
            raise ConversionFailed(
                f"infra-error: the converted model of '{detected.located.case.key}' cannot be "
                f"read back: {error}",
                INFRA,
            ) from error


def _bundle_of(case: Case, root: Path) -> Bundle | None:
    """The bundle of a case in a cache of one run."""
    for file in sorted(root.rglob(MANIFEST)):
        bundle = read_bundle(file.parent)
        if bundle.manifest.case.key == case.key:
            return bundle
    return None


def _frameworks() -> dict[str, FrameworkInfo]:
    try:
        return catalog()
    except LoadError as error:
        raise ConversionFailed(str(error), INFRA) from error


def _ref(command: str, detected: Detected) -> TestRef:
    case, provider = detected.located.case, detected.provider
    return TestRef(
        test=TestKind.PARITY,
        id=case.id_on(provider),
        case=case.key,
        model=case.entry.id,
        framework=case.entry.framework_label,
        task=case.entry.task,
        tags=case.entry.tags,
        exporter=case.exporter,
        opset=case.opset,
        variant=case.variant,
        provider=provider,
        repro=command,
        trusted=case.entry.source.trusted,
    )


def _fill(
    folder: Path, certificate: Certificate, bundle: Bundle | None, failures: Path | None = None
) -> None:
    if bundle is not None:
        for name in certificate.files:
            shutil.copyfile(bundle.path / name, folder / name)
    write_certificate(certificate, folder)
    if failures is not None and failures.is_dir():
        for kept in (each for each in failures.iterdir() if each.is_dir()):
            shutil.copytree(kept, folder / _FAILURE)
            return
