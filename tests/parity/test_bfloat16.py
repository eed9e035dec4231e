from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from zoo_cases import HERE, located

from conformance.entry import Tolerance
from conformance.evidence import ParityReport
from conformance.execution.progress import Progress
from conformance.judging import parity_failure
from conformance.model import Verdict, from_json, to_json
from conformance.parity.metrics import ulp_of
from conformance.parity.tolerance import limit_by_noise, limit_for
from conformance.pipeline import convert, prove
from conformance.tensors import float_info, is_float, read_tensors, write_tensors

BF16 = np.dtype(ml_dtypes.bfloat16)
#: Half a unit in the last place of a number between 1 and 2.
ROUNDOFF = 2.0**-8


def proven(tmp_path, adapter):
    case = located(f"miniature_bfloat16:{adapter}").case
    out = tmp_path / "bundle"
    out.mkdir()
    progress = Progress(tmp_path / "progress.json", adapter)
    payload = {
        "case": to_json(case),
        "zoo_dir": str(HERE),
        "cache_dir": str(tmp_path),
        "offline": True,
        "seed": 0,
        "out": str(out),
    }
    convert(payload, progress)
    asked = {"bundle": str(out), "provider": "cpu", "entry": to_json(case.entry)}
    return from_json(ParityReport, prove(asked, progress)["parity"])


def test_an_honest_answer_in_bfloat16_passes_by_its_rounding(tmp_path):
    """Judged as floats are, by the noise of a source that rounds to 8 bits; not bit by bit."""
    report = proven(tmp_path, "Halved")
    assert parity_failure(report) is None
    (y,) = report.outputs
    assert (y.dtype, y.rule) == ("bfloat16", "fp64-referenced")
    assert 0 < y.ratio < 1
    # the source's own rounding is all that there is: half a unit of the last place at most
    assert y.ulp_max <= 0.5 + 1e-6
    assert {probe.outcome for probe in report.generalization.probes} == {"works"}


def test_five_percent_too_large_are_caught(tmp_path):
    """Eight of its own ulps would let it pass: 6 % of the largest magnitude."""
    failure = parity_failure(proven(tmp_path, "Scaled"))
    assert failure.verdict is Verdict.FAIL
    assert "x its limit" in failure.reason


def test_another_float_type_is_no_bfloat16(tmp_path):
    """More bits than the source has are another model's interface."""
    failure = parity_failure(proven(tmp_path, "Wide"))
    assert "dtype is float32, the source's is bfloat16" in failure.reason


def test_neighbours_are_alike_where_there_is_no_float64():
    """A declared tolerance of less than one ulp would refuse honest models."""
    unknown = "the source has no float64"
    accepted = limit_for(Tolerance(), np.array([1.0]), None, BF16, unknown).accepted
    assert float(accepted[0]) == pytest.approx(2 * ROUNDOFF + 1e-5)
    own = Tolerance(rtol=1e-3, reason="a test")
    assert float(limit_for(own, np.array([1.0]), None, BF16, None).accepted[0]) == 1e-3


def test_the_limit_of_bfloat16_is_its_noise_and_one_ulp():
    """K times the noise, and of the floor's eight units each is an eighth of an ulp."""
    limit = limit_by_noise(Tolerance(), 4.0, 0.01, BF16)
    assert float(limit.accepted) == pytest.approx(3 * 0.01 + 2 * ROUNDOFF * 4.0)
    in_half = limit_by_noise(Tolerance(), 4.0, 0.01, np.dtype(np.float16))
    assert float(in_half.accepted) == pytest.approx(3 * 0.01 + 8 * 2.0**-10 * 4.0)


def test_its_unit_in_the_last_place_is_known():
    """128 steps from one power of two to the next; subnormals have the last one's."""
    assert is_float(BF16)
    assert float(float_info(BF16).eps) == 2 * ROUNDOFF
    units = ulp_of(np.array([1.0, 3.0, 1000.0, 0.0]), BF16)
    assert units.tolist()[:3] == [2.0**-7, 2.0**-6, 4.0]
    assert 0 < units[3] < 1e-38


def test_it_is_kept_in_files_of_tensors(tmp_path):
    """What a source answered in bfloat16 is read again as that."""
    array = np.array([[1.5, -2.25]], BF16)
    write_tensors(tmp_path, "output", {"y": array})
    found = read_tensors(tmp_path, "output")["y"]
    assert found.dtype == BF16
    assert np.array_equal(found, array)


def test_torch_tensors_in_bfloat16_become_arrays():
    """The adapter's arrays hold the very bits, of which NumPy alone knows nothing."""
    torch = pytest.importorskip("torch")
    from conformance.adapters.pytorch import PyTorchAdapter, TorchModel

    tensor = torch.tensor([[1.1, -3.0], [0.0, 2.5]]).to(torch.bfloat16)
    identity = torch.nn.Identity()
    model = TorchModel(identity, identity, (), ("y",))
    for given in (tensor, tensor.T):
        array = PyTorchAdapter().outputs(model, given)["y"]
        assert array.dtype == BF16
        assert array.astype("f4").tolist() == given.float().tolist()
