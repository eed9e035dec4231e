"""What each execution provider can be told: a closed table, by ONNX Runtime's own names.

Only options that decide how or where a model is computed are declared. Those that name files,
folders or libraries are not: a bundle that somebody else made is replayed with its options, and
must not read, write or load anything by them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

#: What a value is in Python; a mapping is of devices to their properties.
Kind = type[bool] | type[int] | type[str] | type[dict[str, JsonValue]]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a provider."""

    kind: Kind
    #: What ONNX Runtime takes without it, as it documents that; ``None`` where it does not say.
    default: JsonValue = None
    #: All that a text may be, or all keys of a device's properties; empty for any.
    known: tuple[str, ...] = ()
    lowest: int | None = None
    #: Entry of the session's configuration that it stands for; ``None`` for the provider's own.
    session_entry: str | None = None


def _flag(*, default: bool | None = False, session_entry: str | None = None) -> Option:
    return Option(bool, default, session_entry=session_entry)


def _number(default: int | None = None, lowest: int = 0) -> Option:
    return Option(int, default, lowest=lowest)


def _choice(*known: str, default: str | None = None) -> Option:
    return Option(str, default, known)


_GPU = {
    "device_id": _number(0),
    "gpu_mem_limit": _number(),
    "arena_extend_strategy": _choice(
        "kNextPowerOfTwo", "kSameAsRequested", default="kNextPowerOfTwo"
    ),
    "do_copy_in_default_stream": _flag(default=True),
    "tunable_op_enable": _flag(),
    "tunable_op_tuning_enable": _flag(),
    "tunable_op_max_tuning_duration_ms": _number(0),
}
_BUFFERS = _choice("disabled", "lazyRelease", "simple", "bucket")

#: By provider, by ONNX Runtime's name of the option. The CPU has none of its own: its kernels are
#: told by the session's configuration.
OPTIONS: Mapping[str, Mapping[str, Option]] = {
    "cpu": {
        "set_denormal_as_zero": _flag(session_entry="session.set_denormal_as_zero"),
        "x64quantprecision": _flag(session_entry="session.x64quantprecision"),
        "enable_gemm_fastmath_arm64_bfloat16": _flag(
            session_entry="mlas.enable_gemm_fastmath_arm64_bfloat16"
        ),
        "enable_gelu_approximation": _flag(session_entry="optimization.enable_gelu_approximation"),
        "enable_quant_qdq": _flag(default=True, session_entry="session.enable_quant_qdq"),
    },
    "cuda": {
        **_GPU,
        "cudnn_conv_algo_search": _choice(
            "EXHAUSTIVE", "HEURISTIC", "DEFAULT", default="EXHAUSTIVE"
        ),
        "cudnn_conv_use_max_workspace": _flag(default=True),
        "cudnn_conv1d_pad_to_nc1d": _flag(),
        "enable_cuda_graph": _flag(),
        "enable_skip_layer_norm_strict_mode": _flag(),
        "fuse_conv_bias": _flag(),
        "prefer_nhwc": _flag(),
        "sdpa_kernel": _number(0),
        "use_ep_level_unified_stream": _flag(),
        "use_tf32": _flag(default=True),
    },
    "tensorrt": {
        "device_id": _number(0),
        "trt_max_workspace_size": _number(1 << 30),
        "trt_max_partition_iterations": _number(1000, 1),
        "trt_min_subgraph_size": _number(1, 1),
        "trt_fp16_enable": _flag(),
        "trt_bf16_enable": _flag(),
        "trt_int8_enable": _flag(),
        "trt_dla_enable": _flag(),
        "trt_dla_core": _number(0),
        "trt_force_sequential_engine_build": _flag(),
        "trt_context_memory_sharing_enable": _flag(),
        "trt_layer_norm_fp32_fallback": _flag(),
        "trt_build_heuristics_enable": _flag(),
        "trt_sparsity_enable": _flag(),
        "trt_builder_optimization_level": _number(),
        "trt_auxiliary_streams": _number(-1, -1),
        "trt_cuda_graph_enable": _flag(),
        "trt_profile_min_shapes": Option(str),
        "trt_profile_max_shapes": Option(str),
        "trt_profile_opt_shapes": Option(str),
    },
    "openvino": {
        "device_type": Option(str),
        "precision": _choice("FP32", "FP16", "ACCURACY"),
        "num_of_threads": _number(8, 1),
        "num_streams": _number(1, 1),
        "model_priority": _choice("LOW", "MEDIUM", "HIGH", "DEFAULT", default="DEFAULT"),
        "enable_opencl_throttling": _flag(),
        "enable_qdq_optimizer": _flag(),
        "disable_dynamic_shapes": _flag(),
        "reshape_input": Option(str),
        "layout": Option(str),
        # by device: what OpenVINO itself is told since the options above are deprecated
        "load_config": Option(
            dict,
            known=(
                "PERFORMANCE_HINT",
                "EXECUTION_MODE_HINT",
                "INFERENCE_PRECISION_HINT",
                "NUM_STREAMS",
                "INFERENCE_NUM_THREADS",
                "MODEL_PRIORITY",
            ),
        ),
    },
    "coreml": {
        "ModelFormat": _choice("NeuralNetwork", "MLProgram", default="NeuralNetwork"),
        "MLComputeUnits": _choice(
            "ALL", "CPUOnly", "CPUAndGPU", "CPUAndNeuralEngine", default="ALL"
        ),
        "RequireStaticInputShapes": _flag(),
        "EnableOnSubgraphs": _flag(),
        "SpecializationStrategy": _choice("Default", "FastPrediction", default="Default"),
        "AllowLowPrecisionAccumulationOnGPU": _flag(),
    },
    "directml": {
        "device_id": _number(0),
        "device_filter": _choice("gpu", "npu", "any", default="gpu"),
        "performance_preference": _choice(
            "default", "high_performance", "minimum_power", default="default"
        ),
        "disable_metacommands": _flag(),
        "enable_graph_capture": _flag(),
    },
    "qnn": {
        "backend_type": _choice("cpu", "gpu", "htp", default="htp"),
        "device_id": _number(0),
        "htp_arch": _number(),
        "soc_model": _number(0),
        "vtcm_mb": _number(0),
        "rpc_control_latency": _number(),
        "htp_performance_mode": _choice(
            *("burst", "balanced", "default", "high_performance", "high_power_saver"),
            *("low_balanced", "low_power_saver", "power_saver", "sustained_high_performance"),
            default="default",
        ),
        "qnn_context_priority": _choice("low", "normal", "normal_high", "high", default="normal"),
        "htp_graph_finalization_optimization_mode": _number(0),
        "enable_htp_fp16_precision": _flag(default=True),
        "offload_graph_io_quantization": _flag(default=None),
    },
    "rocm": {
        **_GPU,
        "miopen_conv_exhaustive_search": _flag(),
        "miopen_conv_use_max_workspace": _flag(default=True),
        "enable_hip_graph": _flag(),
    },
    "migraphx": {
        "device_id": _number(0),
        "migraphx_fp16_enable": _flag(),
        "migraphx_int8_enable": _flag(),
        "migraphx_exhaustive_tune": _flag(),
        "migraphx_mem_limit": _number(),
    },
    "webgpu": {
        "preferredLayout": _choice("NCHW", "NHWC"),
        "enableGraphCapture": _flag(),
        "enableInt64": _flag(),
        "deviceId": _number(0),
        "dawnBackendType": _choice("D3D12", "Vulkan"),
        "powerPreference": _choice("high-performance", "low-power"),
        "validationMode": _choice("disabled", "wgpuOnly", "basic", "full"),
        "storageBufferCacheMode": _BUFFERS,
        "uniformBufferCacheMode": _BUFFERS,
        "queryResolveBufferCacheMode": _BUFFERS,
        "defaultBufferCacheMode": _BUFFERS,
    },
    "xnnpack": {"intra_op_num_threads": _number(1, 1)},
}
#: How providers spell false and true, where it is another way than 0 and 1.
_WORDS = {"openvino": ("false", "true"), "directml": ("false", "true")}
_KINDS = {bool: "true or false", int: "a whole number", str: "text", dict: "a mapping of devices"}


