"""The bundle of a case: found in the cache, or made of the source or of another bundle.

A plain conversion asks a framework. A variant is made of the bundle of its base, and an opset
that the exporter cannot give of the bundle of one that it can; both share that bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from conformance.bundle import MANIFEST, Bundle
from conformance.cache import BundleCache, bundle_key, opset_key, variant_key
from conformance.entry import Conversion, ZooEntry
from conformance.errors import StageError
from conformance.execution.contract import Completed, Failure, failure_of
from conformance.model import BASE, Case, FrameworkInfo, Stage, Verdict
from conformance.outcomes import Converted, Outcomes
from conformance.requirements import missing_requirements
from conformance.tasks import Settings, Tasks
from conformance.variants import VARIANTS, missing_for
from conformance.zoo import LocatedCase


class Conversions:
    """Obtains bundles; what the run has converted already is not converted again."""

    def __init__(
        self,
        settings: Settings,
        tasks: Tasks,
        frameworks: Mapping[str, FrameworkInfo],
        outcomes: Outcomes,
    ) -> None:
        self._settings = settings
        self._tasks = tasks
        self._frameworks = frameworks
        self._outcomes = outcomes
        self._cache = BundleCache(settings.cache_dir)
        self._bundles: dict[str, Bundle] = {}

    def adopt(self, case: Case, bundle: Bundle) -> None:
        """Take a case for converted: ``bundle``, whichever environment made it, is its bundle."""
        self._bundles[case.key] = bundle
        self._outcomes.keep(case.key, Converted(None, cached=True))

    def former(self, key: str) -> Bundle | None:
        """An earlier run's bundle by its key, if the cache still has it."""
        try:
            return self._cache.find(key)
        except OSError:
            return None  # a cache that cannot be written lends nothing

    def base_of(self, case: Case, bundle: Bundle) -> Bundle | None:
        """The bundle that a variant's was made of, if it is still there; nothing is converted."""
        known = self._bundles.get(case.base.key)
        derivation = bundle.manifest.derivation
        if known is not None or derivation is None or derivation.base_bundle is None:
            return known
        return self.former(derivation.base_bundle)

    def info(self, entry: ZooEntry) -> FrameworkInfo:
        """What is known of an entry's framework; nothing of ``pkg.module:Adapter``."""
        known = self._frameworks.get(entry.framework)
        return known or FrameworkInfo(entry.framework, (), 0, (0, 0), (), "", (), Conversion)

    def obtain(self, located: LocatedCase) -> tuple[Converted, Bundle | None]:
        """The bundle of a case, found or made; None, with the reason, where there is none."""
        key = located.case.key
        known = self._outcomes.recall(Converted, key)
        if known is not None and (known.failure is not None or key in self._bundles):
            return known, self._bundles.get(key)
        converted, bundle = self._made(located)
        # another process of this run may have been the one that made it
        converted = converted if known is None or bundle is None else known
        self._outcomes.keep(key, converted)
        if bundle is not None:
            self._bundles[key] = bundle
        return converted, bundle

    def _made(self, located: LocatedCase) -> tuple[Converted, Bundle | None]:
        case = located.case
        if case.variant != BASE:
            return self._vary(located)
        info = self._frameworks.get(case.entry.framework)
        exported = case.opset if info is None else info.exported_opset(case.exporter, case.opset)
        if exported != case.opset:
            return self._convert_opset(located, replace(located, case=case.at_opset(exported)))
        return self._convert(located)

    def _convert_opset(
        self, located: LocatedCase, origin: LocatedCase
    ) -> tuple[Converted, Bundle | None]:
        """The bundle of a case made of that of ``origin``, at an opset that its exporter gives."""
        converted, base = self.obtain(origin)
        if base is None:
            return replace(converted, blocker=origin.case.key), None
        lasting = located.case.entry.source.is_pinned
        return self._stored(
            located,
            lambda: opset_key(base.path.name, base.manifest.model_digest, located.case.opset),
            lambda out: _not_before(
                Stage.EXPORT, self._tasks.convert_opset(located, base, out, lasting=lasting)
            ),
            Stage.EXPORT,
        )

    def _convert(self, located: LocatedCase) -> tuple[Converted, Bundle | None]:
        """The bundle of a conversion, which is that of the base of all variants."""
        entry = located.case.entry
        info = self.info(entry)
        if missing := missing_requirements(entry, info):
            return Converted(Failure(Verdict.NOT_RUN, Stage.LOAD, missing, None)), None
        return self._stored(
            located,
            lambda: bundle_key(located.case, info, located.zoo_dir, self._settings.seed),
            lambda out: self._tasks.convert(located, info, out),
            Stage.EXPORT,
        )

    def _vary(self, located: LocatedCase) -> tuple[Converted, Bundle | None]:
        """The bundle of a variant, made of that of its base, which is converted if need be."""
        variant = VARIANTS[located.case.variant]
        if missing := missing_for(variant.name):
            return Converted(Failure(Verdict.NOT_RUN, Stage.OPTIMIZE, missing, None)), None
        converted, base = self.obtain(replace(located, case=located.case.base))
        if base is None:
            return converted, None
        entry = located.case.entry
        lasting = entry.source.is_pinned
        return self._stored(
            located,
            lambda: variant_key(
                base.path.name, base.manifest.model_digest, variant, entry, located.zoo_dir
            ),
            lambda out: _not_before(
                Stage.OPTIMIZE, self._tasks.vary(located, base, out, lasting=lasting)
            ),
            Stage.OPTIMIZE,
        )

    def _stored(
        self,
        located: LocatedCase,
        key: Callable[[], str],
        work: Callable[[Path], Completed],
        stage: Stage,
    ) -> tuple[Converted, Bundle | None]:
        """The bundle of a key, made by ``work`` where there is none."""
        case = located.case

        def make(out: Path) -> Completed:
            # while the cache's lock was waited for, another process of this run may have failed
            known = self._outcomes.recall(Converted, case.key)
            if known is not None and known.failure is not None:
                return Completed(None, known.failure)
            completed = work(out)
            if completed.failure is not None and not (out / MANIFEST).is_file():
                self._outcomes.keep(case.key, Converted(completed.failure))
            return completed

        # a branch of a hub repository can move: what it named is good for this run only
        lasting = case.entry.source.is_pinned
        cache = self._cache if lasting else BundleCache(self._settings.of_the_run / "unpinned")
        try:
            bundle, completed = cache.get_or_make(key(), make)
        except (OSError, StageError) as error:
            return Converted(failure_of(error, stage)), None
        if bundle is None:
            return Converted(completed.failure if completed else None), None
        # a process that ended badly after it had left a bundle was timing the model: the
        # stages that are about running it judge that
        return Converted(None, cached=completed is None), bundle


def _not_before(stage: Stage, completed: Completed) -> Completed:
    """The failure of a process that ended before it could say where it was, at its stage."""
    failure = completed.failure
    if failure is None or not failure.stage.comes_before(stage):
        return completed
    return replace(completed, failure=replace(failure, stage=stage))
