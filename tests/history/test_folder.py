import json
import os
import subprocess
import sys

import pytest

from conformance.errors import HistoryError
from conformance.history import open_report_folder


def test_a_missing_folder_is_created(tmp_path):
    """A run needs no preparation; nothing but the folders is left behind."""
    folder = tmp_path / "a" / "reports"
    open_report_folder(folder)
    assert [p.name for p in folder.rglob("*")] == ["runs"]


def test_a_used_folder_is_accepted(write_run, tmp_path):
    """What this version wrote, it accepts and leaves as it is."""
    path = write_run("20261121T092349Z-3f2a")
    (tmp_path / "report.json").write_text('{"schema_version": 1}')
    before = path.read_bytes()
    open_report_folder(tmp_path)
    assert path.read_bytes() == before


def test_a_file_in_its_place_is_refused(tmp_path):
    """A file where the folder should be is named, with the next step."""
    file = tmp_path / "reports"
    file.write_text("notes")
    with pytest.raises(HistoryError, match=r"reports is not a folder: .*--zoo-report DIR"):
        open_report_folder(file)
    assert file.read_text() == "notes"


def test_a_file_above_it_is_refused(tmp_path):
    """A folder that cannot be created is named, with the reason and the next step."""
    (tmp_path / "file").write_text("notes")
    with pytest.raises(HistoryError, match=r"cannot be written \(.*--zoo-report DIR"):
        open_report_folder(tmp_path / "file" / "reports")


def test_a_report_of_a_newer_format_is_refused(tmp_path):
    """A newer report is never overwritten: upgrade, or report elsewhere."""
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"schema_version": 2, "run": {}}))
    with pytest.raises(HistoryError, match=r"report\.json has format 2, newer than 1.*upgrade"):
        open_report_folder(tmp_path)
    assert json.loads(report.read_text())["schema_version"] == 2


def test_a_run_of_a_newer_format_is_refused(tmp_path):
    """A newer run among the history is enough to keep out of the folder."""
    (tmp_path / "runs").mkdir()
    header = {"kind": "header", "schema_version": 7}
    (tmp_path / "runs" / "20261121T092349Z-3f2a.jsonl").write_text(json.dumps(header) + "\n")
    with pytest.raises(HistoryError, match=r"3f2a\.jsonl has format 7, newer than 1"):
        open_report_folder(tmp_path)


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"schema_version": "two"}'])
def test_a_damaged_report_is_no_obstacle(tmp_path, content):
    """A report that says no format is simply written again."""
    (tmp_path / "report.json").write_text(content)
    open_report_folder(tmp_path)


def test_a_read_only_folder_is_refused(tmp_path):
    """A folder that cannot be written is refused before any work starts, in one line."""
    reports = tmp_path / "reports"
    reports.mkdir(mode=0o555)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from conformance.errors import HistoryError\n"
        "from conformance.history import open_report_folder\n"
        "if os.getuid() == 0:\n"
        "    os.setgid(65534); os.setuid(65534)  # root may write anywhere\n"
        "try:\n"
        "    Path(sys.argv[1]).stat()\n"
        "except PermissionError:\n"
        "    sys.exit('unreachable')\n"
        "try:\n"
        "    open_report_folder(Path(sys.argv[1]))\n"
        "except HistoryError as error:\n"
        "    print(error)\n"
    )
    if os.getuid() == 0:
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", code, str(reports)], capture_output=True, text=True, check=False
    )
    if done.stderr.strip() == "unreachable":
        pytest.skip("another user cannot reach this machine's temporary folder")
    assert "cannot be written (Permission denied): make it writable, or" in done.stdout, done.stderr
    assert done.stdout.count("\n") == 1
