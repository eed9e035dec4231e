"""Say what a refused model lacks, in words that help."""

from __future__ import annotations

import re

_UNREGISTERED = re.compile(r"([\w.]*):(\w+)\(-?[0-9]+\) is not a registered function/op")
#: Domains that ONNX Runtime itself serves.
_BUILT_IN = re.compile(r"|ai\.onnx(\.(ml|training|preview\.training))?|com\.(microsoft|ms)(\.\w+)?")
#: Domains of custom ops whose library is known.
_LIBRARIES = {
    "ai.onnx.contrib": "onnxruntime-extensions",
    "com.microsoft.extensions": "onnxruntime-extensions",
}


def missing_operator(refusal: str) -> str | None:
    """What to do about an operator that ONNX Runtime does not know; None if it names none."""
    found = _UNREGISTERED.search(refusal)
    if found is None:
        return None
    domain, operator = found.groups()
    named = f"operator '{operator}' of domain '{domain or 'ai.onnx'}'"
    if _BUILT_IN.fullmatch(domain) and domain not in _LIBRARIES:
        return f"{named} is not in this version of ONNX Runtime; another version may have it"
    library = _LIBRARIES.get(domain, "the library that implements it")
    return (
        f"{named} is a custom op: register {library} with ONNX Runtime "
        "(SessionOptions.register_custom_ops_library); a replay registers none"
    )
