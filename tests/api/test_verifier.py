"""The ONNX file of a hub model by the seeds' names: shipped, converted, failed; and the manager."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from conformance.api import (
    ModelManager,
    ModelOptimizer,
    ModelQuantizer,
    OnnxConversionError,
    OnnxVerificationError,
    OnnxVerifier,
    PyTorchConverter,
    PyTorchToOnnxConverter,
    TensorFlowConverter,
    result_fields,
    verify_and_get_onnx_model,
)
from conformance.detection import Wishes
from conformance.registry import ConversionRegistry, store_result, update_schema
from conformance.single import Step

pytest.importorskip("skl2onnx")
pytest.importorskip("huggingface_hub")
sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
from hub_server import Hub, serving

#: As people write it for BERT, at an opset that the exporter has.
CONFIG = {
    "model_type": "bert",
    "opset_version": 18,
    "input_shapes": {"batch_size": 1, "sequence_length": 12},
    "input_names": ["input_ids", "attention_mask"],
    "output_names": ["tokens", "pooled"],
    "dynamic_axes": {
        "input_ids": {0: "batch_size", 1: "sequence_length"},
        "attention_mask": {0: "batch_size", 1: "sequence_length"},
        "tokens": {0: "batch_size", 1: "sequence_length"},
    },
}


@pytest.fixture(autouse=True)
def _shared_processes(kept_children, monkeypatch):
    """Conversions that bring no executor take that of the session."""
    monkeypatch.setattr("conformance.single.converting.children", lambda _: kept_children)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A repository that ships one ONNX file; the environment points at it."""
    folder = tmp_path / "remote"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.onnx").write_bytes(b"what is in it nobody asks here")
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf_home"))
    with serving(Hub("tiny/bert", folder)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture(scope="module")
def estimators(tmp_path_factory):
    """Two local models: one that converts, one whose export fails."""
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("estimators")
    x, y = load_iris(return_X_y=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(x, y), folder / "iris.joblib")
    joblib.dump(HistGradientBoostingClassifier(max_iter=3).fit(x, y), folder / "boosting.joblib")
    return folder


def test_a_shipped_file_is_the_original(hub, tmp_path):
    """The file of the repository is downloaded and nothing is converted."""
    path, was_converted = verify_and_get_onnx_model("tiny/bert", "model.onnx", cache_dir=tmp_path)
    assert was_converted is False
    assert Path(path).read_bytes() == (hub.folder / "model.onnx").read_bytes()
    assert ConversionRegistry(tmp_path).entries() == {}
    assert result_fields(path, was_converted=False) == {
        "onnx_source": "huggingface",
        "onnx_conversion_status": "original",
        "onnx_conversion_time": None,
        "onnx_local_path": None,
    }


def test_verification_tells_presence_from_trouble(hub, tmp_path):
    """A file that is not there is False; a model or a hub that is not there is an error."""
    verifier = OnnxVerifier(cache_dir=tmp_path)
    assert verifier.verify_onnx_file("tiny/bert", "model.onnx") is True
    assert verifier.verify_onnx_file("tiny/bert", "onnx/model.onnx") is False
    with pytest.raises(OnnxVerificationError, match="check the spelling"):
        verifier.verify_onnx_file("tiny/bart", "model.onnx")
    hub.broken = 503
    with pytest.raises(OnnxVerificationError, match="answered 503"):
        verifier.verify_onnx_file("tiny/bert", "model.onnx")


def test_a_configuration_that_cannot_be_met_is_told_before_the_hub_is_asked(hub, tmp_path):
    """A misspelt key of conversion_config fails whether or not a conversion would be needed."""
    with pytest.raises(OnnxConversionError, match="no key 'opset'"):
        verify_and_get_onnx_model("tiny/bert", "model.onnx", {"opset": 18}, cache_dir=tmp_path)
    assert hub.requests == []


def test_a_missing_file_is_converted_by_the_configuration(hub, tmp_path):
    """Names, axes and opset of conversion_config are the graph's; the next call reuses it."""
    transformers = pytest.importorskip("transformers")
    import onnx
    import torch

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=32, initializer_range=0.3,
    )  # fmt: skip
    (hub.folder / "model.onnx").unlink()
    transformers.BertModel(config).eval().save_pretrained(hub.folder)
    asked = ("tiny/bert", "onnx/model.onnx", CONFIG)
    path, was_converted = verify_and_get_onnx_model(*asked, cache_dir=tmp_path)
    assert was_converted is True
    model = onnx.load(path)
    assert [o.version for o in model.opset_import if not o.domain] == [18]
    assert [i.name for i in model.graph.input] == ["input_ids", "attention_mask"]
    assert [o.name for o in model.graph.output] == ["tokens", "pooled"]
    shape = model.graph.input[0].type.tensor_type.shape
    assert [d.dim_param for d in shape.dim] == ["batch_size", "sequence_length"]
    assert verify_and_get_onnx_model(*asked, cache_dir=tmp_path) == (path, True)
    (entry,) = ConversionRegistry(tmp_path).entries().values()
    assert entry.use_count == 2
    assert (entry.opset_version, entry.verification_status) == (18, "pass")
    assert entry.conversion_config["output_names"] == ["tokens", "pooled"]


