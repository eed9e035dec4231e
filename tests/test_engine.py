from __future__ import annotations

import os
import threading

import pytest
from zoo_cases import HERE, located, ref

from conformance.engine import Engine
from conformance.execution.child import children
from conformance.execution.contract import Completed, Failure
from conformance.execution.machine_lock import alone, busy
from conformance.model import FrameworkInfo, Stage, TestKind, Verdict
from conformance.tasks import Settings


@pytest.fixture
def make_engine(tmp_path):
    engines = []

    def make(*, require=False, executor=None, mutants=0, shared=None):
        settings = Settings(
            cache_dir=tmp_path / "cache",
            workdir=tmp_path / f"work-{len(engines)}",
            progress=tmp_path / "progress.json",
            offline=False,
            require=require,
            failures_dir=tmp_path / "failures",
            seed=0,
            mutants=mutants,
            shared=shared,
            machine_lock=tmp_path / "machine.lock",
        )
        executor = executor or children({"PYTHONPATH": os.fspath(HERE)})
        engines.append(Engine(settings, executor, {}))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(make_engine):
    return make_engine()


def test_an_honest_conversion_passes_its_three_tests(engine):
    """Export, parity and latency pass, with their figures."""
    case = located("Honest")
    export = engine.run(case, ref(case, TestKind.EXPORT))
    parity = engine.run(case, ref(case, TestKind.PARITY))
    latency = engine.run(case, ref(case, TestKind.LATENCY))
    assert [r.verdict for r in (export, parity, latency)] == [Verdict.PASS] * 3
    assert [r.stage for r in (export, parity, latency)] == ["check", "parity", "latency"]
    assert export.export.nodes == 2
    assert not export.export.cached
    assert [o.name for o in parity.parity.outputs] == ["y", "z"]
    assert all(o.rule == "fp64-referenced" and o.ratio < 1 for o in parity.parity.outputs)
    assert parity.placement == {"CPUExecutionProvider": 2}
    assert 0 < latency.latency.median_ns <= latency.latency.p95_ns
    assert latency.latency.source_median_ns > 0


def test_a_later_engine_finds_the_conversion_in_the_cache(make_engine):
    """What one run converted, the next does not convert again."""
    case = located("Honest")
    make_engine().run(case, ref(case, TestKind.EXPORT))
    assert make_engine().run(case, ref(case, TestKind.EXPORT)).export.cached


def test_a_branch_of_the_hub_is_never_served_from_the_cache(make_engine):
    """A branch can move; only a full commit names the same weights tomorrow."""
    for revision, cached in (("main", False), ("a" * 40, True)):
        source = {"hub": "org/name", "revision": revision}
        case = located("Honest", id=f"hub-{cached}", source=source)
        make_engine().run(case, ref(case, TestKind.EXPORT))
        assert make_engine().run(case, ref(case, TestKind.EXPORT)).export.cached is cached


def test_a_tolerance_wider_than_the_output_is_vacuous(engine):
    """A declared tolerance that zeros would pass proves nothing, however it is justified."""
    case = located("Honest", tolerance={"atol": 2.5, "reason": "generous"})
    record = engine.run(case, ref(case, TestKind.PARITY))
    assert record.verdict is Verdict.VACUOUS


def test_dependents_of_a_reported_failure_point_at_it(engine):
    """One failure has one home: parity and latency of a failed export are not run."""
    case = located("Raises")
    engine.run(case, ref(case, TestKind.EXPORT))
    known = located("Raises", id="known", expect={"stage": "export", "reason": "no operator"})
    engine.run(known, ref(known, TestKind.EXPORT))
    for test in (TestKind.PARITY, TestKind.LATENCY):
        record = engine.run(case, ref(case, test))
        assert record.verdict is Verdict.NOT_RUN
        assert f"export of {case.case.key} is fail: NotImplementedError" in record.reason
        record = engine.run(known, ref(known, test))
        assert record.reason.endswith(f"export of {known.case.key} is expected-fail: no operator")


def test_a_failure_nobody_reported_is_reported_by_its_dependent(engine):
    """Selecting parity alone must not hide that the export fails."""
    case = located("Raises")
    record = engine.run(case, ref(case, TestKind.PARITY))
    assert (record.verdict, record.stage) == (Verdict.FAIL, Stage.EXPORT)


def test_latency_of_a_wrong_model_is_not_measured(engine):
    """Only a parity-checked case is timed, also when parity was not selected."""
    case = located("SlightlyWrong")
    record = engine.run(case, ref(case, TestKind.LATENCY))
    assert (record.verdict, record.stage) == (Verdict.FAIL, Stage.PARITY)
    assert record.latency is None


