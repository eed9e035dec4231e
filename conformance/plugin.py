"""The pytest plugin: hooks that hand over to plain objects, and nothing else."""

from __future__ import annotations

import pytest

from conformance.suite.options import add_options, read_options


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare ``--zoo`` and its companions."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """With a zoo: read it, refuse what is wrong with it, and register the rest of the plugin."""
    options = read_options(config)
    if options.zoos:
        # the suite and all it stands on is imported only where there is a zoo to run
        from conformance.suite.session import ZooSession

        config.pluginmanager.register(ZooSession(config, options), "conformance-session")
