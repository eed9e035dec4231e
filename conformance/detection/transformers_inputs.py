"""Inputs of a Transformers model, from its configuration: no weights are read.

What a model type takes is decided by its family: text encoders (BERT and its kin), decoders
(GPT-2), encoder-decoders (T5), images (ViT), image with text (CLIP, as a whole or either
half), speech features (Whisper) and waveforms (Wav2Vec2). A type that is in no table is sorted
by what its ``forward`` calls its main input.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from conformance.detection.signature import Signature
from conformance.entry import TensorSpec
from conformance.errors import InputsError, LoadError

_TASKS = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForMaskedLM": "fill-mask",
    "ForQuestionAnswering": "question-answering",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForImageClassification": "image-classification",
    "ForCTC": "automatic-speech-recognition",
    "ForAudioClassification": "audio-classification",
}
#: Types that compare images with texts, each given as a batch of its own.
_DUAL = ("clip", "chinese_clip", "altclip", "siglip")
#: Their attention mask is for training only: no answer depends on it.
_UNMASKED = ("mamba", "mamba2", "falcon_mamba", "rwkv", "xlnet")
_TOKENS = (9, 16, 4)
_TARGET = (7, 5, 11)
_BATCH = (2, 3, 5)
_SPECIAL = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")

Sizes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Known:
    """A configuration and the call that it configures."""

    config: Any
    #: Name of the model's class.
    architecture: str
    #: What ``forward`` accepts.
    accepts: tuple[str, ...]
    main_input: str

    def get(self, name: str, default: Any = None) -> Any:
        """A value of the configuration, or of the part of it that is about text."""
        value = getattr(self.config, name, None)
        if value is None:
            value = getattr(self.config.get_text_config(), name, None)
        return default if value is None else value

    @property
    def model_type(self) -> str:
        """As the configuration names it, such as ``bert``."""
        return str(self.config.model_type)


def transformers_signature(folder: Path, *, run_code: bool = False) -> Signature:
    """What the model of a folder takes.

    Args:
        folder: holds ``config.json``.
        run_code: let the configuration bring Python code of its own.

    Raises:
        LoadError: when the configuration cannot be read.
        InputsError: when it is of no family that is known.
    """
    known = _known(folder, run_code=run_code)
    family = family_of(known)
    inputs, sizes = FAMILIES[family](known)
    told = f"{known.architecture} of type '{known.model_type}': inputs of {family} models"
    return Signature(inputs, sizes, _task(known), known.model_type, (told,))


def family_of(known: Known) -> str:
    """Which of :data:`FAMILIES` a model belongs to.

    Raises:
        InputsError: when it is none of them.
    """
    accepts, main = known.accepts, known.main_input
    if known.model_type in _DUAL:
        return "image-and-text"
    pictures = "pixel_values" in accepts and main != "pixel_values"
    if main == "input_ids" and not pictures:
        seq2seq = known.get("is_encoder_decoder") and "decoder_input_ids" in accepts
        return "text-to-text" if seq2seq else "text"
    if main == "pixel_values" and "decoder_input_ids" not in accepts and "bbox" not in accepts:
        return "image"
    if main == "input_values":
        return "spectrogram" if known.get("num_mel_bins") else "waveform"
    if main == "input_features" and known.get("max_source_positions"):
        return "speech"
    raise InputsError(
        f"what {known.architecture} of type '{known.model_type}' takes is not known here (its main "
        f"input is '{main}', forward takes {', '.join(accepts[:8])}): say it, as --input "
        "input_ids=int64[batch,tokens]:0..1000 --input attention_mask=int64[batch,tokens]:mask"
    )


def _known(folder: Path, *, run_code: bool) -> Known:
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=run_code
        )
    except Exception as error:
        text = " ".join(str(error).split())
        raise LoadError(f"config.json of '{folder}' cannot be read: {text}") from error
    named = (getattr(config, "architectures", None) or [None])[0]
    model_class = getattr(transformers, named, None) if named in dir(transformers) else None
    if model_class is None and named is None:
        model_class = transformers.AutoModel._model_mapping.get(type(config))  # noqa: SLF001 - the public way reads weights
    if model_class is None:
        raise InputsError(
            f"'{named or config.model_type}' is no class of transformers "
            f"{transformers.__version__}, so what it takes is not known: say it with --input"
        )
    accepts = tuple(inspect.signature(model_class.forward).parameters)[1:]
    return Known(config, model_class.__name__, accepts, model_class.main_input_name)


def _task(known: Known) -> str:
    if known.main_input == "input_features":
        return "automatic-speech-recognition"
    if known.architecture.endswith("ForConditionalGeneration"):
        return "text2text-generation"
    fitting = (task for end, task in _TASKS.items() if known.architecture.endswith(end))
    return next(fitting, "feature-extraction")


# -- families ----------------------------------------------------------------------------


def _text(known: Known) -> tuple[dict[str, TensorSpec], Sizes]:
    inputs = {"input_ids": _ids(known, "batch", "tokens")}
    if "attention_mask" in known.accepts and known.model_type not in _UNMASKED:
        inputs["attention_mask"] = _mask("batch", "tokens")
    types = known.get("type_vocab_size", 0)
    if "token_type_ids" in known.accepts and types > 1:
        inputs["token_type_ids"] = _integers(("batch", "tokens"), 0, types)
    return inputs, {"batch": _BATCH, "tokens": _tokens(known)}


def _text_to_text(known: Known) -> tuple[dict[str, TensorSpec], Sizes]:
    inputs = {
        "input_ids": _ids(known, "batch", "tokens"),
        "attention_mask": _mask("batch", "tokens"),
        "decoder_input_ids": _ids(known, "batch", "target"),
    }
    return inputs, {"batch": _BATCH, "tokens": _tokens(known), "target": _TARGET}


def _image(known: Known) -> tuple[dict[str, TensorSpec], Sizes]:
    shape, sizes = _pixels(known.config)
    return {"pixel_values": TensorSpec(shape=("batch", *shape))}, {"batch": _BATCH, **sizes}


def _image_and_text(known: Known) -> tuple[dict[str, TensorSpec], Sizes]:
    shape, sizes = _pixels(known.config.vision_config)
    inputs = {
        "input_ids": _ids(known, "texts", "tokens"),
        "pixel_values": TensorSpec(shape=("images", *shape)),
    }
    if known.model_type != "siglip":  # its texts are always padded, and never masked
        inputs["attention_mask"] = _mask("texts", "tokens")
    batches: Sizes = {"texts": (3, 2, 5), "images": (2, 4, 3), "tokens": _tokens(known)}
    return inputs, {**batches, **sizes}


def _speech(known: Known) -> tuple[dict[str, TensorSpec], Sizes]:
    frames = 2 * int(known.get("max_source_positions"))
    shape = ("batch", int(known.get("num_mel_bins")), frames)
    inputs = {"input_features": TensorSpec(shape=shape)}
    sizes: Sizes = {"batch": _BATCH}
    if "decoder_input_ids" in known.accepts:
        inputs["decoder_input_ids"] = _ids(known, "batch", "target")
        sizes["target"] = _TARGET
    return inputs, sizes


def _spectrogram(known: Known) -> tuple[dict[str, TensorSpec], Sizes]:
    shape = ("batch", int(known.get("max_length", 1024)), int(known.get("num_mel_bins")))
    return {"input_values": TensorSpec(shape=shape)}, {"batch": _BATCH}


def _waveform(known: Known) -> tuple[dict[str, TensorSpec], Sizes]:
    strides = known.get("conv_stride") or known.get("upsampling_ratios") or (320,)
    hop = prod(strides)
    inputs = {"input_values": TensorSpec(shape=("batch", "samples"))}
    return inputs, {"batch": _BATCH, "samples": (20 * hop, 32 * hop + 11, 16 * hop + 3)}


#: Family to what makes its inputs.
FAMILIES: Mapping[str, Callable[[Known], tuple[dict[str, TensorSpec], Sizes]]] = {
    "text": _text,
    "text-to-text": _text_to_text,
    "image": _image,
    "image-and-text": _image_and_text,
    "speech": _speech,
    "spectrogram": _spectrogram,
    "waveform": _waveform,
}


# -- tensors -----------------------------------------------------------------------------


def _ids(known: Known, *axes: str) -> TensorSpec:
    """Token ids without the special ones at the beginning of the vocabulary."""
    vocabulary = int(known.get("vocab_size", 1000))
    special = [known.get(name) for name in _SPECIAL]
    early = [i for i in special if isinstance(i, int) and 0 <= i < min(vocabulary // 2, 200)]
    return _integers(axes, max(early, default=-1) + 1, vocabulary)


def _integers(axes: tuple[str, ...], low: int, high: int) -> TensorSpec:
    return TensorSpec(dtype="int64", shape=axes, low=low, high=high)


def _mask(*axes: str) -> TensorSpec:
    return TensorSpec(dtype="int64", shape=axes, fill="mask")


def _tokens(known: Known) -> tuple[int, ...]:
    """Lengths that the model has positions for; RoBERTa's begin behind the padding token."""
    most = int(known.get("max_position_embeddings", 512)) - int(known.get("pad_token_id", 0)) - 1
    if most >= max(_TOKENS):
        return _TOKENS
    top = max(most, 3)
    return tuple(dict.fromkeys((max(top - 1, 2), top, max(top // 2, 1))))


def _pixels(config: Any) -> tuple[tuple[int | str, ...], Sizes]:
    """Channels, height and width; the latter two free where the configuration sets no size."""
    channels = int(getattr(config, "num_channels", None) or 3)
    size = getattr(config, "image_size", None)
    if size is None:
        return (channels, "height", "width"), {"height": (64, 96, 32), "width": (48, 64, 96)}
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return (channels, int(height), int(width)), {}