def value_problem(option: Option, value: object) -> str | None:
    """What a value of an option has to be, as the end of a sentence; ``None`` if it is that."""
    if type(value) is not option.kind:
        return f"must be {_KINDS[option.kind]}"
    if option.lowest is not None and isinstance(value, int) and value < option.lowest:
        return f"must be at least {option.lowest}"
    if isinstance(value, dict):
        return _properties_problem(value, option.known)
    if option.known and value not in option.known:
        return f"must be one of {', '.join(option.known)}"
    return None


def _properties_problem(devices: Mapping[str, object], known: Iterable[str]) -> str | None:
    for device, properties in devices.items():
        if not isinstance(properties, dict):
            return f"must give '{device}' a mapping of properties"
        if strange := sorted(properties.keys() - set(known)):
            return f"must not tell '{device}' of '{strange[0]}' (known: {', '.join(known)})"
        if any(not isinstance(value, str | int) for value in properties.values()):
            return f"must give the properties of '{device}' as text or whole numbers"
    return None


def as_onnx_runtime_reads(
    provider: str, options: Mapping[str, JsonValue]
) -> tuple[dict[str, str], dict[str, str]]:
    """Options in the words of ONNX Runtime: those of the provider, and entries of the session.

    Raises:
        ValueError: naming the option that the provider does not have, or that has no such value.
    """
    own: dict[str, str] = {}
    entries: dict[str, str] = {}
    for name, value in options.items():
        option = OPTIONS[provider].get(name)
        if option is None:
            raise ValueError(f"{provider} has no option '{name}'")
        if problem := value_problem(option, value):
            raise ValueError(f"the option '{name}' of {provider} {problem}")
        if option.session_entry is None:
            own[name] = _spelt(value, _WORDS.get(provider, ("0", "1")))
        else:
            entries[option.session_entry] = _spelt(value, ("0", "1"))
    return own, entries


def _spelt(value: JsonValue, words: tuple[str, str]) -> str:
    if isinstance(value, bool):
        return words[value]
    if isinstance(value, dict):
        # OpenVINO reads the values as texts
        return json.dumps({device: _texts(properties) for device, properties in value.items()})
    return str(value)


def _texts(properties: JsonValue) -> dict[str, str]:
    given = properties if isinstance(properties, dict) else {}
    return {name: str(value) for name, value in given.items()}
