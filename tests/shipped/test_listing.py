"""Which ONNX files a repository ships: asked over HTTP, of a hub on loopback."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from conformance.cli import main
from conformance.errors import InfraError, LoadError
from conformance.shipped import AuditImpossible, audit, fetch_onnx, shipped_onnx, variant_of
from conformance.shipped.results import results_schema
from conformance.sources.spelling import Remote

pytest.importorskip("huggingface_hub")
sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
from hub_server import Hub, serving
from modelscope_server import ModelScope, serving_modelscope

SCHEMA = json.loads(files("conformance").joinpath("schemas/check.schema.json").read_text("utf-8"))


def test_the_published_schema_is_that_of_the_results():
    """check.schema.json is what the type of the results says, and a valid schema."""
    Draft202012Validator.check_schema(SCHEMA)
    text = json.dumps(results_schema(), indent=2, ensure_ascii=False)
    assert json.loads(text) == SCHEMA, "the results have changed: write this text to the file"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A repository with models of several variants, one with its weights beside it."""
    folder = tmp_path / "remote"
    (folder / "onnx").mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    for name, size in (
        ("onnx/model.onnx", 100),
        ("onnx/model.onnx_data", 5000),
        ("onnx/model_fp16.onnx", 70),
        ("onnx/model_quantized.onnx", 40),
        ("onnx/model_q4f16.onnx", 20),
        ("model.onnx", 300),
    ):
        (folder / name).write_bytes(bytes([7]) * size)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf_home"))
    with serving(Hub("tiny/bert", folder)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def listed(cache_dir, kind="hub", revision=None):
    return shipped_onnx(Remote(kind, "tiny/bert", revision), cache_dir)


def test_files_are_listed_with_variant_and_size(hub, tmp_path):
    """Sizes include external data, variants follow the names, other files are left out."""
    shipped = listed(tmp_path)
    assert shipped.commit == hub.commit
    assert [(f.path, f.variant, f.size_bytes) for f in shipped.files] == [
        ("model.onnx", "fp32", 300),
        ("onnx/model.onnx", "fp32", 5100),
        ("onnx/model_fp16.onnx", "fp16", 70),
        ("onnx/model_q4f16.onnx", "int4 weights, fp16", 20),
        ("onnx/model_quantized.onnx", "int8", 40),
    ]
    assert shipped.has("onnx/model.onnx")
    assert not shipped.has("onnx/other.onnx")
    assert shipped.elsewhere("model.onnx") == ("onnx/model.onnx",)


@pytest.mark.parametrize(
    ("path", "variant"),
    [
        ("model.onnx", "fp32"),
        ("onnx/model_bnb4.onnx", "4-bit weights (bitsandbytes)"),
        ("model_qint8_avx512_vnni.onnx", "int8"),
        ("model_O4.onnx", "optimized, fp16"),
        ("encoder_model_uint8.onnx", "uint8"),
        ("q4-notes/model.onnx", "fp32"),
    ],
)
def test_variants_are_told_by_names(path, variant):
    """The words of a file's own name decide, not those of its folder."""
    assert variant_of(path) == variant


def test_a_file_is_fetched_whole_and_once(hub, tmp_path):
    """Its external data comes along as plain files, and the second time nobody is asked."""
    shipped = listed(tmp_path)
    file = fetch_onnx(shipped, "onnx/model.onnx", tmp_path)
    assert file.read_bytes() == (hub.folder / "onnx/model.onnx").read_bytes()
    assert file.with_name("model.onnx_data").stat().st_size == 5000
    assert not file.is_symlink()
    hub.requests.clear()
    assert fetch_onnx(shipped, "onnx/model.onnx", tmp_path) == file
    assert hub.requests == []


def test_a_damaged_file_is_not_kept(hub, tmp_path):
    """A file whose digest is not the hub's is refused, and fetched anew the next time."""
    shipped = listed(tmp_path)
    hub.damaged.add("model.onnx")
    with pytest.raises(InfraError, match="arrived damaged"):
        fetch_onnx(shipped, "model.onnx", tmp_path)
    hub.damaged.clear()
    assert fetch_onnx(shipped, "model.onnx", tmp_path).stat().st_size == 300


def test_what_is_no_model_is_not_taken_for_one(hub, tmp_path):
    """A pointer that was committed in a file's place is told as such."""
    (hub.folder / "model.onnx").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
    )
    with pytest.raises(LoadError, match="Git LFS pointer"):
        fetch_onnx(listed(tmp_path), "model.onnx", tmp_path)
    with pytest.raises(LoadError, match=r"ships no 'other\.onnx'"):
        fetch_onnx(listed(tmp_path), "other.onnx", tmp_path)


