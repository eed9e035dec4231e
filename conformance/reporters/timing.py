"""Latency, as blocks: its distribution, and how it compares with the source and the baseline."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.evidence import LatencyResult
from conformance.model import CaseResult
from conformance.reporters import blocks, wording
from conformance.reporters.blocks import Block
from conformance.reporters.wording import duration

#: Bars of a histogram.
BINS = 20
#: Fewer runs than this have no distribution to show.
_FEWEST_RUNS = 10
#: Heights of a bar, so that one character tells it.
_HEIGHTS = "0123456789abcdef"


def latency(case: CaseResult, timed: LatencyResult, *, brief: bool = False) -> list[Block]:
    """What was timed, against what, and how far it can be trusted.

    Args:
        case: the case on a provider.
        timed: its latency.
        brief: whether to leave out what the trends of the case tell again.
    """
    told = [blocks.head("Latency")]
    for why, word in ((timed.contended, "Contended"), (timed.unstable, "Unstable")):
        if why:
            told.append(blocks.para(f"⚠ {word}: {why}. Not compared with other runs.", "problem"))
    told.append(blocks.para([blocks.strong(_against_source(case, timed))]))
    if timed.measured_in:
        told.append(
            blocks.para(f"Measured in run {timed.measured_in}; nothing it depends on changed.")
        )
    elif timed.baseline:
        sentence = wording.baseline_sentence(timed.baseline)
        told.append(blocks.para(sentence, "problem" if timed.baseline.slower else ""))
    if len(timed.samples_ns) >= _FEWEST_RUNS:
        told.append(histogram(timed))
    threads = wording.count(timed.intra_op_threads, "thread", "threads")
    fallen = wording.fallback(case.placement, case.provider)
    runs = f"over {timed.runs} warm runs, {threads.replace(' ', ' intra-op ', 1)}"
    text: blocks.Parts = [f"{duration(timed.median_ns)}, {duration(timed.p95_ns)} {runs}"]
    if fallen:
        text += ["; ", blocks.strong(str(fallen))]
    source = duration(timed.source_median_ns) if timed.source_median_ns else "not measured"
    session = f"{duration(timed.session_create_ns)}, {duration(timed.first_run_ns)}"
    rows: list[tuple[str, blocks.Text]] = [
        ("Median, p95", text),
        ("Session, first run", session),
        ("Source median", source),
    ]
    if timed.yardstick and not brief:
        ratio = timed.yardstick
        interval = f"{ratio.value:.3g} [{ratio.low:.3g}, {ratio.high:.3g}]"
        rows.append(("In runs of the yardstick", interval))
    if timed.session_peak_bytes:
        rows.append(("Memory of the session", wording.size(timed.session_peak_bytes)))
    if timed.hardware:
        rows.append(("Hardware class", timed.hardware))
    return [*told, blocks.facts(rows)]


def _against_source(case: CaseResult, timed: LatencyResult) -> str:
    sentence = wording.speedup_sentence(timed, case.framework)
    return sentence[:1].upper() + sentence[1:]


def histogram(timed: LatencyResult) -> Block:
    """The single runs by duration; what is far above the 95th percentile is in the last bar."""
    low = min(timed.samples_ns)
    high = max(min(max(timed.samples_ns), 2 * timed.p95_ns - low), low + 1)
    counts = [0] * BINS
    for sample in timed.samples_ns:
        counts[min(int(BINS * (sample - low) / (high - low)), BINS - 1)] += 1

    def place(value: int) -> float:
        return round(min(max((value - low) / (high - low), 0.0), 1.0), 3)

    return {
        "t": "bars",
        "label": (
            f"{len(timed.samples_ns)} runs, {duration(low)} to {duration(max(timed.samples_ns))}, "
            "with median and p95 marked"
        ),
        "counts": _heights(counts),
        "marks": [[place(timed.median_ns), "median"], [place(timed.p95_ns), "p95"]],
    }


def _heights(counts: Sequence[int]) -> str:
    """One character per bar, the highest an ``f``; what is not empty is never drawn empty."""
    most = max(counts)
    top = len(_HEIGHTS) - 1
    return "".join(_HEIGHTS[max(round(n * top / most), 1) if n else 0] for n in counts)
