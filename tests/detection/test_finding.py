"""What a name stands for, told without reading a model or asking a network."""

from __future__ import annotations

import json

import pytest

from conformance.adapters import catalog
from conformance.detection import Undetected, canonical_name, find, not_here
from conformance.sources.spelling import Remote

FRAMEWORKS = catalog()
ZOO = """\
defaults: {framework: sklearn, inputs: {spec: {x: {shape: [2, 3]}}}}
models:
  - {id: forest, source: {factory: "a:forest"}}
  - {id: pca, source: {factory: "a:pca"}}
"""


def found(path, framework=None):
    return find(str(path), FRAMEWORKS, framework)


def write(folder, **files):
    """A folder of such files; `_` in a name stands for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        *stem, ending = name.split("_")
        file = folder / f"{'_'.join(stem)}.{ending}"
        text = json.dumps(content) if isinstance(content, dict) else content
        file.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "framework", "needs"),
    [
        ("digits.keras", "tensorflow", ()),
        ("digits.h5", "tensorflow", ()),
        ("digits.pt", "pytorch", ()),
        ("digits.PTH", "pytorch", ()),
        ("digits.pt2", "pytorch", ("allow_pickle",)),
        ("forest.skops", "sklearn", ()),
        ("forest.joblib", "sklearn", ("allow_pickle",)),
    ],
)
def test_a_file_is_told_by_its_name(tmp_path, name, framework, needs):
    """Each format belongs to a framework; what runs code when it is read has to be allowed."""
    (tmp_path / name).write_bytes(b"?")
    named = found(tmp_path / name)
    assert (named.framework, named.needs) == (framework, needs)
    assert named.source == {"path": name}
    assert named.zoo_dir == tmp_path
    assert name in named.told[0]


def test_a_folder_is_told_by_what_is_in_it(tmp_path):
    """config.json with a model_type, saved_model.pb and a single model file each decide."""
    bert = write(tmp_path / "bert", config_json={"model_type": "bert"}, model_safetensors="")
    write(bert, tf_model_h5="", pytorch_model_bin="")
    assert found(bert).framework == "transformers"
    assert found(bert / "config.json").source == {"path": "bert"}
    assert found(bert / "model.safetensors").framework == "transformers"
    assert found(write(tmp_path / "saved", saved_model_pb="")).framework == "tensorflow"
    one = found(write(tmp_path / "one", digits_keras="", notes_txt=""))
    assert (one.framework, one.source) == ("tensorflow", {"path": "digits.keras"})


def test_a_modelscope_folder_is_read_as_what_it_holds(tmp_path):
    """configuration.json beside a Transformers model is noted; alone it says what it lacks."""
    both = write(
        tmp_path / "both",
        config_json={"model_type": "bert"},
        configuration_json={"framework": "pytorch", "task": "fill-mask"},
    )
    named = found(both)
    assert named.framework == "transformers"
    assert any("ModelScope" in line for line in named.told)
    alone = write(tmp_path / "alone", configuration_json={"framework": "pytorch", "task": "ocr"})
    with pytest.raises(Undetected, match="says framework 'pytorch', task 'ocr', but no file"):
        found(alone)


def test_a_torch_hub_folder_is_built_by_the_function_that_is_named(tmp_path):
    """It is the zoo's torch_hub source; a function that is the only one need not be named."""
    folder = write(tmp_path / "repo", hubconf_py="def tiny(): ...")
    named = found(f"{folder}#tiny")
    assert named.source == {"torch_hub": "./repo", "entrypoint": "tiny"}
    assert named.needs == ("trust_remote_code",)
    assert named.zoo_dir == tmp_path
    only = found(folder / "hubconf.py")
    assert only.source == named.source
    assert "whose only function, 'tiny'" in only.told[0]
    write(folder, hubconf_py="if True:\n def tiny(): ...\ndef large(): ...\nclass Net: ...")
    with pytest.raises(Undetected, match=rf"as {folder}#tiny \(there are tiny, large\)"):
        found(folder)
    other = write(tmp_path / "other", digits_keras="")
    with pytest.raises(Undetected, match="'#tiny' means nothing for"):
        found(f"{other}#tiny")
    write(folder, hubconf_py="def tiny(:")
    with pytest.raises(Undetected, match=r"hubconf\.py' cannot be read"):
        found(folder)


