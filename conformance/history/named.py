"""Runs by the names that people give them."""

from __future__ import annotations

import re
from pathlib import Path

from conformance.errors import HistoryError
from conformance.history.folder import list_runs

_LATEST = re.compile(r"latest(?:~(\d+))?")


def named_run(report_dir: Path, name: str) -> Path:
    """The JSON lines of the run that ``name`` means.

    Args:
        report_dir: whose history is looked at.
        name: ``latest``, ``latest~2`` for the second before it, an id or the unique beginning
            of one, a path to a run's JSON lines, or to a report folder for its latest run.

    Raises:
        HistoryError: when it means none, or several.
    """
    runs = list_runs(report_dir)
    if latest := _LATEST.fullmatch(name):
        back = int(latest[1] or 0)
        if back >= len(runs):
            raise HistoryError(f"no run '{name}': {report_dir} holds {len(runs)}")
        return runs[-1 - back]
    begun = [run for run in runs if run.stem.startswith(name)] if name else []
    exact = [run for run in begun if run.stem == name]
    if len(begun) == 1 or exact:
        return (exact or begun)[0]
    if begun:
        named = ", ".join(run.stem for run in begun[-3:])
        raise HistoryError(f"'{name}' begins {len(begun)} runs of {report_dir}, such as {named}")
    return _at(Path(name), report_dir, runs)


def _at(path: Path, report_dir: Path, runs: tuple[Path, ...]) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        there = list_runs(path)
        if not there:
            raise HistoryError(f"{path} holds no run: name a report folder")
        return there[-1]
    newest = f"the newest: {', '.join(run.stem for run in runs[-3:])}" if runs else "it holds none"
    raise HistoryError(f"'{path}' is no run of {report_dir} and no path; {newest}")
