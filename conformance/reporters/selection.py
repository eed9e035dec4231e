"""What a run left out on demand, so that nobody takes a part of the zoo for the whole."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.model import RunReport, TestRef
from conformance.providers import PROVIDERS
from conformance.reporters.wording import count


@dataclass(frozen=True, slots=True)
class Selection:
    """How much of a zoo was selected; the fields are those of ``report.json``."""

    #: Cases on a provider of which a test was selected.
    cases: int
    #: Cases on a provider that the zoo files hold; ``None`` where the run does not say.
    of_cases: int | None
    tests: int
    #: Tests of the zoo, of the run's shard where it took one.
    of_tests: int
    #: The options by which they were selected, where they are known.
    by: str | None
    #: Id of the last earlier run that selected everything.
    last_whole_run: str | None

    @property
    def lines(self) -> tuple[str, ...]:
        """What was selected, by what; then how to have the report of all again, if it is known.

        Such as ``Partial run: 2 of 109 cases were selected, 6 of 327 tests, by -k bert.``
        """
        tests = f"{self.tests} of {count(self.of_tests, 'test', 'tests')}"
        words = f"{tests} were selected"
        if self.of_cases is not None:
            cases = f"{self.cases} of {count(self.of_cases, 'case', 'cases')}"
            words = f"{cases} were selected, {tests}"
        by = f", by {self.by}" if self.by else ""
        told = f"Partial run: {words}{by}. What is told is of these alone."
        if self.last_whole_run is None:
            return (told,)
        return told, f"The last whole run: conformance report --run {self.last_whole_run}"


def selection(report: RunReport) -> Selection | None:
    """What was selected of a zoo; None where all was, or where that is not known."""
    plan = report.plan
    if plan is None or not plan.deselected:
        return None
    zoo = set(report.header.zoo_cases)
    return Selection(
        cases=len({row for ref in plan.tests for row in _rows(ref)} & zoo),
        of_cases=len(zoo) or None,
        tests=len(plan.tests),
        of_tests=len(plan.tests) + plan.deselected,
        by=plan.selected_by,
        last_whole_run=report.last_whole,
    )


def _rows(ref: TestRef) -> list[str]:
    """Ids of the cases on a provider that a test concerns; an export concerns them all."""
    if ref.provider is not None:
        return [ref.id]
    return [f"{ref.case}-{provider}" for provider in PROVIDERS]
