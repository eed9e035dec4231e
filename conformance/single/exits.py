"""Exit codes of ``conformance convert``: which stage a conversion came to."""

from __future__ import annotations

from conformance.model import Record, Stage, Verdict

OK = 0
USAGE = 2
UNDETECTED = 3
LOAD = 10
INFRA = 30
NOT_RUN = 31

#: Code to its meaning, in the order in which a conversion meets them.
EXIT_CODES: dict[int, str] = {
    OK: "converted and proven",
    USAGE: "wrong usage, or the output folder is something else",
    UNDETECTED: "what MODEL is, or what it takes, cannot be told: nothing was converted",
    LOAD: "load: the model cannot be read or built",
    11: "inputs: no input sets for it",
    12: "reference: the source framework cannot run it",
    13: "export: the exporter failed",
    14: "check: the exported file is not the model that was asked for",
    15: "session: ONNX Runtime cannot run it",
    16: "parity: it does not answer what the source answers, or nothing is proven by it",
    17: "optimize: the variant of the model cannot be made",
    INFRA: "network, disk, or a killed process: nothing is said about the model",
    NOT_RUN: "a package or the execution provider is not installed",
}

_OF_STAGE = {
    Stage.LOAD: LOAD,
    Stage.INPUTS: 11,
    Stage.REFERENCE: 12,
    Stage.EXPORT: 13,
    Stage.CHECK: 14,
    Stage.SESSION: 15,
    Stage.PARITY: 16,
    Stage.OPTIMIZE: 17,
}


def exit_code(record: Record) -> int:
    """The code of a record; a known failure of a manifest is a failure here as well."""
    match record.verdict:
        case Verdict.PASS | Verdict.UNEXPECTED_PASS:
            return OK
        case Verdict.INFRA_ERROR:
            return INFRA
        case Verdict.NOT_RUN:
            return NOT_RUN
    return _OF_STAGE[record.stage]
