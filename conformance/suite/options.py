"""The plugin's options: command line first, then ini, then defaults."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, cast, get_args

import pytest

from conformance.gate_result import RULE_NAMES
from conformance.locations import default_cache_dir

#: Where a stage runs: in a child process that can be killed, or in pytest's own.
Isolation = Literal["child", "inline"]
_FLAGS = ("zoo_offline", "zoo_no_cache", "zoo_require", "zoo_explain", "zoo_gate")
_INI_KINDS = {"zoo": "paths", "zoo_gate_rule": "linelist"} | dict.fromkeys(_FLAGS, "bool")


@dataclass(frozen=True, slots=True)
class ZooOptions:
    """What the user asked for."""

    zoos: tuple[Path, ...]
    #: Zoos were named on the command line, not in the ini file.
    on_command_line: bool
    report_dir: Path
    cache_dir: Path
    use_cache: bool
    offline: bool
    require: bool
    seed: int
    #: How many wrong models every check is tried on; 0 for none.
    mutants: int
    #: Explain where the error comes from for every case, not only for failing ones.
    explain: bool
    isolation: Isolation
    #: The run to compare with, as the user named it; None for the latest ones.
    baseline: str | None
    #: Hold the run against the rules of the zoo's gate.
    gate: bool
    #: Rules over those of the zoo, each ``NAME=VALUE``.
    gate_rules: tuple[str, ...]
    #: Where the latencies go in the form of pytest-benchmark; None for nowhere.
    benchmark_json: Path | None
    #: (I, N): this run takes the I-th of N parts, counted from 1.
    shard: tuple[int, int] | None


def add_options(parser: pytest.Parser) -> None:
    """Declare the option group and the ini keys of the same names."""
    group = parser.getgroup("conformance", "onnx conformance: prove conversions to ONNX")
    group.addoption(
        "--zoo",
        action="append",
        metavar="PATH",
        help="Zoo file whose models are converted, proven and timed; may be repeated. "
        "Without other arguments nothing else is collected.",
    )
    group.addoption(
        "--zoo-report",
        metavar="DIR",
        help="Folder for index.html, report.json and the history (default: ./reports).",
    )
    group.addoption(
        "--zoo-cache-dir",
        metavar="DIR",
        help="Folder for converted models (default: $CONFORMANCE_CACHE_DIR, "
        "or the user's cache folder).",
    )
    group.addoption(
        "--zoo-no-cache",
        action="store_true",
        default=None,
        help="Convert every model anew and keep none.",
    )
    group.addoption(
        "--zoo-offline",
        action="store_true",
        default=None,
        help="Never reach for the network: hub models must be there already.",
    )
    group.addoption(
        "--zoo-require",
        action="store_true",
        default=None,
        help="A missing framework or provider fails instead of being not-run.",
    )
    group.addoption(
        "--zoo-shard",
        metavar="I/N",
        help="Run the I-th of N parts of the zoo, such as 1/4; a case's tests stay together. "
        "`conformance report merge` makes one report of them.",
    )
    group.addoption(
        "--zoo-seed",
        metavar="INT",
        help="Seed of generated inputs (default: 0).",
    )
    group.addoption(
        "--zoo-mutate",
        metavar="N",
        help="Try every check on N wrong models, made from the right one by seeded changes; "
        "a check that misses too many of them is vacuous (default: 0).",
    )
    group.addoption(
        "--zoo-explain",
        action="store_true",
        default=None,
        help="Explain where the error comes from for every case, not only for failing ones.",
    )
    group.addoption(
        "--zoo-baseline",
        metavar="RUN|REF|PATH",
        help="What latencies are compared with: a run's id, a git reference that a run was made "
        "of, or a path to a run or a report folder (default: the latest runs of --zoo-report).",
    )
    group.addoption(
        "--zoo-gate",
        action="store_true",
        default=None,
        help="Fail the run, with exit code 1, where it breaks a rule of the zoo's gate: what is "
        "worse than in the baseline, or was not checked.",
    )
    group.addoption(
        "--zoo-gate-rule",
        action="append",
        metavar="NAME=VALUE",
        help=f"A rule over the zoo's, with --zoo-gate implied; may be repeated. "
        f"NAME: {', '.join(RULE_NAMES)}. VALUE: on, off, or the limit.",
    )
    group.addoption(
        "--zoo-isolation",
        choices=get_args(Isolation),
        help="Run each stage in a child process, or inline in pytest's own, for a debugger: "
        "there a crash or a hang ends the run, and no limit holds (default: child).",
    )
    group.addoption(
        "--zoo-benchmark-json",
        metavar="PATH",
        help="Write the latencies to a file that `pytest-benchmark compare` reads; needs the "
        "extra 'benchmark'.",
    )
    for name in ("zoo", "zoo_report", "zoo_cache_dir", "zoo_no_cache", "zoo_offline"):
        _add_ini(parser, name)
    for name in (
        "zoo_require",
        "zoo_shard",
        "zoo_seed",
        "zoo_mutate",
        "zoo_explain",
        "zoo_baseline",
        "zoo_gate",
        "zoo_gate_rule",
        "zoo_isolation",
        "zoo_benchmark_json",
    ):
        _add_ini(parser, name)


def _add_ini(parser: pytest.Parser, name: str) -> None:
    kind = _INI_KINDS.get(name, "string")
    default: object = [] if kind in {"paths", "linelist"} else False if kind == "bool" else ""
    help_text = f"Default of --{name.replace('_', '-')}."
    parser.addini(name, help_text, type=kind, default=default)  # type: ignore[arg-type]


def read_options(config: pytest.Config) -> ZooOptions:
    """The options of this run; ``zoos`` is empty when the plugin has nothing to do.

    Relative paths on the command line start at the invocation folder, those in the ini file
    at its own folder.

    Raises:
        pytest.UsageError: for a malformed shard, seed, isolation, rule or number of mutants, and
            for a form of output whose package is missing.
    """
    here = config.invocation_params.dir
    named = config.getoption("--zoo")
    zoos = [here / path for path in named] if named else config.getini("zoo")
    if zoos:
        # the cache's package is large, and this is read by every pytest that has the plugin
        from conformance.cache.limit import size_limit

        try:
            size_limit()
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error
    cache_dir = _value(config, "zoo_cache_dir")
    return ZooOptions(
        zoos=tuple(Path(zoo).resolve() for zoo in zoos),
        on_command_line=bool(named),
        report_dir=(here / (_value(config, "zoo_report") or "reports")).resolve(),
        cache_dir=(here / cache_dir).resolve() if cache_dir else default_cache_dir(),
        use_cache=not _flag(config, "zoo_no_cache"),
        offline=_flag(config, "zoo_offline"),
        require=_flag(config, "zoo_require"),
        seed=_count(config, "zoo_seed"),
        mutants=_count(config, "zoo_mutate"),
        explain=_flag(config, "zoo_explain"),
        isolation=_isolation(_value(config, "zoo_isolation") or "child"),
        baseline=_value(config, "zoo_baseline") or None,
        gate=_flag(config, "zoo_gate") or bool(config.getoption("zoo_gate_rule")),
        gate_rules=_gate_rules(config),
        benchmark_json=_benchmark_json(_value(config, "zoo_benchmark_json"), here),
        shard=_shard(_value(config, "zoo_shard")),
    )


def _value(config: pytest.Config, name: str) -> str:
    return str(config.getoption(name) or config.getini(name) or "")


def _flag(config: pytest.Config, name: str) -> bool:
    return bool(config.getoption(name) or config.getini(name))


def _count(config: pytest.Config, name: str) -> int:
    text = _value(config, name)
    try:
        count = int(text or 0)
    except ValueError:
        count = -1
    if count < 0:
        option = f"--{name.replace('_', '-')}"
        raise pytest.UsageError(f"{option} takes a whole number from 0, not '{text}'")
    return count


def _gate_rules(config: pytest.Config) -> tuple[str, ...]:
    rules = (*config.getini("zoo_gate_rule"), *(config.getoption("zoo_gate_rule") or ()))
    if not rules:
        return ()
    from conformance.gate import GateRules, with_rules

    try:
        with_rules(GateRules(), rules)
    except ValueError as error:
        raise pytest.UsageError(f"--zoo-gate-rule: {error}") from error
    return rules


def _isolation(text: str) -> Isolation:
    for known in get_args(Isolation):
        if text == known:
            return cast("Isolation", known)
    raise pytest.UsageError(f"--zoo-isolation takes child or inline, not '{text}'")


def _benchmark_json(text: str, here: Path) -> Path | None:
    if not text:
        return None
    if find_spec("pytest_benchmark") is None:
        raise pytest.UsageError(
            "--zoo-benchmark-json needs pytest-benchmark: "
            "pip install 'pytest-onnx-conformance[benchmark]'"
        )
    return (here / text).resolve()


def _shard(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    try:
        part, parts = (int(number) for number in text.split("/"))
    except ValueError:
        part, parts = 0, 0
    if not 1 <= part <= parts:
        raise pytest.UsageError(f"--zoo-shard takes I/N with 1 <= I <= N, not '{text}'")
    return part, parts
