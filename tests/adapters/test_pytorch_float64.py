from __future__ import annotations

import numpy as np
import pytest

from conformance.adapters import pytorch_float64
from conformance.adapters.pytorch_float64 import widened
from conformance.errors import Float64Unavailable

torch = pytest.importorskip("torch")


def bits(tensor):
    return tensor.detach().view(torch.uint8).tolist()


@pytest.mark.parametrize("set_aside_bytes", [0, 2**30], ids=["rounded back", "set aside"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_come_back_bit_for_bit(dtype, set_aside_bytes, monkeypatch):
    """Extremes, subnormals, both zeros, infinities and NaN survive, and so does the identity."""
    monkeypatch.setattr(pytorch_float64, "_SET_ASIDE_BYTES", set_aside_bytes)
    info = torch.finfo(dtype)
    subnormal = info.smallest_normal / 2
    values = [info.max, -info.tiny, subnormal, 0.0, -0.0, 0.1, np.inf, -np.inf, np.nan]
    module = torch.nn.Module()
    module.weight = torch.nn.Parameter(torch.tensor(values, dtype=dtype))
    weight, before = module.weight, bits(module.weight)
    with widened(module) as twin:
        assert twin.weight.dtype == torch.float64
    assert module.weight is weight
    assert (module.weight.dtype, bits(module.weight)) == (dtype, before)


def test_no_second_copy_of_the_weights_is_made():
    """The twin computes with the module's own parameters, tied ones still tied."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    module[1].weight = module[0].weight
    with widened(module) as twin:
        assert twin[0].weight is module[0].weight
        assert twin[1].weight is twin[0].weight
        assert twin is not module


def test_gradients_of_a_training_are_kept_as_they_were():
    """A trained module has them, and one of another dtype than its weight stops an export."""
    module = torch.nn.Linear(2, 2)
    module(torch.ones(1, 2)).sum().backward()
    grad = module.weight.grad
    with widened(module):
        pass
    assert module.weight.grad is grad
    assert grad.dtype == torch.float32


class Remembers(torch.nn.Module):
    """Keeps a table and a buffer from its last run."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.register_buffer("mean", torch.zeros(2))
        self.table = None

    def forward(self, x):
        self.table = x * self.weight
        self.mean += self.table
        return self.table


def test_what_a_run_in_float64_leaves_stays_with_the_twin():
    """Neither a kept tensor nor a buffer of the model has seen float64."""
    module = Remembers()
    with widened(module) as twin:
        twin(torch.ones(2, dtype=torch.float64))
        assert twin.mean.dtype == torch.float64
    assert module.table is None
    assert (module.mean.dtype, module.mean.tolist()) == (torch.float32, [0, 0])


def test_the_weights_are_put_back_when_the_model_raises():
    """A run in float64 that fails leaves no module in float64 behind."""
    module = torch.nn.Linear(2, 2)
    with pytest.raises(RuntimeError), widened(module) as twin:
        twin(torch.ones(1, 3, dtype=torch.float64))
    assert {p.dtype for p in module.parameters()} == {torch.float32}


class Unwilling(torch.nn.Linear):
    """Refuses float64 after its weights were widened."""

    def double(self):
        super().double()
        raise TypeError("single precision only")


@pytest.mark.parametrize("how", ["cannot be copied", "cannot be widened"])
def test_a_module_that_refuses_is_left_as_it_was(how):
    """The reason is given, and no weight stays in float64."""
    module = Unwilling(2, 2) if how == "cannot be widened" else torch.nn.Linear(2, 2)
    if how == "cannot be copied":
        module.stream = (number for number in ())
    with pytest.raises(Float64Unavailable, match="copied to float64"), widened(module):
        pass
    assert {p.dtype for p in module.parameters()} == {torch.float32}
