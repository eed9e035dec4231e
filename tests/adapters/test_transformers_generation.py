from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance import pipeline
from conformance.adapters.contract import Job
from conformance.adapters.transformers import TransformersAdapter, TransformersConversion
from conformance.bundle import (
    COMPONENTS,
    MODEL,
    digest_files,
    read_bundle,
    read_manifest,
    write_manifest,
)
from conformance.entry import ZooEntry
from conformance.errors import ExportError, InputsError
from conformance.evidence import ParityReport
from conformance.execution.progress import Progress
from conformance.failures.folder import copy_bundle
from conformance.failures.private import Scrubber
from conformance.inputs import input_sets
from conformance.judging import parity_failure
from conformance.model import Case, Verdict, from_json, to_json
from conformance.replay.engine import replay_bundle
from conformance.replay.folders import find_model_folders

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnxscript")

pytestmark = [
    # what torch and onnxscript say about their own deprecated parts
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

ADAPTER = TransformersAdapter()
TOKENS = 20
GPT2 = {
    "architecture": "GPT2LMHeadModel",
    "config": {
        "vocab_size": 150,
        "n_positions": 64,
        "n_embd": 32,
        "n_layer": 1,
        "n_head": 4,
        "initializer_range": 0.2,
    },
}
T5 = {
    "architecture": "T5ForConditionalGeneration",
    "config": {
        "vocab_size": 150,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 1,
        "num_heads": 4,
        "initializer_factor": 3.0,
        "tie_word_embeddings": False,
    },
}
CACHE = "past_key_values.layers.0"


def entry_for(source):
    ids = {"dtype": "int64", "shape": ["batch", "tokens"], "low": 4, "high": 150}
    mask = {"dtype": "int64", "shape": ["batch", "tokens"], "fill": "left_mask"}
    spec = {"input_ids": ids, "attention_mask": mask}
    sets = [{"batch": 3, "tokens": 9}, {"batch": 2, "tokens": 14}]
    if source is T5:
        spec["attention_mask"] = {**mask, "fill": "mask"}
        spec["decoder_input_ids"] = {**ids, "shape": ["batch", "target"]}
        sets = [{**sizes, "target": 4 + number} for number, sizes in enumerate(sets)]
    return ZooEntry.model_validate(
        {
            "id": "writer",
            "framework": "transformers",
            "source": source,
            "task": "text-generation",
            "conversion": {"generation": {"max_new_tokens": TOKENS, "decoder_start_token_id": 0}},
            "inputs": {"spec": spec, "sets": sets},
        }
    )


def converted(entry, folder):
    out = folder / "bundle"
    out.mkdir()
    payload = {
        "case": to_json(Case(entry, "dynamo", 18, "fp32")),
        "zoo_dir": str(folder),
        "cache_dir": str(folder),
        "offline": True,
        "seed": 0,
        "out": str(out),
    }
    pipeline.convert(payload, Progress(folder / "progress.json", "writer"))
    return out


def proven(bundle, tmp_path):
    payload = {"bundle": str(bundle), "provider": "cpu", "entry": to_json(entry_for(GPT2))}
    found = pipeline.prove(payload, Progress(tmp_path / "progress.json", "writer"))
    return from_json(ParityReport, found["parity"])


def components(source, sets=None, penalty=None):
    entry = entry_for(source)
    job = Job(
        case=Case(entry, "dynamo", 18, "fp32"),
        conversion=TransformersConversion.model_validate(
            {"generation": {"max_new_tokens": TOKENS}}
        ),
        zoo_dir=Path(),
        cache_dir=Path(),
        offline=True,
        seed=0,
    )
    made = input_sets(entry, Path(), 0)
    model = ADAPTER.load(job)
    if penalty is not None:
        model.module.generation_config.repetition_penalty = penalty
    return ADAPTER.components(model, job, made if sets is None else made[:sets])


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return converted(entry_for(GPT2), tmp_path_factory.mktemp("decoder"))


@pytest.fixture(scope="module")
def encoder_decoder(tmp_path_factory):
    return converted(entry_for(T5), tmp_path_factory.mktemp("encoder-decoder"))


@pytest.fixture
def copied(decoder, tmp_path):
    return Path(shutil.copytree(decoder, tmp_path / "copy"))


def edited(folder, edit):
    """Change the model of a folder of a bundle, and own up to it in the manifests."""
    import onnx

    model = onnx.load(str(folder / MODEL), load_external_data=False)
    edit(model.graph)
    onnx.save(model, str(folder / MODEL))
    for place in (folder, folder.parent.parent if folder.parent.name == COMPONENTS else folder):
        write_manifest(place, replace(read_manifest(place), files=digest_files(place)))


def test_a_decoder_writes_what_generate_writes(decoder, tmp_path):
    """Prefill and decode are certified one by one, and continue five padded prompts alike."""
    bundle = read_bundle(decoder)
    assert bundle.manifest.components == ("prefill",)
    report = proven(decoder, tmp_path)
    assert parity_failure(report) is None
    (prefill,) = report.components
    assert (prefill.name, prefill.data_sets) == ("prefill", 2)
    for part in (prefill, report):
        names = {output.name: output.ratio for output in part.outputs}
        assert names.keys() == {"logits", f"{CACHE}.keys", f"{CACHE}.values"}
        assert all(0 <= ratio <= 1 for ratio in names.values())
    texts = report.decisions[-1]
    assert (texts.kind, texts.agreed, texts.total) == ("generated texts", 5, 5)
    assert f"5 of 5 prompts equal for {TOKENS} tokens" in texts.detail


def test_an_encoder_is_a_component_of_its_own(encoder_decoder, tmp_path):
    """Encoder, prefill and decode of T5 pass each by itself, and write the source's texts."""
    manifest = read_bundle(encoder_decoder).manifest
    assert manifest.components == ("encoder", "prefill")
    report = proven(encoder_decoder, tmp_path)
    assert parity_failure(report) is None
    assert [part.name for part in report.components] == ["encoder", "prefill"]
    assert report.decisions[-1].agreed == 5


def test_axes_are_dynamic_and_named(decoder):
    """Batch, cache and mask vary in the graph, and say so."""
    import onnx

    graph = onnx.load(str(decoder / MODEL), load_external_data=False).graph
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in graph.input
    }
    assert shapes["attention_mask"][0] == "batch"
    assert shapes[f"input.{CACHE}.keys"] == ["batch", 4, "past", 8]
    assert shapes["input_ids"] == ["batch", 1]