def test_a_failed_conversion_is_registered_with_its_message(estimators, tmp_path):
    """The error carries the evidence, and the registry keeps why."""
    converter = PyTorchToOnnxConverter(tmp_path, wishes=Wishes(allow_pickle=True))
    with pytest.raises(OnnxConversionError, match="fail at export") as caught:
        converter.convert_model(str(estimators / "boosting.joblib"), "model.onnx")
    assert caught.value.certificate.verdict == "fail"
    (entry,) = converter.registry.entries().values()
    assert entry.conversion_success is False
    assert "skl2onnx cannot convert" in entry.error_message
    assert entry.verification_status == "fail"


def test_the_manager_converts_finds_lists_and_removes(estimators, tmp_path):
    """A collection knows its models, how often they were used, and takes their files with them."""
    told = []
    manager = ModelManager(tmp_path, progress=told.append)
    name = str(estimators / "iris.joblib")
    assert manager.get(name) is None
    made = manager.convert(name, wishes=Wishes(allow_pickle=True))
    assert made.path.is_file()
    assert made.verdict == "pass"
    assert Step.EXPORT in {p.step for p in told}
    assert manager.convert(name).path == made.path, "a conversion that is there is not made again"
    assert manager.get(name) == made.path
    (listed,) = manager.list()
    assert (listed.model_id, listed.use_count) == (name, 3)
    assert manager.remove(name) == 1
    assert not made.path.exists()
    assert manager.list() == []
    assert manager.remove(name) == 0


def test_a_conversion_is_reused_for_what_it_is_and_nothing_else(estimators, tmp_path):
    """Another variant, and a local file that was written since, are other conversions."""
    file = tmp_path / "iris.joblib"
    shutil.copy(estimators / "iris.joblib", file)
    manager = ModelManager(tmp_path / "cache")
    trusted = Wishes(allow_pickle=True)
    made = manager.convert(str(file), wishes=trusted)
    opset = manager.convert(str(file), wishes=Wishes(allow_pickle=True, opset=18))
    assert opset.path != made.path
    assert {(m.path, m.use_count) for m in manager.list()} == {(made.path, 1), (opset.path, 1)}
    before = made.path.read_bytes()
    shutil.copy(estimators / "boosting.joblib", file)
    with pytest.raises(OnnxConversionError, match="fail at export"):
        manager.convert(str(file), wishes=trusted)
    assert made.path.read_bytes() == before


def test_a_benchmarks_result_says_where_its_model_is_from(estimators, tmp_path):
    """From the conversion to the row: source, status, the certificate's time and the path."""
    duckdb = pytest.importorskip("duckdb")
    made = ModelManager(tmp_path).convert(
        str(estimators / "iris.joblib"), wishes=Wishes(allow_pickle=True)
    )
    fields = result_fields(made.path, was_converted=True)
    issued = json.loads(made.path.with_name("certificate.json").read_text())["issued"]
    assert fields["onnx_conversion_time"] == issued
    database = tmp_path / "benchmark.duckdb"
    update_schema(database, tmp_path / "conversion_registry.json")
    store_result(database, {"model_id": made.model_id} | fields)
    with duckdb.connect(str(database)) as connection:
        found = connection.execute(
            "SELECT onnx_source, onnx_conversion_status, onnx_conversion_time::VARCHAR, "
            "onnx_local_path, get_onnx_status(model_id) FROM performance_results"
        ).fetchall()
    time = issued.replace("T", " ").removesuffix("+00:00")
    assert found == [("pytorch_conversion", "converted", time, str(made.path), "converted")]
    original = result_fields("x.onnx", was_converted=False, shipped_by="modelscope")
    assert original["onnx_source"] == "modelscope"
    assert result_fields("x.onnx", was_converted=True)["onnx_conversion_time"] is None


