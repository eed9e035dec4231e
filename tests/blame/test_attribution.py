"""The rules that name a side, on evidence written by hand."""

from __future__ import annotations

import pytest

from conformance.blame import Attribution, Evidence, Graphs, Side, Sighting, Turn, Turned, attribute
from conformance.evidence import ExportResult
from conformance.graph.difference import Fate, GraphDifference, NodeDifference
from conformance.history.environment import environment_diff
from conformance.model import CaseResult, RunHeader, Stage, Verdict

EXPORTED = ExportResult(1.0, 1000, 3, cached=False, peak_rss_bytes=None, fp64_unavailable=None)
OLD, NEW = "1.30.0", "1.31.1"
SAME = Graphs(identical=True)
OTHER = Graphs(
    identical=False,
    difference=GraphDifference(
        (
            NodeDifference(Fate.CHANGED, "Gemm", "g", ("constant 1",)),
            NodeDifference(Fate.CHANGED, "Gemm", "h", ("constant 1",)),
            NodeDifference(Fate.ADDED, "Cast", "c"),
        )
    ),
)
GONE = Graphs(identical=False, gone="the old bundle is no longer in the cache")


def sighting(verdict, versions, *, export=EXPORTED, cpu="i386"):
    header = RunHeader(
        id="20261121T092349Z-3f2a",
        started="2026-11-21T09:23:49+00:00",
        commit="c0ffee",
        machine={"cpu": cpu, "hardware_class": cpu},
        versions=versions,
        seed=0,
        zoos=("zoo.yaml",),
        command="pytest",
    )
    row = CaseResult(
        id="pytorch/cnn@dynamo-op18-fp32-cpu",
        model="cnn",
        framework="pytorch",
        task=None,
        tags=(),
        exporter="dynamo",
        opset=18,
        variant="fp32",
        provider="cpu",
        stage=Stage.PARITY if export else Stage.EXPORT,
        verdict=verdict,
        reason=None,
        link=None,
        details=None,
        export=export,
        parity=None,
        latency=None,
        placement=None,
        repro="",
        duration_s=0.0,
    )
    return Sighting(header, row)


def evidence(graphs, *, runtime=False, torch=False, cpu="i386", turned=Turned.RED, **more):
    before = {"onnxruntime": OLD if runtime else NEW, "torch": "2.12" if torch else "2.13"}
    after = {"onnxruntime": NEW, "torch": "2.13"}
    turn = Turn(
        turned,
        sighting(Verdict.PASS, before),
        sighting(Verdict.FAIL, after, cpu=cpu, export=more.pop("export", EXPORTED)),
    )
    return Evidence(
        turn=turn,
        graphs=graphs,
        environment=environment_diff(turn.before.header, turn.after.header),
        present=more.pop("present", NEW),
        converters=frozenset({"torch"}),
        **more,
    )


CHANGED = "converter changed: 3 nodes differ (2 x Gemm changed: constant 1; Cast added)"
BY_RUNTIME = f"onnxruntime {OLD} -> {NEW}"


@pytest.mark.parametrize(
    ("found", "side", "text"),
    [
        (
            evidence(SAME, runtime=True, torch=True, old_red=True, new_red=True),
            Side.RUNTIME,
            f"converter output byte-identical; regressed by {BY_RUNTIME}",
        ),
        (
            evidence(OTHER, torch=True, old_red=False, new_red=True),
            Side.CONVERTER,
            f"{CHANGED}, torch 2.12 -> 2.13",
        ),
        (
            evidence(OTHER, runtime=True, torch=True, old_red=True, new_red=True),
            Side.BOTH,
            (
                f"both moved: {CHANGED}, torch 2.12 -> 2.13; {BY_RUNTIME}; "
                "the old model fails under it too"
            ),
        ),
        (
            evidence(OTHER, runtime=True, torch=True),
            Side.BOTH,
            f"both moved: {CHANGED}, torch 2.12 -> 2.13; {BY_RUNTIME}",
        ),
        (
            evidence(GONE, torch=True),
            Side.UNKNOWN,
            "cannot be told: the old bundle is no longer in the cache",
        ),
        (
            evidence(SAME, cpu="z80", old_red=True, new_red=True),
            Side.MACHINE,
            "converter output byte-identical; regressed by the machine (cpu i386 -> z80)",
        ),
        (
            evidence(Graphs(identical=True, data=("test_data_set_0/output_0.pb",)), torch=True),
            Side.SOURCE,
            (
                "converter output byte-identical; the inputs or the source's answers changed, "
                "torch 2.12 -> 2.13"
            ),
        ),
        (
            evidence(SAME, torch=True),
            Side.NEITHER,
            (
                "converter output byte-identical; onnxruntime and the machine are those of then; "
                "what differs: torch 2.12 -> 2.13"
            ),
        ),
        (
            evidence(SAME, torch=True, export=None),
            Side.CONVERTER,
            "the conversion itself fails at export, torch 2.12 -> 2.13",
        ),
        (
            evidence(SAME, runtime=True, turned=Turned.SLOW),
            Side.RUNTIME,
            f"converter output byte-identical; regressed by {BY_RUNTIME}",
        ),
        (
            evidence(OTHER, runtime=True, turned=Turned.SLOW, old_red=False, new_red=True),
            Side.CONVERTER,
            f"{CHANGED}; the old model is faster here, under onnxruntime {NEW}",
        ),
        (
            evidence(OTHER, runtime=True, turned=Turned.SLOW, old_red=True, new_red=False),
            Side.RUNTIME,
            f"regressed by {BY_RUNTIME}: the old model is no faster here; {CHANGED}",
        ),
        (
            evidence(OTHER, torch=True, old_red=False, new_red=False),
            Side.UNKNOWN,
            f"cannot be told: {CHANGED}, torch 2.12 -> 2.13; but the new model passes here",
        ),
    ],
)
def test_the_side_and_the_sentence(found, side, text):
    """What is said, word for word."""
    attribution = attribute(found)
    assert attribution.side is side
    assert attribution.text == text


@pytest.mark.parametrize(
    ("graphs", "elsewhere", "side", "confirmed"),
    [
        (SAME, {OLD: (False, False), NEW: (True, True)}, Side.RUNTIME, True),
        (SAME, {OLD: (True, True), NEW: (True, True)}, Side.NEITHER, True),
        (SAME, {OLD: (False, False), NEW: (False, False)}, Side.UNKNOWN, False),
        (OTHER, {OLD: (False, False), NEW: (True, True)}, Side.RUNTIME, True),
        (OTHER, {OLD: (False, True), NEW: (False, True)}, Side.CONVERTER, True),
        (OTHER, {OLD: (False, True), NEW: (True, True)}, Side.BOTH, False),
        (OTHER, {OLD: (False, False), NEW: (False, True)}, Side.BOTH, False),
    ],
)
def test_environments_decide(graphs, elsewhere, side, confirmed):
    """Old and new model under the old and the new runtime: what alone is enough is to blame."""
    found = evidence(graphs, runtime=True, elsewhere=elsewhere, present="1.29.0")
    assert attribute(found) == Attribution(side, attribute(found).text, confirmed)