def test_generation_is_replayed_from_the_bundle_alone(copied, tmp_path):
    """A replay judges all components and the texts, and takes them for one model."""
    assert [folder.path for folder in find_model_folders(copied)] == [copied]
    payload = {"folder": str(copied), "provider": "cpu"}
    found = replay_bundle(payload, Progress(tmp_path / "progress.json", "writer"))
    assert found["verdict"] == Verdict.PASS
    assert [part["name"] for part in found["parity"]["components"]] == ["prefill"]
    assert found["parity"]["decisions"][-1]["agreed"] == 5


def test_a_failure_folder_holds_every_component(decoder, tmp_path):
    """What is kept for a bug report is a whole bundle again."""
    kept = tmp_path / "kept"
    kept.mkdir()
    copy_bundle(read_bundle(decoder), kept, Scrubber())
    again = read_bundle(kept)
    assert again.component("prefill").manifest.outputs == again.manifest.outputs
    assert parity_failure(proven(kept, tmp_path)) is None


def swap_keys_and_values(graph):
    names = [f"input.{CACHE}.keys", f"input.{CACHE}.values"]
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in names:
                node.input[place] = names[1 - names.index(name)]


def ignore_the_mask(graph):
    from onnx import TensorProto, helper

    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == "attention_mask":
                node.input[place] = "ones"
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    graph.node.insert(0, helper.make_node("ConstantOfShape", ["its_shape"], ["ones"], value=one))
    graph.node.insert(0, helper.make_node("Shape", ["attention_mask"], ["its_shape"]))


def answer_the_old_cache(graph):
    from onnx import helper

    name = f"{CACHE}.values"
    for node in graph.node:
        for place, output in enumerate(node.output):
            if output == name:
                node.output[place] = "forgotten"
        for place, given in enumerate(node.input):
            if given == name:
                node.input[place] = "forgotten"
    graph.node.append(helper.make_node("Identity", [f"input.{name}"], [name]))


@pytest.mark.parametrize(
    ("component", "edit", "text"),
    [
        ("decode", swap_keys_and_values, "output 'logits'"),
        ("decode", ignore_the_mask, "output 'logits'"),
        ("decode", answer_the_old_cache, f"output '{CACHE}.values'"),
        ("prefill", ignore_the_mask, "component 'prefill': output 'logits'"),
    ],
)
def test_a_component_that_lies_fails_its_certificate(component, edit, text, copied, tmp_path):
    """A wrong order of the cache, a stale one and an ignored mask are found where they are."""
    edited(copied if component == "decode" else copied / COMPONENTS / component, edit)
    report = proven(copied, tmp_path)
    failure = parity_failure(report)
    assert failure.verdict is Verdict.FAIL
    assert any(line.startswith(text) for line in failure.problems)


def test_what_cannot_be_taken_apart_says_why():
    """No generate(), one batch only, and changed scores are refused with the reason."""
    bert = {"architecture": "BertModel", "config": {"hidden_size": 32, "num_attention_heads": 4}}
    bert["config"] |= {"vocab_size": 150, "num_hidden_layers": 1, "intermediate_size": 48}
    with pytest.raises(ExportError, match=r"BertModel has no generate\(\)"):
        components(bert)
    with pytest.raises(InputsError, match="at least two batches of prompts"):
        components(GPT2, sets=1)


def test_a_generation_that_is_not_greedy_is_refused():
    """Scores that generate() changes on its way are not those that the graphs give."""
    with pytest.raises(ExportError, match="other tokens than the best ones"):
        components(GPT2, penalty=50.0)


def test_the_texts_are_those_of_generate():
    """What the bundle calls the source's tokens is what model.generate returns."""
    import torch

    entry = entry_for(GPT2)
    made = components(GPT2)
    module = made.parts[-1].model.module
    for feeds, text in zip(input_sets(entry, Path(), 0), made.texts.texts, strict=True):
        told = module.generate(
            **{name: torch.tensor(array) for name, array in feeds.items()},
            do_sample=False,
            max_new_tokens=TOKENS,
            eos_token_id=None,
        )
        assert np.array_equal(told[:, -TOKENS:].numpy(), np.array(text.tokens))
