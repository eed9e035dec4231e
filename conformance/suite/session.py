"""The hooks of a pytest session that has a zoo, on the controller and on its workers."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.adapters import catalog
from conformance.engine import Engine
from conformance.errors import HistoryError, LoadError
from conformance.execution.child import children
from conformance.execution.inline import Inline
from conformance.gate import GateRules, with_rules
from conformance.gate_result import GateResult
from conformance.history import Baseline, former_seconds, shared_seconds
from conformance.model import TestRef
from conformance.suite import items
from conformance.suite.allure import complete_results, describe
from conformance.suite.github import annotation_lines
from conformance.suite.options import ZooOptions
from conformance.suite.order import expected_seconds, put_in_order
from conformance.suite.run import ZooRun
from conformance.suite.shards import Division, divide
from conformance.suite.termination import Termination
from conformance.suite.watch import Watch
from conformance.tasks import Settings
from conformance.zoo import LocatedCase, ZooError, read_zoo

_SCRATCH = "conformance_scratch"
_EARLIER_RUNS = "conformance_earlier_runs"
_SECONDS = "conformance_seconds"
_SHARED = "conformance_shared_seconds"


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
        _refuse_distributions(config)
        try:
            self._frameworks = catalog()
        except LoadError as error:
            raise pytest.UsageError(str(error)) from error
        with _for_good():
            unsharded, rules = self._read_cases()
        worker = getattr(config, "workerinput", None)
        #: What cases took, as far as all machines know it; decides who takes which part.
        self._shared: dict[str, float] = worker[_SHARED] if worker else self._shared_past(unsharded)
        cases, division = self._part(unsharded)
        config.stash[items.CASES] = cases
        for marker in sorted(
            {m for found in cases.values() for c in found for m in items.markers_of(c)}
        ):
            config.addinivalue_line("markers", f"{marker}: models of the zoo")
        _collect_zoos(config, options)
        self._worker: str | None = worker["workerid"] if worker else None
        self._scratch = Path(
            worker[_SCRATCH] if worker else tempfile.mkdtemp(prefix="conformance-")
        )
        #: What each case is expected to take; workers must not read what can change meanwhile.
        self._seconds: dict[str, float] = worker[_SECONDS] if worker else self._expected(cases)
        self._termination = Termination(self._scratch / "workers", self._worker)
        self._run: ZooRun | None = None
        self._watch: Watch | None = None
        self._status = "finished"
        self._trouble: str | None = None
        self._earlier_runs = [Path(run) for run in worker[_EARLIER_RUNS]] if worker else []
        self._refs: dict[str, TestRef] = {}
        if worker is None and not config.option.collectonly:
            self._refs = self._all_refs(cases)
            everything = [c.case for found in unsharded.values() for c in found]
            try:
                self._run = ZooRun(options, self._refs, everything, rules, division)
                self._earlier_runs = [*self._run.earlier_runs]
            except HistoryError as error:
                shutil.rmtree(self._scratch, ignore_errors=True)
                raise pytest.UsageError(str(error)) from error

    # -- collection --------------------------------------------------------------------

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
            put_in_order(items, self._seconds)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The selection is known; under xdist the workers collect, and report below."""
        gc.freeze()  # the tests are here for good, too
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
        node.workerinput[_SCRATCH] = str(self._scratch)
        node.workerinput[_EARLIER_RUNS] = [str(run) for run in self._earlier_runs]
        node.workerinput[_SECONDS] = self._seconds
        node.workerinput[_SHARED] = self._shared

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """A worker that crashed does nothing any more, whatever its progress file says."""
        if error is not None:
            progress = self._scratch / "progress" / f"{node.gateway.id}.json"
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
        zoos = ", ".join(_shown(zoo) for zoo in self._options.zoos)
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
        name = self._worker or "main"
        progress = self._scratch / "progress"
        progress.mkdir(parents=True, exist_ok=True)
        cached = self._options.cache_dir if self._options.use_cache else self._scratch / "cache"
        offline = {"HF_HUB_OFFLINE": "1"} if self._options.offline else {}
        session.config.stash[items.ENGINE] = Engine(
            Settings(
                cache_dir=cached,
                workdir=self._scratch / name,
                progress=progress / f"{name}.json",
                offline=self._options.offline,
                require=self._options.require,
                seed=self._options.seed,
                failures_dir=self._options.report_dir / "failures",
                reuse=self._options.use_cache,
                mutants=self._options.mutants,
                explain=self._options.explain,
                worker=self._worker,
                shared=self._scratch / "shared",
            ),
            Inline(offline) if self._options.isolation == "inline" else children(offline),
            self._frameworks,
            Baseline(self._earlier_runs),
        )
        terminal: Any = session.config.pluginmanager.get_plugin("terminalreporter")
        if self._run is not None and terminal is not None:
            self._watch = Watch(progress)
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
            if exitstatus == pytest.ExitCode.OK and not self._run.checked:
                self._trouble = "nothing was checked: every test is not-run, see the reasons"
                session.exitstatus = exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
            if exitstatus == pytest.ExitCode.OK and (idle := self._run.unmatched()):
                self._trouble = "\n".join(idle)
                session.exitstatus = exitstatus = pytest.ExitCode.TESTS_FAILED
            stopped = session.shouldstop or session.shouldfail
            status = "interrupted" if stopped else self._status
            gate, exitstatus = self._judge(self._run, status, exitstatus)
            session.exitstatus = exitstatus
            try:
                report = self._run.finish(status, int(exitstatus), gate)
                if report is not None:
                    complete_results(session.config, report.header, self._options.report_dir)
            except HistoryError as error:
                self._trouble = f"no report was written: {error}"
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        if self._worker is None:
            shutil.rmtree(self._scratch, ignore_errors=True)
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
            self._run.plan(nodeids)
        except HistoryError as error:
            # such as a disk that has filled up since the report folder was tried
            pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)

    def _judge(self, run: ZooRun, status: str, code: int) -> tuple[GateResult | None, int]:
        """What the gate makes of a run that came to its end, and the exit code that follows."""
        if not self._options.gate:
            return None, code
        if status != "finished":
            self._trouble = f"the gate was not judged: the run was {status}"
            return None, code
        try:
            gate = run.judge()
        except HistoryError as error:
            self._trouble = f"the gate was not judged: {error}"
            return None, pytest.ExitCode.INTERNAL_ERROR
        stopped = gate is not None and not gate.passed and code == pytest.ExitCode.OK
        return gate, pytest.ExitCode.TESTS_FAILED if stopped else code

    def _read_cases(self) -> tuple[dict[Path, tuple[LocatedCase, ...]], GateRules | None]:
        """The cases by zoo file, and the rules that the run is held against."""
        try:
            together = read_zoo(self._options.zoos, self._frameworks)
            gate = self._options.gate
            rules = with_rules(together.gate, self._options.gate_rules) if gate else None
            if len(self._options.zoos) == 1:
                return {self._options.zoos[0]: together.cases()}, rules
            # read together for what concerns them all, such as duplicate ids; then one by one
            zoos = {path: read_zoo([path], self._frameworks) for path in self._options.zoos}
        except ZooError as error:
            shown = (replace(p, file=Path(_shown(p.file))) for p in error.problems)
            raise pytest.UsageError("\n".join(map(str, shown))) from error
        return {path: zoo.cases() for path, zoo in zoos.items()}, rules

    def _shared_past(self, cases: dict[Path, tuple[LocatedCase, ...]]) -> dict[str, float]:
        if self._options.shard is None:
            return {}
        keys = {located.case.key for found in cases.values() for located in found}
        return shared_seconds(self._options.report_dir, keys)

    def _part(
        self, cases: dict[Path, tuple[LocatedCase, ...]]
    ) -> tuple[dict[Path, tuple[LocatedCase, ...]], Division | None]:
        """The cases that this run is about, and how the zoo was divided if it was."""
        if self._options.shard is None:
            return cases, None
        number, parts = self._options.shard
        division = divide(cases, parts, self._shared)
        return division.part(number, cases), division

    def _expected(self, cases: dict[Path, tuple[LocatedCase, ...]]) -> dict[str, float]:
        """Seconds that each case will take, as far as the past tells."""
        if getattr(self._config.option, "stepwise", False):
            return {}  # it goes on where it stopped, in the order that it then had
        chosen = [located.case for found in cases.values() for located in found]
        known = former_seconds(self._options.report_dir, {case.key for case in chosen})
        return expected_seconds(chosen, known)

    def _all_refs(self, cases: dict[Path, tuple[LocatedCase, ...]]) -> dict[str, TestRef]:
        root, here = self._config.rootpath, self._config.invocation_params.dir
        return {
            f"{_node_path(path, root)}::{items.item_name(ref)}": ref
            for path, found in cases.items()
            for located in found
            for ref in items.test_refs(located, path, here)
        }


def _refuse_distributions(config: pytest.Config) -> None:
    """Other modes of xdist repeat a test that killed its worker, or wait for it for ever."""
    mode = getattr(config.option, "dist", "no")
    if mode not in ("no", "load"):
        raise pytest.UsageError(
            f"--dist {mode} does not go with --zoo, which spreads its cases itself: "
            "leave it out, or override it with --dist load"
        )


@contextmanager
def _for_good() -> Iterator[None]:
    """Make objects that live as long as the session: the garbage collector leaves them alone.

    Looking through a large zoo again and again takes longer than reading it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _collect_zoos(config: pytest.Config, options: ZooOptions) -> None:
    """Have pytest collect the zoos: alone when no other argument was given."""
    zoos = [str(zoo) for zoo in options.zoos]
    if config.args_source is not config.ArgsSource.ARGS:
        config.args = zoos
        return
    here = config.invocation_params.dir
    named = {(here / argument.partition("::")[0]).resolve() for argument in config.args}
    if options.on_command_line and not named & set(options.zoos):
        config.args = [*config.args, *zoos]


def _shown(path: Path) -> str:
    """A path as people at this folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _node_path(path: Path, root: Path) -> str:
    """How pytest spells a file in node ids."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
