"""What was compared, as blocks: outputs, decisions, shapes, and how sharp the comparison is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.evidence import (
    ComponentParity,
    DecisionParity,
    Generalization,
    Mutant,
    MutantFate,
    MutationReport,
    OutputParity,
    ParityReport,
    ShapeProbe,
)
from conformance.reporters import blocks, findings, wording
from conformance.reporters.blocks import Block, Text
from conformance.reporters.wording import NOTHING, figure

_NUM = "num"
_OUTPUT_HEADS = (
    ("Output", "", ""),
    ("Result", "prose", ""),
    ("Rule", "", ""),
    ("Error / limit", _NUM, "error of the worst element divided by its limit; above 1 fails"),
    ("Worst element", "", ""),
    ("Limit", _NUM, "accepted error of the worst element"),
    (
        "Source noise",
        _NUM,
        "error of the source in float32 against itself in float64, over so many input sets",
    ),
    ("Max abs", _NUM, "largest absolute error"),
    ("Max rel", _NUM, "largest relative error"),
    ("RMSE", _NUM, "root mean square error"),
    ("Cosine", _NUM, "cosine similarity"),
    ("SNR", _NUM, "signal-to-noise ratio"),
    (
        "ULP p50 / p99 / max",
        _NUM,
        "error in units in the last place: median, 99th percentile, largest",
    ),
    ("Same argmax", _NUM, "share of rows whose largest element is at the same place"),
)
#: Of the columns above, those that a passing output is told by among thousands.
_DECISIVE = (0, 1, 2, 3, 5, 6, 7)
_DECISION_HEADS = (
    ("Decision", "", ""),
    ("From output", "", ""),
    ("Same on both sides", _NUM, ""),
    ("Ties", _NUM, "both answers are within the accepted error"),
    ("Narrowest margin", _NUM, "by how much the source decided where the two differ"),
    ("Result", "prose", ""),
)
_MUTANT_HEADS = (
    ("Fate", "", ""),
    ("Change", "", ""),
    ("Of", "", ""),
    ("Error / limit", _NUM, "error of the worst element divided by its limit"),
    ("What it did", "prose", ""),
    ("Would be revealed by", "prose", ""),
)


def certificate(parity: ParityReport, *, brief: bool) -> list[Block]:
    """Every output with its figures and what limit they were held against.

    Args:
        parity: what was compared.
        brief: whether the figures that did not decide are left out.
    """
    found = _certificate("Certificate", parity, brief=brief)
    for component in parity.components:
        found += _certificate(f"Component {component.name}", component, brief=brief)
    return found


def _certificate(title: str, parity: ParityReport | ComponentParity, *, brief: bool) -> list[Block]:
    outputs = wording.count(len(parity.outputs), "output", "outputs")
    sets = wording.count(parity.data_sets, "data set", "data sets")
    found = [blocks.head(f"{title}: {outputs}, {sets}")]
    found += [blocks.para(problem, "problem") for problem in parity.problems]
    if parity.outputs:
        rows = [row for output in parity.outputs for row in _output_rows(output)]
        heads = _OUTPUT_HEADS
        if brief:
            heads = _chosen(heads)
            rows = [row | {"cells": _chosen(row["cells"])} for row in rows if "cells" in row]
        found.append(blocks.table("Outputs and their errors", heads, rows))
    return found


def _chosen(cells: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(cells[number] for number in _DECISIVE)


def _output_rows(output: OutputParity) -> list[dict[str, Any]]:
    objection = output.problem or output.vacuous
    glyph = "✗" if output.problem else "∅" if output.vacuous else "✓"
    vacuous = "; vacuous" if output.vacuous else ""
    shape = "×".join(map(str, output.shape))  # noqa: RUF001 - as people write shapes
    noise: blocks.Parts = [figure(output.noise)]
    if output.noise_sets:
        noise.append(blocks.muted(f" {wording.count(output.noise_sets, 'set', 'sets')}"))
    ulps = (output.ulp_p50, output.ulp_p99, output.ulp_max)
    agreement = output.argmax_agreement
    rows = [
        blocks.row(
            [blocks.code(output.name), blocks.muted(f" {output.dtype} {shape}")],
            f"{glyph} {wording.output_sentence(output)}{vacuous}",
            output.rule,
            figure(output.ratio),
            _worst(output),
            figure(output.limit),
            noise,
            figure(output.max_abs),
            figure(output.max_rel),
            figure(output.rmse),
            NOTHING if output.cosine is None else f"{output.cosine:.6f}",
            figure(output.snr_db, "dB"),
            NOTHING if output.ulp_max is None else " / ".join(map(figure, ulps)),
            NOTHING if agreement is None else f"{agreement * 100:.4g} %",
            kind="off" if objection else "",
        )
    ]
    return [*rows, blocks.span(objection, "off")] if objection else rows


def _worst(output: OutputParity) -> Text:
    worst = output.worst
    if worst is None:
        return NOTHING
    return [
        blocks.code(f"[{', '.join(map(str, worst.index))}]"),
        f" of data set {worst.data_set}: expected ",
        blocks.code(wording.element(worst.expected)),
        ", actual ",
        blocks.code(wording.element(worst.actual)),
    ]


def decisions(found: Sequence[DecisionParity]) -> list[Block]:
    """Whether the decisions that people take from the outputs are the same on both sides."""
    rows = [
        blocks.row(
            decision.kind,
            [blocks.code(decision.output)],
            f"{decision.agreed} of {decision.total}",
            str(decision.ties),
            figure(decision.narrowest_margin, "ulp" if decision.kind == "tree splits" else ""),
            _decided(decision),
            kind="off" if decision.problem or decision.blind else "",
        )
        for decision in found
    ]
    return [
        blocks.head("Decisions"),
        blocks.table("Decisions taken from the outputs", _DECISION_HEADS, rows),
    ]


def _decided(decision: DecisionParity) -> Text:
    glyph = "✗" if decision.problem else "∅" if decision.blind else "✓"
    text = f"{glyph} {findings.decision_sentence(decision)}"
    if decision.detail and not decision.problem:
        return [text, blocks.muted(f" {decision.detail}")]
    return text


def shapes(found: Generalization) -> list[Block]:
    """What the conversion does at other sizes than the traced one, and with padding."""
    told = [blocks.head("Other shapes than the traced one")]
    if found.probes:
        tried = findings.shape_table(found.probes)
        heads = [("Axis", "", ""), *((f"size {size}", "", "") for size in tried.sizes)]
        rows = [
            blocks.row([blocks.code(axis)], *map(_probe, probes)) for axis, probes in tried.rows
        ]
        told.append(blocks.table("Outcome by axis and size", heads, rows, "fit"))
    told += [
        blocks.para(
            [
                "Axis ",
                blocks.code(probe.axis),
                f" at size {probe.size}: {probe.outcome}: {probe.detail}",
            ],
            "problem" if probe.problem else "muted",
        )
        for probe in found.probes
        if probe.detail
    ]
    for check in found.padding:
        glyph = "✗" if check.problem else "·" if check.skipped else "✓"
        sentence = f"{glyph} Padding {findings.padding_sentence(check)}"
        told.append(blocks.para(sentence, "problem" if check.problem else ""))
    return told


def _probe(probe: ShapeProbe | None) -> object:
    if probe is None:
        return [blocks.muted(NOTHING)]
    shown = findings.outcome(probe)
    text: blocks.Parts = [f"{shown.glyph} {shown.word}"]
    if probe.ratio is not None:
        text.append(blocks.muted(f" {wording.two_digits(probe.ratio)} of limit"))
    return {"c": f"o-{shown.tone}", "x": text}


def sensitivity(mutation: MutationReport) -> list[Block]:
    """Of the models that were made wrong on purpose, which ones the check caught."""
    told = [
        blocks.head("Sensitivity of the check"),
        blocks.para(
            [
                f"Of models made wrong on purpose, it {findings.mutation_sentence(mutation)} ",
                blocks.muted(
                    f"(seed {mutation.seed}, {mutation.max_missed_rate * 100:.3g}% may be missed)"
                ),
            ],
            "problem" if mutation.too_blunt else "",
        ),
    ]
    if alive := findings.survivors(mutation):
        rows = [_survivor(mutant) for mutant in alive]
        told.append(blocks.table("Mutants that survived the check", _MUTANT_HEADS, rows))
    return told


def _survivor(mutant: Mutant) -> dict[str, object]:
    missed = mutant.fate is MutantFate.MISSED
    return blocks.row(
        f"{'✗' if missed else '='} {mutant.fate}",
        mutant.operator,
        [blocks.code(mutant.target)],
        figure(mutant.ratio),
        mutant.detail or NOTHING,
        mutant.revealed_by or ("no inputs found" if missed else NOTHING),
        kind="off" if missed else "",
    )
