from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True, scope="session")
def _own_machine(tmp_path_factory):
    """Runs that a test starts wait for no latency measurement of another test's."""
    with pytest.MonkeyPatch.context() as patch:
        lock = tmp_path_factory.getbasetemp() / "machine.lock"
        patch.setenv("CONFORMANCE_MACHINE_LOCK", str(lock))
        yield


@pytest.fixture(autouse=True)
def _outside_of_github(monkeypatch):
    """Runs that a test starts must not annotate the job that runs the tests."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
