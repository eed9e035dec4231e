"""The report's page with many cases in headless Chromium: its size, and how quick it answers.

Seeded results of `--cases` cases over `--runs` runs become `index.html`, which Chromium opens
from disk. The ratio is time to interactive over that of a report of ten cases, opened in
alternation: what the rows cost beside the page itself and the machine's mood.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.evidence import (
    DecisionParity,
    ExportResult,
    LatencyResult,
    OutputParity,
    ParityReport,
    Ratio,
    Worst,
)
from conformance.history.report import TREND_POINTS
from conformance.model import (
    CaseResult,
    RunFooter,
    RunHeader,
    RunOrigin,
    RunReport,
    Stage,
    TrendPoint,
    Verdict,
)
from conformance.providers import PROVIDERS
from conformance.reporters import report_html

ROUNDS = 5
FRAMEWORKS = {
    "pytorch": ("dynamo", "torchscript"),
    "transformers": ("transformers.exporters",),
    "tensorflow": ("tf2onnx", "keras"),
    "sklearn": ("skl2onnx",),
}
TASKS = ("fill-mask", "image-classification", "text-generation", "regression", None)
VERDICTS = (Verdict.FAIL, Verdict.EXPECTED_FAIL, Verdict.VACUOUS, Verdict.NOT_RUN)
SAMPLES = 200
#: A busy machine takes its time; the figures then say so.
PATIENCE_MS = 180_000
QUERIES = ("verdict:fail", "framework:pytorch opset:>=18", "model-12", "ratio:>0.5 -tag:full")


def main() -> None:
    """Print size, times and heap of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="write the page here as well")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        parser.error("chromium is not installed")
    with tempfile.TemporaryDirectory() as name:
        large, small = Path(name, "large.html"), Path(name, "small.html")
        start = time.perf_counter()
        report = seeded_report(options.cases, options.runs)
        made = time.perf_counter() - start
        large.write_text(report_html(report), encoding="utf-8")
        written = time.perf_counter() - start - made
        small.write_text(report_html(seeded_report(10, options.runs)), encoding="utf-8")
        if options.keep:
            shutil.copy(large, options.keep)
        print(f"{options.cases} cases, {options.runs} runs; page written in {written:.1f} s")
        print(f"  file size             {large.stat().st_size / 1e6:8.2f} MB")
        _print_times(chromium, large, small)


def _print_times(chromium: str, large: Path, small: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"],
        )
        ready: dict[Path, list[float]] = {large: [], small: []}
        for _ in range(ROUNDS):
            for path, times in ready.items():
                page = browser.new_page()
                page.set_default_timeout(PATIENCE_MS)
                page.goto(path.as_uri())
                times.append(float(page.evaluate("document.documentElement.dataset.ready")))
                page.close()
        page = browser.new_page()
        page.goto(large.as_uri())
        heap = page.evaluate("performance.memory.usedJSHeapSize")
        keys = sorted(_keystrokes(page))
        panel = _panel(page)
        browser.close()
    slow, quick = (statistics.median(ready[path]) for path in (large, small))
    print(f"  time to interactive   {slow:8.0f} ms   (10 cases: {quick:.0f} ms)")
    print(f"  ratio                 {slow / quick:8.2f}")
    print(f"  JS heap               {heap / 1e6:8.1f} MB")
    print(f"  filter keystroke      {statistics.median(keys):8.1f} ms, slowest {keys[-1]:.1f} ms")
    print(f"  first panel opened    {panel:8.1f} ms")


def _keystrokes(page: Any) -> Iterator[float]:
    """Milliseconds from each letter of some queries to the rows drawn and laid out."""
    for query in QUERIES:
        for length in range(1, len(query) + 1):
            yield page.evaluate(
                """(text) => {
                    const box = document.getElementById("query");
                    const start = performance.now();
                    box.value = text;
                    box.dispatchEvent(new Event("input", { bubbles: true }));
                    document.getElementById("grid").getBoundingClientRect();
                    return performance.now() - start;
                }""",
                query[:length],
            )


