"""The pieces of work on a case: what each is given, where it runs, what it gives back.

Each is a function of :mod:`conformance.pipeline`, :mod:`conformance.mutation` or
:mod:`conformance.explain`, called by way of the executor with the entry's timeout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.bundle import Bundle
from conformance.execution.child import Executor
from conformance.execution.contract import Completed, Spec
from conformance.locations import machine_lock_file
from conformance.measuring import Earlier
from conformance.model import FrameworkInfo, to_json
from conformance.zoo import LocatedCase

_RUNTIME_PRELOAD = ("numpy", "onnx", "onnxruntime", "conformance.pipeline")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the cases of one run are worked on."""

    cache_dir: Path
    #: Scratch folder of this process; emptied by whoever made it.
    workdir: Path
    #: File in which children say what they are doing.
    progress: Path
    offline: bool
    #: A missing framework or provider is a failure instead of not-run.
    require: bool
    seed: int
    #: Where failing cases leave what is needed to repeat them.
    failures_dir: Path
    #: What earlier runs measured stands where nothing changed.
    reuse: bool = True
    #: How many wrong models each check is tried on; 0 for none.
    mutants: int = 0
    #: Explain where the error comes from for every case, not only for failing ones.
    explain: bool = False
    worker: str | None = None
    #: Scratch folder of all processes of the run; by default this one's own.
    shared: Path | None = None
    #: Held by all who use the machine, and by a latency measurement alone.
    machine_lock: Path = field(default_factory=machine_lock_file)

    @property
    def of_the_run(self) -> Path:
        """The scratch folder that all processes of the run share."""
        return self.shared or self.workdir


class Tasks:
    """Has the work on cases done by an executor."""

    def __init__(self, settings: Settings, executor: Executor) -> None:
        self._settings = settings
        self._executor = executor
        self._runs = 0

    def convert(self, located: LocatedCase, info: FrameworkInfo, out: Path) -> Completed:
        """Leave the case's bundle in ``out``."""
        payload = {**self._source(located), "out": str(out)}
        return self._run("pipeline:convert", located, located.case.key, payload, preloaded(info))

    def vary(self, located: LocatedCase, base: Bundle, out: Path, *, lasting: bool) -> Completed:
        """Leave the case's variant of a bundle in ``out``.

        Args:
            located: the case, of a variant.
            base: the bundle of its conversion.
            out: an empty folder.
            lasting: whether the base's bundle outlives the run, so that it is worth naming.
        """
        payload = {
            "case": to_json(located.case),
            "base": str(base.path),
            "lasting": lasting,
            "out": str(out),
            "zoo_dir": str(located.zoo_dir),
            "seed": self._settings.seed,
        }
        preload = (*_RUNTIME_PRELOAD, "conformance.varying")
        return self._run("varying:vary", located, located.case.key, payload, preload)

    def convert_opset(
        self, located: LocatedCase, base: Bundle, out: Path, *, lasting: bool
    ) -> Completed:
        """Leave a bundle's model at the case's opset, as a bundle, in ``out``.

        Args:
            located: the case.
            base: the bundle of the same conversion at another opset.
            out: an empty folder.
            lasting: whether the base's bundle outlives the run, so that it is worth naming.
        """
        payload = {
            "case": to_json(located.case),
            "base": str(base.path),
            "lasting": lasting,
            "out": str(out),
        }
        target = "opset_conversion:convert_opset"
        preload = (*_RUNTIME_PRELOAD, "conformance.opset_conversion")
        return self._run(target, located, located.case.key, payload, preload)

    def prove(self, located: LocatedCase, bundle: Bundle, provider: str) -> Completed:
        """Compare: ``parity`` and ``placement``."""
        return self._on(located, bundle, provider, "pipeline:prove")

    def measure(
        self,
        located: LocatedCase,
        bundle: Bundle,
        provider: str,
        earlier: Earlier | None,
        *,
        alone: bool,
    ) -> Completed:
        """Time, and compare with an earlier run: ``latency``.

        Args:
            located: the case.
            bundle: its bundle.
            provider: short name of the execution provider.
            earlier: what it is compared with, if anything.
            alone: no other stage runs on this machine meanwhile.
        """
        more = {"earlier": None if earlier is None else to_json(earlier), "alone": alone}
        return self._on(located, bundle, provider, "measuring:measure", more)

    def mutate(self, located: LocatedCase, bundle: Bundle, provider: str) -> Completed:
        """Try the check on wrong models: ``mutation``."""
        more = {"mutants": self._settings.mutants, "seed": self._settings.seed}
        return self._on(located, bundle, provider, "mutation.mutate:mutate", more)

    def activations(self, located: LocatedCase, info: FrameworkInfo, out: Path) -> Completed:
        """Leave what the source's modules computed in ``out``, where its adapter knows."""
        payload = {**self._source(located), "out": str(out)}
        target = "explain.modules:activations"
        return self._run(target, located, located.case.key, payload, preloaded(info))

    def explain(
        self,
        located: LocatedCase,
        bundle: Bundle,
        provider: str,
        out: Path,
        activations: Path | None = None,
    ) -> Completed:
        """Find where the error comes from: ``explanation``, and a reduced model in ``out``."""
        known = None if activations is None else str(activations)
        more = {"out": str(out), "activations": known}
        return self._on(located, bundle, provider, "explain.explain:explain", more)

    def explain_lossy(
        self, located: LocatedCase, bundle: Bundle, base: Bundle, provider: str
    ) -> Completed:
        """Find where a lossy variant loses most against its base: ``explanation``."""
        target = "explain.lossy:explain_lossy"
        return self._on(located, bundle, provider, target, {"base": str(base.path)})

    def scratch(self, name: str) -> Path:
        """A new, empty folder that lives as long as the run."""
        self._runs += 1
        folder = self._settings.workdir / f"{name}-{self._runs}"
        folder.mkdir(parents=True)
        return folder

    def close(self) -> None:
        """End the executor's processes."""
        self._executor.close()

    def _source(self, located: LocatedCase) -> dict[str, Any]:
        return {
            "case": to_json(located.case),
            "zoo_dir": str(located.zoo_dir),
            "cache_dir": str(self._settings.cache_dir),
            "offline": self._settings.offline,
            "seed": self._settings.seed,
        }

    def _on(
        self,
        located: LocatedCase,
        bundle: Bundle,
        provider: str,
        target: str,
        more: Mapping[str, Any] | None = None,
    ) -> Completed:
        payload = {
            "bundle": str(bundle.path),
            "provider": provider,
            "entry": to_json(located.case.entry),
            **(more or {}),
        }
        return self._run(target, located, located.case.id_on(provider), payload, _RUNTIME_PRELOAD)

    def _run(
        self,
        target: str,
        located: LocatedCase,
        label: str,
        payload: dict[str, Any],
        preload: tuple[str, ...],
    ) -> Completed:
        self._settings.progress.unlink(missing_ok=True)
        try:
            return self._executor.run(
                Spec(
                    target=f"conformance.{target}",
                    payload={"label": label, **payload},
                    workdir=self.scratch(target.rpartition(":")[2]),
                    progress=self._settings.progress,
                    timeout_s=located.case.entry.timeout,
                    preload=preload,
                    memory_bytes=located.case.entry.memory,
                )
            )
        finally:
            self._settings.progress.unlink(missing_ok=True)


def preloaded(info: FrameworkInfo) -> tuple[str, ...]:
    """What the parent of a framework's processes imports: processes that name it share one."""
    # an adapter that asks for nothing shares the parent of what runs models
    return (*info.preload, *_RUNTIME_PRELOAD)
