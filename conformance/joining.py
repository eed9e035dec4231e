"""Further rows of a run: its models on another provider, proven and timed from their bundles.

A provider often comes as a build of ONNX Runtime of its own, which cannot be installed beside
the one that the run was made with, nor need it be installed beside any framework. So its rows
are made later, in an environment of its own, and join the run that made the bundles.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import packages_distributions, version
from pathlib import Path

from conformance.bundle import Bundle
from conformance.cache import BundleCache
from conformance.engine import Engine
from conformance.history import StoredRun, append_records
from conformance.model import Record, TestKind, TestRef
from conformance.zoo import LocatedCase

_RUNTIME = "onnxruntime"


@dataclass(frozen=True, slots=True)
class Joinable:
    """A case of a run that can be run again on a provider."""

    located: LocatedCase
    bundle: Bundle
    #: Its tests there, in order.
    refs: tuple[TestRef, ...]


def joinable(
    run: StoredRun, cache: BundleCache, provider: str, command: tuple[str, ...]
) -> tuple[tuple[Joinable, ...], tuple[str, ...]]:
    """The cases of a run whose bundles are there, and the keys of those whose are not.

    Args:
        run: with its records.
        cache: where its bundles are.
        provider: short name of the execution provider.
        command: that makes these rows again.

    Raises:
        OSError: when the cache cannot be written, which takes a lease.
    """
    keys = {r.ref.case: r.export.bundle for r in run.records if r.export and r.export.bundle}
    planned = (*(run.plan.tests if run.plan else ()), *(record.ref for record in run.records))
    cases = {ref.case: ref for ref in planned if ref.case in keys}
    found, gone = [], []
    for key, ref in cases.items():
        bundle = cache.find(keys[key])
        if bundle is None:
            gone.append(key)
            continue
        case = bundle.manifest.case
        file, _, line = (ref.place or "").rpartition(":")
        located = LocatedCase(case, Path(file), int(line or 0), Path(file).parent)
        refs = tuple(
            replace(
                ref,
                test=kind,
                id=case.id_on(provider),
                provider=provider,
                repro=shlex.join(command),
            )
            for kind in (TestKind.PARITY, TestKind.LATENCY)
        )
        found.append(Joinable(located, bundle, refs))
    return tuple(found), tuple(gone)


def join(
    path: Path, run: StoredRun, cases: tuple[Joinable, ...], engine: Engine
) -> Iterator[Record]:
    """Run the cases' tests and write each record down in the run's JSON lines.

    Args:
        path: of the JSON lines.
        run: what they hold so far.
        cases: from :func:`joinable`.
        engine: with its executor, to be closed by its owner.

    Yields:
        Each record when it is on disk.

    Raises:
        HistoryError: when it cannot be written there.
    """
    runtime = another_runtime(run.header.versions)
    for case in cases:
        engine.adopt(case.located.case, case.bundle)
        for ref in case.refs:
            record = replace(engine.run(case.located, ref), runtime=runtime)
            append_records(path, [record])
            yield record


def another_runtime(versions: dict[str, str]) -> str | None:
    """The ONNX Runtime of this environment, where it is none of a run's, in words.

    Args:
        versions: of the run's packages by name.
    """
    here = {name.lower(): version(name) for name in packages_distributions().get(_RUNTIME, ())}
    if all(versions.get(name) == found for name, found in here.items()):
        return None
    return ", ".join(f"{name} {found}" for name, found in sorted(here.items()))