def test_several_models_are_not_guessed_between(tmp_path):
    """A folder that could be two things is an error that names both, until one is said."""
    folder = write(tmp_path / "both", saved_model_pb="", digits_pt="")
    with pytest.raises(Undetected, match=r"pytorch: 'digits\.pt'.*--framework"):
        found(folder)
    assert found(folder, "pytorch").source == {"path": "digits.pt"}
    with pytest.raises(Undetected, match="a model of pytorch or tensorflow, not of 'sklearn'"):
        found(folder, "sklearn")
    code = write(tmp_path / "code", hubconf_py="def net(): ...", weights_pt="")
    with pytest.raises(Undetected, match=r"pytorch: 'hubconf\.py'; pytorch: 'weights\.pt'"):
        found(code)
    assert found(f"{code}#net").source["entrypoint"] == "net"
    twice = write(tmp_path / "twice", a_pt="", b_pt="")
    with pytest.raises(Undetected, match="name one of the files"):
        found(twice)


@pytest.mark.parametrize(
    ("files", "name", "said"),
    [
        ({"notes_txt": ""}, "notes.txt", "no model file that is known"),
        ({"model_onnx": ""}, "model.onnx", "ONNX already"),
        ({"w_safetensors": ""}, "w.safetensors", "holds weights and no model"),
        ({"config_json": {"hidden_size": 4}}, "", "names no 'model_type'"),
        ({"config_json": "{"}, "", "cannot be read"),
        ({}, "", "holds no model"),
        ({}, "gone.pt", "there is no file or folder"),
    ],
)
def test_what_is_no_model_is_told_with_the_next_step(tmp_path, files, name, said):
    """Each dead end is an error of its own."""
    folder = write(tmp_path / "there", **files)
    with pytest.raises(Undetected, match=said):
        found(folder / name)


def test_a_manifest_says_everything(tmp_path):
    """One of its entries is named by id; several without one, and an unknown one, are errors."""
    file = tmp_path / "zoo.yaml"
    file.write_text(ZOO)
    named = found(f"{file}#pca")
    assert named.entry.id == "pca"
    assert named.place == f"{file}:4"
    with pytest.raises(Undetected, match=r"holds 2 models: name one, as '.*#forest'"):
        found(file)
    with pytest.raises(Undetected, match=r"no model 'pcb'.*'pca'"):
        found(f"{file}#pcb")
    file.write_text("models: [{id: 3}]")
    with pytest.raises(Undetected, match=r"zoo\.yaml:1:\d+"):
        found(file)


def test_what_is_not_here_is_a_hub_id(tmp_path, monkeypatch):
    """An id is the hub's unless a path of that name is here; hf: says the hub in any case."""
    monkeypatch.chdir(tmp_path)
    named = found("org/name@v1")
    assert (named.framework, named.remote) == ("transformers", Remote("hub", "org/name", "v1"))
    write(tmp_path / "org" / "name", digits_keras="")
    assert found("org/name").framework == "tensorflow"
    assert "'hf:org/name' would be the hub's" in found("org/name").told[-1]
    assert found("hf:org/name").remote == Remote("hub", "org/name")
    for wrong in ("a/b/c", "ms:org/name", "x" * 5000):
        with pytest.raises(Undetected, match=r"written hf:org/name.*modelscope:org/name.*https:"):
            found(wrong)
    with pytest.raises(Undetected, match="write kaggle:owner/model"):
        found("kaggle:google/nnlm")
    with pytest.raises(Undetected, match="read as framework 'tensorflow', not 'sklearn'"):
        found("kaggle:a/b/c/d/1", "sklearn")


def test_a_mistyped_path_is_told_as_what_it_may_be(tmp_path, monkeypatch):
    """A model that could not be had may lie beside the name; not one that says its place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "bert-base").mkdir(parents=True)
    told = not_here("models/bert-bas")
    assert told == (
        " (taken for a hub id, since there is no file or folder 'models/bert-bas' here; "
        "did you mean 'bert-base'?)"
    )
    assert "did you mean" not in not_here("org/name@v1")
    assert "did you mean" not in not_here("x" * 5000 + "/name")
    assert not_here("models/bert-base") == not_here("hf:org/name") == not_here("https://a/b") == ""


def test_one_model_has_one_name_in_a_registry(tmp_path, monkeypatch):
    """However it is written; another revision, and another folder, are other models."""
    monkeypatch.chdir(tmp_path)
    for name in ("org/name", "hf:org/name", "hf://org/name"):
        assert canonical_name(name) == "org/name"
    assert canonical_name("hf:org/name", "v1") == canonical_name("org/name@v1") == "org/name@v1"
    assert canonical_name("modelscope:org/name") == "modelscope:org/name"
    write(tmp_path / "org" / "name", digits_keras="")
    here = str(tmp_path / "org" / "name")
    assert canonical_name("org/name") == canonical_name("./org/name") == here
    assert canonical_name("hf:org/name") == "org/name"
    assert canonical_name("zoo.yaml#pca") == f"{tmp_path}/zoo.yaml#pca"