def test_without_fp64_the_tolerance_is_declared_and_says_why(engine):
    """The report tells which rule judged, and why not the better one."""
    case = located("NoFloat64")
    record = engine.run(case, ref(case, TestKind.PARITY))
    assert record.verdict is Verdict.PASS
    assert {o.rule for o in record.parity.outputs} == {"declared"}
    assert record.parity.outputs[0].rule_reason == "miniatures of this kind are single precision"


def test_a_known_failure_is_expected_and_only_that_one(engine):
    """Stage and text must match; anything else in its place fails."""
    expect = {"stage": "export", "reason": "no operator yet", "match": "fancy"}
    known = located("Raises", expect=expect)
    record = engine.run(known, ref(known, TestKind.EXPORT))
    assert (record.verdict, record.reason) == (Verdict.EXPECTED_FAIL, "no operator yet")
    other_text = located("Raises", id="a", expect={**expect, "match": "plain"})
    record = engine.run(other_text, ref(other_text, TestKind.EXPORT))
    assert record.verdict is Verdict.FAIL
    assert "expects a failure that matches 'plain'" in record.reason
    other_stage = located("NotOnnx", id="b", expect=expect)
    record = engine.run(other_stage, ref(other_stage, TestKind.EXPORT))
    assert record.verdict is Verdict.FAIL
    assert "expects a failure at export" in record.reason


def test_a_known_failure_that_is_gone_is_an_unexpected_pass(engine):
    """The zoo must be updated; only the test of the declared stage says so."""
    case = located("Honest", expect={"stage": "parity", "reason": "was off by one"})
    verdicts = [engine.run(case, ref(case, test)).verdict for test in TestKind]
    assert verdicts == [Verdict.PASS, Verdict.UNEXPECTED_PASS, Verdict.PASS]


def test_a_missing_package_is_not_run_or_a_failure_if_required(make_engine):
    """The reason holds the command that installs what is missing."""
    case = located("Honest", requires=["no-such-distribution>=2"])
    record = make_engine().run(case, ref(case, TestKind.EXPORT))
    assert record.verdict is Verdict.NOT_RUN
    assert record.reason == (
        "no-such-distribution not installed: pip install 'no-such-distribution>=2'"
    )
    assert make_engine(require=True).run(case, ref(case, TestKind.EXPORT)).verdict is Verdict.FAIL
    old = located("Honest", id="old", requires=["numpy<1"])
    assert "is not <1" in make_engine().run(old, ref(old, TestKind.EXPORT)).reason


def test_a_missing_framework_names_the_extra():
    """All absent distributions and the extra that brings them."""
    from conformance.entry import Conversion
    from conformance.requirements import missing_requirements

    info = FrameworkInfo("x", ("x",), 18, (7, 21), ("numpy", "nope"), "sklearn", (), Conversion)
    reason = missing_requirements(located("Honest").case.entry, info)
    assert reason == "nope not installed: pip install 'pytest-onnx-conformance[sklearn]'"


def test_an_absent_provider_is_not_run_or_a_failure_if_required(make_engine):
    """No silent fall-back to the CPU: the tests on that provider do not run."""
    case = located("Honest", providers=["cpu", "tensorrt"])
    engine = make_engine()
    parity = engine.run(case, ref(case, TestKind.PARITY, "tensorrt"))
    latency = engine.run(case, ref(case, TestKind.LATENCY, "tensorrt"))
    assert [parity.verdict, latency.verdict] == [Verdict.NOT_RUN] * 2
    assert "no TensorrtExecutionProvider" in parity.reason
    assert engine.run(case, ref(case, TestKind.PARITY, "cpu")).verdict is Verdict.PASS
    required = make_engine(require=True)
    assert required.run(case, ref(case, TestKind.PARITY, "tensorrt")).verdict is Verdict.FAIL


def test_a_failure_that_the_zoo_does_not_know_is_explained_and_kept(make_engine, tmp_path):
    """A known one is neither; another one in its place is both."""
    for match, verdict in (("its limit", Verdict.EXPECTED_FAIL), ("NaN", Verdict.FAIL)):
        known = {"stage": "parity", "match": match, "reason": "known"}
        case = located("SlightlyWrong", id=f"known-{verdict}", expect=known)
        record = make_engine().run(case, ref(case, TestKind.PARITY))
        assert record.verdict is verdict
        news = verdict is Verdict.FAIL
        assert (record.explanation is not None) is news
        assert (record.failure_folder is not None) is news
        if news:
            assert record.explanation.guilty == "converter"
            assert (tmp_path / record.failure_folder / "repro.py").is_file()


