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


#: Of the plugins that are installed here, some take longer to import than a small zoo to run.
LEAN = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "conformance.plugin,xdist.plugin,xdist.looponfail",
}


@pytest.fixture(autouse=True, scope="session")
def _lean_pytest():
    """Runs that a test starts load this project's plugin and xdist, and no others."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in LEAN.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def every_plugin(monkeypatch):
    """Runs that a test starts load every plugin that is installed, as users' do."""
    for name in LEAN:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def kept_children():
    """Processes for conversions of several tests: each framework is imported once."""
    from conformance.execution.child import children

    class Kept:
        def __init__(self, executor):
            self.run = executor.run

        def close(self):
            """Stay: the session ends them."""

    executor = children()
    yield Kept(executor)
    executor.close()


@pytest.fixture(autouse=True)
def _outside_of_github(monkeypatch):
    """Runs that a test starts must not annotate the job that runs the tests."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
