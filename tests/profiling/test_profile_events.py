from __future__ import annotations

import pytest
from profile_cases import kernel, span, written

from conformance.errors import SessionError
from conformance.profiling.aggregate import add_up
from conformance.profiling.events import read_runs

EXECUTE, RUN = "SequentialExecutor::Execute", "model_run"


def one_run(start, loop=60, add=20):
    """A run of 100 microseconds: a Loop with two executions of its body, then an Add."""
    return [
        kernel("step", start + 10, 15, "MatMul"),
        span(EXECUTE, start + 8, 20),
        kernel("step", start + 35, 25, "MatMul"),
        span(EXECUTE, start + 33, 30),
        kernel("loop", start + 5, loop, "Loop"),
        kernel("sum", start + 70, add, "Add", 1),
        span(EXECUTE, start + 2, 95),
        span(RUN, start, 100),
    ]


def test_what_runs_inside_a_loop_is_counted_once(tmp_path):
    """The Loop's own time is without its body's; all nodes together are no more than the run."""
    spending = add_up(read_runs(written(tmp_path / "p.json", one_run(0))))
    own = {key.node.name: spent.total_ns for key, spent in spending.nodes.items()}
    assert own == {"loop": 20_000, "step": 40_000, "sum": 20_000}
    assert spending.outside().total_ns == 20_000
    step = next(key for key in spending.nodes if key.node.name == "step")
    assert [node.name for node in step.inside] == ["loop"]
    assert spending.nodes[step].calls_per_run == 2


def test_a_node_that_ends_as_the_next_begins_is_not_inside_it(tmp_path):
    """In whole microseconds, neighbours touch: only what an execution encloses is a body."""
    events = [
        kernel("first", 0, 0),
        kernel("second", 0, 3, "Mul", 1),
        kernel("third", 3, 0, "Sub", 2),
        span(EXECUTE, 0, 3),
        span(RUN, 0, 4),
    ]
    (run,) = read_runs(written(tmp_path / "p.json", events))
    assert [call.node.name for call in run.calls] == ["first", "second", "third"]
    assert not any(call.inner for call in run.calls)


def test_runs_are_kept_apart_and_a_half_written_one_is_dropped(tmp_path):
    """A profiler that ran full in the middle of a run leaves the whole ones."""
    events = one_run(0) + one_run(200) + one_run(400)[:3]
    runs = list(read_runs(written(tmp_path / "p.json", events)))
    assert [run.duration_us for run in runs] == [100, 100]
    assert [len(run.calls) for run in runs] == [2, 2]


def test_a_node_that_a_run_did_not_reach_took_no_time_in_it(tmp_path):
    """A branch taken in one of three runs has a median of zero and a third of a call."""
    extra = kernel("rare", 295, 3, "Neg", 9)
    events = [*one_run(0), *one_run(200)[:6], extra, *one_run(200)[6:], *one_run(400)]
    spending = add_up(read_runs(written(tmp_path / "p.json", events)))
    (rare,) = (spent for key, spent in spending.nodes.items() if key.node.name == "rare")
    assert (rare.median_ns, rare.total_ns, rare.calls_per_run) == (0, 3000, 0.333)


def test_an_interrupted_run_does_not_decide_who_is_slow(tmp_path):
    """Shares are of medians: a kernel that was preempted once is not the slowest."""
    slow = one_run(600, add=20_000)
    slow[-2:] = [span(EXECUTE, 602, 20_095), span(RUN, 600, 20_100)]
    events = one_run(0) + one_run(200) + one_run(400) + slow
    spending = add_up(read_runs(written(tmp_path / "p.json", events)))
    shares = {key.node.name: share for key, share in spending.shares().items()}
    assert shares == {"loop": 0.2, "step": 0.4, "sum": 0.2}
    assert spending.outside().share == 0.2


@pytest.mark.parametrize("text", ['[\n{"cat": "Node"', "<html>", ""])
def test_what_is_no_profile_is_named(tmp_path, text):
    """A damaged file is an error with its next step; an empty one holds no run."""
    file = tmp_path / "p.json"
    file.write_text(text)
    if not text:
        assert list(read_runs(file)) == []
        return
    with pytest.raises(SessionError, match="profile that ONNX Runtime wrote cannot be read"):
        list(read_runs(file))
