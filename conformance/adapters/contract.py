"""What a framework's adapter must offer; the pipeline knows nothing else of a framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from conformance.entry import Conversion
from conformance.model import Case, FrameworkInfo
from conformance.texts import Texts

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Job:
    """One conversion, as the pipeline hands it to an adapter."""

    case: Case
    #: The adapter's own :attr:`FrameworkInfo.conversion`, filled from the entry.
    conversion: Conversion
    #: Folder of the zoo file: relative paths start here, factories are imported from here.
    zoo_dir: Path
    #: Where downloads may be kept between runs.
    cache_dir: Path
    offline: bool
    seed: int


class Adapter(Protocol):
    """A framework, reduced to the five things that a proof needs.

    ``model`` is opaque to the caller. Names are the contract between the methods: the keys
    of ``feeds`` are the ONNX input names, the keys that :meth:`outputs` returns are the
    ONNX output names, and both are in graph order.
    """

    info: ClassVar[FrameworkInfo]

    def load(self, job: Job) -> Any:
        """Load or build the source model in inference mode.

        Raises:
            LoadError: with what was wrong and what to do.
        """

    def bind(self, model: Any, feeds: Mapping[str, np.ndarray]) -> Callable[[], Any]:
        """Convert ``feeds`` once and return a call that runs the model and nothing else.

        The call is what source latency times; what it returns is passed to :meth:`outputs`.
        """

    def outputs(self, model: Any, result: Any) -> Arrays:
        """Turn what the bound call returned into arrays by ONNX output name."""

    def in_float64(self, model: Any) -> AbstractContextManager[Any]:
        """While it lasts, a model like ``model`` that computes in float64.

        It may hold the weights of ``model`` itself, which is therefore not used meanwhile, and
        is afterwards what it was before.

        Raises:
            Float64Unavailable: with the reason, when it cannot.
        """

    def export(self, model: Any, job: Job, feeds: Arrays, path: Path) -> None:
        """Write the ONNX model to ``path``, tracing with ``feeds`` (the first input set).

        Raises:
            ExportError: when the exporter fails or cannot do what the entry asks.
        """


@runtime_checkable
class KnowsMargins(Protocol):
    """An adapter whose models decide by thresholds, as trees do."""

    def margins(self, model: Any, feeds: Mapping[str, np.ndarray]) -> Arrays | None:
        """How close each row came to another decision, for each output that thresholds decide.

        Returns:
            Output name to float64 array of shape ``[rows]``, in float32 ulps of the value
            that was compared, plus what float32 moves that value by where it is computed
            first; None when this model decides nothing by thresholds.
        """


@runtime_checkable
class KnowsArchitecture(Protocol):
    """An adapter whose models have architectures with names of their own."""

    def architecture(self, model: Any) -> str:
        """The class of the model, such as ``BertForSequenceClassification``."""


@runtime_checkable
class KnowsModules(Protocol):
    """An adapter that can tell what the parts of its model computed."""

    def activations(self, model: Any, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """The first tensor that each module returned, in the order of execution.

        Returns:
            Qualified module name to array; a module that ran twice keeps its last answer.
        """


@dataclass(frozen=True, slots=True)
class Component:
    """One of the graphs that a model is converted to."""

    #: A folder name, such as ``prefill``.
    name: str
    #: That asks and exports it; its model is not loaded by :meth:`Adapter.load`.
    adapter: Adapter
    model: Any
    #: What the source gave it; the exported graph may read less.
    sets: list[Arrays]
    #: Input to axis number to axis name, of the axes that have to be dynamic.
    dynamic: dict[str, dict[int, str]]


@dataclass(frozen=True, slots=True)
class Components:
    """A model in parts; the last is the one that a bundle is about."""

    parts: tuple[Component, ...]
    texts: Texts


@runtime_checkable
class Generates(Protocol):
    """An adapter whose models can be converted in the parts by which they generate."""

    def components(self, model: Any, job: Job, sets: list[Arrays]) -> Components | None:
        """The parts of a model, with what it generates; None where the entry asks for one graph.

        Raises:
            ExportError: when the model cannot be taken apart.
        """
