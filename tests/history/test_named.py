from __future__ import annotations

import pytest

from conformance.errors import HistoryError
from conformance.history import named_run

FIRST, SECOND = "20261121T092349Z-3f2a", "20261122T092349Z-77aa"


@pytest.fixture
def runs(write_run, tmp_path):
    write_run(FIRST)
    write_run(SECOND)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("latest", SECOND),
        ("latest~0", SECOND),
        ("latest~1", FIRST),
        (FIRST, FIRST),
        ("20261121", FIRST),
    ],
)
def test_a_run_is_found_by_what_people_call_it(runs, name, meant):
    """By its id, the beginning of one, or by counting back from the latest."""
    assert named_run(runs, name).stem == meant


def test_a_run_elsewhere_is_found_by_its_path(runs, tmp_path):
    """JSON lines are a run, and a report folder means its latest."""
    elsewhere = tmp_path / "elsewhere"
    assert named_run(elsewhere, str(runs)).stem == SECOND
    path = runs / "runs" / f"{FIRST}.jsonl"
    assert named_run(elsewhere, str(path)) == path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("2026", "'2026' begins 2 runs of .*, such as 2026"),
        ("latest~2", "no run 'latest~2': .* holds 2"),
        ("2031", "'2031' is no run of .* and no path; the newest: 2026"),
        ("runs", "holds no run: name a report folder"),
        ("", "holds no run"),
    ],
)
def test_a_name_that_means_no_single_run_is_refused(runs, name, reason, monkeypatch):
    """What means none or several is refused, with the runs that there are."""
    monkeypatch.chdir(runs)
    (runs / "runs" / "runs").mkdir()
    with pytest.raises(HistoryError, match=reason):
        named_run(runs, name) if name else named_run(runs, str(runs / "runs" / "runs"))
