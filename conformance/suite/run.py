"""The controller's side of a run: records as they arrive, reports at the end."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from conformance.failures import prune_failures
from conformance.gate import GateRules
from conformance.gate_result import GateResult
from conformance.history import (
    JudgedRun,
    RunDiff,
    RunWriter,
    changes_since_baseline,
    changes_since_last,
    comparable_run,
    find_baseline,
    judge,
    load_report,
    merge,
    open_report_folder,
    read_run,
    update_index,
)
from conformance.history.folder import warn
from conformance.history.shards import FAILURES
from conformance.judging import unmatched
from conformance.machine import describe_commit, describe_machine, installed_versions
from conformance.model import (
    Case,
    Record,
    RunFooter,
    RunHeader,
    RunPlan,
    RunReport,
    TestRef,
    from_json,
)
from conformance.redaction import hide_secrets_in
from conformance.reporters import write_reports
from conformance.reporters.benchmark_json import write_benchmark_json
from conformance.suite.cases import shown
from conformance.suite.github import add_summary
from conformance.suite.options import ZooOptions
from conformance.suite.shards import Division


class ZooRun:
    """One run: opened when its tests are known, closed with its reports written."""

    def __init__(
        self,
        options: ZooOptions,
        refs: Mapping[str, TestRef],
        cases: Sequence[Case],
        rules: GateRules | None = None,
        division: Division | None = None,
    ) -> None:
        """Make sure of the report folder before any work starts.

        Args:
            options: of this run.
            refs: every test of this shard by its node id, selected or not.
            cases: of the whole zoo, whatever the shard.
            rules: what the run is held against at its end; None for nothing.
            division: of the zoo, where this run takes a part of it.

        Raises:
            HistoryError: when the report folder cannot be used, or no run is what was named.
        """
        open_report_folder(options.report_dir)
        #: The runs that latencies are compared with, the preferred one first.
        self.earlier_runs = find_baseline(options.report_dir, options.baseline)
        #: The run that somebody named to compare with.
        self._baseline = self.earlier_runs[0] if options.baseline else None
        self.report: RunReport | None = None
        #: Against the run before; None where there is none.
        self.diff: RunDiff | None = None
        #: Whether any test came to a judgement; a run in which none did has proven nothing.
        self.checked = False
        self._options = options
        self._refs = refs
        self._cases = cases
        self._rules = rules
        self._division = division
        self._writer: RunWriter | None = None
        #: Whether all tests were selected.
        self._everything = False
        self._run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"

    def plan(self, nodeids: Iterable[str], selected_by: str | None = None) -> None:
        """The tests that were selected are known: the run begins. Later calls change nothing.

        Args:
            nodeids: of the tests.
            selected_by: the options by which they were, in words; None for none.
        """
        if self._writer is not None:
            return
        selected = set(nodeids)
        # in the order of the zoo, which is the report's: that of the run changes with its history
        tests = tuple(ref for nodeid, ref in self._refs.items() if nodeid in selected)
        if not tests:
            return
        self._writer = RunWriter(self._options.report_dir, self._header())
        deselected = len(self._refs) - len(tests)
        self._everything = not deselected
        self._writer.plan(RunPlan(tests, deselected, selected_by if deselected else None))

    def add(self, record_json: str) -> None:
        """A test has ended."""
        if self._writer is not None:
            record = from_json(Record, json.loads(record_json))
            self.checked = self.checked or record.verdict.checked
            self._writer.append(record)

    def unmatched(self) -> list[str]:
        """Known failures that this run did not show though it judged all their cases."""
        if self._writer is None:
            return []
        rows = merge(self._writer.written())
        return [
            f"'{model}' expects a failure at {expectation.stage} ({expectation.reason}) "
            "that no case of it shows: remove it from 'expect'"
            for model, expectation in unmatched(self._cases, rows)
        ]

    def judge(self) -> GateResult | None:
        """Hold the run, whose tests have all ended, against its rules; None where it has none.

        It is compared with the run that was named, or with the one of the history that can be.

        Raises:
            HistoryError: when the baseline cannot be read.
        """
        if self._writer is None or self._rules is None:
            return None
        folder = self._options.report_dir
        run = self._writer.written()
        before = read_run(self._baseline) if self._baseline else comparable_run(folder, run)
        return judge(run, before, self._rules)

    def finish(
        self, status: str, exit_code: int, gate: GateResult | None = None
    ) -> RunReport | None:
        """Close the run and write the reports; None when no test of the zoo was selected."""
        if self._writer is None:
            return None
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        self._writer.close(RunFooter(finished, status, exit_code, gate))
        folder = self._options.report_dir
        if status == "finished":
            self._prune()
        run = JudgedRun.of(self._writer.written())
        update_index(folder, run)
        self.report = load_report(folder, run)
        self.diff = changes_since_last(folder, self.report)
        baseline = changes_since_baseline(folder, self.report, self._baseline)
        write_reports(self.report, folder, self.diff, baseline)
        add_summary(self.report, self.diff, os.environ)
        if self._options.benchmark_json:
            write_benchmark_json(self.report, self._options.benchmark_json)
        return self.report

    def _prune(self) -> None:
        """After a run of the whole zoo, remove the failures of what the zoo no longer holds."""
        if not self._everything or self._options.shard is not None:
            return
        files = {shown(zoo) for zoo in self._options.zoos}
        files |= {ref.place.rpartition(":")[0] for ref in self._refs.values() if ref.place}
        known = {name for ref in self._refs.values() for name in (ref.id, ref.case)}
        try:
            prune_failures(self._options.report_dir / FAILURES, files, known)
        except OSError as error:
            warn(f"{error.filename} cannot be removed ({error.strerror}): no case leaves it now")

    def _header(self) -> RunHeader:
        zoos = self._options.zoos
        shard = self._options.shard
        return RunHeader(
            id=self._run_id,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=describe_commit(zoos[0].parent),
            machine=describe_machine(),
            versions=installed_versions(),
            seed=self._options.seed,
            zoos=tuple(shown(zoo) for zoo in zoos),
            command=shlex.join(hide_secrets_in([Path(sys.argv[0]).name, *sys.argv[1:]])),
            shard=f"{shard[0]}/{shard[1]}" if shard else None,
            division=self._division.digest if self._division else None,
            baseline=self._baseline.stem if self._baseline else None,
            zoo_cases=tuple(c.id_on(p) for c in self._cases for p in c.entry.providers),
        )
