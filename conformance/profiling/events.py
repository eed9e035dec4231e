"""Read the file that ONNX Runtime's profiler writes, one run at a time.

The profiler writes an event when something ends, so a file is a tree in postorder: the nodes of
a graph, the execution of that graph, and then the Loop or If that it is the body of. Times are
whole microseconds, cut off: many small kernels look up to a microsecond faster than they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.errors import SessionError

_KERNEL = "_kernel_time"
_EXECUTION = "SequentialExecutor::Execute"
_RUN = "model_run"


@dataclass(frozen=True, slots=True)
class NodeId:
    """A node in the graph that it stands in, as the profiler tells it from the others."""

    #: Its name, or ``<op_type>_<index>`` where it has none.
    name: str
    op_type: str
    #: ONNX Runtime's number of the node; those of the loaded model keep theirs.
    index: int


@dataclass(frozen=True, slots=True)
class Call:
    """One execution of a node."""

    node: NodeId
    provider: str
    #: Dtype and shape of each output, ``float[2,9,32]``.
    outputs: tuple[str, ...]
    start_us: int
    duration_us: int
    #: Executions in its subgraphs; in the order of their ends.
    inner: tuple[Call, ...]

    @property
    def own_us(self) -> int:
        """Duration without that of the nodes in its subgraphs."""
        return max(0, self.duration_us - sum(call.duration_us for call in self.inner))


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the model."""

    duration_us: int
    calls: tuple[Call, ...]


def read_runs(file: Path) -> Iterator[Run]:
    """The runs that a profile holds whole, in order, read as they are asked for.

    Raises:
        SessionError: when the file is no profile.
    """
    calls: list[Call] = []
    #: Executions of graphs that no node has claimed as its body's yet.
    bodies: list[tuple[int, list[Call]]] = []
    for event in _events(file):
        name, start = str(event["name"]), int(event["ts"])
        if event.get("cat") == "Node" and name.endswith(_KERNEL):
            inner = _taken(bodies, start)
            calls.append(_call(event, tuple(call for _, body in inner for call in body)))
        elif name == _EXECUTION:
            first = next((n for n, call in enumerate(calls) if call.start_us >= start), len(calls))
            bodies.append((start, calls[first:]))
            del calls[first:]
        elif name == _RUN:
            found = [call for _, body in bodies for call in body]
            yield Run(int(event["dur"]), tuple(found))
            calls.clear()
            bodies.clear()


def _taken(bodies: list[tuple[int, list[Call]]], start: int) -> list[tuple[int, list[Call]]]:
    """Take away the executions that began within a node that began at ``start``."""
    found = [body for body in bodies if body[0] >= start]
    del bodies[len(bodies) - len(found) :]
    return found


def _events(file: Path) -> Iterator[dict[str, Any]]:
    """One event per line: a profile of a million events is not read whole."""
    try:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                text = line.strip().rstrip(",")
                if text not in ("", "[", "]"):
                    yield json.loads(text)
    except (OSError, ValueError) as error:
        raise SessionError(
            f"the profile that ONNX Runtime wrote cannot be read: {error}; "
            "another version of onnxruntime may write it otherwise"
        ) from error


def _call(event: dict[str, Any], inner: tuple[Call, ...]) -> Call:
    told = event["args"]
    return Call(
        NodeId(
            str(event["name"]).removesuffix(_KERNEL),
            str(told["op_name"]),
            int(told.get("node_index", -1)),
        ),
        str(told.get("provider", "")),
        tuple(_shapes(told.get("output_type_shape", ()))),
        int(event["ts"]),
        int(event["dur"]),
        inner,
    )


def _shapes(outputs: Iterable[dict[str, list[int]]]) -> Iterator[str]:
    for output in outputs:
        for dtype, shape in output.items():
            yield f"{dtype}[{','.join(map(str, shape))}]"
