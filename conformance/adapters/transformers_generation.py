"""The components of a generative Transformers model, as ``model.generate`` runs them.

``export_for_generation`` of ``transformers.exporters`` takes a model apart into ``prefill`` and
``decode``, by what it sees ``generate`` call. The same is done here, with the same exporter, and
three things more, which a proof needs: an encoder is a component of its own, each component's
calls are kept as its data sets, and ``decode`` is traced at a step whose cache is long enough not
to be taken for a constant.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conformance.adapters.causes import in_short
from conformance.adapters.contract import Arrays, Component, Components, Job
from conformance.adapters.transformers_components import ComponentAdapter, ComponentModel, bare
from conformance.adapters.transformers_steps import axes_of, rules_of
from conformance.errors import ExportError, InputsError
from conformance.texts import Feed, FeedRule, Text, Texts

_LOGITS = "logits"
_CACHE = "past_key_values"
_ENCODER_OUTPUTS = "encoder_outputs."
#: Of the first batch, the call of ``decode`` that is traced; of each further one, so many later.
#: A cache of one or two tokens would be taken for a constant, or for the batch.
_TRACED_STEP, _LATER = 3, 2
#: Fewer tokens than this leave no step to trace.
FEWEST_TOKENS = 6
#: What ``forward`` is told beside tensors, and the exporter takes from the configuration.
_UNTRACED = ("logits_to_keep",)


@dataclass(slots=True)
class _Watched:
    """What one ``generate`` did."""

    #: Arguments of each call of the model; of all but a few, without the cache.
    calls: list[dict[str, Any]] = field(default_factory=list)
    #: Scores of the last position, float32 [batch, vocabulary], of each call.
    scores: list[np.ndarray] = field(default_factory=list)
    encoder: list[dict[str, Any]] = field(default_factory=list)
    tokens: np.ndarray | None = None


def components_of(model: Any, job: Job, sets: Sequence[Arrays], count: int) -> Components:
    """Let ``model`` generate, and take it apart by what it did.

    Args:
        model: a Transformers model that generates.
        job: the conversion's surroundings.
        sets: batches of prompts, as ``generate`` takes them; the first is the one traced.
        count: tokens to generate.

    Raises:
        ExportError: when it does not generate greedily, or in a way that has no rule here.
        InputsError: when there is only one batch of prompts.
    """
    if len(sets) < 2:  # noqa: PLR2004 - one size proves no axis dynamic
        raise InputsError("generation needs at least two batches of prompts, of different sizes")
    kept = [_kept_step(number, count) for number in range(len(sets))]
    seen = [_watch(model, feeds, count, step) for feeds, step in zip(sets, kept, strict=True)]
    texts = [_text(watched) for watched in seen]
    calls: dict[str, tuple[Any, tuple[dict[str, Any], ...]]] = {}
    if seen[0].encoder:
        calls["encoder"] = (model.get_encoder(), tuple(w.encoder[0] for w in seen))
    calls["prefill"] = (model, tuple(w.calls[0] for w in seen))
    calls["decode"] = (
        model,
        tuple(w.calls[step] for w, step in zip(seen, kept, strict=True)),
    )
    known = {
        label: tuple(feeds[name].shape[axis] for feeds in sets)
        for name, axes in job.case.entry.dynamic_axes().items()
        for axis, label in axes.items()
    }
    components = [_component(name, *found, known) for name, found in calls.items()]
    feeds = {"decode": _decode_feeds(components[-1], seen, texts)}
    if seen[0].encoder:
        feeds["prefill"] = _prefill_feeds(components[1], components[0])
    return Components(
        tuple(components),
        Texts(tuple(calls), feeds, _LOGITS, tuple(texts)),
    )


def _kept_step(number: int, count: int) -> int:
    return min(_TRACED_STEP + _LATER * number, count - 1)


def _watch(model: Any, feeds: Arrays, count: int, kept: int) -> _Watched:
    """Let the model generate and write down its calls."""
    import torch

    watched = _Watched()

    def before(_: Any, __: Any, call: dict[str, Any]) -> None:
        whole = len(watched.calls) in (0, kept)
        watched.calls.append(
            {
                name: copy.deepcopy(value)
                for name, value in call.items()
                if name not in _UNTRACED and (whole or name != _CACHE)
            }
        )

    def after(_: Any, __: Any, ___: Any, output: Any) -> None:
        watched.scores.append(output.logits[:, -1].float().numpy(force=True))

    def encoding(_: Any, args: tuple[Any, ...], call: dict[str, Any]) -> None:
        if not args:
            watched.encoder.append(copy.deepcopy(call))

    hooks = [
        model.register_forward_pre_hook(before, with_kwargs=True),
        model.register_forward_hook(after, with_kwargs=True),
    ]
    if model.config.is_encoder_decoder:
        encoder = model.get_encoder()
        hooks.append(encoder.register_forward_pre_hook(encoding, with_kwargs=True))
    tensors = {name: torch.tensor(array) for name, array in feeds.items()}
    usual = model.generation_config
    # not handed over: what is None there is taken from the model's own
    model.generation_config = _greedy(usual, count)
    try:
        with torch.no_grad():
            made = model.generate(**tensors)
    except Exception as error:
        raise ExportError(f"generate() failed: {in_short(error)}") from error
    finally:
        model.generation_config = usual
        for hook in hooks:
            hook.remove()
    watched.tokens = made[:, -count:].numpy(force=True)
    if len(watched.calls) != count:
        raise ExportError(
            f"generate() called the model {len(watched.calls)} times for {count} tokens: only one "
            "call per token can be taken apart"
        )
    return watched


def _greedy(usual: Any, count: int) -> Any:
    """A configuration that takes the best token, always, and never stops early."""
    config = copy.deepcopy(usual)
    config.update(
        do_sample=False,
        num_beams=1,
        max_new_tokens=count,
        max_length=None,
        eos_token_id=None,
        use_cache=True,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        forced_bos_token_id=None,
        forced_eos_token_id=None,
    )
    return config


def _text(watched: _Watched) -> Text:
    """The tokens with their leads.

    Raises:
        ExportError: when a token is not the best by its scores.
    """
    scores = np.stack(watched.scores, axis=1).astype(np.float64)
    ordered = np.sort(scores, axis=-1)
    margins = ordered[..., -1] - ordered[..., -2]
    tokens = watched.tokens
    if tokens is None or not np.array_equal(tokens, scores.argmax(axis=-1)):
        raise ExportError(
            "generate() chose other tokens than the best ones by the model's scores: its "
            "generation_config changes the scores, which the graphs know nothing of"
        )
    return Text(
        tuple(tuple(int(token) for token in row) for row in tokens),
        tuple(tuple(float(margin) for margin in row) for row in margins),
    )


def _component(
    name: str, module: Any, calls: tuple[dict[str, Any], ...], known: Mapping[str, tuple[int, ...]]
) -> Component:
    import torch
    from transformers.exporters.utils import get_leaf_tensors

    leaves = [get_leaf_tensors(call) for call in calls]
    with torch.no_grad():
        given = get_leaf_tensors(module(**copy.deepcopy(calls[0])))
    shared = frozenset(leaves[0].keys() & given.keys())
    sets = [
        {
            f"input.{path}" if path in shared else path: tensor.numpy(force=True)
            for path, tensor in found.items()
        }
        for found in leaves
    ]
    axes = axes_of(sets, known)
    model = ComponentModel(module, calls, shared, axes)
    return Component(name, ComponentAdapter(), model, sets, axes)


def _prefill_feeds(prefill: Component, encoder: Component) -> dict[str, Feed]:
    """What the encoder saw; all else belongs to the prompt."""
    adapter: ComponentAdapter = ComponentAdapter()
    outputs = adapter.outputs(encoder.model, adapter.bind(encoder.model, encoder.sets[0])())
    made = {}
    for name in prefill.sets[0]:
        output = bare(name).removeprefix(_ENCODER_OUTPUTS)
        if bare(name).startswith(_ENCODER_OUTPUTS) and output in outputs:
            made[name] = Feed(FeedRule.ANSWER, output)
    return made


def _decode_feeds(
    decode: Component, seen: Sequence[_Watched], texts: Sequence[Text]
) -> dict[str, Feed]:
    """How each input of ``decode`` is made: the cache by its name, all else by what it was."""
    steps = [[_small(call) for call in watched.calls] for watched in seen]
    rules = rules_of(steps, [np.array(text.tokens) for text in texts])
    feeds = {}
    for name in decode.sets[0]:
        path = bare(name)
        if path in decode.model.shared:
            feeds[name] = Feed(FeedRule.ANSWER, path)
        elif path in rules:
            feeds[name] = Feed(rules[path])
        else:
            raise ExportError(
                f"generate() makes input '{path}' of a decode step in a way that has no rule here"
            )
    return feeds


def _small(call: Mapping[str, Any]) -> Arrays:
    """The tensors of a call beside its cache."""
    from transformers.exporters.utils import get_leaf_tensors

    beside = {name: value for name, value in call.items() if name != _CACHE}
    return {path: tensor.numpy(force=True) for path, tensor in get_leaf_tensors(beside).items()}
