"""What pytest collects from a zoo file: three tests per case."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path

import pytest

from conformance.engine import Engine
from conformance.model import Record, TestKind, TestRef, Verdict, to_json
from conformance.redaction import hide_secrets
from conformance.reporters.inert import inert
from conformance.suite.github import without_commands
from conformance.suite.properties import report_properties
from conformance.zoo import LocatedCase

#: Set by the plugin before collection.
ENGINE = pytest.StashKey[Engine]()
CASES = pytest.StashKey[Mapping[Path, tuple[LocatedCase, ...]]]()

_FAILING = (Verdict.FAIL, Verdict.VACUOUS, Verdict.UNEXPECTED_PASS, Verdict.INFRA_ERROR)


class NotProven(Exception):
    """The case did not pass; carries its record."""

    def __init__(self, record: Record) -> None:
        super().__init__(inert(record.reason or ""))
        self.record = record


class Disproven(NotProven, AssertionError):
    """The case was judged, and not well: what readers of assertions call a failure."""


class ZooFile(pytest.File):
    """A zoo file on the command line or behind ``--zoo``."""

    def collect(self) -> Iterator[pytest.Item]:
        """Export, parity and latency of every case, a case's tests beside each other."""
        here = self.config.invocation_params.dir
        for located in self.config.stash[CASES][self.path]:
            marks = {name: _mark(name) for name in markers_of(located)}
            for ref in test_refs(located, self.path, here):
                name = item_name(ref)
                # spelt out: pytest reads the brackets of a given id as parameters, as it does
                # those of --lf's memory, but takes them for part of a name it puts together
                nodeid = f"{self.nodeid}::{name}"
                yield ZooItem.from_parent(
                    self, name=name, nodeid=nodeid, located=located, ref=ref, marks=marks
                )


class ZooItem(pytest.Item):
    """One test of one case."""

    def __init__(
        self,
        *,
        located: LocatedCase,
        ref: TestRef,
        marks: Mapping[str, pytest.Mark],
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.located = located
        self.ref = ref
        self.record: Record | None = None
        # as pytest's own functions take theirs: `add_marker` is for one more, later
        self.own_markers.extend(marks.values())
        self.keywords.update(marks)

    def runtest(self) -> None:
        """Run the test and turn its verdict into pytest's outcome."""
        record = self.record = self.config.stash[ENGINE].run(self.located, self.ref)
        # on the item, not on one report: JUnit's writer reads the teardown's
        self.user_properties.extend(report_properties(record))
        if record.verdict in _FAILING:
            # Allure tells a model that fails from a machine in trouble by the assertion
            raise Disproven(record) if record.verdict.checked else NotProven(record)
        if record.verdict is Verdict.EXPECTED_FAIL:
            pytest.xfail(inert(record.reason or ""))
        if record.verdict is Verdict.NOT_RUN:
            pytest.skip(inert(record.reason or ""))

    def repr_failure(  # type: ignore[override]
        self, excinfo: pytest.ExceptionInfo[BaseException], style: str | None = None
    ) -> object:
        """What a failed case tells: verdict, stage, every problem, and how to repeat it."""
        if isinstance(excinfo.value, NotProven):
            place = f"{self.located.file}:{self.located.line}"
            return without_commands(failure_text(excinfo.value.record, place), os.environ)
        return super().repr_failure(excinfo, style)  # type: ignore[arg-type]

    def reportinfo(self) -> tuple[Path, int, str]:
        """The model's place in the zoo file."""
        return self.located.file, self.located.line - 1, self.name


@cache
def named_from(here: Path, file: Path) -> str:
    """A zoo's file as a command in the folder ``here`` would name it, without secrets."""
    return hide_secrets(str(file.relative_to(here) if file.is_relative_to(here) else file))


def test_refs(located: LocatedCase, zoo: Path, here: Path) -> Iterator[TestRef]:
    """The tests of a case in the order they run.

    Args:
        located: the case.
        zoo: the zoo file that was collected; the case may come from a file that it includes.
        here: the folder in which a command would repeat the test.
    """
    case, entry = located.case, located.case.entry
    key, path = case.key, named_from(here, zoo)
    start = f"pytest --zoo {shlex.quote(path)} "
    of_case = partial(
        TestRef,
        case=key,
        model=entry.id,
        framework=entry.framework_label,
        task=entry.task,
        tags=entry.tags,
        trusted=entry.source.trusted,
        exporter=case.exporter,
        opset=case.opset,
        variant=case.variant,
        place=f"{named_from(here, located.file)}:{located.line}",
    )

    def ref(test: TestKind, identity: str, provider: str | None = None) -> TestRef:
        repro = start + shlex.quote(f"{path}::test_{test}[{identity}]")
        return of_case(test=test, id=identity, provider=provider, repro=repro)

    yield ref(TestKind.EXPORT, key)
    for provider in entry.providers:
        identity = case.id_on(provider)
        yield ref(TestKind.PARITY, identity, provider)
        yield ref(TestKind.LATENCY, identity, provider)


def item_name(ref: TestRef) -> str:
    """The name pytest shows: ``test_parity[pytorch/cnn@dynamo-op18-fp32-cpu]``."""
    return f"test_{ref.test}[{ref.id}]"


def markers_of(located: LocatedCase) -> list[str]:
    """Framework, task and tags, as marker names for ``-m``."""
    entry = located.case.entry
    named = [entry.framework_label, entry.task, *entry.tags]
    return list(dict.fromkeys(marker for marker in named if marker))


@cache
def _mark(name: str) -> pytest.Mark:
    """A marker, made once: tests by the thousand share a few."""
    decorator: pytest.MarkDecorator = getattr(pytest.mark, name)
    return decorator.mark


def failure_text(record: Record, place: str) -> str:
    """A failed record for the terminal, and for the files of JUnit and Allure."""
    lines = [f"{record.verdict.glyph} {record.ref.id}: {record.verdict} at {record.stage}"]
    reason, details = record.reason or "", (record.details or "").splitlines()
    if details and reason.startswith(details[0]):
        lines += [f"  {line}" for line in details]  # the reason is their first line, shortened
    else:
        lines += [f"  {reason}", *(f"    {line}" for line in details)]
    if record.explanation:
        lines.append(f"  cause:  {record.explanation.summary}")
    if record.failure_folder:
        lines.append(f"  kept:   {record.failure_folder} (in the report folder)")
    if record.link:
        lines.append(f"  known issue: {record.link}")
    lines += [f"  model:  {place}", f"  repeat: {record.ref.repro}"]
    return inert("\n".join(lines))


def attach_record(report: pytest.TestReport, record: Record) -> None:
    """Hand a record over to the controller: as one JSON string, which xdist can carry."""
    vars(report)["zoo_record"] = json.dumps(to_json(record))
