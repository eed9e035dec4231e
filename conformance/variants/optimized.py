"""Graph optimizations that are to leave every answer what it was, but for rounding."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from conformance.variants.files import load, save

#: ONNX Runtime's level that is the same on every CPU: "all" lays weights out for this one.
_OFFLINE = "ORT_ENABLE_EXTENDED"
#: Weights from this size on lie beside the graph that is optimized offline.
_EXTERNAL_BYTES = "1024"
#: Domain of ONNX Runtime's own operators.
_CONTRIB = "com.microsoft"
#: What fusions leave behind beside the nodes that they are for.
_PLUMBING = frozenset({"Cast", "Constant", "Identity", "Reshape", "Shape", "Transpose"})
#: What the classes of Transformers begin with, to what ONNX Runtime's fusions call it.
_MODEL_TYPES = {
    "Albert": "bert",
    "Bart": "bart",
    "Bert": "bert",
    "Camembert": "bert",
    "CLIP": "clip",
    "DistilBert": "bert",
    "Electra": "bert",
    "GPT2": "gpt2",
    "GPTNeoX": "gpt_neox",
    "MPNet": "bert",
    "Phi": "phi",
    "Roberta": "bert",
    "Qwen3": "qwen3",
    "Swin": "swin",
    "T5": "t5",
    "ViT": "vit",
    "XLMRoberta": "bert",
}


def model_type_of(architecture: str | None) -> str | None:
    """What ONNX Runtime's transformer fusions know an architecture by; None if they don't.

    Args:
        architecture: a class of Transformers, such as ``BertForSequenceClassification``.
    """
    if architecture is None:
        return None
    stem = architecture.partition("For")[0].removesuffix("Model").removesuffix("LMHead")
    return _MODEL_TYPES.get(stem)


def by_onnxslim(model: Path, out: Path) -> str:
    """Constant folding, dead code, common subexpressions and fusions by ``onnxslim``."""
    import onnxslim

    save(onnxslim.slim(load(model)), out)
    return f"onnxslim {onnxslim.__version__}"


def by_onnxscript(model: Path, out: Path) -> str:
    """Constant folding and rewriting by ``onnxscript.optimizer``."""
    import onnxscript
    from onnxscript import optimizer

    save(optimizer.optimize(load(model)), out)
    return f"onnxscript {onnxscript.__version__}'s optimizer"


def by_onnx_runtime(model: Path, out: Path, model_type: str | None) -> str:
    """ONNX Runtime's transformer fusions, or its own graph optimization written to a file.

    Args:
        model: the base.
        out: the file to write.
        model_type: what the fusions know the architecture by; without, or where none of them
            finds what it looks for, the graph is optimized offline.
    """
    import onnxruntime

    tool = f"onnxruntime {onnxruntime.__version__}"
    why = "the model type is unknown"
    if model_type is not None:
        fused = _fused(model, model_type)
        if fused is not None:
            optimized, counts = fused
            save(optimized, out)
            return f"{tool}'s transformer fusions for {model_type}: {counts}"
        why = f"no transformer fusion for {model_type} matched"
    _optimize_offline(model, out)
    return f"{tool}'s offline graph optimization (extended), because {why}"


def _fused(model: Path, model_type: str) -> tuple[Any, str] | None:
    """The model with fused nodes and their counts in words; None where nothing was fused."""
    from onnxruntime.transformers import optimizer

    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
    base = load(model)
    before = _counts(base)
    _import_contrib(base)
    # fusions in Python alone: ONNX Runtime's own optimizer comes with every session
    found = optimizer.optimize_model(base, model_type, opt_level=0).model
    contrib = {
        op: count
        for op, count in _counts(found).items()
        if count > before.get(op, 0) and op not in _PLUMBING
    }
    if not contrib:
        return None
    return found, ", ".join(f"{count} {op}" for op, count in sorted(contrib.items()))


def _import_contrib(model: Any) -> None:
    """Have a model import ONNX Runtime's own operators, which fusions put in without that."""
    from onnx import helper

    if all(opset.domain != _CONTRIB for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_CONTRIB, 1))


def _counts(model: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in model.graph.node:
        found[node.op_type] = found.get(node.op_type, 0) + 1
    return found


def _optimize_offline(model: Path, out: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, _OFFLINE)
    options.optimized_model_filepath = str(out)
    options.add_session_config_entry("session.disable_prepacking", "1")
    # or else it would go on pointing at the data of its base
    beside = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{beside}_file_name", f"{out.name}.data")
    options.add_session_config_entry(f"{beside}_min_size_in_bytes", _EXTERNAL_BYTES)
    onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
