"""Profile one model: the work of a child process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from conformance import runtime
from conformance.bundle import read_bundle
from conformance.errors import CorruptBundle, InputsError, LoadError, SessionError
from conformance.execution.progress import Progress
from conformance.machine import describe_machine
from conformance.model import Stage, to_json
from conformance.onnx_files import read_model
from conformance.profiling.aggregate import NodeKey, Spending, Spent, add_up
from conformance.profiling.events import read_runs
from conformance.profiling.feeds import made_feeds
from conformance.profiling.origins import Origin, Origins
from conformance.profiling.result import NodeTime, Profile, Traced
from conformance.replay.values import Value, declared, read_values, run_model

#: Runs that are not counted: memory is laid out in the first, caches fill in the next.
WARM_UP_RUNS = 3
#: From this ratio of the fastest runs on, the profiler's own cost is worth a note.
_SLOWER = 1.2


def measure(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Profile a model.

    Args:
        payload: ``case`` (as it was asked for), ``model`` (path), ``bundle`` (folder, verified
            first, or None), ``data`` (a test_data_set folder, or None), ``sizes`` (of named
            axes, where there is no data), ``provider``, ``runs`` and ``threads``.
        progress: told the stage.

    Returns:
        ``profile``, a :class:`~conformance.profiling.result.Profile`.

    Raises:
        LoadError: when the model or its bundle is damaged, or names files not its own.
        InputsError: when there is nothing to run it on.
        ProviderAbsent, SessionError: when it does not run on the provider.
    """
    import onnxruntime

    progress.enter(Stage.LOAD)
    model, provider, threads = Path(payload["model"]), payload["provider"], payload["threads"]
    try:
        if payload["bundle"] is not None:
            read_bundle(Path(payload["bundle"]))
        exported = read_model(model)
    except CorruptBundle as error:
        raise LoadError(str(error)) from error
    progress.enter(Stage.SESSION)
    session = runtime.create_session(model, provider, intra_op_threads=threads)
    progress.enter(Stage.INPUTS)
    feeds, origin = _feeds(session, payload)
    progress.enter(Stage.LATENCY)
    plain_ns = _time(session, feeds, payload["runs"])
    del session  # two sessions at once would hold the weights twice
    with tempfile.TemporaryDirectory(prefix="conformance-profile-") as folder:
        called_ns, spending = _profiled(payload, feeds, Path(folder) / "ort")
        optimized = _optimized(model, provider, threads, Path(folder) / "optimized.onnx")
    origins = Origins(exported, optimized)
    nodes = [
        _node(key, spending.nodes[key], share, origins.of(key))
        for key, share in spending.shares().items()
    ]
    profile = Profile(
        case=payload["case"],
        provider=provider,
        threads=threads,
        runs=len(spending.runs_us),
        warm_up_runs=WARM_UP_RUNS,
        onnxruntime=onnxruntime.__version__,
        cpu=str(describe_machine()["cpu"]),
        inputs=tuple(_described(name, value) for name, value in feeds.items()),
        inputs_from=origin,
        total_ns=spending.total_ns,
        median_ns=spending.median_ns,
        fastest_ns=called_ns,
        unprofiled_fastest_ns=plain_ns,
        outside=spending.outside(),
        operators=spending.operators(),
        nodes=tuple(sorted(nodes, key=lambda node: -node.share)),
        notes=tuple(_notes(payload, spending, (plain_ns, called_ns), nodes, optimized)),
    )
    return {"profile": to_json(profile)}


def _feeds(session: Any, payload: Mapping[str, Any]) -> tuple[dict[str, Value], str]:
    """What to run on, and where it is from."""
    if payload["data"] is None:
        feeds, named = made_feeds(session.get_inputs(), payload["sizes"])
        sizes = ", ".join(f"{name}={size}" for name, size in named.items())
        return dict(feeds), f"made by the graph's signature{f', {sizes}' if sizes else ''}"
    if payload["sizes"]:
        raise InputsError(
            "sizes are given, but the model has stored inputs with sizes of their own"
        )
    data = Path(payload["data"])
    wanted = declared(session.get_inputs())
    defaults = declared(session.get_overridable_initializers())
    return read_values(data, "input", wanted, defaults), data.name


