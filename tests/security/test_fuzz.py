"""Arbitrary and damaged files through every reader: only its own kind of error comes out.

Derandomized, so that a run proves the same today and tomorrow. ``CONFORMANCE_FUZZ_EXAMPLES``
asks for more, at random.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hostile_models import manifest_of, put_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.bundle import digest_files, read_bundle
from conformance.entry import Conversion
from conformance.errors import CorruptBundle, HistoryError
from conformance.history import RunWriter, read_run
from conformance.model import (
    FrameworkInfo,
    Record,
    RunFooter,
    RunHeader,
    RunPlan,
    Stage,
    TestKind,
    TestRef,
    Verdict,
    to_json,
)
from conformance.onnx_files import read_model
from conformance.zoo import ZooError, read_zoo

EXAMPLES = int(os.environ.get("CONFORMANCE_FUZZ_EXAMPLES", "0"))
fuzz = settings(
    max_examples=EXAMPLES or 150,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
#: What readers stumble over: signs of YAML and JSON, odd numbers, odd characters, links.
TOKENS = st.sampled_from(
    [
        *(b"{", b"}", b"[", b"]", b":", b",", b'"', b"- ", b"\n", b"\t", b"&a ", b"*a", b"<<: "),
        *(b"!!python/x ", b"null", b"true", b"NaN", b"1e999", b"-1", b"9" * 5000, b"[" * 100_000),
        *(b"\x00", b"\xff", b"\xff\x01", b"\xef\xbb\xbf", b"\\ud800", "\u202e".encode()),
        *(b"../", b"/etc/passwd"),
    ]
)


@st.composite
def damaged(draw, whole: bytes):
    """A valid file with up to six cuts, insertions, repetitions and changed bytes."""
    data = whole
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        middle = draw(TOKENS | st.binary(max_size=6) | st.just(data[start:end] * 2))
        data = data[:start] + middle + data[end:]
    return data if draw(st.booleans()) else data[: draw(st.integers(0, len(data)))]


#: Stands for lists in lists, more than Python's stack can take.
DEEP = "<deep>"
#: Values for any place of a JSON file.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([DEEP, "../..", "a/b", "", "\ud800", 2**70, -1, [], {}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@st.composite
def altered(draw, whole: str):
    """Valid JSON in which one value, at any depth, is another."""
    root = json.loads(whole)
    node = root
    while True:
        keys = sorted(node) if isinstance(node, dict) else range(len(node))
        key = draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or draw(st.booleans()):
            break
        node = node[key]
    node[key] = draw(VALUES)
    return json.dumps(root).replace(f'"{DEEP}"', "[" * 5000 + "]" * 5000).encode()


TENSORS = ("test_data_set_0/input_0.pb", "test_data_set_0/output_0.pb")
ZOO = b"""version: 1
defaults: &d
  framework: pytorch
models:
- id: first
  source: {factory: "a.b:c", args: {size: 3}}
  inputs:
    spec: {x: {shape: [batch, 3], dtype: float32}}
    sets: [{batch: 2}, {batch: 3}]
  expect: {stage: parity, reason: known, match: "a.*b", expires: 2027-01-31}
- id: second
  source: {architecture: BertModel, config: {layers: 2}}
  inputs: {factory: "a.b:c"}
  tags: [full, "vision"]
"""
FRAMEWORKS = {"pytorch": FrameworkInfo("pytorch", ("e",), 18, (9, 25), (), "", (), Conversion)}
HEADER = RunHeader(
    id="r1",
    started="2026-11-21T09:20:00+00:00",
    commit=None,
    machine={"cores": 2},
    versions={"onnx": "1.23.2"},
    seed=0,
    zoos=("zoo.yaml",),
    command="pytest --zoo zoo.yaml",
    zoo_cases=(),
)
CASE = "pytorch/cnn@dynamo-op18-fp32"
REF = TestRef(
    test=TestKind.EXPORT,
    id=CASE,
    case=CASE,
    model="cnn",
    framework="pytorch",
    task=None,
    tags=(),
    exporter="dynamo",
    opset=18,
    variant="fp32",
    provider=None,
    repro="pytest",
)
RECORD = Record(
    ref=REF,
    verdict=Verdict.FAIL,
    stage=Stage.CHECK,
    reason="it differs",
    started="2026-11-21T09:23:50+00:00",
    duration_s=1.5,
)


@pytest.fixture(scope="module")
def place():
    """A folder for the files of this module; hypothesis would not make one per example."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def bundle(place):
    """A whole bundle; each example puts one file of it in another's place, and back."""
    return put_bundle(place / "bundle")


