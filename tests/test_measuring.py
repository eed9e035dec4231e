"""Latency of a bundle, and what it is compared with."""

from __future__ import annotations

from dataclasses import replace

import pytest
from timed_bundles import ENTRY, layers_bundle

from conformance import latency
from conformance.entry import ZooEntry
from conformance.evidence import BaselineLatency, LatencyResult, Ratio
from conformance.execution.progress import Progress
from conformance.machine import hardware_class
from conformance.measuring import Earlier, against_source, comparison, measure, unchanged
from conformance.model import Stage, from_json, to_json


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """The same model twice, one of twice the work, and one that takes another input."""
    folder = tmp_path_factory.mktemp("bundles")
    return {
        "plain": layers_bundle(folder / "plain", 12),
        "same": layers_bundle(folder / "same", 12),
        "double": layers_bundle(folder / "double", 24),
        "other": layers_bundle(folder / "other", 12, name="y"),
    }


@pytest.fixture
def timed(tmp_path):
    """Measure a bundle as a stage's process does."""

    def run(bundle, earlier=None, *, alone=True, **terms) -> LatencyResult:
        payload = {
            "bundle": str(bundle),
            "provider": "cpu",
            "entry": {**ENTRY, "latency": terms},
            "earlier": None if earlier is None else to_json(earlier),
            "alone": alone,
        }
        progress = Progress(tmp_path / "progress.json", "layers")
        result = from_json(LatencyResult, measure(payload, progress)["latency"])
        assert progress.current is Stage.LATENCY
        return result

    return run


def earlier(result: LatencyResult, bundle=None) -> Earlier:
    return Earlier("run-1", result, "key", "digest", None if bundle is None else str(bundle))


def test_what_nothing_changed_for_is_not_measured_again(bundles, timed):
    """The figures stand, with the run that measured them, however often they are taken over."""
    entry = ZooEntry.model_validate(ENTRY)
    then = earlier(replace(timed(bundles["plain"]), contended=None, unstable=None))
    again = unchanged(then, entry, "key")
    assert again is not None
    assert (again.median_ns, again.samples_ns) == (then.latency.median_ns, then.latency.samples_ns)
    assert again.measured_in == "run-1"
    assert again.baseline is not None
    assert not again.baseline.slower
    third = unchanged(replace(then, run="run-2", latency=again), entry, "key")
    assert third is not None
    assert third.measured_in == "run-1"


@pytest.mark.parametrize(
    "other",
    [
        {"hardware": "x86_64-00000000"},
        {"hardware": None},
        {"software": "onnxruntime 1.0, conformance 0, Linux 1"},
        {"software": None},
        {"intra_op_threads": 2},
        {"contended": "other work"},
        {"unstable": "scattered"},
    ],
)
def test_what_anything_changed_for_is_measured(bundles, timed, other):
    """Other hardware, software, threads or model, or a figure that was disturbed."""
    entry = ZooEntry.model_validate(ENTRY)
    sound = replace(timed(bundles["plain"]), contended=None, unstable=None)
    assert unchanged(earlier(sound), entry, "key") is not None
    assert unchanged(earlier(replace(sound, **other)), entry, "key") is None
    assert unchanged(earlier(sound), entry, "another key") is None


def test_a_measurement_says_what_it_was_taken_on_and_against(bundles, timed):
    """Figures, their scale, the hardware, the memory, and what the conversion knew."""
    result = timed(bundles["plain"])
    assert 0 < result.median_ns <= result.p95_ns
    assert result.runs >= len(result.samples_ns) > 0
    assert result.session_create_ns > 0
    assert result.first_run_ns > 0
    assert result.intra_op_threads == 1
    assert result.hardware == hardware_class()
    assert result.yardstick_name == latency.yardstick_name()
    assert result.yardstick.low <= result.yardstick.value <= result.yardstick.high
    assert (result.source_median_ns, result.speedup.value) == (4_000_000, 2.3)
    assert result.baseline is None


def test_a_model_of_twice_the_work_is_found_to_be_slower(bundles, timed):
    """Timed beside the model of the earlier run, in the same process."""
    before = timed(bundles["plain"])
    found = timed(bundles["double"], earlier(before, bundles["plain"])).baseline
    assert (found.run, found.how) == ("run-1", "paired")
    assert found.slower
    assert found.ratio.value == pytest.approx(2, rel=0.3)
    back = timed(bundles["plain"], earlier(before, bundles["double"])).baseline
    assert back.faster
    assert not back.slower


