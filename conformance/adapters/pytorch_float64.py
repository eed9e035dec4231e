"""A PyTorch module in float64 without a second and third copy of its weights.

A copy in float64 beside the model takes three times the memory of float32 weights. Here the
weights themselves are widened and rounded back: every float16, bfloat16 and float32 is a
float64, so nothing is lost on the way there, nor on the way back. Those of small models are set
aside meanwhile, which is faster.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from conformance.adapters.causes import in_short
from conformance.errors import Float64Unavailable

#: Weights of less than this are set aside instead of being rounded back.
_SET_ASIDE_BYTES = 1 << 30


@contextmanager
def widened(module: Any) -> Iterator[Any]:
    """While it lasts, a twin of ``module`` that computes in float64.

    The twin's parameters are the module's own, so that the module must not be used meanwhile;
    afterwards they are what they were, bit for bit. All else is the twin's alone, so that what
    a model keeps of a run in float64 (a mask, a table of positions) is not in its export. A
    ScriptModule shares nothing: its twin has weights of its own.

    Raises:
        Float64Unavailable: when the module cannot be copied or widened.
    """
    small = sum(p.nbytes for p in module.parameters()) < _SET_ASIDE_BYTES
    before = [(p, p.dtype, p.data if small else None, p.grad) for p in module.parameters()]
    for parameter, *_ in before:
        parameter.grad = None  # one left over from training would be widened, too
    try:
        yield _wide_twin(module)
    finally:
        for parameter, dtype, data, grad in before:
            parameter.data = parameter.data.to(dtype) if data is None else data
            parameter.grad = grad


def float32_means_float64() -> AbstractContextManager[Any]:
    """While it lasts, what torch is asked to do in float32 is done in float64.

    Normalisations, rotary embeddings and softmaxes of many models say "float32" in so many
    words; without this, a model in float64 would round at each of them.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    def widened(value: Any) -> Any:
        return torch.float64 if value is torch.float32 else value

    class InFloat64(TorchFunctionMode):  # type: ignore[misc]  # torch is not followed
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if func is torch.Tensor.float:
                func = torch.Tensor.double
            return func(*map(widened, args), **{k: widened(v) for k, v in (kwargs or {}).items()})

    return InFloat64()


def _wide_twin(module: Any) -> Any:
    # what the memo names is taken as it is instead of being copied
    shared = {id(parameter): parameter for parameter in module.parameters()}
    try:
        return copy.deepcopy(module, shared).double()
    except Exception as error:
        raise Float64Unavailable(
            f"the model cannot be copied to float64: {in_short(error)}"
        ) from error
