"""What real models tell of their inputs: configurations, signatures, exported programs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from conformance.detection.signature import input_sets
from conformance.errors import InputsError, LoadError
from conformance.inputs import generate

#: Architecture, overrides of its configuration, and the inputs that it takes.
TEXT = {"input_ids": ("batch", "tokens"), "attention_mask": ("batch", "tokens")}
FAMILIES = {
    "bert": (
        "BertModel",
        {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 16, "max_position_embeddings": 12},
        {**TEXT, "token_type_ids": ("batch", "tokens")},
    ),
    "gpt2": (
        "GPT2LMHeadModel",
        {"vocab_size": 50, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32},
        TEXT,
    ),
    "t5": (
        "T5Model",
        {"vocab_size": 50, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2},
        {**TEXT, "decoder_input_ids": ("batch", "target")},
    ),
    "vit": (
        "ViTForImageClassification",
        {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_channels": 1,
         "intermediate_size": 16, "image_size": 16, "patch_size": 8},
        {"pixel_values": ("batch", 1, 16, 16)},
    ),
    "clip": (
        "CLIPModel",
        {"text_config": {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 16,
                         "num_hidden_layers": 1, "num_attention_heads": 2, "eos_token_id": 49},
         "vision_config": {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                           "num_attention_heads": 2, "image_size": 16, "patch_size": 8},
         "projection_dim": 8},
        {"input_ids": ("texts", "tokens"), "pixel_values": ("images", 3, 16, 16),
         "attention_mask": ("texts", "tokens")},
    ),
    "clip_text_model": (
        "CLIPTextModel",
        {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
         "num_attention_heads": 2, "eos_token_id": 49},
        TEXT,
    ),
    "clip_vision_model": (
        "CLIPVisionModel",
        {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
         "num_attention_heads": 2, "image_size": 16, "patch_size": 8},
        {"pixel_values": ("batch", 3, 16, 16)},
    ),
    "whisper": (
        "WhisperForConditionalGeneration",
        {"vocab_size": 60, "num_mel_bins": 8, "encoder_layers": 1, "encoder_attention_heads": 2,
         "decoder_layers": 1, "decoder_attention_heads": 2, "encoder_ffn_dim": 16,
         "decoder_ffn_dim": 16, "d_model": 16, "max_source_positions": 15,
         "max_target_positions": 20, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
         "decoder_start_token_id": 3},
        {"input_features": ("batch", 8, 30), "decoder_input_ids": ("batch", "target")},
    ),
    "wav2vec2": (
        "Wav2Vec2ForCTC",
        {"vocab_size": 12, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 16, "conv_dim": [8, 8], "conv_stride": [5, 2],
         "conv_kernel": [10, 3], "num_conv_pos_embeddings": 8,
         "num_conv_pos_embedding_groups": 2},
        {"input_values": ("batch", "samples")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("model_type", FAMILIES)
def test_each_family_tells_inputs_that_its_model_takes(tmp_path, model_type):
    """From config.json alone come names and shapes, and a real model runs on every set of them."""
    transformers = pytest.importorskip("transformers")
    import torch

    from conformance.detection.transformers_inputs import transformers_signature

    architecture, config, expected = FAMILIES[model_type]
    model_class = getattr(transformers, architecture)
    torch.manual_seed(0)
    model = model_class(model_class.config_class(**config)).eval()
    model.config.architectures = [architecture]
    model.config.save_pretrained(tmp_path)
    found = transformers_signature(tmp_path)
    assert {name: spec.shape for name, spec in found.inputs.items()} == expected
    assert found.model_type == model_type
    sets = input_sets(found.sizes)
    assert len(sets) == 3
    for number, sizes in enumerate(sets):
        feeds = generate(found.inputs, sizes, number)
        with torch.no_grad():
            model(**{name: torch.from_numpy(array) for name, array in feeds.items()})


def test_a_type_of_no_family_says_what_to_write(tmp_path):
    """A model whose inputs are not known is an error with an example; a broken file another."""
    pytest.importorskip("transformers")
    from conformance.detection.transformers_inputs import transformers_signature

    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "layoutlmv3", "architectures": ["TapasModel"]}))
    config.write_text(
        json.dumps({"model_type": "pix2struct", "architectures": ["Pix2StructVisionModel"]})
    )
    with pytest.raises(InputsError, match="--input"):
        transformers_signature(tmp_path)
    config.write_text(json.dumps({"model_type": "bert", "architectures": ["MyOwnBert"]}))
    with pytest.raises(InputsError, match=r"'MyOwnBert' is no class of transformers"):
        transformers_signature(tmp_path)
    config.write_text('{"model_type": "no-such-type"}')
    with pytest.raises(LoadError, match=r"config\.json .* cannot be read"):
        transformers_signature(tmp_path)


def test_an_estimator_is_drawn_where_it_decides():
    """As many features as it was fitted with, from a range in which every class is answered."""
    sklearn = pytest.importorskip("sklearn")
    from sklearn.compose import make_column_transformer
    from sklearn.datasets import load_iris
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from conformance.detection.sklearn_inputs import sklearn_signature

    assert sklearn
    x, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(x, y)
    found = sklearn_signature(model)
    assert found.inputs["x"].shape == ("samples", 4)
    drawn = generate(found.inputs, {"samples": 64}, 0)["x"]
    assert len(np.unique(model.predict(drawn))) == 3
    texts = ["a red apple", "the blue sea", "red and blue"]
    words = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, [0, 1, 1])
    documents = sklearn_signature(words).inputs["x"]
    assert documents.dtype == "string"
    assert {word for text in documents.values for word in text.split()} <= {
        "red", "apple", "the", "blue", "sea", "and",
    }  # fmt: skip
    columns = make_column_transformer(("passthrough", [0, 1])).fit(x)
    with pytest.raises(InputsError, match="does not tell its columns"):
        sklearn_signature(columns)


def test_an_exported_program_tells_shapes_ranges_and_dynamic_axes():
    """A .pt2 keeps what it was traced with; a module keeps nothing, and says what to write."""
    torch = pytest.importorskip("torch")
    from conformance.detection.torch_inputs import torch_signature

    class Lookup(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(7, 4)

        def forward(self, ids, scale):
            return self.table(ids) * scale

    ids, scale = torch.tensor([[0, 6], [3, 1], [2, 2]]), torch.rand(3, 2, 4)
    rows = torch.export.Dim("rows", min=2, max=5)
    program = torch.export.export(
        Lookup().eval(), (ids, scale), dynamic_shapes={"ids": {0: rows}, "scale": {0: rows}}
    )
    found = torch_signature(program, ())
    assert list(found.inputs) == ["ids", "scale"]
    assert found.inputs["ids"].shape == ("batch", 2)
    assert (found.inputs["ids"].low, found.inputs["ids"].high) == (0, 7)
    assert found.inputs["scale"].shape == ("batch", 2, 4)
    assert found.sizes["batch"][0] == 3
    assert all(2 <= size <= 5 for size in found.sizes["batch"])
    assert found.exporter == "dynamo"
    with pytest.raises(InputsError, match=r"a Lookup does not tell .*--input ids=float32"):
        torch_signature(Lookup(), ("ids", "scale"))


def test_a_keras_file_tells_its_inputs(tmp_path):
    """Names, shapes, free axes and the rows of an embedding come from the saved model."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tf2onnx")
    from conformance.adapters.tensorflow_sources import as_model, read
    from conformance.detection.tensorflow_inputs import tensorflow_signature

    image = keras.Input((None, None, 1), name="image")
    words = keras.Input((None,), dtype="int32", name="words")
    seen = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(image))
    told = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(11, 4)(words))
    keras.Model([image, words], keras.layers.add([seen, told])).save(tmp_path / "net.keras")
    found = tensorflow_signature(as_model(read(tmp_path / "net.keras", run_code=False), None))
    assert found.inputs["image"].shape == ("batch", "image_1", "image_2", 1)
    assert found.inputs["words"].shape == ("batch", "words_1")
    assert (found.inputs["words"].dtype, found.inputs["words"].high) == ("int32", 11)
    assert found.sizes["image_1"][0] >= 32
    assert set(found.sizes) == {"batch", "image_1", "image_2", "words_1"}
