"""Wheels of one module, made for a test, and an index of them: versions that differ as told."""

from __future__ import annotations

import zipfile
from pathlib import Path

#: Takes the place of ONNX Runtime, and hands everything on to it but for what it gets wrong.
WRAPPED = """
import importlib.util, pathlib, sys
here = str(pathlib.Path(__file__).parents[1])
sys.path.remove(here)
del sys.modules["onnxruntime"]
importlib.invalidate_caches()
import onnxruntime
sys.path.insert(0, here)
run = onnxruntime.InferenceSession.run
def wrong(self, *args, **kwargs):
    return [{factor} * answer for answer in run(self, *args, **kwargs)]
onnxruntime.InferenceSession.run = wrong
"""


def wheel(folder: Path, version: str, code: str, name: str = "onnxruntime") -> None:
    """A wheel of one module, as an index would hold it."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def only_index(folder, monkeypatch):
    """An empty folder whose wheels, put there later, are the only ones that pip finds."""
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder
