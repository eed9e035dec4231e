"""What the modules of a PyTorch model computed, read off while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.adapters.contract import Arrays


def module_activations(module: Any, call: Callable[[], Any]) -> Arrays:
    """The first tensor that each submodule returned, in the order in which they finished.

    Args:
        module: the ``nn.Module`` that ``call`` runs.
        call: runs the module once.

    Returns:
        Qualified module name to array; a module that ran twice keeps its last answer. A
        ScriptModule or an exported program shows nothing: there is no Python to hook into.
    """
    arrays: Arrays = {}

    def remember(name: str) -> Callable[[Any, Any, Any], None]:
        def hook(_module: Any, _args: Any, result: Any) -> None:
            array = _first_tensor(result)
            arrays.pop(name, None)
            if array is not None:
                arrays[name] = array

        return hook

    handles = []
    try:
        for name, part in module.named_modules():
            if name and not _is_scripted(part):
                handles.append(part.register_forward_hook(remember(name)))
        call()
    finally:
        for handle in handles:
            handle.remove()
    return arrays


def _is_scripted(module: Any) -> bool:
    import torch

    return isinstance(module, torch.jit.ScriptModule)


def _first_tensor(result: Any) -> np.ndarray | None:
    import torch
    from torch.utils import _pytree as pytree

    for leaf in pytree.tree_leaves(result):
        if isinstance(leaf, torch.Tensor):
            plain = leaf.float() if leaf.dtype == torch.bfloat16 else leaf
            # a copy: what comes after may work in place
            return np.array(plain.numpy(force=True))
    return None
