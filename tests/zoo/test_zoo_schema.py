"""The JSON Schema agrees with the reader, and the published one is current."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from conformance.adapters import catalog
from conformance.zoo import read_zoo
from conformance.zoo.parsing import parse
from conformance.zoo.schema import zoo_schema

FULL = """\
version: 1
defaults:
  framework: sklearn
  inputs: {factory: "a:c", args: {n: 3}}
gate:
  coverage: 0.95
  latency: off
  size: 1.1
  accepted: [{rule: size, model: "cnn*", reason: a wider head, expires: 2027-01-31}]
models:
  - id: tree
    source: {path: tree.skops}
    conversion: {zipmap: true}
    expect: {stage: parity, reason: ties, link: "https://example.org/1"}
  - id: cnn
    framework: pytorch
    source: {factory: "a:b", args: {width: 3}}
    task: image-classification
    tags: [full]
    inputs:
      spec:
        x: {dtype: float32, shape: [n, 3], fill: uniform, low: -1, high: 1e-3}
      sets: [{n: 1}, {n: 2}]
    dynamic: {y: {0: m}}
    exporters: [dynamo, torchscript]
    opsets: [17, 18]
    variants: [fp32]
    providers: [cpu, cuda]
    conversion: {optimize: false, input_names: [x]}
    tolerance: {rtol: 1e-3, atol: 0, reason: fp16 inside}
    expect: [{stage: session, reason: x, exporter: torchscript, provider: cpu, expires: 2027-01-31}]
    constant_outputs: {bias: a parameter}
    mutation: {max_missed_rate: 0.5, reason: many dead units}
    timeout: 60
    requires: ["timm>=1"]
  - id: own
    framework: my.adapters:Jax
    source: {hub: org/name, revision: main}
    inputs: {files: [a.npz, b.npz]}
    exporters: [jax2onnx]
    opsets: [99]
    conversion: {anything: goes}
"""


@pytest.fixture(scope="module")
def check():
    """Errors that jsonschema finds in zoo text."""
    from small_frameworks import FRAMEWORKS

    validator = Draft202012Validator(zoo_schema(FRAMEWORKS))
    return lambda text: list(validator.iter_errors(parse(text)[0].value))


def test_the_schema_is_valid_and_named(frameworks):
    """The schema is itself valid against its dialect and says what it is."""
    schema = zoo_schema(frameworks)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "https://pytest-onnx-conformance.github.io/schemas/zoo-1.json"
    assert schema["title"]


def test_what_the_reader_accepts_the_schema_accepts(check, write, frameworks):
    """A zoo that uses every key is valid for both."""
    assert len(read_zoo([write(FULL)], frameworks).entries) == 3
    assert check(FULL) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("defaults:", "default:"),
        ("    task:", "    tsak:"),
        ("fill:", "fil:"),
        ("zipmap", "zipmaps"),
        ("optimize", "zipmap"),
        ("framework: pytorch", "framework: pytroch"),
        ("[dynamo, torchscript]", "[skl2onnx]"),
        ("[17, 18]", "[17, 180]"),
        ("[17, 18]", "17 to 18"),
        ("[fp32]", "[fp23]"),
        ("[cpu, cuda]", "[cpu, cdua]"),
        ("stage: parity", "stage: party"),
        ("    source: {path: tree.skops}\n", ""),
        ("  framework: sklearn\n", ""),
        ("version: 1", "version: 2"),
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(right, wrong, check, problems_of):
    """Misspelt keys, unknown names and missing keys are errors for both."""
    text = FULL.replace(right, wrong, 1)
    assert text != FULL
    assert problems_of(text)
    assert check(text)


def test_every_key_is_described(frameworks):
    """Editors have a sentence to show for each key of an entry but the two plain ones."""
    entry = zoo_schema(frameworks)["$defs"]["ZooEntry"]
    silent = {key for key, part in entry["properties"].items() if "description" not in part}
    assert silent <= {"source", "inputs", "tolerance"}


def test_the_published_schema_is_current():
    """The schema in the package is the one that today's code makes."""
    published = files("conformance").joinpath("schemas/zoo.schema.json").read_text("utf-8")
    assert json.loads(published) == zoo_schema(catalog()), (
        "out of date; refresh it: conformance zoo schema > conformance/schemas/zoo.schema.json"
    )
