"""What a session that has a zoo changes in pytest's configuration, and what it refuses."""

from __future__ import annotations

import pytest

from conformance.suite.cases import CasesByZoo
from conformance.suite.items import markers_of
from conformance.suite.options import ZooOptions


def refuse_distributions(config: pytest.Config) -> None:
    """Other modes of xdist repeat a test that killed its worker, or wait for it for ever.

    Raises:
        pytest.UsageError: when one of them is asked for.
    """
    mode = getattr(config.option, "dist", "no")
    if mode not in ("no", "load"):
        raise pytest.UsageError(
            f"--dist {mode} does not go with --zoo, which spreads its cases itself: "
            "leave it out, or override it with --dist load"
        )


def declare_markers(config: pytest.Config, cases: CasesByZoo) -> None:
    """Make the models' frameworks, tasks and tags known to ``-m``."""
    every = (located for found in cases.values() for located in found)
    for marker in sorted({marker for located in every for marker in markers_of(located)}):
        config.addinivalue_line("markers", f"{marker}: models of the zoo")


def collect_zoos(config: pytest.Config, options: ZooOptions) -> None:
    """Have pytest collect the zoos: alone when no other argument was given."""
    zoos = [str(zoo) for zoo in options.zoos]
    if config.args_source is not config.ArgsSource.ARGS:
        config.args = zoos
        return
    here = config.invocation_params.dir
    named = {(here / argument.partition("::")[0]).resolve() for argument in config.args}
    if options.on_command_line and not named & set(options.zoos):
        config.args = [*config.args, *zoos]


def agree_on_root(config: pytest.Config) -> None:
    """Have xdist's workers take the root folder that this process has found.

    Each of them looks for it by the arguments once more, options' values included, and may find
    another one: among those is the report folder, which did not exist when this process looked.
    Tests would then have other ids there than here.
    """
    given = config.invocation_params
    found = [f"--rootdir={config.rootpath}"]
    if config.inipath is not None:
        found.append(f"--config-file={config.inipath}")
    config.invocation_params = pytest.Config.InvocationParams(
        args=(*given.args, *found), plugins=given.plugins, dir=given.dir
    )
