"""The scheduler with workers that follow xdist's rule, in a time of their own."""

from __future__ import annotations

import heapq
from types import SimpleNamespace

import pytest

from conformance.model import TestKind
from conformance.suite.schedule import CaseScheduling


class Worker:
    """Runs what it is sent; holds its last test back until it knows of another, or of the end."""

    def __init__(self, name):
        self.gateway = SimpleNamespace(id=name)
        self.queue = []
        self.shutting_down = False
        self.running = None

    def send_runtest_some(self, places):
        assert not self.shutting_down, "it would never run them"
        self.queue += places

    def shutdown(self):
        self.shutting_down = True

    def next(self):
        """The place of the test that it begins now."""
        if self.running is None and (len(self.queue) > 1 or (self.queue and self.shutting_down)):
            self.running = self.queue.pop(0)
            return self.running
        return None


class Run:
    """Runs tests on simulated workers; ``log`` holds (worker, test, start, end)."""

    def __init__(self, seconds, workers=2):
        self.seconds = seconds
        self.refs = {}
        early, late = [], []
        for case in seconds:
            for kind in TestKind:
                test = f"{kind} {case}"
                self.refs[test] = SimpleNamespace(case=case, test=kind)
                (late if kind is TestKind.LATENCY else early).append(test)
        self.tests = [*early, *late]
        config = SimpleNamespace(getvalue=lambda name: [f"{workers}*popen"])
        self.scheduler = CaseScheduling(config, self.refs)
        self.log = []
        self.now = 0.0
        self.names = iter(f"gw{number}" for number in range(99))
        for node in [Worker(next(self.names)) for _ in range(workers)]:
            self.join(node)

    def join(self, node):
        self.scheduler.add_node(node)
        self.scheduler.add_node_collection(node, list(self.tests))
        if self.scheduler.collection_is_completed:
            self.scheduler.schedule()

    def duration(self, test):
        kind, case = test.split()
        return {"export": self.seconds[case], "parity": 0.1, "latency": 0.5}[kind]

    def to_the_end(self, killed_in=()):
        """Run; a worker dies in the tests ``killed_in`` and is replaced, as xdist does."""
        ends = []
        killed = []
        self.begin(ends)
        while not self.scheduler.tests_finished:
            assert ends, f"nothing runs, and there is work left: {self.scheduler.nodes}"
            self.now, _, node, test = heapq.heappop(ends)
            if test in killed_in:
                node.shutting_down = True  # as xdist says of one that is down
                killed.append(self.scheduler.remove_node(node))
                self.join(Worker(next(self.names)))
            else:
                place, node.running = node.running, None
                self.scheduler.mark_test_complete(node, place)
            self.begin(ends)
        return killed

    def begin(self, ends):
        for node in self.scheduler.nodes:
            place = node.next()
            if place is not None:
                test = self.tests[place]
                end = self.now + self.duration(test)
                self.log.append((node.gateway.id, test, self.now, end))
                heapq.heappush(ends, (end, len(self.log), node, test))

    def of(self, kind):
        return [entry for entry in self.log if entry[1].startswith(kind)]


def test_every_test_runs_once_and_a_case_on_one_worker():
    """Its latency, too: the worker has the bundle."""
    run = Run({f"c{number}": 1.0 + number % 3 for number in range(11)}, workers=3)
    run.to_the_end()
    assert sorted(test for _, test, *_ in run.log) == sorted(run.tests)
    homes = {}
    for worker, test, *_ in run.log:
        homes.setdefault(test.split()[1], set()).add(worker)
    moved = [case for case, workers in homes.items() if len(workers) > 1]
    assert len(moved) <= 2, "but for one that a worker is kept going with"


def test_no_latency_before_everything_is_proven():
    """Measurements would only wait for the machine, and for nothing if it takes too long."""
    run = Run({"long": 900.0, "b": 1.0, "c": 1.0, "d": 1.0})
    run.to_the_end()
    proven = max(end for *_, end in (*run.of("export"), *run.of("parity")))
    assert min(start for *_, start, _ in run.of("latency")) >= proven


def test_no_worker_sits_on_a_case_that_an_idle_one_could_run():
    """With the longest first, two workers end within the length of the shortest cases."""
    run = Run({"a": 60.0, "b": 50.0, "c": 40.0, "d": 30.0, "e": 20.0, "f": 10.0})
    run.to_the_end()
    busy = {}
    for worker, _, _, end in (*run.of("export"), *run.of("parity")):
        busy[worker] = max(busy.get(worker, 0.0), end)
    assert max(busy.values()) - min(busy.values()) <= 10.2
    assert max(busy.values()) <= 210 / 2 + 10


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("fatal", ["export c1", "parity c2", "latency c3"])
def test_a_worker_that_dies_takes_its_own_case_with_it_and_no_other(workers, fatal):
    """The rest of the case is not tried again; all else runs once, on whoever is there."""
    run = Run({f"c{number}": 1.0 for number in range(7)}, workers=workers)
    assert run.to_the_end(killed_in={fatal}) == [fatal]
    case = fatal.split()[1]
    ran = [test for _, test, *_ in run.log]
    assert len(ran) == len(set(ran))
    assert set(run.tests) - set(ran) <= {t for t in run.tests if t.split()[1] == case}
    assert ran.count(fatal) == 1
    if "latency" not in fatal:
        assert not any(test.startswith(f"latency {case}") for test in ran)


def test_a_worker_that_dies_idle_costs_nothing():
    """The test that it held back was not running, so it is blamed for nothing."""
    run = Run({"long": 100.0, "short": 1.0})
    ends = []
    run.begin(ends)
    idle = next(node for node in run.scheduler.nodes if run.tests[node.running] == "export short")
    for _ in range(2):
        place, idle.running = idle.running, None
        run.scheduler.mark_test_complete(idle, place)
        idle.next()
    assert idle.running is None
    assert idle.queue, "it holds a latency test back"
    idle.shutting_down = True
    assert run.scheduler.remove_node(idle) is None
    run.join(Worker("new"))
    assert run.scheduler.has_pending


def test_a_worker_with_another_zoo_ends_the_run():
    """The zoo was edited while a worker was replaced: the run is about no one thing any more."""
    run = Run({"a": 1.0})
    node = Worker("late")
    run.scheduler.add_node(node)
    with pytest.raises(pytest.exit.Exception, match="zoo was changed meanwhile"):
        run.scheduler.add_node_collection(node, run.tests[1:])