def _panel(page: Any) -> float:
    """Milliseconds from opening a case to its certificate in the panel."""
    return float(
        page.evaluate(
            """async () => {
                const start = performance.now();
                location.hash = `#case=${encodeURIComponent(rows.id(rows.count - 1))}`;
                while (!document.querySelector("#panel .told > *")) {
                    await new Promise((resolve) => setTimeout(resolve, 1));
                }
                return performance.now() - start;
            }"""
        )
    )


def seeded_report(cases: int, runs: int) -> RunReport:
    """A run with plausible figures and its past; the same for the same numbers."""
    random_ = random.Random(cases)  # noqa: S311 - plausible figures, no secrets
    rows = tuple(_rows(cases, random_))
    past = [f"2026{1 + n // 28:02}{1 + n % 28:02}T030000Z-{n:04x}" for n in range(runs)]
    header = RunHeader(
        id=past[-1],
        started="2026-11-21T03:00:00+00:00",
        commit="3f2a9c1be0d44b5f8c0f7f0b4b1f3d7c2a9e8d10",
        machine={"cpu": "AMD EPYC 7763", "cores": 2},
        versions={"onnx": "1.23.2", "onnxruntime": "1.31.1", "torch": "2.13.0"},
        seed=0,
        zoos=("model_zoo.yaml",),
        command="pytest --zoo model_zoo.yaml -n auto",
    )
    return RunReport(
        header=header,
        footer=RunFooter("2026-11-21T04:00:00+00:00", "finished", 1),
        cases=rows,
        trends={row.id: _trend(row, past[-TREND_POINTS:], random_) for row in rows},
        origins={run: RunOrigin(None, header.versions) for run in past},
    )


def _rows(count: int, random_: random.Random) -> Iterator[CaseResult]:
    made = model = 0
    while True:
        framework = random_.choice(list(FRAMEWORKS))
        task = random_.choice(TASKS)
        tags = tuple(sorted(random_.sample(("full", "vision", "text", "tiny", "slow"), 2)))
        for exporter in FRAMEWORKS[framework]:
            export = _export(random_)
            for provider in ("cpu", "openvino"):
                key = f"{framework}/model-{model}@{exporter}-op18-fp32"
                yield _row(
                    framework,
                    f"model-{model}",
                    task,
                    tags,
                    exporter,
                    provider,
                    key,
                    export,
                    random_,
                )
                made += 1
                if made == count:
                    return
        model += 1


def _row(  # noqa: PLR0913, PLR0917 - what a row is made of
    framework: str,
    model: str,
    task: str | None,
    tags: tuple[str, ...],
    exporter: str,
    provider: str,
    key: str,
    export: ExportResult,
    random_: random.Random,
) -> CaseResult:
    verdict = random_.choice(VERDICTS) if random_.random() < 0.05 else Verdict.PASS  # noqa: PLR2004
    judged = verdict is not Verdict.NOT_RUN
    ratio = random_.lognormvariate(-1, 0.4)
    reasons = {
        Verdict.FAIL: f"output 'logits': error at [2, {model[6:]}] is {5 * ratio:.1f}x its limit",
        Verdict.EXPECTED_FAIL: "the exporter has no rule for aten::foo",
        Verdict.VACUOUS: "output 'logits': it is the same on every input set",
        Verdict.NOT_RUN: "this ONNX Runtime has no OpenVINOExecutionProvider",
    }
    return CaseResult(
        id=f"{key}-{provider}",
        model=model,
        framework=framework,
        task=task,
        tags=tags,
        exporter=exporter,
        opset=18,
        variant="fp32",
        provider=provider,
        stage=Stage.PARITY,
        verdict=verdict,
        reason=reasons.get(verdict),
        link=None,
        details="Traceback\n" * 20 if verdict is Verdict.FAIL else None,
        export=export if judged else None,
        parity=_parity(ratio, random_) if judged else None,
        latency=_latency(provider, random_) if judged else None,
        placement={PROVIDERS[provider]: export.nodes} if judged else None,
        repro=f"pytest --zoo model_zoo.yaml 'model_zoo.yaml::test_parity[{key}-{provider}]'",
        duration_s=random_.uniform(1, 9),
    )


