"""ONNX Runtime: sessions on exactly the provider that was asked for, and what ran where."""

from __future__ import annotations

import ctypes
import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic import JsonValue

from conformance.errors import ProviderAbsent, SessionError
from conformance.provider_options import as_onnx_runtime_reads
from conformance.providers import PROVIDERS
from conformance.tensors import Arrays, is_bfloat16

#: Models from this size on are proven without pre-packing, by which ONNX Runtime spends most of
#: the time that their session takes; of smaller ones it is seconds at most (docs/decisions/0008).
PROVEN_UNPACKED_BYTES = 1 << 30
#: Severity below which ONNX Runtime stays silent: 3 shows errors only.
_LOG_SEVERITY = 3
#: What is larger than this and constant is a weight in another layout, such as the transposed
#: embedding of a language model: kernels read that as it is.
_MOST_FOLDED = "optimization.constant_folding_max_output_size_in_bytes"
_MOST_FOLDED_BYTES = 16 << 20
#: ONNX Runtime's exception where none of a provider's kernels fits a node.
_NO_KERNEL = "NotImplemented"
_BFLOAT16 = "tensor(bfloat16)"

#: Work of one process on a case, by its payload; see :mod:`conformance.execution.contract`.
Target = Callable[[Mapping[str, Any], Any], dict[str, Any]]
#: An entry's ``provider_options``: provider to option to value.
ProviderOptions = Mapping[str, Mapping[str, JsonValue]]
_told: ContextVar[ProviderOptions] = ContextVar("provider options", default=MappingProxyType({}))


@contextmanager
def configured(options: ProviderOptions) -> Iterator[None]:
    """Tell every session that is created meanwhile what an entry tells its provider.

    All sessions of a case are to be told the same, also those of whoever mutates, cuts or times
    its model. So it is said once, where the work on the case begins.
    """
    token = _told.set(options)
    try:
        yield
    finally:
        _told.reset(token)


def configured_by_entry(target: Target) -> Target:
    """A target whose sessions are told what ``payload["entry"]`` says."""

    @wraps(target)
    def configured_target(payload: Mapping[str, Any], progress: Any) -> dict[str, Any]:
        with configured(payload["entry"].get("provider_options", {})):
            return target(payload, progress)

    return configured_target


def require_provider(provider: str) -> str:
    """ONNX Runtime's name of a provider, by our short one.

    Raises:
        ProviderAbsent: naming the providers that this ONNX Runtime was built with.
    """
    import onnxruntime

    name = PROVIDERS[provider]
    available = onnxruntime.get_available_providers()
    if name not in available:
        raise ProviderAbsent(
            f"onnxruntime {onnxruntime.__version__} here has no {name} "
            f"(it has {', '.join(available)}); install the onnxruntime wheel that carries it"
        )
    return name


@contextmanager
def with_kernels_for(variant: str, provider: str) -> Iterator[None]:
    """Tell a provider without kernels for bfloat16 from a model that is refused for itself.

    Raises:
        ProviderAbsent: where a model in bfloat16 is refused for want of a kernel.
    """
    try:
        yield
    except SessionError as error:
        if variant == "bf16" and type(error.__cause__).__name__ == _NO_KERNEL:
            raise ProviderAbsent(
                f"{PROVIDERS[provider]} here cannot compute in bf16: {error}"
            ) from error
        raise


def create_session(  # noqa: PLR0913 - ONNX Runtime's switches, each by its name
    model: Path,
    provider: str,
    *,
    intra_op_threads: int = 1,
    optimize: bool = True,
    prepack: bool = True,
    profile_prefix: Path | None = None,
    optimized: Path | None = None,
) -> Any:
    """An ``onnxruntime.InferenceSession`` that runs on ``provider``, or an error.

    ONNX Runtime falls back to the CPU when a provider fails to start; here that is an error.

    Args:
        model: the ONNX file.
        provider: short name, such as ``cpu``.
        intra_op_threads: threads within an operator.
        optimize: rewrite the graph first, as ONNX Runtime does by default.
        prepack: lay the weights out for the kernels first, as ONNX Runtime does by default.
            Without it they stay as they are in the file, neither packed nor transposed ahead: a
            session is made much faster and runs slower, by other kernels.
        profile_prefix: where to write a profile, for :func:`run_profiled`.
        optimized: where to write the graph that it runs; such a session is not for running,
            its weights are not packed.

    Raises:
        ProviderAbsent: when this ONNX Runtime does not carry the provider.
        SessionError: when the model is refused or the provider did not start.
    """
    import onnxruntime

    name = require_provider(provider)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_SEVERITY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if not prepack:
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.add_session_config_entry(_MOST_FOLDED, str(_MOST_FOLDED_BYTES))
    if profile_prefix is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile_prefix)
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
        options.add_session_config_entry("session.disable_prepacking", "1")
    try:
        own, entries = as_onnx_runtime_reads(provider, _told.get().get(provider, {}))
    except ValueError as error:
        raise SessionError(str(error)) from error
    for entry, value in entries.items():
        options.add_session_config_entry(entry, value)
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=[(name, own)])
    except Exception as error:
        raise SessionError(f"ONNX Runtime refuses the model: {_first_line(error)}") from error
    if session.get_providers()[0] != name:
        told = f" with {', '.join(f'{key}={value}' for key, value in own.items())}" if own else ""
        raise SessionError(
            f"{name} did not start{told}; ONNX Runtime fell back to {session.get_providers()[0]}"
        )
    session.disable_fallback()
    return session