def test_what_looks_slower_has_to_prove_it_with_fresh_sessions(bundles, timed, monkeypatch):
    """A session that is slow by bad luck with its memory is no regression of the model."""
    honest = latency.log_ratios
    looks = []

    def unlucky_at_first(model, other):
        looks.append(honest(model, other) * 0)
        # the first is the yardstick's, the second the pair's
        return looks[-1] + (0.2 if len(looks) == 2 else 0.0)

    before = timed(bundles["plain"])
    monkeypatch.setattr(latency, "log_ratios", unlucky_at_first)
    found = timed(bundles["same"], earlier(before, bundles["plain"])).baseline
    assert len(looks) == 2 + comparison._CONFIRMATIONS
    assert found.ratio.value == pytest.approx(1)
    assert not found.slower


def test_without_the_earlier_model_the_yardstick_tells(bundles, timed):
    """The earlier figures, in yardsticks, against the present ones."""
    before = timed(bundles["plain"])
    found = timed(bundles["double"], earlier(before)).baseline
    assert found.how == "yardstick"
    assert found.slower
    assert found.ratio.low < found.ratio.value < found.ratio.high


@pytest.mark.parametrize("gone", ["missing", "other"])
def test_an_earlier_model_that_cannot_be_run_leaves_the_yardstick(bundles, timed, tmp_path, gone):
    """It was pruned meanwhile, or takes inputs of another name."""
    before = timed(bundles["plain"])
    place = bundles.get(gone, tmp_path / "missing")
    assert timed(bundles["same"], earlier(before, place)).baseline.how == "yardstick"


@pytest.mark.parametrize(
    "change",
    [{"hardware": "x86_64-00000000"}, {"intra_op_threads": 2}, {"yardstick_name": "another"}],
)
def test_figures_of_another_machine_or_yardstick_are_not_compared(bundles, timed, change):
    """They say nothing of the model."""
    before = replace(timed(bundles["plain"]), **change)
    assert timed(bundles["double"], earlier(before)).baseline is None


def test_a_measurement_beside_other_work_says_so(bundles, timed):
    """It is there for reading, and nothing is gated on it."""
    result = timed(bundles["plain"], alone=False)
    assert result.contended == "other models were worked on meanwhile"
    assert not result.comparable


def test_an_entry_says_threads_and_limits(bundles, timed):
    """They are part of the result, so that a gate needs no zoo file."""
    before = replace(timed(bundles["plain"], threads=2), intra_op_threads=2)
    result = timed(bundles["same"], earlier(before), threads=2, regression=3.0, certain=2.5)
    assert result.intra_op_threads == 2
    assert (result.baseline.threshold, result.baseline.certain) == (3.0, 2.5)


def test_the_source_is_timed_beside_the_model(bundles):
    """A source that sleeps a hundred times as long makes the model a hundred times as fast."""
    import time

    from conformance.bundle import read_bundle

    bundle = read_bundle(bundles["plain"])
    feeds = next(bundle.data_sets()).inputs
    median_ns, speedups = against_source(
        lambda: time.sleep(0.02), bundle.model_path, ("cpu", "cuda"), feeds
    )
    assert median_ns >= 20_000_000
    assert speedups.keys() == {"cpu"}
    assert speedups["cpu"].value > 10


def test_a_model_that_no_provider_takes_leaves_the_source_alone(tmp_path):
    """What refuses the model is told by the stage that is about it."""
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no model")
    median_ns, speedups = against_source(int, broken, ("cpu",), {})
    assert median_ns > 0
    assert speedups == {}


@pytest.mark.parametrize(
    ("value", "low", "high", "slower", "faster"),
    [
        (1.08, 1.03, 1.12, True, False),
        (1.08, 1.01, 1.15, False, False),
        (1.04, 1.03, 1.05, False, False),
        (0.90, 0.88, 0.93, False, True),
        (0.90, 0.80, 0.99, False, False),
        (1.00, 0.99, 1.01, False, False),
    ],
)
def test_slower_is_above_the_threshold_and_surely_above_the_smaller_one(
    value, low, high, slower, faster
):
    """A large ratio with a wide interval is no finding, nor is a sure one that is small."""
    found = BaselineLatency("r", "paired", Ratio(value, low, high, 9), 1.0, 1.05, 1.02)
    assert (found.slower, found.faster) == (slower, faster)


@pytest.mark.parametrize(
    ("low", "high", "slower", "faster"),
    [(1.11, 1.2, True, False), (1.08, 1.2, False, False), (0.8, 0.9, False, True)],
)
def test_by_the_yardstick_all_of_the_interval_has_to_be_beyond(low, high, slower, faster):
    """Two processes lie between the figures, so less is believed."""
    ratio = Ratio((low + high) / 2, low, high, 9)
    found = BaselineLatency("r", "yardstick", ratio, 1.0, 1.05, 1.02)
    assert (found.slower, found.faster) == (slower, faster)
