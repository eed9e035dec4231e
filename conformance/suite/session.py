"""The hooks of a pytest session that has a zoo, on the controller and on its workers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.adapters import catalog
from conformance.engine import Engine
from conformance.errors import HistoryError, LoadError
from conformance.execution.child import children
from conformance.execution.inline import Inline
from conformance.history import Baseline
from conformance.model import TestRef
from conformance.suite import items
from conformance.suite.allure import complete_results, describe
from conformance.suite.cases import (
    cases_of,
    part_of,
    read_cases,
    refs_by_node_id,
    seconds_on_all_machines,
    seconds_to_expect,
    shown,
)
from conformance.suite.configuring import (
    agree_on_root,
    collect_zoos,
    declare_markers,
    refuse_distributions,
)
from conformance.suite.ending import ending_of
from conformance.suite.github import annotation_lines
from conformance.suite.handover import Handover
from conformance.suite.lasting import for_good
from conformance.suite.options import ZooOptions
from conformance.suite.order import put_in_order
from conformance.suite.run import ZooRun
from conformance.suite.selected import selected_by
from conformance.suite.termination import Termination
from conformance.suite.watch import Watch
from conformance.tasks import Settings


class ZooSession:
    """Collects the zoo's cases, runs them, and has their records reported."""

    def __init__(self, config: pytest.Config, options: ZooOptions) -> None:
        """Read the zoo.

        Raises:
            pytest.UsageError: naming every problem of the zoo, or of the report folder, or a
                distribution that tears cases apart.
        """
        self._config = config
        self._options = options
        refuse_distributions(config)
        try:
            self._frameworks = catalog()
        except LoadError as error:
            raise pytest.UsageError(str(error)) from error
        whole, rules = read_cases(options, self._frameworks)
        given = getattr(config, "workerinput", None)
        self._worker: str | None = given["workerid"] if given else None
        taken = Handover.taken(given) if given else None
        shared = taken.shared_seconds if taken else seconds_on_all_machines(options, whole)
        cases, division = part_of(whole, options, shared)
        config.stash[items.CASES] = cases
        declare_markers(config, cases)
        collect_zoos(config, options)
        self._handover = taken or Handover(
            seconds=seconds_to_expect(config, options, cases),
            scratch=Path(tempfile.mkdtemp(prefix="conformance-")),
            shared_seconds=shared,
            earlier_runs=(),
        )
        self._termination = Termination(self._handover.scratch / "workers", self._worker)
        self._run: ZooRun | None = None
        self._watch: Watch | None = None
        self._status = "finished"
        self._trouble: str | None = None
        self._refs: dict[str, TestRef] = {}
        if taken is None and not config.option.collectonly:
            agree_on_root(config)
            self._refs = refs_by_node_id(config, cases)
            try:
                self._run = ZooRun(options, self._refs, cases_of(whole), rules, division)
            except HistoryError as error:
                shutil.rmtree(self._handover.scratch, ignore_errors=True)
                raise pytest.UsageError(str(error)) from error
            self._handover = replace(self._handover, earlier_runs=self._run.earlier_runs)

    # -- collection --------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """The tests are here for good, as the cases are."""
        with for_good():
            return (yield)

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> items.ZooFile | None:
        """Only the files that ``--zoo`` names are zoos."""
        if file_path in self._config.stash[items.CASES]:
            return items.ZooFile.from_parent(parent, path=file_path)
        return None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Long cases first and latency last, unless tests were named one by one."""
        if not any("::" in argument for argument in self._config.args):
            put_in_order(items, self._handover.seconds)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The selection is known; under xdist the workers collect, and report below."""
        if session.items:
            self._plan(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """A worker has collected; all collect the same."""
        self._plan(ids)

    # -- xdist -------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Workers share the controller's scratch folder, and what it knows of the past."""
        self._handover.give(node.workerinput)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """A worker that crashed does nothing any more, whatever its progress file says."""
        if error is not None:
            progress = self._progress / f"{node.gateway.id}.json"
            progress.unlink(missing_ok=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> Any:
        """A case stays on one worker."""
        from conformance.suite.schedule import CaseScheduling

        return CaseScheduling(config, self._refs)

    # -- running -----------------------------------------------------------------------

    def pytest_report_header(self) -> list[str]:
        """What is about to happen."""
        cases = [case for found in self._config.stash[items.CASES].values() for case in found]
        models = {case.case.entry.id for case in cases}
        zoos = ", ".join(shown(zoo) for zoo in self._options.zoos)
        shard = "{}/{} of it: ".format(*self._options.shard) if self._options.shard else ""
        cache = self._options.cache_dir if self._options.use_cache else "none"
        counts = f"{shard}{len(models)} models, {len(cases)} cases"
        return [
            f"zoo: {zoos} ({counts}), seed {self._options.seed}",
            f"zoo report: {self._options.report_dir}, cache: {cache}",
        ]

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Make the engine wherever tests run, and the watch wherever people look."""
        self._session = session
        self._termination.arm()
        self._progress.mkdir(parents=True, exist_ok=True)
        session.config.stash[items.ENGINE] = self._engine()
        terminal: Any = session.config.pluginmanager.get_plugin("terminalreporter")
        if self._run is not None and terminal is not None:
            self._watch = Watch(self._progress)
            self._watch.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the record to the report of the test's call."""
        report = yield
        if call.when == "call" and isinstance(item, items.ZooItem) and item.record is not None:
            items.attach_record(report, item.record)
            describe(item.record)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """On the controller: write the record down as it arrives."""
        record = getattr(report, "zoo_record", None)
        if record is None or self._run is None:
            return
        try:
            self._run.add(record)
        except HistoryError as error:
            # without records nothing would be proven: stop, and keep what is written
            self._session.shouldfail = str(error)

    def pytest_keyboard_interrupt(self) -> None:
        """The run ends before its plan does."""
        self._status = "interrupted"

    # -- the end -----------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """End the children; on the controller, write the reports."""
        self._termination.hold()
        if self._status == "interrupted":
            self._termination.end_workers()
        if self._watch is not None:
            self._watch.stop()
        engine = session.config.stash.get(items.ENGINE, None)
        if engine is not None:
            engine.close()
        if self._run is not None:
            stopped = session.shouldstop or session.shouldfail
            status = "interrupted" if stopped else self._status
            ending = ending_of(self._run, status, exitstatus, gated=self._options.gate)
            self._trouble = ending.trouble
            session.exitstatus = ending.exit_code
            try:
                report = self._run.finish(status, int(ending.exit_code), ending.gate)
                if report is not None:
                    complete_results(session.config, report.header, self._options.report_dir)
            except HistoryError as error:
                self._trouble = f"no report was written: {error}"
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        if self._worker is None:
            shutil.rmtree(self._handover.scratch, ignore_errors=True)
            self._termination.disarm()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The table, the totals, and where the report is."""
        if self._trouble is not None:
            terminalreporter.section("onnx conformance", red=True)
            for line in self._trouble.splitlines():
                terminalreporter.line(line, red=True)
        if self._run is None or self._run.report is None:
            return
        from conformance.reporters.terminal import render

        writer = terminalreporter._tw  # noqa: SLF001 - the only way to its width and colour
        terminalreporter.section("onnx conformance")
        folder = self._options.report_dir
        text = render(self._run.report, writer.fullwidth, color=writer.hasmarkup, report_dir=folder)
        for line in text.splitlines():
            terminalreporter.line(line)
        for line in annotation_lines(self._run.report, self._run.diff, os.environ):
            terminalreporter.line(line)

    # -- inside ------------------------------------------------------------------------

    def _plan(self, nodeids: Iterable[str]) -> None:
        if self._run is None:
            return
        try:
            self._run.plan(nodeids, selected_by(self._config))
        except HistoryError as error:
            # such as a disk that has filled up since the report folder was tried
            pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)

    @property
    def _progress(self) -> Path:
        """Folder of the files in which workers tell what they are at."""
        return self._handover.scratch / "progress"

    def _engine(self) -> Engine:
        options, scratch = self._options, self._handover.scratch
        name = self._worker or "main"
        offline = {"HF_HUB_OFFLINE": "1"} if options.offline else {}
        settings = Settings(
            cache_dir=options.cache_dir if options.use_cache else scratch / "cache",
            workdir=scratch / name,
            progress=self._progress / f"{name}.json",
            offline=options.offline,
            require=options.require,
            seed=options.seed,
            failures_dir=options.report_dir / "failures",
            reuse=options.use_cache,
            mutants=options.mutants,
            explain=options.explain,
            worker=self._worker,
            shared=scratch / "shared",
        )
        isolation = Inline(offline) if options.isolation == "inline" else children(offline)
        baseline = Baseline(self._handover.earlier_runs)
        return Engine(settings, isolation, self._frameworks, baseline)