def _time(session: Any, feeds: dict[str, Value], runs: int) -> int:
    """The fastest of so many runs after the warm-up, in nanoseconds."""
    samples = []
    for _ in range(WARM_UP_RUNS + runs):
        start = time.perf_counter_ns()
        run_model(session, feeds)
        samples.append(time.perf_counter_ns() - start)
    return min(samples[WARM_UP_RUNS:])


def _profiled(
    payload: Mapping[str, Any], feeds: dict[str, Value], prefix: Path
) -> tuple[int, Spending]:
    """The fastest run by the clock around it, and where the time of all went."""
    session = runtime.create_session(
        Path(payload["model"]),
        payload["provider"],
        intra_op_threads=payload["threads"],
        profile_prefix=prefix,
    )
    called_ns = _time(session, feeds, payload["runs"])
    runs = read_runs(Path(session.end_profiling()))
    spending = add_up(islice(runs, WARM_UP_RUNS, None))
    if not spending.runs_us:
        raise SessionError(
            "ONNX Runtime's profiler, which keeps a million events, held no whole run after the "
            "warm-up: the model runs too many nodes for it, as long loops do; feed it less"
        )
    return called_ns, spending


def _optimized(model: Path, provider: str, threads: int, out: Path) -> Any | None:
    """The graph that ONNX Runtime makes of a model; ``None`` where it cannot write it."""
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    graph = ModelProto()
    try:
        runtime.create_session(model, provider, intra_op_threads=threads, optimized=out)
        # as it is: weights of the original stay in the original's file
        graph.ParseFromString(out.read_bytes())
    except (SessionError, OSError, DecodeError):
        return None  # a provider that compiles its part, or constants above 2 GB
    return graph


def _node(key: NodeKey, spent: Spent, share: float, origin: Origin) -> NodeTime:
    return NodeTime(
        node=key.node.name,
        op_type=key.node.op_type,
        provider=key.provider,
        inside=tuple(node.name for node in key.inside),
        calls=spent.calls_per_run,
        total_ns=spent.total_ns,
        median_ns=spent.median_ns,
        share=share,
        outputs=spent.outputs,
        traced=origin.traced,
        origins=origin.nodes,
        module=origin.module,
        source=origin.source,
    )


def _described(name: str, value: Value) -> str:
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if shape is None:
        return f"{name}: {type(value).__name__}"
    return f"{name}: {dtype}[{','.join(map(str, shape))}]"


def _notes(
    payload: Mapping[str, Any],
    spending: Spending,
    called_ns: tuple[int, int],
    nodes: list[NodeTime],
    optimized: Any | None,
) -> list[str]:
    notes = []
    calls = sum(node.calls for node in nodes)
    without_ns, with_ns = called_ns
    slower = with_ns / without_ns
    if calls and slower > _SLOWER:
        each_us = (with_ns - without_ns) / calls / 1000
        notes.append(
            f"the profiler makes a run {slower:.1f} times as long, by about {each_us:.1f} µs for "
            "each node that is run: figures of that size say little, and the time outside of "
            "kernels is mostly its own"
        )
    if (whole := len(spending.runs_us)) < payload["runs"]:
        notes.append(
            f"{whole} of {payload['runs']} runs are counted: ONNX Runtime's profiler keeps no "
            "more events"
        )
    if optimized is None:
        notes.append(
            "ONNX Runtime could not write the graph that it ran, so nodes that it fused are not "
            "traced to the exported model"
        )
    lost = [node for node in nodes if node.traced is Traced.UNKNOWN]
    if lost:
        share = sum(node.share for node in lost)
        notes.append(
            f"{len(lost)} of {len(nodes)} nodes, {share:.0%} of the time, could not be traced to "
            "nodes of the exported model"
        )
    if payload["provider"] != "cpu":
        notes.append(
            "a provider that works asynchronously is shown with the time until a kernel was "
            "handed to it, not until it ended; the whole run is what it is"
        )
    return notes
