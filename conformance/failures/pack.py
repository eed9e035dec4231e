"""Make an archive for a bug report of a failure folder or a bundle."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conformance.bundle import MANIFEST, MODEL, Bundle, digest_files, read_bundle, write_manifest
from conformance.entry import Tolerance
from conformance.errors import ConformanceError, CorruptBundle
from conformance.execution.child import Executor
from conformance.execution.contract import Spec
from conformance.failures.archive import zip_folder
from conformance.failures.examine import Examined
from conformance.failures.expected import EXPECTED, expected_of, limits_of
from conformance.failures.folder import PROVENANCE, copy_bundle, failure_name, write_script
from conformance.failures.private import Scrubber
from conformance.failures.randomize import Randomized, randomize_weights
from conformance.failures.wording import packed_text, randomized_text
from conformance.model import Stage, Verdict, from_json, to_json
from conformance.onnx_files import read_model
from conformance.paths import name_problem, strange_file
from conformance.providers import PROVIDERS

#: Seconds for one exact evaluation of the model, which is slow.
_BUDGET_S = 120.0
_TIMEOUT_S = 1800.0
_PRELOAD = ("numpy", "onnx", "onnxruntime", "conformance.failures.examine")


class NotPacked(ConformanceError):
    """The folder is not one that can be packed; the message says why."""


class DoesNotSurvive(ConformanceError):
    """Without the original weights the failure is not there; the message says why."""


@dataclass(frozen=True, slots=True)
class Survivor:
    """A model with random weights that shows the failure."""

    #: Folder of the model that was taken, relative to the one that was given.
    taken: str
    weights: Randomized
    #: The failure with the model's own weights and with random ones, one line each.
    before: str
    after: str


def pack(folder: Path, out: Path) -> None:
    """Zip a failure folder, or a bundle with what makes it one.

    Raises:
        NotPacked: when the folder is neither, or holds links, pipes or devices.
        OSError: when a file cannot be read or written.
    """
    _refuse_strange_files(folder)
    if (folder / PROVENANCE).is_file():
        zip_folder(folder.resolve(), out)
        return
    bundle = _bundle(folder)
    with tempfile.TemporaryDirectory(prefix="conformance-pack-") as scratch:
        made = Path(scratch) / failure_name(bundle.manifest.case.key)
        made.mkdir()
        copy_bundle(bundle, made, Scrubber())
        write_script(made, expected_of(bundle, bundle.manifest.case.entry))
        text = packed_text(bundle.manifest.case.key, bundle.manifest.versions)
        (made / "REPRO.md").write_text(text, encoding="utf-8")
        zip_folder(made, out)


def pack_randomized(folder: Path, out: Path, seed: int, executor: Executor) -> Survivor:
    """Zip a failure with random weights, after making sure that it is still there.

    The reduced model is tried first, then the whole one. Expected outputs are what an exact
    evaluation of the very file gives, so a failure survives when it is ONNX Runtime's; one
    of the conversion does not show in the file alone.

    Args:
        folder: a failure folder or a bundle.
        out: the archive; written only when the failure survives.
        seed: of the random weights.
        executor: that runs the models, in processes of their own.

    Raises:
        NotPacked: when there is no model in the folder, or one that must not be opened.
        DoesNotSurvive: when neither model shows the failure without its weights.
        OSError: when a file cannot be read or written.
    """
    reasons = []
    _refuse_strange_files(folder)
    for source in _candidates(folder):
        taken = source.relative_to(folder).as_posix()
        with tempfile.TemporaryDirectory(prefix="conformance-pack-") as scratch:
            attempt = _Attempt(source, folder, Path(scratch), executor)
            try:
                survivor = attempt.randomize(taken, seed)
            except DoesNotSurvive as error:
                label = "the model" if taken == "." else f"the model in {taken}"
                reasons.append(f"{label}: {error}")
                continue
            zip_folder(attempt.kit, out)
            return survivor
    raise DoesNotSurvive("; ".join(reasons))


class _Attempt:
    """One model of a folder, tried with random weights."""

    def __init__(self, source: Path, folder: Path, scratch: Path, executor: Executor) -> None:
        self._source, self._folder, self._executor = source, folder, executor
        self._scratch = scratch
        self._bundle = _bundle(folder) if (folder / MANIFEST).is_file() else None
        self._told = self._read_told()
        self.kit = scratch / f"{failure_name(self._told['case'])}-randomized"

    def randomize(self, taken: str, seed: int) -> Survivor:
        """Fill :attr:`kit`, or raise DoesNotSurvive."""
        try:
            read_model(self._source / MODEL)  # before onnx opens what the model names
        except CorruptBundle as error:
            raise NotPacked(str(error)) from error
        before = self._examine(self._source / MODEL, self._scratch / "original")
        if before.unknown is not None:
            raise DoesNotSurvive(f"it cannot be evaluated exactly: {before.unknown}")
        if before.problem is None:
            raise DoesNotSurvive(
                "ONNX Runtime computes what the file says, so the file itself is wrong (the "
                "converter's fault) or the failure is gone; other weights would say nothing"
            )
        self.kit.mkdir()
        weights = randomize_weights(self._source / MODEL, self.kit / MODEL, seed)
        if not weights.replaced:
            raise DoesNotSurvive("it has no float weights to replace; pack it as it is")
        Scrubber().model(self.kit / MODEL)
        after = self._examine(self.kit / MODEL, self.kit)
        if after.problem is None or _kind(after) != _kind(before):
            found = after.unknown or after.problem or "every output is within its limit"
            raise DoesNotSurvive(
                f"with the random weights of seed {seed} it does not fail as before: {found}; "
                "another --seed may do"
            )
        survivor = Survivor(taken, weights, before.problem or "", after.problem)
        self._complete(survivor, after, seed)
        return survivor

    def _read_told(self) -> dict[str, Any]:
        file = self._source / EXPECTED
        if not file.is_file() and self._bundle is not None:
            return expected_of(self._bundle, self._bundle.manifest.case.entry)
        try:
            told: Any = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise NotPacked(f"{file} cannot be read: {error}") from error
        if (reason := _told_problem(told)) is not None:
            raise NotPacked(f"{file} {reason}")
        return dict(told)

    @property
    def _tolerance(self) -> Tolerance:
        return Tolerance() if self._bundle is None else self._bundle.manifest.case.entry.tolerance

    @property
    def _memory_bytes(self) -> int | None:
        return None if self._bundle is None else self._bundle.manifest.case.entry.memory

    def _examine(self, model: Path, out: Path) -> Examined:
        work = Path(tempfile.mkdtemp(dir=self._scratch))
        short = {name: label for label, name in PROVIDERS.items()}
        payload = {
            "label": "conformance pack",
            "model": str(model),
            "inputs": [str(self._source / name) for name in self._told["data"]],
            "provider": short[self._told["provider"]],
            "tolerance": to_json(self._tolerance),
            "budget_s": _BUDGET_S,
            "out": str(out),
        }
        completed = self._executor.run(
            Spec(
                target="conformance.failures.examine:examine",
                payload=payload,
                workdir=work,
                progress=work / "progress.json",
                timeout_s=_TIMEOUT_S,
                preload=_PRELOAD,
                memory_bytes=self._memory_bytes,
            )
        )
        if completed.failure is None:
            return from_json(Examined, (completed.value or {})["examined"])
        failure = completed.failure
        # a process that ONNX Runtime ended is its failure; one that the evaluation ended is not
        if failure.verdict is Verdict.FAIL and failure.stage is Stage.SESSION:
            return Examined(refused=failure.reason)
        return Examined(unknown=failure.reason)

    def _complete(self, survivor: Survivor, found: Examined, seed: int) -> None:
        """Write everything beside the model and its data."""
        scrub = Scrubber()
        data = [f"test_data_set_{number}" for number in range(len(self._told["data"]))]
        outputs = None if found.refused else limits_of(found.outputs, self._tolerance, {})
        expected: Mapping[str, Any] = {
            **self._told,
            "reason": survivor.after,
            "judged": True,
            "data": data,
            "outputs": outputs,
        }
        write_script(self.kit, scrub.json(dict(expected)))
        if (self._folder / PROVENANCE).is_file():
            shutil.copyfile(self._folder / PROVENANCE, self.kit / PROVENANCE)
        text = randomized_text(
            self._told["case"], survivor.weights, seed, (survivor.before, survivor.after)
        )
        (self.kit / "REPRO.md").write_text(scrub.text(text), encoding="utf-8")
        if self._bundle is not None and outputs is not None:
            self._write_manifest(self._bundle, found, len(data), scrub)

    def _write_manifest(
        self, bundle: Bundle, found: Examined, data_sets: int, scrub: Scrubber
    ) -> None:
        """Make the kit a bundle, so that a replay judges it by the entry's tolerance."""
        manifest = replace(
            bundle.manifest,
            outputs=tuple(output.name for output in found.outputs),
            data_sets=data_sets,
            fp64_unavailable=found.fp64_unavailable,
            noise={},
            probes=(),
            generation=None,
            components=(),
            texts=None,
            files={
                name: digest
                for name, digest in digest_files(self.kit).items()
                if name.startswith((MODEL, "test_data_set_", "reference_fp64/"))
            },
        )
        write_manifest(self.kit, manifest)
        file = self.kit / MANIFEST
        clean = scrub.json(json.loads(file.read_text(encoding="utf-8")))
        file.write_text(json.dumps(clean, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _told_problem(told: Any) -> str | None:
    """Why a ``repro.json`` is not one of ours; None when its names stay in its folder."""
    if not isinstance(told, dict) or not isinstance(told.get("case"), str):
        return "names no case"
    if told.get("provider") not in PROVIDERS.values():
        return f"names the provider {told.get('provider')!r}, which is none"
    data = told.get("data")
    if not isinstance(data, list) or not data:
        return "names no data"
    for name in data:
        reason = name_problem(name) if isinstance(name, str) else "is no name"
        if reason is not None:
            return f"names the data {name!r}, which {reason}"
    return None


def _refuse_strange_files(folder: Path) -> None:
    """Refuse what would bring another file into the archive, or be waited for without end.

    Raises:
        NotPacked: naming the first link, pipe, device or socket.
    """
    if (strange := strange_file(folder)) is not None:
        file, reason = strange
        raise NotPacked(f"{file.relative_to(folder).as_posix()} {reason}; nothing was packed")


def _kind(examined: Examined) -> str:
    """What has to be the same for a failure to be the same: a refusal, in its words."""
    return examined.refused or "values"


def _candidates(folder: Path) -> list[Path]:
    reduced = sorted(file.parent for file in folder.glob(f"*/{EXPECTED}"))
    found = [path for path in (*reduced, folder) if (path / MODEL).is_file()]
    if not found:
        raise NotPacked(f"{folder} holds no {MODEL}: there are no weights to replace")
    return found


def _bundle(folder: Path) -> Bundle:
    if not (folder / MANIFEST).is_file():
        raise NotPacked(
            f"{folder} is no failure folder and no bundle: it has neither {PROVENANCE} nor "
            f"{MANIFEST}"
        )
    try:
        return read_bundle(folder)
    except CorruptBundle as error:
        raise NotPacked(str(error)) from error