def test_what_another_tool_registered_is_used_and_counted(hub, tmp_path):
    """A registry of before serves the model that it knows, and goes on counting from there."""
    (hub.folder / "model.onnx").unlink()
    file = tmp_path / "theirs.onnx"
    file.write_bytes(b"a model")
    older = {"tiny/bert:model.onnx": {"local_path": str(file), "use_count": 7}}
    registry = ConversionRegistry(tmp_path)
    registry.path.write_text(json.dumps(older))
    found = verify_and_get_onnx_model("hf:tiny/bert", "model.onnx", cache_dir=tmp_path)
    assert found == (str(file), True)
    assert registry.find("tiny/bert", "model.onnx").use_count == 8
    assert json.loads(registry.path.with_name(f"{registry.path.name}.v0").read_text()) == older


def test_a_revision_is_part_of_a_models_name(hub, tmp_path):
    """What is asked for at one revision is not answered with what was made of another."""
    (hub.folder / "model.onnx").unlink()
    (hub.folder / "config.json").write_text("{}")
    (hub.folder / "model.safetensors").write_bytes(b"none")
    for wishes, name in ((Wishes(revision="v1"), "hf:tiny/bert"), (None, "tiny/bert@main")):
        verifier = OnnxVerifier(tmp_path, wishes=wishes)
        with pytest.raises(OnnxConversionError):
            verifier.get_onnx_model(name)
    names = [entry.model_id for entry in ConversionRegistry(tmp_path).entries().values()]
    assert names == ["tiny/bert@v1", "tiny/bert@main"]
    assert any(request.endswith("/revision/v1") for request in hub.requests)


def test_the_manager_pulls_from_the_hub(hub, tmp_path):
    """Pulling gives a folder of plain files; what the hub does not have is the API's error."""
    (hub.folder / "model.safetensors").write_bytes(b"weights")
    told = []
    folder = ModelManager(tmp_path).pull("tiny/bert", progress=told.append)
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert [p.step for p in told] == [Step.DOWNLOAD] * 2
    with pytest.raises(OnnxVerificationError, match="shows no model"):
        ModelManager(tmp_path).pull("tiny/none")


def test_converters_say_what_they_support(tmp_path):
    """A converter is asked before it is used, and loads nothing for it."""
    for name in ("net.pt", "net.keras", "forest.skops"):
        (tmp_path / name).write_bytes(b"?")
    pytorch, tensorflow = PyTorchConverter(tmp_path), TensorFlowConverter(tmp_path)
    assert pytorch.supports(str(tmp_path / "net.pt"))
    assert pytorch.supports("org/name")
    assert not pytorch.supports(str(tmp_path / "net.keras"))
    assert tensorflow.supports(str(tmp_path / "net.keras"))
    assert not tensorflow.supports(str(tmp_path / "forest.skops"))
    assert not tensorflow.supports(str(tmp_path / "nothing.txt"))


def test_optimizer_and_quantizer_make_the_engines_variants(estimators, tmp_path):
    """Each stands for variants of its kind, refuses others, and gives a proven model."""
    for kind, wrong in ((ModelOptimizer, "fp16"), (ModelQuantizer, "optimized-ort")):
        with pytest.raises(OnnxConversionError, match=f"unknown variant '{wrong}'"):
            kind(wrong)
    assert ModelQuantizer().variant == "int8-dynamic"
    made = ModelOptimizer("optimized-onnxscript", tmp_path)
    zoo = tmp_path / "zoo.yaml"
    zoo.write_text(
        "models:\n"
        "  - id: iris\n    framework: sklearn\n"
        "    source: {path: iris.joblib, allow_pickle: true}\n"
        "    inputs: {spec: {x: {shape: [n, 4], fill: uniform, high: 8}}, sets: [{n: 9}, {n: 5}]}\n"
    )
    shutil.copy(estimators / "iris.joblib", tmp_path)
    done = made.optimize(str(zoo), tmp_path / "out")
    assert done.certificate.variant == "optimized-onnxscript"
    assert done.model.is_file()
