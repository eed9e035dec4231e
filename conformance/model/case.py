"""What is to be tested: a framework, a conversion under it, and each of its tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from conformance.entry import Conversion, ZooEntry
from conformance.model.verdicts import TestKind

#: The variant that is the model as the exporter wrote it; all others are made from it.
BASE = "fp32"
#: The exporter name that means: the framework's exporters one after another, until one succeeds.
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class FrameworkInfo:
    """What can be known about a framework without importing it."""

    name: str
    #: Exporter names this framework's adapter knows; the first is the default.
    exporters: tuple[str, ...]
    default_opset: int
    #: Inclusive range of opsets the exporters can be asked for.
    opset_range: tuple[int, int]
    #: Distributions that must be installed, as pip names them.
    distributions: tuple[str, ...]
    #: The extra of this package that installs them.
    extra: str
    #: Modules a preloaded parent process imports before it forks children.
    preload: tuple[str, ...]
    #: The conversion parameters that this framework's entries may carry.
    conversion: type[Conversion]
    #: The ranges of single exporters, where they are others than :attr:`opset_range`.
    exporter_opsets: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def exported_opset(self, exporter: str, opset: int) -> int:
        """The opset at which an exporter is asked for a model: the nearest that it can give.

        Args:
            exporter: name of one of :attr:`exporters`.
            opset: that the model is to have in the end.
        """
        lowest, highest = self.exporter_opsets.get(exporter, self.opset_range)
        return min(max(opset, lowest), highest)


@dataclass(frozen=True, slots=True)
class Case:
    """One conversion to prove: an entry under one exporter, opset and variant."""

    entry: ZooEntry
    exporter: str
    opset: int
    variant: str

    @property
    def key(self) -> str:
        """Stable, readable identity, such as ``pytorch/cnn@dynamo-op18-fp32``."""
        label = self.entry.framework_label
        return f"{label}/{self.entry.id}@{self.exporter}-op{self.opset}-{self.variant}"

    @property
    def base(self) -> Case:
        """The conversion that the variant of this case is made of; itself for the base."""
        return replace(self, variant=BASE)

    def at_opset(self, opset: int) -> Case:
        """The same conversion at another opset."""
        return replace(self, opset=opset)

    def id_on(self, provider: str) -> str:
        """Identity of this case on one execution provider: ``<key>-<provider>``."""
        return f"{self.key}-{provider}"


@dataclass(frozen=True, slots=True)
class TestRef:
    """Which test of which case: what is known of a test before it runs."""

    __test__ = False

    test: TestKind
    #: The case key for the export test, else ``<case key>-<provider>``.
    id: str
    #: The case key.
    case: str
    model: str
    framework: str
    task: str | None
    tags: tuple[str, ...]
    exporter: str
    opset: int
    variant: str
    #: ``None`` for the export test, which concerns no provider.
    provider: str | None
    #: The command that repeats this test and nothing else.
    repro: str
    #: Keys of the entry by which code of the model's author may run, such as ``allow_pickle``.
    trusted: tuple[str, ...] = ()
    #: Where the model stands in its zoo file, ``model_zoo.yaml:12``; relative to the folder in
    #: which the run was started, where it is below it.
    place: str | None = None
