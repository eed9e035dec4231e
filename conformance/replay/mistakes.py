"""Say what a refused file really is, and what a refused model lacks, in words that help."""

from __future__ import annotations

import re
from pathlib import Path

#: What tells a file's kind stands at its beginning.
_HEAD_BYTES = 512
_LFS = b"version https://git-lfs.github.com/spec/"
_HTML = re.compile(rb"\s*<(?:!doctype\s+html|html|head|\?xml)", re.IGNORECASE)
_UNREGISTERED = re.compile(r"([\w.]*):(\w+)\(-?[0-9]+\) is not a registered function/op")
#: Domains that ONNX Runtime itself serves.
_BUILT_IN = re.compile(r"|ai\.onnx(\.(ml|training|preview\.training))?|com\.(microsoft|ms)(\.\w+)?")
#: Domains of custom ops whose library is known.
_LIBRARIES = {
    "ai.onnx.contrib": "onnxruntime-extensions",
    "com.microsoft.extensions": "onnxruntime-extensions",
}


def mistaken(file: Path) -> str | None:
    """What a file is that was taken for a model; None when it may be one.

    Raises:
        OSError: when it cannot be read.
    """
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    return "is empty" if not head else mistaken_head(head)


def mistaken_head(head: bytes) -> str | None:
    """As :func:`mistaken`, by the first bytes of a file that may be empty."""
    if head.startswith(_LFS):
        return "is a Git LFS pointer, not the file: run `git lfs pull`"
    if _HTML.match(head):
        return "is a web page, not the file: download it again, by its own address"
    return None


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