def test_the_command_checks_several_models_and_writes_results(hub, tmp_path, capsys):
    """--models, --model-file and --output: a missing file and an unknown model exit with 1."""
    listed = tmp_path / "models.txt"
    listed.write_text("# ours\ntiny/bert\n\ntiny/bart  # not there\n")
    output = tmp_path / "results.json"
    arguments = ["--onnx-path", "onnx/model_fp16.onnx", "--cache-dir", str(tmp_path)]
    assert main(["check", "--models", "tiny/bert", *arguments, "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "✓ tiny/bert: onnx/model_fp16.onnx shipped" in said
    assert "onnx/model_quantized.onnx: int8, 0 kB" in said
    (result,) = json.loads(output.read_text())["models"]
    assert (result["status"], result["commit"]) == ("shipped", hub.commit)
    assert {f["path"]: f["size_bytes"] for f in result["files"]}["onnx/model.onnx"] == 5100
    assert main(["check", "--model-file", str(listed), *arguments]) == 1
    said = capsys.readouterr().out
    assert "✗ tiny/bart: onnx/model_fp16.onnx error" in said
    assert "check the spelling" in said
    missing = ["check", "--model", "tiny/bert", "--onnx-path", "other/model.onnx"]
    assert main(missing) == 1
    assert "it is there as model.onnx, onnx/model.onnx" in capsys.readouterr().out
    assert main(["check"]) == 2
    assert main(["check", "--model-file", str(tmp_path / "none.txt")]) == 2


@pytest.fixture
def scope(tmp_path, monkeypatch):
    """A ModelScope with one model, which ships an ONNX file with its weights beside it."""
    pytest.importorskip("modelscope_hub")
    folder = tmp_path / "remote"
    (folder / "onnx").mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "onnx" / "model_fp16.onnx").write_bytes(b"7" * 100)
    (folder / "onnx" / "model_fp16.onnx_data").write_bytes(b"7" * 5000)
    monkeypatch.delenv("MODELSCOPE_API_TOKEN", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path / "home"))
    with serving_modelscope(ModelScope("tiny/bert", folder)) as held:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", held.url)
        yield held


def test_modelscope_is_asked_by_its_own_client(scope, tmp_path):
    """Files in folders are listed with their sizes, and fetched whole, once, digests checked."""
    shipped = listed(tmp_path, "modelscope")
    (file,) = shipped.files
    assert (file.path, file.variant, file.size_bytes) == ("onnx/model_fp16.onnx", "fp16", 5100)
    assert shipped.commit is None
    path = fetch_onnx(shipped, file.path, tmp_path)
    assert path.read_bytes() == b"7" * 100
    assert path.with_name("model_fp16.onnx_data").stat().st_size == 5000
    scope.requests.clear()
    assert fetch_onnx(shipped, file.path, tmp_path) == path
    assert scope.fetched() == []
    (scope.folder / "onnx" / "model_fp16.onnx").write_bytes(b"8" * 100)
    assert fetch_onnx(listed(tmp_path, "modelscope"), file.path, tmp_path) != path
    commit = scope.refs[-1]
    assert listed(tmp_path, "modelscope", commit).commit == commit


def test_an_audit_wants_to_know_the_commit(scope, tmp_path):
    """File and weights of a branch could be of two commits, where nobody tells which it names."""
    with pytest.raises(AuditImpossible, match=r"as modelscope:tiny/bert@COMMIT"):
        audit(listed(tmp_path, "modelscope"), "onnx/model_fp16.onnx")


def test_the_command_knows_every_place(scope, tmp_path, capsys):
    """One of repositories is asked; an archive ships no ONNX file, and nobody is asked for it."""
    output = tmp_path / "results.json"
    listed = tmp_path / "models.txt"
    listed.write_text("modelscope:tiny/bert # ours\nkaggle:a/b/c/d/1\nzoo.yaml#bert\n#none\na/b/c")
    found = ["check", "--model-file", str(listed), "--onnx-path", "onnx/model_fp16.onnx"]
    assert main([*found, "--output", str(output), "--cache-dir", str(tmp_path)]) == 1
    results = json.loads(output.read_text())
    Draft202012Validator(SCHEMA).validate(results)
    models = results["models"]
    assert [(m["model_id"], m["status"]) for m in models] == [
        ("modelscope:tiny/bert", "shipped"),
        ("kaggle:a/b/c/d/1", "missing"),
        ("zoo.yaml#bert", "missing"),
        ("a/b/c", "error"),
    ]
    assert "written hf:org/name" in capsys.readouterr().out
