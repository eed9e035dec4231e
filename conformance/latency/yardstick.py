"""A small, fixed piece of work, to tell a slower machine from a slower model.

It runs on NumPy, not on ONNX Runtime: a yardstick that grows with what it measures shows
nothing, and a slower ONNX Runtime is one of the things that must show. Its matrices are small
enough for every BLAS to stay within one thread and within the caches.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Name of the yardstick among the calls of a comparison.
YARDSTICK = "yardstick"
_VERSION = 1
_WIDTH = 64
_LAYERS = 12


def yardstick() -> Callable[[], object]:
    """A call that does the fixed work: 12 dense layers with tanh, float32 of shape (64, 64)."""
    rng = np.random.default_rng(0)
    layers = rng.standard_normal((_LAYERS, _WIDTH, _WIDTH), dtype=np.float32) / _WIDTH**0.5
    start = rng.standard_normal((_WIDTH, _WIDTH), dtype=np.float32)
    product = np.empty_like(start)

    def work() -> object:
        state = start
        for layer in layers:
            np.matmul(state, layer, out=product)
            state = np.tanh(product)
        return state

    return work


def yardstick_name() -> str:
    """What the yardstick's own speed depends on; figures by different ones are not compared."""
    config = np.show_config(mode="dicts")
    blas = config["Build Dependencies"]["blas"] if isinstance(config, dict) else {}
    return f"mlp-{_VERSION}, numpy {np.__version__}, {blas.get('name')} {blas.get('version')}"
