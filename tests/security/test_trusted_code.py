"""Code of a model's author runs with the entry's leave only, and a report says so."""

from __future__ import annotations

import json
import pickle
import re
import sys
import zipfile
from pathlib import Path

import pytest

from conformance.adapters import adapter_for
from conformance.adapters.contract import Job
from conformance.entry import ZooEntry
from conformance.errors import LoadError
from conformance.model import Case
from conformance.reporters.html import report_html
from conformance.reporters.json import report_json
from conformance.sources.pretrained import from_folder
from conformance.suite import items

sys.path.insert(0, str(Path(__file__).parents[1] / "reporters"))
from sample_report import make_report, make_row
from zoo_cases import located

RAN = "code-ran"


class Bomb:
    """Leaves a file when it is unpickled."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return Path.write_text, (Path(self.place), "ran")


def load(framework, tmp_path, **source):
    """Load a source as the framework's adapter does."""
    entry = ZooEntry.model_validate(
        {
            "id": "m",
            "framework": framework,
            "source": source,
            "inputs": {"factory": "unused.here:inputs"},
        }
    )
    adapter = adapter_for(framework, tmp_path)
    conversion = adapter.info.conversion.model_validate({})
    case = Case(entry, adapter.info.exporters[0], adapter.info.default_opset, "fp32")
    return adapter.load(Job(case, conversion, tmp_path, tmp_path, offline=True, seed=0))


@pytest.mark.parametrize(
    ("framework", "name"),
    [
        ("sklearn", "model.pkl"),
        ("sklearn", "model.joblib"),
        ("pytorch", "model.pt"),
        ("pytorch", "model.pth"),
        ("pytorch", "model.pt2"),
    ],
)
def test_a_pickle_runs_nothing_without_leave(tmp_path, framework, name):
    """Refused with the reason and the key; the same file does run code where that is allowed."""
    pytest.importorskip("torch" if framework == "pytorch" else "sklearn")
    bomb = Bomb(tmp_path / RAN)
    if framework == "pytorch" and name != "model.pt2":
        import torch

        torch.save(bomb, tmp_path / name)
    elif name != "model.pt2":
        (tmp_path / name).write_bytes(pickle.dumps(bomb))
    else:
        put_program(tmp_path / name, bomb)
    with pytest.raises(LoadError, match=r"any code when it is loaded.*'allow_pickle: true'"):
        load(framework, tmp_path, path=name)
    assert not (tmp_path / RAN).exists()
    with pytest.raises(LoadError):
        load(framework, tmp_path, path=name, allow_pickle=True)
    assert (tmp_path / RAN).exists()


def put_program(path, bomb):
    """An exported program whose example inputs are a pickle that the safe reader refuses."""
    import torch

    program = torch.export.export(torch.nn.ReLU(), (torch.ones(2),))
    whole = path.with_name("whole.pt2")
    torch.export.save(program, whole)
    torch.save(bomb, path.with_name("bomb"))
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            inputs = "sample_inputs" in name
            target.writestr(
                name, path.with_name("bomb").read_bytes() if inputs else source.read(name)
            )
    assert any("sample_inputs" in name for name in zipfile.ZipFile(path).namelist())


