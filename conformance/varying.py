"""A variant of a bundle: the same data and the same source, another model.

:func:`vary` is the work of one process, a target in the sense of
:mod:`conformance.execution.contract`. It needs the bundle of the base and the variant's tool,
no framework: what the source answered is in the base's bundle, and is what the variant is held
against.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance import runtime
from conformance.bundle import (
    MODEL,
    Bundle,
    DataSet,
    read_bundle,
    write_manifest,
)
from conformance.calibration import CalibrationData, calibration_data
from conformance.derived import derived_manifest
from conformance.errors import (
    CheckError,
    CorruptBundle,
    InputsError,
    NothingChanged,
    UnusedInput,
    VariantError,
)
from conformance.evidence import Derivation
from conformance.execution.progress import Progress
from conformance.machine import hardware_class
from conformance.measuring import against_base
from conformance.model import Case, Stage, from_json
from conformance.onnx_check import check_model
from conformance.onnx_files import read_model
from conformance.variants import VARIANTS
from conformance.variants.change import Change, changes
from conformance.variants.derive import Base, derive
from conformance.variants.optimized import model_type_of


def vary(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Make a case's variant of the bundle ``payload["base"]``, as a bundle in ``payload["out"]``.

    Args:
        payload: ``case``, ``base``, ``lasting``, ``out``; ``zoo_dir`` and ``seed``, by which
            calibration data are drawn.
        progress: told each stage.

    Raises:
        VariantError: when the tool fails, or its model is not the base's any more.
        NothingChanged: when a lossy variant computes as its base does.
    """
    progress.enter(Stage.OPTIMIZE)
    case = from_json(Case, payload["case"])
    base_folder, out = Path(payload["base"]), Path(payload["out"])
    try:
        base = read_bundle(base_folder)
        data_sets = list(base.data_sets())
    except CorruptBundle as error:
        raise VariantError(str(error)) from error
    if base.manifest.components:
        raise VariantError(
            "it would be of one component, and the texts are of all: leave 'variants' or "
            "'generation' out of the entry"
        )
    calibration = _calibration(case.variant, base, payload)
    model_type = model_type_of(base.manifest.architecture)
    started = time.perf_counter()
    how = derive(
        case.variant,
        Base(base.model_path, calibration.sets if calibration else (), model_type),
        out / MODEL,
    )
    seconds = time.perf_counter() - started
    nodes = _checked(out / MODEL, base, data_sets[0])
    changed = _really_changed(case.variant, base, out / MODEL)
    told = Derivation(
        how=how if calibration is None else f"{how} ({calibration.told})",
        seconds=round(seconds, 6),
        base_size_bytes=base.manifest.size_bytes,
        base_nodes=base.manifest.nodes,
        own_nodes=changed.own_nodes,
        kept_fp32=changed.kept_fp32,
        base_bundle=base.path.name if payload["lasting"] else None,
        hardware=hardware_class() if VARIANTS[case.variant].by_hardware else None,
    )
    manifest = replace(derived_manifest(base, case, out, nodes), derivation=told)
    write_manifest(out, manifest)

    # the bundle is whole: a model that takes ONNX Runtime down here is judged by later stages
    progress.enter(Stage.LATENCY)
    entry = case.entry
    with runtime.configured(entry.provider_options):
        speedups = against_base(base.model_path, out / MODEL, entry.providers, data_sets[0].inputs)
    write_manifest(out, replace(manifest, derivation=replace(told, speedups=speedups)))
    return {}


def _calibration(variant: str, base: Bundle, payload: Mapping[str, Any]) -> CalibrationData | None:
    """What a variant's ranges are measured on; None where it has none.

    Raises:
        VariantError: when there are no such data.
    """
    if not VARIANTS[variant].calibrated:
        return None
    try:
        return calibration_data(base, Path(payload["zoo_dir"]), payload["seed"])
    except InputsError as error:
        raise VariantError(f"its calibration data cannot be had: {error}") from error


def _checked(model: Path, base: Bundle, traced: DataSet) -> int:
    """The number of nodes of a model that takes and gives what its base does.

    Raises:
        VariantError: naming every difference found.
    """
    case = base.manifest.case
    try:
        return check_model(
            model,
            opset=_opset(base.model_path),
            inputs=traced.inputs,
            outputs=base.manifest.outputs,
            dynamic=case.entry.dynamic_axes(),
        )
    except (CheckError, UnusedInput, CorruptBundle) as error:
        raise VariantError(f"it is no longer the model that it was made of: {error}") from error


def _opset(model: Path) -> int:
    """Version of ONNX's own operators in a model that has been checked."""
    imported = read_model(model).opset_import
    return int(next(o.version for o in imported if o.domain in ("", "ai.onnx")))


def _really_changed(variant: str, base: Bundle, model: Path) -> Change:
    """What was changed.

    Raises:
        NothingChanged: when it is a lossy variant by name alone.
    """
    found = changes(variant, base.model_path, model)
    if VARIANTS[variant].lossy and not found.own_nodes:
        nothing = "nothing was quantized" if variant.startswith("int") else "nothing was lowered"
        raise NothingChanged(
            f"{nothing}: no node of the {variant} model computes otherwise than in its base, so "
            "what is proven is the base again; leave the variant out of the entry"
        )
    return found
