"""How far from its source a shipped model's numbers may take it, by what its weights are stored as.

The repository's own weights are put into the same form here, and what that gets of the source is
what its numbers explain, give or take what tools do differently. Where that cannot be had, there
is a floor for each dtype. Both were measured on 24 models (``docs/check.md``): the forms that
repositories ship are above, other weights below.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from conformance import runtime
from conformance.bundle import DataSet
from conformance.errors import SessionError, VariantError
from conformance.tensors import Arrays
from conformance.variants.derive import Base, derive

_FLOAT16_DB = 35.0
#: Dtype to the least signal-to-noise ratio, in dB, that it explains of any model.
LEAST_SNR_DB: Mapping[str, float] = {
    "float16": _FLOAT16_DB,
    # no kernels to measure it by: it rounds eight times as coarsely
    "bfloat16": _FLOAT16_DB - 20 * math.log10(8),
    "int8": 7.0,
    "int4": 5.5,
}
#: How much less than ours another tool's file of the same dtype may get: per tensor instead of
#: per channel, uint8, symmetric, NF4.
MARGIN_DB = 8.0
_FORMS = {"float16": "fp16", "int8": "int8-dynamic", "int4": "int4"}


def floors(dtype: str, own: Path, data_sets: Sequence[DataSet]) -> dict[str, float]:
    """The least signal-to-noise ratio, in dB, that a dtype explains of each float output.

    Args:
        dtype: of :data:`LEAST_SNR_DB`; of others nothing is known.
        own: our conversion of the repository's weights, in float32.
        data_sets: what the source was asked and answered.

    Returns:
        Output name to ratio; empty for a dtype that is not known.
    """
    least = LEAST_SNR_DB.get(dtype)
    if least is None:
        return {}
    answers = _in_form(_FORMS.get(dtype), own, data_sets)
    found = {}
    for name in data_sets[0].outputs:
        wanted = [(data.outputs_fp64 or data.outputs)[name] for data in data_sets]
        reached = None
        if answers is not None and wanted[0].dtype.kind == "f":
            reached = snr_db([answer[name] for answer in answers], wanted)
        found[name] = least if reached is None else max(least, reached - MARGIN_DB)
    return found


def snr_db(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float | None:
    """Signal-to-noise ratio over all arrays in dB; None where there is no noise, or no signal."""
    actual = np.concatenate([array.astype(np.float64).ravel() for array in got])
    exact = np.concatenate([array.astype(np.float64).ravel() for array in wanted])
    error = actual - exact
    noise, signal = float(error @ error), float(exact @ exact)
    return None if noise == 0 or signal == 0 else 10 * math.log10(signal / noise)


def _in_form(form: str | None, own: Path, data_sets: Sequence[DataSet]) -> list[Arrays] | None:
    """What our own conversion answers in a form; None where it cannot be put into it, or run."""
    if form is None:
        return None
    with tempfile.TemporaryDirectory(prefix="conformance-form-") as folder:
        made = Path(folder) / "form.onnx"
        try:
            derive(form, Base(own, (), None), made)
            session = runtime.create_session(made, "cpu")
            return [runtime.run(session, data.inputs) for data in data_sets]
        except (VariantError, SessionError):
            return None
