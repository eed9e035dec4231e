"""Everything known about one case, as blocks, in the order in which people need it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from conformance.evidence import Derivation
from conformance.model import CaseResult, RunReport, TrendPoint
from conformance.reporters import blocks, evidence, timing, wording
from conformance.reporters.blocks import Block, Parts, Text
from conformance.reporters.derivation import derivation_phrase, op_counts
from conformance.reporters.links import safe_link, safe_path
from conformance.reporters.origin import explained
from conformance.reporters.trends import trends

#: The packages that make a conversion, by framework; those of ONNX are named for every case.
_PACKAGES = {
    "pytorch": ("torch", "onnxscript"),
    "transformers": ("transformers", "torch", "onnxscript"),
    "tensorflow": ("tensorflow", "keras", "tf2onnx"),
    "sklearn": ("scikit-learn", "skl2onnx"),
}
_OF_ALL = ("onnx", "onnxruntime")


def detail(case: CaseResult, report: RunReport, *, brief: bool = False) -> list[Block]:
    """What the panel of a case shows, and the page without JavaScript below its row.

    Args:
        case: a case of the report.
        report: its run, with the past of every case.
        brief: whether to leave out what costs much and decided nothing: changes of level in
            trends, which take milliseconds to find, and the further figures of outputs.
    """
    told = _leads(case)
    told.append(_facts(case, report.header.versions))
    if case.explanation:
        told += explained(case.explanation, case.failure_folder)
    if case.parity:
        told += evidence.certificate(case.parity, brief=brief)
        if case.parity.decisions:
            told += evidence.decisions(case.parity.decisions)
        if case.parity.generalization:
            told += evidence.shapes(case.parity.generalization)
    if case.mutation:
        told += evidence.sensitivity(case.mutation)
    if case.latency:
        told += timing.latency(case, case.latency, brief=brief)
    points: Sequence[TrendPoint] = report.trends.get(case.id, ())
    told += trends(points, report.origins, explained=not brief)
    if case.details:
        told += [blocks.head("What was said"), {"t": "pre", "x": case.details}]
    if brief:
        told.append(blocks.para("report.json has further figures of this case.", "muted"))
    return told


def _leads(case: CaseResult) -> list[Block]:
    """Where to go from here: the known issue, the command, the folder."""
    told = []
    if case.link:
        told.append(blocks.para(["Known issue: ", blocks.link(case.link, safe_link(case.link))]))
    told.append({"t": "command", "x": case.repro})
    if case.failure_folder:
        place = safe_path(case.failure_folder)
        text: Parts = [blocks.muted("Kept for a bug report: ")]
        text.append(blocks.link(case.failure_folder, place and f"{place}/"))
        if place:
            text += [", ", blocks.link("as a zip", f"{place}.zip")]
        told.append(blocks.para(text))
    return told


def _facts(case: CaseResult, versions: Mapping[str, str]) -> Block:
    rows: list[tuple[str, Text] | tuple[str, Text, str]] = [
        ("Case", [blocks.code(case.id)]),
        ("Stage", case.stage.value),
    ]
    if case.tags:
        rows.append(("Tags", ", ".join(case.tags)))
    rows.append(("Tests took", wording.elapsed(case.duration_s)))
    if export := case.export:
        cached = " (earlier: taken from the cache)" if export.cached else ""
        rows += [
            ("Export", f"{wording.elapsed(export.export_seconds)}{cached}"),
            ("Model", f"{wording.size(export.size_bytes)}, {export.nodes} nodes"),
        ]
        if export.opset_conversion:
            rows.append(("Opset", export.opset_conversion.text))
        if export.derivation:
            rows += _variant(case, export.derivation, export.size_bytes)
        if export.peak_rss_bytes:
            rows.append(("Peak memory of export", wording.size(export.peak_rss_bytes)))
        if export.fallback:
            told_by = f"exported by {export.exported_by}; {export.fallback}"
            rows.append(("Exporter", told_by, "note"))
        if export.fp64_unavailable:
            rows.append(("No float64 reference", export.fp64_unavailable))
    rows += _on_provider(case)
    used = [name for name in (*_OF_ALL, *_PACKAGES.get(case.framework, ())) if name in versions]
    if case.runtime:
        rows.append(("ONNX Runtime of this row", case.runtime))
    if used:
        rows.append(("Versions", ", ".join(f"{name} {versions[name]}" for name in used)))
    return blocks.facts(rows)


def _variant(case: CaseResult, derivation: Derivation, size_bytes: int) -> list[tuple[str, Text]]:
    """How a variant was made, and what it is beside its base."""
    rows: list[tuple[str, Text]] = [
        ("Variant", f"{derivation.how} ({wording.elapsed(derivation.seconds)})"),
        ("Beside fp32", derivation_phrase(derivation, size_bytes, case.provider)),
        ("Nodes of its own", op_counts(derivation.own_nodes) or "none"),
    ]
    if derivation.kept_fp32:
        rows.append(("Nodes kept in fp32", op_counts(derivation.kept_fp32)))
    if derivation.hardware:
        rows.append(("Made on", [blocks.code(derivation.hardware)]))
    return rows


def _on_provider(case: CaseResult) -> Iterator[tuple[str, Text] | tuple[str, Text, str]]:
    """What the provider was told, and what it ran."""
    if case.provider_options:
        told = ", ".join(f"{name}={value}" for name, value in case.provider_options.items())
        yield f"Options of {case.provider}", told
    if case.placement:
        yield _placed(case, case.placement)


def _placed(case: CaseResult, placement: Mapping[str, int]) -> tuple[str, Text, str]:
    text: Parts = [", ".join(f"{name} {number}" for name, number in placement.items())]
    fallen = wording.fallback(placement, case.provider)
    if fallen is None:
        return "Nodes on", text, ""
    text += [": ", blocks.strong(str(fallen))]
    return "Nodes on", text, "alarm" if fallen.absent else "note"
