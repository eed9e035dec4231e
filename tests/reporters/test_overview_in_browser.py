"""The top of the page: what people in a hurry read, held against records that are known."""

from dataclasses import replace

import pytest
from sample_report import EXPORT, TIMED, make_report, make_row, make_unmeasured

from conformance.evidence import BaselineLatency, Ratio
from conformance.model import Stage, Verdict

BEFORE = "20261120T092349Z-0000"


def judged(model, framework, verdict, **changes):
    return make_row(model, framework, verdict=verdict, stage=Stage.PARITY, **changes)


def unjudged(model, framework, verdict, **changes):
    return make_unmeasured(
        verdict, Stage.SESSION, "why", model=model, framework=framework, **changes
    )


def timed(model, median_ns, source_ns, size_bytes, **changes):
    latency = replace(TIMED, median_ns=median_ns, source_median_ns=source_ns)
    return make_row(
        model, latency=latency, export=replace(EXPORT, size_bytes=size_bytes), **changes
    )


KNOWN = (
    judged("a", "pytorch", Verdict.PASS),
    judged("a", "pytorch", Verdict.PASS, provider="cuda"),
    judged("b", "pytorch", Verdict.FAIL, exporter="torchscript"),
    judged("c", "pytorch", Verdict.EXPECTED_FAIL),
    judged("d", "pytorch", Verdict.UNEXPECTED_PASS),
    judged("e", "pytorch", Verdict.VACUOUS),
    unjudged("f", "pytorch", Verdict.INFRA_ERROR),
    unjudged("g", "pytorch", Verdict.NOT_RUN, provider="cuda"),
    unjudged("g", "pytorch", Verdict.NOT_RUN, exporter="torchscript"),
    judged("h", "sklearn", Verdict.PASS, exporter="skl2onnx", variant="int8-dynamic"),
    unjudged("i", "tensorflow", Verdict.NOT_RUN, exporter="tf2onnx"),
)


def scores(page):
    """Heading of a score table to its lines."""
    found = {}
    for table in page.locator("table.scores").all():
        lines = [" ".join(row.split()) for row in table.locator("tbody tr").all_inner_texts()]
        found[table.locator("th").first.inner_text()] = lines
    return found


def test_scores_count_what_was_checked_and_name_the_rest(show):
    """Passes among the judged cases; what was not judged is in no denominator, and is named."""
    found = scores(show(KNOWN))
    assert found["Framework"] == [
        "pytorch passed 2 of 6 checked; not counted: 1 infra-error, 2 not-run",
        "sklearn passed 1 of 1 checked",
        "tensorflow passed 0 of 0 checked; not counted: 1 not-run",
    ]
    assert found["Exporter"] == [
        "dynamo passed 2 of 5 checked; not counted: 1 infra-error, 1 not-run",
        "torchscript passed 0 of 1 checked; not counted: 1 not-run",
        "skl2onnx passed 1 of 1 checked",
        "tf2onnx passed 0 of 0 checked; not counted: 1 not-run",
    ]
    assert found["Provider"] == [
        "cpu passed 2 of 6 checked; not counted: 1 infra-error, 2 not-run",
        "cuda passed 1 of 1 checked; not counted: 1 not-run",
    ]
    assert found["Variant"] == [
        "fp32 passed 2 of 6 checked; not counted: 1 infra-error, 3 not-run",
        "int8-dynamic passed 1 of 1 checked",
    ]


def test_totals_are_all_cases(show):
    """A tile per verdict, also for those that no case has; together they are every case."""
    page = show(KNOWN)
    tiles = [" ".join(text.split()) for text in page.locator(".tile").all_inner_texts()]
    assert tiles == [
        "3 ✓pass", "1 ✗fail", "1 ≈expected-fail", "1 !unexpected-pass",
        "1 ∅vacuous", "1 ⚡infra-error", "3 ·not-run",
    ]  # fmt: skip
    assert sum(int(tile.split()[0]) for tile in tiles) == len(KNOWN)


def standing(page):
    """What stands out: title to case and figure."""
    return {
        part.locator("h3").inner_text(): part.locator("li").all_inner_texts()
        for part in page.locator(".standing > div").all()
    }


def test_the_slowest_and_the_biggest_are_named(show):
    """Five at most, the worst first; providers of one model share its file; links open the case."""
    rows = [timed(f"m{n}", 1000 * (n + 1), 2000 * (n + 1), 10**6 * (10 - n)) for n in range(7)]
    lagging = timed("late", 500, 250, 10)
    page = show([*rows, replace(rows[0], id=f"{rows[0].id}2", provider="cuda"), lagging])
    found = standing(page)
    assert [line.split("@")[0] for line in found["Slowest"]] == [
        f"pytorch/m{n}" for n in (6, 5, 4, 3, 2)
    ]
    assert found["Slowest"][0].endswith(" 7 µs")
    assert found["Slowest beside their source"] == [
        "pytorch/late@dynamo-op18-fp32-cpu 2× slower"  # noqa: RUF001 - as shown
    ]
    assert [line.rsplit(" ", 2)[1:] for line in found["Biggest"]] == [
        [size, "MB"] for size in ("10", "9", "8", "7", "6")
    ]
    assert "Most improved" not in found
    page.locator(".standing a").first.click()
    page.wait_for_selector("#panel .told h4")
    assert page.inner_text("#panel-title") == "m6"