@pytest.fixture(scope="module")
def run_file(place):
    """A whole run: header, plan, record and footer."""
    writer = RunWriter(place, HEADER)
    writer.plan(RunPlan((REF,)))
    writer.append(RECORD)
    writer.close(RunFooter("2026-11-21T09:30:00+00:00", "finished", 0))
    assert len(read_run(place / "runs" / "r1.jsonl").records) == 1
    return place / "runs" / "r1.jsonl"


def read_whole(bundle):
    """All that a replay reads of a bundle."""
    found = read_bundle(bundle)
    read_model(found.model_path)
    for _ in found.data_sets():
        pass
    for probe in found.manifest.probes:
        found.probe(probe)


@fuzz
@given(st.data())
def test_a_bundle_reader_raises_only_its_own_error(bundle, data):
    """Its manifest as any bytes, damaged, or valid JSON with any other value in it."""
    manifest = bundle / "bundle.json"
    whole = manifest.read_bytes()
    fuzzed = st.binary(max_size=200) | damaged(whole) | altered(whole.decode())
    try:
        manifest.write_bytes(data.draw(fuzzed))
        with suppress(CorruptBundle):
            read_whole(bundle)
    finally:
        manifest.write_bytes(whole)


@fuzz
@given(st.data())
def test_a_reader_of_tensors_and_models_raises_only_its_own_error(bundle, data):
    """Files whose digests are right, as whoever makes a bundle to do harm would see to."""
    name = data.draw(st.sampled_from(["model.onnx", *TENSORS]))
    file, manifest = bundle / name, bundle / "bundle.json"
    kept = {path: path.read_bytes() for path in (file, manifest)}
    try:
        file.write_bytes(data.draw(st.binary(max_size=200) | damaged(kept[file])))
        told = {**manifest_of(bundle), "files": to_json(digest_files(bundle))}
        manifest.write_text(json.dumps(told))
        with suppress(CorruptBundle):
            read_whole(bundle)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


@fuzz
@given(st.data())
def test_a_record_reader_raises_only_its_own_error(run_file, data):
    """A run's lines in any state, as a machine that died or a stranger may leave them."""
    whole = run_file.read_bytes()
    lines = whole.splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    lines[number] = data.draw(altered(lines[number].decode()))
    fuzzed = st.binary(max_size=200) | damaged(whole) | st.just(b"\n".join(lines))
    try:
        run_file.write_bytes(data.draw(fuzzed))
        with suppress(HistoryError):
            read_run(run_file)
    finally:
        run_file.write_bytes(whole)


@fuzz
@given(content=st.binary(max_size=200) | damaged(ZOO))
def test_a_zoo_reader_raises_only_its_own_error(place, content):
    """A zoo file as any bytes, or a valid one that was damaged."""
    file = place / "zoo.yaml"
    file.write_bytes(content)
    with suppress(ZooError):
        read_zoo([file], FRAMEWORKS).cases()


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"kind":"record","ref":' + b"[" * 100_000])
def test_a_line_that_nests_without_end_is_damaged_like_any_other(run_file, line):
    """It takes more stack than Python has; the run's other lines are still read."""
    whole = run_file.read_bytes()
    try:
        run_file.write_bytes(whole + line + b"\n")
        assert read_run(run_file).damaged_lines == 1
        run_file.write_bytes(line + b"\n" + whole)
        with pytest.raises(HistoryError, match="no readable header"):
            read_run(run_file)
    finally:
        run_file.write_bytes(whole)


def test_what_is_damaged_here_is_valid_before(bundle, place):
    """Else the tests above would try nothing but the readers' first lines."""
    read_whole(bundle)
    (place / "whole.yaml").write_bytes(ZOO)
    assert len(read_zoo([place / "whole.yaml"], FRAMEWORKS).cases()) == 2