def test_trouble_with_a_failures_folder_is_told_and_changes_no_verdict(engine, tmp_path):
    """What cannot be kept is still reported."""
    (tmp_path / "failures").write_text("in the way")
    case = located("SlightlyWrong")
    record = engine.run(case, ref(case, TestKind.PARITY))
    assert record.verdict is Verdict.FAIL
    assert record.failure_folder is None
    assert "no failure folder: " in record.details


class WithoutMutation:
    """An executor whose process for wrong models dies."""

    def __init__(self, executor):
        self._executor = executor

    def run(self, spec):
        if spec.target.endswith(":mutate"):
            return Completed(None, Failure(Verdict.FAIL, Stage.PARITY, "SIGSEGV", None))
        return self._executor.run(spec)

    def close(self):
        self._executor.close()


def test_a_check_that_could_not_be_tried_is_neither_passed_nor_the_models_fault(make_engine):
    """A wrong model may crash ONNX Runtime; the case is then counted apart."""
    case = located("Honest")
    executor = WithoutMutation(children({"PYTHONPATH": os.fspath(HERE)}))
    record = make_engine(executor=executor, mutants=5).run(case, ref(case, TestKind.PARITY))
    assert record.verdict is Verdict.INFRA_ERROR
    assert record.reason == "the check could not be tried on wrong models: SIGSEGV"


class Watched:
    """An executor that writes down what it ran, and who else could have run meanwhile."""

    def __init__(self, lock):
        self.ran = []
        self._lock = lock
        self._executor = children({"PYTHONPATH": os.fspath(HERE)})

    def run(self, spec):
        with alone(self._lock, timeout_s=0) as granted:
            nobody = granted
        free = threading.Event()

        def enter():
            with busy(self._lock, timeout_s=1):
                free.set()

        other = threading.Thread(target=enter)
        other.start()
        shared = free.wait(0.5)
        other.join()
        self.ran.append((spec.target.rpartition(":")[2], nobody, shared, spec.payload.get("alone")))
        return self._executor.run(spec)

    def close(self):
        self._executor.close()


def test_stages_share_the_machine_and_a_measurement_has_it_alone(make_engine, tmp_path):
    """While latency is measured nothing else may start; every other stage only keeps it out."""
    executor = Watched(tmp_path / "machine.lock")
    engine = make_engine(executor=executor)
    case = located("Honest")
    engine.run(case, ref(case, TestKind.LATENCY))
    assert executor.ran == [
        ("convert", False, True, None),
        ("prove", False, True, None),
        ("measure", False, False, True),
    ]


def test_processes_of_a_run_do_nothing_twice(make_engine, tmp_path):
    """What one found out, good or bad, the others know; another run tries again."""
    lock = tmp_path / "machine.lock"

    def ran(test, adapter, shared):
        executor = Watched(lock)
        case = located(adapter)
        record = make_engine(executor=executor, shared=shared).run(case, ref(case, test))
        return [name for name, *_ in executor.ran], record

    one, other = tmp_path / "one", tmp_path / "other"
    assert ran(TestKind.EXPORT, "Raises", one)[0] == ["convert"]
    again, record = ran(TestKind.PARITY, "Raises", one)
    assert again == []
    assert record.verdict is Verdict.NOT_RUN
    assert "export of Raises/raises@mini-op18-fp32 is fail" in record.reason
    assert ran(TestKind.PARITY, "Raises", other)[0] == ["convert"]
    assert ran(TestKind.PARITY, "Honest", one)[0] == ["convert", "prove"]
    done, record = ran(TestKind.LATENCY, "Honest", one)
    assert done == ["measure"]
    assert record.verdict is Verdict.PASS
    assert not record.export.cached, "it was made in this run"


def test_processes_of_a_run_convert_a_moving_model_once(make_engine, tmp_path):
    """A branch of a hub repository is converted once for a run, not once for each worker."""
    source = {"hub": "org/name", "revision": "main"}
    case = located("Honest", id="hub", source=source)
    shared = tmp_path / "shared"
    for expected in (["convert"], []):
        executor = Watched(tmp_path / "machine.lock")
        make_engine(executor=executor, shared=shared).run(case, ref(case, TestKind.EXPORT))
        assert [name for name, *_ in executor.ran] == expected