def test_the_most_improved_are_those_that_were_measured_to_be(show):
    """By the ratio to the run before, the greatest gain first; what got slower is not there."""

    def beside_before(model, value):
        ratio = Ratio(value, value * 0.97, value * 1.03, 20)
        baseline = BaselineLatency(BEFORE, "paired", ratio, 1.0, threshold=1.1, certain=1.02)
        return make_row(model, latency=replace(TIMED, baseline=baseline))

    now = make_report([
        beside_before("some", 0.8), beside_before("much", 0.5),
        beside_before("same", 1.0), beside_before("worse", 1.5),
    ])  # fmt: skip
    before = replace(now, header=replace(now.header, id=BEFORE))
    found = standing(show(report=now, before=before))
    assert [line.split("@")[0] for line in found["Most improved"]] == [
        "pytorch/much",
        "pytorch/some",
    ]
    assert found["Most improved"][0].endswith(" 2× faster than before")  # noqa: RUF001 - as shown


MOVED = {
    "regressed": (Verdict.PASS, Verdict.FAIL),
    "still-failing": (Verdict.FAIL, Verdict.FAIL),
    "unchecked": (Verdict.PASS, Verdict.INFRA_ERROR),
    "accepted": (Verdict.FAIL, Verdict.EXPECTED_FAIL),
    "fixed": (Verdict.FAIL, Verdict.PASS),
    "new": (None, Verdict.PASS),
    "vanished": (Verdict.PASS, None),
    "same": (Verdict.PASS, Verdict.PASS),
}


@pytest.fixture
def two_runs():
    """A run before and now, with a case for every movement, on other hardware and packages."""

    def run(side, id_, commit, versions, machine):
        rows = [
            judged(name, "pytorch", verdicts[side])
            for name, verdicts in MOVED.items()
            if verdicts[side]
        ]
        report = make_report(rows)
        header = replace(
            report.header,
            id=id_,
            commit=commit,
            versions=report.header.versions | versions,
            machine=report.header.machine | machine,
        )
        return replace(report, header=header)

    before = run(0, BEFORE, "a" * 40, {"torch": "2.12.0"}, {"hardware_class": "old", "cores": 4})
    now = run(1, "20261121T092349Z-3f2a", "b" * 40, {"six": "1.17"}, {"hardware_class": "new"})
    return before, now


@pytest.mark.parametrize("which", ["before", "baseline"])
def test_every_movement_is_told(show, two_runs, which):
    """Since the last run, and since the baseline: each in its list, the gravest first."""
    before, now = two_runs
    page = show(report=now, **{which: before})
    label = {"before": "changed", "baseline": "since-baseline"}[which]
    section = page.locator(f"section[aria-labelledby={label}]")
    told = [" ".join(line.split()) for line in section.locator(".moved li").all_inner_texts()]
    parts = [line.partition("pytorch/") for line in told]
    assert [(word.strip(), case.partition("@")[0]) for word, _, case in parts] == [
        ("▼regressed", "regressed"),
        ("✗still failing", "still-failing"),
        ("⚡not checked any more", "unchecked"),
        ("−vanished", "vanished"),  # noqa: RUF001 - a minus, as shown
        ("≈accepted", "accepted"),
        ("▲fixed", "fixed"),
        ("+new", "new"),
    ]
    assert "pass → fail" in told[0]
    counts = [" ".join(text.split()) for text in section.locator(".counts li").all_inner_texts()]
    assert len(counts) == len(MOVED) - 1
    assert all(count.startswith("1 ") for count in counts)
    if which == "baseline":
        assert "No earlier run" in page.inner_text("section[aria-labelledby=changed]")


def test_figures_that_moved_are_told_below_the_verdicts(show):
    """A model that got larger and slower has the same verdict, and people want to know."""

    def run(id_, **changes):
        report = make_report([make_row("still"), make_row("grown", **changes)])
        return replace(report, header=replace(report.header, id=id_))

    slower = replace(
        TIMED,
        baseline=BaselineLatency(BEFORE, "paired", Ratio(1.5, 1.4, 1.6, 20), 1.0, 1.1, 1.02),
    )
    before = run(BEFORE)
    larger = replace(EXPORT, size_bytes=2 * EXPORT.size_bytes)
    now = run("20261121T092349Z-3f2a", export=larger, latency=slower)
    section = show(report=now, before=before).locator("section[aria-labelledby=changed]")
    assert "No case changed its verdict." in section.inner_text()
    section.get_by_text("1 with other figures than before").click()
    assert section.locator("details li").inner_text() == (
        "pytorch/grown@dynamo-op18-fp32-cpu latency 1.5x [1.4, 1.6], slower; size 1.24 MB → 2.48 MB"
    )


def test_what_is_not_the_same_around_them_stands_beside(show, two_runs):
    """Commit, hardware class, facts of the machine and packages, each with both values."""
    before, now = two_runs
    page = show(report=now, before=before)
    section = page.locator("section[aria-labelledby=changed]")
    assert section.locator(".environment li").all_inner_texts() == [
        "commit: aaaaaaaaaa → bbbbbbbbbb",
        "cores: 4 → 2",
        "hardware class: old → new",
        "six 1.17 added",
        "torch 2.12.0 → 2.13.0",
    ]
    assert "durations are not compared" in section.inner_text()
    left, right = (section.locator(".columns > div").nth(n).bounding_box() for n in (0, 1))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]


def test_a_long_reason_does_not_bury_the_others(show):
    """Two lines of it stand in the list; the whole of it in the case, and behind the pointer."""
    reason = "it does not convert, because " * 40
    now = make_report([judged("cnn", "pytorch", Verdict.FAIL, reason=reason)])
    before = replace(make_report([judged("cnn", "pytorch", Verdict.PASS)]), footer=now.footer)
    before = replace(before, header=replace(before.header, id=BEFORE))
    page = show(report=now, before=before)
    why = page.locator(".moved .why")
    assert why.bounding_box()["height"] < 60
    assert why.get_attribute("title") == reason
