"""A shipped ONNX file against its repository's current weights.

The weights are converted here, by which the source is asked for its answers; the shipped model is
then run on the same inputs, in a process of its own.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from conformance.cache import BundleCache
from conformance.detection import Wishes
from conformance.errors import ConformanceError
from conformance.execution.child import Executor, children
from conformance.execution.contract import Spec
from conformance.model import from_json
from conformance.shipped.comparing import PRELOAD, Compared, Finding
from conformance.shipped.listing import Shipped, fetch_onnx
from conformance.single import ConversionFailed, Listener, Place, convert

_TIMEOUT_S = 600.0


class AuditImpossible(ConformanceError):
    """There is nothing to hold a shipped file against; the message says why."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of one shipped file."""

    repo: str
    #: Commit of the weights and of the file.
    commit: str
    onnx_path: str
    #: Every output is what the source answers, within the limits of a conversion in fp32.
    current: bool
    findings: tuple[Finding, ...]
    #: Of what most of its weights are, such as ``float32``.
    dtype: str
    #: Weights of the repository that the file holds unchanged, of how many that it could.
    same_weights: int
    weights: int


def audit(
    shipped: Shipped, onnx_path: str, place: Place | None = None, listener: Listener | None = None
) -> Audit:
    """Compare a file that a repository ships with the repository's weights, at the same commit.

    Args:
        shipped: the repository's files.
        onnx_path: one of them.
        place: cache and seed.
        listener: told of the conversion's steps.

    Raises:
        AuditImpossible: when the weights cannot be converted and proven, or the comparison fails.
        LoadError, InfraError: when the file cannot be fetched.
    """
    place = place or Place()
    if shipped.commit is None:
        raise AuditImpossible(
            "ModelScope does not tell which commit a branch names, so file and weights could be of "
            f"two: name it, as modelscope:{shipped.remote.name}@COMMIT"
        )
    model = fetch_onnx(shipped, onnx_path, place.cache_dir)
    with tempfile.TemporaryDirectory(prefix="conformance-audit-") as scratch:
        out = Path(scratch) / "own"
        try:
            own = convert(str(shipped.remote), out, Wishes(), place, listener)
        except ConversionFailed as error:
            raise AuditImpossible(
                f"the weights of '{shipped.remote}' cannot be converted, so there is nothing to "
                f"compare '{onnx_path}' with: {error}"
            ) from error
        record = own.certificate.record
        key = None if record.export is None else record.export.bundle
        bundle = None if key is None else BundleCache(place.cache_dir).find(key)
        if bundle is None or record.parity is None:
            raise AuditImpossible(
                f"the conversion of '{shipped.remote.name}' is not in the cache any more"
            )
        limits = {output.name: output.limit for output in record.parity.outputs}
        executor = place.executor or children()
        try:
            workdir = Path(scratch) / "process"
            compared = _compared(executor, model, bundle.path, limits, workdir)
        finally:
            if place.executor is None:
                executor.close()
    return Audit(
        repo=shipped.remote.name,
        commit=shipped.commit,
        onnx_path=onnx_path,
        current=all(finding.kind == "same" for finding in compared.findings),
        findings=compared.findings,
        dtype=compared.dtype,
        same_weights=compared.same_weights,
        weights=compared.weights,
    )


def _compared(
    executor: Executor, model: Path, bundle: Path, limits: dict[str, float | None], workdir: Path
) -> Compared:
    workdir.mkdir()
    completed = executor.run(
        Spec(
            target="conformance.shipped.comparing:compare_shipped",
            payload={
                "label": model.name,
                "model": str(model),
                "bundle": str(bundle),
                "limits": limits,
            },
            workdir=workdir,
            progress=workdir / "progress.json",
            timeout_s=_TIMEOUT_S,
            preload=PRELOAD,
        )
    )
    if completed.value is None:
        reason = completed.failure.reason if completed.failure else "no result"
        raise AuditImpossible(f"'{model.name}' cannot be compared: {reason}")
    return from_json(Compared, completed.value)
