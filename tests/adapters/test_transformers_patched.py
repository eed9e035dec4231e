"""What is imported before children are forked, so that no child has to."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("transformers")

_ENTER = """
import importlib, sys
from conformance.adapters.transformers import TransformersAdapter

for module in TransformersAdapter.info.preload:
    importlib.import_module(module)
from transformers.exporters.utils import apply_patches

before = set(sys.modules)
with apply_patches("dynamo"), apply_patches("onnx"):
    print(sorted(set(sys.modules) - before))
"""


def test_the_patches_of_an_export_find_all_they_patch_imported():
    """An export of Transformers imports nothing more when it patches the library's models."""
    done = subprocess.run(
        [sys.executable, "-c", _ENTER], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
