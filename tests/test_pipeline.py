from __future__ import annotations

import pytest

from conformance import measuring, pipeline, runtime
from conformance.entry import ZooEntry
from conformance.execution.progress import Progress
from conformance.model import Case, to_json

ENTRY = {
    "id": "miniature",
    "framework": "miniatures:Honest",
    "source": {"factory": "unused.here:model"},
    "inputs": {"spec": {"x": {"shape": ["batch", 3]}}, "sets": [{"batch": 4}, {"batch": 7}]},
    "exporters": ["mini"],
    "opsets": [18],
}


@pytest.fixture
def progress(tmp_path):
    return Progress(tmp_path / "progress.json", "miniature")


@pytest.fixture
def bundle(tmp_path, progress):
    out = tmp_path / "bundle"
    out.mkdir()
    entry = ZooEntry.model_validate(ENTRY)
    payload = {
        "case": to_json(Case(entry, "mini", 18, "fp32")),
        "zoo_dir": str(tmp_path),
        "cache_dir": str(tmp_path),
        "offline": True,
        "seed": 0,
        "out": str(out),
    }
    pipeline.convert(payload, progress)
    return {"bundle": str(out), "provider": "cpu", "entry": to_json(entry)}


@pytest.fixture
def options(monkeypatch):
    """The options of every session that is made."""
    import onnxruntime

    made = []

    class Watched(onnxruntime.SessionOptions):
        def __init__(self):
            super().__init__()
            made.append(self)

    monkeypatch.setattr(onnxruntime, "SessionOptions", Watched)
    return made


def packs(options):
    try:
        return options.get_session_config_entry("session.disable_prepacking") != "1"
    except RuntimeError:  # the key was never set
        return True


@pytest.mark.parametrize("large", [True, False])
def test_only_the_parity_of_large_models_goes_without_packing(
    large, bundle, progress, options, monkeypatch
):
    """Latency, and the proof of what is small, is of the session that people run."""
    if large:
        monkeypatch.setattr(runtime, "PROVEN_UNPACKED_BYTES", 1)
    pipeline.prove(bundle, progress)
    measuring.measure({**bundle, "alone": True}, progress)
    proving, *timing = options
    assert packs(proving) is not large
    assert timing
    assert all(packs(session) for session in timing)
