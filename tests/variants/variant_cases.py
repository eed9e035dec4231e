"""The bundle of a small network, and its variants, made and proven in this process."""

from __future__ import annotations

from dataclasses import replace

import pytest
from zoo_cases import located

from conformance.evidence import ParityReport
from conformance.execution.progress import Progress
from conformance.model import from_json, to_json
from conformance.pipeline import convert, prove
from conformance.variants import missing_for
from conformance.varying import vary

ADAPTER = "miniature_variants:Layered"
TASK = "image-classification"


def case_of(**more):
    """The base's case of an entry."""
    return located(ADAPTER, task=TASK, **more)


def make_base(folder, **more):
    """Convert the network into the new folder ``folder``; its case."""
    case = case_of(**more)
    folder.mkdir()
    payload = {
        "case": to_json(case.case),
        "zoo_dir": str(case.zoo_dir),
        "cache_dir": str(folder.parent),
        "offline": True,
        "seed": 0,
        "out": str(folder),
    }
    convert(payload, progress(folder.parent))
    return case


def make_variant(name, base, out, case=None):
    """Leave a variant of the bundle ``base`` in the new folder ``out``; skip without its tool."""
    if missing := missing_for(name):
        pytest.skip(missing)
    case = case or case_of()
    out.mkdir()
    payload = {
        "case": to_json(replace(case.case, variant=name)),
        "base": str(base),
        "lasting": True,
        "out": str(out),
        "zoo_dir": str(case.zoo_dir),
        "seed": 0,
    }
    vary(payload, progress(out.parent))
    return out


def proven(bundle, **more):
    """The parity of a bundle, by the entry with ``more`` in it."""
    entry = to_json(case_of(**more).case.entry)
    found = prove(
        {"bundle": str(bundle), "provider": "cpu", "entry": entry}, progress(bundle.parent)
    )
    return from_json(ParityReport, found["parity"])


def progress(folder):
    return Progress(folder / "progress.json", "variant")
