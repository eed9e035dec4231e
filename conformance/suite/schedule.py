"""How a zoo's tests are spread over xdist's workers. Imported only when xdist is there."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest
from xdist.workermanage import parse_tx_spec_config

from conformance.model import TestKind, TestRef

#: A worker runs a test when it knows the one after it, or that there is none.
_KNOWN_AHEAD = 2


@dataclass(slots=True)
class _Worker:
    #: Place of each test in the worker's collection; None until it has collected.
    places: dict[str, int] | None = None
    #: Tests sent to it and not yet done, in the order it runs them.
    sent: dict[str, None] = field(default_factory=dict)
    #: Nothing more will be sent to it.
    ending: bool = False


class CaseScheduling:
    """One case at a time to each worker; when all cases are proven, the latency tests.

    It answers to xdist's ``Scheduling`` protocol. A worker is given its next case when it has
    begun the last test of the one before, so that at the end nobody sits on a case that an idle
    worker could run. Latency is measured on the worker that proved the case: measurements wait
    for each other anyway, and it has the case's bundle verified already.

    A case that takes its worker with it is not tried again: it would be handed to the next
    worker, and to the next. What else the worker had is for others.
    """

    def __init__(self, config: pytest.Config, refs: Mapping[str, TestRef]) -> None:
        """Schedule the tests that workers will have collected.

        Args:
            config: of the controller.
            refs: every test of the zoo by its node id; tests that are not among them are
                spread one by one.
        """
        self._refs = refs
        self._expected = len(parse_tx_spec_config(config))
        self._workers: dict[Any, _Worker] = {}
        self._collection: tuple[str, ...] | None = None
        #: Cases to be proven, and what is not of a zoo: what is sent together, in order.
        self._early: deque[list[str]] = deque()
        #: Latency tests, which come when everything else is done.
        self._late: dict[str, None] = {}
        #: How many tests other than latency are not done.
        self._unproven = 0
        #: Which worker a case was given to.
        self._homes: dict[str, Any] = {}

    # -- xdist's protocol --------------------------------------------------------------

    @property
    def nodes(self) -> list[Any]:
        """The workers that are up."""
        return list(self._workers)

    @property
    def collection_is_completed(self) -> bool:
        """Whether the run can begin, or has begun."""
        ready = sum(worker.places is not None for worker in self._workers.values())
        return self._collection is not None or ready >= self._expected

    @property
    def has_pending(self) -> bool:
        """Whether a test is left to be done."""
        return bool(self._early or self._late or any(w.sent for w in self._workers.values()))

    @property
    def tests_finished(self) -> bool:
        """Whether every test is done, or given up with the worker it killed."""
        return self._collection is not None and not self.has_pending

    def add_node(self, node: Any) -> None:
        """A worker is up."""
        self._workers[node] = _Worker()

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """A worker has collected: every one the same, or what the run is about is unknown."""
        others = (list(w.places) for w in self._workers.values() if w.places is not None)
        known = self._collection if self._collection is not None else next(others, collection)
        if list(collection) != list(known):
            pytest.exit(
                f"worker {node.gateway.id} has collected other tests than the first one: the zoo "
                "was changed meanwhile; run again",
                returncode=pytest.ExitCode.INTERNAL_ERROR,
            )
        self._workers[node].places = {test: place for place, test in enumerate(collection)}
        if self._collection is None and self.collection_is_completed:
            self._collection = tuple(collection)
            self._queue(self._collection)

    def schedule(self) -> None:
        """Every expected worker has collected, or one that replaces another has."""
        self._feed_all()

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:  # noqa: ARG002 - xdist's protocol
        """A worker has done a test."""
        if self._collection is None:
            raise RuntimeError("a worker has done a test before it was given one")
        test = self._collection[item_index]
        self._workers[node].sent.pop(test)
        if self._is_latency(test):
            return  # with the first of them, everything there is was given out
        self._unproven -= 1
        if self._unproven:
            self._feed(node)
        else:
            self._feed_all()

    def remove_node(self, node: Any) -> str | None:
        """A worker is gone; what it has not done, but for the case it died of, is for others.

        Returns:
            The test in which it died, or None when it was not running any.
        """
        worker = self._workers.pop(node)
        lost = list(worker.sent)
        # one that knows of one test and waits for the next is not running it
        crashed = lost[0] if len(lost) >= _KNOWN_AHEAD or (lost and worker.ending) else None
        fatal = None if crashed is None else self._case_of(crashed)
        # its latency too, which may not have been given to anybody: there is no case to measure
        given_up = [test for test in (*lost, *self._late) if self._case_of(test) == fatal]
        for test in given_up:
            self._late.pop(test, None)
        self._unproven -= sum(not self._is_latency(test) for test in lost)
        self._queue([test for test in lost if test not in given_up])
        self._feed_all()
        return crashed

    def mark_test_pending(self, item: str) -> NoReturn:
        """Asked for by plugins that run a test again, which no scheduler by group can."""
        raise NotImplementedError

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> NoReturn:
        """Asked for only by schedulers that steal tests back."""
        raise NotImplementedError

    # -- inside ------------------------------------------------------------------------

    def _queue(self, tests: Iterable[str]) -> None:
        """Add what is to be done; a case's tests go to a worker together."""
        together: dict[str, list[str]] = {}
        for test in tests:
            if self._is_latency(test):
                self._late[test] = None
            else:
                self._unproven += 1
                together.setdefault(self._case_of(test), []).append(test)
        self._early.extendleft(reversed(together.values()))

    def _feed_all(self) -> None:
        for node in self.nodes:
            self._feed(node)
        if not self._unproven:
            self._measure()

    def _feed(self, node: Any) -> None:
        """See to it that a worker goes on with its last test, and has one after it if any is."""
        if not self._takes_work(node):
            return
        sent = self._workers[node].sent
        while self._early and len(sent) < _KNOWN_AHEAD:
            tests = self._early.popleft()
            self._homes[self._case_of(tests[0])] = node
            self._send(node, tests)
        if self._early or len(sent) >= _KNOWN_AHEAD:
            return
        if not self._late:
            self._end(node)
        elif any(not self._is_latency(test) for test in sent):
            # its last test runs when it knows another: one that it will hold back in its turn
            of_its_own = (test for test in self._late if self._home_of(test) is node)
            self._send(node, [next(of_its_own, next(iter(self._late)))])

    def _measure(self) -> None:
        """All is proven: give out the latency tests, after which nothing can follow."""
        able = [node for node in self.nodes if self._takes_work(node)]
        for test in tuple(self._late) if able else ():
            home = self._home_of(test)
            self._send(home if home in able else able[0], [test])
        for node in able:
            self._end(node)

    def _send(self, node: Any, tests: Sequence[str]) -> None:
        worker = self._workers[node]
        places = worker.places or {}
        for test in tests:
            self._late.pop(test, None)
            worker.sent[test] = None
        # one that is gone is told of soon, and what was meant for it is then for others
        with contextlib.suppress(OSError):
            node.send_runtest_some([places[test] for test in tests])

    def _end(self, node: Any) -> None:
        self._workers[node].ending = True
        node.shutdown()

    def _takes_work(self, node: Any) -> bool:
        return self._workers[node].places is not None and not node.shutting_down

    def _home_of(self, test: str) -> Any:
        return self._homes.get(self._case_of(test))

    def _case_of(self, test: str) -> str:
        return self._refs[test].case if test in self._refs else test

    def _is_latency(self, test: str) -> bool:
        return test in self._refs and self._refs[test].test is TestKind.LATENCY
