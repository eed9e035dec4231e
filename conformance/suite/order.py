"""In which order the tests of a zoo run: long cases first, latency last."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

import pytest

from conformance.model import Case, TestKind
from conformance.suite.items import ZooItem

#: Converting and proving BERT-base, GPT-2 and T5-small took 60 to 140 s per GiB of weights by
#: torch.export, 60 to 90 by TorchScript; what counts is that a large model is not kept for last.
_SECONDS_PER_BYTE = 75 / 2**30


def put_in_order(items: list[pytest.Item], seconds: Mapping[str, float]) -> None:
    """Reorder ``items`` in place: a case's export and parity beside each other, latency last.

    Every process of a run that is given the same items and seconds finds the same order.
    Tests that are not of a zoo keep their places among those before the latency tests.

    Args:
        items: as collected.
        seconds: what a case is expected to take, by its key; the longest is first. Equal ones
            stay in the order of the zoo.
    """
    early = [item for item in items if not _is_latency(item)]
    late = [item for item in items if _is_latency(item)]
    by_length = iter(_longest_first(early, seconds))
    early = [next(by_length) if isinstance(item, ZooItem) else item for item in early]
    items[:] = [*early, *_longest_first(late, seconds)]


def expected_seconds(
    cases: Iterable[Case], known: Mapping[str, float], size_bytes: Mapping[str, int]
) -> dict[str, float]:
    """What each case is expected to take, by its key; empty where nothing is known of any.

    A case without a history is taken for the median of its framework's, or else of all; for
    more where its model's size says so.

    Args:
        cases: all that may run.
        known: what cases took, by key.
        size_bytes: size of the models that lie beside the zoo, by the case's key.
    """
    cases = list(cases)
    by_framework: dict[str, list[float]] = {}
    for case in cases:
        if case.key in known:
            by_framework.setdefault(case.entry.framework_label, []).append(known[case.key])
    if not by_framework and not any(size_bytes.values()):
        return {}
    of_all = [value for values in by_framework.values() for value in values]
    medians = {name: statistics.median(values) for name, values in by_framework.items()}

    def guessed(case: Case) -> float:
        alike = medians.get(case.entry.framework_label, statistics.median(of_all or [0.0]))
        return max(alike, size_bytes.get(case.key, 0) * _SECONDS_PER_BYTE)

    return {case.key: known[case.key] if case.key in known else guessed(case) for case in cases}


def _is_latency(item: pytest.Item) -> bool:
    return isinstance(item, ZooItem) and item.ref.test is TestKind.LATENCY


def _longest_first(items: Iterable[pytest.Item], seconds: Mapping[str, float]) -> list[ZooItem]:
    """The zoo's tests of ``items``, a case's beside each other, by what the cases take."""
    cases: dict[str, list[ZooItem]] = {}
    for item in items:
        if isinstance(item, ZooItem):
            cases.setdefault(item.ref.case, []).append(item)
    ordered = sorted(cases, key=lambda case: -seconds.get(case, 0.0))
    return [item for case in ordered for item in cases[case]]
