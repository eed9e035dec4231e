"""What a failure's script compares with: ``repro.json``, in terms that need only NumPy."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.bundle import Bundle, DataSet, ProbeInfo
from conformance.entry import Tolerance, ZooEntry
from conformance.evidence import OutputParity, ParityReport
from conformance.model import Record, Stage, Verdict
from conformance.parity.compare import compare
from conformance.parity.terms import Terms, terms_for
from conformance.parity.tolerance import DEFAULT_ATOL, DEFAULT_RTOL, ONNX_ATOL, ONNX_RTOL
from conformance.provider_options import as_onnx_runtime_reads
from conformance.providers import PROVIDERS
from conformance.tensors import read_tensors
from conformance.variants import is_lossy

#: Name of the file.
EXPECTED = "repro.json"


def expected_of(bundle: Bundle, entry: ZooEntry, record: Record | None = None) -> dict[str, Any]:
    """``repro.json`` of a bundle.

    Args:
        bundle: with the data and what is known of its source.
        entry: as the zoo had it when the case failed; its tolerance sets the limits.
        record: of the failure; without one, the parity on the CPU is what is to be shown.

    Raises:
        CorruptBundle: when a tensor cannot be read.
    """
    data_sets = list(bundle.data_sets())
    # a limit depends on the source alone: compared with itself, it shows each one
    terms = terms_for(entry, bundle.manifest)
    report = compare(data_sets, [data_set.outputs for data_set in data_sets], terms)
    parity = None if record is None else record.parity
    found = {} if parity is None else {output.name: output for output in parity.outputs}
    data = [f"test_data_set_{number}" for number in range(len(data_sets))]
    probes = _failing_probes(bundle, record)
    outputs = limits_of(report.outputs, entry.tolerance, found)
    for info in probes:
        own = _own_limits(bundle.probe(info), report, terms)
        for output in outputs:
            if output["name"] in own and "limit" in output:
                output["elsewhere"][_place(info)] = max(output["limit"], own[output["name"]])
    return {
        "case": bundle.manifest.case.key if record is None else record.ref.id,
        "provider": PROVIDERS["cpu" if record is None else record.ref.provider or "cpu"],
        **_told(record),
        "reason": "nothing: this is a bundle, packed as it is" if record is None else record.reason,
        "judged": record is None or shows_in_numbers(record, probes),
        "data": data + [_place(info) for info in probes],
        "outputs": outputs,
    }


def expected_of_reduced(folder: Path, record: Record) -> dict[str, Any]:
    """``repro.json`` of a reduced model: half of the error that was seen still shows it.

    Half, since another machine's kernels add up in another order.

    Args:
        folder: with the model's data sets, in ONNX's layout.
        record: of the failure that the model was cut out of.

    Raises:
        CorruptBundle: when a tensor cannot be read.
    """
    explanation = record.explanation
    known = None if explanation is None else explanation.reduced
    rtol, atol = ONNX_RTOL, ONNX_ATOL
    if known is not None:
        # an error that is not finite is beyond every number
        rtol, atol = 0.0, sys.float_info.max if known.error is None else known.error / 2
    data = sorted(path.name for path in folder.glob("test_data_set_*") if path.is_dir())
    outputs = read_tensors(folder / data[0], "output") if data else {}
    return {
        "case": f"{record.ref.id}, reduced",
        "provider": PROVIDERS[record.ref.provider or "cpu"],
        **_told(record),
        "reason": record.reason if explanation is None else explanation.summary,
        "judged": True,
        "data": data,
        "outputs": [
            {"name": name, "rule": "declared", "rtol": rtol, "atol": atol, "set_aside": 0}
            for name in outputs
        ],
    }


def _told(record: Record | None) -> dict[str, Any]:
    """What the provider and the session were told, in ONNX Runtime's words; else nothing."""
    if record is None or record.ref.provider is None or not record.provider_options:
        return {}
    own, entries = as_onnx_runtime_reads(record.ref.provider, record.provider_options)
    return {"provider_options": own, "session_entries": entries}


def limits_of(
    outputs: Sequence[OutputParity], tolerance: Tolerance, found: Mapping[str, OutputParity]
) -> list[dict[str, Any]]:
    """The rule and the limit of each output.

    Args:
        outputs: of the source compared with itself, in the model's order.
        tolerance: of the entry.
        found: by output name, what the failing run saw: rows that it set aside as ties may
            differ here as well.
    """
    rtol, atol = DEFAULT_RTOL, DEFAULT_ATOL
    if tolerance.declared:
        rtol, atol = tolerance.rtol or 0.0, tolerance.atol or 0.0
    listed = []
    for output in outputs:
        limit: dict[str, Any] = {"name": output.name, "rule": output.rule}
        if output.rule == "declared":
            limit |= {"rtol": rtol, "atol": atol}
        elif output.rule == "fp64-referenced":
            # without finite values there is no limit, and nothing passes
            known = -1.0 if output.limit is None else output.limit
            limit |= {"limit": known, "elsewhere": {}}
        elif output.rule == "budget":
            limit |= {"limit": output.limit}
        aside = found[output.name].set_aside if output.name in found else 0
        listed.append({**limit, "set_aside": aside})
    return listed


def shows_in_numbers(record: Record, probes: Sequence[ProbeInfo]) -> bool:
    """Whether the failure is one that running the model and comparing numbers can show."""
    if record.verdict is Verdict.VACUOUS:
        return False
    if record.parity is None:
        return record.stage in (Stage.SESSION, Stage.PARITY)
    problems = record.parity.problems or any(o.problem for o in record.parity.outputs)
    return bool(problems or probes)


def _failing_probes(bundle: Bundle, record: Record | None) -> list[ProbeInfo]:
    """The probes at whose shapes the conversion fails."""
    report: ParityReport | None = None if record is None else record.parity
    if is_lossy(bundle.manifest.case.variant):
        return []  # a budget is a mean over the data sets
    if report is None or report.generalization is None:
        return []
    failing = {(p.axis, p.size) for p in report.generalization.probes if p.problem}
    return [
        info
        for info in bundle.manifest.probes
        if (info.axis, info.size) in failing and info.kind == "size" and not info.source_rejects
    ]


def _place(info: ProbeInfo) -> str:
    return f"probes/{info.name}"


def _own_limits(probe: DataSet, report: ParityReport, terms: Terms) -> dict[str, float]:
    """Limits of a probe's own scale, with no less noise than that of the data sets."""
    own = replace(terms, noise=report.noise, constant={}, task=None)
    found = compare([probe], [probe.outputs], own)
    return {output.name: output.limit for output in found.outputs if output.limit is not None}
