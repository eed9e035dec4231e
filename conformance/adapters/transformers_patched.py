"""Importing this imports every model that the exporters of Transformers patch.

They patch before each export, whichever model it is of, and import some hundred modules to do
so; children that are forked from a parent which has done it are spared.
"""

from __future__ import annotations


def _import_patched() -> None:
    from transformers.exporters import exporter_onnx  # noqa: F401 - registers what is patched
    from transformers.exporters.utils import apply_patches

    for backend in ("dynamo", "onnx"):
        with apply_patches(backend):
            pass


_import_patched()
