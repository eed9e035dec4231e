"""What ``conformance check`` found out of each model: the shape of ``--output``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from conformance.model import SCHEMA_VERSION
from conformance.shipped.auditing import Audit
from conformance.shipped.listing import OnnxFile

Status = Literal["shipped", "missing", "converted", "conversion failed", "error"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found out about one model."""

    model_id: str
    #: The file that was asked for.
    onnx_path: str
    #: Of the files; None where there are none, or their place does not tell it.
    commit: str | None
    status: Status
    #: Files of that name in other folders of the repository.
    elsewhere: tuple[str, ...] = ()
    #: Every ONNX file of the repository.
    files: tuple[OnnxFile, ...] = ()
    #: Of the converted model.
    local_path: str | None = None
    #: Why it is not there, or could not be listed, converted or audited.
    error: str | None = None
    audit: Audit | None = None

    @property
    def fine(self) -> bool:
        """Whether the file is there, and right as far as that was asked."""
        there = self.status in ("shipped", "converted") and self.error is None
        return there and (self.audit is None or self.audit.current)


@dataclass(frozen=True, slots=True)
class CheckResults:
    """All models that were asked for, in their order."""

    models: tuple[Checked, ...]
    schema_version: int = SCHEMA_VERSION


def results_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of the results."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(CheckResults).json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://pytest-onnx-conformance.github.io/schemas/check-{SCHEMA_VERSION}.json",
        **schema,
    }