CODE = """
from pathlib import Path
Path({place!r}).write_text("ran")
import torch
from transformers import PretrainedConfig, PreTrainedModel


class OwnConfig(PretrainedConfig):
    model_type = "own-of-a-stranger"


class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.layer = torch.nn.Linear(2, 2)
        self.post_init()

    def forward(self, x):
        return self.layer(x)
"""


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """A model folder with code of its own, as ``trust_remote_code`` needs it."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from safetensors.torch import save_file

    monkeypatch.setattr(
        "transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules")
    )
    monkeypatch.setattr(sys, "path", sys.path.copy())
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "own.py").write_text(CODE.format(place=str(tmp_path / RAN)))
    config = {
        "model_type": "own-of-a-stranger",
        "architectures": ["OwnModel"],
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    weights = {"layer.weight": torch.ones(2, 2), "layer.bias": torch.zeros(2)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_code_of_a_hugging_face_model_needs_leave(own_code, tmp_path):
    """Refused with the file that would run; with leave it is what is loaded."""
    with pytest.raises(LoadError, match=r"Python code of its own \('own\.OwnConfig'\).*'trust_rem"):
        from_folder(own_code)
    assert not (tmp_path / RAN).exists()
    model = from_folder(own_code, run_code=True)
    assert (tmp_path / RAN).exists()
    assert type(model).__name__ == "OwnModel"
    assert model.layer.weight.tolist() == [[1, 1], [1, 1]]


def test_code_of_another_repository_is_refused_even_with_leave(own_code, tmp_path):
    """The leave is for the code that lies there, which is in the digest of the cache."""
    config = json.loads((own_code / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "someone/else--own.OwnConfig"}
    (own_code / "config.json").write_text(json.dumps(config))
    with pytest.raises(LoadError, match=r"another repository, 'someone/else--own\.OwnConfig'"):
        from_folder(own_code, run_code=True)
    assert not (tmp_path / RAN).exists()


def test_an_index_of_weights_names_no_file_outside(own_code):
    """The parts of a large model are files of its folder."""
    config = json.loads((own_code / "config.json").read_text())
    del config["auto_map"]
    (own_code / "config.json").write_text(json.dumps(config))
    index = {"metadata": {}, "weight_map": {"layer.weight": "../../secret.safetensors"}}
    (own_code / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(LoadError, match=r"index\.json' names the file .* leads out of the folder"):
        from_folder(own_code)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_keras_file_needs_leave(tmp_path, suffix):
    """A Lambda layer is Python's own bytecode; both formats refuse it."""
    keras = pytest.importorskip("keras")
    layer = keras.layers.Lambda(lambda x: x + 1, output_shape=(2,))
    keras.Sequential([keras.Input((2,)), layer]).save(tmp_path / f"model{suffix}")
    with pytest.raises(LoadError, match=r"'allow_pickle: true' if you trust"):
        load("tensorflow", tmp_path, path=f"model{suffix}")
    assert load("tensorflow", tmp_path, path=f"model{suffix}", allow_pickle=True)


ENTRY = {"id": "m", "framework": "transformers", "inputs": {"factory": "a:b"}}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"hub": "org/name", "trust_remote_code": True}, "full commit hash"),
        ({"hub": "org/name", "revision": "main", "trust_remote_code": True}, "full commit hash"),
        ({"factory": "a.b:c", "trust_remote_code": True}, "goes with 'path' or 'hub' or 'tor"),
        ({"torch_hub": "./net", "entrypoint": "net"}, "made by the repository's own code"),
        (
            {"torch_hub": "org/net", "entrypoint": "net", "trust_remote_code": True},
            "full commit hash",
        ),
        (
            {"modelscope": "org/name", "revision": "master", "trust_remote_code": True},
            "full commit hash",
        ),
        ({"hub": "org/name", "allow_pickle": True}, "goes with 'path', not with 'hub'"),
    ],
)
def test_leave_is_given_for_what_cannot_change_by_itself(source, message):
    """Code of a branch is another one tomorrow; a factory's code is the user's own."""
    with pytest.raises(ValueError, match=message):
        ZooEntry.model_validate({**ENTRY, "source": source})
    pinned = {"hub": "org/name", "revision": "0" * 40, "trust_remote_code": True}
    assert ZooEntry.model_validate({**ENTRY, "source": pinned}).source.trusted == (
        "trust_remote_code",
    )


def test_a_report_marks_what_was_trusted():
    """The page has a mark with a title, the JSON a list of keys; others have neither."""
    trusted = make_row("pickled", trusted=("allow_pickle", "trust_remote_code"))
    report = make_report([trusted, make_row("plain")])
    page = report_html(report)
    marks = re.findall(r'<span class="mark note" title="((?:allow|trust)_[^"]*)">', page)
    assert [mark.partition(":")[0] for mark in marks] == ["allow_pickle", "trust_remote_code"]
    assert "pickle allowed" in page
    assert "remote code" in page
    cases = report_json(report)["cases"]
    assert [case["trusted"] for case in cases] == [["allow_pickle", "trust_remote_code"], []]


def test_a_test_knows_what_its_entry_trusts(tmp_path):
    """From the zoo to the record: each of the three tests carries it."""
    case = located("Honest", source={"path": "m.pkl", "allow_pickle": True})
    refs = list(items.test_refs(case, tmp_path / "zoo.yaml", tmp_path))
    assert [ref.trusted for ref in refs] == [("allow_pickle",)] * 3
