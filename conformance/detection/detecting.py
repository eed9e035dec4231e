"""Name to entry: what is there, what the user wishes, and what the model tells of itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydantic
from pydantic import JsonValue

from conformance.detection.formats import Refusal, chosen_entrypoint
from conformance.detection.named import Named, Undetected, at_revision, find
from conformance.detection.signature import Signature, axes_of, default_sizes, input_sets
from conformance.detection.wished import apply_wishes
from conformance.detection.wishes import Wishes
from conformance.entry import GOES_WITH, ZooEntry
from conformance.errors import InfraError, LoadError
from conformance.execution.contract import Completed
from conformance.model import BASE, Case, FrameworkInfo, Stage, Verdict, from_json
from conformance.providers import PROVIDERS
from conformance.sources.fetching import Fetched
from conformance.sources.spelling import Remote
from conformance.variants import VARIANTS
from conformance.zoo import LocatedCase
from conformance.zoo.expand import expand
from conformance.zoo.suggest import choices

_COMMIT = re.compile(r"[0-9a-f]{40}")
_FLAGS = {"allow_pickle": "--allow-pickle", "trust_remote_code": "--trust-remote-code"}
#: Stands in for inputs while only the model is read.
_NO_INPUTS = {"factory": "none:none"}
_ID_CHARS = 100

#: Asks a process of a framework for a model's signature; the case names the source.
Ask = Callable[[LocatedCase, FrameworkInfo], Completed]
#: Brings a model of another place here.
Fetch = Callable[[Remote], Fetched]


@dataclass(frozen=True, slots=True)
class Detected:
    """What the engine is to run, and why."""

    located: LocatedCase
    provider: str
    #: What was found and what was taken for granted, one sentence each.
    told: tuple[str, ...]
    model_type: str | None = None


def detect(
    name: str,
    wishes: Wishes,
    frameworks: Mapping[str, FrameworkInfo],
    ask: Ask,
    fetch: Fetch,
) -> Detected:
    """The one case that a name and some wishes stand for.

    Args:
        name: see :func:`conformance.detection.named.find`.
        wishes: what is decided already.
        frameworks: the known ones, by name.
        ask: has a model's signature read, as :func:`.reading.read_signature` does.
        fetch: brings a model of another place here, as
            :func:`conformance.sources.fetching.fetch` does.

    Raises:
        Undetected: when it cannot be told, or a wish cannot be met.
        LoadError, InfraError: of ``fetch``, and when the model cannot be read.
    """
    _check_wishes(wishes, frameworks)
    named = find(name, frameworks, wishes.framework)
    if named.entry is not None:
        return _of_manifest(named, named.entry, wishes, frameworks)
    info = frameworks[named.framework or ""]
    _check_exporter(wishes, info)
    for need in named.needs:
        if not getattr(wishes, need):
            raise Undetected(
                f"'{name}' can run any code when it is loaded: add {_FLAGS[need]} if you trust "
                "its author"
            )
    source, told = _source(named, wishes, fetch)
    provisional = _entry(named, source, {"inputs": _NO_INPUTS})
    if wishes.inputs:
        signature = Signature(dict(wishes.inputs), default_sizes(wishes.inputs), wishes.task)
    else:
        signature = _asked(_located(named, provisional, info, wishes, None), info, ask)
    try:
        signature = apply_wishes(signature, wishes)
    except ValueError as error:
        raise Undetected(str(error)) from error
    entry = _entry(named, source, _inputs_of(signature))
    located = _located(named, entry, info, wishes, signature.exporter)
    more = (*named.told, *told, *signature.told, _shown(signature))
    return Detected(located, wishes.provider or "cpu", more, signature.model_type)


def _of_manifest(
    named: Named, entry: ZooEntry, wishes: Wishes, frameworks: Mapping[str, FrameworkInfo]
) -> Detected:
    changed = [w for w in ("inputs", "sizes", "input_names", "dynamic") if getattr(wishes, w)]
    if changed:
        raise Undetected(
            f"the entry at {named.place} says its inputs itself: change them there, or name the "
            "model instead of the manifest"
        )
    info = frameworks.get(entry.framework)
    if info is not None:
        _check_exporter(wishes, info)
    given = {
        key: (value,)
        for key, value in (
            ("exporters", wishes.exporter),
            ("opsets", wishes.opset),
            ("variants", wishes.variant),
            ("providers", wishes.provider),
        )
        if value is not None
    }
    entry = entry.model_copy(update=given)
    case = expand(entry, info)[0]
    file, _, line = (named.place or "").rpartition(":")
    located = LocatedCase(case, Path(file), int(line), named.zoo_dir)
    return Detected(located, entry.providers[0], named.told)


def _check_wishes(wishes: Wishes, frameworks: Mapping[str, FrameworkInfo]) -> None:
    for what, value, known in (
        ("framework", wishes.framework, frameworks),
        ("variant", wishes.variant, VARIANTS),
        ("provider", wishes.provider, PROVIDERS),
    ):
        if value is not None and value not in known:
            raise Undetected(f"unknown {what} '{value}'{choices(value, known)}")


def _check_exporter(wishes: Wishes, info: FrameworkInfo) -> None:
    if wishes.exporter is not None and wishes.exporter not in info.exporters:
        tail = choices(wishes.exporter, info.exporters)
        raise Undetected(f"{info.name} has no exporter '{wishes.exporter}'{tail}")
    lowest, highest = info.opset_range
    if wishes.opset is not None and not lowest <= wishes.opset <= highest:
        raise Undetected(f"{info.name} exports opsets {lowest} to {highest}, not {wishes.opset}")


def _source(
    named: Named, wishes: Wishes, fetch: Fetch
) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """The entry's source, pinned to what was fetched where its place tells what that is."""
    source, told = dict(named.source), tuple[str, ...]()
    if named.remote is not None:
        remote = at_revision(named.remote, wishes.revision)
        if wishes.trust_remote_code:
            _check_pinned(remote)
        source, told = _pinned(fetch(remote), remote)
    elif wishes.revision is not None:
        raise Undetected("--revision goes with a model of a repository; this is a local model")
    for flag in _FLAGS:
        if getattr(wishes, flag) and source.keys() & set(GOES_WITH[flag]):
            source[flag] = True
    return source, told