def run(session: Any, inputs: Mapping[str, np.ndarray]) -> Arrays:
    """Run a session once: output name to array, in the model's order.

    Raises:
        SessionError: when ONNX Runtime cannot run the model on these inputs.
    """
    outputs = session.get_outputs()
    names = [output.name for output in outputs]
    bfloat16 = any(output.type == _BFLOAT16 for output in outputs)
    try:
        if bfloat16 or any(is_bfloat16(array.dtype) for array in inputs.values()):
            results = _run_bfloat16(session, names, inputs)
        else:
            results = session.run(names, dict(inputs))
    except Exception as error:
        raise SessionError(f"ONNX Runtime cannot run the model: {_first_line(error)}") from error
    return {name: _as_array(name, value) for name, value in zip(names, results, strict=True)}


def _run_bfloat16(session: Any, names: list[str], inputs: Mapping[str, np.ndarray]) -> list[Any]:
    """Run a session that takes or gives bfloat16, of which ONNX Runtime knows no NumPy array."""
    import ml_dtypes
    from onnx import TensorProto
    from onnxruntime import OrtValue

    feeds = {
        name: OrtValue.ortvalue_from_numpy_with_onnx_type(
            np.ascontiguousarray(array).view(np.uint16), TensorProto.BFLOAT16
        )
        if is_bfloat16(array.dtype)
        else OrtValue.ortvalue_from_numpy(array)
        for name, array in inputs.items()
    }
    results = []
    for value in session.run_with_ort_values(names, feeds):
        if value.data_type() != _BFLOAT16:
            results.append(value.numpy())
            continue
        if value.device_name() != "cpu":
            raise SessionError(f"an output in bfloat16 was left on {value.device_name()}")
        shape = value.shape()
        held = (ctypes.c_uint16 * math.prod(shape)).from_address(value.data_ptr())
        # a copy: the memory is the value's, which goes with it
        results.append(np.array(held, dtype=np.uint16).view(ml_dtypes.bfloat16).reshape(shape))
    return results


def runner(provider: str, model: Path) -> Callable[[Arrays], Arrays]:
    """:func:`run` of a fresh session, without pre-packing: the model is asked a few times only.

    Raises:
        ProviderAbsent, SessionError: as :func:`create_session`.
    """
    return partial(run, create_session(model, provider, prepack=False))


def run_profiled(
    model: Path, provider: str, data: list[Arrays], *, prepack: bool = True
) -> tuple[Any, list[Arrays], dict[str, int]]:
    """Run ``data`` through a fresh session and tell which provider ran how many nodes.

    Args:
        model: the ONNX file.
        provider: short name, such as ``cpu``.
        data: input sets, by input name.
        prepack: as for :func:`create_session`.

    Returns:
        The session, its answers, and the number of distinct nodes by ONNX Runtime's
        provider name.

    Raises:
        ProviderAbsent, SessionError: as :func:`create_session` and :func:`run`.
    """
    with tempfile.TemporaryDirectory(prefix="conformance-profile-") as folder:
        prefix = Path(folder) / "ort"
        session = create_session(model, provider, prepack=prepack, profile_prefix=prefix)
        answers = [run(session, inputs) for inputs in data]
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    nodes = {
        (event["name"], event["args"]["provider"])
        for event in events
        if event.get("cat") == "Node" and event.get("args", {}).get("provider")
    }
    return session, answers, dict(Counter(provider for _, provider in nodes))


def _as_array(name: str, value: object) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list) and all(isinstance(item, np.ndarray) for item in value):
        raise SessionError(f"output '{name}' is a sequence of tensors, which is not compared yet")
    raise SessionError(f"output '{name}' is a {type(value).__name__}, not a tensor")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
