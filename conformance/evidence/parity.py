"""Whether a converted model answers what its source answers, in all of its parts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from conformance.evidence.generalization import Generalization
from conformance.evidence.outputs import DecisionParity, Noise, OutputParity


@dataclass(frozen=True, slots=True)
class ComponentParity:
    """A further graph that the same conversion produced, with a certificate of its own."""

    #: Such as "encoder" or "prefill".
    name: str
    outputs: tuple[OutputParity, ...]
    data_sets: int
    problems: tuple[str, ...] = ()

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Every reason why parity does not hold, with the component's name."""
        outputs = tuple(f"output '{o.name}': {o.problem}" for o in self.outputs if o.problem)
        return tuple(f"component '{self.name}': {line}" for line in self.problems + outputs)


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Every output of one case on one provider, compared on every data set."""

    outputs: tuple[OutputParity, ...]
    data_sets: int
    #: Differences that concern no single output: missing, extra or reordered ones.
    problems: tuple[str, ...] = ()
    decisions: tuple[DecisionParity, ...] = ()
    #: ``None`` when parity failed before other shapes were tried.
    generalization: Generalization | None = None
    #: The graphs beside the main one, where the model was converted in parts.
    components: tuple[ComponentParity, ...] = ()

    @property
    def worst_output(self) -> OutputParity | None:
        """The output with the highest ratio to its limit, of any component."""
        parts = (
            replace(output, name=f"{component.name}/{output.name}")
            for component in self.components
            for output in component.outputs
        )
        return max((*self.outputs, *parts), key=lambda o: o.ratio or 0.0, default=None)

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Every reason why parity does not hold, structural ones first.

        A decision that differs because its output is wrong is no reason of its own.
        """
        outputs = tuple(f"output '{o.name}': {o.problem}" for o in self.outputs if o.problem)
        wrong = {o.name for o in self.outputs if o.problem}
        decisions = tuple(d.problem for d in self.decisions if d.problem and d.output not in wrong)
        shapes = self.generalization.problems if self.generalization else ()
        parts = tuple(line for component in self.components for line in component.all_problems)
        return self.problems + outputs + parts + decisions + shapes

    @property
    def noise(self) -> dict[str, Noise]:
        """The rounding noise that the data sets were judged by, of the outputs that have one."""
        return {
            o.name: Noise(o.noise, o.noise_sets or 0) for o in self.outputs if o.noise is not None
        }

    @property
    def vacuous_outputs(self) -> tuple[str, ...]:
        """Why the comparison could not have failed, one line per such output."""
        outputs = [f"output '{o.name}': {o.vacuous}" for o in self.outputs if o.vacuous]
        parts = [
            f"component '{component.name}': output '{output.name}': {output.vacuous}"
            for component in self.components
            for output in component.outputs
            if output.vacuous
        ]
        decisions = [f"{d.kind}: {d.blind}" for d in self.decisions if d.blind]
        return (*outputs, *parts, *decisions)
