"""``conversion_registry.json``: what is kept, by whom, and what an older one becomes."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from conformance.registry import ConversionRegistry, RegistryEntry, RegistryProblem

TIME = "2025-11-02T10:00:00+00:00"
#: As another program wrote it: no schema version, fields of its own, no outcome.
OLDER = {
    "bert-base-uncased:model.onnx": {
        "model_id": "bert-base-uncased",
        "onnx_path": "model.onnx",
        "local_path": "/models/bert.onnx",
        "conversion_time": "2025-03-01T12:30:00.5",
        "conversion_config": {"opset_version": 12, "dynamic_axes": {"input_ids": {"0": "b"}}},
        "source": "pytorch_conversion",
        "converted_by": "somebody",
    },
    "org/t5:onnx/model.onnx": {"local_path": "/models/t5.onnx", "use_count": 7},
}


def entry(model="org/bert", path="model.onnx", **more):
    fields = {"local_path": "/there/model.onnx", "conversion_time": TIME, **more}
    return RegistryEntry(model, path, **fields)


def data_of(registry):
    return json.loads(registry.path.read_text(encoding="utf-8"))


def test_an_entry_has_the_published_fields(tmp_path):
    """Model id, ONNX path, local path, time, configuration and source are in the file."""
    registry = ConversionRegistry(tmp_path)
    registry.record(entry(conversion_config={"opset_version": 18}))
    assert registry.path.name == "conversion_registry.json"
    (kept,) = data_of(registry)["conversions"].values()
    assert kept["model_id"] == "org/bert"
    assert kept["onnx_path"] == "model.onnx"
    assert kept["local_path"] == "/there/model.onnx"
    assert kept["conversion_time"] == TIME
    assert kept["conversion_config"] == {"opset_version": 18}
    assert kept["source"] == "pytorch_conversion"


def test_uses_are_counted_and_dated(tmp_path):
    """Each use adds one and says when; a new conversion of the same goes on counting."""
    registry = ConversionRegistry(tmp_path)
    key = registry.record(entry()).key
    registry.used(key)
    registry.used(key)
    found = registry.find("org/bert", "model.onnx")
    assert found.use_count == 3
    assert found.last_used > TIME
    assert registry.record(entry()).use_count == 4


def test_a_failure_is_kept_with_its_message(tmp_path):
    """A conversion that failed is an entry with the reason, and no success."""
    registry = ConversionRegistry(tmp_path)
    registry.record(entry(local_path="", conversion_success=False, error_message="fail at export"))
    found = registry.find("org/bert", "model.onnx")
    assert found.conversion_success is False
    assert found.error_message == "fail at export"


def test_another_configuration_is_another_conversion(tmp_path):
    """The same model and file under two configurations are two entries; key order is none."""
    registry = ConversionRegistry(tmp_path)
    registry.record(entry(conversion_config={"a": 1, "b": 2}, local_path="/one"))
    registry.record(entry(conversion_config={"b": 3, "a": 1}, local_path="/two"))
    registry.record(entry(conversion_config={"b": 2, "a": 1}, local_path="/one again"))
    assert len(registry.entries()) == 2
    assert registry.find("org/bert", "model.onnx", {"a": 1, "b": 2}).local_path == "/one again"
    assert registry.find("org/bert", "model.onnx") is None


def test_an_older_registry_is_read_and_kept_without_loss(tmp_path):
    """Every entry and every field of an older file survives; the file itself is put aside."""
    registry = ConversionRegistry(tmp_path)
    before = json.dumps(OLDER)
    registry.path.write_text(before)
    assert [e.model_id for e in registry.entries().values()] == ["bert-base-uncased", "org/t5"]
    assert registry.path.read_text() == before, "reading changes nothing"
    registry.record(entry("org/new"))
    after = data_of(registry)
    assert after["schema_version"] == 1
    assert len(after["conversions"]) == 3
    (bert,) = [e for e in after["conversions"].values() if e["model_id"] == "bert-base-uncased"]
    assert OLDER["bert-base-uncased:model.onnx"].items() <= bert.items()
    (t5,) = [e for e in after["conversions"].values() if e["model_id"] == "org/t5"]
    assert (t5["onnx_path"], t5["use_count"]) == ("onnx/model.onnx", 7)
    aside = registry.path.with_name("conversion_registry.json.v0")
    assert aside.read_text() == before


def test_an_older_list_is_read(tmp_path):
    """A registry that is a list of entries is one, too."""
    registry = ConversionRegistry(tmp_path)
    registry.path.write_text(json.dumps([OLDER["bert-base-uncased:model.onnx"]]))
    (found,) = registry.entries().values()
    assert found.conversion_config["opset_version"] == 12
    assert found.extra == {"converted_by": "somebody"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ('"text"', "it holds a str"),
        ('{"a:b": 3}', "entry a:b is a int"),
        ('{"conversions": {"model_id": 3}}', "entry conversions"),
        ('{"schema_version": 2, "conversions": {}}', "upgrade"),
        ('[{"model_id": "a", "onnx_path": "b"}]', "entry number 1: 'local_path' is no text"),
    ],
)
def test_a_damaged_registry_is_never_overwritten(tmp_path, content, said):
    """What cannot be read is an error that names the file and the entry; it stays as it was."""
    registry = ConversionRegistry(tmp_path)
    registry.path.write_text(content)
    with pytest.raises(RegistryProblem, match=said):
        registry.record(entry())
    assert registry.path.read_text() == content


def _use(folder):
    registry = ConversionRegistry(folder)
    for _ in range(10):
        registry.used("org/bert:model.onnx")


def test_processes_do_not_lose_each_others_uses(tmp_path):
    """Four processes that count at the same time count all their uses."""
    ConversionRegistry(tmp_path).record(entry())
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        list(pool.map(_use, [tmp_path] * 4))
    assert ConversionRegistry(tmp_path).find("org/bert", "model.onnx").use_count == 41


def test_a_removed_model_is_forgotten(tmp_path):
    """Removal takes every conversion of the model, and no other model's."""
    registry = ConversionRegistry(tmp_path)
    registry.record(entry())
    registry.record(entry(conversion_config={"a": 1}))
    registry.record(entry("org/other"))
    assert len(registry.remove("org/bert")) == 2
    assert [e.model_id for e in registry.entries().values()] == ["org/other"]
