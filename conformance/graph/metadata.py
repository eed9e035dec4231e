"""Where in the source a node comes from, by what its exporter wrote down."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

_STACK = "pkg.torch.onnx.stack_trace"
_SCOPES = "pkg.torch.onnx.name_scopes"
#: A frame of a stack trace, as Python prints it.
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in ')
#: Folders of the frameworks' own code, which is not where a model was written.
_FRAMEWORK = re.compile(r"(^|/(site|dist)-packages/)torch/")
#: What torch calls the scope of a node that it made up itself.
_NO_MODULE = "_empty_nn_module_stack"


def properties(node: Any) -> Mapping[str, str]:
    """The node's metadata by key."""
    return {entry.key: entry.value for entry in node.metadata_props}


def scopes(node: Any) -> tuple[str, ...]:
    """Qualified module names around a torch node, outermost first; empty where not known.

    The dynamo exporter writes them into the metadata, the TorchScript one into node names
    such as ``/encoder/layer.0/MatMul``.
    """
    written = properties(node).get(_SCOPES)
    if written is None:
        return _torchscript_scopes(node.name)
    try:
        found = ast.literal_eval(written)
    except (SyntaxError, ValueError):
        return ()
    # the first is the whole model, '', the last the node itself
    return tuple(str(name) for name in found[:-1] if name and not name.startswith(_NO_MODULE))


def _torchscript_scopes(name: str) -> tuple[str, ...]:
    parts = name.split("/")[1:-1] if name.startswith("/") else []
    # in '/read/read.4/Conv' a Sequential 'read' is named again by its child '4'
    own = [part.removeprefix(f"{up}.") for up, part in zip(["", *parts], parts, strict=False)]
    return tuple(".".join(own[:depth]) for depth in range(1, len(own) + 1))


def source_line(node: Any) -> str | None:
    """``model.py:41``, the innermost line that is not the framework's own; else ``None``."""
    text = properties(node).get(_STACK) or node.doc_string
    frames = [match for match in _FRAME.finditer(text) if not _FRAMEWORK.search(match["file"])]
    if not frames:
        return None
    return f"{frames[-1]['file'].rpartition('/')[2]}:{frames[-1]['line']}"


def location(node: Any) -> str | None:
    """Source line and module of a node, by torch's metadata; else the path in its name.

    Returns:
        ``encoder.layer.1, model.py:41`` for a graph of torch, ``model/dense`` for one of
        TensorFlow, ``None`` where the exporter wrote nothing down.
    """
    module = next(reversed(scopes(node)), None)
    known = [word for word in (module, source_line(node)) if word]
    if known:
        return ", ".join(known)
    path = node.name.rpartition("/")[0].strip("/")
    return path or None
