from __future__ import annotations

from dataclasses import replace

import pytest
from miniatures import Honest

from conformance import pipeline
from conformance.bundle import read_bundle
from conformance.converting import exporters_of
from conformance.entry import ZooEntry
from conformance.errors import ExportError
from conformance.execution.progress import Progress
from conformance.model import Case, FrameworkInfo, to_json
from conformance.replay.describe import describe
from conformance.replay.folders import ModelFolder


class Undecided(Honest):
    """Has two exporters, of which the first leaves half a model behind and fails."""

    info = replace(Honest.info, exporters=("mini", "spare", "auto"))

    def export(self, model, job, feeds, path):
        self.write(model, job, path)
        if job.case.exporter == "mini":
            path.with_name("model.onnx.data").write_bytes(b"half")
            raise ExportError("mini cannot trace Linear")


class Hopeless(Undecided):
    """Has two exporters, and both fail."""

    def export(self, model, job, feeds, path):
        raise ExportError(f"{job.case.exporter} cannot trace Linear")


@pytest.fixture
def convert(tmp_path):
    def converted(adapter, exporter):
        entry = ZooEntry.model_validate(
            {
                "id": "miniature",
                "framework": f"{__name__}:{adapter}",
                "source": {"factory": "unused.here:model"},
                "inputs": {
                    "spec": {"x": {"shape": ["batch", 3]}},
                    "sets": [{"batch": 4}, {"batch": 7}],
                },
            }
        )
        out = tmp_path / "bundle"
        out.mkdir()
        payload = {
            "case": to_json(Case(entry, exporter, 18, "fp32")),
            "zoo_dir": str(tmp_path),
            "cache_dir": str(tmp_path),
            "offline": True,
            "seed": 0,
            "out": str(out),
        }
        pipeline.convert(payload, Progress(tmp_path / "progress.json", "miniature"))
        return read_bundle(out)

    return converted


def test_an_exporter_that_stands_in_is_told_with_the_reason(convert):
    """``auto`` takes the next exporter, says which one and why, and keeps nothing of the first."""
    bundle = convert("Undecided", "auto")
    assert bundle.manifest.exported_by == "spare"
    assert bundle.manifest.fallback == "mini failed: mini cannot trace Linear"
    assert not (bundle.path / "model.onnx.data").exists()
    told = describe(ModelFolder(bundle.path, ours=True)).export
    assert (told.exported_by, told.fallback) == ("spare", bundle.manifest.fallback)


def test_an_exporter_that_was_named_is_not_replaced(convert):
    """Only ``auto`` falls back: a case of one exporter fails when that does."""
    with pytest.raises(ExportError, match="mini cannot trace Linear"):
        convert("Undecided", "mini")


def test_an_exporter_that_succeeds_at_once_has_no_fallback(convert):
    """Without a failure there is nothing to explain."""
    manifest = convert("Undecided", "spare").manifest
    assert (manifest.exported_by, manifest.fallback) == ("spare", None)


def test_where_every_exporter_fails_each_reason_is_told(convert):
    """The message of ``auto`` names all that was tried."""
    with pytest.raises(ExportError, match=r"mini failed: mini cannot .*; spare failed: spare"):
        convert("Hopeless", "auto")


def test_auto_tries_all_exporters_in_the_order_of_the_framework():
    """The default comes first, and ``auto`` is no exporter itself."""
    info = FrameworkInfo("x", ("dynamo", "torchscript", "auto"), 18, (9, 23), (), "", (), object)
    assert exporters_of(info, "auto") == ("dynamo", "torchscript")
    assert exporters_of(info, "torchscript") == ("torchscript",)
