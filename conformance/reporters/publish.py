"""Writing a run's reports to its folder, each file at once."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from conformance.errors import HistoryError
from conformance.history import RunDiff
from conformance.model import RunReport
from conformance.reporters.badge import badge_json
from conformance.reporters.html import report_html
from conformance.reporters.json import report_json
from conformance.reporters.markdown import report_markdown


def write_reports(
    report: RunReport,
    report_dir: Path,
    diff: RunDiff | None = None,
    baseline: RunDiff | None = None,
) -> None:
    """Write a run's reports to its folder; readers see the old file or the new one whole.

    These are ``report.json``, ``index.html``, ``report.md`` and ``badge.json``.

    Args:
        report: the run.
        report_dir: where they go.
        diff: against the run before; None where there is none.
        baseline: against a run that was named, where that is another one.

    Raises:
        HistoryError: when the folder cannot be written; the run's records are not concerned.
    """
    texts = {
        "report.json": json.dumps(report_json(report), indent=1) + "\n",
        "index.html": report_html(report, diff, baseline),
        "report.md": report_markdown(report, diff, baseline),
        "badge.json": json.dumps(badge_json(report)) + "\n",
    }
    for name, text in texts.items():
        path = report_dir / name
        try:
            _replace(path, text)
        except OSError as error:
            raise HistoryError(
                f"{path} cannot be written ({error.strerror}): the run is recorded; make room "
                "or make it writable, then run `conformance report`"
            ) from error


def _replace(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            # a temporary file is private to its maker; a report is for everyone
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