def _check_pinned(remote: Remote) -> None:
    """Code that is run is that of a commit, of the places that have commits."""
    repository = remote.kind in GOES_WITH["trust_remote_code"]
    if repository and not _COMMIT.fullmatch(remote.revision or ""):
        raise Undetected(
            "--trust-remote-code needs the full commit hash of the code that you have read, as "
            f"{replace(remote, revision='COMMIT')}: the code of a branch is another one tomorrow"
        )


def _pinned(fetched: Fetched, asked: Remote) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """The source of what was fetched, and what is told of it."""
    remote, told = fetched.remote, []
    if remote != asked:
        told.append(f"'{asked}' is {remote}")
    if remote.kind == "torch_hub":
        spelled = str(replace(remote, entrypoint=""))
        try:
            chosen, how = chosen_entrypoint(fetched.folder, remote.entrypoint or "", spelled)
        except Refusal as error:
            raise Undetected(str(error)) from error
        remote = replace(remote, entrypoint=chosen)
        told.append(f"hubconf.py of '{remote.name}', {how}")
    return remote.fields, tuple(told)


def _entry(named: Named, source: Mapping[str, JsonValue], more: Mapping[str, Any]) -> ZooEntry:
    label = re.sub(r"[^A-Za-z0-9._-]+", "-", named.label).strip("-._")[:_ID_CHARS] or "model"
    try:
        return ZooEntry.model_validate(
            {"id": label, "framework": named.framework, "source": source, **more}
        )
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        text = str(first["msg"]).removeprefix("Value error, ")
        raise Undetected(f"'{named.label}' makes no entry: {place}: {text}") from error


def _located(
    named: Named, entry: ZooEntry, info: FrameworkInfo, wishes: Wishes, exporter: str | None
) -> LocatedCase:
    chosen = wishes.exporter or exporter or info.exporters[0]
    opset = wishes.opset or info.default_opset
    variant = wishes.variant or BASE
    entry = entry.model_copy(
        update={
            "exporters": (chosen,),
            "opsets": (opset,),
            "variants": (variant,),
            "providers": (wishes.provider or "cpu",),
            "task": wishes.task or entry.task,
            "conversion": {**entry.conversion, **wishes.conversion},
        }
    )
    return LocatedCase(Case(entry, chosen, opset, variant), named.zoo_dir, 1, named.zoo_dir)


def _asked(located: LocatedCase, info: FrameworkInfo, ask: Ask) -> Signature:
    completed = ask(located, info)
    if completed.value is not None:
        return from_json(Signature, completed.value)
    failure = completed.failure
    reason = failure.reason if failure else "the model's process gave no signature"
    if failure is None or failure.verdict is not Verdict.FAIL:
        raise InfraError(reason)
    # a model that cannot be read is another thing than one that does not tell what it takes
    raise LoadError(reason) if failure.stage is Stage.LOAD else Undetected(reason)


def _inputs_of(signature: Signature) -> dict[str, Any]:
    spec = {
        name: tensor.model_dump(exclude_defaults=True) for name, tensor in signature.inputs.items()
    }
    wanted = axes_of(signature.inputs)
    sizes = {axis: signature.sizes[axis] for axis in wanted}
    inputs: dict[str, Any] = {"spec": spec}
    if sizes:
        inputs["sets"] = input_sets(sizes)
    return {"inputs": inputs, "task": signature.task, "conversion": dict(signature.conversion)}


def _shown(signature: Signature) -> str:
    parts = [
        f"{name} {spec.dtype}[{', '.join(map(str, spec.shape))}]"
        for name, spec in signature.inputs.items()
    ]
    return f"inputs: {'; '.join(parts)}"
