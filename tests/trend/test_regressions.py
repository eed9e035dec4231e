from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.model import to_json
from conformance.trend import Change, Origin, PackageChange, Point, by_hardware, changes

OLD = {"torch": "2.12.0", "onnxruntime": "1.31.1", "six": "1.17.0"}
NEW = {"torch": "2.13.0", "onnxruntime": "1.31.1", "onnxslim": "0.2.0"}


def point(night, value, versions=OLD, hardware="epyc", commit="c"):
    origin = Origin(f"r{night:03}", f"2026-01-01T{night // 60:02}:{night % 60:02}:00+00:00", commit)
    return Point(origin, value, hardware, versions)


def night_by_night(*levels, nights=6):
    """A series with a level, some versions and a commit for each stretch of nights."""
    return tuple(
        point(i * nights + k, level + 0.01 * (k % 3), versions, commit=commit)
        for i, (level, versions, commit) in enumerate(levels)
        for k in range(nights)
    )


def test_a_change_names_its_runs_levels_commits_and_packages():
    """What a reader of a trend asks: when, by how much, and what was new that night."""
    (change,) = changes(night_by_night((10.0, OLD, "aaa"), (12.0, NEW, "bbb")))
    assert (change.before.run, change.after.run) == ("r005", "r006")
    assert change.ratio == pytest.approx(1.2, rel=0.01)
    assert change.commits == "aaa..bbb"
    assert [str(package) for package in change.packages] == [
        "onnxslim 0.2.0 added",
        "six 1.17.0 removed",
        "torch 2.12.0 → 2.13.0",
    ]


def test_a_change_under_the_same_commit_and_packages_says_so():
    """Where nothing recorded changed, nothing is blamed."""
    (change,) = changes(night_by_night((10.0, OLD, "aaa"), (12.0, OLD, "aaa")))
    assert change.commits is None
    assert change.packages == ()


def test_packages_that_changed_without_a_step_are_not_blamed():
    """Only the versions of the two runs at the step count."""
    upgraded = night_by_night((10.0, OLD, "a"), (10.0, NEW, "b"), (15.0, NEW, "c"))
    (change,) = changes(upgraded)
    assert (change.before.run, change.after.run) == ("r011", "r012")
    assert (change.commits, change.packages) == ("b..c", ())


def test_runs_without_the_figure_widen_the_range():
    """The change may have come with any run between the last old and the first new figure."""
    series = list(night_by_night((10.0, OLD, "a"), (12.0, NEW, "b")))
    for night in (5, 6):
        series[night] = point(night, None, {"torch": "broken"}, commit="broken")
    (change,) = changes(series)
    assert (change.before.run, change.after.run) == ("r004", "r007")
    assert change.commits == "a..b"


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a-dirty", "b", "a..b"),
        ("a", "a-dirty", None),
        (None, "b", None),
        ("a", None, None),
    ],
)
def test_commit_ranges_are_such_that_git_understands(before, after, shown):
    """A suffix of ours in a range would be an unknown revision."""
    ends = (Origin("r1", "t1", before), Origin("r2", "t2", after))
    assert Change(*ends, old=1.0, new=2.0).commits == shown


def test_a_step_from_zero_has_no_ratio():
    """Infinitely much more is no figure."""
    ends = (Origin("r1", "t1", None), Origin("r2", "t2", None))
    assert Change(*ends, old=0.0, new=2.0).ratio is None


def test_figures_of_different_hardware_are_never_one_series():
    """Another machine is faster or slower: that is no change of the model."""
    mixed = [point(i, 10.0) for i in range(6)]
    mixed += [point(i, 20.0, hardware="xeon") for i in range(6, 12)]
    with pytest.raises(ValueError, match="epyc, xeon"):
        changes(mixed)
    series = by_hardware(reversed(mixed))
    assert sorted(series) == ["epyc", "xeon"]
    assert [p.origin.run for p in series["xeon"]] == [f"r{i:03}" for i in range(6, 12)]
    assert all(changes(one) == () for one in series.values())


def test_machines_that_take_turns_do_not_hide_a_change():
    """Apart, each machine's series shows the step that both together would drown."""
    taking_turns = [
        point(i, level * (1.0 if i % 2 else 3.0), versions, "xeon" if i % 2 else "epyc")
        for i, (level, versions) in enumerate([(10.0, OLD)] * 12 + [(13.0, NEW)] * 12)
    ]
    for series in by_hardware(taking_turns).values():
        (change,) = changes(series)
        assert change.ratio == pytest.approx(1.3)
        assert PackageChange("torch", "2.12.0", "2.13.0") in change.packages


def test_a_change_is_plain_json():
    """Reports carry it; nothing in it is heavier than the change itself."""
    (change,) = changes(night_by_night((10.0, OLD, "aaa"), (12.0, NEW, "bbb")))
    plain = to_json(change)
    assert plain["packages"][-1] == {"name": "torch", "before": "2.12.0", "after": "2.13.0"}
    assert plain["before"]["run"] == "r005"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["epyc", "xeon"])), max_size=40))
def test_dividing_by_hardware_loses_nothing(figures):
    """Every point is in the series of its class, once, in the order of time."""
    points = [point(i, value, hardware=where) for i, (value, where) in enumerate(figures)]
    series = by_hardware(points)
    assert sorted(p.origin.run for one in series.values() for p in one) == [
        p.origin.run for p in points
    ]
    for hardware, one in series.items():
        assert {p.hardware for p in one} == {hardware}
        assert [p.origin.started for p in one] == sorted(p.origin.started for p in one)
