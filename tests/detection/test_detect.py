"""From a name and wishes to the entry; the model's own answer is given here, not read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.adapters import catalog
from conformance.detection import Signature, Undetected, Wishes, detect, parse_input, parse_size
from conformance.entry import TensorSpec
from conformance.errors import InfraError, LoadError
from conformance.execution.contract import Completed, Failure
from conformance.inputs import input_sets
from conformance.model import Stage, Verdict, to_json
from conformance.sources.fetching import Fetched

FRAMEWORKS = catalog()
COMMIT = "c0ffee" + "0" * 34
TRUST = {"trust_remote_code": True}
TEXT = Signature(
    {
        "input_ids": TensorSpec(dtype="int64", shape=("batch", "tokens"), low=1, high=50),
        "attention_mask": TensorSpec(dtype="int64", shape=("batch", "tokens"), fill="mask"),
        "token_type_ids": TensorSpec(dtype="int64", shape=("batch", "tokens"), high=2),
    },
    {"batch": (2, 3, 5), "tokens": (9, 16, 4)},
    "feature-extraction",
    "bert",
    ("told by the model",),
)


def detected(name, signature=TEXT, folder=None, **wishes):
    def ask(located, info):
        return Completed(to_json(signature), None)

    def fetch(remote):
        if remote.kind == "hub":
            remote = replace(remote, revision=COMMIT)
        return Fetched(remote, folder)

    return detect(str(name), Wishes(**wishes), FRAMEWORKS, ask, fetch)


def entry_of(name, signature=TEXT, folder=None, **wishes):
    return detected(name, signature, folder, **wishes).located.case.entry


def test_a_hub_model_is_pinned_to_the_commit_that_was_found():
    """The entry names the commit, so that it is the same model tomorrow, and says so."""
    found = detected("org/bert")
    entry = found.located.case.entry
    assert (entry.source.hub, entry.source.revision) == ("org/bert", COMMIT)
    assert entry.source.is_pinned
    assert any(COMMIT in line for line in found.told)
    assert found.model_type == "bert"
    assert found.located.case.key == "transformers/bert@dynamo-op18-fp32"


@pytest.mark.parametrize(
    ("name", "wishes", "framework", "source"),
    [
        ("hf:org/bert@v1", {}, "transformers", {"hub": "org/bert", "revision": COMMIT}),
        ("modelscope:org/bert", {}, "transformers", {"modelscope": "org/bert"}),
        (
            "modelscope:org/bert",
            {"revision": "v1"},
            "transformers",
            {"modelscope": "org/bert", "revision": "v1"},
        ),
        ("kaggle:a/b/c/d/1", {}, "tensorflow", {"kaggle": "a/b/c/d/1"}),
        (
            f"torch_hub:a/b@{COMMIT}#net",
            TRUST,
            "pytorch",
            {
                "torch_hub": "a/b",
                "revision": COMMIT,
                "entrypoint": "net",
                "trust_remote_code": True,
            },
        ),
    ],
)
def test_every_place_becomes_the_zoos_source(name, wishes, framework, source):
    """One line is what an entry of a zoo would say, and the record has it."""
    entry = entry_of(name, **wishes)
    assert entry.framework == framework
    assert entry.source.model_dump(exclude_defaults=True) == source


def test_the_only_function_of_a_hubconf_is_taken_and_told(tmp_path):
    """It need not be named; among several it must, and the error lists them."""
    hubconf = tmp_path / "hubconf.py"
    name, leave = f"torch_hub:a/b@{COMMIT}", {"folder": tmp_path, "trust_remote_code": True}
    hubconf.write_text("import torch\ndef _help(): ...\ndef net(): ...\n")
    found = detected(name, **leave)
    assert found.located.case.entry.source.entrypoint == "net"
    assert any("whose only function, 'net', builds" in line for line in found.told)
    hubconf.write_text("from torch import nn\nfrom .own import tiny as small\ndef net(): ...\n")
    with pytest.raises(Undetected, match=rf"name one, as {name}#small \(there are small, net\)"):
        detected(name, **leave)
    hubconf.write_text("from own import *\n")
    with pytest.raises(Undetected, match=rf"name the function that builds it, as {name}#NAME"):
        detected(name, **leave)
    hubconf.write_text("dependencies = ['torch']\n")
    with pytest.raises(Undetected, match="has no function that builds a model"):
        detected(name, **leave)


def test_code_of_a_repository_needs_leave_and_its_commit():
    """Nothing is fetched before both are said, and the error shows the form."""
    with pytest.raises(Undetected, match="add --trust-remote-code"):
        detected(f"torch_hub:a/b@{COMMIT}#net")
    for name in ("torch_hub:a/b#net", "torch_hub:a/b@main#net", "modelscope:a/b"):
        shown = name.replace("@main", "").replace("a/b", "a/b@COMMIT")
        with pytest.raises(Undetected, match=f"full commit hash.*{shown}"):
            detected(name, trust_remote_code=True)


def test_a_revision_is_said_once():
    """Behind the name or by the switch; two that differ, and one of an archive, are refused."""
    assert entry_of("modelscope:a/b@v1", revision="v1").source.revision == "v1"
    with pytest.raises(Undetected, match="'modelscope:a/b@v1' says its revision"):
        detected("modelscope:a/b@v1", revision="v2")
    with pytest.raises(Undetected, match="--revision goes with a repository"):
        detected("kaggle:a/b/c/d/1", revision="v2")


def test_detected_inputs_make_input_sets_that_vary_every_axis(tmp_path):
    """What detection writes is what the engine draws from."""
    entry = entry_of("org/bert")
    sets = input_sets(entry, tmp_path, 0)
    assert [one["input_ids"].shape for one in sets] == [(2, 9), (3, 16), (5, 4)]
    assert entry.dynamic_axes()["input_ids"] == {0: "batch", 1: "tokens"}
    assert entry.task == "feature-extraction"


def test_wishes_decide_exporter_opset_provider_and_task(tmp_path):
    """Each switch is in the case; what does not exist is refused before anything is read."""
    file = tmp_path / "net.pt"
    file.write_bytes(b"?")
    found = detected(file, exporter="torchscript", opset=17, provider="cuda", task="fill-mask")
    case = found.located.case
    assert (case.exporter, case.opset, found.provider) == ("torchscript", 17, "cuda")
    assert case.entry.task == "fill-mask"
    for wish, said in (
        ({"exporter": "dynamite"}, "no exporter 'dynamite'"),
        ({"opset": 99}, "exports opsets 9 to 23, not 99"),
        ({"provider": "gpu"}, "unknown provider 'gpu'"),
        ({"variant": "fp61"}, "unknown variant 'fp61'"),
        ({"framework": "torch"}, "unknown framework 'torch'"),
        ({"revision": "main"}, "--revision goes with a model of a repository"),
    ):
        with pytest.raises(Undetected, match=said):
            detected(file, **wish)


def test_named_axes_are_dynamic_and_no_others():
    """`dynamic` renames axes, fixes those it leaves out, and frees those that were fixed."""
    entry = entry_of("org/bert", dynamic={"input_ids": {0: "b"}, "attention_mask": {0: "b"}})
    assert entry.inputs.spec["input_ids"].shape == ("b", 9)
    assert entry.inputs.spec["token_type_ids"].shape == (2, 9)
    image = Signature({"pixels": TensorSpec(shape=("batch", 3, 8, 8))}, {"batch": (2, 3)})
    freed = entry_of("org/vit", image, dynamic={"pixels": {0: "n", 2: "height"}})
    assert freed.inputs.spec["pixels"].shape == ("n", 3, "height", 8)
    assert {sizes["height"] for sizes in freed.inputs.sets} == {8, 16}
    with pytest.raises(Undetected, match="no axis 4"):
        entry_of("org/vit", image, dynamic={"pixels": {4: "x"}})


def test_inputs_are_selected_and_sizes_set():
    """Only the named inputs remain; a single size is among those compared, 1 never traced."""
    chosen = entry_of("org/bert", input_names=("input_ids", "attention_mask"))
    assert list(chosen.inputs.spec) == ["input_ids", "attention_mask"]
    sized = entry_of("org/bert", sizes={"batch": (1,), "tokens": (12,)})
    assert sized.inputs.sets[0] == {"batch": 2, "tokens": 12}
    assert 1 in [sizes["batch"] for sizes in sized.inputs.sets]
    with pytest.raises(Undetected, match=r"no axis 'token'.*'tokens'"):
        entry_of("org/bert", sizes={"token": (12,)})
    with pytest.raises(Undetected, match="no input 'ids'"):
        entry_of("org/bert", input_names=("ids",))


def test_pickles_and_code_need_leave(tmp_path):
    """Without the flag nothing is read; with it the entry says so, for the record."""
    file = tmp_path / "forest.joblib"
    file.write_bytes(b"?")
    with pytest.raises(Undetected, match="add --allow-pickle"):
        detected(file)
    assert entry_of(file, allow_pickle=True).source.trusted == ("allow_pickle",)
    with pytest.raises(Undetected, match="full commit hash"):
        detected("org/own-code", trust_remote_code=True, revision="main")
    trusted = entry_of("org/own-code", trust_remote_code=True, revision=COMMIT)
    assert trusted.source.trusted == ("trust_remote_code",)


def test_written_inputs_need_no_answer_of_the_model(tmp_path):
    """--input replaces what the model tells; it is parsed with its range and fill."""
    name, spec = parse_input("images=float32[batch,1,8,8]:0..1")
    assert (name, spec.shape, spec.fill, spec.high) == ("images", ("batch", 1, 8, 8), "uniform", 1)
    ids = parse_input("ids=int64[batch,tokens]:1..100")[1]
    assert (ids.fill, ids.low, ids.high) == ("integers", 1, 100)
    assert parse_input("m=int64[batch,tokens]:mask")[1].fill == "mask"
    assert parse_size("tokens=9,16") == ("tokens", (9, 16))
    for wrong in ("images", "x=float33[2]", "x=float32[2", "x=float32[a b]"):
        with pytest.raises(ValueError, match=r"x=|images"):
            parse_input(wrong)
    with pytest.raises(ValueError, match="AXIS=N"):
        parse_size("tokens=many")
    file = tmp_path / "net.pt"
    file.write_bytes(b"?")

    def ask(*_):
        raise AssertionError("the model was asked")

    found = detect(str(file), Wishes(inputs={name: spec}), FRAMEWORKS, ask, ask)
    assert found.located.case.entry.inputs.sets[0] == {"batch": 2}


def test_a_model_that_does_not_tell_is_an_error_of_its_own(tmp_path):
    """What the model's process says is passed on, with what to write."""
    file = tmp_path / "net.pt"
    file.write_bytes(b"?")
    for verdict, stage, kind in (
        (Verdict.FAIL, Stage.INPUTS, Undetected),
        (Verdict.FAIL, Stage.LOAD, LoadError),
        (Verdict.INFRA_ERROR, Stage.LOAD, InfraError),
    ):
        failure = Failure(verdict, stage, "say them with --input", None)
        ended = Completed(None, failure)
        with pytest.raises(kind, match="say them with --input"):
            detect(str(file), Wishes(), FRAMEWORKS, lambda *_, ended=ended: ended, print)


def test_a_manifest_keeps_its_inputs(tmp_path):
    """Switches narrow an entry to one case; its inputs are changed in the file and nowhere else."""
    file = tmp_path / "zoo.yaml"
    file.write_text(
        "models: [{id: cnn, framework: pytorch, source: {factory: 'a:b'}, opsets: [17, 20], "
        "inputs: {spec: {x: {shape: [2, 3]}}}}]"
    )
    assert detected(file).located.case.opset == 17
    assert detected(file, opset=20, exporter="torchscript").located.case.exporter == "torchscript"
    with pytest.raises(Undetected, match="says its inputs itself"):
        detected(file, sizes={"n": (3,)})
