"""A bundle at another opset: the same data and the same source, the model converted by onnx.

:func:`convert_opset` is the work of one process, a target in the sense of
:mod:`conformance.execution.contract`. It needs the bundle of the exported model, no framework.

onnx's own version converter does it. onnxscript's hands every step down over to it, and where
it fails leaves the model as it was without an error (docs/decisions/0019).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.bundle import (
    MODEL,
    read_bundle,
    write_manifest,
)
from conformance.derived import derived_manifest
from conformance.errors import CheckError, CorruptBundle, ExportError, UnusedInput
from conformance.evidence import OpsetConversion
from conformance.execution.progress import Progress
from conformance.machine import installed_versions
from conformance.model import Case, Stage, from_json
from conformance.onnx_check import check_model
from conformance.onnx_files import read_model

#: A message of protobuf holds no more than 2 GiB, and the converter takes the model as one.
_MOST_BYTES = (1 << 31) - 1


def convert_opset(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Leave the model of the bundle ``payload["base"]`` at the case's opset, as a bundle.

    Args:
        payload: ``case``, ``base`` (a folder), ``lasting`` (whether it is worth naming), ``out``.
        progress: told each stage.

    Raises:
        ExportError: with the converter's text, or what is wrong with the model that it gave.
    """
    progress.enter(Stage.EXPORT)
    case, out = from_json(Case, payload["case"]), Path(payload["out"])
    try:
        base = read_bundle(Path(payload["base"]))
        traced = next(base.data_sets()).inputs
    except CorruptBundle as error:
        raise ExportError(str(error)) from error
    if base.manifest.components:
        raise ExportError(
            f"exported at opset {base.manifest.case.opset}; a model of several components is not "
            f"converted to {case.opset}: list an opset that its exporter gives"
        )
    converter = f"onnx {installed_versions()['onnx']}"
    started = time.perf_counter()
    told = OpsetConversion(
        exported_opset=base.manifest.case.opset,
        opset=case.opset,
        converter=converter,
        seconds=0.0,
        base_bundle=base.path.name if payload["lasting"] else None,
    )
    _convert(base.model_path, told, out / MODEL)
    told = replace(told, seconds=round(time.perf_counter() - started, 6))
    try:
        nodes = check_model(
            out / MODEL,
            opset=case.opset,
            inputs=traced,
            outputs=base.manifest.outputs,
            dynamic=case.entry.dynamic_axes(),
        )
    except (CheckError, UnusedInput) as error:
        raise ExportError(f"{told.text}, which is no valid model any more: {error}") from error
    manifest = derived_manifest(base, case, out, nodes)
    write_manifest(out, replace(manifest, opset_conversion=told))
    return {}


def _convert(path: Path, told: OpsetConversion, out: Path) -> None:
    """Write a model at another opset.

    Raises:
        ExportError: when the converter fails, or leaves the model as it was.
    """
    import onnx
    from onnx import inliner, version_converter

    what = (
        f"exported at opset {told.exported_opset}, but the version converter of {told.converter} "
        f"cannot bring it to {told.opset}"
    )
    try:
        read_model(path)  # before onnx opens the files that it names
        model = onnx.load(str(path))
    except CorruptBundle as error:
        raise ExportError(str(error)) from error
    if model.ByteSize() > _MOST_BYTES:
        raise ExportError(f"{what}: it takes models of up to 2 GiB")
    try:
        if model.functions:
            # the converter loses them, and leaves the nodes that call them
            model = inliner.inline_local_functions(model)
        converted = version_converter.convert_version(model, told.opset)
    except Exception as error:
        first = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ExportError(f"{what}: {first.strip()}") from error
    _restore_origins(model, converted)
    onnx.save(converted, str(out))


def _restore_origins(model: Any, converted: Any) -> None:
    """Give nodes back what their exporter wrote of where they come from, by their names."""
    known = {n.name: (n.op_type, list(n.metadata_props)) for n in model.graph.node if n.name}
    for node in converted.graph.node:
        op_type, origin = known.get(node.name, ("", []))
        if op_type == node.op_type and not node.metadata_props:
            node.metadata_props.extend(origin)