def _export(random_: random.Random) -> ExportResult:
    size = int(random_.lognormvariate(14, 2))
    return ExportResult(
        export_seconds=random_.uniform(1, 9),
        size_bytes=size,
        nodes=random_.randint(5, 900),
        cached=False,
        peak_rss_bytes=random_.randint(4, 30) * 10**8,
        fp64_unavailable=None,
    )


def _parity(ratio: float, random_: random.Random) -> ParityReport:
    noise = random_.lognormvariate(-13, 1)
    limit = noise * 5.3
    value = random_.gauss(0, 3)
    output = OutputParity(
        name="logits",
        dtype="float32",
        shape=(4, random_.choice((2, 10, 1000))),
        rule="fp64-referenced",
        rule_reason=None,
        max_abs=limit * ratio,
        max_rel=random_.lognormvariate(-9, 1),
        rmse=limit * ratio / 7,
        cosine=0.999999,
        snr_db=random_.uniform(90, 140),
        ulp_p50=1.0,
        ulp_p99=float(random_.randint(3, 30)),
        ulp_max=float(random_.randint(30, 900)),
        argmax_agreement=1.0,
        noise=noise,
        limit=limit,
        ratio=ratio,
        noise_ratio=5.3 * ratio,
        worst=Worst((2, random_.randint(0, 9)), value, value + limit * ratio, 1),
        noise_sets=8,
    )
    return ParityReport((output,), 3, decisions=(DecisionParity("label", "logits", 12, 12),))


def _latency(provider: str, random_: random.Random) -> LatencyResult:
    median = random_.lognormvariate(13.5, 1.5)
    samples = sorted(int(median * random_.lognormvariate(0, 0.04)) for _ in range(SAMPLES))
    speedup = random_.uniform(0.7, 3)
    return LatencyResult(
        provider=provider,
        median_ns=samples[SAMPLES // 2],
        p95_ns=samples[int(SAMPLES * 0.95)],
        session_create_ns=int(median * 9),
        first_run_ns=int(median * 1.7),
        runs=SAMPLES,
        intra_op_threads=1,
        source_median_ns=int(median * speedup),
        speedup=Ratio(speedup, speedup * 0.97, speedup * 1.03, 20),
        yardstick=Ratio(median / 5e5, median / 5.1e5, median / 4.9e5, 20),
        hardware="EPYC 7763, AVX2, 2 cores",
        samples_ns=tuple(samples),
    )


def _trend(row: CaseResult, runs: list[str], random_: random.Random) -> tuple[TrendPoint, ...]:
    timed, export, parity = row.latency, row.export, row.parity
    level = timed.median_ns if timed else 0
    worst = parity.worst_output if parity else None
    points = [
        TrendPoint(
            run=run,
            started=f"{run[:4]}-{run[4:6]}-{run[6:8]}T03:00:00+00:00",
            verdict=Verdict.PASS if random_.random() < 0.99 else Verdict.FAIL,  # noqa: PLR2004
            parity_ratio=worst.ratio if worst else None,
            median_ns=int(level * random_.lognormvariate(0, 0.03)) if timed else None,
            size_bytes=export.size_bytes if export else None,
            export_seconds=export.export_seconds * random_.lognormvariate(0, 0.05)
            if export
            else None,
            yardsticks=level / 5e5 * random_.lognormvariate(0, 0.01) if timed else None,
            hardware=timed.hardware if timed else None,
        )
        for run in runs
    ]
    return (*points[:-1], replace(points[-1], verdict=row.verdict))
