"""What is said of the machine and of what is installed on it."""

from __future__ import annotations

import pytest

from conformance import machine


@pytest.fixture
def shadowed(tmp_path, monkeypatch):
    """Another version of NumPy's metadata before the installed one, as in a venv over another."""
    info = tmp_path / "numpy-0.0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: NumPy\nVersion: 0.0.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    machine._installed_versions.cache_clear()
    yield
    machine._installed_versions.cache_clear()


def test_of_two_versions_the_one_that_is_imported_is_told(shadowed):
    """A run in an environment over another one records its own packages, not those below."""
    assert machine.installed_versions()["numpy"] == "0.0.1"
