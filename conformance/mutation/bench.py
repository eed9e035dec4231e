"""Where mutants are run: a scratch folder that holds one model at a time."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance import runtime
from conformance.bundle import MODEL
from conformance.tensors import Arrays

#: A wrong model may never come to an end; the right one took less than this on each input.
_RUN_LIMIT_S = 60.0


class Bench:
    """Loads changed copies of a model into ONNX Runtime."""

    def __init__(self, model: Any, source: Path, scratch: Path, provider: str) -> None:
        """Copy the external data that ``model`` refers to, once for all its mutants.

        Args:
            model: ``onnx.ModelProto``, external data not loaded.
            source: the folder of the model's file.
            scratch: an empty folder.
            provider: short name, such as ``cpu``.
        """
        self._scratch = scratch
        self._provider = provider
        for location in _external_files(model):
            copy = scratch / location
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / location, copy)

    def answers(self, model: Any, input_sets: Sequence[Arrays]) -> list[Arrays]:
        """Run a model as it is run when it is proven, graph optimizations on.

        Raises:
            SessionError: when ONNX Runtime refuses to load or run it, or it does not end.
        """
        session = runtime.create_session(self._saved(model), self._provider)
        return [runtime.run(_Bounded(session), inputs) for inputs in input_sets]

    def unoptimized(self, model: Any) -> Callable[[Arrays], Arrays]:
        """A model loaded with graph optimizations off, ready to be run on inputs.

        Raises:
            SessionError: when ONNX Runtime refuses to load it.
        """
        session = runtime.create_session(self._saved(model), self._provider, optimize=False)
        return lambda inputs: runtime.run(_Bounded(session), inputs)

    def _saved(self, model: Any) -> Path:
        path = self._scratch / MODEL
        path.write_bytes(model.SerializeToString())
        return path


class _Bounded:
    """A session whose runs are ended when they take too long, as :func:`runtime.run` sees it."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def get_outputs(self) -> Any:
        return self._session.get_outputs()

    def run(self, names: list[str], inputs: Arrays) -> Any:
        return self._bounded(self._session.run, names, inputs)

    def run_with_ort_values(self, names: list[str], inputs: Mapping[str, Any]) -> Any:
        return self._bounded(self._session.run_with_ort_values, names, inputs)

    @staticmethod
    def _bounded(run: Callable[..., Any], names: list[str], inputs: Mapping[str, Any]) -> Any:
        import onnxruntime

        options = onnxruntime.RunOptions()
        timer = threading.Timer(_RUN_LIMIT_S, setattr, (options, "terminate", True))
        timer.daemon = True
        timer.start()
        try:
            return run(names, inputs, options)
        finally:
            timer.cancel()


def _external_files(model: Any) -> set[str]:
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    return {
        ExternalDataInfo(tensor).location
        for tensor in model.graph.initializer
        if uses_external_data(tensor)
    }
