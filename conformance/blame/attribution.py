"""Who is to blame, from what was found: rules without any work in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from conformance.blame.turn import Turn, Turned
from conformance.graph.difference import GraphDifference
from conformance.history import EnvironmentDiff
from conformance.trend import PackageChange

#: Distributions of ONNX Runtime, one per set of providers, begin with this.
RUNTIME = "onnxruntime"
_HARDWARE = ("cpu", "cores", "governor", "gpus", "isa")
_LISTED = 5


class Side(StrEnum):
    """What moved."""

    #: The converted model is another one.
    CONVERTER = "converter"
    #: ONNX Runtime.
    RUNTIME = "runtime"
    #: The hardware.
    MACHINE = "machine"
    #: The inputs, or what the source framework answers.
    SOURCE = "source"
    #: Converter, and runtime or machine; one without the other cannot be told to be enough.
    BOTH = "both"
    #: None of them: what judges, or chance.
    NEITHER = "neither"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Graphs:
    """What is known of the two converted models."""

    #: By the digests in the records; None where a record has none.
    identical: bool | None
    #: None where a bundle is gone, and where they are identical.
    difference: GraphDifference | None = None
    #: Test data, and answers of the source, that the bundles don't have in common.
    data: tuple[str, ...] = ()
    #: Why the bundles could not be compared.
    gone: str | None = None

    @property
    def changed(self) -> bool | None:
        """Whether the models differ in more than names; None where that is not known."""
        if self.identical:
            return False
        return None if self.difference is None else not self.difference.same


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the verdict is made of."""

    turn: Turn
    graphs: Graphs
    environment: EnvironmentDiff
    #: Version of ONNX Runtime under which was replayed here.
    present: str
    #: Whether the old and the new model are red here; None where that could not be found out.
    old_red: bool | None = None
    new_red: bool | None = None
    #: In fresh environments: whether the old and the new model are red, by version.
    elsewhere: Mapping[str, tuple[bool | None, bool | None]] | None = None
    #: Packages that take part in a conversion.
    converters: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def runtime(self) -> PackageChange | None:
        """The change of ONNX Runtime, if there was one."""
        found = [p for p in self.environment.packages if p.name.startswith(RUNTIME)]
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Which side moved, in one word and in one sentence."""

    side: Side
    text: str
    #: Whether replaying bears it out; False where it is told by what differs alone.
    confirmed: bool = False


def attribute(evidence: Evidence) -> Attribution:
    """Say which side moved."""
    after = evidence.turn.after.row
    if after.export is None:
        text = f"the conversion itself fails at {after.stage}{_converters(evidence)}"
        return Attribution(Side.CONVERTER, text)
    changed = evidence.graphs.changed
    if changed is None:
        why = evidence.graphs.gone or "a record names no bundle"
        return Attribution(Side.UNKNOWN, f"cannot be told: {why}")
    return _other_model(evidence) if changed else _same_model(evidence)


def _same_model(evidence: Evidence) -> Attribution:
    same = _output(evidence)
    if evidence.graphs.data:
        text = f"{same}; the inputs or the source's answers changed{_converters(evidence)}"
        return Attribution(Side.SOURCE, text)
    if evidence.runtime is not None:
        return _same_model_elsewhere(evidence, evidence.runtime, same)
    if machine := _machine(evidence):
        return Attribution(Side.MACHINE, f"{same}; {_turned(evidence)} by the machine ({machine})")
    return Attribution(Side.NEITHER, f"{same}; {_rest(evidence)}")


def _same_model_elsewhere(evidence: Evidence, runtime: PackageChange, same: str) -> Attribution:
    """The model stayed, and ONNX Runtime did not."""
    machine = _machine(evidence)
    was_red, red = _either(evidence, runtime.before), _either(evidence, runtime.after)
    if evidence.turn.turned is Turned.RED:
        if red is False:
            text = f"{same}; it passes here under onnxruntime {runtime.after}, as it then did not"
            if machine:
                return Attribution(Side.MACHINE, f"{text}: regressed by the machine ({machine})")
            return Attribution(Side.UNKNOWN, f"cannot be told: {text}")
        if was_red:
            text = f"{same}; it fails here under onnxruntime {runtime.before} too"
            return Attribution(Side.NEITHER, text, confirmed=True)
    more = f", or by the machine ({machine})" if machine and red is None else ""
    text = f"{same}; {_turned(evidence)} by {_arrow(runtime)}{more}"
    return Attribution(Side.RUNTIME, text, confirmed=red is True and was_red is False)


def _other_model(evidence: Evidence) -> Attribution:
    changed = f"{_output(evidence)}{_converters(evidence)}"
    runtime, machine = evidence.runtime, _machine(evidence)
    if runtime is None and not machine:
        if unlike := _not_shown(evidence):
            return Attribution(Side.UNKNOWN, f"cannot be told: {changed}; but {unlike}")
        confirmed = evidence.old_red is False and evidence.new_red is True
        return Attribution(Side.CONVERTER, changed, confirmed=confirmed)
    moved = _arrow(runtime) if runtime else f"the machine ({machine})"
    after = runtime.after if runtime else evidence.present
    old_after = _cell(evidence, after, new=False)
    new_before = _cell(evidence, runtime.before, new=True) if runtime else None
    if evidence.turn.turned is not Turned.NAMED:
        if old_after is False and evidence.new_red is not False and new_before is not False:
            text = f"{changed}; the old model passes under onnxruntime {after} too"
            if evidence.turn.turned is Turned.SLOW:
                text = f"{changed}; the old model is faster here, under onnxruntime {after}"
            return Attribution(Side.CONVERTER, text, confirmed=True)
        if old_after and new_before is False and runtime:
            text = (
                f"regressed by {moved}: the old model fails under {runtime.after}, the new one "
                f"passes under {runtime.before}; {changed}, which does not matter"
            )
            return Attribution(Side.RUNTIME, text, confirmed=True)
        if evidence.turn.turned is Turned.SLOW and old_after and runtime:
            text = f"regressed by {moved}: the old model is no faster here; {changed}"
            return Attribution(Side.RUNTIME, text, confirmed=True)
    more = "; the old model fails under it too" if old_after else ""
    return Attribution(Side.BOTH, f"both moved: {changed}; {moved}{more}")


def _not_shown(evidence: Evidence) -> str:
    """What the replay here does not bear out, in words; empty where it does, or was not asked."""
    if evidence.turn.turned is Turned.NAMED:
        return ""
    slow = evidence.turn.turned is Turned.SLOW
    if evidence.new_red is False:
        return "the new model is no slower here" if slow else "the new model passes here"
    return "the old model fails here too" if evidence.old_red else ""


def _cell(evidence: Evidence, version: str | None, *, new: bool) -> bool | None:
    """Whether a model is red under a version of ONNX Runtime; None where nobody has tried."""
    if version is not None and evidence.elsewhere and version in evidence.elsewhere:
        found = evidence.elsewhere[version][new]
        if found is not None:
            return found
    if version == evidence.present:
        return evidence.new_red if new else evidence.old_red
    return None


def _either(evidence: Evidence, version: str | None) -> bool | None:
    """Whether the model, which is the same in both bundles, is red under a version."""
    found = [_cell(evidence, version, new=new) for new in (True, False)]
    return next((red for red in found if red is not None), None)


def _output(evidence: Evidence) -> str:
    graphs = evidence.graphs
    if graphs.identical:
        return "converter output byte-identical"
    difference = graphs.difference
    if difference is None or difference.same:
        return "converter output the same but for names"
    told = [str(node) for node in difference.nodes]
    counts = {text: told.count(text) for text in dict.fromkeys(told)}
    listed = [text if n == 1 else f"{n} x {text}" for text, n in counts.items()]
    listed += difference.model
    if len(listed) > _LISTED:
        listed = [*listed[:_LISTED], f"and {len(listed) - _LISTED} more"]
    number = len(difference.nodes)
    count = f"{number} node{' differs' if number == 1 else 's differ'}"
    return f"converter changed: {count} ({'; '.join(listed)})"


def _converters(evidence: Evidence) -> str:
    """Packages that changed and convert; where none of them does, those that changed at all."""
    packages = [p for p in evidence.environment.packages if not p.name.startswith(RUNTIME)]
    named = [p for p in packages if p.name in evidence.converters] or packages
    listed = [_arrow(package) for package in named[:_LISTED]]
    if len(named) > _LISTED:
        listed.append(f"{len(named) - _LISTED} more packages")
    return f", {', '.join(listed)}" if listed else _commits(evidence)


def _turned(evidence: Evidence) -> str:
    return "changed" if evidence.turn.turned is Turned.NAMED else "regressed"


def _rest(evidence: Evidence) -> str:
    """What else differs, when neither model nor runtime nor machine do."""
    found = [_arrow(package) for package in evidence.environment.packages[:_LISTED]]
    commits = _commits(evidence).removeprefix(", ")
    listed = ", ".join([*found, *([commits] if commits else [])])
    return f"onnxruntime and the machine are those of then; what differs: {listed or 'nothing'}"


def _commits(evidence: Evidence) -> str:
    fact = next((f for f in evidence.environment.facts if f.name == "commit"), None)
    if fact is None:
        return ""
    before, after = (str(value)[:12] if value else "none" for value in (fact.before, fact.after))
    return f", commit {before} -> {after}"


def _machine(evidence: Evidence) -> str:
    """What differs in the hardware, in words; empty where nothing does."""
    facts = [f for f in evidence.environment.facts if f.name in _HARDWARE]
    return ", ".join(f"{fact.name} {fact.before} -> {fact.after}" for fact in facts)


def _arrow(package: PackageChange) -> str:
    return f"{package.name} {package.before or 'none'} -> {package.after or 'none'}"
