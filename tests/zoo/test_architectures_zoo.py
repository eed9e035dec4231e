"""The zoo of Transformers' architectures, and the page that shows a run of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conformance import pipeline
from conformance.adapters import catalog
from conformance.evidence import ParityReport
from conformance.execution.progress import Progress
from conformance.judging import parity_failure
from conformance.model import from_json, to_json
from conformance.zoo import read_zoo

ROOT = Path(__file__).parents[2]
ZOO = ROOT / "zoos" / "architectures.yaml"


@pytest.fixture(scope="module")
def cases():
    return {located.case.entry.id: located for located in read_zoo([ZOO], catalog()).cases()}


def test_the_zoo_is_as_broad_as_promised(cases):
    """At least sixty architectures, with every type and kind that has to be there."""
    entries = [located.case.entry for located in cases.values()]
    architectures = {entry.source.architecture for entry in entries}
    assert len(architectures) >= 60
    for kind in ("Bert", "T5", "GPT2", "ViT", "CLIPText", "CLIPVision", "Whisper", "Wav2Vec2"):
        assert any(name.startswith(kind) for name in architectures)
    tags = {tag for entry in entries for tag in entry.tags}
    assert tags >= {"encoder", "decoder", "encoder_decoder", "vision", "audio", "multimodal"}
    assert sum("generation" in entry.tags for entry in entries) >= 4


def test_the_page_shows_just_this_zoo(cases):
    """Every case has its row, and a known failure in the zoo is one in the table."""
    page = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
    shown = {
        name: glyph for glyph, name in re.findall(r"^\| (\S+) \| `(\S+)` \|", page, re.MULTILINE)
    }
    wanted = {name: "≈" if located.case.entry.expect else "✓" for name, located in cases.items()}
    assert shown == wanted


@pytest.mark.filterwarnings("ignore")
def test_an_architecture_of_the_zoo_passes(cases, tmp_path):
    """CLIP's text model, taken from the zoo as it stands, is converted and proven."""
    pytest.importorskip("transformers")
    located, out = cases["CLIPTextModel"], tmp_path / "bundle"
    out.mkdir()
    progress = Progress(tmp_path / "progress.json", "CLIPTextModel")
    payload = {
        "case": to_json(located.case),
        "zoo_dir": str(ZOO.parent),
        "cache_dir": str(tmp_path),
        "offline": True,
        "seed": 0,
        "out": str(out),
    }
    pipeline.convert(payload, progress)
    entry = to_json(located.case.entry)
    found = pipeline.prove({"bundle": str(out), "provider": "cpu", "entry": entry}, progress)
    assert parity_failure(from_json(ParityReport, found["parity"])) is None
