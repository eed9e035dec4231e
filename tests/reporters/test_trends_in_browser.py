"""Trends as the panel draws them: a line per figure, its changes, the verdicts of the runs."""

from dataclasses import replace

import pytest
from sample_report import make_report, make_row

from conformance.model import RunOrigin, TrendPoint, Verdict

CASE = "pytorch/cnn@dynamo-op18-fp32-cpu"
RUNS = 16
#: Runs from this one on are of a new torch: slower, larger, less exact, and longer to convert.
TURN = 9
CHART_HEIGHT, CHART_PAD = 48, 5


def past(hardware=lambda number: "epyc", failing=(3, 4)):
    """Runs with one change of level in every figure, at the same run."""

    def level(number, old, new):
        return (old if number < TURN else new) * (1 + 0.01 * (number * number % 3))

    return tuple(
        TrendPoint(
            run=f"202611{number + 1:02}T092349Z-3f2a",
            started=f"2026-11-{number + 1:02}T09:23:49+00:00",
            verdict=Verdict.FAIL if number in failing else Verdict.PASS,
            parity_ratio=level(number, 0.2, 0.4),
            median_ns=round(level(number, 1_200_000, 2_400_000)),
            size_bytes=round(level(number, 1_000_000, 1_500_000)),
            export_seconds=level(number, 4.0, 9.0),
            yardsticks=level(number, 12.0, 24.0),
            hardware=hardware(number),
        )
        for number in range(RUNS)
    )


@pytest.fixture
def panel(show):
    """The panel of a case with these runs behind it."""

    def opened(points):
        origins = {
            point.run: RunOrigin(
                f"{'a' if number < TURN else 'b'}" * 40,
                {"torch": "2.12.0" if number < TURN else "2.13.0"},
            )
            for number, point in enumerate(points)
        }
        report = replace(make_report([make_row()]), trends={CASE: points}, origins=origins)
        page = show(report=report, anchor=f"#case={CASE}")
        page.wait_for_selector("#panel .told h4")
        return page

    return opened


def charts(page):
    """Chart by its title."""
    return {
        line.locator("strong").inner_text(): line for line in page.locator("#panel .line").all()
    }


def heights(chart):
    """How high each point of a chart's line is: 0 at its bottom, 1 at its top."""
    room = CHART_HEIGHT - 2 * CHART_PAD
    lines = [line.get_attribute("points") for line in chart.locator("polyline").all()]
    points = [point.split(",") for line in lines for point in line.split()]
    return [round((CHART_HEIGHT - CHART_PAD - float(y)) / room, 2) for _, y in points]


TOLD = {
    "Latency": "1.2 ms to 2.42 ms, now 2.4 ms",
    "Latency in runs of the yardstick": "12 to 24.2, now 24",
    "Parity": "0.2 of limit to 0.4 of limit, now 0.4 of limit",
    "Size": "1 MB to 1.51 MB, now 1.5 MB",
    "Conversion time": "4.0 s to 9.1 s, now 9.0 s",
}


def test_every_figure_has_its_line_and_words(panel):
    """Parity, latency in milliseconds and beside it in runs of the yardstick, size, time."""
    found = charts(panel(past()))
    assert list(found) == list(TOLD)
    for title, told in TOLD.items():
        chart = found[title]
        assert chart.locator(".caption").inner_text() == told
        label = chart.locator("svg").get_attribute("aria-label")
        assert label == f"{title}: {told}; changes of level: 1"
        drawn = heights(chart)
        assert len(drawn) == RUNS
        assert max(drawn[:TURN]) < 0.2
        assert min(drawn[TURN:]) > 0.8


def test_milliseconds_and_yardsticks_stand_beside_each_other(panel):
    """The machine's mood moves one line and not the other: people compare them at a glance."""
    found = charts(panel(past()))
    boxes = [
        found[title].bounding_box() for title in ("Latency", "Latency in runs of the yardstick")
    ]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]


def test_a_change_of_level_is_marked_and_told(panel):
    """A dashed mark between its two runs, and words: when, from what to what, what came with it."""
    page = panel(past())
    for chart in charts(page).values():
        (mark,) = chart.locator("line.step").all()
        assert mark.evaluate("mark => getComputedStyle(mark).strokeDasharray") != "none"
        line = chart.locator("polyline").get_attribute("points").split()
        before, after = (float(line[number].split(",")[0]) for number in (TURN - 1, TURN))
        assert before < float(mark.get_attribute("x1")) < after
    told = page.locator("#panel .change").all_inner_texts()
    assert len(told) == len(TOLD)
    assert told[0] == (
        "Latency changed on 2026-11-10: 1.21 ms → 2.42 ms; "
        "commits aaaaaaaaaa..bbbbbbbbbb, torch 2.12.0 → 2.13.0"
    )


def test_a_figure_that_never_changed_is_said_to_be_so(panel):
    """No flat lines to look at, and no figure that is passed over in silence."""
    still = [replace(p, size_bytes=1_000_000, parity_ratio=0.4) for p in past()]
    page = panel(still)
    assert list(charts(page)) == [title for title in TOLD if title not in ("Parity", "Size")]
    assert "Unchanged: parity, size." in page.inner_text("#panel")


def test_runs_without_a_figure_are_gaps(panel):
    """A line never leads over a run that did not measure."""
    points = [
        replace(point, median_ns=None) if number in (5, 6) else point
        for number, point in enumerate(past())
    ]
    chart = charts(panel(points))["Latency"]
    assert chart.locator("polyline").count() == 2
    assert len(heights(chart)) == RUNS - 2


def test_a_single_run_between_gaps_is_a_dot(panel):
    """What was measured is seen, also where the runs around it measured nothing."""
    points = [
        replace(point, median_ns=point.median_ns if number in (2, 7, 15) else None)
        for number, point in enumerate(past())
    ]
    chart = charts(panel(points))["Latency"]
    assert chart.locator("polyline").count() == 0
    assert chart.locator("circle.lone:visible").count() == 3


def test_another_hardware_is_no_change_of_level(panel):
    """Durations of other hardware are in no line and no change with those of this one."""
    page = panel(past(hardware=lambda number: "xeon" if number < TURN else "epyc"))
    found = charts(page)
    for title in ("Latency", "Latency in runs of the yardstick"):
        assert found[title].locator("line.step").count() == 0
        assert len(heights(found[title])) == RUNS - TURN
        left_out = f"; {TURN} runs on other or unknown hardware left out"
        assert found[title].locator(".caption").inner_text().endswith(left_out)
    assert found["Parity"].locator("line.step").count() == 1
    assert not [text for text in page.locator("#panel .change").all_inner_texts() if "ms" in text]


def test_the_verdicts_are_a_strip(panel):
    """A mark per run, low for a pass and high for anything else, with its counts in words."""
    page = panel(past())
    label = page.get_attribute("#panel svg.strip", "aria-label")
    assert label == (
        "Verdicts of 16 runs, the newest at the right: 14 passed, 2 did not, 2 changes; now pass"
    )
    assert label in page.inner_text("#panel")
    marks = page.locator("#panel svg.strip rect").all()
    tall = [float(mark.get_attribute("height")) > 10 for mark in marks]
    assert [number for number, high in enumerate(tall) if high] == [3, 4]
    assert page.locator("#panel .strip .t-fail").count() == 2


def test_one_run_is_no_trend(panel):
    """Nothing is drawn of a case that was seen once."""
    page = panel(past()[:1])
    assert page.locator("#panel .line, #panel svg.strip").count() == 0
